"""Column definitions and the constraints inside them (gram.y: columnDef, ColConstraint)."""

from __future__ import annotations

from dataclasses import replace

from proxy.sql.constraints import deferral, index_parameters, nulls_not_distinct, references
from proxy.sql.cursor import Cursor
from proxy.sql.statements import ColumnConstraint, ColumnDefinition, TypeName
from proxy.sql.types import no_type, type_name

# What can end the expression of a DEFAULT.
CONSTRAINT_STARTS = frozenset({
    "constraint", "not", "null", "unique", "primary", "check", "default", "generated", "references", "deferrable", "initially",
    "enforced", "collate",
})  # fmt: skip


def column(c: Cursor) -> ColumnDefinition:
    """``name type …``"""
    start = c.here
    name = c.name()
    return _rest(c, start, name, type_name(c))


def typed_column(c: Cursor) -> ColumnDefinition:
    """``name [WITH OPTIONS] …``: of a table made OF a type or as a PARTITION OF another."""
    start = c.here
    name = c.name()
    c.take("with", "options")
    return _rest(c, start, name, no_type(c))


def _rest(c: Cursor, start: int, name: str, type_: TypeName) -> ColumnDefinition:
    while word := c.take_one("storage", "compression", "options"):
        if word == "options":
            c.need_group()
        else:
            c.name()
    found = column_constraints(c)
    return ColumnDefinition(c.since(start), name, type_, tuple(found))


def column_constraints(c: Cursor) -> list[ColumnConstraint]:
    """All that follow; DEFERRABLE and the like belong to the one before them, COLLATE to none."""
    found: list[ColumnConstraint] = []
    while not c.done:
        if c.take("collate"):
            c.path()
        elif attribute := _attribute(c):
            if found:
                last = found[-1]
                off = attribute == "not enforced"
                found[-1] = replace(last, span=c.since(last.span.start), not_enforced=last.not_enforced or off)
        elif one := _constraint(c):
            found.append(one)
        else:
            break
    return found


def _attribute(c: Cursor) -> str | None:
    start = c.i
    if deferral(c):
        return "deferrable"
    found = c.take_phrase("not enforced", "enforced")
    return found if c.i > start else None


def _constraint(c: Cursor) -> ColumnConstraint | None:
    start, name = c.here, None
    if c.take("constraint"):
        name = c.name()
    match c.word():
        case "not" if c.take("not", "null"):
            no_inherit = c.take("no", "inherit")
            return ColumnConstraint(c.since(start), "NOT NULL", name, no_inherit=no_inherit)
        case "null" if c.take("null"):
            return ColumnConstraint(c.since(start), "NULL", name)
        case "unique" if c.take("unique"):
            nulls_not_distinct(c)
            index_parameters(c)
            return ColumnConstraint(c.since(start), "UNIQUE", name)
        case "primary" if c.take("primary", "key"):
            index_parameters(c)
            return ColumnConstraint(c.since(start), "PRIMARY KEY", name)
        case "check" if c.take("check"):
            expression = c.need_group()
            no_inherit = c.take("no", "inherit")
            return ColumnConstraint(c.since(start), "CHECK", name, expression, no_inherit=no_inherit)
        case "default" if c.take("default"):
            expression = c.expression(CONSTRAINT_STARTS, b_expr=True)
            return ColumnConstraint(c.since(start), "DEFAULT", name, expression)
        case "generated" if c.take("generated"):
            return _generated(c, start, name)
        case "references" if c.take("references"):
            target = references(c)
            return ColumnConstraint(
                c.since(start), "REFERENCES", name, references=target.table, referenced_columns=target.columns
            )
        case _:
            if name is not None:
                raise c.refuse("a constraint")
            return None


def _generated(c: Cursor, start: int, name: str | None) -> ColumnConstraint:
    if not c.take("always"):
        c.need("by", "default")
    c.need("as")
    if c.take("identity"):
        c.maybe_group()
        return ColumnConstraint(c.since(start), "IDENTITY", name)
    expression = c.need_group()
    virtual = c.take_one("stored", "virtual") != "stored"  # VIRTUAL is the default, since PG 18
    return ColumnConstraint(c.since(start), "GENERATED", name, expression, virtual=virtual)
