"""A lock on one more table while the transaction keeps others out of the first."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.cost import cost
from proxy.rules.subject import script
from proxy.rules.transaction import blocked, locked, same
from proxy.sql.statements import AlterTable, CreateIndex, CreateTable, Drop, DropIndex, Name, Other, Statement


@caution
def several_tables_locked(
    node: AlterTable | CreateIndex | DropIndex | CreateTable | Drop | Other, context: Context
) -> Finding | None:
    held = locked(context)
    taken = cost(context) if held else None
    if taken is None or taken.lock.rank < Lock.SHARE.rank:
        return None
    mine = [
        *taken.relations,
        *(o.relation for o in taken.others if o.lock.rank >= Lock.SHARE.rank),
    ]
    more = [one for one in mine if not any(same(one, h.table) for h in held)]
    before = [h for h in held if not any(same(one, h.table) for one in mine)]
    if not more or not before:
        return None
    relation = next((n for n in names(context.statement) if n.name == more[0][1]), names(context.statement)[0])
    return Finding(
        rule="several-tables-locked",
        at=relation.span,
        problem=f'"{more[0][1]}" would be locked while this transaction blocks {blocked(before)}',
        detail=f"All of them stay locked until COMMIT, and longer by the wait for {taken.lock.sql} on"
        f' "{more[0][1]}". A session that locks them in the other order ends in a deadlock with this one.',
        hint=script("COMMIT", context.statement.sql),
        lock=taken.lock,
        work="none",
        relation=relation,
    )


def names(statement: Statement) -> tuple[Name, ...]:
    """The relations that a statement of DDL names, its own first."""
    node = statement.node
    match node:
        case AlterTable() | CreateIndex():
            return (node.relation,)
        case CreateTable():
            return (*node.references, *([node.partition_of] if node.partition_of else []), node.relation)
        case DropIndex():
            return node.names
        case Drop():
            return (node.on,) if node.on is not None else node.names
        case Other():
            return node.relations or (Name(("",), statement.span),)
        case _:
            return (Name(("",), statement.span),)
