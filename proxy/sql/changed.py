"""UPDATE and DELETE of one table, taken apart as far as is needed to run it for some of its rows."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.statements import Name, Query, Span, Statement

QUERIES = frozenset({"select", "with", "values", "table"})


@dataclass(frozen=True, slots=True)
class Set:
    column: str
    value: Span  # in the statement's text


@dataclass(frozen=True, slots=True)
class Changed:
    """Spans are offsets into ``Statement.sql``."""

    verb: str  # UPDATE or DELETE
    relation: Name
    called: str  # what its columns may be qualified with: the alias, or the table's name
    sets: tuple[Set, ...]
    head: Span  # all that stands before WHERE
    where: Span | None  # the condition, without the word


def changed(statement: Statement) -> Changed | str:
    """The parts; or what about it is not understood, in words."""
    try:
        tokens = [t for t in lex(statement.sql) if t.value != ";"]
    except LexError:
        return "it cannot be read"
    if not isinstance(statement.node, Query) or not tokens or tokens[0].value not in ("update", "delete"):
        return "it is neither UPDATE nor DELETE"
    if any(t.kind == "param" for t in tokens):
        return "it has parameters"
    if any(t.kind == "word" and t.value in QUERIES and _opens(tokens, i) for i, t in enumerate(tokens)):
        return "there is a query in it"
    return _parts(tokens, statement)


def _opens(tokens: list[Token], i: int) -> bool:
    return tokens[i].value == "select" or (i > 0 and tokens[i - 1].kind == "op" and tokens[i - 1].value == "(")


def _parts(tokens: list[Token], statement: Statement) -> Changed | str:
    verb = tokens[0].value
    at = 1 + (verb == "delete")
    if at < len(tokens) and tokens[at].kind == "word" and tokens[at].value == "only":
        at += 1
    first, parts = at, list[str]()
    while at < len(tokens) and tokens[at].kind in ("word", "quoted"):
        parts.append(tokens[at].value)
        at += 1
        if at >= len(tokens) or tokens[at].value != "." or tokens[at].kind != "op":
            break
        at += 1
    last = at
    if at < len(tokens) and tokens[at].kind == "op" and tokens[at].value == "*":
        at += 1
    start = statement.span.start
    name = Name(tuple(parts), Span(start + tokens[first].start, start + tokens[last - 1].end))
    top: dict[str, int] = {}
    for i, token in enumerate(_outside(tokens)):
        if token is not None and i > 1 and not (token.value == "from" and tokens[i - 1].value == "distinct"):
            top.setdefault(token.value, i)
    end = top.get("where", len(tokens))
    for word in ("returning", "using", "from"):
        if word in top and (word == "returning" or top[word] < end):
            return f"it has {word.upper()}"
    begun = top.get("set", end) if verb == "update" else end
    alias = [t for t in tokens[at:begun] if not (t.kind == "word" and t.value == "as")]
    if not parts or begun > end or (verb == "update" and "set" not in top):
        return "it cannot be read"
    if len(alias) > 1 or any(t.kind not in ("word", "quoted") for t in alias):
        return "it cannot be read"
    sets = _sets(tokens[begun + 1 : end]) if verb == "update" else ()
    if sets is None:
        return "it sets something else than columns, one by one"
    if end + 2 < len(tokens) and [t.value for t in tokens[end + 1 : end + 3]] == ["current", "of"]:
        return "it is about the row of a cursor"
    where = Span(tokens[end + 1].start, tokens[-1].end) if end + 1 < len(tokens) else None
    called = alias[0].value if alias else parts[-1]
    return Changed(verb.upper(), name, called, sets, Span(0, tokens[end - 1].end), where)


def _outside(tokens: list[Token]) -> list[Token | None]:
    """The words outside brackets, each in its place."""
    found, depth = list[Token | None](), 0
    for token in tokens:
        depth -= token.kind == "op" and token.value in (")", "]")
        found.append(token if depth == 0 and token.kind == "word" else None)
        depth += token.kind == "op" and token.value in ("(", "[")
    return found


def _sets(tokens: list[Token]) -> tuple[Set, ...] | None:
    """``a = 1, b = 2``; None if it is anything else."""
    found, depth, begun = list[Set](), 0, 0
    for i, token in enumerate((*tokens, Token("op", ",", 0, 0))):
        if token.kind == "op":
            depth += token.value in ("(", "[")
            depth -= token.value in (")", "]")
        if token.kind != "op" or token.value != "," or depth:
            continue
        column = tokens[begun:i]
        if len(column) < 3 or column[0].kind not in ("word", "quoted") or column[1].value != "=":
            return None
        found.append(Set(column[0].value, Span(column[2].start, column[-1].end)))
        begun = i + 1
    return tuple(found)
