"""While a build runs its client hears how it goes and whom it waits for, as far as a monitor can see that."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from proxy.run import monitor
from proxy.run.monitor import Monitor
from tests import servers
from tests.live.conftest import start_guard, through
from tests.live.test_patience import Background, until, value
from tests.proxies import Proxy
from tests.servers import Server

pytestmark = pytest.mark.sampled(2)  # make operating runs them all

WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"
BUILD = "CREATE INDEX i ON orders (email)"


@contextmanager
def holding(url: str, sql: str = "UPDATE orders SET total = total WHERE id = 1") -> Iterator[psycopg.Connection]:
    """A transaction for whose end others wait."""
    with psycopg.connect(url, application_name="web") as connection:
        connection.execute(sql)
        yield connection


def heard(build: Background, *words: str) -> Callable[[], bool]:
    return lambda: any(all(word in notice for word in words) for notice in list(build.notices))


@pytest.fixture
def watched(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path, postgres: Server) -> str:
    """``orders`` through an Interlock with a monitor, which logs in to another database of the server."""
    return through(start_guard(start_proxy, tmp_path, "", "--monitor", postgres.url()), orders)


def test_the_client_hears_whom_a_build_waits_for(orders: str, watched: str) -> None:
    with holding(orders) as writer:
        build = Background(watched, BUILD)
        holder = f'pid {writer.info.backend_pid} (postgres, "web"): idle in transaction'
        until(heard(build, "1/1 waiting for writers before build", holder, "UPDATE orders"), "it should be told")
        writer.rollback()
    build.join()
    assert build.error is None
    assert any(" s so far)" in notice for notice in build.notices)
    assert "done in" in build.notices[-1]
    assert "nothing was blocked" in build.notices[-1]


def test_old_snapshots_are_named_with_their_holders(orders: str, watched: str) -> None:
    """Of a transaction that has never touched the table."""
    with psycopg.connect(orders, application_name="report") as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT count(*) FROM customers")
        build = Background(watched, BUILD)
        pid = f'pid {reader.info.backend_pid} (postgres, "report")'
        until(heard(build, "waiting for old snapshots", pid, "SELECT count(*) FROM customers"), "it should be told")
        reader.rollback()
    build.join()
    assert build.error is None


def test_a_prepared_transaction_is_named(orders: str, watched: str) -> None:
    with psycopg.connect(orders, autocommit=True) as writer:
        writer.execute("BEGIN; UPDATE orders SET total = total WHERE id = 1; PREPARE TRANSACTION 'left behind'")
        build = Background(watched, BUILD)
        try:
            until(heard(build, 'prepared transaction "left behind"'), "it should be told")
        finally:
            writer.execute("ROLLBACK PREPARED 'left behind'")
    build.join()


@pytest.mark.parametrize(
    ("sql", "lock"),
    [
        ("ALTER TABLE orders ADD CHECK (total > 0)", "LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE"),
        ("DROP INDEX orders_total_idx", "SELECT FROM orders LIMIT 1"),
    ],
    ids=["validate", "drop index"],
)
def test_what_has_no_phases_says_whom_it_waits_for(sql: str, lock: str, orders: str, watched: str) -> None:
    # Above the first ALTER, whose strong lock would have to wait for the holder: it is there already.
    if "CHECK" in sql:
        with psycopg.connect(orders, autocommit=True) as session:
            session.execute("ALTER TABLE orders ADD CONSTRAINT orders_total_check CHECK (total > 0) NOT VALID")
    with holding(orders, lock) as holder:
        change = Background(watched, sql)
        until(heard(change, f"waits for pid {holder.info.backend_pid}"), "it should be told")
        holder.rollback()
    change.join()
    assert change.error is None


def test_the_way_back_is_told_too(orders: str, watched: str) -> None:
    with holding(orders) as writer:
        build = Background(watched, BUILD)
        until(heard(build, "waiting for writers"), "it should have begun")
        build.connection.cancel_safe()
        until(heard(build, "taking back:", f"waits for pid {writer.info.backend_pid}"), "it should be told")
        writer.rollback()
    build.join()
    assert isinstance(build.error, psycopg.errors.QueryCanceled)


def test_without_a_monitor_the_time_is_told(orders: str, guarded: str) -> None:
    with holding(orders) as writer:
        build = Background(guarded, BUILD)
        until(heard(build, "1/1 running (5 s so far)"), "it should be told")
        writer.rollback()
    build.join()
    assert build.error is None


@pytest.mark.parametrize("broken", ["unreachable", "elsewhere"])
def test_a_monitor_that_sees_nothing_does_no_harm(
    broken: str, orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path, postgres: Server
) -> None:
    """It cannot log in; or it is on another server, where a backend of the same pid would be somebody else."""
    other = servers.shared(13 if postgres.version != 13 else 18)
    url = other.url() if broken == "elsewhere" else "postgresql://127.0.0.1:1/postgres"
    proxy = start_guard(start_proxy, tmp_path, "", "--monitor", url)
    with holding(orders) as writer:
        build = Background(through(proxy, orders), BUILD)
        until(heard(build, "1/1 running"), "the time should be told")
        writer.rollback()
    build.join()
    assert build.error is None
    assert not any("waiting for" in notice for notice in build.notices)
    assert proxy.logs("another server" if broken == "elsewhere" else "cannot be seen for now")


def test_a_monitor_that_is_lost_is_made_again(orders: str, watched: str) -> None:
    ours = "SELECT {} FROM pg_stat_activity WHERE application_name = 'interlock monitor'"
    with holding(orders) as writer:
        build = Background(watched, BUILD)
        until(heard(build, "waiting for writers"), "it should be told")
        value(orders, ours.format("pg_terminate_backend(pid)"))
        seen = len(build.notices)
        until(lambda: any("waiting for writers" in n for n in build.notices[seen:]), "it should be told again")
        writer.rollback()
    build.join()
    assert build.error is None


def test_a_role_without_rights_hears_the_time_and_the_log_says_why(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path, postgres: Server
) -> None:
    with psycopg.connect(orders, autocommit=True) as session:
        session.execute("DO $$ BEGIN CREATE ROLE il_blind LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    proxy = start_guard(start_proxy, tmp_path, "", "--monitor", postgres.url(user="il_blind"))
    with holding(orders) as writer:
        build = Background(through(proxy, orders), BUILD)
        until(heard(build, f"waits for pid {writer.info.backend_pid}", "visible only to members"), "what is known")
        writer.rollback()
    build.join()
    assert proxy.logs("GRANT pg_read_all_stats")


# ---------------------------------------------------------------- asking it


def ask(url: str, story: Callable[[Monitor], Coroutine[Any, Any, Any]]) -> Any:
    async def all_of_it() -> Any:
        one = Monitor(url)
        try:
            return await story(one)
        finally:
            await one.close()

    return asyncio.run(all_of_it())


def test_who_blocks_a_backend(orders: str, postgres: Server) -> None:
    with holding(orders) as writer, psycopg.connect(orders, autocommit=True) as builder:
        pid, none = builder.info.backend_pid, postgres.url()
        assert ask(none, lambda m: m.blocking(pid)) == ()
        building = threading.Thread(target=builder.execute, args=("CREATE INDEX CONCURRENTLY i ON orders (email)",))
        building.start()
        until(lambda: value(orders, WAITS) == 1, "it should wait")
        assert ask(none, lambda m: m.blocking(pid)) == (writer.info.backend_pid,)
        (found,) = ask(none, lambda m: m.blockers(pid))
        assert (found.pid, found.granted, found.application_name) == (writer.info.backend_pid, True, "web")
        assert ask(none, lambda m: m.progress(pid)).phase == "waiting for writers before build"
        writer.rollback()
        building.join()
    assert ask(none, lambda m: m.progress(pid)) is None


def test_an_asker_that_loses_interest_leaves_the_connection_in_order(
    postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(one: Monitor) -> None:
        await one.blocking(1)
        monkeypatch.setattr(monitor, "BLOCKING", "SELECT ARRAY[$1::int] FROM pg_sleep(0.2)")
        asking = asyncio.ensure_future(one.blocking(7))
        await asyncio.sleep(0.05)
        asking.cancel()
        assert await one.blocking(8) == (8,)

    ask(postgres.url(), story)


def test_an_answer_that_does_not_come_is_not_waited_for(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(one: Monitor) -> tuple[int, ...] | None:
        await one.blocking(1)
        monkeypatch.setattr(monitor, "ANSWER_S", 0.2)
        monkeypatch.setattr(monitor, "BLOCKING", "SELECT ARRAY[$1::int] FROM pg_sleep(1.5)")
        return await one.blocking(7)

    assert ask(postgres.url(), story) is None
