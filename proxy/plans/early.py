"""Which actions of an ALTER TABLE must be committed before the guarded ones, and whether they could be taken back.

A check of rows that comes after them may fail.  Postgres would then have changed nothing; so must we.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from proxy.catalog.column_work import changed_type
from proxy.catalog.facts import Facts, Relation
from proxy.plans.depends import depends, is_foreign_key, is_indexed
from proxy.plans.mark import any_resumed
from proxy.plans.plan import Rewrite
from proxy.sql import lexer
from proxy.sql.lexer import LexError
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    DropConstraint,
    DropNotNull,
    SetNotNull,
    Statement,
)


def early(statement: Statement, rewrites: Mapping[Any, Rewrite], facts: Facts | None) -> list[Action]:
    """The actions that come first, in the order written: what a guarded one builds on, and what hangs together with it."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    relation = facts.find(alter.relation) if facts else None
    rest = [action for action in alter.actions if action not in rewrites]
    if not rest:
        return []
    first = [
        other
        for other in rest
        if any(_builds_on(statement, guarded, rewrite, other, relation) for guarded, rewrite in rewrites.items())
    ]
    while more := [a for a in rest if a not in first and any(_together(statement, a, b, relation) for b in first)]:
        first += more
    return [action for action in rest if action in first]


def had_come(statement: Statement, rewrites: Mapping[Any, Rewrite], facts: Facts | None) -> list[Action]:
    """The actions that an interrupted run, of which the mark is left, has done: those of ``early``, as things are now."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    relation = facts.find(alter.relation) if facts else None
    first = early(statement, rewrites, facts)
    for action in alter.actions:
        match action:
            case DropConstraint(name=name) if relation and name not in relation.constraints:
                first.append(action)
            case AddColumn(column=column) if relation and column.name in relation.columns:
                first.append(action)
            case _:
                pass
    return first


def irreversible(statement: Statement, guarded: Sequence[tuple[Any, Rewrite]], facts: Facts | None) -> Action | None:
    """An action that would have to come first and that no statement takes back; None if there is none."""
    alter = statement.node
    if not isinstance(alter, AlterTable):
        return None
    relation = facts.find(alter.relation) if facts else None
    if any_resumed(statement, relation):
        return None  # it has come first
    rewrites = dict(guarded)
    if onward := [action for action, rewrite in guarded if rewrite.forward]:
        # Whatever else could fail after it would have to take it back.
        return onward[0] if sum(bool(r.action or r.steps) for r in rewrites.values()) > 1 else None
    first = early(statement, rewrites, facts)
    # A key to the table itself waits for the new index, which would have to take the old one's name first.
    for action in [a for a in alter.actions if isinstance(a, DropConstraint)]:
        own_keys = [r for a, r in rewrites.items() if is_foreign_key(a) and r.relations == (r.table,)]
        if own_keys and action.name in {r.name for a, r in rewrites.items() if is_indexed(a)}:
            return action
    return next((action for action in first if not reversible(statement, action, relation)), None)


def reversible(statement: Statement, action: Action, relation: Relation | None) -> bool:
    """Whether ``reversal`` brings back all that was there before the action."""
    match action:
        case AddColumn(if_not_exists=maybe, column=column):
            return not maybe or (relation is not None and column.name not in relation.columns)
        case DropConstraint(name=name, cascade=False) if relation and (dropped := relation.constraints.get(name)):
            return dropped.kind in ("c", "f") and dropped.enforced
        case DropConstraint(if_exists=True, name=name):
            return relation is not None and name not in relation.constraints
        case AlterColumnType():
            return is_free(statement, action, relation)
        case DropNotNull(column=name) if relation and name in relation.columns:
            return not relation.columns[name].not_null  # then it does nothing
        case _:
            return False


def is_free(statement: Statement, action: AlterColumnType, relation: Relation | None) -> bool:
    """Whether all values stay as they are stored, so that the old type can hold them again."""
    return changed_type(statement, action, relation) != "rewrite"


def _builds_on(
    statement: Statement, guarded: Action, rewrite: Rewrite, other: Action, relation: Relation | None
) -> bool:
    if not depends(statement, guarded, rewrite, other):
        return False
    if isinstance(guarded, SetNotNull) and isinstance(other, AlterColumnType):
        # A cast makes no value of a null: that there are none can be proven before, and cannot be undone after.
        return is_free(statement, other, relation) or not _casts_only(statement, other)
    return True


def _casts_only(statement: Statement, action: AlterColumnType) -> bool:
    """Whether USING, if there is one, is no more than ``column::type``."""
    if action.using is None:
        return True
    try:
        tokens = lexer.lex(action.using.of(statement.text))
    except LexError:
        return False
    head = [token.value for token in tokens[:2]]
    return head == [action.column, "::"] and all(
        token.kind in ("word", "quoted", "number") or token.value in ("(", ")", ",", "[", "]", ".")
        for token in tokens[2:]
    )


def _together(statement: Statement, one: Action, other: Action, relation: Relation | None) -> bool:
    """Whether two actions must keep their order: about one column or constraint, or both about new columns."""
    if isinstance(one, AddColumn) and isinstance(other, AddColumn):
        return True  # columns stand in the order in which they came
    return bool(
        _subjects(one, relation) & _words(statement, other) or _subjects(other, relation) & _words(statement, one)
    )


def _subjects(action: Action, relation: Relation | None) -> set[str]:
    match action:
        case AddColumn(column=column):
            return {column.name}
        case DropConstraint(name=name):
            known = relation.constraints.get(name) if relation else None
            return {name, *(known.columns if known else ())}
        case AddConstraint(constraint=constraint):
            return {*constraint.columns, *([constraint.name] if constraint.name else [])}
        case _:
            return {name for name in (getattr(action, "column", None), getattr(action, "name", None)) if name}


def _words(statement: Statement, action: Action) -> set[str]:
    """All names in the action's text; more than it means, which errs towards keeping the order."""
    return {
        token.value
        for token in lexer.lex(action.span.of(statement.text))
        if token.kind in ("word", "quoted", "uquoted")
    }
