"""serial and GENERATED … AS IDENTITY for a column whose rows are numbered in steps.

A serial's own sequence is there from the beginning, as CREATE TABLE's documentation writes it out.  An identity
column's cannot be, since it wants the column NOT NULL: until the end a passing sequence gives the numbers, and the
identity's own then goes on where that stopped.
Source: generateSerialExtraStmts (parser/parse_utilcmd.c), ATExecAddIdentity (commands/tablecmds.c).
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.catalog.facts import Facts, Relation
from proxy.plans.target import Target, literal, own_name
from proxy.sql import lexer
from proxy.sql.names import choose_name
from proxy.sql.statements import AddColumn, ColumnConstraint, Statement, quote_identifier

TYPES = {
    "serial": "integer", "serial4": "integer", "bigserial": "bigint", "serial8": "bigint", "smallserial": "smallint",
    "serial2": "smallint",
}  # fmt: skip
INTEGERS = frozenset({"int2", "int4", "int8"})
ELSEWHERE = frozenset({"sequence", "owned", "as", "logged", "unlogged", "restart"})  # more than how it counts


@dataclass(frozen=True, slots=True)
class Numbered:
    type: str = ""  # what to write for the type instead of serial
    also: tuple[str, ...] = ()  # statements behind the ALTER that adds the column
    last: tuple[str, ...] = ()  # actions of the last ALTER
    also_last: tuple[str, ...] = ()  # statements behind that
    undo: tuple[str, ...] = ()  # takes the passing sequence away, once the column is gone


def numbered(
    statement: Statement, action: AddColumn, table: Target, relation: Relation | None, facts: Facts
) -> Numbered | None:
    """How the column gets its numbers; None if it is neither, or if its sequence might become another one."""
    identity = action.column.constraint("IDENTITY")
    if identity is not None:
        return _identity(statement, action, identity, table)
    if action.column.type.name in TYPES:
        return _serial(action, table, relation, facts)
    return None


def _serial(action: AddColumn, table: Target, relation: Relation | None, facts: Facts) -> Numbered | None:
    if relation is not None and (relation.persistence != "p" or relation.owner != facts.user):
        return None  # its sequence would be unlogged, or another's
    name, type_ = quote_identifier(action.column.name), TYPES[action.column.type.name]
    taken = facts.taken_relations.get(table.schema, frozenset())
    sequence = table.sibling(choose_name(table.name, action.column.name, "seq", taken)).sql
    return Numbered(
        type=type_,
        also=(
            f"CREATE SEQUENCE {sequence} AS {type_} OWNED BY {table.sql}.{name}",
            f"ALTER TABLE {table.sql} ALTER COLUMN {name} SET DEFAULT {_next(sequence)}",
        ),
    )


def _identity(statement: Statement, action: AddColumn, identity: ColumnConstraint, table: Target) -> Numbered | None:
    if action.column.type.name not in INTEGERS:
        return None
    written = identity.span.of(statement.text)
    tokens = lexer.lex(written)
    start = tokens[2].start if identity.name is not None else 0
    opened = next((t.start for t in tokens if t.kind == "op" and t.value == "("), len(written))
    options = written[opened:].strip()[1:-1]
    if any(t.kind == "word" and t.value in ELSEWHERE for t in tokens if t.start > opened):
        return None
    name, type_ = quote_identifier(action.column.name), action.column.type.span.of(statement.text)
    passing = table.sibling(own_name("seq", *table.key, action.column.name, statement.sql)).sql
    own = f"pg_catalog.pg_get_serial_sequence({literal(table.sql)}, {literal(action.column.name)})"
    return Numbered(
        also=(
            f"CREATE SEQUENCE {passing} AS {type_} {options}".rstrip(),
            f"GRANT USAGE ON SEQUENCE {passing} TO PUBLIC",  # as nobody needs a right for an identity column's
            f"ALTER TABLE {table.sql} ALTER COLUMN {name} SET DEFAULT {_next(passing)}",
        ),
        last=(f"ALTER COLUMN {name} DROP DEFAULT", f"ALTER COLUMN {name} ADD {written[start:]}"),
        also_last=(
            f"SELECT pg_catalog.setval({own}::pg_catalog.regclass, last_value, is_called) FROM {passing}",
            f"DROP SEQUENCE {passing}",
        ),
        undo=(f"DROP SEQUENCE IF EXISTS {passing}",),
    )


def _next(sequence: str) -> str:
    return f"pg_catalog.nextval({literal(sequence)}::pg_catalog.regclass)"
