"""DETACH PARTITION as DETACH … CONCURRENTLY, without the CHECK that it leaves behind; FINALIZE of one that was interrupted.

A passing CHECK, NOT VALID, of what the partition's bounds say, tells an interrupted run from a table that never was a
partition, and which CHECK it is that Postgres has added.
Source: ATExecDetachPartition, DetachAddConstraintIfNeeded, ATExecDetachPartitionFinalize (commands/tablecmds.c).
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Constraint, Facts, Relation
from proxy.catalog.parts import keys
from proxy.plans import done, reading
from proxy.plans.build_parts import of
from proxy.plans.done import EQ
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.target import Target, literal, own_name
from proxy.sql import edit
from proxy.sql.names import constraint_name
from proxy.sql.statements import AlterTable, DetachPartition, Statement, quote_identifier

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
    found = begun(parent, child)
    fresh = child.is_partition and not child.detach_pending
    if found is None and not child.is_partition:
        return None
    if fresh:
        left = _left(child, facts)
        name = found.name if found is not None else _mark_name(parent, child, keep=not left)
    else:
        name = found.name if found is not None else ""
        kept = name == _mark_name(parent, child, keep=True)
        same = _equal(child, found.definition.removesuffix(" NOT VALID")) if found is not None else child.pending_checks
        left = () if kept else same
    if left is None:
        return None
    steps = [_mark(parent, child, name)] if fresh else []
    steps += [_detach(statement, action, parent, child)] if child.is_partition else []
    steps += [_clear(child, (*left, *([name] if name else ())))] if left or name else []
    return Rewrite(tuple(steps), ordered=True, autocommit=True, table=parent.qualified)


def begun(parent: Relation, child: Relation) -> Constraint | None:
    """The mark of an interrupted run, which has perhaps detached it already."""
    names = (_mark_name(parent, child, keep=keep) for keep in (False, True))
    return next((child.constraints[name] for name in names if name in child.constraints), None)


def _mark_name(parent: Relation, child: Relation, *, keep: bool) -> str:
    """``keep``: the partition has a CHECK like that already, of its own, and gets no other."""
    return own_name("dk" if keep else "dt", *parent.qualified, *child.qualified)


def _equal(child: Relation, definition: str) -> tuple[str, ...]:
    return tuple(c.name for c in child.constraints.values() if c.kind == "c" and c.definition == definition)


def _left(child: Relation, facts: Facts) -> tuple[str, ...] | None:
    """The name that Postgres will give to the CHECK that it adds, if it adds one; None if that is not certain.

    It adds none if a valid CHECK implies it, of which we know only those that are equal; nor, in minor releases of
    late, to a partition by hash (14.23 and 18.4 do not).
    """
    if not child.partition_constraint:
        return None
    if _equal(child, f"CHECK ({child.partition_constraint})"):
        return ()
    columns = reading.columns(child.partition_constraint)
    if columns is None:
        return None
    return (constraint_name(child.name, columns, "check", facts.taken_constraints.get(child.schema, frozenset())),)


def _mark(parent: Relation, child: Relation, name: str) -> Step:
    part = of(child)
    return Step(
        (f"ALTER TABLE {part.sql} ADD CONSTRAINT {name} CHECK ({child.partition_constraint}) NOT VALID",),
        Lock.ACCESS_EXCLUSIVE,
        "says the same as the partition's bounds, and reads no row: a mark for an interrupted run to be told by",
        relations=(part.key,),
        done=done.either(done.constraint(part, name), done.negate(done.attached(part, of(parent)))),
        undo=(_if(_row(part, of(parent)), f"ALTER TABLE {part.sql} DROP CONSTRAINT IF EXISTS {name}"),),
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
    return Step(
        (sql,),
        Lock.SHARE_UPDATE_EXCLUSIVE,
        "waits for whoever uses the table now, while reads and writes go on, then detaches the partition",
        relations=(of(parent).key,),
        transaction=False,
        budget="builds",
        done=gone,
        # Of a DETACH that has got half-way nothing is left but to finish it: the table no longer shows its rows.
        # The mark stays then, so that the same statement, sent again, finds what is still to be done.
        undo=(
            _if(
                f"{_row(part, of(parent))} AND h.inhdetachpending",
                f"ALTER TABLE {of(parent).sql} DETACH PARTITION {part.sql} FINALIZE",
            ),
        ),
        edits=edits,
    )


def _row(part: Target, parent: Target) -> str:
    """FROM … of the row that says that it is a partition."""
    return (
        f"FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid {EQ} h.inhrelid"
        f" JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace"
        f" JOIN pg_catalog.pg_class p ON p.oid {EQ} h.inhparent"
        f" JOIN pg_catalog.pg_namespace m ON m.oid {EQ} p.relnamespace"
        f" WHERE n.nspname {EQ} {literal(part.schema)} AND c.relname {EQ} {literal(part.name)}"
        f" AND m.nspname {EQ} {literal(parent.schema)} AND p.relname {EQ} {literal(parent.name)}"
    )


def _if(row: str, sql: str) -> str:
    body = f"BEGIN IF EXISTS (SELECT {row}) THEN EXECUTE {literal(sql)}; END IF; END"
    return f"DO LANGUAGE plpgsql {literal(body)}"


def _clear(child: Relation, names: Sequence[str]) -> Step:
    """Drops the CHECK that says what the partition's bounds said: a DETACH in one go leaves none.  And the mark."""
    part = of(child)
    drops = ", ".join(f"DROP CONSTRAINT IF EXISTS {quote_identifier(name)}" for name in names)
    return Step(
        (f"ALTER TABLE {part.sql} {drops}",),
        Lock.ACCESS_EXCLUSIVE,
        "drops the CHECK that DETACH … CONCURRENTLY leaves on the partition, and the mark",
        relations=(part.key,),
        done=done.both(*(done.negate(done.constraint(part, name)) for name in names)),
    )
