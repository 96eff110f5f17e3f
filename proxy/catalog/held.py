"""What a transaction holds after one more statement: for texts whose earlier statements have not run when facts are asked."""

from __future__ import annotations

from proxy.catalog.effect import effect
from proxy.catalog.facts import Facts, Held
from proxy.plans.plan import Lock, Plan
from proxy.sql.statements import Name, Span, Statement
from proxy.sql.written import written


def holding(statement: Statement, facts: Facts, plan: Plan | None = None) -> tuple[Held, ...]:
    """``facts.held`` and what the statement adds: as it is written, or by those steps of ``plan`` that run at once.

    Precondition: ``facts`` were those for this statement.  What is rolled back to a savepoint is not seen to here.
    """
    locks: dict[tuple[tuple[str, str], Lock], Held] = {(h.table, h.lock): h for h in facts.held}
    for table, lock in [*_locks(statement, facts, plan), *_writes(statement, facts)]:
        if lock.rank >= Lock.ROW_EXCLUSIVE.rank and lock is not Lock.SHARE_UPDATE_EXCLUSIVE:
            locks.setdefault((table, lock), _measured(table, lock, facts))
    return tuple(locks.values())


def _locks(statement: Statement, facts: Facts, plan: Plan | None) -> list[tuple[tuple[str, str], Lock]]:
    if plan is not None:
        return [(table, step.lock) for step in plan.now for table in step.relations]
    found = effect(statement, facts)
    return [*((table, found.lock) for table in found.relations), *((o.relation, o.lock) for o in found.others)]


def _writes(statement: Statement, facts: Facts) -> list[tuple[tuple[str, str], Lock]]:
    found = []
    for one in written(statement):
        relation = facts.find(one.relation)
        if relation is None:
            found.append(((one.relation.schema or "", one.relation.name), Lock.ROW_EXCLUSIVE))
        elif relation.exists and not relation.private:
            found.append((relation.qualified, Lock.ROW_EXCLUSIVE))
    return found


def _measured(table: tuple[str, str], lock: Lock, facts: Facts) -> Held:
    known = facts.find(Name(table if table[0] else table[1:], Span(0, 0))) or next(
        (r for r in facts.relations.values() if r.exists and r.qualified == table), None
    )
    return Held(table, lock, known.size_bytes, known.rows) if known is not None and known.exists else Held(table, lock)
