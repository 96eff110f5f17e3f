"""CREATE TABLE … PARTITION OF, which locks the whole partitioned table."""

from __future__ import annotations

from proxy.plans.partition_of import partition_of as made
from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.partition import by_attach, default_read, partitioned
from proxy.rules.subject import by_steps
from proxy.sql.statements import CreateTable


@caution
def partition_of(node: CreateTable, context: Context) -> Finding | None:
    about = partitioned(node, context)
    if about is None or node.partition_of is None or default_read(node, about, context):
        return None
    rewrite = made(context.statement, node, context.facts, default=None)
    return Finding(
        rule="partition-of",
        at=node.partition_of.span,
        problem=f"CREATE TABLE … PARTITION OF would block reads and writes of {about.shown} while it waits for its lock,"
        " and until COMMIT",
        detail=f"It needs an ACCESS EXCLUSIVE lock on {about.amount}; ATTACH PARTITION does not.",
        hint=by_steps(rewrite) or by_attach(node, about, context),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=node.partition_of,
        rewrite=rewrite,
        waits=True,
    )
