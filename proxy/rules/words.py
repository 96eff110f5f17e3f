"""Words of a statement that its node does not hold, from Postgres's own tokens: never by searching the text."""

from __future__ import annotations

from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.statements import Name, Span


def tokens(text: str, span: Span) -> list[Token]:
    """The tokens of a part of a statement that was read before, with places in that part."""
    try:
        return lex(span.of(text))
    except LexError:
        return []


def outside(found: list[Token]) -> list[Token]:
    """Those outside brackets, with the outermost brackets themselves."""
    depth, kept = 0, []
    for token in found:
        opens, closes = token.value in ("(", "["), token.value in (")", "]")
        if token.kind != "op" or not (opens or closes):
            opens = closes = False
        depth -= closes
        if depth == 0:
            kept.append(token)
        depth += opens
    return kept


def has_phrase(text: str, span: Span, *words: str) -> bool:
    """Whether the words stand there one after the other, outside literals, quoted names and brackets."""
    found = [token.value if token.kind == "word" else "" for token in outside(tokens(text, span))]
    return any(tuple(found[i : i + len(words)]) == words for i in range(len(found)))


def name_at(text: str, span: Span, skip: int) -> Name | None:
    """The qualified name that begins at the token number ``skip``."""
    parts: list[str] = []
    found = tokens(text, span)[skip:]
    for i, token in enumerate(found):
        if i % 2 == 0 and token.kind in ("word", "quoted", "uquoted"):
            parts.append(token.value)
        elif i % 2 == 0 or token.value != ".":
            break
    if not parts:
        return None
    last = found[2 * len(parts) - 2]
    return Name(tuple(parts), Span(span.start + found[0].start, span.start + last.end))
