"""Old rows of a new column, changed a few at a time while the application goes on: none twice, none left out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import psycopg2
import psycopg2.extras
import pytest

from tests.live.conftest import ORDERS, POLICY, start_guard, through
from tests.live.test_patience import until
from tests.proxies import Proxy
from tests.servers import Server

pytestmark = pytest.mark.sampled(2)  # make same-schema runs them all

ROWS = 5000
NUMBERED = "ALTER TABLE orders ADD COLUMN n bigint NOT NULL DEFAULT number()"
GATE = 4711  # while somebody holds this advisory lock, no row gets a number
NUMBERS = f"""
CREATE SEQUENCE numbers;
CREATE FUNCTION number() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN nextval('public.numbers'); END $$;
"""
SLOWLY = "backfills: { target: 4ms, pause: 1ms }\n"  # a few rows a batch, so that there are many


def one(url: str, sql: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(sql).fetchone()
        return row[0] if row else None


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for sql in statements:
            connection.execute(sql)


@pytest.fixture
def numbers(orders: str) -> str:
    run(orders, NUMBERS)
    return orders


@contextmanager
def locked_rows(url: str, migration: Callable[[], object]) -> Iterator[tuple[psycopg.Connection, Future[object]]]:
    """Begins a migration, and has two rows locked before any is filled; goes on when all others are."""
    with psycopg.connect(url, autocommit=True) as gate, psycopg.connect(url) as holder, ThreadPoolExecutor(1) as pool:
        gate.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        running = pool.submit(migration)
        until(lambda: filled(url) == 0, "the column should be there")
        holder.execute("SELECT FROM orders WHERE id IN (1, 4000) FOR UPDATE")
        gate.execute("SELECT pg_advisory_unlock_all()")
        until(lambda: filled(url) == ROWS - 2, "all rows but the locked ones should be filled")
        try:
            yield holder, running
        finally:
            holder.rollback()


@pytest.fixture
def slow(numbers: str, share_proxy: Callable[[str], Proxy]) -> str:
    return through(share_proxy(POLICY + SLOWLY), numbers)


def left_over(url: str) -> object:
    return one(
        url,
        "SELECT (SELECT count(*) FROM pg_constraint WHERE conname ~ '^_interlock' OR NOT convalidated)"
        " + (SELECT count(*) FROM pg_class WHERE relname ~ '^_interlock')"
        " + (SELECT count(*) FROM pg_trigger WHERE tgname ~ '^_interlock')",
    )


def test_rows_keep_coming_going_and_moving_meanwhile(numbers: str, slow: str) -> None:
    """The sequence tells that each row got its number once, whoever touched it."""
    stop, seen = threading.Event(), [0]

    def application() -> None:
        with psycopg.connect(numbers, autocommit=True) as connection:
            while not stop.is_set():
                i = seen[0]
                connection.execute(
                    "UPDATE orders SET email = email || 'x' WHERE id BETWEEN %s AND %s", (i % 5000, i % 5000 + 40)
                )
                connection.execute("INSERT INTO orders (id, total) VALUES (%s, 1)", (100_000 + i,))
                connection.execute("DELETE FROM orders WHERE id = %s", (5000 - i,))
                seen[0] = i + 1

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(application)
        until(lambda: seen[0] > 3, "the application should be at it")
        run(slow, NUMBERED)
        stop.set()
        running.result(timeout=30)
    assert seen[0] > 20
    assert one(numbers, "SELECT count(*) FROM orders WHERE n IS NULL") == 0
    assert one(numbers, "SELECT count(*) - count(DISTINCT n) FROM orders") == 0
    # Rows that were deleted after they had got a number took theirs along; no number was given in vain.
    used, rows = one(numbers, "SELECT last_value FROM numbers"), one(numbers, "SELECT count(*) FROM orders")
    assert isinstance(used, int)
    assert isinstance(rows, int)
    assert rows <= used <= ROWS + seen[0]
    assert left_over(numbers) == 0


def test_values_are_those_of_one_statement(numbers: str, slow: str) -> None:
    """On a quiet table even the numbers are the same."""
    run(slow, NUMBERED, "ALTER TABLE orders ADD COLUMN s serial")
    assert one(numbers, "SELECT array_agg(n ORDER BY id) = array_agg(id ORDER BY id) FROM orders") is True
    assert one(numbers, "SELECT last_value FROM numbers") == ROWS
    assert one(numbers, "SELECT last_value FROM orders_s_seq") == ROWS


def test_an_identity_column_goes_on_where_the_rows_stopped(numbers: str, slow: str) -> None:
    run(slow, "ALTER TABLE orders ADD COLUMN i int GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5)")
    assert one(numbers, "SELECT max(i) FROM orders") == 10 + 5 * (ROWS - 1)
    assert one(numbers, "INSERT INTO orders (id) VALUES (0) RETURNING i") == 10 + 5 * ROWS
    assert left_over(numbers) == 0


def test_a_locked_row_is_waited_for_and_nobody_waits_for_us(numbers: str, slow: str) -> None:
    with locked_rows(numbers, lambda: run(slow, NUMBERED)) as (holder, running):
        assert one(numbers, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0
        run(numbers, "SET lock_timeout = '100ms'", "UPDATE orders SET total = 0 WHERE id = 77")
        holder.execute("UPDATE orders SET total = 5 WHERE id = 4000")
        holder.commit()
        running.result(timeout=30)
    assert filled(numbers) == ROWS
    assert one(numbers, "SELECT last_value FROM numbers") == ROWS
    assert one(numbers, "SELECT total::int FROM orders WHERE id = 4000") == 5


def filled(url: str) -> object:
    try:
        return one(url, "SELECT count(n) FROM orders")
    except psycopg.errors.UndefinedColumn:
        return None


@pytest.mark.parametrize("how", ["server session", "client", "proxy"])
def test_what_is_interrupted_goes_on_and_changes_no_row_twice(
    how: str, postgres: Server, numbers: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    expected = postgres.create_database()
    proxy = start_guard(start_proxy, tmp_path, SLOWLY)
    client = psycopg.connect(through(proxy, numbers), autocommit=True, application_name="migrator")
    with locked_rows(numbers, lambda: client.execute(NUMBERED)) as (_, running):
        match how:
            case "server session":
                one(numbers, f"SELECT pg_terminate_backend({client.info.backend_pid})")
            case "client":
                client.close()
                until(lambda: "the client is gone" in proxy.stderr_text(), "that nobody waits for it should be noticed")
            case _:
                proxy.kill()
        if how != "client":
            with pytest.raises(psycopg.Error):
                running.result(timeout=30)
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrator'"
    until(lambda: one(numbers, ours) == 0, "its session should be over")
    if how == "client":  # nobody wants it any more: all is taken back
        assert filled(numbers) is None
        assert left_over(numbers) == 0
        return
    assert filled(numbers) == ROWS - 2
    kept = one(numbers, "SELECT array_agg(n ORDER BY id) FROM orders WHERE id NOT IN (1, 4000)")
    again = proxy if how != "proxy" else start_guard(start_proxy, tmp_path, SLOWLY)
    run(through(again, numbers), NUMBERED)
    assert one(numbers, "SELECT array_agg(n ORDER BY id) FROM orders WHERE id NOT IN (1, 4000)") == kept
    assert one(numbers, "SELECT last_value FROM numbers") == ROWS
    assert left_over(numbers) == 0
    with psycopg.connect(postgres.url(expected), autocommit=True) as connection:
        connection.execute(ORDERS + NUMBERS)
        connection.execute(NUMBERED)
    assert postgres.dump(numbers.rpartition("/")[2]) == postgres.dump(expected)
    postgres.drop_database(expected)


def test_a_cancel_takes_all_back(postgres: Server, numbers: str, slow: str) -> None:
    before = postgres.dump(numbers.rpartition("/")[2])
    with psycopg.connect(slow, autocommit=True) as client:
        with locked_rows(numbers, lambda: client.execute(NUMBERED)) as (_, running):
            client.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            running.result(timeout=30)
        assert client.execute("SHOW lock_timeout").fetchone() == ("0",)
    assert postgres.dump(numbers.rpartition("/")[2]) == before


@pytest.mark.parametrize(
    ("words", "sqlstate", "message"),
    [
        ("NOT NULL", "23502", 'column "r" of relation "orders" contains null values'),
        ("", "0A000", 'the default of column "r" is null for some rows of "orders"'),
    ],
)
def test_a_default_that_is_null_for_some_rows(
    words: str, sqlstate: str, message: str, postgres: Server, numbers: str, slow: str
) -> None:
    run(
        numbers,
        "CREATE FUNCTION sometimes() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT nullif(nextval(''numbers''), 77)'",
    )
    before = postgres.dump(numbers.rpartition("/")[2])
    with pytest.raises(psycopg.Error) as caught:
        run(slow, f"ALTER TABLE orders ADD COLUMN r bigint DEFAULT sometimes() {words}")
    assert caught.value.diag.sqlstate == sqlstate
    assert message in (caught.value.diag.message_primary or "")
    assert postgres.dump(numbers.rpartition("/")[2]) == before


TRIGGER = """
CREATE TABLE fired (id bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO fired VALUES (NEW.id); RETURN NEW; END';
CREATE TRIGGER noted BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER not_noted BEFORE UPDATE OF total ON orders FOR EACH ROW EXECUTE FUNCTION note();
"""


@pytest.mark.parametrize(("policy", "fired"), [("reject", None), ("fire", ROWS), ("skip", 0)])
def test_triggers_fire_only_where_the_policy_lets_them(
    policy: str, fired: int | None, numbers: str, share_proxy: Callable[[str], Proxy]
) -> None:
    run(numbers, TRIGGER)
    url = through(share_proxy(f"{POLICY}backfills: {{ triggers: {policy} }}\n"), numbers)
    if fired is None:
        with pytest.raises(psycopg.Error, match=r'would set off "noted"; backfills\.triggers') as caught:
            run(url, NUMBERED)
        assert caught.value.diag.sqlstate == "IL001"
        run(numbers, "DROP TRIGGER noted ON orders")  # one for another column is no reason
        run(url, NUMBERED)
        fired = 0
    else:
        run(url, NUMBERED)
    assert one(numbers, "SELECT count(*) FROM fired") == fired
    assert filled(numbers) == ROWS


def test_row_security_hides_nothing_from_it(numbers: str, slow: str, postgres: Server) -> None:
    """A row that a policy hides would stay empty for ever: that is an error, and all is taken back."""
    role = "hidden_" + numbers.rpartition("/")[2]
    run(
        numbers,
        f"CREATE ROLE {role} LOGIN; ALTER TABLE orders OWNER TO {role}; ALTER SEQUENCE numbers OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role}",
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY; ALTER TABLE orders FORCE ROW LEVEL SECURITY",
        "CREATE POLICY few ON orders USING (id > 10)",
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        run(slow.replace("postgres@", f"{role}@"), NUMBERED)
    assert filled(numbers) is None
    assert left_over(numbers) == 0
    run(numbers, "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY")
    run(slow.replace("postgres@", f"{role}@"), NUMBERED)
    assert filled(numbers) == ROWS
    run(numbers, f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
def test_the_sessions_isolation_is_its_own(level: str, numbers: str, slow: str) -> None:
    with psycopg.connect(slow, autocommit=True) as client:
        client.execute(f"SET default_transaction_isolation = '{level}'")
        client.execute(NUMBERED)
        assert client.execute("SHOW default_transaction_isolation").fetchone() == (level,)
        assert client.execute("SHOW session_replication_role").fetchone() == ("origin",)
    assert filled(numbers) == ROWS


def test_partitions_and_a_row_that_moves_from_one_to_another(numbers: str, slow: str) -> None:
    run(
        numbers,
        "CREATE TABLE events (k int, at int) PARTITION BY LIST (k)",
        "CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1)",
        "CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2, 3) PARTITION BY LIST (k)",
        "CREATE TABLE events_2a PARTITION OF events_2 FOR VALUES IN (2)",
        "CREATE TABLE events_2b PARTITION OF events_2 DEFAULT",
        "INSERT INTO events SELECT g % 3 + 1, g FROM generate_series(1, 3000) g",
    )
    with psycopg.connect(numbers) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("UPDATE events SET k = 1 WHERE at = 2")
        running = pool.submit(run, slow, NUMBERED.replace("orders", "events"))
        until(lambda: locked_out(numbers), "the ALTER should wait for the row")
        holder.commit()
        until(lambda: events(numbers) not in (None, 0), "it should fill")
        holder.execute("UPDATE events SET k = 1 WHERE k = 3")
        holder.commit()
        running.result(timeout=30)
    assert events(numbers) == 3000
    assert one(numbers, "SELECT last_value FROM numbers") == 3000


def locked_out(url: str) -> bool:
    return one(url, "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'snapshot|pg_locks|ADD COLUMN'") != 0


def events(url: str) -> object:
    try:
        return one(url, "SELECT count(n) FROM events")
    except psycopg.errors.UndefinedColumn:
        return None


def test_batches_wait_for_a_standby_that_is_behind(
    postgres: Server, numbers: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    """A receiver of WAL that confirms nothing, until it does."""
    proxy = start_guard(start_proxy, tmp_path, "backfills: { max_lag_size: 1kB, target: 1ms, pause: 1ms }\n")
    info = psycopg.conninfo.conninfo_to_dict(postgres.url())
    standby = psycopg2.connect(
        host=info["host"], port=info["port"], user=info["user"], application_name="far away",
        connection_factory=psycopg2.extras.PhysicalReplicationConnection,
    )  # fmt: skip
    cursor = standby.cursor()
    start = one(numbers, "SELECT pg_current_wal_flush_lsn()::text")
    assert isinstance(start, str)
    cursor.start_replication(slot_type=psycopg2.extras.REPLICATION_PHYSICAL, start_lsn=start, decode=False)
    cursor.send_feedback(write_lsn=1, flush_lsn=1, apply_lsn=1, reply=True)
    told: list[str] = []
    try:
        until(
            lambda: one(numbers, "SELECT state FROM pg_stat_replication") == "streaming" or receive(cursor),
            "it should stream",
        )
        with psycopg.connect(through(proxy, numbers), autocommit=True) as client, ThreadPoolExecutor(1) as pool:
            client.add_notice_handler(lambda d: told.append(d.message_primary or ""))
            running = pool.submit(client.execute, NUMBERED)
            until(
                lambda: any("far away" in line for line in told) or receive(cursor), "it should say whom it waits for"
            )
            assert not running.done()
            standby.close()
            running.result(timeout=30)
    finally:
        standby.close()
    assert filled(numbers) == ROWS
    assert any("pausing until" in line for line in told)


def receive(cursor: psycopg2.extras.ReplicationCursor) -> bool:
    """Take what has come, and confirm nothing."""
    while cursor.read_message() is not None:
        pass
    return False


def test_in_a_transaction_the_rows_are_filled_after_commit(postgres: Server, numbers: str, slow: str) -> None:
    with psycopg.connect(slow) as client:
        client.execute(NUMBERED)
        client.execute("INSERT INTO orders (id) VALUES (9999)")
        client.commit()
    assert filled(numbers) == ROWS + 1
    assert one(numbers, "SELECT last_value FROM numbers") == ROWS + 1
    assert left_over(numbers) == 0
    assert (
        one(numbers, "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'n'")
        is True
    )
