"""The client, or the server's connection, goes while COMMIT is under way or behind it: what is done all the same, and what is told."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

from proxy.wire import messages as m
from tests.live.raw import Raw, eventually
from tests.live.test_bad_input import backend_of
from tests.live.test_deferral import INDEX, states, valid_indexes

SECOND = "CREATE INDEX j ON orders (id)"
SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep({}); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON customers DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();
"""
INSERT = "INSERT INTO customers VALUES (1000, 'x')"
COMMITTING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query ~* '^commit'"
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


def test_a_cancel_request_that_comes_late_does_not_end_the_look_for_jobs(orders: str, guarded: str) -> None:
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
        freed = threading.Timer(0.5, locker.rollback)
        freed.start()
        said = raw.until("Z")
        freed.join()
    assert "E" not in [kind for kind, _ in said]
    assert states(orders) == ["done", "done"]
