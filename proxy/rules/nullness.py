"""What is known of the NULLs of a column, before and within one ALTER TABLE."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.catalog.facts import Column, Constraint, Relation
from proxy.plans.change_type import changes_nothing
from proxy.plans.staged_not_null import helper_name
from proxy.rules.base import Context
from proxy.sql.expression import proves_not_null
from proxy.sql.statements import AddColumn, AlterColumnType, DropConstraint, DropNotNull


def added(column: str, context: Context) -> bool:
    """Whether the same ALTER adds the column, or takes NOT NULL off it first."""
    for action in context.table.actions:
        match action:
            case AddColumn(column=definition) if definition.name == column:
                return True
            case DropNotNull(column=name) if name == column:
                return True
            case _:
                pass
    return False


def is_not_null(column: str, relation: Relation, context: Context) -> bool:
    """Whether the column is NOT NULL, validly, and stays so in this ALTER."""
    match relation.columns.get(column):
        case Column(not_null=True, not_null_valid=True):
            dropped = {a.name for a in context.table.actions if isinstance(a, DropConstraint)}
            return not any(
                relation.constraints[name].kind == "n" and relation.constraints[name].columns == (column,)
                for name in dropped & set(relation.constraints)
            )
        case _:
            return False


def proven(column: str, relation: Relation, context: Context) -> bool:
    """Whether a valid CHECK says so already, one that this ALTER does not drop; our own passing one does not count."""
    pending = (
        c := relation.columns.get(column)
    ) is not None and c.not_null  # NOT VALID (18): it is scanned all the same
    return not pending and proves(column, relation.constraints, context)


def proves(column: str, constraints: Mapping[str, Constraint], context: Context) -> bool:
    """Whether one of ``constraints`` is a CHECK that allows no NULL, is valid, and stays as it is in this ALTER."""
    dropped = {a.name for a in context.table.actions if isinstance(a, DropConstraint)} | {helper_name(column)}
    remade = _retyped(context)  # a CHECK of those is made again, and proves nothing meanwhile
    return any(
        c.kind == "c"
        and c.validated
        and c.enforced
        and c.name not in dropped
        and not remade & set(c.columns)
        and proves_not_null(c.definition, column)
        for c in constraints.values()
    )


def _retyped(context: Context) -> set[str]:
    """Columns that get another type in the same ALTER."""
    relation, alter = context.relation(context.table.relation), context.table
    return {
        a.column
        for a in alter.actions
        if isinstance(a, AlterColumnType)
        and not (relation is not None and changes_nothing(context.statement, a, relation, context.facts))
    }
