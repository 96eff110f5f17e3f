"""SET NOT NULL that reads all rows under lock."""

from __future__ import annotations

from functools import partial

from proxy.catalog.alter import becomes_own
from proxy.plans.compose import alone
from proxy.plans.plan import Lock, Rewrite
from proxy.plans.staged_not_null import staged_not_null
from proxy.plans.validate_later import validate_later
from proxy.rules.base import Context, Finding, rule
from proxy.rules.constraint import checks_all_rows, name_taken
from proxy.rules.cost import cost_of
from proxy.rules.nullness import added, is_not_null, proven, proves
from proxy.rules.subject import Subject, altered, script
from proxy.sql.statements import (
    AddConstraint,
    ConstraintKind,
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
        hint=partial(_hint, node, rewrite, context),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=context.table.relation,
        rewrite=rewrite,
    )


def _constraint(node: AddConstraint, about: Subject, context: Context) -> Finding | None:
    """``ADD [CONSTRAINT name] NOT NULL column`` (18)."""
    c = node.constraint
    if c.kind is not ConstraintKind.NOT_NULL or c.not_valid or name_taken(node, context):
        return None
    if cost_of(node, context).work == "none":
        return None
    # Without a name of its own, one that an interrupted run has left NOT VALID would not be known again.
    rewrite = None if about.unresolved or not c.name else validate_later(context.statement, node, context.facts)
    return checks_all_rows("not-null-scan", f'NOT NULL on column "{c.columns[0]}"', node, about, rewrite, context)


def _free(column: str, about: Subject, context: Context) -> bool:
    """Whether Postgres reads no row for it: an error, nothing to do, or proven."""
    relation = about.relation
    if relation is None:
        return proves(column, context.facts.stated.get(context.table.relation.parts, {}), context)
    if context.table.only and relation.kind == "p":
        return True  # it has no rows of its own, and Postgres wants the partitions' columns NOT NULL already
    if added(column, context):
        return False
    if column not in relation.columns or becomes_own(relation, column):
        return True
    return is_not_null(column, relation, context) or proven(column, relation, context)


def _again(node: SetNotNull, context: Context) -> bool:
    """Whether the same words stand in the ALTER before."""
    same = [a for a in context.table.actions if isinstance(a, SetNotNull) and a.column == node.column]
    return same[0] is not node


def _hint(node: SetNotNull, rewrite: Rewrite | None, context: Context) -> str:
    if rewrite is None:
        return "Run it when the database answers again: nothing is known of the table now."
    return script(*(sql for step in alone(context.statement, node, rewrite) for sql in step.statements))
