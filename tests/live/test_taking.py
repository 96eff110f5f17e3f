"""Batches that take rows as they come: what they do about a row that somebody has locked, and what they are not used for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from proxy.catalog.facts import Facts
from proxy.plans.plan import Batch, Failure, Lock, Step
from proxy.run.batches import Batches
from proxy.run.connection import ServerError
from proxy.run.pace import Pace
from proxy.run.side import Side
from tests.live.conftest import start_guard, through
from tests.live.test_batches import ROWS, left_over, one, run
from tests.live.test_patience import until
from tests.proxies import Proxy
from tests.servers import Server

TAKES, PICKS = "/* interlock */ UPDATE", "SKIP LOCKED"
STUCK = Failure("", "", "0A000", ("rows of ", " stay as they are"))


@pytest.fixture
def marked(orders: str) -> str:
    """The orders with a column that is to be filled, and one that tells how often a row was changed."""
    run(
        orders,
        "ALTER TABLE orders ADD COLUMN mark int, ADD COLUMN times int DEFAULT 0",
        "CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN IF NEW.mark IS NOT NULL THEN NEW.times := OLD.times + 1; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER count_it BEFORE UPDATE OF mark ON orders FOR EACH ROW EXECUTE FUNCTION count_it()",
        "ALTER TABLE orders ADD PRIMARY KEY (id)",
    )
    return orders


def step(value: str = "1", *, repeatable: bool = True) -> Step:
    batch = Batch(
        ("public", "orders"), "mark IS NULL", f"mark = {value}", quiet=False, repeatable=repeatable, stuck=STUCK
    )
    return Step(("",), Lock.ROW_EXCLUSIVE, "", transaction=False, budget="builds", batch=batch)


def change(url: str, what: Step, pace: Pace | None = None) -> bytes:
    async def work() -> bytes:
        version = one(url, "SELECT current_setting('server_version_num')::int")
        assert isinstance(version, int)
        facts = Facts.text_only(version, datetime.now(UTC))
        side = await Side.connect(url, lambda _: None)
        try:
            chosen = pace or Pace(target_ms=4)
            return await Batches(side, chosen, 60_000, facts, lambda _: None, asyncio.Event()).run(what)
        finally:
            await side.close()

    return asyncio.run(work())


def filled(url: str) -> object:
    return one(url, "SELECT count(mark) FROM orders")


@contextmanager
def statements(server: Server, url: str) -> Iterator[list[str]]:
    found: list[str] = []
    since = server.log_bytes
    yield found
    found += server.statements(url.rpartition("/")[2], since=since)


def test_most_rows_are_taken_as_they_come(postgres: Server, marked: str) -> None:
    with statements(postgres, marked) as said:
        assert change(marked, step()) == b"UPDATE %d" % ROWS
    assert sum(TAKES in sql for sql in said) > 3 * sum(PICKS in sql for sql in said)
    assert one(marked, "SELECT min(times) + max(times) FROM orders") == 2  # each once


def test_pages_of_a_known_kind_are_gone_through_once(postgres: Server, marked: str) -> None:
    """Where the statistics say how many rows a page holds, a batch needs no limit, and so no list of its rows."""
    run(marked, "ANALYZE orders")
    with statements(postgres, marked) as said:
        assert change(marked, step()) == b"UPDATE %d" % ROWS
    assert sum(TAKES in sql and "LIMIT" not in sql for sql in said) > sum("LIMIT" in sql for sql in said)
    assert one(marked, "SELECT min(times) + max(times) FROM orders") == 2  # each once


def test_where_few_rows_need_it_a_batch_has_a_limit(postgres: Server, marked: str) -> None:
    """Pages are many then: should the next ones be full of such rows, the batch would be long."""
    run(marked, "UPDATE orders SET mark = 0 WHERE id % 50 > 0", "VACUUM ANALYZE orders")
    with statements(postgres, marked) as said:
        assert change(marked, step()) == b"UPDATE %d" % (ROWS // 50)
    assert [sql for sql in said if TAKES in sql and "LIMIT" in sql]


def test_narrow_rows_behind_wide_ones_are_found(marked: str) -> None:
    """Before 14 only as many places of a page are looked at as the last ones had; what stands in others comes at the end."""
    narrow = "INSERT INTO pages SELECT g FROM generate_series(1000, 6000) AS g"
    run(
        marked,
        "CREATE TABLE pages (id int, wide text, mark int)",
        "ALTER TABLE pages ALTER wide SET STORAGE PLAIN",
        "INSERT INTO pages SELECT g, repeat('x', 3000) FROM generate_series(1, 400) AS g",
        narrow,
        "ANALYZE pages",
    )
    what = step()
    assert what.batch is not None
    batch = replace(what.batch, table=("public", "pages"))
    assert change(marked, replace(what, batch=batch)) == b"UPDATE 5401"
    assert one(marked, "SELECT count(*) FROM pages WHERE mark IS NULL") == 0


def test_what_would_be_used_up_in_vain_is_picked(postgres: Server, marked: str) -> None:
    with statements(postgres, marked) as said:
        change(marked, step(repeatable=False))
    assert not any(TAKES in sql for sql in said)
    assert sum(PICKS in sql for sql in said) > 3


def test_a_row_that_stays_locked_holds_up_neither_the_others_nor_who_has_it(postgres: Server, marked: str) -> None:
    """All others are filled meanwhile; the locked ones are when they are free, and as they are then."""
    with (
        statements(postgres, marked) as said,
        psycopg.connect(marked) as holder,
        ThreadPoolExecutor(1) as pool,
    ):
        holder.execute("SELECT FROM orders WHERE id IN (1000, 4000) FOR UPDATE")
        running = pool.submit(change, marked, step())
        until(lambda: filled(marked) == ROWS - 2, "all rows but the locked ones should be filled")
        holder.execute("UPDATE orders SET email = 'moved' WHERE id = 1000")
        holder.execute("UPDATE orders SET mark = 7 WHERE id = 4000")
        holder.commit()
        assert running.result(timeout=30) == b"UPDATE %d" % (ROWS - 1)
    assert any(TAKES in sql for sql in said)
    assert one(marked, "SELECT array_agg(DISTINCT times) = '{1}' FROM orders") is True
    assert one(marked, "SELECT email || mark FROM orders WHERE id = 1000") == "moved1"
    assert one(marked, "SELECT mark FROM orders WHERE id = 4000") == 7


def test_batches_of_a_flight_that_were_done_before_one_failed_are_counted_once(marked: str) -> None:
    """Rows are locked all over the table: what stands before them in the same flight is committed."""
    with psycopg.connect(marked) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("SELECT FROM orders WHERE id % 500 = 0 FOR UPDATE")
        running = pool.submit(change, marked, step(), Pace(target_ms=2))
        until(lambda: filled(marked) == ROWS - ROWS // 500, "all rows but the locked ones should be filled")
        holder.rollback()
        assert running.result(timeout=30) == b"UPDATE %d" % ROWS
    assert one(marked, "SELECT array_agg(DISTINCT times) = '{1}' FROM orders") is True


def test_rows_that_writers_change_all_the_time_are_changed_once(marked: str) -> None:
    """They have waited for us or we for them, or they have moved: never is one left out, or its change lost."""
    stop, seen = [False], [0]

    def application() -> None:
        with psycopg.connect(marked, autocommit=True) as connection:
            while not stop[0]:
                i = seen[0]
                connection.execute("UPDATE orders SET total = total + 1 WHERE id %% 50 = %s", (i % 50,))
                seen[0] = i + 1

    before = count(marked, "SELECT sum(total)::bigint FROM orders")
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(application)
        try:
            until(lambda: seen[0] > 3, "the application should be at it")
            change(marked, step(), Pace(target_ms=2))
        finally:
            stop[0] = True
        writing.result(timeout=30)
    assert filled(marked) == ROWS
    assert one(marked, "SELECT array_agg(DISTINCT times) = '{1}' FROM orders") is True
    assert count(marked, "SELECT sum(total)::bigint FROM orders") == before + seen[0] * ROWS // 50


@pytest.mark.parametrize("value", ["NULL", "CASE WHEN id % 2 = 0 THEN 1 END"])
def test_a_row_that_needs_the_change_after_it_too_ends_it(value: str, marked: str) -> None:
    with pytest.raises(ServerError, match="rows of orders stay as they are"):
        change(marked, step(value))


@pytest.mark.parametrize("wanted", [60, 300])
def test_a_change_of_a_few_rows_of_many_finds_them_all(wanted: int, marked: str) -> None:
    run(marked, f"UPDATE orders SET mark = 0 WHERE id > {wanted}")
    change(marked, step())
    assert one(marked, "SELECT count(*) FROM orders WHERE mark = 1") == wanted


def test_a_lock_on_the_table_is_waited_for_in_short_tries(marked: str) -> None:
    with psycopg.connect(marked) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("LOCK TABLE orders IN SHARE MODE")
        running = pool.submit(change, marked, step())
        with psycopg.connect(marked, autocommit=True) as watcher:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass"
            until(lambda: watcher.execute(waiting).fetchone() == (1,), "it should wait")
            until(lambda: watcher.execute(waiting).fetchone() == (0,), "it should give way")
        assert not running.done()
        holder.rollback()
        running.result(timeout=30)
    assert filled(marked) == ROWS


@pytest.mark.sampled(3)
@pytest.mark.parametrize("sql", ["ADD COLUMN mark float NOT NULL DEFAULT random()", "ALTER total TYPE bigint"])
@pytest.mark.parametrize("how", ["server session", "proxy"])
def test_what_is_killed_in_the_midst_goes_on(
    how: str, sql: str, postgres: Server, orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    """Rows that are done keep what they have got."""
    run(orders, "ALTER TABLE orders ALTER total TYPE int")
    slowly = "backfills: { target: 1ms, pause: 20ms }\nrules: { column-type-rewrite: rewrite }\n"
    proxy = start_guard(start_proxy, tmp_path, slowly)
    fresh = "SELECT key FROM jsonb_object_keys(to_jsonb(o)) AS key WHERE key LIKE '\\_interlock%'"
    column = "mark" if "mark" in sql else f"to_jsonb(o) -> ({fresh})"
    done = f"SELECT count(nullif(({column})::text, 'null')) FROM orders AS o"
    client = psycopg.connect(through(proxy, orders), autocommit=True, application_name="migrator")
    with ThreadPoolExecutor(1) as pool, statements(postgres, orders) as said:
        running = pool.submit(client.execute, f"ALTER TABLE orders {sql}")
        until(lambda: 200 < count(orders, done) < ROWS - 200, "some rows should be filled")
        if how == "proxy":
            proxy.kill()
        else:
            one(orders, f"SELECT pg_terminate_backend({client.info.backend_pid})")
        with pytest.raises(psycopg.Error):
            running.result(timeout=30)
        ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrator'"
        until(lambda: one(orders, ours) == 0, "its session should be over")
    assert any(TAKES in text for text in said)
    assert 0 < count(orders, done) < ROWS
    values = f"SELECT jsonb_object_agg(id, {column}) FROM orders AS o WHERE ({column}) IS NOT NULL"
    kept = one(orders, values)
    run(through(start_guard(start_proxy, tmp_path, slowly), orders), f"ALTER TABLE orders {sql}")
    if "mark" in sql:
        now = one(orders, values)
        assert isinstance(now, dict)
        assert isinstance(kept, dict)
        assert kept.items() <= now.items()
        assert len(now) == ROWS
    else:
        assert one(orders, "SELECT sum(total) = sum(id) FROM orders") is True
        assert one(orders, "SELECT pg_typeof(total)::text FROM orders LIMIT 1") == "bigint"
    assert left_over(orders) == 0


def count(url: str, sql: str) -> int:
    """0 while the column is not there."""
    try:
        found = one(url, sql)
    except psycopg.errors.UndefinedColumn:
        return 0
    assert isinstance(found, int)
    return found
