"""Which tables an INSERT, UPDATE, DELETE or MERGE writes, WITH clauses included, and whether it says which rows."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.statements import Name, Query, Span, Statement

INTO = {"insert": "into", "delete": "from", "merge": "into"}
NAMES = ("word", "quoted")
ROWS = frozenset({"select", "table", "with", "execute"})  # from where an INSERT may get any number of rows


@dataclass(frozen=True, slots=True)
class Written:
    verb: str  # INSERT, UPDATE, DELETE, MERGE
    relation: Name
    at: Span  # the verb
    where: bool  # it has a WHERE of its own
    is_query: bool  # INSERT: the rows are those of a query
    whole: bool  # it is the statement itself, not a part of it


def written(statement: Statement) -> tuple[Written, ...]:
    """In the order of the text; empty for what writes nothing, and for names that are written in a rare way (``U&"…"``)."""
    if not isinstance(statement.node, Query):
        return ()
    try:
        tokens = lex(statement.sql)
    except LexError:
        return ()
    return tuple(w for i in range(len(tokens)) if (w := _at(tokens, i, statement.span.start)) is not None)


def _at(tokens: list[Token], i: int, start: int) -> Written | None:
    verb = tokens[i]
    if verb.kind != "word" or verb.value not in ("update", *INTO):
        return None
    if i and tokens[i - 1].value not in ("(", ")"):  # FOR UPDATE, DO UPDATE, a column of that name …
        return None
    at = i + 1
    if verb.value in INTO:
        if not _word(tokens, at, INTO[verb.value]):
            return None
        at += 1
    at += _word(tokens, at, "only")
    parts: list[str] = []
    first = at
    while at < len(tokens) and tokens[at].kind in NAMES:
        parts.append(tokens[at].value)
        at += 1
        if at < len(tokens) and tokens[at].value == "." and tokens[at].kind == "op":
            at += 1
        else:
            break
    if not parts or (verb.value == "update" and not _sets(tokens, at)):
        return None
    words = _own_words(tokens, at)
    name = Name(tuple(parts), Span(start + tokens[first].start, start + tokens[at - 1].end))
    return Written(
        verb.value.upper(),
        name,
        Span(start + verb.start, start + verb.end),
        where="where" in words,
        is_query=bool(ROWS & words),
        whole=i == 0,
    )


def _word(tokens: list[Token], at: int, value: str) -> bool:
    return at < len(tokens) and tokens[at].kind == "word" and tokens[at].value == value


def _sets(tokens: list[Token], at: int) -> bool:
    """Whether SET follows, perhaps after a star and an alias."""
    return any(_word(tokens, at + ahead, "set") for ahead in range(4))


def _own_words(tokens: list[Token], at: int) -> frozenset[str]:
    """Words up to the end of the part that begins there, outside brackets."""
    depth, found = 0, set()
    for token in tokens[at:]:
        depth += token.kind == "op" and token.value == "("
        depth -= token.kind == "op" and token.value == ")"
        if depth < 0:
            break
        if depth == 0 and token.kind == "word":
            found.add(token.value)
    return frozenset(found)
