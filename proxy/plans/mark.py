"""The passing constraint that marks an ADD COLUMN in steps as unfinished.

With it the same statement, sent again after an interruption, is told from one about a column that somebody else made.
"""

from __future__ import annotations

from proxy.catalog.facts import Relation
from proxy.plans.target import own_name
from proxy.sql.statements import AddColumn, AlterTable, Statement


def mark(statement: Statement, column: str, table: tuple[str, str]) -> str:
    """Its name: the same for the same statement."""
    return own_name("add", *table, column, statement.sql)


def is_resumed(statement: Statement, action: AddColumn, relation: Relation | None) -> bool:
    """Whether an interrupted run of this very statement has added the column."""
    if relation is None or action.column.name not in relation.columns:
        return False
    return mark(statement, action.column.name, relation.qualified) in relation.constraints


def any_resumed(statement: Statement, relation: Relation | None) -> bool:
    """Whether an interrupted run has done a part of this ALTER TABLE: then what it asks for may be there already."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    return any(isinstance(a, AddColumn) and is_resumed(statement, a, relation) for a in alter.actions)
