"""ALTER DOMAIN … SET NOT NULL, which checks all tables that use it under lock."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.domain import changed, sql, users
from proxy.rules.subject import script
from proxy.sql.names import choose_name
from proxy.sql.statements import Other, quote_identifier


@rule
def domain_not_null(node: Other, context: Context) -> Finding | None:
    name = changed(node, context, "SET NOT NULL")
    if name is None:
        return None
    tables = users(context)
    given = quote_identifier(choose_name(name.name, None, "not_null", set()))
    return Finding(
        rule="domain-not-null",
        at=name.span,
        problem=f'SET NOT NULL on domain "{name.name}" would block writes to {tables} while all rows are checked',
        detail=f"SHARE locks would be held on {tables} until all rows have been read; Postgres has no other way to do it.",
        hint=script(f"ALTER DOMAIN {sql(name)} ADD CONSTRAINT {given} CHECK (VALUE IS NOT NULL) NOT VALID")
        + "\n(new values are checked from then on; or set the columns NOT NULL, table by table)",
        lock=Lock.SHARE,
        work="scan",
        relation=name,
    )
