"""Rows for the tables of any schema, so that an application's later migrations find tables that are not empty.

Every column without a default gets a value, nullable ones too (a later SET NOT NULL is to find values); foreign keys point
at rows that are there.  Tables that hold rows already are left alone: they are the tool's bookkeeping, or come with the application.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from tests.servers import Server

_COLUMNS = """
SELECT c.oid, n.nspname, c.relname, a.attnum, a.attname, a.attnotnull, a.atthasdef OR a.attidentity <> '',
       format_type(coalesce(b.oid, t.oid), NULL), coalesce(b.typcategory, t.typcategory), greatest(a.atttypmod, t.typtypmod),
       (SELECT enumlabel FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder LIMIT 1)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0)
WHERE c.relkind = 'r' AND n.nspname <> ALL ('{pg_catalog,information_schema,pg_toast,interlock}')
  AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY n.nspname, c.relname, a.attnum
"""
_KEYS = "SELECT conrelid, confrelid, conkey, confkey FROM pg_constraint WHERE contype = 'f' ORDER BY conname"
_VALUES = {  # by format_type; {n} counts the rows
    "boolean": "{n} % 2 = 0",
    "uuid": "('00000000-0000-4000-8000-' || lpad({n}::text, 12, '0'))::uuid",
    "json": "'{{}}'",
    "jsonb": "'{{}}'",
    "bytea": "'x'::bytea",
    "date": "date '2026-01-01' + {n}",
    "timestamp without time zone": "timestamp '2026-01-01' + {n} * interval '1 minute'",
    "timestamp with time zone": "timestamptz '2026-01-01 00:00Z' + {n} * interval '1 minute'",
    "time without time zone": "time '01:00'",
    "interval": "interval '1 second'",
    "inet": "'192.0.2.1'",
    "tsvector": "''",
}


@dataclass(frozen=True, slots=True)
class _Column:
    number: int
    name: str
    required: bool
    defaulted: bool
    type: str
    category: str
    modifier: int
    label: str | None

    def value(self, n: int, chosen: Mapping[str, str]) -> Composable:
        if self.name in chosen:
            return SQL(chosen[self.name].replace("{n}", str(n)))
        if self.label is not None:
            return Literal(self.label)
        if self.category == "A":
            return Literal("{}")
        if self.category == "N":
            return Literal(n)
        if self.type in _VALUES:
            return SQL(_VALUES[self.type].replace("{n}", str(n)).replace("{{}}", "{}"))
        text = f"s{n}"
        return Literal(text[-(self.modifier - 4) :] if self.modifier > 4 else text)


@dataclass(slots=True)
class _Table:
    schema: str
    name: str
    columns: list[_Column] = field(default_factory=list)
    keys: list[tuple[int, list[int], list[int]]] = field(default_factory=list)
    """Referred table, own columns, its columns."""

    @property
    def sql(self) -> Identifier:
        return Identifier(self.schema, self.name)


def seed(
    server: Server, database: str, number: int, chosen: Mapping[str, Mapping[str, str]], left: Collection[str] = ()
) -> list[str]:
    """Put ``number`` rows into every empty table that will have them, ``ANALYZE``, and return the names of the tables with rows.

    ``chosen``: by table and column, an expression instead of a made-up value; ``{n}`` in it is the row's number.
    ``left``: tables that stay empty.
    """
    with server.connect(database) as session:
        tables = _tables(session)
        for table in _parents_first(tables):
            if table.name not in left and not _count(session, table):
                for n in range(1, number + 1):
                    if not _insert(session, table, tables, n, chosen.get(table.name, {})):
                        break
                _move_sequences(session, table)
        session.execute("ANALYZE")
        return [table.name for table in tables.values() if _count(session, table)]


def _tables(session: psycopg.Connection) -> dict[int, _Table]:
    tables: dict[int, _Table] = {}
    for oid, schema, name, *column in session.execute(_COLUMNS):
        tables.setdefault(oid, _Table(schema, name)).columns.append(_Column(*column))
    for oid, referred, own, others in session.execute(_KEYS):
        if oid in tables:
            tables[oid].keys.append((referred, own, others))
    return tables


def _parents_first(tables: Mapping[int, _Table]) -> Iterator[_Table]:
    seen: set[int] = set()

    def visit(oid: int) -> Iterator[_Table]:
        if oid not in seen and oid in tables:
            seen.add(oid)
            for referred, _, _ in tables[oid].keys:
                yield from visit(referred)
            yield tables[oid]

    for oid in tables:
        yield from visit(oid)


def _count(session: psycopg.Connection, table: _Table) -> int:
    row = session.execute(SQL("SELECT count(*) FROM {}").format(table.sql)).fetchone()
    assert row
    return int(row[0])


def _insert(
    session: psycopg.Connection, table: _Table, tables: Mapping[int, _Table], n: int, chosen: Mapping[str, str]
) -> bool:
    """Whether a row went in: a CHECK or a trigger may refuse it, or there is nothing that it could refer to."""
    values = {c.number: c.value(n, chosen) for c in table.columns if not c.defaulted or c.name in chosen}
    names = {c.number: c.name for c in table.columns}
    for referred, own, others in table.keys:
        found = _referred(session, tables[referred], others, n)
        for number, value in zip(own, found or [None] * len(own), strict=True):
            values[number] = Literal(value)
    statement = SQL("INSERT INTO {} ({}) VALUES ({})").format(
        table.sql, SQL(", ").join(Identifier(names[number]) for number in values), SQL(", ").join(values.values())
    )
    try:
        session.execute(statement if values else SQL("INSERT INTO {} DEFAULT VALUES").format(table.sql))
    except psycopg.errors.IntegrityError:
        return False
    return True


def _referred(session: psycopg.Connection, table: _Table, numbers: list[int], n: int) -> Any:
    names = {c.number: c.name for c in table.columns}
    columns = SQL(", ").join(Identifier(names[number]) for number in numbers)
    count = _count(session, table)
    query = SQL("SELECT {} FROM {} ORDER BY 1 OFFSET {} LIMIT 1")
    return session.execute(query.format(columns, table.sql, Literal(n % count))).fetchone() if count else None


def _move_sequences(session: psycopg.Connection, table: _Table) -> None:
    """Those that feed a column which was given a value all the same."""
    for column in table.columns:
        query = "SELECT pg_get_serial_sequence(%s, %s)"
        row = session.execute(query, (f'"{table.schema}"."{table.name}"', column.name)).fetchone()
        if row and row[0]:
            moved = SQL("SELECT setval({}, greatest((SELECT max({}) FROM {}), 1))")
            session.execute(moved.format(Literal(row[0]), Identifier(column.name), table.sql))
