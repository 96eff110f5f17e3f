"""DROP INDEX CONCURRENTLY, one index at a time: Postgres takes no list of them."""

from __future__ import annotations

from proxy.catalog.facts import Facts, Index, Relation
from proxy.plans import done
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.target import Target, target
from proxy.sql import edit
from proxy.sql.statements import DropIndex, Name, Statement


def drop_index(statement: Statement, node: DropIndex, facts: Facts) -> Rewrite:
    """The client's own statement with CONCURRENTLY in it; several indexes get one statement each."""
    if len(node.names) == 1:
        at = node.keyword.end - statement.span.start
        edits = (Edit(at, at, " CONCURRENTLY"),) if not node.concurrently else ()
        return Rewrite((_drop(statement, node.names[0], facts, edit.apply(statement.sql, edits), edits),))
    steps: dict[str, Step] = {}  # an index that is named twice is dropped once
    for name in node.names:
        words = "DROP INDEX CONCURRENTLY IF EXISTS" if node.if_exists else "DROP INDEX CONCURRENTLY"
        index = target(name, facts.find(name), statement)
        steps.setdefault(index.sql, _drop(statement, name, facts, f"{words} {index.sql}", ()))
    return Rewrite(tuple(steps.values()))


def _drop(statement: Statement, name: Name, facts: Facts, sql: str, edits: tuple[Edit, ...]) -> Step:
    relation = facts.find(name)
    index = target(name, relation, statement)
    return Step(
        (sql,),
        Lock.SHARE_UPDATE_EXCLUSIVE,
        "drops the index when the transactions that may use it have ended; reads and writes go on",
        relations=(_table(relation, index),),
        transaction=False,
        budget="builds",
        done=done.no_index(index, relation.index.oid if relation.index else 0)
        if relation and relation.exists
        else None,
        edits=edits,
        index=index.key,
    )


def _table(relation: Relation | None, index: Target) -> tuple[str, str]:
    """What is locked: the index's table, or the index itself where its table is not known."""
    match relation:
        case Relation(index=Index() as found):
            return (found.table_schema, found.table)
        case _:
            return index.key
