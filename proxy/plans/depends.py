"""Whether a guarded action of an ALTER TABLE is about what another action of it makes or frees."""

from __future__ import annotations

from collections.abc import Set

from proxy.plans.default_names import included
from proxy.plans.plan import Rewrite
from proxy.sql import lexer
from proxy.sql.lexer import LexError
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    ConstraintKind,
    DropColumn,
    DropConstraint,
    DropNotNull,
    OtherAction,
    SetNotNull,
    Statement,
)

INDEXED = (ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY)


def depends(statement: Statement, guarded: Action, rewrite: Rewrite, other: Action) -> bool:
    """Whether ``other`` must come before ``guarded``, as it does in Postgres's own order of passes.

    Errs towards True.  Source: AlterTablePass in commands/tablecmds.c: drops, types, columns, constraints.
    """
    match other:
        case AddColumn() if isinstance(guarded, AddColumn):
            return True  # columns stand in the order in which they came
        case DropConstraint() if isinstance(guarded, AddColumn):
            return True  # it may have the name that a constraint of the column is to get
        case DropConstraint(name=name):
            # The new index attaches in the same ALTER that drops the old constraint.
            return name == rewrite.name and not is_indexed(guarded)
        case AddColumn(column=column):
            return mentions(statement, guarded, column.name)
        case DropColumn(column=name) | AlterColumnType(column=name):
            return mentions(statement, guarded, name)
        case DropNotNull(column=name):
            # No other constraint is about it; but what is set before it would be taken off again.
            return mentions(statement, guarded, name) and (isinstance(guarded, SetNotNull) or is_indexed(guarded))
        case OtherAction(what=what, column=str(name)) if what.startswith("SET EXPRESSION"):
            return mentions(statement, guarded, name)
        case _:
            return False


def is_indexed(action: Action) -> bool:
    return isinstance(action, AddConstraint) and action.constraint.kind in INDEXED


def is_foreign_key(action: Action) -> bool:
    return isinstance(action, AddConstraint) and action.constraint.kind is ConstraintKind.FOREIGN_KEY


def mentions(statement: Statement, action: Action, column: str) -> bool:
    """Whether an action of the ALTER TABLE is about that column; errs towards True."""
    match action:
        case SetNotNull(column=name):
            return name == column
        case AddConstraint(constraint=c):
            names: Set[str] = {*c.columns, *c.referenced_columns, *included(c.include, statement)}
            return column in names or (
                c.expression is not None and _reads(statement, c.expression.of(statement.text), column)
            )
        case AlterColumnType(column=name, using=using):
            return name == column or (using is not None and _reads(statement, using.of(statement.text), column))
        case AddColumn(column=added):
            checks = [c.expression.of(statement.text) for c in added.constraints if c.kind == "CHECK" and c.expression]
            return column == added.name or any(_reads(statement, text, column) for text in checks)
        case _:
            return True


def _reads(statement: Statement, expression: str, column: str) -> bool:
    """Whether the text of an expression has the column's name in it, or the table's, and with it all columns."""
    assert isinstance(statement.node, AlterTable)
    try:
        words = {token.value for token in lexer.lex(expression) if token.kind in ("word", "quoted", "uquoted")}
    except LexError:
        return True
    return column in words or statement.node.relation.name in words
