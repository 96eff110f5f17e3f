"""A question about the catalog sees what waits for the end of the transaction, and its lock is given back behind the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from proxy.wire import messages as m
from tests.live.conftest import POLICY, through
from tests.live.raw import Raw, error, eventually, tags
from tests.live.test_late import CHECK, DEFAULT, INDEX, KEY, NOT_NULL, NOTE, constraints, locked, versions
from tests.proxies import Proxy

__all__ = ["versions"]

NAMES = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'c'"
OWN_CHECK = "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID"


@pytest.mark.parametrize("check", [CHECK, OWN_CHECK])
def test_it_sees_what_waits_and_keeps_nobody_out(check: str, versions: str, guarded: str) -> None:
    with Raw(guarded) as raw:
        raw.query("BEGIN")
        raw.query(check)
        raw.query(KEY)
        for _ in range(3):
            assert raw.rows(NAMES) == [[b"c", b"CHECK ((total > (0)::numeric)) NOT VALID"]]
            assert not locked(versions)
        raw.query(INDEX)
        raw.query(NOTE.format(1))
        assert raw.rows("SELECT count(*) FROM information_schema.table_constraints WHERE constraint_name = 'k'") == [
            [b"1"]
        ]
        assert not locked(versions)
        assert constraints(versions) == ""
        assert tags(raw.query("COMMIT")) == ["COMMIT"]
    assert constraints(versions) == "c k"


@pytest.mark.parametrize("sql", ["SELECT version()", "SELECT current_schema(), current_database()", "SELECT 1"])
def test_what_is_about_no_relation_takes_no_lock_at_all(sql: str, versions: str, guarded: str) -> None:
    with Raw(guarded) as raw, psycopg.connect(versions) as reader:
        raw.query("BEGIN")
        raw.query(CHECK)
        reader.execute("SELECT count(*) FROM orders")
        begun = time.monotonic()
        assert len(raw.rows(sql)) == 1
        assert time.monotonic() - begun < 1  # it would give up behind the reader
        reader.rollback()
        raw.query("COMMIT")
    assert constraints(versions) == "c"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT oid FROM pg_constraint WHERE conname = 'c'",
        "SELECT * FROM pg_constraint WHERE conname = 'c'",
        "SELECT xmin FROM pg_constraint WHERE conname = 'c'",
        "SELECT row_to_json(c) FROM pg_constraint c WHERE conname = 'c'",
        "SELECT array_agg(oid) FROM pg_constraint WHERE conname = 'c'",
    ],
)
def test_a_number_that_has_been_told_stays_true(sql: str, versions: str, guarded: str) -> None:
    """What would be made again at the end had another."""
    with Raw(guarded) as raw:
        raw.query("BEGIN")
        raw.query(CHECK)
        told = raw.rows(sql)
        assert len(told) == 1
        assert locked(versions)
        assert raw.rows(sql) == told
        raw.query("COMMIT")
        assert constraints(versions) == "c"


def test_whoever_waited_for_the_lock_keeps_it(versions: str, guarded: str) -> None:
    """Else a tool that asks a dozen times would wait a dozen times for what others do."""
    with Raw(guarded) as raw, psycopg.connect(versions) as reader:
        raw.query("BEGIN")
        raw.query(CHECK)
        reader.execute("SELECT count(*) FROM orders")
        timer = threading.Timer(0.4, reader.rollback)
        timer.start()
        assert len(raw.rows(NAMES)) == 1
        timer.join()
        assert locked(versions)
        raw.query("COMMIT")
    assert constraints(versions) == "c"


def test_and_not_without_a_bound(versions: str, share_proxy: Callable[[str], Proxy]) -> None:
    proxy = share_proxy(POLICY + "locks: { in_transaction: { give_up_after: 200ms } }\n")
    with Raw(through(proxy, versions)) as raw, psycopg.connect(versions) as reader:
        raw.query("BEGIN")
        raw.query(CHECK)
        reader.execute("SELECT count(*) FROM orders")
        said = raw.query(NAMES)
        assert error(said)["C"] == "IL004"
        assert said[-1] == ("Z", b"E")
        reader.rollback()
        assert error(raw.query("SELECT 1"))["C"] == "25P02"
        assert tags(raw.query("COMMIT")) == ["ROLLBACK"]
    assert constraints(versions) == ""


def test_if_it_cannot_be_run_the_question_fails(versions: str, guarded: str) -> None:
    with Raw(guarded) as raw:
        raw.query("BEGIN")
        raw.query(DEFAULT)
        with psycopg.connect(versions, autocommit=True) as session:
            session.execute("ALTER TABLE orders RENAME email TO mail")
        said = raw.query(NAMES)
        assert error(said)["C"] == "42703"
        assert said[-1] == ("Z", b"E")
        assert tags(raw.query("ROLLBACK")) == ["ROLLBACK"]


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT"])
def test_an_error_of_the_question_fails_the_transaction(end: str, versions: str, guarded: str) -> None:
    with Raw(guarded) as raw:
        raw.query("BEGIN")
        raw.query(NOT_NULL)
        said = raw.query("SELECT 1/0 FROM pg_class")
        assert error(said)["C"] == "22012"
        assert said[-1] == ("Z", b"E")
        assert not locked(versions)  # the server gives it back by itself
        assert error(raw.query(NAMES))["C"] == "25P02"
        assert tags(raw.query(end)) == ["ROLLBACK"]
        assert len(raw.rows("SELECT 1")) == 1


def test_behind_an_error_the_clients_own_savepoint_is_there(versions: str, guarded: str) -> None:
    with Raw(guarded) as raw:
        raw.query("BEGIN")
        raw.query(CHECK)
        raw.query("SAVEPOINT a")
        raw.query(KEY)
        assert len(raw.rows(NAMES)) == 1
        raw.query("SELECT 1/0 FROM pg_class")
        assert tags(raw.query("ROLLBACK TO a")) == ["ROLLBACK"]
        assert tags(raw.query("COMMIT")) == ["COMMIT"]
    assert constraints(versions) == "c"


def test_questions_in_one_flight_are_answered_in_order(versions: str, guarded: str) -> None:
    with Raw(guarded) as raw:
        raw.send(*[m.query(sql.encode()) for sql in ("BEGIN", CHECK, NAMES, NOTE.format(1), NAMES, "COMMIT", NAMES)])
        said = [raw.until("Z") for _ in range(7)]
        assert [tags(answer) for answer in said] == [
            ["BEGIN"], ["ALTER TABLE"], ["SELECT 1"], ["INSERT 0 1"], ["SELECT 1"], ["COMMIT"], ["SELECT 1"],
        ]  # fmt: skip
        assert [answer[-1][1] for answer in said] == [b"T", b"T", b"T", b"T", b"T", b"I", b"I"]
    assert constraints(versions) == "c"


def test_what_was_set_for_the_transaction_holds_in_it(versions: str, guarded: str) -> None:
    with Raw(guarded) as raw:
        raw.query("BEGIN; SET LOCAL lock_timeout = '7s'")
        raw.query(CHECK)
        assert raw.rows("SELECT current_setting('lock_timeout') FROM pg_class LIMIT 1") == [[b"7s"]]
        raw.query("ROLLBACK")
        raw.query("BEGIN; SET LOCAL lock_timeout = '7s'")
        raw.query(CHECK)
        assert len(raw.rows(NAMES)) == 1
        assert raw.rows("SHOW lock_timeout") == [[b"7s"]]
        raw.query("COMMIT")
    assert constraints(versions) == "c"


def test_a_client_that_vanishes_in_the_question_leaves_nothing(versions: str, guarded: str) -> None:
    """The server is at it for a minute or more."""
    with Raw(guarded) as raw:
        raw.query("BEGIN")
        raw.query(CHECK)
        slow = "SELECT count(*) FROM pg_attribute a, pg_attribute b, pg_attribute c, pg_attribute d WHERE upper(a.attname || b.attname || c.attname || d.attname) = 'X'"
        raw.send(m.query(slow.encode()))
        eventually("it is under way", lambda: locked(versions))
        raw.reset()
    eventually("it is stopped", lambda: not locked(versions))
    assert constraints(versions) == ""
