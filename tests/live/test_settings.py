"""The client's settings, and what they mean to it, are as without Interlock: during a statement and after it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.live.conftest import ORDERS, POLICY, through
from tests.live.test_patience import until, value
from tests.proxies import Proxy
from tests.servers import Server

NAMES = ("lock_timeout", "statement_timeout", "transaction_timeout")
SHOWN = "SELECT name, setting, source FROM pg_settings WHERE name = ANY (%s) ORDER BY name"

STATEMENTS = [
    "CREATE INDEX a ON orders (email)",
    "CREATE UNIQUE INDEX u ON orders (customer_id)",  # fails
    "ALTER TABLE orders ALTER email SET NOT NULL",
    "ALTER TABLE orders ADD COLUMN y int; ALTER TABLE orders ADD COLUMN z int",
    "DROP INDEX a",
]


def shown(connection: psycopg.Connection) -> list[tuple[str, str, str]]:
    return connection.execute(SHOWN, [list(NAMES)]).fetchall()


@pytest.mark.parametrize("own", ["", "SET lock_timeout = '2s'", "SET statement_timeout = '20s'; SET lock_timeout = 0"])
@pytest.mark.parametrize("options", ["", "-c statement_timeout=77s"])
def test_values_and_their_sources_survive(own: str, options: str, orders: str, guarded: str) -> None:
    """A role's statement_timeout that looked like the client's own would stop the next build."""
    name = orders.rpartition("/")[2]
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET statement_timeout = '30s'")
        connection.execute(f"ALTER DATABASE {name} SET lock_timeout = '4s'")
    with psycopg.connect(guarded, autocommit=True, options=options) as connection:
        if own:
            connection.execute(own)
        before = shown(connection)
        for sql in STATEMENTS:
            with contextlib.suppress(psycopg.errors.UniqueViolation):
                connection.execute(sql)
            assert shown(connection) == before, sql
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE orders ADD COLUMN q int")
        assert shown(connection) == before
        connection.execute("COMMIT")
        assert shown(connection) == before


def test_what_a_query_string_sets_itself_stays(guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("SELECT set_config('lock_timeout', '9s', false); ALTER TABLE orders ADD COLUMN y int")
        assert connection.execute("SHOW lock_timeout").fetchone() == ("9s",)


def test_timeouts_of_the_role_do_not_end_a_build(postgres: Server, orders: str, guarded: str) -> None:
    name = orders.rpartition("/")[2]
    writer = psycopg.connect(orders)
    writer.execute("LOCK TABLE orders IN ROW EXCLUSIVE MODE")
    with psycopg.connect(orders, autocommit=True) as connection:
        for setting in (
            "statement_timeout",
            "lock_timeout",
            *(["transaction_timeout"] if postgres.version >= 17 else []),
        ):
            connection.execute(f"ALTER DATABASE {name} SET {setting} = '500ms'")
    let_go = threading.Timer(1.5, writer.rollback)
    let_go.start()
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("CREATE INDEX i ON orders (email)")
        connection.execute("CREATE INDEX j ON orders (email)")
    let_go.join()
    writer.close()


@pytest.mark.parametrize(("setting", "ends"), [("honour", True), ("ignore", False)])
def test_the_clients_own_statement_timeout_ends_a_build_unless_the_policy_ignores_it(
    setting: str, ends: bool, orders: str, share_proxy: Callable[[str], Proxy]
) -> None:
    url = through(share_proxy(POLICY + f"builds: {{ statement_timeout: {setting} }}\n"), orders)
    with psycopg.connect(orders) as writer, psycopg.connect(url, autocommit=True) as client:
        writer.execute("LOCK TABLE orders IN ROW EXCLUSIVE MODE")
        client.execute("SET statement_timeout = '800ms'")
        with ThreadPoolExecutor(1) as pool:
            building = pool.submit(client.execute, "CREATE INDEX i ON orders (email)")
            if ends:
                dropping = (
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DROP INDEX CONC%'"
                )
                until(lambda: building.done() or value(orders, dropping) == 1, "the way back")
                writer.rollback()
                with pytest.raises(psycopg.errors.QueryCanceled):
                    building.result(timeout=30)
            else:
                begun = "SELECT count(*) FROM pg_stat_activity WHERE now() - query_start > '1.5s' AND query LIKE 'CREATE INDEX CONC%'"
                until(lambda: building.done() or value(orders, begun) == 1, "it should go on")
                writer.rollback()
                building.result(timeout=30)
        assert client.execute("SHOW statement_timeout").fetchone() == ("800ms",)
    assert value(orders, "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('i')") == (0 if ends else 1)


def test_the_clients_own_statement_timeout_does_not_end_the_way_back(orders: str, guarded: str) -> None:
    with psycopg.connect(orders) as writer, psycopg.connect(guarded, autocommit=True) as client:
        writer.execute("LOCK TABLE orders IN ROW EXCLUSIVE MODE")
        client.execute("SET statement_timeout = '300ms'")
        with ThreadPoolExecutor(1) as pool:
            building = pool.submit(client.execute, "CREATE INDEX i ON orders (email)")
            # Longer than all attempts that a cancel request would get.
            dropping = "SELECT count(*) FROM pg_stat_activity WHERE now() - query_start > '2.5s' AND query LIKE 'DROP INDEX CONC%'"
            until(lambda: building.done() or value(orders, dropping) == 1, "the way back")
            writer.rollback()
            with pytest.raises(psycopg.errors.QueryCanceled):
                building.result(timeout=30)
    assert value(orders, "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('i')") == 0


def test_nowait_does_not_wait(orders: str, guarded: str) -> None:
    with psycopg.connect(orders) as holder, psycopg.connect(guarded, autocommit=True) as connection:
        holder.execute("LOCK TABLE orders")
        connection.execute("BEGIN")
        with pytest.raises(psycopg.errors.LockNotAvailable) as caught:
            connection.execute("LOCK TABLE orders NOWAIT")
        assert caught.value.diag.sqlstate == "55P03"


def test_lock_table_takes_no_snapshot_before_its_lock(orders: str, guarded: str) -> None:
    """LOCK TABLE, then look: in REPEATABLE READ a look of ours before it would fix what is seen after it."""
    with psycopg.connect(orders) as holder, psycopg.connect(guarded, autocommit=True) as connection:
        holder.execute("LOCK TABLE customers")
        holder.execute("INSERT INTO customers VALUES (5000, 'x')")
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        locking = threading.Thread(target=connection.execute, args=("LOCK TABLE customers",))
        locking.start()
        until(lambda: value(orders, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 1, "it should wait")
        holder.commit()
        locking.join(20)
        assert connection.execute("SELECT count(*) FROM customers WHERE id = 5000").fetchone() == (1,)


PARTS = """
CREATE TABLE parts (a int) PARTITION BY RANGE (a);
CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE INDEX parts_a ON parts (a);
"""


@pytest.mark.parametrize(
    "sql", ["REINDEX TABLE parts", "REINDEX INDEX parts_a", "CLUSTER parts USING parts_a", "LOCK TABLE orders"]
)
@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_what_must_stand_alone_or_in_a_block(sql: str, prepare: bool, orders: str, guarded: str) -> None:
    """A set_config in the same transaction makes Postgres refuse the first three, and take the fourth."""
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute(PARTS)
    answers = []
    for url in (orders, guarded):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET interlock.allow = 'all: what Interlock would rather not do'")
            try:
                answers.append(connection.execute(sql, prepare=prepare).statusmessage)
            except psycopg.Error as error:
                answers.append(error.diag.sqlstate)
    assert answers[0] == answers[1]


READ_ONLY = [
    "CREATE INDEX i ON orders (email)",
    "ALTER TABLE orders ALTER email SET NOT NULL",
    "DROP INDEX orders_total_idx",
]


@pytest.mark.parametrize(
    "setting", ["default_transaction_read_only = on", "default_transaction_isolation = 'serializable'"]
)
@pytest.mark.parametrize("sql", READ_ONLY)
def test_kinds_of_transactions(setting: str, sql: str, postgres: Server, orders: str, guarded: str) -> None:
    other = postgres.create_database()
    answers: list[tuple[str | None, str | None]] = []
    try:
        with psycopg.connect(postgres.url(other), autocommit=True) as connection:
            connection.execute(ORDERS)
        for url in (postgres.url(other), guarded):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"SET {setting}")
                try:
                    answers.append((connection.execute(sql).statusmessage, None))
                except psycopg.Error as error:
                    answers.append((error.diag.sqlstate, error.diag.message_primary))
        assert answers[0] == answers[1]
        assert postgres.dump(orders) == postgres.dump(other)
    finally:
        postgres.drop_database(other)


def test_a_role_without_rights_gets_postgres_own_error(postgres: Server, orders: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute(
            "DROP ROLE IF EXISTS nobody_here; CREATE ROLE nobody_here; GRANT USAGE ON SCHEMA public TO nobody_here"
        )
        before = postgres.dump(orders)
        connection.execute("SET ROLE nobody_here")
        for sql in (*READ_ONLY, "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql)
        assert postgres.dump(orders) == before
        connection.execute("RESET ROLE; REVOKE ALL ON SCHEMA public FROM nobody_here; DROP ROLE nobody_here")
