"""Whether an index that is there is the one that a CREATE INDEX asks for: then Postgres makes it part of a partitioned one.

It compares what CompareIndexInfo (catalog/index.c) compares: neither order nor storage parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Index
from proxy.plans import reading
from proxy.plans.build_index import include_list
from proxy.plans.elements import keys, says, split
from proxy.sql.lexer import Token
from proxy.sql.read import read
from proxy.sql.statements import CreateIndex, Statement


def same_index(statement: Statement, node: CreateIndex, definition: str) -> bool | None:
    """Whether ``definition``, by pg_get_indexdef(), would serve; None if that is not certain."""
    there = next(iter(read(definition)), None) if definition else None
    if there is None or not isinstance(there.node, CreateIndex):
        return None
    printed = there.node
    plain = (
        node.unique == printed.unique
        and node.method == printed.method
        and len(node.columns) == len(printed.columns)
        and include_list(statement) == include_list(there)
        and nulls_not_distinct(statement) == nulls_not_distinct(there)
        and (node.where is None) == (printed.where is None)
    )
    if not plain:
        return False
    mine, theirs = keys(statement, node), keys(there, printed)
    if mine is None or theirs is None or len(mine) != len(theirs):
        return None
    found = [
        _same_key(statement, node, i, mine[i], there, printed, theirs[i])
        for i in range(min(len(mine), len(node.columns)))
    ]
    if node.where is not None and printed.where is not None:
        found.append(reading.same(node.where.of(statement.text), printed.where.of(there.text)) or None)
    return False if False in found else None if None in found else True


def _same_key(
    statement: Statement,
    node: CreateIndex,
    i: int,
    mine: list[Token],
    there: Statement,
    printed: CreateIndex,
    theirs: list[Token],
) -> bool | None:
    one, other = node.columns[i], printed.columns[i]
    key, marks, _ = split(mine, one)
    printed_key, printed_marks, _ = split(theirs, other)
    if one is not None:
        same: bool | None = one == other
    elif other is not None:
        same = None  # a column in brackets, perhaps
    else:
        same = reading.same(_text(statement, node, key), _text(there, printed, printed_key)) or None
    collation = _same_mark(*_marks(marks)[:1], *_marks(printed_marks)[:1])
    class_ = _same_mark(*_marks(marks)[1:], *_marks(printed_marks)[1:])
    every = (same, collation, class_)
    return False if False in every else None if None in every else True


def _same_mark(written: str, printed: str) -> bool | None:
    """The server prints a collation or operator class where it is not the default one."""
    if written == printed:
        return True
    return None if written and not printed else False


def _marks(tokens: Sequence[Token]) -> tuple[str, str]:
    """The collation and the operator class, without their schemas."""
    collation, rest = "", list(tokens)
    if rest and rest[0].kind == "word" and rest[0].value == "collate":
        del rest[0]
        collation, rest = _path(rest)
    class_, rest = _path(rest)
    return collation, class_ + "".join(token.value for token in rest)


def _path(tokens: list[Token]) -> tuple[str, list[Token]]:
    """The last part of a dotted name, and what follows it."""
    if not tokens:
        return "", tokens
    end = 1
    while len(tokens) > end + 1 and tokens[end].value == ".":
        end += 2
    return tokens[end - 1].value, tokens[end:]


def _text(statement: Statement, node: CreateIndex, key: Sequence[Token]) -> str:
    base = node.relation.span.end
    return statement.text[base + key[0].start : base + key[-1].end]


def nulls_not_distinct(statement: Statement) -> bool:
    return says(statement, statement.span.start, "nulls", "not", "distinct")


def same_order(statement: Statement, node: CreateIndex, index: Index) -> bool:
    """Whether the elements are sorted alike, too."""
    there = next(iter(read(index.definition)), None) if index.definition else None
    if there is None or not isinstance(there.node, CreateIndex):
        return False
    mine, theirs = keys(statement, node), keys(there, there.node)
    if mine is None or theirs is None:
        return False
    return [_order(part, c) for part, c in zip(mine, node.columns, strict=False)] == [
        _order(part, c) for part, c in zip(theirs, there.node.columns, strict=False)
    ]


def _order(part: list[Token], column: str | None) -> tuple[bool, bool]:
    """Whether an element is DESC, and NULLS FIRST."""
    words = {token.value for token in split(part, column)[2]}
    descending = "desc" in words
    return descending, "first" in words or (descending and "last" not in words)
