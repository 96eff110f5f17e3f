"""DETACH PARTITION as DETACH … CONCURRENTLY, without the CHECK that it leaves behind; FINALIZE of one that was interrupted.

Source: ATExecDetachPartition, DetachAddConstraintIfNeeded, ATExecDetachPartitionFinalize (commands/tablecmds.c).
"""

from __future__ import annotations

from proxy.catalog.facts import Facts, Relation
from proxy.catalog.parts import keys
from proxy.plans import done
from proxy.plans.build_parts import of
from proxy.plans.done import EQ
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.target import Target, literal
from proxy.sql import edit
from proxy.sql.statements import AlterTable, DetachPartition, Statement

CONCURRENTLY = 14


def detach(statement: Statement, action: DetachPartition, facts: Facts) -> Rewrite | None:
    """None where Postgres has no such way, and where it would wait for other tables' locks with the lock of this one held."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    parent, child = facts.find(alter.relation), facts.find(action.partition)
    if parent is None or child is None or facts.major < CONCURRENTLY or parent.default_partition is not None:
        return None
    # Keys, either way, take locks on those other tables, and have one of them read.
    if len(alter.actions) > 1 or keys(parent) or keys(child) or parent.referring or not child.partition_constraint:
        return None
    at = action.span.end - statement.span.start
    word = " FINALIZE" if child.detach_pending else " CONCURRENTLY"
    edits = (Edit(at, at, word),)
    sql = edit.apply(statement.sql, edits)
    part, gone = of(child), done.negate(done.attached(of(child), of(parent)))
    finalize = f"ALTER TABLE {of(parent).sql} DETACH PARTITION {part.sql} FINALIZE"
    first = (
        _finalize(sql, part, gone, edits)
        if child.detach_pending
        else Step(
            (sql,),
            Lock.SHARE_UPDATE_EXCLUSIVE,
            "waits for whoever uses the table now, while reads and writes go on, then detaches the partition",
            relations=(of(parent).key,),
            transaction=False,
            budget="builds",
            done=gone,
            undo=(_if_pending(part, finalize), *_without_check(child, part).statements),
            edits=edits,
        )
    )
    return Rewrite((first, _without_check(child, part)), ordered=True, autocommit=True, table=parent.qualified)


def _finalize(sql: str, part: Target, gone: str | None, edits: tuple[Edit, ...]) -> Step:
    return Step(
        (sql,),
        Lock.ACCESS_EXCLUSIVE,
        "finishes what an interrupted DETACH has begun",
        relations=(part.key,),
        done=gone,
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


def _without_check(child: Relation, part: Target) -> Step:
    """Drops the CHECK that says what the partition's bounds said: a DETACH in one go leaves none.

    It has a name of Postgres's choice, so it is told by what it says, and by not having been there before.
    """
    known = [c.name for c in child.constraints.values() if c.kind == "c" and c.name not in child.pending_checks]
    names = ", ".join(literal(name) for name in known)
    others = f" AND k.conname OPERATOR(pg_catalog.<>) ALL (ARRAY[{names}]::pg_catalog.name[])" if known else ""
    found = (
        f"FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid {EQ} k.conrelid"
        f" JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace"
        f" WHERE n.nspname {EQ} {literal(part.schema)} AND c.relname {EQ} {literal(part.name)} AND k.contype {EQ} 'c'"
        f" AND pg_catalog.pg_get_constraintdef(k.oid) {EQ} {literal(_check(child))}{others}"
    )
    drop = f"pg_catalog.format({literal(f'ALTER TABLE {part.sql} DROP CONSTRAINT %I')}, r.conname)"
    body = f"DECLARE r record; BEGIN FOR r IN SELECT k.conname {found} LOOP EXECUTE {drop}; END LOOP; END"
    return Step(
        (f"DO LANGUAGE plpgsql {literal(body)}",),
        Lock.ACCESS_EXCLUSIVE,
        "drops the CHECK that DETACH … CONCURRENTLY leaves on the partition",
        relations=(part.key,),
        done=f"SELECT NOT EXISTS (SELECT {found})",
    )


def _check(child: Relation) -> str:
    return f"CHECK ({child.partition_constraint})"
