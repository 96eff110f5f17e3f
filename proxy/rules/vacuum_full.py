"""VACUUM FULL, which copies the table."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.subject import script
from proxy.rules.whole_table import copied, largest, written
from proxy.sql.statements import Name, Other


@rule
def vacuum_full(node: Other, context: Context) -> Finding | None:
    if node.kind != "VACUUM" or "FULL" not in node.options or context.facts.in_recovery:
        return None
    at = context.statement.span
    if not node.relations:
        return Finding(
            rule="vacuum-full",
            at=at,
            problem="VACUUM FULL would block reads and writes of every table of the database while it is copied",
            detail="One after the other, all tables would be written anew under ACCESS EXCLUSIVE locks.",
            hint=script("VACUUM"),
            lock=Lock.ACCESS_EXCLUSIVE,
            work="rewrite",
            relation=Name(("",), at),
        )
    about = largest(node.relations, context, "rpm")
    if about is None:
        return None
    on = written(about, context)
    hint = (
        script(f"VACUUM {on}")
        + "\n(which makes the space usable again; pg_repack gives it back, too, without blocking)"
    )
    return copied("vacuum-full", "VACUUM FULL", about, about.name.span, hint=hint)
