"""SET NOT NULL that reads all rows under lock."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.catalog.facts import Column, Constraint, Relation
from proxy.plans.change_type import changes_nothing
from proxy.plans.compose import alone
from proxy.plans.plan import Lock, Rewrite
from proxy.plans.staged_not_null import helper_name, staged_not_null
from proxy.plans.validate_later import validate_later
from proxy.rules.base import Context, Finding, rule
from proxy.rules.cost import cost_of
from proxy.rules.subject import Subject, altered, script
from proxy.sql.expression import proves_not_null
from proxy.sql.statements import (
    AddColumn,
    AddConstraint,
    AlterColumnType,
    ConstraintKind,
    DropConstraint,
    DropNotNull,
    SetNotNull,
)


@rule
def not_null_scan(node: SetNotNull | AddConstraint, context: Context) -> Finding | None:
    about = altered(context)
    if isinstance(node, AddConstraint):
        return _constraint(node, about, context) if about is not None else None
    if about is None or _free(node.column, about, context) or _again(node, context):
        return None
    rewrite = None if about.unresolved else staged_not_null(context.statement, node, context.facts)
    return Finding(
        rule="not-null-scan",
        at=node.span,
        problem=f'SET NOT NULL on column "{node.column}" would block reads and writes of {about.shown}'
        " while all rows are checked",
        detail=f"{about.all_rows} would be read under an ACCESS EXCLUSIVE lock.",
        hint=_hint(node, rewrite, context),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=context.table.relation,
        rewrite=rewrite,
    )


def _constraint(node: AddConstraint, about: Subject, context: Context) -> Finding | None:
    """``ADD [CONSTRAINT name] NOT NULL column`` (18)."""
    from proxy.rules.constraint import by_hand, name_taken  # which asks this module what is NOT NULL

    c = node.constraint
    if c.kind is not ConstraintKind.NOT_NULL or c.not_valid or name_taken(node, context):
        return None
    if cost_of(node, context).work == "none":
        return None
    # Without a name of its own, one that an interrupted run has left NOT VALID would not be known again.
    rewrite = None if about.unresolved or not c.name else validate_later(context.statement, node, context.facts)
    return Finding(
        rule="not-null-scan",
        at=c.span,
        problem=f'adding NOT NULL on column "{c.columns[0]}" would block reads and writes of {about.shown}'
        " while all rows are checked",
        detail=f"{about.all_rows} would be read under an ACCESS EXCLUSIVE lock.",
        hint=by_hand(node, rewrite, context),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=context.table.relation,
        rewrite=rewrite,
    )


def _free(column: str, about: Subject, context: Context) -> bool:
    """Whether Postgres reads no row for it: an error, nothing to do, or proven."""
    relation = about.relation
    if relation is None:
        return _proves(column, context.facts.stated.get(context.table.relation.parts, {}), context)
    if context.table.only and relation.kind == "p":
        return True  # it has no rows of its own, and Postgres wants the partitions' columns NOT NULL already
    if added(column, context):
        return False
    return column not in relation.columns or is_not_null(column, relation, context) or proven(column, relation, context)


def _again(node: SetNotNull, context: Context) -> bool:
    """Whether the same words stand in the ALTER before."""
    same = [a for a in context.table.actions if isinstance(a, SetNotNull) and a.column == node.column]
    return same[0] is not node


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
    return not pending and _proves(column, relation.constraints, context)


def _proves(column: str, constraints: Mapping[str, Constraint], context: Context) -> bool:
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


def _hint(node: SetNotNull, rewrite: Rewrite | None, context: Context) -> str:
    if rewrite is None:
        return "Run it when the database answers again: nothing is known of the table now."
    return script(*(sql for step in alone(context.statement, node, rewrite) for sql in step.statements))
