"""REFRESH MATERIALIZED VIEW without CONCURRENTLY."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.plans.refresh import has_key, refresh
from proxy.rules.base import Context, Finding, rule
from proxy.rules.subject import script
from proxy.rules.whole_table import largest, written
from proxy.sql.statements import Other


@rule
def refresh_not_concurrent(node: Other, context: Context) -> Finding | None:
    if node.kind != "REFRESH MATERIALIZED VIEW" or node.concurrently or "WITH NO DATA" in node.options:
        return None
    about = largest(node.relations, context, "m")
    if about is None or (about.relation is not None and not about.relation.populated):
        return None  # nobody can read it
    on = written(about, context)
    unique = has_key(about.relation) if about.relation else True
    rewrite = refresh(context.statement, node, context.facts)
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
        rewrite=rewrite,
    )
