"""CHECK, FOREIGN KEY and (18) NOT NULL in two steps: NOT VALID at once, then VALIDATE, which blocks nobody."""

from __future__ import annotations

from proxy.catalog.facts import Constraint, Facts, Relation
from proxy.plans import done
from proxy.plans.default_names import freed, name_of
from proxy.plans.leftover import is_leftover
from proxy.plans.mark import any_resumed
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.target import Target, altering, target
from proxy.sql import edit
from proxy.sql.statements import (
    AddConstraint,
    AlterTable,
    ConstraintKind,
    Statement,
    quote_identifier,
)


def validate_later(statement: Statement, action: AddConstraint, facts: Facts) -> Rewrite | None:
    """The client's own clause with NOT VALID behind it, then VALIDATE; None if the name cannot be known."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    relation = facts.find(alter.relation)
    table = target(alter.relation, relation, statement)
    name = name_of(action, statement, facts)
    if leftover := _left(name, statement, action, relation, facts):
        # It is not dropped again if a row violates it: perhaps somebody wanted it as it is.
        relations = _locked(statement, action, facts, table)
        return Rewrite(
            (validate(table, alter, leftover.name),), name=leftover.name, table=table.key, relations=relations
        )
    if name is None:
        return None
    edits = _edits(statement, action, name)
    text = edit.apply(action.span.of(statement.text), edits, action.span.start - statement.span.start)
    return Rewrite(
        (validate(table, alter, name),),
        action=text,
        undo=(drop(table, alter, name),),
        edits=edits,
        done=None if name in freed(alter, relation) else done.constraint(table, name),
        name=name,
        table=table.key,
        relations=_locked(statement, action, facts, table),
        lock=Lock.SHARE_ROW_EXCLUSIVE
        if action.constraint.kind is ConstraintKind.FOREIGN_KEY
        else Lock.ACCESS_EXCLUSIVE,
    )


def validate(table: Target, alter: AlterTable, name: str) -> Step:
    """The step that reads all rows while they are written."""
    return Step(
        (altering(table, alter, f"VALIDATE CONSTRAINT {quote_identifier(name)}"),),
        Lock.SHARE_UPDATE_EXCLUSIVE,
        "checks the old rows while reads and writes go on",
        relations=(table.key,),
        budget="builds",
        done=done.constraint(table, name, validated=True),
    )


def drop(table: Target, alter: AlterTable, name: str) -> str:
    return altering(table, alter, f"DROP CONSTRAINT IF EXISTS {quote_identifier(name)}")


def _edits(statement: Statement, action: AddConstraint, name: str) -> tuple[Edit, ...]:
    c, start = action.constraint, statement.span.start
    at, end = c.body.start - start, c.span.end - start
    named = () if c.name is not None else (Edit(at, at, f"CONSTRAINT {quote_identifier(name)} "),)
    return (*named, Edit(end, end, " NOT VALID"))


def _locked(statement: Statement, action: AddConstraint, facts: Facts, table: Target) -> tuple[tuple[str, str], ...]:
    """The table, and the one that a foreign key points to; in one order for all, against deadlocks."""
    if (name := action.constraint.references) is None:
        return (table.key,)
    return tuple(sorted({table.key, target(name, facts.find(name), statement).key}))


def resumed(statement: Statement, action: AddConstraint, facts: Facts) -> Constraint | None:
    """This very constraint, from an earlier run that was interrupted between its steps."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    return _left(name_of(action, statement, facts), statement, action, facts.find(alter.relation), facts)


def _left(
    name: str | None, statement: Statement, action: AddConstraint, relation: Relation | None, facts: Facts
) -> Constraint | None:
    if relation is None or name is None or (found := relation.constraints.get(name)) is None:
        return None
    again = any_resumed(statement, relation)
    assert isinstance(statement.node, AlterTable)
    if not again and name in freed(statement.node, relation):
        return None  # the ALTER drops it first, whatever it is
    return found if is_leftover(statement, action.constraint, found, facts, validated=again) else None
