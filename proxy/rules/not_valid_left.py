"""A table with constraints that nobody has validated."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.plans.target import is_own
from proxy.rules.base import Context, Finding, advice
from proxy.rules.column import table
from proxy.rules.subject import altered, script
from proxy.sql.statements import AlterTable, DropConstraint, ValidateConstraint, quote_identifier


@advice
def not_valid_left(node: AlterTable, context: Context) -> Finding | None:
    about = altered(context, rows=False)
    if about is None or about.relation is None:
        return None
    seen_to = {a.name for a in node.actions if isinstance(a, ValidateConstraint | DropConstraint)}
    left = [
        name
        for name, c in about.relation.constraints.items()
        if not c.validated and c.enforced and name not in seen_to and not is_own(name)
    ]
    if not left or any(isinstance(a, ValidateConstraint) for a in node.actions):
        return None
    named = " and ".join(f'"{name}"' for name in left)
    return Finding(
        rule="not-valid-left",
        at=node.relation.span,
        problem=f"{about.shown} has NOT VALID constraints, which prove nothing about the rows that are there: {named}",
        detail="New rows are checked, old ones are not; the planner makes no use of them.",
        hint=script(*(f"ALTER TABLE {table(context)} VALIDATE CONSTRAINT {quote_identifier(name)}" for name in left)),
        lock=Lock.NONE,
        work="none",
        relation=node.relation,
    )
