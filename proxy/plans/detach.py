"""DETACH PARTITION as DETACH … CONCURRENTLY, without the CHECK that it leaves behind; FINALIZE of one that was interrupted.

A passing CHECK, NOT VALID, of what the partition's bounds say, tells an interrupted run from a table that never was a
partition, and which CHECK it is that Postgres has added.
Source: ATExecDetachPartition, DetachAddConstraintIfNeeded, ATExecDetachPartitionFinalize (commands/tablecmds.c).
"""

from __future__ import annotations

from proxy.catalog.facts import Facts, Relation
from proxy.catalog.parts import keys
from proxy.plans import done
from proxy.plans.build_parts import of
from proxy.plans.done import EQ
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.target import Target, literal, own_name
from proxy.sql import edit
from proxy.sql.statements import AlterTable, DetachPartition, Statement

CONCURRENTLY = 14


def detach(statement: Statement, action: DetachPartition, facts: Facts) -> Rewrite | None:
    """None where Postgres has no such way, and where it would wait for other tables' locks with the lock of this one held."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    parent, child = facts.find(alter.relation), facts.find(action.partition)
    if parent is None or child is None or len(alter.actions) > 1 or facts.major < CONCURRENTLY:
        return None
    if parent.default_partition is not None or keys(parent) or keys(child) or parent.referring:
        return None
    steps: list[Step] = []
    if not is_begun(parent, child) and not child.detach_pending:
        if not child.is_partition or not child.partition_constraint:
            return None
        steps.append(_mark(parent, child))
    if child.is_partition:
        steps.append(_detach(statement, action, parent, child))
    return Rewrite((*steps, _clear(parent, child)), ordered=True, autocommit=True, table=parent.qualified)


def is_begun(parent: Relation, child: Relation) -> bool:
    """Whether an interrupted run has begun with it, and perhaps detached it already."""
    return mark(parent, child) in child.constraints


def mark(parent: Relation, child: Relation) -> str:
    return own_name("dt", *parent.qualified, *child.qualified)


def _mark(parent: Relation, child: Relation) -> Step:
    part, name = of(child), mark(parent, child)
    return Step(
        (f"ALTER TABLE {part.sql} ADD CONSTRAINT {name} CHECK {child.partition_constraint} NOT VALID",),
        Lock.ACCESS_EXCLUSIVE,
        "says the same as the partition's bounds, and reads no row: a mark for an interrupted run to be told by",
        relations=(part.key,),
        done=done.either(done.constraint(part, name), done.negate(done.attached(part, of(parent)))),
        undo=(f"ALTER TABLE {part.sql} DROP CONSTRAINT IF EXISTS {name}",),
    )


def _detach(statement: Statement, action: DetachPartition, parent: Relation, child: Relation) -> Step:
    part = of(child)
    gone = done.negate(done.attached(part, of(parent)))
    at = action.span.end - statement.span.start
    edits = (Edit(at, at, " FINALIZE" if child.detach_pending else " CONCURRENTLY"),)
    sql = edit.apply(statement.sql, edits)
    if child.detach_pending:
        return Step(
            (sql,),
            Lock.ACCESS_EXCLUSIVE,
            "finishes what an interrupted DETACH has begun",
            relations=(part.key,),
            done=gone,
            edits=edits,
        )
    finalize = f"ALTER TABLE {of(parent).sql} DETACH PARTITION {part.sql} FINALIZE"
    return Step(
        (sql,),
        Lock.SHARE_UPDATE_EXCLUSIVE,
        "waits for whoever uses the table now, while reads and writes go on, then detaches the partition",
        relations=(of(parent).key,),
        transaction=False,
        budget="builds",
        done=gone,
        undo=(_if_pending(part, finalize), _drop_left(parent, child)),
        edits=edits,
    )


def _if_pending(part: Target, finalize: str) -> str:
    """Of a DETACH that has got half-way nothing is left but to finish it: the table no longer shows its rows."""
    pending = (
        f"SELECT pg_catalog.bool_or(h.inhdetachpending) FROM pg_catalog.pg_inherits h"
        f" JOIN pg_catalog.pg_class c ON c.oid {EQ} h.inhrelid"
        f" JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace"
        f" WHERE n.nspname {EQ} {literal(part.schema)} AND c.relname {EQ} {literal(part.name)}"
    )
    return f"DO LANGUAGE plpgsql {literal(f'BEGIN IF ({pending}) THEN EXECUTE {literal(finalize)}; END IF; END')}"


def _clear(parent: Relation, child: Relation) -> Step:
    """Drops the CHECK that says what the partition's bounds said: a DETACH in one go leaves none.  And the mark."""
    part, name = of(child), mark(parent, child)
    return Step(
        (_drop_left(parent, child), f"ALTER TABLE {part.sql} DROP CONSTRAINT IF EXISTS {name}"),
        Lock.ACCESS_EXCLUSIVE,
        "drops the CHECK that DETACH … CONCURRENTLY leaves on the partition, and the mark",
        relations=(part.key,),
        done=done.both(done.negate(done.constraint(part, name)), f"SELECT NOT EXISTS (SELECT {_left(parent, child)})"),
    )


def _drop_left(parent: Relation, child: Relation) -> str:
    drop = f"pg_catalog.format({literal(f'ALTER TABLE {of(child).sql} DROP CONSTRAINT %I')}, r.conname)"
    query = f"SELECT k.conname {_left(parent, child)}"
    body = f"DECLARE r record; BEGIN FOR r IN {query} LOOP EXECUTE {drop}; END LOOP; END"
    return f"DO LANGUAGE plpgsql {literal(body)}"


def _left(parent: Relation, child: Relation) -> str:
    """FROM … of the CHECK that Postgres has added.  It has a name of Postgres's choice, and is younger than the mark."""
    part = of(child)
    named = ", ".join(literal(name) for name in child.pending_checks)
    or_named = f" OR k.conname {EQ} ANY (ARRAY[{named}]::pg_catalog.name[])" if named else ""
    return (
        f"FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid {EQ} k.conrelid"
        f" JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace"
        f" LEFT JOIN pg_catalog.pg_constraint m ON m.conrelid {EQ} c.oid AND m.conname {EQ} {literal(mark(parent, child))}"
        f" WHERE n.nspname {EQ} {literal(part.schema)} AND c.relname {EQ} {literal(part.name)} AND k.contype {EQ} 'c'"
        " AND (k.oid OPERATOR(pg_catalog.>) m.oid AND pg_catalog.pg_get_constraintdef(m.oid)"
        f" {EQ} pg_catalog.concat(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID'){or_named})"
    )
