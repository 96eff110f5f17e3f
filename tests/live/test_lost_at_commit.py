"""The client, or the server's connection, goes while COMMIT is under way or behind it: what is done all the same, and what is told."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from proxy.wire import messages as m
from tests.live.conftest import POLICY, somebody_else, start_guard, through
from tests.live.cutter import Cutter
from tests.live.raw import Answer, Raw, error, eventually
from tests.live.test_bad_input import backend_of, terminate
from tests.live.test_deferral import INDEX, states, valid_indexes
from tests.proxies import Proxy
from tests.servers import Server

SECOND = "CREATE INDEX j ON orders (id)"
SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep({}); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON customers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();
"""
INSERT = "INSERT INTO customers VALUES (1000, 'x')"
COMMITTING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query ~* '^commit'"
TAKEN_BACK = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DROP INDEX CONCURRENTLY%'"
WAITS_FOR_LOCK = "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND wait_event_type = 'Lock'"


def begin(raw: Raw, *statements: str) -> None:
    for sql in ("BEGIN", *statements):
        raw.query(sql)


def slow_commit(url: str, seconds: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SLOW.format(seconds).encode())


def holds(looking: psycopg.Connection, sql: str) -> Callable[[], bool]:
    return lambda: looking.execute(sql.encode()).fetchone() != (0,)


# ---------------------------------------------------------------- the client

COMMITS = {
    "simple": m.query(b"COMMIT"),
    "extended": m.parse(b"", b"COMMIT") + m.bind(b"", b"") + m.execute(b"") + m.sync(),
    "in front of another": m.query(b"COMMIT") + m.query(b"SELECT 1"),
    "in front of its goodbye": m.query(b"COMMIT") + m.terminate(),
}


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("commit", COMMITS.values(), ids=COMMITS)
def test_commit_of_a_client_that_vanishes_is_not_stopped(commit: bytes, how: str, orders: str, guarded: str) -> None:
    slow_commit(orders, 1)
    with psycopg.connect(orders, autocommit=True) as looking:
        raw = Raw(guarded)
        begin(raw, INDEX, INSERT)
        raw.send(commit)
        eventually("it commits", holds(looking, COMMITTING))
        raw.close() if how == "close" else raw.reset()
        eventually("it is committed", holds(looking, "SELECT count(*) FROM customers WHERE id = 1000"))
        eventually("its job is done", lambda: states(orders) == ["done"])
    assert valid_indexes(orders)["i"]


def executed(*statements: str) -> bytes:
    """Without a Sync: directly a transaction that is not committed."""
    return b"".join(m.parse(b"", sql.encode()) + m.bind(b"", b"") + m.execute(b"") for sql in statements)


NOT_ENDED = {
    "a job behind a row": executed(INSERT, INDEX),
    "a row behind a job": executed(INDEX, INSERT),
    "a row alone": executed(INSERT),
    "a column": executed(INSERT, "ALTER TABLE orders ADD COLUMN z int"),
    "in a failed pipeline": executed(INSERT, INDEX, "SELECT 1/0"),
    "in a block": executed("BEGIN", INSERT, INDEX),
}


@pytest.mark.parametrize("how", ["goodbye", "close", "reset"])
@pytest.mark.parametrize("sent", NOT_ENDED.values(), ids=NOT_ENDED)
def test_a_client_that_goes_without_a_sync_has_not_committed(sent: bytes, how: str, orders: str, guarded: str) -> None:
    raw = Raw(guarded)
    raw.send(sent + (m.terminate() if how == "goodbye" else b""))
    raw.reset() if how == "reset" else raw.close()
    with psycopg.connect(orders, autocommit=True) as looking:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        eventually("its session has ended", lambda: not holds(looking, others)())
        assert looking.execute("SELECT count(*) FROM customers WHERE id = 1000").fetchone() == (0,)
        assert looking.execute("SELECT count(*) FROM pg_attribute WHERE attname = 'z'").fetchone() == (0,)
    assert "i" not in valid_indexes(orders)


def test_what_it_has_committed_in_its_pipeline_is_finished_all_the_same(orders: str, guarded: str) -> None:
    raw = Raw(guarded)
    raw.send(executed("BEGIN", INDEX, "COMMIT", INSERT) + m.terminate())
    eventually("its index is there", lambda: valid_indexes(orders).get("i", False))
    eventually("its job is done", lambda: states(orders) == ["done"])
    raw.close()
    with psycopg.connect(orders, autocommit=True) as looking:
        assert looking.execute("SELECT count(*) FROM customers WHERE id = 1000").fetchone() == (0,)


def test_what_a_client_that_vanishes_has_left_running_is_stopped(orders: str, guarded: str) -> None:
    """It is no COMMIT, and the transaction, with what it has written down, is given back at once."""
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(61)'"
    with psycopg.connect(orders, autocommit=True) as looking:
        raw = Raw(guarded)
        begin(raw, INDEX)
        raw.send(m.query(b"SELECT pg_sleep(61)"))
        eventually("it sleeps", holds(looking, asleep))
        raw.reset()
        eventually("it is stopped", lambda: not holds(looking, asleep)())


def test_a_cancel_request_that_comes_late_does_not_end_the_look_for_jobs(
    orders: str, share_proxy: Callable[[str], Proxy]
) -> None:
    guarded = through(share_proxy(POLICY + "locks: { timeout: 20s }"), orders)
    with Raw(guarded) as raw, psycopg.connect(orders) as locker, psycopg.connect(orders, autocommit=True) as looking:
        pid = backend_of(raw)
        begin(raw, SECOND, "COMMIT")  # the table is there now
        begin(raw, INDEX)
        locked = threading.Thread(target=locker.execute, args=("LOCK TABLE interlock.jobs IN ACCESS EXCLUSIVE MODE",))
        locked.start()  # it waits for the transaction, and what is to be looked for behind that for this one
        eventually("it queues", holds(looking, WAITS_FOR_LOCK.format(locker.info.backend_pid)))
        raw.send(m.query(b"COMMIT"))
        eventually("it looks", holds(looking, WAITS_FOR_LOCK.format(pid)))
        locked.join()
        looking.execute("SELECT pg_cancel_backend(%s)", (pid,))
        freed = threading.Timer(0.3, locker.rollback)
        freed.start()
        said = raw.until("Z")
        freed.join()
    assert "E" not in [kind for kind, _ in said]
    assert states(orders) == ["done", "done"]


# ---------------------------------------------------------------- the server


@contextlib.contextmanager
def terminated(orders: str, raw: Raw, what: str, *, when: str) -> Iterator[list[Answer]]:
    """The rest of what a client hears whose server process is terminated while what it sends last is under way."""
    said: list[Answer] = []
    with psycopg.connect(orders, autocommit=True) as looking:
        pid = backend_of(raw)
        raw.send(m.query(what.encode()))
        eventually("it is under way", holds(looking, when))
        terminate(orders, pid)
        said += raw.rest()
        yield said


def test_the_client_hears_that_it_is_committed_and_what_is_left(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    proxy = start_guard(start_proxy, tmp_path)
    building = "SELECT count(*) FROM pg_class WHERE relname = 'i'"
    with psycopg.connect(somebody_else(orders)) as writer, Raw(through(proxy, orders)) as raw:
        writer.execute("INSERT INTO orders (id) VALUES (0)")  # the build waits for it
        begin(raw, INDEX, SECOND)
        with terminated(orders, raw, "COMMIT", when=building) as said:
            fields = error(said)
    assert (fields["S"], fields["C"]) == ("FATAL", "57P01")
    assert fields["M"] == "terminating connection due to administrator command"
    assert fields["D"] == (
        "The migration is committed, but not finished. Left are job 1: CREATE INDEX i ON orders (email);"
        " job 2: CREATE INDEX j ON orders (id)"
    )
    assert fields["H"].startswith("Do not run the migration again.")
    assert "interlock jobs run" in fields["H"]
    assert [(r["outcome"], r.get("sqlstate"), r.get("job")) for r in proxy.records()][-1] == ("failed", "57P01", 1)
    with psycopg.connect(through(proxy, orders), autocommit=True) as later:
        later.execute("SELECT 1")
    assert states(orders) == ["done", "done"]


def test_of_what_is_done_it_does_not_say_that_it_is_left(orders: str, guarded: str) -> None:
    building = "SELECT count(*) FROM pg_class WHERE relname = 'i'"
    with psycopg.connect(somebody_else(orders)) as writer, Raw(guarded) as raw:
        writer.execute("INSERT INTO orders (id) VALUES (0)")
        begin(raw, "CREATE INDEX c ON customers (name)", INDEX)
        with terminated(orders, raw, "COMMIT", when=building) as said:
            assert error(said)["D"].endswith("Left are job 2: CREATE INDEX i ON orders (email)")


def test_before_commit_nothing_is_said_of_it(orders: str, guarded: str) -> None:
    with Raw(guarded) as raw:
        pid = backend_of(raw)
        begin(raw, INDEX)
        terminate(orders, pid)
        assert "D" not in error(raw.rest())
    with Raw(guarded) as raw:
        begin(raw, INDEX)
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(62)'"
        with terminated(orders, raw, "SELECT pg_sleep(62)", when=asleep) as said:
            assert "D" not in error(said)


def test_the_client_hears_that_it_is_not_known_whether_it_is_committed(orders: str, guarded: str) -> None:
    slow_commit(orders, 60)
    with Raw(guarded) as raw:
        begin(raw, INDEX, INSERT)
        with terminated(orders, raw, "COMMIT", when=COMMITTING) as said:
            fields = error(said)
    assert fields["C"] == "57P01"
    assert "is not known" in fields["D"]
    assert "interlock jobs list" in fields["H"]


def test_nor_when_the_server_ends_without_a_word(
    orders: str, postgres: Server, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    cutter = Cutter(("127.0.0.1", postgres.port))
    upstream = f"postgresql://postgres@127.0.0.1:{cutter.port}/postgres?sslmode=disable"
    proxy = start_guard(start_proxy, tmp_path, "", "--upstream", upstream)
    with contextlib.closing(cutter):
        cutter.arm(0, tag=b"COMMIT")
        with Raw(through(proxy, orders)) as raw:
            begin(raw, INDEX)
            raw.send(m.query(b"COMMIT"))
            assert cutter.reached.wait(15)
            cutter.release(cuts=True)
            fields = error(raw.rest())
        assert (fields["S"], fields["C"]) == ("FATAL", "08006")
        assert "is not known" in fields["D"]
        with psycopg.connect(through(proxy, orders), autocommit=True) as later:
            later.execute("SELECT 1")
    assert states(orders) == ["done"]


# ---------------------------------------------------------------- Interlock


def test_the_client_hears_that_interlock_ends_and_what_is_left(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    """It has been told twice, or its drain timeout is over; that the migration is committed is told as the server's end is."""
    proxy = start_guard(start_proxy, tmp_path, "", "--drain-timeout", "1")
    building = "SELECT count(*) FROM pg_class WHERE relname = 'i'"
    looking = psycopg.connect(orders, autocommit=True)
    with (
        looking,
        psycopg.connect(somebody_else(orders)) as writer,
        Raw(through(proxy, orders)) as raw,
        Raw(through(proxy, orders)) as b,
    ):
        writer.execute("INSERT INTO orders (id) VALUES (0)")  # the build waits for it
        begin(raw, INDEX)
        raw.send(m.query(b"COMMIT"))
        eventually("it is built", holds(looking, building))
        b.query("BEGIN")
        proxy.process.send_signal(signal.SIGTERM)
        fields, nothing_put_off = error(raw.rest()), error(b.rest())
    assert (fields["S"], fields["C"]) == ("FATAL", "57P01")
    assert fields["D"].startswith(
        "The migration is committed, but not finished. Left are job 1: CREATE INDEX i ON orders"
    )
    assert fields["H"].startswith("Do not run the migration again.")
    assert (nothing_put_off["C"], nothing_put_off["D"]) == ("57P01", "Interlock is shutting down.")


def test_a_job_whose_backend_is_cancelled_has_failed_and_is_said_to(orders: str, guarded: str) -> None:
    """By pg_cancel_backend, or a timeout: it is not begun again by itself, as one is whose client has cancelled."""
    building = "SELECT count(*) FROM pg_class WHERE relname = 'i'"
    looking = psycopg.connect(orders, autocommit=True)
    with looking, psycopg.connect(somebody_else(orders)) as writer, Raw(guarded) as raw:
        pid = backend_of(raw)
        writer.execute("INSERT INTO orders (id) VALUES (0)")
        begin(raw, INDEX)
        raw.send(m.query(b"COMMIT"))
        eventually("it is built", holds(looking, building))
        looking.execute("SELECT pg_cancel_backend(%s)", (pid,))
        eventually("it is taken back", holds(looking, TAKEN_BACK))
        writer.rollback()
        fields = error(raw.until("Z"))
    assert fields["C"] == "IL003"
    assert fields["M"].endswith(
        "failed: canceling statement due to user request\nWhen the cause is mended: interlock jobs retry 1"
    )
    assert states(orders) == ["failed"]
