"""A definition that the server has printed, with another name for one of the columns in it.

The server writes names in small letters or in quotes and its own words in capitals, which tells them apart but for
types, which stand behind ``::``, and functions, which stand before a bracket.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.sql import lexer
from proxy.sql.lexer import LexError, Token
from proxy.sql.statements import quote_identifier

# Words that the server writes in small letters inside the names of types.
SMALL = frozenset(
    {"zone", "without", "with", "varying", "precision", "year", "month", "day", "hour", "minute", "second"}
)


def renamed(text: str, column: str, new: str, start: int = 0, end: int | None = None) -> str | None:
    """``text`` with ``new`` for the column's name between two offsets; None if it is not certain what is its name."""
    if column in SMALL:
        return None
    try:
        tokens = lexer.lex(text)
    except LexError:
        return None
    written = (quote_identifier(column), quote_identifier(column, always=True))
    end = len(text) if end is None else end
    for i in reversed(range(len(tokens))):
        token = tokens[i]
        inside = start <= token.start and token.end <= end
        if inside and text[token.start : token.end] in written and not _is_no_column(tokens, i):
            text = text[: token.start] + quote_identifier(new) + text[token.end :]
    return text


def _is_no_column(tokens: Sequence[Token], i: int) -> bool:
    before = tokens[i - 1].value if i else ""
    behind = tokens[i + 1].value if i + 1 < len(tokens) else ""
    return before in ("::", ".", "collate") or behind in ("(", ".")


def brackets(text: str) -> list[tuple[int, int]]:
    """The insides of the outermost brackets, in order, as offsets.  Raises LexError."""
    found, depth, begun = list[tuple[int, int]](), 0, 0
    for token in lexer.lex(text):
        if token.kind != "op" or token.value not in ("(", ")"):
            continue
        if token.value == "(":
            begun = token.end if depth == 0 else begun
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                found.append((begun, token.start))
    return found
