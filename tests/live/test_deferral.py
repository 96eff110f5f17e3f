"""What waits for COMMIT: written down in the client's transaction, and done before it hears of the COMMIT."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.live.conftest import POLICY, through
from tests.proxies import Proxy

INDEX = "CREATE INDEX i ON orders (email)"


def valid_indexes(url: str, table: str = "orders") -> dict[str, bool]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = %s::regclass", [table]
        )
        return dict(rows)


def states(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT state FROM interlock.jobs ORDER BY id")]


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_an_index_is_there_when_commit_is_answered(prepare: bool, orders: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        said: list[str] = []
        connection.add_notice_handler(lambda d: said.append(d.message_primary or ""))
        connection.execute("BEGIN")
        assert connection.execute(INDEX, prepare=prepare).statusmessage == "CREATE INDEX"
        connection.execute("INSERT INTO customers VALUES (1000, 'x')")
        assert "i" not in valid_indexes(orders)
        assert connection.execute("COMMIT").statusmessage == "COMMIT"
        assert valid_indexes(orders)["i"]
    assert said[0] == "interlock: after COMMIT CREATE INDEX CONCURRENTLY i ON orders (email)"
    assert said[-1].endswith("nothing was blocked")
    assert states(orders) == ["done"]


def test_the_audit_log_has_the_statement_and_then_its_job(orders: str, share_proxy: Callable[[str], Proxy]) -> None:
    proxy = share_proxy(POLICY)
    with psycopg.connect(through(proxy, orders)) as connection:
        connection.execute(INDEX)
        connection.commit()
    mine = [r for r in proxy.records() if r["session"]["database"] == orders.rpartition("/")[2]]
    assert [(r["action"], r["outcome"], r.get("job")) for r in mine] == [
        ("defer", "deferred", None),
        ("defer", "done", 1),
    ]
    assert [s["outcome"] for s in mine[1]["steps"]] == ["done"]


def test_the_record_of_what_was_put_off_does_not_wait_for_what_comes_next(
    orders: str, share_proxy: Callable[[str], Proxy]
) -> None:
    """It is written while the server works on the next statement, or a moment later if there is none."""
    proxy = share_proxy(POLICY)
    with psycopg.connect(through(proxy, orders), autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(INDEX)
        wait_until(lambda: orders.rpartition("/")[2] in proxy.audit.read_text())


def break_after_the_look(url: str) -> None:
    """A duplicate that comes between the look at the rows and the build."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO orders (id, email) VALUES (1, 'e1')")


def test_a_job_that_fails_is_told_with_the_answer_to_commit(orders: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE UNIQUE INDEX i ON orders (email)")
        connection.execute("INSERT INTO customers VALUES (1000, 'x')")
        break_after_the_look(orders)
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("COMMIT")
        d = caught.value.diag
        assert d.sqlstate == "IL003"
        assert (d.message_primary or "").startswith(
            "the migration is committed, but not finished: CREATE UNIQUE INDEX i ON orders (email) failed: "
        )
        assert "interlock jobs retry 1" in (d.message_primary or "")
        assert "Key (email)=(e1) is duplicated." in (d.message_detail or "")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert connection.execute("SELECT count(*) FROM customers WHERE id = 1000").fetchone() == (1,)
    assert "i" not in valid_indexes(orders)
    assert states(orders) == ["failed"]


@pytest.mark.parametrize("action", ["allow", "warn", "reject"])
def test_later_migrations_hear_of_it(action: str, orders: str, share_proxy: Callable[[str], Proxy]) -> None:
    url = through(share_proxy(POLICY + f"jobs: {{ on_failed_job: {action} }}"), orders)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE UNIQUE INDEX i ON orders (email)")
        break_after_the_look(orders)
        with pytest.raises(psycopg.Error):
            connection.execute("COMMIT")
    with psycopg.connect(url, autocommit=True) as connection:
        said: list[str] = []
        connection.add_notice_handler(lambda d: said.append(d.message_primary or ""))
        if action == "reject":
            with pytest.raises(psycopg.Error, match="an earlier migration is not finished: job 1") as caught:
                connection.execute("CREATE TABLE other (id int)")
            assert caught.value.sqlstate == "IL001"
            connection.execute("SELECT 1")
        else:
            connection.execute("CREATE TABLE other (id int)")
        assert any("an earlier migration is not finished" in text for text in said) is (action == "warn")


@pytest.mark.parametrize("opening", ["", "BEGIN"], ids=["autocommit", "transaction"])
def test_a_cancel_while_failed_jobs_are_looked_for_ends_the_statement_alone(
    opening: str, orders: str, share_proxy: Callable[[str], Proxy]
) -> None:
    guarded = through(share_proxy(POLICY + "locks: { timeout: 20s }"), orders)
    with psycopg.connect(guarded, autocommit=True) as first:
        first.execute("BEGIN")
        first.execute(INDEX)
        first.execute("COMMIT")
    with psycopg.connect(orders) as holder, psycopg.connect(guarded, autocommit=True) as connection:
        holder.execute("LOCK TABLE interlock.jobs IN ACCESS EXCLUSIVE MODE")
        if opening:
            connection.execute(opening)
        with ThreadPoolExecutor() as pool:
            altered = pool.submit(connection.execute, "ALTER TABLE orders ADD CONSTRAINT c CHECK (total >= 0)")
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'interlock.jobs'::regclass"
            while holder.execute(waits).fetchone() != (1,):
                time.sleep(0.02)
            connection.cancel()
            with pytest.raises(psycopg.errors.QueryCanceled):
                altered.result(20)
        holder.rollback()
        if opening:
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
            connection.execute("ROLLBACK")
        connection.execute("ALTER TABLE orders ADD CONSTRAINT c CHECK (total >= 0)")


def test_a_cancelled_job_goes_on_waiting_and_is_done_by_whoever_comes_next(orders: str, guarded: str) -> None:
    with psycopg.connect(orders) as reader, psycopg.connect(guarded, autocommit=True) as connection:
        with ThreadPoolExecutor(2) as pool:
            report = pool.submit(reader.execute, "SELECT pg_sleep(100) FROM orders LIMIT 1")  # the build waits for it
            connection.execute("BEGIN")
            connection.execute(INDEX)
            answer = pool.submit(connection.execute, "COMMIT")
            wait_until(lambda: "i" in valid_indexes(orders))
            connection.cancel()
            with pytest.raises(psycopg.Error) as caught:
                answer.result()
            assert caught.value.sqlstate == "IL003"
            reader.cancel()
            with pytest.raises(psycopg.errors.QueryCanceled):
                report.result()
        assert states(orders) == ["waiting"]
        assert valid_indexes(orders)["i"] is False  # what is left of it, cleared away before it is built anew
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("SELECT 1")
    wait_until(lambda: states(orders) == ["done"])  # by the first session, which the client has left, or by this one
    assert valid_indexes(orders)["i"]


def test_bounds_that_the_session_has_set_do_not_end_a_build_and_are_there_again(orders: str, guarded: str) -> None:
    with psycopg.connect(orders) as reader, psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("SET statement_timeout = '300ms'")
        connection.execute("SET lock_timeout = '7s'")
        connection.execute("BEGIN")
        connection.execute(INDEX)
        with ThreadPoolExecutor(2) as pool:
            report = pool.submit(reader.execute, "SELECT pg_sleep(1.5) FROM orders LIMIT 1")  # the build waits for it
            wait_until(lambda: sleeping(orders))
            answer = pool.submit(connection.execute, "COMMIT")
            report.result()
            reader.rollback()
            answer.result()
        assert valid_indexes(orders)["i"]
        assert connection.execute("SHOW statement_timeout").fetchone() == ("300ms",)
        assert connection.execute("SHOW lock_timeout").fetchone() == ("7s",)


def sleeping(url: str) -> bool:
    with psycopg.connect(url) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        return connection.execute(query).fetchone() == (1,)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


BESIDE = {  # of an ALTER TABLE that adds a column with a constraint of its own: another action, and its error
    "no such key": ("ADD FOREIGN KEY (customer_id) REFERENCES keys (word)", "42830"),
    "no such type of key": ("ADD FOREIGN KEY (customer_id) REFERENCES keys (name)", "42804"),
    "no such column": ("ADD FOREIGN KEY (customer_id) REFERENCES keys (nothing)", "42703"),
    "a key of the column itself": ("ADD FOREIGN KEY (checked) REFERENCES keys (word)", "42830"),
}


@pytest.mark.parametrize(("action", "sqlstate"), BESIDE.values(), ids=BESIDE)
def test_a_foreign_key_beside_a_new_column_fails_at_once(action: str, sqlstate: str, orders: str, guarded: str) -> None:
    sql = f"ALTER TABLE orders ADD COLUMN checked int CHECK (checked > 0), {action}"
    with psycopg.connect(orders, autocommit=True) as direct:
        direct.execute("CREATE TABLE keys (id int PRIMARY KEY, name text UNIQUE, word text)")
        direct.execute("INSERT INTO keys SELECT generate_series(1, 1000)")
        with pytest.raises(psycopg.Error) as theirs:
            direct.execute(sql)
    with psycopg.connect(guarded) as connection:
        with pytest.raises(psycopg.Error) as ours:
            connection.execute(sql)
        assert ours.value.sqlstate == theirs.value.sqlstate == sqlstate
        assert ours.value.diag.message_primary == theirs.value.diag.message_primary


def test_a_foreign_key_beside_a_column_that_is_filled_is_there_at_once(orders: str, guarded: str) -> None:
    keys = "SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f' AND conrelid = 'orders'::regclass"
    with psycopg.connect(orders, autocommit=True) as direct:
        direct.execute("CREATE TABLE keys (id int PRIMARY KEY); INSERT INTO keys SELECT generate_series(1, 1000)")
        before = direct.execute(keys).fetchall()
        with psycopg.connect(guarded, autocommit=True) as connection:
            connection.execute("BEGIN")
            connection.execute(
                "ALTER TABLE orders ADD COLUMN filled float DEFAULT random(), ADD CONSTRAINT k FOREIGN KEY (customer_id) REFERENCES keys"
            )
            assert connection.execute(keys).fetchall() == [*before, ("k", False)]
            connection.execute("COMMIT")
        assert direct.execute(keys).fetchall() == [*before, ("k", True)]
        assert direct.execute("SELECT count(*) FROM orders WHERE filled IS NULL").fetchone() == (0,)
        marks = "SELECT count(*) FROM pg_constraint WHERE conname LIKE '\\_interlock%'"
        assert direct.execute(marks).fetchone() == (0,)
