"""ALTER DOMAIN … ADD CONSTRAINT or VALIDATE CONSTRAINT, which checks all tables that use it under lock."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.domain import changed, users
from proxy.rules.subject import script
from proxy.sql.statements import Other


@rule
def domain_constraint_scan(node: Other, context: Context) -> Finding | None:
    name = changed(node, context, "ADD CONSTRAINT", "VALIDATE CONSTRAINT")
    if name is None:
        return None
    tables = users(context)
    if "VALIDATE CONSTRAINT" in node.options:
        what = "validating a constraint of"
        hint = "New values are checked already. Validate it at a time when nobody writes to these tables."
    else:
        what = "adding a constraint to"
        words = context.statement.sql
        hint = (
            script(f"{words} NOT VALID")
            + "\n(new values are checked from then on; VALIDATE CONSTRAINT blocks writes, so wait with it until few write)"
        )
    return Finding(
        rule="domain-constraint-scan",
        at=name.span,
        problem=f'{what} domain "{name.name}" would block writes to {tables} while all rows are checked',
        detail=f"SHARE locks would be held on {tables} until all rows have been read.",
        hint=hint,
        lock=Lock.SHARE,
        work="scan",
        relation=name,
    )
