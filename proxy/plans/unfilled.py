"""Columns whose rows get their values only behind COMMIT: of a row without one nothing may be asked or demanded before."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.catalog.facts import Relation
from proxy.plans.depends import mentions
from proxy.sql import lexer
from proxy.sql.lexer import LexError
from proxy.sql.statements import Action, AddConstraint, ConstraintKind, SetNotNull, Statement

# A foreign key takes a null, and is looked up when the value comes.
DEMANDS = (ConstraintKind.CHECK, ConstraintKind.NOT_NULL, ConstraintKind.PRIMARY_KEY)


def demands_unfilled(statement: Statement, action: Action, relation: Relation | None) -> bool:
    """Whether a constraint, NOT VALID too, would have every UPDATE of a row fail that has no value yet."""
    is_demand = isinstance(action, SetNotNull) or (
        isinstance(action, AddConstraint) and action.constraint.kind in DEMANDS
    )
    return is_demand and reads_unfilled(statement, action, relation)


def reads_unfilled(statement: Statement, action: Action, relation: Relation | None) -> bool:
    """Whether an action of an ALTER TABLE is about such a column; errs towards True."""
    return any(mentions(statement, action, name) for name in _unfilled(relation))


def names_unfilled(statement: Statement, relation: Relation | None) -> bool:
    """Whether a statement about the table has the name of such a column anywhere; errs towards True."""
    if not (names := set(_unfilled(relation))):
        return False
    try:
        return any(token.value in names for token in lexer.lex(statement.sql))
    except LexError:
        return True


def _unfilled(relation: Relation | None) -> Iterable[str]:
    return (name for name, column in relation.columns.items() if column.waits) if relation is not None else ()


__all__ = ["demands_unfilled", "names_unfilled", "reads_unfilled"]
