"""A transaction that keeps others out already: what it does then is short, and waits for nobody who waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest

from tests.live.raw import eventually

KEY = "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers"
CHECK = "ALTER TABLE orders ADD CHECK (total > 0)"
LOCK = "LOCK TABLE orders, customers IN SHARE ROW EXCLUSIVE MODE"  # what waits for the end of the transaction keeps nobody out
WAITS_LONG = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND clock_timestamp() - query_start > '0.3 s'"
)


class Said(list[str]):
    """The notices of a connection."""

    def __init__(self, connection: psycopg.Connection) -> None:
        connection.add_notice_handler(lambda d: self.append(d.message_primary or ""))


@pytest.fixture
def writer(orders: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(orders, autocommit=True) as connection:
        yield connection


def write(writer: psycopg.Connection, pool: ThreadPoolExecutor, url: str) -> Future[object]:
    """An INSERT that has been waiting for longer than anybody is looked at for."""
    writing = pool.submit(writer.execute, "INSERT INTO orders VALUES (7000, 1, 'e7000', 1)")

    def waits() -> bool:
        with psycopg.connect(url) as looking:
            return looking.execute(WAITS_LONG).fetchone() == (1,)

    eventually("the INSERT waits for the migration", waits)
    return writing  # type: ignore[return-value]


def test_who_waits_for_the_transaction_is_not_waited_for(orders: str, guarded: str, writer: psycopg.Connection) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection, ThreadPoolExecutor(1) as pool:
        said = Said(connection)
        connection.execute("BEGIN")
        connection.execute(LOCK)
        connection.execute(KEY)
        writing = write(writer, pool, orders)
        connection.execute(CHECK)
        assert not any("without queueing" in text for text in said)
        connection.execute("COMMIT")
        writing.result()


def test_who_waits_and_is_in_the_way_is_a_deadlock(orders: str, guarded: str, writer: psycopg.Connection) -> None:
    """Only one of the two can go on; directly it is the one whom the server's detector finds first, a second later."""
    with psycopg.connect(guarded, autocommit=True) as connection, ThreadPoolExecutor(1) as pool:
        connection.execute("BEGIN")
        connection.execute(LOCK)
        connection.execute(KEY)
        writer.execute("BEGIN; SELECT count(*) FROM orders")
        writing = write(writer, pool, orders)
        with pytest.raises(psycopg.errors.DeadlockDetected):
            connection.execute(CHECK)
        writing.result()
        writer.execute("COMMIT")
        assert connection.execute("COMMIT").statusmessage == "ROLLBACK"


def test_rows_are_not_looked_through_for_long(orders: str, guarded: str) -> None:
    """What they would have shown is then told after COMMIT."""
    with psycopg.connect(orders, autocommit=True) as session:
        session.execute("INSERT INTO orders SELECT 1, 1, repeat('x', 800), 1, 'n' FROM generate_series(1, 6000)")
        session.execute("UPDATE orders SET total = -1 WHERE id = 7")
    with psycopg.connect(guarded, autocommit=True) as connection:
        said = Said(connection)
        connection.execute("BEGIN")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(CHECK)  # nobody is kept out yet
        connection.execute("ROLLBACK; BEGIN")
        connection.execute("ALTER TABLE orders ADD COLUMN more text")
        connection.execute(CHECK)
        assert any("are not looked through while this transaction keeps others out" in text for text in said)
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("COMMIT")
        assert caught.value.sqlstate == "IL003"


def test_rows_of_a_small_table_are_looked_through(guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE orders ADD COLUMN more text")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX named ON orders (customer_id)")
        connection.execute("ROLLBACK")


def test_a_constraint_that_is_validated_under_a_lock_is_looked_at_briefly(orders: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("UPDATE orders SET total = -1 WHERE id = 7")
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("ALTER TABLE orders VALIDATE CONSTRAINT c")
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    "sql", ["CREATE INDEX j ON orders (id)", "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)"]
)
def test_a_locked_table_of_jobs_is_not_waited_for(sql: str, orders: str, guarded: str) -> None:
    """The application would wait with us, and in a failed transaction no longer."""
    with (
        psycopg.connect(guarded, autocommit=True) as connection,
        psycopg.connect(orders) as holder,
        psycopg.connect(orders, autocommit=True) as application,
    ):
        connection.execute("BEGIN")
        connection.execute("CREATE INDEX i ON orders (email)")
        connection.execute("COMMIT")
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE orders ADD COLUMN x int")
        holder.execute("LOCK TABLE interlock.jobs IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(sql.encode())
        assert caught.value.sqlstate == "IL004"
        assert "another session has a lock on interlock.jobs" in (caught.value.diag.message_primary or "")
        application.execute("INSERT INTO orders (id) VALUES (0)")
        connection.execute("ROLLBACK")
        holder.rollback()
        assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
        for statement in ("BEGIN", sql, "COMMIT"):
            connection.execute(statement.encode())


def test_on_conflict_does_not_find_an_index_that_waits(guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE UNIQUE INDEX i ON orders (id)")
        with pytest.raises(psycopg.errors.InvalidColumnReference):  # 42P10
            connection.execute("INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO NOTHING")
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    "failing",
    [
        "ALTER TABLE orders ADD CHECK (no_such > 0)",
        "ALTER TABLE orders ALTER no_such SET NOT NULL",
        "ALTER TABLE orders ADD COLUMN id int",
        "ALTER TABLE orders ADD UNIQUE (no_such)",
    ],
)
def test_an_error_gives_the_locks_back_though_nobody_has_rolled_back_yet(
    guarded: str, writer: psycopg.Connection, failing: str
) -> None:
    """As the server does by itself, where no savepoint of ours stands before the statement that fails."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE orders ADD COLUMN more text")
        with pytest.raises(psycopg.Error):
            connection.execute(failing)
        writer.execute("SET lock_timeout = '10s'")
        writer.execute("INSERT INTO orders VALUES (7000, 1, 'e7000', 1)")
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.INERROR
        assert connection.execute("COMMIT").statusmessage == "ROLLBACK"
