"""ATTACH PARTITION that builds the indexes which the new partition lacks, under lock."""

from __future__ import annotations

from proxy.catalog.parts import missing_indexes
from proxy.plans.plan import Lock
from proxy.plans.target import qualify
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.partition import attached, attaching
from proxy.rules.subject import by_steps, script
from proxy.sql.statements import AttachPartition


@rule
def attach_partition_builds_index(node: AttachPartition, context: Context) -> Finding | None:
    about, parent = attached(node, context), context.relation(context.table.relation)
    if about is None or about.relation is None or parent is None or about.relation.size_bytes == 0:
        return None
    if not missing_indexes(parent, about.relation):
        return None
    child = qualify(about.relation.schema, about.relation.name)
    rewrite = attaching(node, about, context).rewrite
    by_hand = script(
        f"CREATE INDEX CONCURRENTLY <name> ON {child} (<as in the partitioned table>)",
        f"ALTER TABLE {table(context)} {node.span.of(context.statement.text)}",
    )
    return Finding(
        rule="attach-partition-builds-index",
        at=node.partition.span,
        problem=f"ATTACH PARTITION would block reads and writes of {about.shown} while its missing indexes are built",
        detail=f'"{context.table.relation.name}" has indexes that {about.shown} lacks. {about.all_rows} would be read and'
        " sorted for each under an ACCESS EXCLUSIVE lock.",
        hint=by_steps(rewrite) or by_hand,
        lock=Lock.ACCESS_EXCLUSIVE,
        work="build",
        relation=node.partition,
        rewrite=rewrite,
    )
