"""CONCURRENTLY in a transaction, where Postgres refuses it."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.subject import script
from proxy.rules.whole_table import largest
from proxy.sql.statements import AlterTable, CreateIndex, DetachPartition, DropIndex, Name, Other


@caution
def concurrently_in_transaction(node: CreateIndex | DropIndex | AlterTable | Other, context: Context) -> Finding | None:
    if not context.facts.in_transaction or (found := _concurrent(node)) is None:
        return None
    what, names = found
    about = largest(names, context, "rpmiI")
    if about is None:
        return None
    return Finding(
        rule="concurrently-in-transaction",
        at=context.statement.span,
        problem=f"{what} CONCURRENTLY cannot run inside a transaction: Postgres will refuse it",
        detail="It commits between its phases, so that it needs to be a statement of its own.",
        hint=script("COMMIT", context.statement.sql) + "\n(or turn the migration's transaction off)",
        lock=Lock.NONE,
        work="none",
        relation=about.name,
    )


def _concurrent(node: CreateIndex | DropIndex | AlterTable | Other) -> tuple[str, tuple[Name, ...]] | None:
    match node:
        case CreateIndex(concurrently=True, relation=relation):
            return "CREATE INDEX", (relation,)
        case DropIndex(concurrently=True, names=names):
            return "DROP INDEX", names
        case Other(kind="REINDEX", concurrently=True, relations=relations):
            return "REINDEX", relations
        case AlterTable(actions=(DetachPartition(concurrently=True),), relation=relation):
            return "DETACH PARTITION", (relation,)
        case _:
            return None
