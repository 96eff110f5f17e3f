"""Table constraints (gram.y: TableConstraint) and what they share with those written inside a column."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.sql.cursor import Cursor
from proxy.sql.statements import ConstraintKind, Name, Span, TableConstraint


@dataclass(frozen=True, slots=True)
class Attributes:
    """What may follow a constraint, in any order."""

    deferrable: Span | None = None
    not_valid: Span | None = None
    not_enforced: bool = False
    no_inherit: bool = False


@dataclass(frozen=True, slots=True)
class IndexParameters:
    include: Span | None = None
    with_options: Span | None = None
    tablespace: str | None = None


@dataclass(frozen=True, slots=True)
class References:
    table: Name
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """``(a, b WITHOUT OVERLAPS)`` or ``(a, PERIOD b)``."""

    names: tuple[str, ...]
    inside: Span
    without_overlaps: bool = False


def at_table_constraint(c: Cursor) -> bool:
    match c.word():
        case "constraint" | "check" | "unique" | "primary" | "foreign":
            return True
        case "not":
            return c.at("not", "null")
        case "exclude":
            return c.at("exclude", "(") or c.at("exclude", "using")
        case _:
            return False


def table_constraint(c: Cursor) -> TableConstraint:
    start = c.here
    name = c.name() if c.take("constraint") else None
    body = c.here
    match c.word():
        case "check":
            return _check(c, start, name, body)
        case "not":
            return _not_null(c, start, name, body)
        case "unique" | "primary":
            return _unique(c, start, name, body)
        case "exclude":
            return _exclude(c, start, name, body)
        case "foreign":
            return _foreign_key(c, start, name, body)
        case _:
            raise c.refuse("CHECK, FOREIGN KEY, UNIQUE, PRIMARY KEY, EXCLUDE or NOT NULL")


def _check(c: Cursor, start: int, name: str | None, body: int) -> TableConstraint:
    c.need("check")
    expression = c.need_group()
    found = attributes(c)
    return TableConstraint(
        c.since(start), ConstraintKind.CHECK, name, c.since(body), expression=expression,
        deferrable=found.deferrable, not_valid=found.not_valid, not_enforced=found.not_enforced, no_inherit=found.no_inherit,
    )  # fmt: skip


def _not_null(c: Cursor, start: int, name: str | None, body: int) -> TableConstraint:
    c.need("not", "null")
    column_start = c.here
    column = c.name()
    place = c.since(column_start)
    found = attributes(c)
    return TableConstraint(
        c.since(start), ConstraintKind.NOT_NULL, name, c.since(body), (column,), place,
        deferrable=found.deferrable, not_valid=found.not_valid, not_enforced=found.not_enforced, no_inherit=found.no_inherit,
    )  # fmt: skip


def _unique(c: Cursor, start: int, name: str | None, body: int) -> TableConstraint:
    kind = ConstraintKind.UNIQUE
    if not c.take("unique"):
        c.need("primary", "key")
        kind = ConstraintKind.PRIMARY_KEY
    if c.take("using", "index"):
        index = c.name()
        found = attributes(c)
        return TableConstraint(
            c.since(start), kind, name, c.since(body), using_index=index,
            deferrable=found.deferrable, not_valid=found.not_valid, not_enforced=found.not_enforced, no_inherit=found.no_inherit,
        )  # fmt: skip
    not_distinct = nulls_not_distinct(c) if kind is ConstraintKind.UNIQUE else False
    columns = column_list(c)
    parameters = index_parameters(c)
    found = attributes(c)
    return TableConstraint(
        c.since(start), kind, name, c.since(body), columns.names, columns.inside,
        include=parameters.include, nulls_not_distinct=not_distinct, with_options=parameters.with_options,
        tablespace=parameters.tablespace, without_overlaps=columns.without_overlaps,
        deferrable=found.deferrable, not_valid=found.not_valid, not_enforced=found.not_enforced, no_inherit=found.no_inherit,
    )  # fmt: skip


def _exclude(c: Cursor, start: int, name: str | None, body: int) -> TableConstraint:
    c.need("exclude")
    if c.take("using"):
        c.name()
    inside = c.need_group()
    parameters = index_parameters(c)
    if c.take("where"):
        c.need_group()
    found = attributes(c)
    return TableConstraint(
        c.since(start), ConstraintKind.EXCLUDE, name, c.since(body), columns_span=inside, include=parameters.include,
        with_options=parameters.with_options, tablespace=parameters.tablespace,
        deferrable=found.deferrable, not_valid=found.not_valid, not_enforced=found.not_enforced, no_inherit=found.no_inherit,
    )  # fmt: skip


def _foreign_key(c: Cursor, start: int, name: str | None, body: int) -> TableConstraint:
    c.need("foreign", "key")
    columns = column_list(c)
    c.need("references")
    target = references(c)
    found = attributes(c)
    return TableConstraint(
        c.since(start), ConstraintKind.FOREIGN_KEY, name, c.since(body), columns.names, columns.inside,
        references=target.table, referenced_columns=target.columns,
        deferrable=found.deferrable, not_valid=found.not_valid, not_enforced=found.not_enforced, no_inherit=found.no_inherit,
    )  # fmt: skip


# ---------------------------------------------------------------- parts


def column_list(c: Cursor) -> Columns:
    """A list of columns in brackets; the last may be a period (PG 18)."""
    c.need("(")
    start = c.tokens[c.i - 1].end
    names, overlaps = [], False
    while True:
        if c.at("period") and not any(c.at(*behind, ahead=1) for behind in ((",",), (")",), ("without", "overlaps"))):
            c.any()
        names.append(c.name())
        if c.take("without", "overlaps"):
            overlaps = True
        if not c.take(","):
            break
    inside = Span(start, c.here)
    c.need(")")
    return Columns(tuple(names), inside, overlaps)


def nulls_not_distinct(c: Cursor) -> bool:
    """``[NULLS [NOT] DISTINCT]``: whether it is NOT DISTINCT."""
    if not c.take("nulls"):
        return False
    distinct = not c.take("not")
    c.need("distinct")
    return not distinct


def index_parameters(c: Cursor) -> IndexParameters:
    include = c.need_group() if c.take("include") else None
    options = c.need_group() if c.take("with") else None
    tablespace = c.name() if c.take("using", "index", "tablespace") else None
    return IndexParameters(include, options, tablespace)


def references(c: Cursor) -> References:
    """What follows REFERENCES: a table, its columns, MATCH and the actions."""
    table = c.qname()
    columns = column_list(c).names if c.at("(") else ()
    if c.take("match"):
        c.need_one("full", "partial", "simple")
    while c.take("on"):
        c.need_one("delete", "update")
        if c.take("set"):
            c.need_one("null", "default")
            c.maybe_group()
        else:
            c.need_phrase("no action", "cascade", "restrict")
    return References(table, columns)


def attributes(c: Cursor) -> Attributes:
    """What follows a constraint (gram.y: ConstraintAttributeSpec)."""
    deferrable: Span | None = None
    not_valid: Span | None = None
    not_enforced = no_inherit = False
    while True:
        start = c.here
        if deferral(c):
            deferrable = c.since(deferrable.start if deferrable else start)
        elif c.take("not", "valid"):
            not_valid = c.since(start)
        elif c.take("not", "enforced"):
            not_enforced = True
        elif c.take("no", "inherit"):
            no_inherit = True
        elif not c.take("enforced"):
            return Attributes(deferrable, not_valid, not_enforced, no_inherit)


def deferral(c: Cursor) -> bool:
    """Take one of DEFERRABLE, NOT DEFERRABLE, INITIALLY DEFERRED, INITIALLY IMMEDIATE."""
    return bool(c.take_phrase("deferrable", "not deferrable", "initially deferred", "initially immediate"))
