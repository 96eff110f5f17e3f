"""The key of a CREATE INDEX, column by column."""

from __future__ import annotations

from proxy.sql import lexer
from proxy.sql.lexer import LexError, Token
from proxy.sql.statements import CreateIndex, Statement, quote_identifier


def elements(statement: Statement, node: CreateIndex) -> list[tuple[str, str]] | None:
    """Each key element as an expression, and as its index definition calls it.

    None if one has an operator class, a collation or a parameter: whether two values are equal is for those to say.
    """
    parts = keys(statement, node)
    if parts is None:
        return None
    base, text = node.relation.span.end, statement.text
    found: list[tuple[str, str]] = []
    for column, part in zip(node.columns, parts, strict=False):
        part = _without_order(part)
        if not part:
            return None
        written = text[base + part[0].start : base + part[-1].end]
        if column is not None:
            if len(part) != 1:
                return None
            found.append((quote_identifier(column), quote_identifier(column)))
        elif _whole(part):
            found.append((written, written))
        else:
            return None
    return found if len(found) == len(node.columns) else None


def keys(statement: Statement, node: CreateIndex) -> list[list[Token]] | None:
    """The tokens of each key element; their places count from the end of the table's name."""
    try:
        tokens = lexer.lex(statement.text[node.relation.span.end : statement.span.end])
    except LexError:
        return None
    first = next((i for i, token in enumerate(tokens) if _is(token, "(")), None)
    if first is None:
        return None
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens[first + 1 :]:
        if depth == 0 and _is(token, ")"):
            break
        if depth == 0 and _is(token, ","):
            parts.append([])
            continue
        depth += 1 if _is(token, "(") else -1 if _is(token, ")") else 0
        parts[-1].append(token)
    return parts


def says(statement: Statement, start: int, *words: str, end: int | None = None) -> bool:
    """Whether these words stand next to each other in a part of the statement, outside of brackets."""
    try:
        tokens = lexer.lex(statement.text[start : statement.span.end if end is None else end])
    except LexError:
        return False
    outside: list[str] = []
    depth = 0
    for token in tokens:
        if token.kind == "op":
            depth += {"(": 1, ")": -1}.get(token.value, 0)
        if not depth:
            outside.append(token.value if token.kind == "word" else "")
    size = len(words)
    return any(tuple(outside[i : i + size]) == words for i in range(len(outside)))


def _without_order(part: list[Token]) -> list[Token]:
    """Without ASC, DESC, NULLS FIRST, NULLS LAST: what is equal stays equal."""
    while part and part[-1].kind == "word" and part[-1].value in ("asc", "desc", "first", "last", "nulls"):
        part = part[:-1]
    return part


def _whole(part: list[Token]) -> bool:
    """Whether an element is nothing but ``(expression)`` or ``function(…)``."""
    begin = next((i for i, token in enumerate(part) if _is(token, "(")), None)
    if begin is None or not all(token.kind in ("word", "quoted") or _is(token, ".") for token in part[:begin]):
        return False
    depth = 0
    for i, token in enumerate(part[begin:], begin):
        depth += 1 if _is(token, "(") else -1 if _is(token, ")") else 0
        if depth == 0:
            return i == len(part) - 1
    return False


def _is(token: Token, value: str) -> bool:
    return token.kind == "op" and token.value == value


def split(part: list[Token], column: str | None) -> tuple[list[Token], list[Token], list[Token]]:
    """An element as key, as collation and operator class, and as order."""
    ordered = _without_order(part)
    end = 1 if column is not None else _closed(ordered)
    return ordered[:end], ordered[end:], part[len(ordered) :]


def _closed(part: list[Token]) -> int:
    """Where the first bracket that opens has been closed: behind ``(expression)`` or ``function(…)``."""
    depth = 0
    for i, token in enumerate(part):
        depth += 1 if _is(token, "(") else -1 if _is(token, ")") else 0
        if depth == 0 and _is(token, ")"):
            return i + 1
    return len(part)
