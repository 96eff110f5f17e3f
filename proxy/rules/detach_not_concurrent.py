"""DETACH PARTITION without CONCURRENTLY."""

from __future__ import annotations

from proxy.catalog.facts import Relation
from proxy.plans.detach import begun, detach
from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.column import table
from proxy.rules.subject import script, subject
from proxy.sql.statements import DetachPartition

CONCURRENTLY = 14


@caution
def detach_not_concurrent(node: DetachPartition, context: Context) -> Finding | None:
    about = subject(context.table.relation, context)
    if node.concurrently or node.finalize or about is None or context.table.object_type != "TABLE":
        return None
    partition = context.relation(node.partition)
    relation = about.relation
    if relation is not None and relation.kind != "p":
        return None
    if partition is not None and not (partition.exists and (partition.is_partition or _begun(relation, partition))):
        return None
    default = relation.default_partition if relation else None
    possible = context.facts.major >= CONCURRENTLY and default is None
    why_not = "from 14 on" if context.facts.major < CONCURRENTLY else "without a default partition"
    words = node.span.of(context.statement.text)
    rewrite = detach(context.statement, node, context.facts)
    return Finding(
        rule="detach-not-concurrent",
        at=node.span,
        problem=f"DETACH PARTITION would block reads and writes of {about.shown} while it waits for its lock",
        detail=f"It needs an ACCESS EXCLUSIVE lock on {about.amount}: it waits for every transaction that uses the table,"
        " and all others wait behind it.",
        hint=script(f"ALTER TABLE {table(context)} {words} CONCURRENTLY")
        if possible
        else f"Run it with a short lock_timeout, again and again; Postgres does it CONCURRENTLY only {why_not}.",
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=context.table.relation,
        rewrite=rewrite,
        waits=True,
    )


def _begun(relation: Relation | None, partition: Relation) -> bool:
    return relation is not None and begun(relation, partition) is not None
