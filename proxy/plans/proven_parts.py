"""Columns of a partitioned table proven free of nulls, and made NOT NULL, ahead of its PRIMARY KEY."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Facts, Relation
from proxy.plans import done
from proxy.plans.branches import Branches
from proxy.plans.plan import Lock, Rewrite, Step
from proxy.plans.staged_not_null import NATIVE, default_name, helper_name, prove
from proxy.plans.target import Target, altering, qualify, target
from proxy.sql.statements import AlterTable, Statement, quote_identifier


def proven(
    statement: Statement, alter: AlterTable, root: Relation, found: Branches, facts: Facts, columns: Sequence[str]
) -> list[Step] | None:
    """Steps that end with ``columns`` NOT NULL, on all partitions too; None if that cannot be planned."""
    if not columns:
        return []
    table = target(alter.relation, root, statement)
    taken = facts.taken_constraints.get(root.schema, frozenset())
    proofs: list[Rewrite] = []
    for column in columns:
        proof = prove(statement, alter, column, facts, default_name(root.name, column, taken))
        if proof is None:
            return None
        proofs.append(proof)
    steps: list[Step] = []
    if actions := [proof.action for proof in proofs if proof.action]:
        steps.append(
            Step(
                (altering(table, alter, ", ".join(actions)),),
                Lock.ACCESS_EXCLUSIVE,
                "has new rows checked from now on, and reads no old row",
                relations=(table.key,),
                done=done.both(*(proof.done for proof in proofs if proof.action)),
                undo=tuple(sql for proof in proofs for sql in proof.undo),
            )
        )
    steps += [step for proof in proofs for step in proof.steps]
    if facts.major < NATIVE:
        steps.append(_set(table.sql, alter, root, found, columns, proofs))
    return steps


def _set(
    table: str, alter: AlterTable, root: Relation, found: Branches, columns: Sequence[str], proofs: Sequence[Rewrite]
) -> Step:
    set_, drop = (
        ", ".join(f"ALTER COLUMN {quote_identifier(column)} {verb} NOT NULL" for column in columns)
        for verb in ("SET", "DROP")
    )
    helpers = ", ".join(dict.fromkeys(sql for proof in proofs for sql in proof.after))
    back = [f"ALTER TABLE {table} {drop}"]
    # That goes down to all partitions; those of which a column was NOT NULL before have it so again.
    for member in found.all:
        kept = [column for column in columns if column in member.required and column not in _above(member, found)]
        back += [sql for column in kept for sql in _again(qualify(*member.qualified), column)]
    on = Target(qualify(*root.qualified), *root.qualified)
    return Step(
        (f"ALTER TABLE {table} {set_}", f"ALTER TABLE {table} {helpers}"),
        Lock.ACCESS_EXCLUSIVE,
        "sets NOT NULL, which the CHECK has proven, so no row is read",
        relations=(on.key,),
        done=done.both(
            *(done.not_null(on, column) for column in columns),
            *(done.negate(done.constraint(on, helper_name(column))) for column in columns),
        ),
        undo=tuple(back),
    )


def _above(member: Relation, found: Branches) -> set[str]:
    """Columns that are NOT NULL already in a partition that ``member`` is a part of: set there, they are set here."""
    return {name for m in found.all if m.qualified == member.parents[0] for name in (*m.required, *_above(m, found))}


def _again(table: str, column: str) -> list[str]:
    """Statements that set NOT NULL without reading rows under a strong lock."""
    name, words = helper_name(column), f"ALTER COLUMN {quote_identifier(column)} SET NOT NULL"
    return [
        f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({quote_identifier(column)} IS NOT NULL) NOT VALID",
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
        f"ALTER TABLE {table} {words}",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    ]
