"""ADD CHECK that checks all rows under lock."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.plans.validate_later import validate_later
from proxy.rules.base import Context, Finding, rule
from proxy.rules.constraint import by_hand, called, name_taken
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
    return Finding(
        rule="check-validated",
        at=c.span,
        problem=f"adding {called(node, rewrite)} would block reads and writes of {about.shown}"
        " while all rows are checked",
        detail=f"{about.all_rows} would be read under an ACCESS EXCLUSIVE lock.",
        hint=by_hand(node, rewrite, context),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=context.table.relation,
        rewrite=rewrite,
    )
