"""CLUSTER, which copies the table."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.whole_table import copied, largest
from proxy.sql.statements import Name, Other

REPACK = "pg_repack --order-by=<columns> --table={} does so beside readers and writers."


@rule
def cluster(node: Other, context: Context) -> Finding | None:
    if node.kind != "CLUSTER" or context.facts.in_recovery:
        return None
    at = context.statement.span
    if not node.relations:
        return Finding(
            rule="cluster",
            at=at,
            problem="CLUSTER would block reads and writes of every table that has been clustered while it is copied",
            detail="One after the other, they would be written anew under ACCESS EXCLUSIVE locks.",
            hint=REPACK.format("<table>"),
            lock=Lock.ACCESS_EXCLUSIVE,
            work="rewrite",
            relation=Name(("",), at),
        )
    about = largest(node.relations, context, "rpm")
    if about is None:
        return None
    return copied("cluster", "CLUSTER", about, about.name.span, hint=REPACK.format(about.name))
