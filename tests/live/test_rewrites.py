"""Each rewrite through the running proxy, by every driver and protocol: the same schema, and nothing that blocks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import pg8000.dbapi
import psycopg
import psycopg2
import pytest

from tests.binaries import run_client
from tests.live.conftest import ORDERS
from tests.servers import Server

Run = Callable[[str, str], None]


def by_psycopg(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql)


def by_psycopg_prepared(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql, prepare=True)


def by_psycopg2(url: str, sql: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    connection.cursor().execute(sql)
    connection.close()


def by_asyncpg(url: str, sql: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(sql)
        await connection.close()

    asyncio.run(run())


def by_asyncpg_prepared(url: str, sql: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        statement = await connection.prepare(sql)
        await statement.fetch()
        await connection.close()

    asyncio.run(run())


def by_pg8000(url: str, sql: str) -> None:
    info = psycopg.conninfo.conninfo_to_dict(url)
    connection = pg8000.dbapi.connect(
        user=info["user"], host=info["host"], port=int(info["port"]), database=info["dbname"]
    )
    connection.autocommit = True
    connection.cursor().execute(sql)
    connection.close()


def by_psql(url: str, sql: str) -> None:
    run_client("psql", "-v", "ON_ERROR_STOP=1", "-f", "-", url=url, text=sql)


CLIENTS: list[Run] = [
    by_psql, by_psycopg, by_psycopg_prepared, by_psycopg2, by_asyncpg, by_asyncpg_prepared, by_pg8000,
]  # fmt: skip

REWRITES = {  # statement -> what the server must have been sent
    "CREATE INDEX orders_email_idx ON orders (email)": "CREATE INDEX CONCURRENTLY orders_email_idx",
    "CREATE UNIQUE INDEX orders_id_idx ON orders (id)": "CREATE UNIQUE INDEX CONCURRENTLY orders_id_idx",
    "CREATE INDEX ON orders (lower(email))": "CREATE INDEX CONCURRENTLY ON orders",
    "DROP INDEX orders_total_idx": "DROP INDEX CONCURRENTLY",
    "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers": "VALIDATE CONSTRAINT",
    "ALTER TABLE orders ADD CONSTRAINT total_ok CHECK (total > 0)": "VALIDATE CONSTRAINT",
    "ALTER TABLE orders ALTER email SET NOT NULL": "VALIDATE CONSTRAINT",
    "ALTER TABLE orders ADD CONSTRAINT orders_u UNIQUE (id, email)": "CREATE UNIQUE INDEX CONCURRENTLY",
    "ALTER TABLE orders ADD PRIMARY KEY (id)": "CREATE UNIQUE INDEX CONCURRENTLY",
    "ALTER TABLE orders ADD CONSTRAINT c CHECK (\"Note\" <> ''), ALTER total SET NOT NULL, ADD COLUMN x int": "VALIDATE",
}


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda c: c.__name__)
def test_every_rewrite_by(client: Run, postgres: Server, orders: str, guarded: str) -> None:
    direct = postgres.create_database()
    try:
        by_psycopg(postgres.url(direct), ORDERS)
        for sql in REWRITES:
            client(guarded, sql)
            by_psycopg(postgres.url(direct), sql)
        sent = "\n".join(postgres.statements(name_of(orders)))
        for sql, expected in REWRITES.items():
            assert expected in sent, f"{sql}: the server was never sent {expected}"
        assert postgres.dump(name_of(orders)) == postgres.dump(direct)
        with psycopg.connect(orders) as connection:
            assert connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)
            assert connection.execute("SELECT count(*) FROM pg_constraint WHERE NOT convalidated").fetchone() == (0,)
    finally:
        postgres.drop_database(direct)


def test_the_client_sees_one_answer(orders: str, guarded: str) -> None:
    told: list[str] = []
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.add_notice_handler(lambda d: told.append(d.message_primary or ""))
        cursor = connection.execute("CREATE INDEX i ON orders (email)")
        assert cursor.statusmessage == "CREATE INDEX"
        assert connection.execute("ALTER TABLE orders ALTER email SET NOT NULL").statusmessage == "ALTER TABLE"
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert any("CREATE INDEX CONCURRENTLY i" in line for line in told), told


def test_names_of_ours_are_not_the_clients_business(orders: str, guarded: str) -> None:
    """Postgres tells that ADD CONSTRAINT USING INDEX renames the index that we have built for it."""
    told: list[str] = []
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.add_notice_handler(lambda d: told.append(d.message_primary or ""))
        connection.execute("ALTER TABLE orders ADD UNIQUE (email)")
    assert any("ADD CONSTRAINT orders_email_key UNIQUE USING INDEX" in line for line in told), told
    assert not any("will rename index" in line for line in told), told


def test_psql_shows_it(orders: str, guarded: str) -> None:
    done = run_client("psql", "-c", "CREATE INDEX i ON orders (email)", url=guarded)
    assert done.stdout == "CREATE INDEX\n"
    assert "CREATE INDEX CONCURRENTLY i ON orders (email)" in done.stderr


FAILURES = {  # statement -> SQLSTATE that Postgres gives
    "CREATE UNIQUE INDEX u ON orders (customer_id)": "23505",
    "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (customer_id)": "23505",
    "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 100)": "23514",
    "ALTER TABLE orders ADD FOREIGN KEY (total) REFERENCES customers": "42804",
    "ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES customers": "23503",
    "UPDATE orders SET email = NULL WHERE id = 1; ": "",
    "ALTER TABLE orders ALTER email SET NOT NULL": "23502",
    "ALTER TABLE orders ADD PRIMARY KEY (customer_id)": "23505",
    "CREATE INDEX i ON orders (nothing)": "42703",
    "CREATE INDEX i ON nothing (id)": "42P01",
    "ALTER TABLE orders ADD CHECK (nothing > 0)": "42703",
    "DROP INDEX nothing": "42704",
    "CREATE INDEX orders_total_idx ON orders (id)": "42P07",
}


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_errors_are_those_of_postgres_and_nothing_is_left(
    prepare: bool, postgres: Server, orders: str, guarded: str
) -> None:
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute("UPDATE orders SET email = NULL WHERE id = 1")
    before = postgres.dump(name_of(orders))
    direct = postgres.create_database()
    by_psycopg(postgres.url(direct), ORDERS + "UPDATE orders SET email = NULL WHERE id = 1;")
    try:
        with (
            psycopg.connect(guarded, autocommit=True) as through,
            psycopg.connect(postgres.url(direct), autocommit=True) as straight,
        ):
            for sql, state in FAILURES.items():
                if not state:
                    continue
                errors = []
                for connection in (through, straight):
                    with pytest.raises(psycopg.Error) as caught:
                        connection.execute(sql, prepare=prepare)
                    d = caught.value.diag
                    errors.append(
                        (d.sqlstate, d.message_primary, d.message_detail, d.constraint_name, d.statement_position)
                    )
                assert errors[0][0] == state, sql
                assert errors[0] == errors[1], sql
                assert through.execute("SELECT 1").fetchone() == (1,)
        assert postgres.dump(name_of(orders)) == before
        with psycopg.connect(orders) as connection:
            assert connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)
    finally:
        postgres.drop_database(direct)
