"""ATTACH PARTITION that reads the new partition, or the default one, under lock."""

from __future__ import annotations

from proxy.catalog.parts import missing_keys
from proxy.plans.plan import Lock
from proxy.plans.target import qualify
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.partition import PROOF, attached, attaching, proof
from proxy.rules.subject import by_steps, script
from proxy.sql.statements import AttachPartition


@rule
def attach_partition_scan(node: AttachPartition, context: Context) -> Finding | None:
    if (about := attached(node, context)) is None:
        return None
    parent = context.relation(context.table.relation)
    found = attaching(node, about, context)
    default = found.default
    checked = bool(
        parent and about.relation and about.relation.size_bytes != 0 and missing_keys(parent, about.relation)
    )
    if not (found.child or checked) and default is None:
        return None
    names = [about.shown] if found.child or checked else []
    names += [f'the default partition "{default[1]}"'] if default else []
    both = " and ".join(names)
    if found.child:
        detail = f"{about.all_rows} would be read under an ACCESS EXCLUSIVE lock, to see that they belong there."
    elif default:
        detail = f"All rows of {both} would be read under an ACCESS EXCLUSIVE lock, to see that none belongs to {about.shown}."
    else:
        detail = f"{about.all_rows} would be looked up under an ACCESS EXCLUSIVE lock, for a foreign key that it lacks."
    own = qualify(about.relation.schema, about.relation.name) if about.relation else str(about.name)
    steps = proof(own) if found.child else []
    steps += proof(qualify(*default), f"NOT ({PROOF})") if default else []
    return Finding(
        rule="attach-partition-scan",
        at=node.partition.span,
        problem=f"ATTACH PARTITION would block reads and writes of {both} while all rows are checked",
        detail=detail,
        hint=by_steps(found.rewrite)
        or script(*steps, f"ALTER TABLE {table(context)} {node.span.of(context.statement.text)}"),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="scan",
        relation=node.partition,
        rewrite=found.rewrite,
    )
