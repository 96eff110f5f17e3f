"""What an index that waits for COMMIT would meet at once, met at once: it is made on an empty copy of the table.

A column that is not there, an operator class that does not fit, an expression that is not immutable, a name that
is taken: all are told by the server itself, in the author's transaction.  The copy stands beside the table, for a
temporary one would forbid PREPARE TRANSACTION, and is gone before the statement is over.
"""

from __future__ import annotations

from proxy.catalog.facts import Facts, Relation
from proxy.plans.done import EQ
from proxy.plans.plan import Edit
from proxy.plans.target import literal, own_name, qualify
from proxy.sql import edit, lexer
from proxy.sql.lexer import LexError
from proxy.sql.statements import (
    AddConstraint,
    AlterTable,
    ConstraintKind,
    CreateIndex,
    Name,
    Statement,
)

OVER = "IL000"  # the SQLSTATE with which the rehearsal takes itself back
INDEXED = (ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY)


def rehearsals(statement: Statement, facts: Facts) -> tuple[str, ...]:
    """Statements that fail where the author's would fail at once, and else do nothing.

    To be run in the author's transaction, behind what is done of the statement itself.
    """
    match statement.node:
        case CreateIndex(relation=name) as node if relation := _plain(name, facts):
            if _names_table(statement, node.relation.span.end, statement.span.end, relation):
                return ()
            copy = _copy_of(relation)
            start = statement.span.start
            made = Edit(name.span.start - start, name.span.end - start, copy)
            return (_sql(relation, copy, edit.apply(statement.sql, (made,)), _owned(relation)),)
        case AlterTable(relation=name) as alter if relation := _plain(name, facts):
            return tuple(
                _sql(relation, copy, f"ALTER TABLE {copy} {text}", _single_key(alter, action, relation))
                for action in alter.actions
                if isinstance(action, AddConstraint)
                and action.constraint.kind in INDEXED
                and action.constraint.using_index is None
                for copy in (_copy_of(relation),)
                for text in (action.span.of(statement.text),)
            )
        case _:
            return ()


def position(fields: dict[str, str], statement: Statement, facts: Facts) -> str | None:
    """Where in the author's statement an error of a rehearsal's stands; counted from 1; None if it cannot be told."""
    at, query = fields.get("p", ""), fields.get("q", "")
    if not at.isdigit():
        return None
    match statement.node:
        case CreateIndex(relation=name) if relation := _plain(name, facts):
            start = statement.span.start
            made = Edit(name.span.start - start, name.span.end - start, _copy_of(relation))
            if query == edit.apply(statement.sql, (made,)):
                place = edit.original_position(int(at), (made,))
                return str(place) if place else None
        case _:
            pass
    return None


def _plain(name: Name, facts: Facts) -> Relation | None:
    """The table, if an empty copy of it says what it would."""
    relation = facts.find(name)
    if relation is None or not relation.exists or relation.kind not in ("r", "m") or not relation.schema:
        return None
    return relation


def _copy_of(relation: Relation) -> str:
    return qualify(relation.schema, own_name("re", str(relation.oid)))


def _names_table(statement: Statement, start: int, end: int, relation: Relation) -> bool:
    """Whether the table's own name stands in the definition, where the copy has another."""
    try:
        tokens = lexer.lex(statement.text[start:end])
    except LexError:
        return True
    return any(token.kind in ("word", "quoted", "uquoted") and token.value == relation.name for token in tokens)


def _sql(relation: Relation, copy: str, sql: str, first: str) -> str:
    source = qualify(relation.schema, relation.name)
    body = (
        f"BEGIN {first} BEGIN EXECUTE {literal(f'CREATE TABLE {copy} (LIKE {source} INCLUDING GENERATED)')};"
        f" EXECUTE {literal(sql)}; RAISE EXCEPTION USING ERRCODE = '{OVER}';"
        f" EXCEPTION WHEN SQLSTATE '{OVER}' THEN NULL; END; END"
    )
    return f"DO LANGUAGE plpgsql {literal(body)}"


def _owned(relation: Relation) -> str:
    """The copy is ours whoever made the table."""
    owner = f"(SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.oid {EQ} {relation.oid})"
    kind = "materialized view" if relation.kind == "m" else "table"
    return (
        f"IF NOT pg_catalog.pg_has_role({owner}, 'USAGE') THEN RAISE EXCEPTION USING ERRCODE = '42501',"
        f" MESSAGE = {literal(f'must be owner of {kind} {relation.name}')}; END IF;"
    )


def _single_key(alter: AlterTable, action: AddConstraint, relation: Relation) -> str:
    """A table has one primary key; the copy has none."""
    if action.constraint.kind is not ConstraintKind.PRIMARY_KEY:
        return ""
    dropped = {getattr(other, "name", None) for other in alter.actions if other is not action}
    if not any(c.kind == "p" and c.name not in dropped for c in relation.constraints.values()):
        return ""
    message = literal(f'multiple primary keys for table "{relation.name}" are not allowed')
    return f"RAISE EXCEPTION USING ERRCODE = '42P16', MESSAGE = {message};"


__all__ = ["position", "rehearsals"]
