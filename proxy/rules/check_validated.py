"""ADD CHECK that checks all rows under lock."""

from __future__ import annotations

from proxy.plans.validate_later import validate_later
from proxy.rules.base import Context, Finding, rule
from proxy.rules.constraint import called, checks_all_rows, name_taken
from proxy.rules.subject import altered
from proxy.sql.statements import AddConstraint, ConstraintKind


@rule
def check_validated(node: AddConstraint, context: Context) -> Finding | None:
    c = node.constraint
    if c.kind is not ConstraintKind.CHECK or c.not_valid or c.not_enforced:
        return None
    about = altered(context)
    if about is None or name_taken(node, context):
        return None
    if about.relation is not None and c.name in about.relation.checked_below:
        return None  # every partition has it already, and no row is read
    rewrite = None if about.unresolved else validate_later(context.statement, node, context.facts)
    return checks_all_rows("check-validated", called(node, rewrite), node, about, rewrite, context)
