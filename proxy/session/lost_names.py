"""What would take a name away that what waits for COMMIT says and that is no table's: of a schema, a function, a type, a label; or make a type stricter.

Directly the index or constraint would be there already, and know the object itself: the name may change then, and a DROP of it
fails, or takes it along.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from proxy.catalog.facts import Facts
from proxy.session.pending import Pending
from proxy.sql.cursor import Cursor
from proxy.sql.lexer import lex
from proxy.sql.statements import Drop, Other, Statement

# Objects that the text of an index or a constraint may name.
NAMED = frozenset(
    {
        "SCHEMA", "FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "TYPE", "DOMAIN", "COLLATION", "OPERATOR CLASS", "OPERATOR FAMILY",
        "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "TABLESPACE", "ACCESS METHOD",
    }
)  # fmt: skip
WITH_COLUMNS = frozenset({"TYPE", "DOMAIN", "COLLATION"})  # whose CASCADE takes columns along
MOVES = frozenset({"RENAME TO", "SET SCHEMA"})
STRICTER = frozenset({"ADD CONSTRAINT", "SET NOT NULL"})
ATTRIBUTES = frozenset({"RENAME ATTRIBUTE", "DROP ATTRIBUTE", "ALTER ATTRIBUTE"})


def loses_name(statement: Statement, pending: Sequence[Pending], facts: Facts) -> tuple[str, str] | None:
    """What waits and would not find what it names, by its own name and its statement."""
    match statement.node:
        case Drop(object_type=kind, names=names, cascade=cascade) if kind in NAMED:
            gone = {name.name for name in names}
            with_columns = cascade and kind in WITH_COLUMNS
            taken = [
                one for one in pending if cascade and not gone.isdisjoint(one.words)
            ]  # a constraint, with what it calls
            said = [
                one for one in pending if one in taken or _names(one, gone, kind) or (with_columns and not one.left)
            ]
            if kind == "SCHEMA":  # what is about its own tables only goes with them
                said += [one for one in pending if cascade and _points_into(one, gone, facts)]
                said = [one for one in said if not one.touched or not {schema for schema, _ in one.touched} <= gone]
        case Other(kind=kind, options=options) if (kind := kind.removeprefix("ALTER ")) in NAMED:
            if "RENAME VALUE" in options:
                old = next((token.value for token in lex(statement.sql) if token.kind == "string"), "")
                said = [one for one in pending if any(_says(sql, old) for step in one.steps for sql in step.statements)]
            elif not ATTRIBUTES.isdisjoint(options):
                gone = _attributes(statement.sql)
                said = [one for one in pending if not gone.isdisjoint(one.later_words)]
            elif not MOVES.isdisjoint(options):
                gone = {_altered(statement.sql, kind)}
                said = [one for one in pending if _names(one, gone, kind)]
            elif kind == "DOMAIN" and not STRICTER.isdisjoint(options):  # a cast to it may fail then
                domain = _altered(statement.sql, kind)
                said = [one for one in pending if domain in one.words | one.later_words]
            else:
                return None
        case _:
            return None
    return (said[0].name or statement.node.kind, said[0].sql) if said else None


def _names(one: Pending, gone: set[str], kind: str) -> bool:
    about = {schema for schema, _ in one.touched} if kind == "SCHEMA" else set()
    return not gone.isdisjoint(one.later_words | about)


def _points_into(one: Pending, schemas: set[str], facts: Facts) -> bool:
    """Whether what waits may be, or validate, a foreign key to a table in one of these schemas."""
    searched = not schemas.isdisjoint(facts.path)
    said = any(name.schema in schemas or (name.schema is None and searched) for name in one.references)
    return said or (one.only_validates and not one.references)


def _altered(sql: str, kind: str) -> str:
    """The bare name of what an ALTER is about."""
    cursor = Cursor(lex(sql))
    cursor.need("alter", *kind.lower().split())
    return cursor.path().name


def _attributes(sql: str) -> set[str]:
    """The attributes that an ALTER TYPE names."""
    tokens = [token for token in lex(sql) if token.value not in ("if", "exists")]
    return {behind.value for token, behind in pairwise(tokens) if token.kind == "word" and token.value == "attribute"}


def _says(sql: str, literal: str) -> bool:
    return any(token.kind == "string" and token.value == literal for token in lex(sql))


__all__ = ["loses_name"]
