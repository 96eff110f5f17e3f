"""What the rules about the columns of new tables, and new columns of old ones, have in common."""

from __future__ import annotations

from proxy.rules.base import Context
from proxy.sql.statements import AddColumn, ColumnDefinition, CreateTable, Name


def columns(node: CreateTable | AddColumn, context: Context) -> tuple[Name, tuple[ColumnDefinition, ...]] | None:
    """The table and the columns that are new; None where nothing is made, and for what lives in one session only."""
    if context.facts.in_recovery:
        return None
    match node:
        case CreateTable(relation=name, temporary=False, foreign=False, partition_of=None, columns=found):
            existing = context.relation(name)
            return None if existing is not None and existing.exists else (name, found)
        case AddColumn(column=column):
            table = context.table
            relation = context.relation(table.relation)
            if table.object_type != "TABLE" or (relation is not None and not relation.exists):
                return None
            if relation is not None and (relation.temporary or column.name in relation.columns):
                return None
            return table.relation, (column,)
    return None


def is_key(column: ColumnDefinition, node: CreateTable | AddColumn) -> bool:
    """Whether it is the primary key, or a part of it."""
    if column.constraint("PRIMARY KEY") is not None:
        return True
    constraints = node.constraints if isinstance(node, CreateTable) else ()
    return any(column.name in c.columns for c in constraints if c.kind == "PRIMARY KEY")
