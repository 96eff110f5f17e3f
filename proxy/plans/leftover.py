"""Whether a constraint that stands NOT VALID is the very one that a clause would add.

It was left by a run that was interrupted before its VALIDATE.  Unsure means no: then Postgres itself says
that the name is taken.
"""

from __future__ import annotations

from proxy.catalog.facts import Constraint, Facts
from proxy.plans import reading
from proxy.plans.plan import Lock
from proxy.sql import lexer
from proxy.sql.lexer import LexError
from proxy.sql.read import read
from proxy.sql.statements import AddConstraint, AlterTable, ConstraintKind, Name, Statement, TableConstraint

KINDS = {"c": ConstraintKind.CHECK, "f": ConstraintKind.FOREIGN_KEY, "n": ConstraintKind.NOT_NULL}


def is_leftover(
    statement: Statement, wanted: TableConstraint, found: Constraint, facts: Facts, *, validated: bool = False
) -> bool:
    """Whether ``found``, as pg_get_constraintdef prints it, is NOT VALID and what ``wanted`` says in the client's words.

    ``validated``: it may be valid already, since it is known otherwise that an interrupted run has been there.
    """
    if (found.validated and not validated) or not found.enforced or found.waits:
        return False
    if not validated and _altered_in_this_transaction(statement, facts):
        return False
    if KINDS.get(found.kind) is not wanted.kind or (printed := clause(found.definition)) is None:
        return False
    there, definition = printed
    if wanted.no_inherit != there.no_inherit:
        return False
    if wanted.kind is ConstraintKind.CHECK:
        if wanted.expression is None or there.expression is None:
            return False
        return reading.same(wanted.expression.of(statement.text), there.expression.of(definition))
    if wanted.kind is ConstraintKind.NOT_NULL:
        return wanted.columns == there.columns
    if wanted.columns != there.columns or wanted.references is None or there.references is None:
        return False
    if not _same_table(wanted.references, there.references, facts):
        return False
    named = wanted.referenced_columns or _primary_key(wanted.references, facts)
    return named == there.referenced_columns and _tail(wanted, statement.text) == _tail(there, definition)


def _altered_in_this_transaction(statement: Statement, facts: Facts) -> bool:
    """Whether the constraint may be this very transaction's own: nobody was interrupted then."""
    alter = statement.node
    relation = facts.find(alter.relation) if isinstance(alter, AlterTable) else None
    return relation is not None and any(
        one.table == relation.qualified and one.lock.rank >= Lock.SHARE_ROW_EXCLUSIVE.rank for one in facts.held
    )


def clause(definition: str) -> tuple[TableConstraint, str] | None:
    """A definition by pg_get_constraintdef(), read, and the text that it was read in."""
    text = f"ALTER TABLE t ADD {definition}"
    match [s.node for s in read(text)]:
        case [AlterTable(actions=(AddConstraint(constraint=c),))]:
            return c, text
        case _:
            return None


def _same_table(wanted: Name, there: Name, facts: Facts) -> bool:
    relation = facts.find(wanted)
    if relation is None or relation.name != there.name:
        return False
    return there.schema is None or there.schema == relation.schema


def _primary_key(table: Name, facts: Facts) -> tuple[str, ...] | None:
    relation = facts.find(table)
    keys = [c.columns for c in relation.constraints.values() if c.kind == "p"] if relation else []
    return keys[0] if keys else None


def _tail(c: TableConstraint, text: str) -> list[str] | None:
    """What is said after the referenced columns (ON DELETE …, DEFERRABLE …), as words, without NOT VALID."""
    assert c.references is not None
    start, end = c.references.span.end, c.not_valid.start if c.not_valid else c.span.end
    try:
        words = [token.value for token in lexer.lex(text[start:end])]
    except LexError:
        return None
    return words[words.index(")") + 1 :] if c.referenced_columns and ")" in words else words
