"""ATTACH PARTITION that reads the new partition, or the default one, under lock."""

from __future__ import annotations

from dataclasses import replace

from proxy.catalog.facts import Relation
from proxy.plans.plan import Lock
from proxy.plans.target import qualify
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.cost import cost_of, supposing
from proxy.rules.partition import PROOF, attached, proof
from proxy.rules.subject import Subject, script
from proxy.sql.statements import AttachPartition


@rule
def attach_partition_scan(node: AttachPartition, context: Context) -> Finding | None:
    if (about := attached(node, context)) is None:
        return None
    parent = context.relation(context.table.relation)
    child = _reads_child(node, about, parent, context)
    default = _default_read(node, about, parent, context)
    if not child and default is None:
        return None
    names = ([about.shown] if child else []) + ([f'the default partition "{default[1]}"'] if default else [])
    both = " and ".join(names)
    if child:
        detail = f"{about.all_rows} would be read under an ACCESS EXCLUSIVE lock, to see that they belong there."
    else:
        detail = f"All rows of {both} would be read under an ACCESS EXCLUSIVE lock, to see that none belongs to {about.shown}."
    own = qualify(about.relation.schema, about.relation.name) if about.relation else str(about.name)
    steps = proof(own) if child else []
    steps += proof(qualify(*default), f"NOT ({PROOF})") if default else []
    return Finding(
        rule="attach-partition-scan",
        at=node.partition.span,
        problem=f"ATTACH PARTITION would block reads and writes of {both} while all rows are checked",
        detail=detail,
        hint=script(*steps, f"ALTER TABLE {table(context)} {node.span.of(context.statement.text)}"),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=node.partition,
    )


def _reads_child(node: AttachPartition, about: Subject, parent: Relation | None, context: Context) -> bool:
    """Whether the rows of the new partition are read, indexes and the default partition aside."""
    bare = replace(parent, default_partition=None, indexes={}) if parent else None
    return cost_of(node, supposing(context, parent, bare)).work != "none"


def _default_read(
    node: AttachPartition, about: Subject, parent: Relation | None, context: Context
) -> tuple[str, str] | None:
    """The default partition, if its rows are read."""
    if parent is None or parent.default_partition is None or node.is_default:
        return None
    known = context.facts.relations.get(parent.default_partition)
    if known is not None and known.size_bytes == 0:
        return None
    private = replace(about.relation, is_new=True) if about.relation else None
    bare = supposing(context, parent, replace(parent, indexes={}))
    return parent.default_partition if cost_of(node, supposing(bare, about.relation, private)).work != "none" else None
