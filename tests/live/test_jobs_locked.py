"""A COMMIT whose jobs could not be looked for, done or noted says so; and nobody waits for long for who has locked interlock.jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from proxy.run import jobs, store, turn
from proxy.run.advisory import holder
from proxy.run.side import Side
from tests.live.conftest import POLICY, somebody_else, through
from tests.live.test_deferral import states, valid_indexes
from tests.proxies import Proxy

INDEX = "CREATE INDEX i ON orders (email)"
LOCK = "LOCK TABLE interlock.jobs IN ACCESS EXCLUSIVE MODE"
NO_TIME_S = 5  # what would wait for who has the lock would wait for ever


class Client:
    """A session through Interlock, and what it hears."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.said: list[str] = []
        self.warned: list[dict[str, str]] = []
        self.connection.add_notice_handler(self._hear)

    def _hear(self, told: psycopg.errors.Diagnostic) -> None:
        self.said.append(told.message_primary or "")
        if told.severity == "WARNING":
            names = ("message_primary", "message_detail", "message_hint")
            self.warned.append({name: getattr(told, name) or "" for name in names})

    def run(self, *statements: str, prepare: bool = False) -> psycopg.Cursor[tuple[object, ...]]:
        for sql in statements:
            begun = time.monotonic()
            cursor = self.connection.execute(sql, prepare=prepare)
            assert time.monotonic() - begun < NO_TIME_S
        return cursor

    def heard_only(self, *words: str) -> None:
        """Of one warning, in its message."""
        [told] = self.warned
        assert all(word in told["message_primary"] for word in words), told
        self.warned.clear()


@pytest.fixture
def installed(orders: str) -> str:
    """``orders`` with the table of jobs, which nobody has looked at."""
    with psycopg.connect(orders, autocommit=True) as connection:
        for sql in store.MAKE:
            connection.execute(sql)
    return orders


@pytest.fixture
def client(installed: str, guarded: str) -> Iterator[Client]:
    found = Client(guarded)
    yield found
    found.connection.close()


@contextmanager
def session(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@contextmanager
def queued(url: str, *statements: str) -> Iterator[Future[None]]:
    """Another session's statements, the last of which waits for a lock on the table of jobs that the client's transaction has."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with session(url) as other, session(url) as watcher, ThreadPoolExecutor(1) as pool:

        def run() -> None:
            for sql in ("SET lock_timeout = '10s'", *statements):
                other.execute(sql)

        ran = pool.submit(run)
        wait_for(lambda: watcher.execute(waiting).fetchone() == (1,))
        yield ran
        ran.result(10)


# ---------------------------------------------------------------- what COMMIT says


def test_a_table_that_cannot_be_used_any_more_is_told_with_commit(client: Client, installed: str) -> None:
    client.run("BEGIN", INDEX)
    with session(installed) as other:
        other.execute("COMMENT ON TABLE interlock.jobs IS 'version 2: newer'")
    assert client.run("COMMIT").statusmessage == "COMMIT"
    [told] = client.warned
    assert "Use the newer Interlock" in told["message_hint"]
    assert "interlock jobs run" in told["message_hint"]
    client.heard_only("committed, but not finished", INDEX, "version 2")
    client.run("SELECT 1", "BEGIN", "SELECT 1", "COMMIT")
    assert client.warned == []


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DROP SCHEMA interlock CASCADE", "not in interlock.jobs any more"),
        ("TRUNCATE interlock.jobs", "not in interlock.jobs any more"),
        ("ALTER TABLE interlock.jobs DROP COLUMN tool", "not as Interlock made it"),
    ],
)
def test_what_is_gone_with_the_commit_is_told_by_its_statement(
    sql: str, why: str, client: Client, installed: str
) -> None:
    client.run("BEGIN", INDEX, "CREATE INDEX j ON orders (total)")
    with queued(installed, sql):
        client.run("COMMIT")
    [told] = client.warned
    assert INDEX in told["message_detail"]
    assert "CREATE INDEX j" in told["message_detail"]
    client.heard_only("committed, but not finished", INDEX, "(and 1 more)", why)
    assert not {"i", "j"} & valid_indexes(installed).keys()


PUT_OFF_AS_ANOTHER = {
    "its end": ("SET LOCAL SESSION AUTHORIZATION il_author", INDEX, "COMMIT"),
    "reset": ("SET SESSION AUTHORIZATION il_author", INDEX, "RESET SESSION AUTHORIZATION", "COMMIT"),
    "set behind it": (INDEX, "SET SESSION AUTHORIZATION il_author", "COMMIT", "RESET SESSION AUTHORIZATION"),
}


@pytest.mark.parametrize("transaction", PUT_OFF_AS_ANOTHER.values(), ids=PUT_OFF_AS_ANOTHER)
def test_what_was_put_off_as_another_session_user_is_told(
    transaction: tuple[str, ...], client: Client, installed: str
) -> None:
    """It is that login's to do, so the index is not there."""
    with session(installed) as owner:
        owner.execute("DROP ROLE IF EXISTS il_author; CREATE ROLE il_author LOGIN")
        owner.execute("ALTER TABLE orders OWNER TO il_author; GRANT ALL ON SCHEMA public TO il_author")
        client.run("BEGIN", *transaction)
        [told] = client.warned
        assert told["message_hint"].startswith("They are done by the next session of that login")
        client.heard_only("committed, but not finished", INDEX, "this session's login is ")
        assert states(installed) == ["waiting"]
        owner.execute("DROP OWNED BY il_author CASCADE; DROP ROLE il_author")


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_what_was_taken_back_is_not_missed(end: str, orders: str, guarded: str) -> None:
    """Also where the table was made for it, and went with it."""
    client = Client(guarded)
    client.run("BEGIN", "SAVEPOINT s", INDEX, "ROLLBACK TO s", end)
    client.run("BEGIN", INDEX, "SAVEPOINT s", "CREATE INDEX j ON orders (total)", "ROLLBACK TO s", end)
    client.run("BEGIN", "CREATE INDEX k ON orders (total)", "DROP INDEX k", end)
    assert client.warned == []
    client.connection.close()


def test_a_job_that_fails_is_told_though_that_cannot_be_written_down(client: Client, installed: str) -> None:
    client.run("BEGIN", "CREATE UNIQUE INDEX i ON orders (email)")
    with session(somebody_else(installed)) as writer, session(installed) as locker, ThreadPoolExecutor(1) as pool:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO orders (id, email) VALUES (1, 'e1')")
        committed = pool.submit(client.connection.execute, "COMMIT")
        wait_for(lambda: states(installed) == ["running"])
        locker.execute("BEGIN")
        locker.execute(LOCK)
        writer.execute("COMMIT")
        with pytest.raises(psycopg.Error) as caught:
            committed.result(NO_TIME_S)
    told = caught.value.diag
    assert told.sqlstate == "IL003"
    assert "Key (email)=(e1) is duplicated." in (told.message_detail or "")
    assert "could not be written down in interlock.jobs: another session has a lock on" in (told.message_detail or "")
    assert client.warned == []


def test_a_job_that_is_done_and_cannot_be_noted_is_told_and_looked_at_again(client: Client, installed: str) -> None:
    client.run("BEGIN", INDEX)
    with session(somebody_else(installed)) as writer, session(installed) as locker, ThreadPoolExecutor(1) as pool:
        writer.execute("BEGIN")
        writer.execute("INSERT INTO orders (id) VALUES (1)")
        committed = pool.submit(client.connection.execute, "COMMIT")
        wait_for(lambda: states(installed) == ["running"])
        locker.execute("BEGIN")
        locker.execute(LOCK)
        writer.execute("COMMIT")
        assert committed.result(NO_TIME_S).statusmessage == "COMMIT"
    client.heard_only("job 1 is done, but that could not be written down: another session has a lock on")
    assert valid_indexes(installed)["i"]
    time.sleep(1.1)
    client.run("SELECT 1")
    assert states(installed) == ["done"]
    assert valid_indexes(installed)["i"]


def test_a_cancel_while_the_jobs_are_looked_for_is_told_as_one(
    installed: str, share_proxy: Callable[[str], Proxy]
) -> None:
    client = Client(through(share_proxy(POLICY + "locks: { timeout: 20s }"), installed))
    client.run("BEGIN", INDEX)
    with session(installed) as other, ThreadPoolExecutor(1) as pool:
        with queued(installed, "BEGIN", LOCK, "SELECT pg_sleep(2)", "COMMIT"):
            committed = pool.submit(client.connection.execute, "COMMIT")
            wait_for(lambda: other.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (1,), 1)
            time.sleep(0.3)
            client.connection.cancel()
            with pytest.raises(
                psycopg.Error, match=r"committed, but not finished: CREATE INDEX i .* was cancelled"
            ) as caught:
                committed.result(NO_TIME_S)
        assert caught.value.sqlstate == "IL003"
    time.sleep(1.1)
    client.run("SELECT 1")
    assert states(installed) == ["done"]
    client.connection.close()


# ---------------------------------------------------------------- somebody has locked it


def test_a_lock_keeps_commit_waiting_for_the_policys_patience_alone(client: Client, installed: str) -> None:
    client.run("SET lock_timeout = '1s'", "BEGIN", INDEX)
    with queued(installed, "BEGIN", LOCK, "SELECT pg_sleep(1.5)", "COMMIT"):
        begun = time.monotonic()
        client.run("COMMIT")
        assert time.monotonic() - begun < 0.9
        client.heard_only("committed, but not finished", INDEX, "another session has a lock on interlock.jobs")
        client.run("SELECT 1")
    assert client.run("SHOW lock_timeout").fetchone() == ("1s",)
    time.sleep(1.1)
    client.run("SELECT 1")
    assert states(installed) == ["done"]
    assert client.warned == []


def test_a_new_session_does_what_the_lock_has_left(client: Client, installed: str, guarded: str) -> None:
    client.run("BEGIN", INDEX)
    with queued(installed, "BEGIN", LOCK, "SELECT pg_sleep(0.5)", "COMMIT"):
        client.run("COMMIT")
        client.connection.close()
    time.sleep(1.1)
    other = Client(guarded)
    other.run("SELECT 1")
    assert states(installed) == ["done"]
    other.connection.close()


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_who_has_put_nothing_off_is_sent_on(prepare: bool, installed: str, share_proxy: Callable[[str], Proxy]) -> None:
    proxy = share_proxy(POLICY)
    with session(installed) as locker:
        locker.execute("BEGIN")
        locker.execute(LOCK)
        client = Client(through(proxy, installed))
        client.run("SELECT 1", "CREATE TABLE one (a int)", "ALTER TABLE one ADD COLUMN b int", INDEX, prepare=prepare)
        client.run(
            "BEGIN", "SELECT 1", "CREATE TABLE two (a int)", "INSERT INTO two VALUES (1)", "COMMIT", prepare=prepare
        )
        assert client.warned == []
        assert valid_indexes(installed)["i"]
        locker.execute("ROLLBACK")
    assert proxy.logs("looking after interlock.jobs was broken off: another session has a lock on")
    assert proxy.logs("whether jobs have failed was not looked for: another session has a lock on")
    client.connection.close()


def test_a_pipeline_is_sent_on(client: Client, installed: str) -> None:
    with session(installed) as locker:
        locker.execute("BEGIN")
        locker.execute(LOCK)
        begun = time.monotonic()
        with client.connection.pipeline():
            client.connection.execute("SELECT 1")
            client.connection.execute("CREATE TABLE one (a int)")
            client.connection.execute("INSERT INTO one VALUES (1)")
        assert time.monotonic() - begun < NO_TIME_S
        locker.execute("ROLLBACK")
    assert client.run("SELECT count(*) FROM one").fetchone() == (1,)


@pytest.mark.parametrize("is_locked", [True, False])
def test_a_look_in_a_transaction_leaves_it_and_its_settings_as_they_were(
    is_locked: bool, client: Client, installed: str
) -> None:
    with session(installed) as locker:
        if is_locked:
            locker.execute("BEGIN")
            locker.execute(LOCK)
        client.run(
            "SET lock_timeout = '7s'", "BEGIN", "SET LOCAL lock_timeout = '3s'", "INSERT INTO customers VALUES (999)"
        )
        client.run("CREATE TABLE one (a int)")
        assert client.run("SHOW lock_timeout").fetchone() == ("3s",)
        held = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'interlock.jobs'::regclass"
        assert client.run(held).fetchone() == (0,)
        client.run("COMMIT")
        locker.execute("ROLLBACK")
    assert client.run("SHOW lock_timeout").fetchone() == ("7s",)
    assert client.run("SELECT count(*) FROM customers WHERE id = 999").fetchone() == (1,)


def wait_for(holds: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.parametrize("how", ["session", "prepared"])
def test_who_takes_a_jobs_advisory_lock_does_not_hold_commit_back(how: str, client: Client, installed: str) -> None:
    """Any login may take it; but only a session of the job's own login does the job."""
    name = f"stranger_{installed.rpartition('/')[2]}"
    with session(installed) as own:
        own.execute(f"CREATE ROLE {name} LOGIN")
        with session(psycopg.conninfo.make_conninfo(installed, user=name)) as other:
            if how == "session":
                other.execute("SELECT pg_advisory_lock(%s, 1)", [jobs.SPACE])
            else:
                other.execute("BEGIN")
                other.execute("SELECT pg_advisory_xact_lock(%s, 1)", [jobs.SPACE])
                other.execute("PREPARE TRANSACTION 'taken'")
            client.run("BEGIN", INDEX, "CREATE INDEX j ON orders (total)", "COMMIT")
            told, behind = client.warned
            assert ("prepared" if how == "prepared" else name) in told["message_primary"]
            assert "job 1 waits until" in told["message_primary"]
            assert "job 2 waits until" in behind["message_primary"]  # it is about the same table, and comes behind
            client.warned.clear()
            other.execute("SELECT pg_advisory_unlock_all()" if how == "session" else "ROLLBACK PREPARED 'taken'")
            client.run("SELECT 1")
            assert states(installed) == ["done", "done"]
        own.execute(f"DROP ROLE {name}")


@pytest.mark.parametrize("how", ["renamed", "SET LOCAL SESSION AUTHORIZATION", "RESET SESSION AUTHORIZATION", "string"])
def test_a_session_that_has_another_login_by_now_says_that_its_jobs_are_left(
    how: str, installed: str, guarded: str
) -> None:
    """A session does only jobs of its own login, and these are another's."""
    name = f"other_{installed.rpartition('/')[2]}"
    with session(installed) as own:
        own.execute(f"CREATE ROLE {name} LOGIN")
        own.execute(f"ALTER TABLE orders OWNER TO {name}")
        own.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
        client = Client(psycopg.conninfo.make_conninfo(guarded, user=name) if how == "renamed" else guarded)
        if how == "string":
            client.run(f"SET SESSION AUTHORIZATION {name}; BEGIN; {INDEX}; COMMIT; RESET SESSION AUTHORIZATION")
        elif how == "renamed":
            client.run("BEGIN", INDEX)
            own.execute(f"ALTER ROLE {name} RENAME TO {name}_x")
            client.run("COMMIT")
        elif how.startswith("SET"):
            client.run("BEGIN", f"{how} {name}", INDEX, "COMMIT")
        else:
            client.run(f"SET SESSION AUTHORIZATION {name}", "BEGIN", INDEX, how, "COMMIT")
        client.heard_only("committed, but not finished", INDEX, "this session's login is")
        assert states(installed) == ["waiting"]
        client.connection.close()
        if how == "renamed":
            own.execute(f"ALTER ROLE {name}_x RENAME TO {name}")
        else:
            with session(psycopg.conninfo.make_conninfo(guarded, user=name)) as later:
                later.execute("SELECT 1")
            assert states(installed) == ["done"]
        own.execute(f"DROP OWNED BY {name} CASCADE")
        own.execute(f"DROP ROLE {name}")


def test_who_has_the_turn_of_the_table_is_named(installed: str, guarded: str) -> None:
    """Two plans for one table are done one after the other, by an advisory lock that any login may take."""
    client = Client(guarded)
    with session(installed) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT pg_advisory_lock(%s, 'orders'::regclass::int)", [turn.SPACE])
        client.run("BEGIN", INDEX)
        committed = pool.submit(client.connection.execute, "COMMIT")
        wanted = f"process {other.info.backend_pid} (postgres)"
        wait_for(lambda: any(wanted in one for one in client.said))
        assert not committed.done()
        other.execute("SELECT pg_advisory_unlock_all()")
        committed.result(NO_TIME_S)
    assert states(installed) == ["done"]
    client.connection.close()


def test_who_has_the_turn_at_a_table_is_named(installed: str) -> None:
    """With an OID beyond what an int4 holds, as the lock's key is."""

    async def asked(oid: int) -> tuple[str, bool] | None:
        own = await Side.connect(installed, print)
        try:
            return await holder(own, turn.SPACE, oid)
        finally:
            await own.close()

    with session(installed) as other:
        for oid, key in ((16384, 16384), (4294967295, -1)):
            assert asyncio.run(asked(oid)) is None
            other.execute("SELECT pg_advisory_lock(%s, %s)", (turn.SPACE, key))
            assert asyncio.run(asked(oid)) == (f"process {other.info.backend_pid} (postgres)", True)


def test_a_job_of_a_table_made_anew_is_not_the_one_that_failed_before(orders: str, guarded: str) -> None:
    """It has the same number, and the session has heard that that has failed."""
    client = Client(guarded)
    with psycopg.connect(orders, autocommit=True) as other:
        client.run("BEGIN", "CREATE UNIQUE INDEX u ON orders (id)")
        other.execute("INSERT INTO orders SELECT * FROM orders LIMIT 1")  # behind the look
        with pytest.raises(psycopg.Error, match="committed, but not finished"):
            client.run("COMMIT")
        other.execute("DROP SCHEMA interlock CASCADE")
        client.run("BEGIN", INDEX, "COMMIT")
        assert states(orders) == ["done"]
        assert valid_indexes(orders)["i"]
    client.connection.close()
