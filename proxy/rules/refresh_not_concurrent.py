"""REFRESH MATERIALIZED VIEW without CONCURRENTLY."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.subject import script
from proxy.rules.whole_table import largest, written
from proxy.sql.statements import Other


@rule
def refresh_not_concurrent(node: Other, context: Context) -> Finding | None:
    if node.kind != "REFRESH MATERIALIZED VIEW" or node.concurrently or "WITH NO DATA" in node.options:
        return None
    about = largest(node.relations, context, "m")
    if about is None or (about.relation is not None and about.relation.size_bytes == 0):
        return None  # never filled, or empty
    on = written(about, context)
    unique = any(i.unique and i.valid for i in about.relation.indexes.values()) if about.relation else True
    steps = [f"REFRESH MATERIALIZED VIEW CONCURRENTLY {on}"]
    if not unique:
        steps.insert(0, f"CREATE UNIQUE INDEX CONCURRENTLY <name> ON {on} (<columns that no two rows share>)")
    return Finding(
        rule="refresh-not-concurrent",
        at=about.name.span,
        problem=f"REFRESH would block reads of {about.shown} until its query has run",
        detail=f"An ACCESS EXCLUSIVE lock would be held on {about.amount} for as long as the query takes. CONCURRENTLY"
        " needs a unique index on plain columns.",
        hint=script(*steps),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="rewrite",
        relation=about.name,
    )
