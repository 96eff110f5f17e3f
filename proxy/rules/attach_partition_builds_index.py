"""ATTACH PARTITION that builds the indexes which the new partition lacks, under lock."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.plans.target import qualify
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.cost import cost_of
from proxy.rules.partition import attached
from proxy.rules.subject import script
from proxy.sql.statements import AttachPartition


@rule
def attach_partition_builds_index(node: AttachPartition, context: Context) -> Finding | None:
    about = attached(node, context)
    if about is None or about.relation is None or cost_of(node, context).work != "build":
        return None
    child = qualify(about.relation.schema, about.relation.name)
    return Finding(
        rule="attach-partition-builds-index",
        at=node.partition.span,
        problem=f"ATTACH PARTITION would block reads and writes of {about.shown} while its missing indexes are built",
        detail=f'"{context.table.relation.name}" has indexes that {about.shown} lacks. {about.all_rows} would be read and'
        " sorted for each under an ACCESS EXCLUSIVE lock.",
        hint=script(
            f"CREATE INDEX CONCURRENTLY <name> ON {child} (<as in the partitioned table>)",
            f"ALTER TABLE {table(context)} {node.span.of(context.statement.text)}",
        ),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="build",
        relation=node.partition,
    )
