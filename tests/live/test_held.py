"""What a transaction has locked or written is known to what follows in it, as pg_locks has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.live.conftest import POLICY, through
from tests.proxies import Proxy
from tests.servers import Server

ADD = "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total >= 0) NOT VALID"
VALIDATE = "ALTER TABLE orders VALIDATE CONSTRAINT positive"
SEVERAL = "rules: { several-tables-locked: warn, data-with-schema: warn }"


class Client:
    """A session through Interlock, and the rules that it has heard of."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.said: list[str] = []
        self.connection.add_notice_handler(lambda d: self.said.append(d.message_primary or ""))

    def run(self, *statements: str) -> list[str]:
        """What is said about the last one."""
        for sql in statements:
            self.said.clear()
            self.connection.execute(sql)
        return list(self.said)


@pytest.fixture
def client(guarded: str) -> Iterator[Client]:
    found = Client(guarded)
    yield found
    found.connection.close()


@pytest.fixture
def warned(orders: str, share_proxy: Callable[[str], Proxy]) -> Iterator[Client]:
    found = Client(through(share_proxy(POLICY + SEVERAL), orders))
    yield found
    found.connection.close()


def constraints(url: str) -> dict[str, bool]:
    with psycopg.connect(url) as connection:
        sql = "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'orders'::regclass AND contype = 'c'"
        return dict(connection.execute(sql).fetchall())


def schema(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass"
            " UNION ALL SELECT attname, attnotnull, '' FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0"
            " ORDER BY 1, 3"
        ).fetchall()


# ---------------------------------------------------------------- VALIDATE


def test_a_validate_behind_its_not_valid_waits_for_commit(client: Client, orders: str) -> None:
    said = client.run("BEGIN", ADD, VALIDATE)
    assert said == ["interlock: after COMMIT ALTER TABLE public.orders VALIDATE CONSTRAINT positive"]
    with psycopg.connect(orders) as other:  # nothing has been scanned under the lock, and nothing is valid yet
        other.execute("SET statement_timeout = '5s'; SELECT 1")
    client.run("COMMIT")
    assert constraints(orders) == {"positive": True}


def test_in_one_query_string_too(client: Client, orders: str) -> None:
    client.run(f"{ADD}; {VALIDATE}")
    assert constraints(orders) == {"positive": True}
    assert any("after COMMIT" in text for text in client.said)


def test_a_violating_row_is_told_where_the_server_would_tell_it(client: Client, orders: str) -> None:
    with psycopg.connect(orders, autocommit=True) as other:
        other.execute("UPDATE orders SET total = -1 WHERE id = 7")
    with pytest.raises(psycopg.errors.CheckViolation):
        client.run("BEGIN", ADD, VALIDATE)
    client.run("ROLLBACK")
    assert constraints(orders) == {}


def test_a_savepoint_that_is_rolled_back_gives_up_its_locks(client: Client, orders: str) -> None:
    with psycopg.connect(orders, autocommit=True) as other:
        other.execute(ADD)
    said = client.run("BEGIN", "SAVEPOINT s", "ALTER TABLE orders ADD COLUMN later int", "ROLLBACK TO s", VALIDATE)
    assert said == []
    with psycopg.connect(orders) as other:  # readers and writers go on beside it
        other.execute("SET lock_timeout = '2s'")
        other.execute("UPDATE orders SET email = email WHERE id = 3")
    client.run("COMMIT")
    assert constraints(orders) == {"positive": True}


def test_a_validate_alone_in_a_transaction_is_left_alone(client: Client, orders: str) -> None:
    with psycopg.connect(orders, autocommit=True) as other:
        other.execute(ADD)
    assert client.run("BEGIN", VALIDATE) == []
    client.run("COMMIT")
    assert constraints(orders) == {"positive": True}


def test_what_is_not_there_gets_the_servers_own_error(client: Client) -> None:
    client.run("BEGIN", "ALTER TABLE orders ADD COLUMN later int")
    with pytest.raises(psycopg.errors.UndefinedObject):
        client.run("ALTER TABLE orders VALIDATE CONSTRAINT nowhere")
    client.run("ROLLBACK")


@pytest.mark.parametrize(
    "script",
    [
        [ADD, VALIDATE, "ALTER TABLE orders DROP CONSTRAINT positive"],
        [ADD, VALIDATE, "ALTER TABLE orders RENAME CONSTRAINT positive TO sure"],
        [
            "ALTER TABLE orders ADD CONSTRAINT given CHECK (email IS NOT NULL) NOT VALID",
            "ALTER TABLE orders VALIDATE CONSTRAINT given",
            "ALTER TABLE orders ALTER email SET NOT NULL",
            "ALTER TABLE orders DROP CONSTRAINT given",
        ],
        [
            "ALTER TABLE customers ADD COLUMN later int",
            "ALTER TABLE orders ADD CONSTRAINT known FOREIGN KEY (customer_id) REFERENCES customers NOT VALID",
            "ALTER TABLE orders VALIDATE CONSTRAINT known",
        ],
    ],
    ids=["dropped", "renamed", "by-hand", "foreign-key"],
)
def test_the_schema_is_the_one_that_the_author_wrote(
    script: list[str], client: Client, orders: str, postgres: Server
) -> None:
    client.run("BEGIN", *script, "COMMIT")
    through_interlock = schema(orders)
    client.run(
        "DROP TABLE orders", "CREATE TABLE orders (id bigint NOT NULL, customer_id bigint, email text, total numeric)"
    )
    with psycopg.connect(orders, autocommit=True) as direct:
        direct.execute("DROP TABLE orders")
        direct.execute(
            'CREATE TABLE orders (id bigint NOT NULL, customer_id bigint, email text, total numeric, "Note" text)'
        )
        direct.execute("ALTER TABLE customers DROP COLUMN IF EXISTS later")
        with direct.transaction():
            for sql in script:
                direct.execute(sql)
    assert through_interlock == schema(orders)


def test_with_another_action_it_is_done_by_itself(client: Client, orders: str) -> None:
    with psycopg.connect(orders, autocommit=True) as other:
        other.execute(ADD)
    client.run(f"{VALIDATE}, ADD COLUMN later int")
    assert constraints(orders) == {"positive": True}
    assert any("VALIDATE CONSTRAINT positive" in text for text in client.said)


# ---------------------------------------------------------------- what else is held


def told(said: list[str], rule: str) -> bool:
    return any(f"[{rule}]" in text for text in said)


def test_work_under_a_lock(warned: Client) -> None:
    assert told(
        warned.run("BEGIN", "ALTER TABLE orders ADD COLUMN a int", "CREATE TABLE c AS SELECT 1 AS a"), "work-under-lock"
    )
    assert not told(warned.run("CREATE TABLE d AS SELECT 1 AS a WITH NO DATA"), "work-under-lock")
    warned.run("ROLLBACK")
    assert not told(warned.run("BEGIN", "CREATE TABLE c AS SELECT 1 AS a"), "work-under-lock")
    warned.run("ROLLBACK")


def test_one_more_table(warned: Client) -> None:
    said = warned.run("BEGIN", "ALTER TABLE orders ADD a int DEFAULT 1", "ALTER TABLE customers ADD a int DEFAULT 1")
    assert told(said, "several-tables-locked")
    assert not told(warned.run("ALTER TABLE customers ADD b int DEFAULT 1"), "several-tables-locked")
    warned.run("ROLLBACK")
    said = warned.run(
        "BEGIN", "CREATE TABLE mine (a int)", "ALTER TABLE mine ADD b int", "ALTER TABLE orders ADD a int DEFAULT 1"
    )
    assert not told(said, "several-tables-locked")
    warned.run("ROLLBACK")


def test_what_runs_at_the_end_has_not_locked_yet(warned: Client) -> None:
    said = warned.run("BEGIN", "ALTER TABLE orders ADD COLUMN a int", "ALTER TABLE customers ADD COLUMN a int")
    assert not told(said, "several-tables-locked")
    warned.run("ROLLBACK")
    said = warned.run(
        "BEGIN", "ALTER TABLE orders ADD COLUMN a int", "SELECT a FROM orders", "ALTER TABLE customers ADD COLUMN a int"
    )
    assert told(said, "several-tables-locked"), "it has been run for the query"
    warned.run("ROLLBACK")


def test_rows_that_were_written(warned: Client) -> None:
    said = warned.run("BEGIN", "UPDATE customers SET name = 'x' WHERE id = 1", "ALTER TABLE orders ADD COLUMN a int")
    assert told(said, "data-with-schema")
    warned.run("ROLLBACK")
    said = warned.run(
        "BEGIN", "CREATE TABLE alembic_version (v text)", "COMMIT", "BEGIN", "INSERT INTO alembic_version VALUES ('1')",
        "ALTER TABLE orders ADD COLUMN a int",
    )  # fmt: skip
    assert not told(said, "data-with-schema")
    warned.run("ROLLBACK")
    said = warned.run(
        "BEGIN", "SAVEPOINT s", "UPDATE customers SET name = 'x' WHERE id = 1", "ROLLBACK TO s", "ALTER TABLE orders ADD a int"
    )  # fmt: skip
    assert not told(said, "data-with-schema")
    warned.run("ROLLBACK")


def test_jobs_of_ours_are_no_data(warned: Client, orders: str) -> None:
    """What is written down for after COMMIT is a row of a table, too."""
    said = warned.run("BEGIN", "CREATE INDEX later ON orders (email)", "ALTER TABLE orders ADD COLUMN a int")
    assert not told(said, "data-with-schema")
    warned.run("COMMIT")


# ---------------------------------------------------------------- interrupted


def test_a_partition_that_is_half_detached(client: Client, orders: str, postgres: Server) -> None:
    if postgres.version < 14:
        pytest.skip("DETACH … CONCURRENTLY is of 14")
    with psycopg.connect(orders, autocommit=True) as direct, psycopg.connect(orders) as reader:
        direct.execute(
            "CREATE TABLE logs (k int) PARTITION BY RANGE (k); CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (9);"
            "INSERT INTO logs VALUES (1)"
        )
        reader.execute("SELECT * FROM logs")
        direct.execute("SET statement_timeout = '300ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            direct.execute("ALTER TABLE logs DETACH PARTITION logs_1 CONCURRENTLY")
    assert told(client.run("BEGIN", "ALTER TABLE logs ADD COLUMN a int"), "detach-pending")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        client.run("ALTER TABLE logs_1 ADD COLUMN a int")
    client.run("ROLLBACK", "BEGIN", "ALTER TABLE logs ADD COLUMN a int")
    with pytest.raises(psycopg.errors.DatatypeMismatch):  # too late to finish it
        client.run("ALTER TABLE logs DETACH PARTITION logs_1 FINALIZE")
    client.run("ROLLBACK")
    assert not told(client.run("ALTER TABLE logs DETACH PARTITION logs_1 FINALIZE"), "detach-pending")
    assert not told(client.run("ALTER TABLE logs ADD COLUMN b int"), "detach-pending")
