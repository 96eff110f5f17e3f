"""A strong lock in a transaction that has written rows, which stay locked meanwhile."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.cost import cost
from proxy.rules.several_tables_locked import names
from proxy.rules.subject import script
from proxy.rules.transaction import listed, named, wrote
from proxy.sql.statements import AlterTable, CreateIndex, CreateTable, Drop, DropIndex, Other


@caution
def data_with_schema(
    node: AlterTable | CreateIndex | DropIndex | CreateTable | Drop | Other, context: Context
) -> Finding | None:
    rows = wrote(context)
    taken = cost(context) if rows else None
    if taken is None or taken.lock.rank < Lock.SHARE.rank or not taken.relations:
        return None
    about = names(context.statement)[0]
    return Finding(
        rule="data-with-schema",
        at=about.span,
        problem=f"this transaction has written rows of {listed(rows)}, which stay locked"
        f' while it waits for "{taken.relations[0][1]}"',
        detail=f"Whoever wants to change those rows waits behind the {taken.lock.sql} lock, and may deadlock with it;"
        " if the schema change fails, the rows are rolled back with it.",
        hint=script("COMMIT", context.statement.sql),
        lock=taken.lock,
        work="none",
        relation=named(rows[0], about),
    )
