"""DROP INDEX without CONCURRENTLY."""

from __future__ import annotations

from proxy.catalog.facts import Relation
from proxy.plans.drop_index import drop_index
from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.subject import Subject, script
from proxy.sql.statements import DropIndex, Name


@rule
def drop_index_not_concurrent(node: DropIndex, context: Context) -> Finding | None:
    if node.concurrently or node.cascade or context.facts.in_recovery:
        return None
    found = [(name, context.relation(name)) for name in node.names]
    if not all(_droppable(relation, node) for _, relation in found):
        return None  # Postgres refuses it, or could not do it concurrently
    guarded = [name for name, relation in found if relation is None or _guards(relation, context)]
    if not guarded:
        return None
    name = guarded[0]
    table = _table(name, context)
    of = table.shown if table else f'the table of "{name.name}"'
    amount = table.amount if table else of
    rewrite = drop_index(context.statement, node, context.facts)
    return Finding(
        rule="drop-index-not-concurrent",
        at=node.keyword,
        problem=f"DROP INDEX would block reads and writes of {of} while it waits for its lock",
        detail=f"It needs an ACCESS EXCLUSIVE lock on {amount}: it waits for every transaction that uses the table,"
        " and all others wait behind it.",
        hint=script(*(step.sql for step in rewrite.steps)),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=table.name if table else name,
        rewrite=rewrite,
    )


def _droppable(relation: Relation | None, node: DropIndex) -> bool:
    """Whether DROP INDEX CONCURRENTLY takes it, or IF EXISTS passes over it."""
    match relation:
        case None:
            return True
        case Relation(exists=False):
            return node.if_exists
        case Relation(kind="i", index=index):
            return index is None or not (index.partitioned or index.partition or index.constraint)
        case _:
            return False


def _guards(relation: Relation, context: Context) -> bool:
    """Whether its table is one that others use."""
    if not relation.exists or relation.private:
        return False
    table = _table_relation(relation, context)
    return table is None or not table.private


def _table_relation(relation: Relation, context: Context) -> Relation | None:
    if relation.index is None:
        return None
    oid = relation.index.table_oid
    return next((r for r in context.facts.relations.values() if r.exists and r.oid == oid), None)


def _table(name: Name, context: Context) -> Subject | None:
    """The index's table, as far as it is known."""
    relation = context.relation(name)
    if relation is None or relation.index is None:
        return None
    index = relation.index
    table = Name((index.table_schema, index.table), name.span)
    return Subject(table, _table_relation(relation, context), context.facts.live)
