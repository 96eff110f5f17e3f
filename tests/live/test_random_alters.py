"""Random migrations, direct and through Interlock: they fail or not alike, and leave the same schema and the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.live.alters import TABLES, Author
from tests.live.conftest import start_guard, through
from tests.proxies import Proxy
from tests.servers import Server

MIGRATIONS = 60
REJECTED = "IL001"  # what cannot be done in steps: nothing was run, and there is nothing to compare

SCHEMA = """
SELECT 'column', c.relname::text, a.attname::text,
    concat_ws(' ', a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attinhcount)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = current_schema()::regnamespace AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname,
    concat_ws(' ', pg_get_constraintdef(oid), convalidated, condeferrable, conislocal, coninhcount, connoinherit)
FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
UNION ALL
SELECT 'index', c.relname, pg_get_indexdef(c.oid), concat_ws(' ', indisvalid, indisready, indislive, indisunique, indisprimary)
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relnamespace = current_schema()::regnamespace
ORDER BY 1, 2, 3, 4
"""
ROWS = "SELECT {0}::text FROM {0} ORDER BY 1"


@pytest.fixture
def pair(
    postgres: Server, database: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> Iterator[tuple[psycopg.Connection, psycopg.Connection, psycopg.Connection]]:
    """A connection to one database; one through Interlock to another, and one that looks at that one."""
    other = postgres.create_database()
    proxy = start_guard(start_proxy, tmp_path)
    connections = [
        psycopg.connect(url, autocommit=True) for url in (postgres.url(other), through(proxy, database), database)
    ]
    yield connections[0], connections[1], connections[2]
    for connection in connections:
        connection.close()
    postgres.drop_database(other)


def outcome(connection: psycopg.Connection, sql: str, prepare: bool) -> str:
    """The command tag, or the SQLSTATE."""
    try:
        return connection.execute(sql, prepare=prepare).statusmessage or ""
    except psycopg.Error as error:
        return error.diag.sqlstate or repr(error)


def state(connection: psycopg.Connection) -> list[object]:
    """Everything that a migration could have changed; of column numbers only their order."""
    rows: list[object] = []
    seen: dict[str, int] = {}
    for kind, table, name, words in connection.execute(SCHEMA).fetchall():
        rows.append((kind, table, name, words.split(" ", 1)[1] if kind == "column" else words))
        if kind == "column":
            seen[f"{table}.{name}"] = int(words.split(" ", 1)[0])
    rows.append(sorted(seen, key=lambda column: (column.split(".")[0], seen[column])))
    for table in ("p", "t", "base", "parted"):
        rows.append(connection.execute(ROWS.format(table)).fetchall())
    return rows


@pytest.mark.parametrize("seed", range(0, MIGRATIONS, 20))
def test_random_migrations(seed: int, pair: tuple[psycopg.Connection, psycopg.Connection, psycopg.Connection]) -> None:
    direct, guarded, looking = pair
    compared = 0
    for number in range(seed, seed + 20):
        spoil, statements = Author(number).migration()
        for connection in (direct, looking):
            connection.execute(f"CREATE SCHEMA s{number}; SET search_path = s{number}; {TABLES}")
            if spoil:
                outcome(connection, spoil, False)
        guarded.execute(f"SET search_path = s{number}; SET interlock.allow = 'column-type-rewrite: to see more'")
        for sql in statements:
            before = state(looking)
            got = outcome(guarded, sql, number % 2 == 1)
            if got == REJECTED:
                assert state(looking) == before
                break
            expected = outcome(direct, sql, number % 2 == 1)
            # Of several things that are wrong with a statement another may be found first.
            failed = got[:1].isdigit() and expected[:1].isdigit()
            assert failed or got == expected, f"migration {number}: {sql}"
            assert state(looking) == state(direct), f"migration {number}: {sql}"
            compared += 1
        for connection in (direct, looking):
            connection.execute(f"SET client_min_messages = warning; DROP SCHEMA s{number} CASCADE")
    assert compared > 20
