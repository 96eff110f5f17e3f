"""What Postgres runs only outside a transaction runs through Interlock too, in the extended protocol and in every mode.

Interlock's own questions, asked in the client's pipeline, would make Postgres believe in a transaction block there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.live.conftest import start_guard, through
from tests.proxies import Proxy
from tests.servers import Server

SCHEMA = """
CREATE TABLE spare (a int) PARTITION BY LIST (a);
CREATE TABLE spare_1 PARTITION OF spare FOR VALUES IN (1);
CREATE MATERIALIZED VIEW recent AS SELECT id FROM orders;
CREATE UNIQUE INDEX recent_id_idx ON recent (id);
"""
STATEMENTS = [
    "CREATE INDEX CONCURRENTLY orders_email_idx ON orders (email)",
    "REINDEX INDEX CONCURRENTLY orders_email_idx",
    "DROP INDEX CONCURRENTLY orders_email_idx",
    "REINDEX TABLE orders",
    "REINDEX SCHEMA public",
    "CLUSTER orders USING orders_total_idx",
    "CLUSTER",
    "VACUUM orders",
    "VACUUM (FULL, ANALYZE) orders",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY recent",
    "DO $$ BEGIN INSERT INTO customers VALUES (1000, 'x'); COMMIT; END $$",
]


@pytest.fixture(params=["enforce", "warn", "observe"])
def url(request: pytest.FixtureRequest, orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> str:
    with psycopg.connect(orders, autocommit=True) as session:
        session.execute(SCHEMA)
    return through(start_guard(start_proxy, tmp_path, f"mode: {request.param}\n"), orders)


def test_in_the_extended_protocol(postgres: Server, url: str) -> None:
    other = postgres.create_database()
    statements = [*STATEMENTS, f"ALTER DATABASE {other} SET TABLESPACE pg_default", f"DROP DATABASE {other}"]
    if postgres.version >= 14:
        statements.append("ALTER TABLE spare DETACH PARTITION spare_1 CONCURRENTLY")
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("SET interlock.allow = 'all: what is let through is to run'")
        for statement in statements:
            done = session.execute(statement.encode(), prepare=True).statusmessage or ""
            assert statement.startswith(done)
        assert session.execute("SELECT count(*) FROM customers WHERE id = 1000").fetchone() == (1,)


def test_its_errors_are_the_servers(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        with pytest.raises(psycopg.errors.UndefinedTable) as caught:
            session.execute("CREATE INDEX CONCURRENTLY ON nowhere (email)", prepare=True)
        assert caught.value.diag.message_primary == 'relation "nowhere" does not exist'
        assert session.execute("SELECT 1", prepare=True).fetchone() == (1,)


def test_inside_a_transaction_it_is_still_refused(url: str) -> None:
    with psycopg.connect(url) as session, pytest.raises(psycopg.errors.ActiveSqlTransaction):
        session.execute("VACUUM orders", prepare=True)
