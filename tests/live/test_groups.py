"""Tools that hold a lock on one connection while they migrate on another, as recorded: Ecto's and Flyway's messages.

A concurrent build waits for the snapshot of the first, and the tool for the second: directly this hangs for ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from proxy.wire import messages as m
from tests.live.conftest import POLICY, somebody_else, start_guard, through
from tests.live.raw import Raw, error, kinds
from tests.live.test_wire_traps import S, b, cs, dp, ds, e, p, q
from tests.live.workers import apart
from tests.proxies import Proxy
from tests.servers import database_name

H = m.flush()
LOCK = b'LOCK TABLE "schema_migrations" IN SHARE UPDATE EXCLUSIVE MODE'
VERSIONS = b'SELECT s0."version" FROM "schema_migrations" AS s0'
RECORD = b'INSERT INTO "schema_migrations" ("version", "inserted_at") VALUES (20240101000004, now())'
INDEX = b'CREATE INDEX "orders_email_index" ON "orders" ("email")'
CONCURRENTLY = b'CREATE INDEX CONCURRENTLY "orders_email_index" ON "orders" ("email")'


NAME = "orders_email_index"

MORE = "jobs: { wait_for_group: 2s }\n"


@pytest.fixture
def guarded(migrated: str, share_proxy: Callable[[str], Proxy]) -> str:
    return through(share_proxy(POLICY + MORE), migrated)


@pytest.fixture
def migrated(orders: str) -> str:
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE "schema_migrations" ("version" bigint PRIMARY KEY, "inserted_at" timestamp(0))'
        )
    return orders


@pytest.fixture(params=["one process", "two workers"])
def pair(request: pytest.FixtureRequest, migrated: str, tmp_path: Path) -> Iterator[tuple[Raw, Raw]]:
    """The two connections of a tool's pool, through one process and each through another worker of one Interlock."""
    if request.param == "one process":
        guarded = request.getfixturevalue("guarded")
        with Raw(guarded) as one, Raw(guarded) as other:
            yield one, other
        return
    proxy = start_guard(request.getfixturevalue("start_proxy"), tmp_path, MORE, "--workers", "2")
    with apart(proxy, lambda: Raw(through(proxy, migrated))) as both:
        yield both


def ecto(raw: Raw, sql: bytes) -> str:
    """A statement as Postgrex sends it: Parse, Describe, Flush; then Bind, Execute, Close, Sync."""
    raw.send(p(sql) + ds() + H)
    said = kinds(raw.until("n"))
    raw.send(b() + e() + cs() + S)
    return said + kinds(raw.until("Z"))


def ecto_query(raw: Raw, sql: bytes) -> None:
    """A SELECT, whose unnamed portal it leaves open."""
    raw.send(cs(b"ecto_482") + p(sql, b"ecto_482") + ds(b"ecto_482") + H)
    raw.until("T")
    raw.send(b(name=b"ecto_482") + e() + S)
    raw.until("Z")


def ask(raw: Raw, sql: bytes) -> None:
    raw.send(q(sql))
    raw.until("Z")


def valid(url: str) -> bool | None:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('orders_email_index')"
        ).fetchone()
        return None if row is None else row[0]


def recorded(url: str) -> int:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT count(*) FROM schema_migrations").fetchone()[0]  # type: ignore[index]


def locks(raw: Raw) -> None:
    ask(raw, b"BEGIN")
    ecto(raw, LOCK)
    ecto_query(raw, VERSIONS)


def migrates(raw: Raw, index: bytes = INDEX) -> None:
    ask(raw, b"BEGIN")
    assert "C3Z" in ecto(raw, index)
    ask(raw, RECORD)
    ask(raw, b"COMMIT")


def migrates_more(raw: Raw, sql: bytes) -> None:
    for text in (b"BEGIN", sql, b"COMMIT"):
        ask(raw, text)


def test_ecto_with_its_lock_on_another_connection(pair: tuple[Raw, Raw], orders: str) -> None:
    lock, work = pair
    locks(lock)
    migrates(work)
    assert (valid(orders), recorded(orders)) == (None, 1)  # answered, for the lock still stands
    ask(lock, b"COMMIT")
    assert valid(orders) is True


def test_the_lock_connection_hears_of_a_job_that_fails(pair: tuple[Raw, Raw], orders: str) -> None:
    lock, work = pair
    locks(lock)
    ask(work, b"BEGIN")
    ecto(work, b'CREATE UNIQUE INDEX "orders_email_index" ON "orders" ("email")')
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute("INSERT INTO orders (id, email) VALUES (1, 'e1')")
    ask(work, b"COMMIT")
    lock.send(q(b"COMMIT"))
    assert error(lock.until("Z"))["C"] == "IL003"
    assert valid(orders) is None


def test_ecto_on_two_nodes(pair: tuple[Raw, Raw], orders: str) -> None:
    lock, work = pair
    host, port = lock.address
    with Raw(f"postgresql://postgres@{host}:{port}/{database_name(orders)}") as other_lock:
        locks(lock)
        ask(other_lock, b"BEGIN")
        other_lock.send(p(LOCK) + ds() + H)
        other_lock.until("n")
        other_lock.send(b() + e() + cs() + S)  # it waits, and has a snapshot meanwhile
        migrates(work)
        ask(lock, b"COMMIT")
        other_lock.until("Z")
        ecto_query(other_lock, VERSIONS)
        ask(other_lock, b"COMMIT")
    assert (valid(orders), recorded(orders)) == (True, 1)


def test_ecto_writes_concurrently_itself_beside_its_lock(pair: tuple[Raw, Raw], orders: str) -> None:
    """Directly it hangs: the lock's portal is left open, and with it its snapshot."""
    lock, work = pair
    locks(lock)
    assert "C3Z" in ecto(work, CONCURRENTLY)
    assert valid(orders) is True
    ask(lock, b"SELECT 1")
    ask(lock, b"COMMIT")


def test_a_portal_with_rows_to_come_is_not_closed(pair: tuple[Raw, Raw], orders: str) -> None:
    lock, work = pair
    ask(lock, b"BEGIN")
    lock.send(p(b"SELECT generate_series(1, 5)") + b() + e(limit=2) + S)
    assert "s" in kinds(lock.until("Z"))
    work.send(q(CONCURRENTLY))
    lock.send(e() + S)
    assert kinds(lock.until("Z")).count("D") == 3
    ask(lock, b"COMMIT")
    work.until("Z")
    assert valid(orders) is True


def test_flyway_with_its_lock_in_a_transaction(pair: tuple[Raw, Raw], orders: str) -> None:
    """BEGIN in the flight of the first statement, COMMIT without text."""
    lock, work = pair
    lock.send(p(b"BEGIN") + b() + e() + p(b"SELECT pg_try_advisory_xact_lock(77433833903597)") + b() + dp() + e() + S)
    lock.until("Z")
    for raw in pair:
        raw.send(p(b"COMMIT", b"S_1") + S)
        raw.until("Z")
    work.send(p(b"BEGIN") + b() + e() + p(INDEX) + b() + dp() + e() + S)
    assert "CZ" in kinds(work.until("Z")).replace("N", "")
    lock.send(p(RECORD) + b() + dp() + e() + S)
    lock.until("Z")
    work.send(b(name=b"S_1") + e() + S)
    work.until("Z")
    assert valid(orders) is None
    lock.send(b(name=b"S_1") + e() + S)
    lock.until("Z")
    assert (valid(orders), recorded(orders)) == (True, 1)


def test_who_locks_may_end_without_a_word(pair: tuple[Raw, Raw], orders: str) -> None:
    lock, work = pair
    locks(lock)
    migrates(work)
    lock.send(m.terminate())
    wait_until(lambda: valid(orders) is True)


def test_whose_client_is_gone_is_waited_for_by_the_next(pair: tuple[Raw, Raw], orders: str) -> None:
    """Sqitch: psql deploys and ends; the answer to its other connection's COMMIT is the last that it waits for."""
    lock, work = pair
    with psycopg.connect(orders, autocommit=True) as other, psycopg.connect(somebody_else(orders)) as holder:
        locks(lock)
        migrates(work)
        other.execute(CLAIM)
        ask(lock, b"COMMIT")
        holder.execute("LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE")
        other.execute("SELECT pg_advisory_unlock_all()")
        work.send(m.terminate())
        running = "SELECT count(*) FROM interlock.jobs WHERE state = 'running'"
        wait_until(lambda: other.execute(running).fetchone() == (1,))
        ask(lock, b"BEGIN")
        freed = threading.Timer(0.5, holder.rollback)
        freed.start()
        ask(lock, b"COMMIT")
        assert valid(orders) is True
        freed.join()


def test_nor_is_who_has_written_it_down_while_another_that_is_gone_does_it(guarded: str, orders: str) -> None:
    """Sqitch: a psql for each script, the registry's transaction on another connection, and the last psql's end at it."""
    building = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY i %' AND state = 'active'"
        " AND datname = current_database()"
    )
    with psycopg.connect(somebody_else(orders)) as writer, psycopg.connect(orders, autocommit=True) as look:
        writer.execute("INSERT INTO orders (id, total) VALUES (900000, 1)")
        with Raw(guarded) as registry:
            registry.query("BEGIN")
            registry.query("SELECT 1")
            with psycopg.connect(guarded, autocommit=True) as script:
                script.execute("BEGIN")
                script.execute("CREATE INDEX i ON orders (email)")
                script.execute("COMMIT")  # left: the registry is in a transaction
                pid = script.info.backend_pid
            gone = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}"
            wait_until(lambda: look.execute(gone).fetchone() == (0,))
            registry.reset()
        wait_until(lambda: look.execute(building).fetchone() == (1,))
        freed = threading.Timer(0.5, writer.rollback)
        freed.start()
        with psycopg.connect(guarded, autocommit=True) as later:
            later.execute("BEGIN")
            later.execute("SELECT 1")
            later.execute("COMMIT")
        found = look.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass").fetchone()
        assert found == (True,)
        freed.join()


NEXT = {  # what the migration behind says of the index that is left; how it ends, and what is there at last
    "dropped": (b"DROP INDEX orders_email_index", "", None),
    "dropped if it is there": (b"DROP INDEX IF EXISTS orders_email_index", "", None),
    "commented": (b"COMMENT ON INDEX orders_email_index IS 'x'", "", True),
    "made again": (INDEX, "42P07", True),
    "of another table by then": (b"DROP TABLE orders; CREATE TABLE orders (email text); " + INDEX, "", True),
    "made if it is not there": (b"CREATE INDEX IF NOT EXISTS orders_email_index ON orders (id)", "", True),
    "what it is of renamed": (b"ALTER TABLE orders RENAME COLUMN email TO mail", "IL001", True),
}
NEXT_ALONE = {
    "dropped concurrently": (b"DROP INDEX CONCURRENTLY orders_email_index", "", None),
    "dropped concurrently if it is there": (b"DROP INDEX CONCURRENTLY IF EXISTS orders_email_index", "", None),
    "made again concurrently": (CONCURRENTLY, "42P07", True),
    "made concurrently if it is not there": (
        b"CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_email_index ON orders (id)",
        "",
        True,
    ),
    "rebuilt concurrently": (b"REINDEX INDEX CONCURRENTLY orders_email_index", "42P01", True),
}
WAYS: dict[str, Callable[[bytes], bytes]] = {  # a migration of one statement, as a tool may send it
    "in a transaction": lambda sql: q(b"BEGIN") + q(sql) + q(b"COMMIT"),
    "by itself": q,
    "parsed": lambda sql: b"".join(p(one) + b() + e() for one in sql.split(b"; ")) + S,
    "beside others": lambda sql: q(b"SELECT 1; " + sql),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", NEXT)
def test_the_next_migration_finds_what_is_left(case: str, way: str, pair: tuple[Raw, Raw], orders: str) -> None:
    """As if it had been done; the lock is held over both."""
    finds(*NEXT[case], WAYS[way], pair, orders)


@pytest.mark.parametrize("way", ["by itself", "parsed"])
@pytest.mark.parametrize("case", NEXT_ALONE)
def test_and_so_does_what_runs_in_no_transaction(case: str, way: str, pair: tuple[Raw, Raw], orders: str) -> None:
    finds(*NEXT_ALONE[case], WAYS[way], pair, orders)


def finds(
    sql: bytes,
    sqlstate: str,
    there: bool | None,
    way: Callable[[bytes], bytes],
    pair: tuple[Raw, Raw],
    orders: str,
) -> None:
    lock, work = pair
    locks(lock)
    migrates(work)
    assert valid(orders) is None
    work.send(way(sql))
    said = work.until(*"Z" * (3 if way is WAYS["in a transaction"] else 1))
    assert ([error(said)["C"]] if "E" in kinds(said) else []) == ([sqlstate] if sqlstate else [])
    told = [m.read_fields(body)["M"] for kind, body in said if kind == "N"]
    assert [words for words in told if not words.startswith(("interlock: ", f'relation "{NAME}" already exists'))] == []
    ask(lock, b"COMMIT")
    wait_until(lambda: waiting_jobs(orders) == 0)
    assert valid(orders) is there
    with psycopg.connect(orders) as connection:
        comment = connection.execute("SELECT obj_description(to_regclass('orders_email_index'))").fetchone()
        assert comment == (("x",) if b"COMMENT" in sql else (None,))
        assert connection.execute("SELECT count(*) FROM interlock.jobs WHERE state = 'failed'").fetchone() == (0,)


KEYED = {  # what the migration behind makes, of what it needs the unique constraint that is left
    "inside a column": b"CREATE TABLE lines (o bigint REFERENCES orders (id) ON DELETE CASCADE, n int)",
    "by itself": b"CREATE TABLE lines (o bigint, CONSTRAINT k FOREIGN KEY (o) REFERENCES orders (id))",
}


@pytest.mark.parametrize("sql", KEYED.values(), ids=KEYED)
def test_a_new_table_of_the_next_migration_refers_to_what_will_be_unique(
    sql: bytes, pair: tuple[Raw, Raw], orders: str
) -> None:
    """Airflow: its lock is held over all migrations, so the key waits behind the constraint, and the table does not."""
    lock, work = pair
    locks(lock)
    for statement in (b"ALTER TABLE orders ADD UNIQUE (id)", sql):
        ask(work, b"BEGIN")
        ask(work, statement)
        ask(work, b"COMMIT")
    with psycopg.connect(orders) as connection:
        keys = "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'lines'::regclass AND contype = 'f'"
        assert connection.execute(keys).fetchall() == []
        connection.rollback()
        ask(lock, b"COMMIT")
        wait_until(lambda: waiting_jobs(orders) == 0)
        assert connection.execute(keys).fetchall() == [("k" if b"CONSTRAINT" in sql else "lines_o_fkey", True)]
        assert connection.execute("SELECT count(*) FROM interlock.jobs WHERE state = 'failed'").fetchone() == (0,)


def test_what_would_fail_for_the_next_migration_is_refused_and_passes_when_that_is_run_again(
    pair: tuple[Raw, Raw], orders: str
) -> None:
    lock, work = pair
    locks(lock)
    migrates(work)
    ask(work, b"BEGIN")
    ask(work, b"ALTER TABLE orders ALTER COLUMN email TYPE varchar(500)")
    ask(work, b"COMMIT")
    drops = q(b"ALTER TABLE orders DROP COLUMN email")
    ask(work, b"BEGIN")
    work.send(drops)
    told = error(work.until("Z"))
    assert told["M"].endswith("Run the migration again: by then that is done.")
    ask(work, b"ROLLBACK")
    ask(lock, b"COMMIT")
    assert valid(orders) is True
    work.send(q(b"BEGIN") + drops + q(b"COMMIT"))
    assert "E" not in kinds(work.until("Z", "Z", "Z"))
    assert valid(orders) is None


UNFILLED = {
    "kept": (b"UPDATE orders SET note = y", True),
    "copied": (b"INSERT INTO orders (id, note) SELECT id, y FROM orders", True),
    "another table made of it": (b"CREATE TABLE copied AS SELECT y FROM orders", True),
    "its own value": (b"INSERT INTO orders (id, y) VALUES (900001, 10000007)", False),
    "read": (b"SELECT y FROM orders LIMIT 1", False),
    "not said": (b"UPDATE orders SET note = 'x' WHERE id = 1", False),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", UNFILLED)
def test_values_that_are_not_there_yet_are_not_kept(case: str, way: str, pair: tuple[Raw, Raw], orders: str) -> None:
    """The next migration would write NULL where directly there are values."""
    sql, is_refused = UNFILLED[case]
    lock, work = pair
    locks(lock)
    ask(work, b"ALTER TABLE orders ADD COLUMN note text")
    migrates(work, b"ALTER TABLE orders ADD COLUMN y serial UNIQUE")  # its index waits for the lock's snapshot
    work.send(WAYS[way](sql))
    said = work.until(*"Z" * (3 if way == "in a transaction" else 1))
    assert ("E" in kinds(said)) is is_refused
    if is_refused:
        assert error(said)["C"] == "IL001"
        assert error(said)["M"].endswith("Run the migration again: by then that is done.")
    ask(lock, b"COMMIT")
    wait_until(lambda: waiting_jobs(orders) == 0)
    work.send(WAYS[way](b"UPDATE orders SET note = y"))
    assert "E" not in kinds(work.until(*"Z" * (3 if way == "in a transaction" else 1)))


COLUMNS = {
    "a default": b"y int DEFAULT (random() * 0)::int + 1",
    "and not null": b"y int NOT NULL DEFAULT (random() * 0)::int + 1",
    "a serial": b"y serial",
    "an identity": b"y int GENERATED ALWAYS AS IDENTITY",
    "and a check": b"y int DEFAULT (random() * 0)::int + 1 CHECK (y > 0)",
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_column_is_filled_beside_a_lock_that_another_session_holds(
    column: bytes, pair: tuple[Raw, Raw], orders: str
) -> None:
    """To fill it waits for nobody's snapshot: whoever reads it next, in any session, finds its values."""
    lock, work = pair
    locks(lock)
    migrates(work, b"ALTER TABLE orders ADD COLUMN " + column)
    assert waiting_jobs(orders) == 0
    with psycopg.connect(orders) as connection:
        assert connection.execute("SELECT count(*) FROM orders WHERE y IS NULL").fetchone() == (0,)
        attribute = "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'y'"
        assert connection.execute(attribute).fetchone() == (any(w in column for w in (b"NOT", b"serial", b"IDENTITY")),)
    ask(lock, b"COMMIT")


def test_what_fills_behind_what_is_left_comes_behind_it(pair: tuple[Raw, Raw], orders: str) -> None:
    """The default of the second column is computed from the values of the first."""
    lock, work = pair
    locks(lock)
    migrates(work, b"ALTER TABLE orders ADD COLUMN y serial UNIQUE")
    migrates_more(work, b"ALTER TABLE orders ADD COLUMN z float DEFAULT random()")
    assert waiting_jobs(orders) == 2
    ask(lock, b"COMMIT")
    assert waiting_jobs(orders) == 0


def test_what_drops_an_index_is_left_where_another_session_of_the_client_reads_the_table(
    pair: tuple[Raw, Raw], orders: str
) -> None:
    """DROP INDEX CONCURRENTLY waits for all who use the table, and the tool does not end the one before it hears of the other."""
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute(INDEX)
    lock, work = pair
    ask(lock, b"BEGIN")
    ask(lock, b"SELECT count(*) FROM orders")
    migrates(work, b'DROP INDEX "orders_email_index"')
    assert (valid(orders), waiting_jobs(orders)) == (True, 1)
    ask(lock, b"COMMIT")
    wait_until(lambda: waiting_jobs(orders) == 0)
    assert valid(orders) is None


def test_who_sits_on_the_table_is_not_waited_for_with_every_transaction(guarded: str, orders: str) -> None:
    """A session of the same login from elsewhere: the migration's COMMIT waits for it a little, others hardly."""
    with psycopg.connect(orders) as elsewhere, Raw(guarded) as work:
        elsewhere.execute("INSERT INTO orders (id, total) VALUES (900000, 1)")
        work.send(q(b"BEGIN") + q(INDEX) + q(b"COMMIT"))
        warned = [m.read_fields(body) for kind, body in work.until("Z", "Z", "Z") if kind == "N"]
        pid = elsewhere.info.backend_pid
        assert [f["M"] for f in warned if f["S"] == "WARNING" and f"(pid {pid} (postgres" in f["M"]]
        assert (valid(orders), waiting_jobs(orders)) == (None, 1)
        told = []
        for _ in range(20):
            work.send(q(b"SELECT 1"))
            told += [m.read_fields(body)["M"] for kind, body in work.until("Z") if kind == "N"]
        assert len([words for words in told if "waiting for another session" in words]) < 10
        assert not [words for words in told if "not finished yet" in words]  # that was said at COMMIT
        elsewhere.rollback()

        def done() -> bool:
            ask(work, b"SELECT 1")
            return valid(orders) is True

        wait_until(done)


def test_both_may(pair: tuple[Raw, Raw], orders: str) -> None:
    lock, work = pair
    locks(lock)
    migrates(work)
    lock.close()
    work.close()
    wait_until(lambda: valid(orders) is True)


def test_a_transaction_of_the_same_user_from_elsewhere_is_waited_for_and_not_for_ever(
    pair: tuple[Raw, Raw], orders: str
) -> None:
    """It may be the same tool's, through another proxy: then it waits for our answer."""
    _, work = pair
    with psycopg.connect(orders) as elsewhere:
        elsewhere.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        elsewhere.execute("SELECT 1")
        migrates(work)
        assert valid(orders) is None
    ask(work, b"SELECT 1")
    assert valid(orders) is True


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_second_node_waits_in_an_advisory_lock_for_the_first(guarded: str, orders: str) -> None:
    """golang-migrate, sqlx, tern: while it waits it has a snapshot; the build would wait for it, and it for the build."""
    with Raw(guarded) as first, Raw(guarded) as second:
        ask(first, b"SELECT pg_advisory_lock(42)")
        second.send(q(b"SELECT pg_advisory_lock(42)"))
        wait_until(lambda: waiters(orders) == 1)
        first.send(q(INDEX + b"; " + RECORD))
        first.until("Z")
        assert (valid(orders), recorded(orders)) == (None, 1)
        ask(first, b"SELECT pg_advisory_unlock(42)")
        assert "E" not in kinds(second.until("Z"))
        ask(second, b"SELECT pg_advisory_unlock(42)")
    wait_until(lambda: valid(orders) is True)


def test_a_second_node_that_comes_while_the_first_builds_is_held_back(guarded: str, orders: str) -> None:
    with Raw(guarded) as first, Raw(guarded) as second, psycopg.connect(somebody_else(orders)) as report:
        report.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        report.execute("SELECT count(*) FROM orders")
        ask(first, b"SELECT pg_advisory_lock(42)")
        first.send(q(INDEX + b"; " + RECORD))
        wait_until(lambda: valid(orders) is False)  # it builds, and waits for the report
        second.send(q(b"SELECT pg_advisory_lock(42)"))
        report.rollback()
        first.until("Z")
        assert valid(orders) is True
        ask(first, b"SELECT pg_advisory_unlock(42)")
        assert "E" not in kinds(second.until("Z"))


def waiters(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone()
        assert row is not None
        return int(row[0])


def test_a_build_is_given_up_for_who_stays_in_a_transaction_meanwhile(guarded: str, orders: str) -> None:
    """It holds a snapshot, for which the build waits, and perhaps it waits for the build."""
    with Raw(guarded) as work, Raw(guarded) as lock, psycopg.connect(somebody_else(orders)) as report:
        ask(lock, b"SELECT 1")
        report.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        report.execute("SELECT count(*) FROM orders")
        work.send(q(b"BEGIN") + q(INDEX) + q(b"COMMIT"))
        wait_until(lambda: valid(orders) is False)  # it builds, and waits for the report
        ask(lock, b"BEGIN")
        ecto_query(lock, VERSIONS)
        said = work.until("Z", "Z", "Z")
        assert "E" not in kinds(said)
        report.rollback()
        ask(lock, b"COMMIT")
    wait_until(lambda: valid(orders) is True)


def test_steady_traffic_of_the_same_client_keeps_nothing_waiting_for_ever(guarded: str, orders: str) -> None:
    with Raw(guarded) as work, Raw(guarded) as one, Raw(guarded) as other:
        ask(one, b"BEGIN")
        migrates(work)
        assert valid(orders) is None
        deadline = time.monotonic() + 30
        while valid(orders) is not True:
            assert time.monotonic() < deadline
            ask(other, b"BEGIN")
            ask(one, b"COMMIT")  # at no moment is nobody in a transaction
            one, other = other, one


CLAIM = "SELECT pg_advisory_lock(1229870154, 1)"  # as a session does that takes job 1 (run/jobs.py: SPACE)


def waiting_jobs(url: str) -> int:
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('interlock.jobs')").fetchone() == (None,):
            return 0
        row = connection.execute("SELECT count(*) FROM interlock.jobs WHERE state = 'waiting'").fetchone()
        assert row is not None
        return int(row[0])


def test_what_another_session_has_begun_comes_first(guarded: str, orders: str) -> None:
    """The COMMENT does not overtake its index, and the client hears of its COMMIT when both are there."""
    with psycopg.connect(orders, autocommit=True) as other, Raw(guarded) as work:
        other.execute(CLAIM)
        work.send(q(b"BEGIN") + q(INDEX) + q(b"COMMENT ON INDEX orders_email_index IS 'x'") + q(b"COMMIT"))
        wait_until(lambda: waiting_jobs(orders) == 2)
        other.execute("SELECT pg_advisory_unlock_all()")
        assert "E" not in kinds(work.until("Z", "Z", "Z", "Z"))
        assert other.execute("SELECT obj_description('orders_email_index'::regclass)").fetchone() == ("x",)


def test_the_client_hears_of_its_job_that_fails_elsewhere(guarded: str, orders: str) -> None:
    """Also where that was before it looked: its COMMIT is visible before its answer is there."""
    with psycopg.connect(orders, autocommit=True) as other, Raw(guarded) as work:
        other.execute(CLAIM)
        work.send(q(b"BEGIN") + q(INDEX) + q(b"COMMIT"))
        wait_until(lambda: waiting_jobs(orders) == 1)
        other.execute('UPDATE interlock.jobs SET state = \'failed\', error = \'{"C": "53100", "M": "disk full"}\'')
        other.execute("SELECT pg_advisory_unlock_all()")
        told = error(work.until("Z", "Z", "Z"))
        assert told["C"] == "IL003"
        assert "disk full" in told["M"]
        work.send(q(b"BEGIN") + q(b"CREATE INDEX ON orders (id)") + q(b"COMMIT"))
        assert "E" not in kinds(work.until("Z", "Z", "Z"))  # once is enough
