"""Lock patience, cancelling, vanishing: nobody queues behind us, and nothing is left."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests import proxies, servers
from tests.live.conftest import start_guard, through
from tests.proxies import Proxy
from tests.servers import Server


class Background:
    """Runs one statement in a thread; ``error`` and ``notices`` are there after ``join``."""

    def __init__(self, url: str, sql: str, before: str = "", after: str = "") -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.notices: list[str] = []
        self.connection.add_notice_handler(lambda d: self.notices.append(d.message_primary or ""))
        if before:
            self.connection.execute(before)
        self.error: psycopg.Error | None = None
        self.thread = threading.Thread(target=self._run, args=(sql, after))
        self.thread.start()

    def _run(self, *statements: str) -> None:
        try:
            for sql in filter(None, statements):
                self.connection.execute(sql)
        except psycopg.Error as error:
            self.error = error

    def join(self) -> None:
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.connection.close()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def value(url: str, sql: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(sql).fetchone()
        return row[0] if row else None


def test_nobody_queues_behind_an_alter_that_waits_for_a_long_reader(orders: str, guarded: str) -> None:
    with psycopg.connect(orders) as reader:
        reader.execute("SELECT count(*) FROM orders")  # and stays in its transaction
        alter = Background(guarded, "ALTER TABLE orders ADD COLUMN x int")
        time.sleep(0.5)
        for _ in range(20):
            begun = time.monotonic()
            with psycopg.connect(orders, autocommit=True) as application:
                application.execute("SET lock_timeout = '1s'")
                application.execute("SELECT count(*) FROM orders")
            assert time.monotonic() - begun < 1
        assert value(orders, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass") == 0
        assert alter.thread.is_alive()
        reader.rollback()
    alter.join()
    assert alter.error is None
    assert any("waiting, without queueing" in notice and "pid" in notice for notice in alter.notices)
    assert value(orders, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'x'") == 1


@pytest.mark.parametrize("opening", ["", "BEGIN"], ids=["autocommit", "transaction"])
def test_patience_ends_with_the_blockers_name(
    opening: str, orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    more = "locks: { give_up_after: 1s, in_transaction: { give_up_after: 1s } }\n"
    url = through(start_guard(start_proxy, tmp_path, more), orders)
    with psycopg.connect(orders, application_name="reports") as reader:
        reader.execute("SELECT count(*) FROM orders")
        alter = Background(url, "ALTER TABLE orders ADD COLUMN x int", opening)
        alter.thread.join(20)
        assert alter.error is not None
        assert alter.error.diag.sqlstate == "IL004"
        message = alter.error.diag.message_primary or ""
        assert f"pid {reader.info.backend_pid}" in message
        assert "reports" in message
        if opening:
            assert alter.connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
            alter.connection.execute("ROLLBACK")
        assert alter.connection.execute("SHOW lock_timeout").fetchone() == ("0",)
    alter.join()


STRINGS = {
    "as it is": ("", "ALTER TABLE orders ADD COLUMN x int; ALTER TABLE customers ADD COLUMN x int"),
    "that is a transaction": (
        "",
        "BEGIN; SET LOCAL search_path TO public; ALTER TABLE orders ADD COLUMN x int; COMMIT",
    ),
    "that leaves one open": ("", "BEGIN; ALTER TABLE orders ADD COLUMN x int"),
    "in a transaction": ("BEGIN", "SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE orders ADD COLUMN x int"),
    "in a transaction that it ends": ("BEGIN", "ALTER TABLE orders ADD COLUMN x int; COMMIT"),
    "behind a savepoint": ("BEGIN; SAVEPOINT a", "RELEASE a; ALTER TABLE orders ADD COLUMN x int"),
    "with a savepoint": ("BEGIN", "SAVEPOINT a; ALTER TABLE orders ADD COLUMN x int"),
    "behind a notice": ("BEGIN", "DROP TABLE IF EXISTS nothing; ALTER TABLE orders ADD COLUMN x int"),
}
ADDED = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'x'"


@pytest.mark.parametrize(("opening", "sql"), STRINGS.values(), ids=STRINGS)
def test_nobody_queues_behind_a_query_string(opening: str, sql: str, orders: str, guarded: str) -> None:
    with psycopg.connect(orders) as reader:
        reader.execute("SELECT count(*) FROM orders")
        old = (
            f"SELECT clock_timestamp() - xact_start > '1 s' FROM pg_stat_activity WHERE pid = {reader.info.backend_pid}"
        )
        until(lambda: bool(value(orders, old)), "the reader should be old enough to be waited for")
        alter = Background(guarded, sql, opening, "COMMIT")
        until(
            lambda: any("waiting, without queueing" in notice for notice in alter.notices),
            "it should say that it waits",
        )
        assert value(orders, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass") == 0
        reader.rollback()
    alter.thread.join(30)
    assert alter.error is None
    assert value(orders, ADDED) == 1
    shown = alter.connection.execute("SHOW lock_timeout").fetchone()
    assert shown == ("0",)
    alter.join()


@pytest.mark.parametrize("case", [case for case in STRINGS if case != "behind a savepoint"])
def test_a_query_string_that_meets_a_held_lock_is_sent_again(
    case: str, orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    opening, sql = STRINGS[case]
    # Everybody is too young to be waited for.
    proxy = start_guard(start_proxy, tmp_path, "locks: { look: 1h, timeout: 100ms }\n")
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass"
    with psycopg.connect(orders) as reader:
        reader.execute("SELECT count(*) FROM orders")
        alter = Background(through(proxy, orders), sql, opening)
        until(lambda: value(orders, waits) == 1, "it should be in the queue")
        until(lambda: value(orders, waits) == 0, "it should have left the queue")
        assert alter.thread.is_alive()
        reader.rollback()
    alter.thread.join(30)
    assert alter.error is None
    if "notice" in case:
        assert len([notice for notice in alter.notices if "skipping" in notice]) == 1
    stays_open = (opening + sql).count("BEGIN") > sql.count("COMMIT")
    assert alter.connection.info.transaction_status == (
        psycopg.pq.TransactionStatus.INTRANS if stays_open else psycopg.pq.TransactionStatus.IDLE
    )
    alter.connection.execute("COMMIT")
    alter.join()
    assert value(orders, ADDED) == 1
    until(lambda: "ALTER TABLE orders" in proxy.audit.read_text(), "it should be recorded")
    record = proxy.records()[0]
    assert record["steps"][0]["attempts"] > 1
    assert record["steps"][0]["outcome"] == record["outcome"] == "done"


@pytest.mark.parametrize("opening", ["", "BEGIN"], ids=["autocommit", "transaction"])
@pytest.mark.parametrize(
    "first", ["SELECT nextval('s')", "DO $$BEGIN PERFORM nextval('s'); END$$"], ids=["rows", "code"]
)
def test_what_has_been_told_of_a_query_string_is_not_run_again(
    first: str, opening: str, orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    proxy = start_guard(start_proxy, tmp_path, "locks: { look: 1h }\n")
    with psycopg.connect(orders) as reader:
        reader.execute("CREATE SEQUENCE s")
        reader.commit()
        reader.execute("SELECT count(*) FROM orders")
        alter = Background(through(proxy, orders), f"{first}; ALTER TABLE orders ADD COLUMN x int", opening)
        alter.thread.join(20)
        reader.rollback()
    assert alter.error is not None
    assert alter.error.diag.sqlstate == "IL004"
    assert "one by one" in (alter.error.diag.message_hint or "")
    alter.join()
    assert value(orders, "SELECT last_value FROM s") == 1
    assert value(orders, "SELECT is_called FROM s") is True


def test_a_query_string_that_says_how_long_it_waits_waits_for_so_long(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    proxy = start_guard(start_proxy, tmp_path, "locks: { look: 1h }\n")
    with psycopg.connect(orders) as reader:
        reader.execute("SELECT count(*) FROM orders")
        alter = Background(
            through(proxy, orders), "SET LOCAL lock_timeout TO '80ms'; ALTER TABLE orders ADD COLUMN x int", "BEGIN"
        )
        alter.thread.join(20)
        reader.rollback()
    assert isinstance(alter.error, psycopg.errors.LockNotAvailable)
    assert alter.error.diag.message_hint is None
    alter.join()
    until(lambda: "ALTER TABLE orders" in proxy.audit.read_text(), "it should be recorded")
    record = proxy.records()[0]
    assert [step["attempts"] for step in record["steps"]] == [1]


@pytest.mark.parametrize("opening", ["", "BEGIN"], ids=["autocommit", "transaction"])
def test_patience_with_a_query_string_ends_with_the_blockers_name(
    opening: str, orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    more = "locks: { give_up_after: 700ms, in_transaction: { give_up_after: 700ms } }\n"
    proxy = start_guard(start_proxy, tmp_path, more)
    with psycopg.connect(orders, application_name="nightly report") as reader:
        reader.execute("SELECT count(*) FROM orders")
        alter = Background(
            through(proxy, orders), "SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE orders ADD COLUMN x int", opening
        )
        alter.thread.join(20)
        assert alter.error is not None
        assert alter.error.diag.sqlstate == "IL004"
        message = alter.error.diag.message_primary or ""
        assert 'ACCESS EXCLUSIVE lock on "orders" within' in message
        assert "nightly report" in message
        state = alter.connection.info.transaction_status
        assert state == (psycopg.pq.TransactionStatus.INERROR if opening else psycopg.pq.TransactionStatus.IDLE)
        alter.connection.execute("ROLLBACK")
        alter.join()


@pytest.mark.parametrize("setting", ["0", "7s"])
@pytest.mark.parametrize("opening", ["", "BEGIN"], ids=["begins", "goes on"])
@pytest.mark.parametrize("last", ["SELECT 1", "SELECT 1/0", "ALTER TABLE nowhere ADD x int"])
def test_a_savepoint_of_a_query_string_is_there_behind_it(last: str, opening: str, setting: str, guarded: str) -> None:
    """However it ended; and going back to it brings back the client's own lock_timeout."""
    add = "ALTER TABLE orders ADD COLUMN x int"
    with psycopg.connect(guarded, autocommit=True) as connection:
        if setting != "0":
            connection.execute(f"SET lock_timeout = '{setting}'")
        if opening:
            connection.execute(opening)
        with contextlib.suppress(psycopg.Error):
            connection.execute(
                f"{'' if opening else 'BEGIN; '}ALTER TABLE orders ADD y int; SAVEPOINT a; {add}; {last}"
            )
        connection.execute("ROLLBACK TO a")
        assert connection.execute("SHOW lock_timeout").fetchone() == (setting,)
        connection.execute("COMMIT")
        assert connection.execute("SHOW lock_timeout").fetchone() == (setting,)
        assert connection.execute("SELECT y FROM orders LIMIT 0").fetchone() is None
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("SELECT x FROM orders LIMIT 0")


def test_an_error_in_a_query_string_keeps_its_place(guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        for before in ("", "BEGIN; "):
            sql = before + "ALTER TABLE orders ADD COLUMN x int; ALTER TABLE orders ADD COLUMN y nothing"
            with pytest.raises(psycopg.errors.UndefinedObject) as caught:
                connection.execute(sql)
            assert int(caught.value.diag.statement_position or 0) == sql.index("nothing") + 1
            connection.execute("ROLLBACK")


def test_the_clients_own_lock_timeout_is_respected(orders: str, guarded: str) -> None:
    with psycopg.connect(orders) as reader:
        reader.execute("SELECT count(*) FROM orders")
        begun = time.monotonic()
        with psycopg.connect(guarded, autocommit=True) as connection:
            connection.execute("SET lock_timeout = '700ms'")
            with pytest.raises(psycopg.Error) as caught:
                connection.execute("ALTER TABLE orders ADD COLUMN x int")
            assert caught.value.diag.sqlstate == "IL004"
            assert connection.execute("SHOW lock_timeout").fetchone() == ("700ms",)
        assert 0.6 < time.monotonic() - begun < 10


def test_a_cancel_reaches_what_waits_inside_interlock(orders: str, guarded: str) -> None:
    with psycopg.connect(orders) as reader:
        reader.execute("SELECT count(*) FROM orders")
        alter = Background(guarded, "ALTER TABLE orders ADD COLUMN x int")
        until(lambda: bool(alter.notices), "it should say that it waits")
        alter.connection.cancel_safe()
        alter.thread.join(10)
        assert isinstance(alter.error, psycopg.errors.QueryCanceled)
        assert alter.connection.execute("SELECT 1").fetchone() == (1,)
    alter.join()
    assert value(orders, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'x'") == 0


BUILDING = "SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('i')"


@pytest.fixture
def held_build(orders: str, guarded: str) -> object:
    """A CREATE INDEX whose build waits for a writer, so that something can happen to it."""
    writer = psycopg.connect(orders)
    writer.execute("UPDATE orders SET total = total WHERE id = 1")
    build = Background(guarded, "CREATE INDEX i ON orders (email)")
    until(lambda: value(orders, BUILDING) == 1, "the build should have begun")
    yield writer, build
    writer.close()
    build.join()


def test_a_cancelled_build_leaves_no_invalid_index(
    held_build: tuple[psycopg.Connection, Background], orders: str
) -> None:
    writer, build = held_build
    build.connection.cancel_safe()
    writer.rollback()  # the way back waits for the writer too, as DROP INDEX CONCURRENTLY must
    build.thread.join(20)
    assert isinstance(build.error, psycopg.errors.QueryCanceled)
    assert value(orders, BUILDING) == 0
    assert build.connection.execute("SHOW lock_timeout").fetchone() == ("0",)
    assert build.connection.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_a_client_that_vanishes_leaves_no_invalid_index_and_no_session(orders: str, guarded: str) -> None:
    writer = psycopg.connect(orders)
    writer.execute("UPDATE orders SET total = total WHERE id = 1")
    run = (
        "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute('CREATE INDEX i ON orders (email)')"
    )
    client = subprocess.Popen([sys.executable, "-c", run, guarded])
    until(lambda: value(orders, BUILDING) == 1, "the build should have begun")
    client.kill()
    client.wait()
    until(
        lambda: value(orders, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DROP INDEX CONC%'") == 1,
        "the way back",
    )
    writer.rollback()
    writer.close()
    until(lambda: value(orders, BUILDING) == 0, "the invalid index should be dropped")
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    until(lambda: value(orders, others) == 0, "no session should be left")


def test_an_old_invalid_index_is_cleared_first(orders: str, guarded: str) -> None:
    with psycopg.connect(orders, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY i ON orders (customer_id)")
        assert connection.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass").fetchone() == (
            False,
        )
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("CREATE INDEX IF NOT EXISTS i ON orders (customer_id)")
    assert value(orders, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass") is True


@pytest.fixture
def vacuuming(postgres: Server, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URL of a database whose table ``busy`` autovacuum is never done with, and the same through Interlock."""
    server = servers.start(postgres.version, settings={"autovacuum_naptime": "1s"})
    try:
        url = server.url(server.create_database())
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE busy (id int, filler text) WITH (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0,"
                " autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
            )
            connection.execute("INSERT INTO busy SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g")
            connection.execute("DELETE FROM busy WHERE id % 2 = 0")
        proxy = proxies.start(server, tmp_path)
        try:
            yield url, through(proxy, url)
        finally:
            proxy.stop()
    finally:
        server.stop()


def test_autovacuum_gives_way(vacuuming: tuple[str, str]) -> None:
    """Postgres cancels an autovacuum that a waiter has queued behind for a second; readers and writers are not to pay for it."""
    url, guarded = vacuuming
    at_it = "SELECT count(*) FROM pg_locks WHERE relation = 'busy'::regclass AND mode = 'ShareUpdateExclusiveLock' AND granted"
    for opening, sql in (
        ("", "ALTER TABLE busy ADD COLUMN a int"),
        ("BEGIN", "ALTER TABLE busy ADD COLUMN b int"),
        ("", "ALTER TABLE busy ADD COLUMN c int; ALTER TABLE busy ADD COLUMN d int"),
        ("BEGIN", "SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE busy ADD COLUMN e int"),
        ("", "BEGIN; ALTER TABLE busy ADD COLUMN f int; COMMIT"),
    ):
        until(lambda: value(url, at_it) == 1, "autovacuum should be at it")
        alter = Background(guarded, sql, opening, "COMMIT" if opening else "")
        slowest = 0.0
        with psycopg.connect(url, autocommit=True) as application:
            while alter.thread.is_alive():
                begun = time.monotonic()
                application.execute("INSERT INTO busy VALUES (0)")
                slowest = max(slowest, time.monotonic() - begun)
                time.sleep(0.01)
        alter.join()
        assert alter.error is None, sql
        # To queue behind autovacuum with the ALTER itself would cost a deadlock_timeout of one second.
        assert slowest < 0.9, sql
    assert value(url, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'busy'::regclass AND attnum > 2") == 6


# ---------------------------------------------------------------- sessions that sleep on their locks

ENDING = "locks: { terminate_idle_in_transaction: 1s, give_up_after: 4s, in_transaction: { give_up_after: 4s } }\n"
ALTER = "ALTER TABLE orders ADD COLUMN x int"


@pytest.mark.parametrize("opening", ["", "BEGIN"], ids=["autocommit", "transaction"])
def test_a_session_that_sleeps_on_its_lock_is_ended_if_the_policy_says_so(
    opening: str, orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    proxy = start_guard(start_proxy, tmp_path, ENDING)
    with psycopg.connect(orders, application_name="forgotten") as sleeper:
        pid = sleeper.info.backend_pid
        sleeper.execute("SELECT 'a secret' FROM orders LIMIT 1")
        alter = Background(through(proxy, orders), ALTER, opening)
        alter.thread.join(20)
        assert alter.error is None
        assert any("ended a session that held the lock" in n and f"pid {pid}" in n for n in alter.notices)
        if opening:
            alter.connection.execute("COMMIT")
        alter.join()
        with pytest.raises(psycopg.errors.AdminShutdown):
            sleeper.execute("SELECT 1")
    until(lambda: ALTER in proxy.audit.read_text(), "it should be recorded")
    [record] = [r for r in proxy.records() if r["statement"] == ALTER]
    [ended] = record["steps"][0]["ended"]
    assert f'pid {pid} (postgres, "forgotten"): idle in transaction' in ended
    assert "secret" not in ended


def test_who_works_is_not_ended(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> None:
    url = through(start_guard(start_proxy, tmp_path, ENDING), orders)
    with psycopg.connect(orders) as reader:
        reader.execute("SELECT FROM orders LIMIT 1")
        working = threading.Thread(target=reader.execute, args=("SELECT pg_sleep(6)",))
        working.start()
        alter = Background(url, ALTER)
        alter.thread.join(20)
        assert alter.error is not None
        assert alter.error.diag.sqlstate == "IL004"
        working.join()
    alter.join()


@pytest.mark.parametrize("opening", ["", "BEGIN"], ids=["autocommit", "transaction"])
def test_who_may_not_be_ended_is_waited_for(
    opening: str, orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    """A superuser's session, by a role that sees it but may not end it: no error of Postgres's, and no transaction failed by one."""
    with psycopg.connect(orders, autocommit=True) as session:
        session.execute(
            "DO $$ BEGIN CREATE ROLE il_owner LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
            "GRANT pg_read_all_stats TO il_owner; ALTER TABLE orders OWNER TO il_owner"
        )
    proxy = start_guard(start_proxy, tmp_path, ENDING)
    with psycopg.connect(orders) as sleeper:
        sleeper.execute("SELECT FROM orders LIMIT 1")
        url = proxy.url(orders, user="il_owner")
        alter = Background(url, ALTER, opening)
        alter.thread.join(20)
        assert alter.error is not None
        assert alter.error.diag.sqlstate == "IL004"
        assert sleeper.execute("SELECT 1").fetchone() == (1,)
    alter.join()


BOTH = {
    "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers": "",
    "ALTER TABLE orders ADD COLUMN buyer bigint REFERENCES customers": "",
    "ALTER TABLE orders DROP CONSTRAINT fk": "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers",
    "DROP TABLE orders": "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers",
}


@pytest.mark.parametrize("sql", BOTH)
def test_while_one_of_two_tables_is_busy_the_other_is_not_locked(sql: str, orders: str, guarded: str) -> None:
    """A foreign key's other table is locked as strongly: both are looked at before either is asked for."""
    with psycopg.connect(orders, autocommit=True) as session:
        session.execute(BOTH[sql] or "SELECT 1")
    with psycopg.connect(orders) as writer:
        writer.execute("UPDATE customers SET name = name WHERE id = 1")
        alter = Background(guarded, sql)
        until(lambda: any("waiting, without queueing" in notice for notice in alter.notices), "it should wait")
        with psycopg.connect(orders, autocommit=True) as application:
            application.execute("SET lock_timeout = '200ms'")
            for _ in range(20):
                application.execute("UPDATE orders SET total = total WHERE id = 1")
                application.execute("UPDATE customers SET name = name WHERE id = 2")
        assert value(orders, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL") == 0
        writer.rollback()
    alter.join()
    assert alter.error is None
