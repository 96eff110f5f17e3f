"""SET NOT NULL without a scan under lock: the proof first, while reads and writes go on.

Up to 17 the proof is a CHECK of our own that is gone at the end: SET NOT NULL looks for a valid one.
From 18 on it is the NOT NULL constraint itself, NOT VALID first.
"""

from __future__ import annotations

from proxy.catalog.facts import Column, Constraint, Facts, Relation
from proxy.plans import done
from proxy.plans.default_names import freed, name_of
from proxy.plans.mark import any_resumed
from proxy.plans.plan import Failure, Rewrite
from proxy.plans.target import Target, altering, own_name, target
from proxy.plans.validate_later import drop, validate
from proxy.records import replace
from proxy.sql.names import constraint_name
from proxy.sql.statements import AlterTable, SetNotNull, Statement, quote_identifier

NATIVE = 18  # the first version that has NOT NULL … NOT VALID


def staged_not_null(
    statement: Statement, action: SetNotNull, facts: Facts, *, name: str | None = None
) -> Rewrite | None:
    """The rewrite of SET NOT NULL; its own words run last up to 17, and not at all from 18 on.

    ``name``: of the constraint, where the author gave one.
    """
    alter = statement.node
    assert isinstance(alter, AlterTable)
    name = name or name_of(action, statement, facts)
    proof = prove(statement, alter, action.column, facts, name)
    if proof is None or facts.major >= NATIVE:
        return proof
    table = target(alter.relation, facts.find(alter.relation), statement)
    return replace(
        proof,
        last=action.span.of(statement.text),
        last_undo=(altering(table, alter, f"ALTER COLUMN {quote_identifier(action.column)} DROP NOT NULL", only=True),),
        last_done=done.both(
            done.not_null(table, action.column), done.negate(done.constraint(table, helper_name(action.column)))
        ),
    )


def prove(statement: Statement, alter: AlterTable, column: str, facts: Facts, name: str | None) -> Rewrite | None:
    """What makes ``column`` provably free of nulls (and, from 18 on, NOT NULL, under ``name``)."""
    relation = facts.find(alter.relation)
    table = target(alter.relation, relation, statement)
    # A table that has children, altered alone: the constraint must not reach them.
    alone = " NO INHERIT" if alter.only and relation is not None and relation.has_children else ""
    if facts.major < NATIVE:
        return _helper(alter, table, column, relation, alone)
    pending = pending_not_null(relation, column) if relation is not None else None
    if pending is None and relation is not None and any_resumed(statement, relation):
        pending = _own(relation, column)  # it came with the column, or an interrupted run has made it
    if pending is not None:
        return Rewrite((validate(table, alter, pending.name),), table=table.key, relations=(table.key,))
    if name is None:
        return None
    words = f"ADD CONSTRAINT {quote_identifier(name)} NOT NULL {quote_identifier(column)}{alone} NOT VALID"
    return Rewrite(
        (validate(table, alter, name),),
        action=words,
        undo=(drop(table, alter, name),),
        done=None if name in freed(alter, relation) else done.constraint(table, name),
        name=name,
        table=table.key,
        relations=(table.key,),
    )


def pending_not_null(relation: Relation, column: str) -> Constraint | None:
    """The column's NOT NULL constraint, if it is there but NOT VALID (18)."""
    match relation.columns.get(column):
        case Column(not_null=True, not_null_valid=False):
            return _own(relation, column)
        case _:
            return None


def _own(relation: Relation, column: str) -> Constraint | None:
    found = (c for c in relation.constraints.values() if c.kind == "n" and c.columns == (column,))
    return next(found, None)


def default_name(table: str, column: str, taken: frozenset[str]) -> str:
    """The name that Postgres 18 gives to the NOT NULL constraint of a column."""
    return constraint_name(table, [column], "not_null", taken)


def helper_name(column: str) -> str:
    return own_name("nn", column)


def _helper(alter: AlterTable, table: Target, column: str, relation: Relation | None, alone: str) -> Rewrite:
    """CHECK (column IS NOT NULL) under a name that no default name of Postgres's can meet."""
    name = helper_name(column)
    left = relation.constraints.get(name) if relation else None  # by an interrupted run
    now = relation.columns.get(column) if relation else None
    held = now is not None and now.not_null  # until this very ALTER drops it
    proved = replace(
        validate(table, alter, name),
        done=done.either(done.constraint(table, name, validated=True), done.not_null(table, column)),
        hides=(
            Failure("23514", name, "23502", (f'column "{column}" of relation "', '" contains null values'), column),
        ),
    )
    added = f"ADD CONSTRAINT {name} CHECK ({quote_identifier(column)} IS NOT NULL){alone} NOT VALID"
    return Rewrite(
        () if left and left.validated else (proved,),
        action=None if left else added,
        undo=(drop(table, alter, name),),
        done=None if held else done.either(done.constraint(table, name), done.not_null(table, column)),
        after=(f"DROP CONSTRAINT IF EXISTS {name}",),
        table=table.key,
        relations=(table.key,),
    )
