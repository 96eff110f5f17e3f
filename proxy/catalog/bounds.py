"""Whether valid CHECKs prove that every row of a table lies within a partition bound, or outside it.

Then Postgres does not read the table when it is attached (or, for the default partition, when another comes).
Only bounds of one column and literals are understood; whatever else there is proves nothing.
Source: PartConstraintImpliedByRelConstraint, check_default_partition_contents; get_qual_for_range (partbounds.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from proxy.catalog.facts import Relation
from proxy.sql.cursor import Cursor, NotRead
from proxy.sql.expression import parse_expression
from proxy.sql.lexer import LexError, Token, lex

if TYPE_CHECKING:
    from sqlglot import exp

Value = Decimal | str
DATED = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?")  # of one shape these sort as text does


@dataclass(frozen=True, slots=True)
class Range:
    """``low <= column < high``; None: without a limit."""

    low: Value | None
    high: Value | None


Bound = Range | frozenset[Value]


def bound(text: str) -> Bound | None:
    """The bound in ``… FOR VALUES FROM (1) TO (9)`` or ``… IN (1, 2)``; None if it is of another kind."""
    try:
        cursor = Cursor(lex(text))
        while not cursor.take("for", "values"):
            cursor.any()
        if cursor.take("in"):
            values = _values(cursor)
            return None if values is None or None in values else frozenset(v for v in values if v is not None)
        cursor.need("from")
        low = _values(cursor)
        cursor.need("to")
        high = _values(cursor)
    except (LexError, NotRead, IndexError):
        return None
    if low is None or high is None or len(low) != 1 or len(high) != 1:
        return None
    return Range(low[0], high[0])


def _values(cursor: Cursor) -> list[Value | None] | None:
    """The literals between parentheses, None for MINVALUE and MAXVALUE; None if there is anything else."""
    cursor.need("(")
    found: list[Value | None] = []
    while True:
        minus = cursor.take("-")
        token = cursor.peek()
        if token is None:
            return None
        if cursor.take_one("minvalue", "maxvalue"):
            found.append(None)
        elif (value := _literal(token)) is not None:
            cursor.any()
            found.append(-value if minus and isinstance(value, Decimal) else value)
        else:
            return None
        if cursor.take(")"):
            return found
        if not cursor.take(","):
            return None


def _literal(token: Token) -> Value | None:
    if token.kind == "number":
        return Decimal(token.value) if token.value.replace(".", "", 1).isdecimal() else None
    if token.kind == "string" and token.value.startswith("'") and "\\" not in token.value:
        return token.value[1:-1].replace("''", "'")
    return None


def key_column(relation: Relation) -> str | None:
    """The one plain column that a table is partitioned by; None if it is otherwise."""
    try:
        cursor = Cursor(lex(relation.partition_key))
        cursor.need_one("range", "list")
        cursor.need("(")
        name = cursor.name()
        return name if cursor.take(")") and cursor.done else None
    except (LexError, NotRead, IndexError):
        return None


def within(table: Relation, column: str, wanted: Bound) -> bool:
    """Whether valid constraints of ``table`` prove that ``column`` is not null and lies in the bound."""
    facts = [fact for check in _checks(table) for fact in _conjuncts(check)]
    known = table.columns.get(column)
    not_null = known is not None and known.not_null and known.not_null_valid
    if not not_null and not any(_is_not_null(fact, column) for fact in facts):
        return False
    limits = [limit for fact in facts if (limit := _limit(fact, column)) is not None]
    if isinstance(wanted, frozenset):
        return any(op == "in" and isinstance(v, frozenset) and v <= wanted for op, v in limits)
    low = wanted.low is None or any(_proves_low(op, v, wanted.low) for op, v in limits)
    return low and (wanted.high is None or any(_proves_high(op, v, wanted.high) for op, v in limits))


def outside(table: Relation, column: str, unwanted: Bound) -> bool:
    """Whether a valid CHECK of ``table`` is ``NOT (…)`` of just that bound."""
    from sqlglot import exp

    for check in _checks(table):
        tree = _open(check)
        if not isinstance(tree, exp.Not):
            continue
        limits = {limit for fact in _conjuncts(tree.this) if (limit := _limit(fact, column)) is not None}
        if isinstance(unwanted, frozenset):
            wanted: set[tuple[str, Value | frozenset[Value]]] = {("in", unwanted)}
        else:
            wanted = {(">=", unwanted.low)} if unwanted.low is not None else set()
            wanted |= {("<", unwanted.high)} if unwanted.high is not None else set()
        if limits == wanted:
            return True
    return False


def _checks(table: Relation) -> Iterator[exp.Expr]:
    for constraint in table.constraints.values():
        text = constraint.definition
        if constraint.kind == "c" and constraint.validated and constraint.enforced and text.startswith("CHECK "):
            tree = parse_expression(text.removeprefix("CHECK ").removesuffix(" NO INHERIT"))
            if tree is not None:
                yield tree


def _open(tree: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    while isinstance(tree, exp.Paren):
        tree = tree.this
    return tree


def _conjuncts(tree: exp.Expr) -> Iterator[exp.Expr]:
    from sqlglot import exp

    tree = _open(tree)
    if isinstance(tree, exp.And):
        yield from _conjuncts(tree.this)
        yield from _conjuncts(tree.expression)
    else:
        yield tree


def _is_column(tree: exp.Expr, column: str) -> bool:
    from sqlglot import exp

    return isinstance(tree, exp.Column) and isinstance(tree.this, exp.Identifier) and tree.name == column


def _is_not_null(tree: exp.Expr, column: str) -> bool:
    from sqlglot import exp

    wrapped = isinstance(tree, exp.Not)  # NOT (… IS …) in older versions of sqlglot, IS with ``negate`` in newer ones
    test = _open(tree.this) if wrapped else tree
    if not isinstance(test, exp.Is) or not isinstance(test.expression, exp.Null) or not _is_column(test.this, column):
        return False
    return wrapped != bool(test.args.get("negate"))


def _limit(tree: exp.Expr, column: str) -> tuple[str, Value | frozenset[Value]] | None:
    """``(">=", 500)`` of ``column >= 500``; ``("in", {1, 2})`` of ``column = ANY (ARRAY[1, 2])``."""
    from sqlglot import exp

    operators: dict[type[exp.Expr], str] = {exp.GTE: ">=", exp.GT: ">", exp.LT: "<", exp.LTE: "<=", exp.EQ: "in"}
    operator = operators.get(type(tree))
    if operator is None or not _is_column(_open(tree.this), column):
        return None
    if operator != "in":
        value = _constant(tree.expression)
        return None if value is None else (operator, value)
    other = _open(tree.expression)
    listed = (
        _open(other.this).expressions
        if isinstance(other, exp.Any) and isinstance(_open(other.this), exp.Array)
        else [other]
    )
    values = [_constant(item) for item in listed]
    return None if None in values else ("in", frozenset(v for v in values if v is not None))


def _constant(tree: exp.Expr) -> Value | None:
    """A literal, perhaps with a cast that the server has printed."""
    from sqlglot import exp

    tree = _open(tree)
    if isinstance(tree, exp.Cast):
        inner = _constant(tree.this)
        if isinstance(inner, str) and tree.is_type("int", "bigint", "smallint", "decimal"):
            return Decimal(inner) if inner.lstrip("-").replace(".", "", 1).isdecimal() else None
        return inner
    if isinstance(tree, exp.Neg):
        inner = _constant(tree.this)
        return -inner if isinstance(inner, Decimal) else None
    if not isinstance(tree, exp.Literal):
        return None
    return str(tree.this) if tree.is_string else Decimal(str(tree.this))


def _at_least(one: Value | frozenset[Value], other: Value) -> bool:
    """Whether ``one >= other`` for certain."""
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return one >= other
    if isinstance(one, str) and isinstance(other, str):
        comparable = len(one) == len(other) and DATED.fullmatch(one) and DATED.fullmatch(other)
        return one == other or bool(comparable and one >= other)
    return False


def _proves_low(operator: str, value: Value | frozenset[Value], low: Value) -> bool:
    if isinstance(value, frozenset):
        return operator == "in" and all(_at_least(v, low) for v in value)
    return operator in (">=", ">") and _at_least(value, low)


def _proves_high(operator: str, value: Value | frozenset[Value], high: Value) -> bool:
    if isinstance(value, frozenset):
        return operator == "in" and all(_at_least(high, v) and v != high for v in value)
    if operator == "<":
        return _at_least(high, value)
    return operator == "<=" and _at_least(high, value) and value != high
