"""ADD PRIMARY KEY that builds its index, and checks for nulls, under lock."""

from __future__ import annotations

from proxy.rules.base import Context, Finding, rule
from proxy.rules.indexed import begun, finding, guarded
from proxy.rules.nullness import added, is_not_null, proven
from proxy.rules.subject import Subject
from proxy.sql.statements import AddConstraint, ConstraintKind, DropConstraint, SetNotNull


@rule
def primary_key_builds_index(node: AddConstraint, context: Context) -> Finding | None:
    if node.constraint.kind is not ConstraintKind.PRIMARY_KEY or (about := guarded(node, context)) is None:
        return None
    if _second(about, context) and not begun(node, about, context):
        return None
    return finding("primary-key-builds-index", node, about, context, _nullable(node, about, context))


def _second(about: Subject, context: Context) -> bool:
    """Whether the table has a primary key that stays: Postgres says so itself."""
    constraints = about.relation.constraints if about.relation else {}
    dropped = {a.name for a in context.table.actions if isinstance(a, DropConstraint)}
    return any(c.kind == "p" and c.name not in dropped for c in constraints.values())


def _nullable(node: AddConstraint, about: Subject, context: Context) -> list[str]:
    """Columns of the key that may hold nulls, for all that is known, and that no other action sees to."""
    staged = {a.column for a in context.table.actions if isinstance(a, SetNotNull)}
    relation = about.relation

    def free(column: str) -> bool:
        if column in staged:
            return True
        if relation is None or added(column, context):
            return False
        return is_not_null(column, relation, context) or (
            context.facts.major < 18 and proven(column, relation, context)
        )

    return [column for column in node.constraint.columns if not free(column)]
