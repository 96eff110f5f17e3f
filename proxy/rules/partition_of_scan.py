"""CREATE TABLE … PARTITION OF a table with a default partition, which is read under lock."""

from __future__ import annotations

from proxy.plans.partition_of import partition_of as made
from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.partition import by_attach, default_read, partitioned
from proxy.rules.subject import by_steps
from proxy.sql.statements import CreateTable


@rule
def partition_of_scan(node: CreateTable, context: Context) -> Finding | None:
    about = partitioned(node, context)
    if about is None or node.partition_of is None or not (default := default_read(node, about, context)):
        return None
    known = context.facts.relations.get(default)
    rewrite = made(context.statement, node, context.facts, default=known) if known is not None else None
    return Finding(
        rule="partition-of-scan",
        at=node.partition_of.span,
        problem=f"CREATE TABLE … PARTITION OF would block reads and writes of {about.shown} while its default partition"
        f' "{default[1]}" is read',
        detail=f'All rows of "{default[1]}" would be read, to see that none belongs to the new partition, under an ACCESS'
        f" EXCLUSIVE lock on {about.amount}.",
        hint=by_steps(rewrite) or by_attach(node, about, context, default),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=node.partition_of,
        rewrite=rewrite,
    )
