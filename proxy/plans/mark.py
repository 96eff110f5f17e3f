"""The passing constraint that marks an ALTER TABLE in steps as unfinished.

With it the same statement, sent again after an interruption, is told from one about what somebody else made.
"""

from __future__ import annotations

from proxy.catalog.facts import Constraint, Relation
from proxy.plans.target import is_own, own_name
from proxy.sql.statements import AddColumn, AlterColumnType, AlterTable, Statement

UNFINISHED = "CHECK (true) NOT VALID"  # what it says: nothing


def mark(statement: Statement, action: AddColumn | AlterColumnType, table: tuple[str, str]) -> str:
    """Its name: the same for the same statement."""
    match action:
        case AddColumn(column=added):
            return own_name("add", *table, added.name, statement.sql)
        case AlterColumnType(column=column):
            return own_name("type", *table, column, statement.sql)


def mark_of_all(statement: Statement, table: tuple[str, str]) -> str:
    """The name of the one that stands for several actions: those that come first are done if it is there."""
    return own_name("alter", *table, statement.sql)


def marked(statement: Statement, action: AddColumn | AlterColumnType, relation: Relation | None) -> Constraint | None:
    """The mark, if an interrupted run of this very statement has left it."""
    return relation.constraints.get(mark(statement, action, relation.qualified)) if relation is not None else None


def is_resumed(statement: Statement, action: AddColumn, relation: Relation | None) -> bool:
    """Whether an interrupted run of this very statement has added the column."""
    if relation is None or action.column.name not in relation.columns:
        return False
    return marked(statement, action, relation) is not None


def any_resumed(statement: Statement, relation: Relation | None) -> bool:
    """Whether an interrupted run has done a part of this ALTER TABLE: then what it asks for may be there already."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    if relation is None or not any(is_own(name) for name in relation.constraints):
        return False
    if mark_of_all(statement, relation.qualified) in relation.constraints:
        return True
    actions = [a for a in alter.actions if isinstance(a, AddColumn | AlterColumnType)]
    return any(marked(statement, action, relation) is not None for action in actions)
