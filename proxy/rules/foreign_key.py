"""What the rules about the columns of a foreign key have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.rules.base import Context
from proxy.rules.new_column import columns
from proxy.sql.cursor import Cursor, NotRead
from proxy.sql.lexer import LexError, lex
from proxy.sql.statements import (
    AddColumn,
    AddConstraint,
    AlterTable,
    ColumnDefinition,
    ConstraintKind,
    CreateTable,
    Name,
    Span,
    TableConstraint,
)
from proxy.sql.types import type_name

Source = AddConstraint | AddColumn | CreateTable


@dataclass(frozen=True, slots=True)
class Key:
    """A foreign key as it is written; ``referenced`` is empty where the other table's primary key is meant."""

    table: Name
    columns: tuple[str, ...]
    references: Name
    referenced: tuple[str, ...]
    span: Span


def keys(node: Source, context: Context) -> Iterator[Key]:
    """Those that a statement or an action adds to a table that is not a session's own."""
    match node:
        case AddConstraint(constraint=c):
            relation = context.relation(context.table.relation)
            if relation is None or (relation.exists and not relation.temporary):
                yield from _of_table(context.table.relation, (c,))
        case _:
            if (made := columns(node, context)) is not None:
                table, found = made
                yield from (key for column in found for key in _of_column(table, column))
                yield from _of_table(table, node.constraints if isinstance(node, CreateTable) else ())


def _of_table(table: Name, constraints: tuple[TableConstraint, ...]) -> Iterator[Key]:
    for c in constraints:
        if c.kind is ConstraintKind.FOREIGN_KEY and c.references is not None:
            yield Key(table, c.columns, c.references, c.referenced_columns, c.span)


def _of_column(table: Name, column: ColumnDefinition) -> Iterator[Key]:
    for c in column.constraints:
        if c.kind == "REFERENCES" and c.references is not None:
            yield Key(table, (column.name,), c.references, c.referenced_columns, c.span)


def own_types(key: Key, context: Context) -> list[str | None]:
    """Types of its columns by their names in pg_type, as far as they are known."""
    node = context.statement.node
    written: dict[str, str] = {}
    match node:
        case CreateTable(columns=found):
            written = {c.name: c.type.name for c in found}
        case AlterTable(actions=actions):
            written = {a.column.name: a.column.type.name for a in actions if isinstance(a, AddColumn)}
    return [written.get(name) or _type_of(key.table, name, context) for name in key.columns]


def other_types(key: Key, context: Context) -> list[str | None]:
    """Types of the columns that it refers to, likewise."""
    relation = context.relation(key.references)
    names = key.referenced
    if not names and relation is not None:
        names = next((c.columns for c in relation.constraints.values() if c.kind == "p"), ())
    return [_type_of(key.references, name, context) for name in names]


def _type_of(table: Name, column: str, context: Context) -> str | None:
    relation = context.relation(table)
    known = relation.columns.get(column) if relation is not None else None
    if known is None:
        return None
    try:
        return type_name(Cursor(lex(known.type))).name
    except (LexError, NotRead, IndexError):
        return None
