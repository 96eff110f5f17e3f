"""A partition whose DETACH CONCURRENTLY was interrupted, and is neither in nor out."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.plans.target import target
from proxy.rules.base import Context, Finding, caution
from proxy.rules.subject import script, subject
from proxy.sql.statements import AlterTable, CreateIndex, CreateTable, DetachPartition, quote_identifier


@caution
def detach_pending(node: AlterTable | CreateIndex | CreateTable, context: Context) -> Finding | None:
    name = node.partition_of if isinstance(node, CreateTable) else node.relation
    about = subject(name, context) if name is not None else None
    if name is None or about is None or about.relation is None or not about.relation.detaching:
        return None
    if isinstance(node, AlterTable) and any(isinstance(a, DetachPartition) and a.finalize for a in node.actions):
        return None
    parent = target(name, about.relation, context.statement).sql
    left = about.relation.detaching
    named = " and ".join(f'"{one}"' for _, one in left)
    return Finding(
        rule="detach-pending",
        at=name.span,
        problem=f"{named} {'is' if len(left) == 1 else 'are'} half detached from {about.shown}, where those rows cannot be seen any more",
        detail="A DETACH PARTITION … CONCURRENTLY was interrupted. Until that is finished, no other partition can be"
        " detached concurrently, this one cannot be altered, and columns that are changed above do not reach it:"
        " then FINALIZE fails, too.",
        hint=script(
            *(
                f"ALTER TABLE {parent} DETACH PARTITION {quote_identifier(s)}.{quote_identifier(n)} FINALIZE"
                for s, n in left
            )
        ),
        lock=Lock.NONE,
        work="none",
        relation=name,
    )
