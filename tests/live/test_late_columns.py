"""Columns that come, go or are renamed in a transaction: until its end they keep nobody out, unless something might see them."""

from __future__ import annotations

import psycopg
import pytest

from tests.live.test_late import CHECK, INDEX, KEY, NOTE, locked, versions
from tests.servers import Server

__all__ = ["versions"]

ADDED = "ALTER TABLE orders ADD COLUMN more text"
DROPPED = "ALTER TABLE orders DROP COLUMN email"
RENAMED = "ALTER TABLE orders RENAME COLUMN email TO mail"
COLUMNS = (
    "SELECT string_agg(concat(attname, ' ', format_type(atttypid, atttypmod)), ', ' ORDER BY attnum) FROM pg_attribute"
    " WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped"
)
# About other tables, about none, or about columns again, which is tried behind what waits.
BLIND = (
    NOTE.format(1),
    "CREATE INDEX i ON customers (name)",
    "CREATE INDEX ON customers (name)",
    "ALTER TABLE customers ALTER COLUMN name SET NOT NULL",
    "ALTER TABLE customers ADD COLUMN more text",
    "ALTER TABLE orders ADD COLUMN another int",
    "ALTER TABLE orders RENAME COLUMN total TO sum",
    "SELECT version()",
)
SEES = (
    INDEX,
    CHECK,
    KEY,
    "CREATE INDEX orders_total ON customers (name)",
    "ALTER TABLE orders ALTER COLUMN email SET DEFAULT 'x'",
    "ALTER TABLE orders ALTER COLUMN email DROP NOT NULL",
    "ALTER TABLE orders ALTER COLUMN email SET NOT NULL",
    "ALTER TABLE customers ADD COLUMN boss bigint REFERENCES orders",
    "DROP INDEX orders_total",
    "ALTER TABLE orders DROP COLUMN total",
    "ALTER TABLE orders ADD COLUMN n int DEFAULT 1",
    "SELECT 1 FROM customers",
    "SELECT 1 FROM orders",
    "SAVEPOINT a",
    "DROP TABLE customers",
    "CREATE VIEW v AS SELECT 1 AS one",
    "COMMENT ON TABLE orders IS 'x'",
)


def direct(url: str, *statements: str) -> object:
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("BEGIN")
        for sql in statements:
            session.execute(sql.encode())
        row = session.execute(COLUMNS).fetchone()
        session.execute("ROLLBACK")
    return row


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("sql", [ADDED, DROPPED, RENAMED])
def test_their_lock_is_not_held(prepare: bool, sql: str, versions: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        for statement in (sql, *BLIND):
            connection.execute(statement.encode(), prepare=prepare)
            assert not locked(versions), statement
        expected = direct(versions, sql, *(other for other in BLIND if "orders" in other))
        assert connection.execute("COMMIT").statusmessage == "COMMIT"
    with psycopg.connect(versions) as session:
        assert session.execute(COLUMNS).fetchone() == expected


BOSS = "ALTER TABLE orders ADD COLUMN boss bigint"
ABOUT = (
    "CREATE INDEX orders_boss ON orders (boss)",
    "CREATE INDEX ON orders (boss, id) WHERE boss > 5",
    "CREATE INDEX IF NOT EXISTS orders_boss_2 ON public.orders ((boss + 1))",
    "ALTER TABLE orders ADD CONSTRAINT boss FOREIGN KEY (boss) REFERENCES customers",
    "ALTER TABLE orders ADD FOREIGN KEY (boss) REFERENCES customers (id) ON DELETE CASCADE",
    "ALTER TABLE orders ADD CONSTRAINT boss_2 FOREIGN KEY (boss) REFERENCES customers NOT VALID",
    "ALTER TABLE orders VALIDATE CONSTRAINT boss_2",
    "ALTER TABLE customers ADD CONSTRAINT named CHECK (id > 0)",  # tried behind the key, which is tried behind its column
)
THERE = """
SELECT indexdef, '' FROM pg_indexes WHERE tablename = 'orders'
UNION ALL SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass ORDER BY 1, 2
"""


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_what_is_put_off_about_a_new_column_leaves_it_waiting(prepare: bool, versions: str, guarded: str) -> None:
    with psycopg.connect(versions, autocommit=True) as session:
        session.execute("BEGIN")
        for sql in (BOSS, *ABOUT):
            session.execute(sql.encode())
        expected = session.execute(THERE).fetchall()
        session.execute("ROLLBACK")
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        for sql in (BOSS, *ABOUT):
            connection.execute(sql.encode(), prepare=prepare)
            assert not locked(versions), sql
        assert connection.execute("COMMIT").statusmessage == "COMMIT"
    with psycopg.connect(versions) as session:
        assert session.execute(THERE).fetchall() == expected
        assert session.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX ON orders (nothing)",
        "CREATE INDEX customers_pkey ON orders (boss)",
        "CREATE INDEX ON orders (more)",
        "CREATE INDEX ON orders ((random() * boss))",
        "CREATE INDEX ON orders (lower(boss))",
        "CREATE INDEX ON orders USING gin (boss)",
        "ALTER TABLE orders ADD FOREIGN KEY (boss) REFERENCES customers (name)",
        "ALTER TABLE orders ADD FOREIGN KEY (boss) REFERENCES nowhere",
        "ALTER TABLE orders ADD FOREIGN KEY (more) REFERENCES customers",
        "ALTER TABLE orders ADD CONSTRAINT taken FOREIGN KEY (boss) REFERENCES customers",
        "ALTER TABLE orders ADD FOREIGN KEY (boss) REFERENCES orders (total)",
        "ALTER TABLE orders DROP COLUMN boss, ADD FOREIGN KEY (boss) REFERENCES customers",
    ],
)
def test_errors_about_a_new_column_come_at_once(sql: str, versions: str, guarded: str) -> None:
    told = []
    with psycopg.connect(versions, autocommit=True) as session:
        session.execute("ALTER TABLE orders ADD CONSTRAINT taken CHECK (id > 0)")
    for url in (versions, guarded):
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("BEGIN")
            session.execute(BOSS)
            session.execute("ALTER TABLE orders ADD COLUMN more json")
            with pytest.raises(psycopg.Error) as caught:
                session.execute(sql.encode())
            said = caught.value.diag
            told.append((said.sqlstate, said.message_primary, said.message_detail, said.statement_position))
    assert told[0] == told[1]


@pytest.mark.parametrize("sql", SEES)
@pytest.mark.parametrize("first", [ADDED, DROPPED, RENAMED])
def test_whatever_might_see_them_does(first: str, sql: str, versions: str, guarded: str) -> None:
    """The same answer as straight from the server, to that statement and to what the columns are then."""
    with psycopg.connect(versions, autocommit=True) as session:
        session.execute("CREATE INDEX orders_total ON orders (total)")

    def story(url: str) -> tuple[str, object]:
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("BEGIN")
            session.execute(first.encode())
            try:
                session.execute(sql.encode())
            except psycopg.Error as error:
                return error.sqlstate or "", ""
            assert url == versions or sql == INDEX or locked(versions)
            found = session.execute(COLUMNS).fetchone()
            session.execute("ROLLBACK")
            return "", found

    assert story(guarded) == story(versions)


@pytest.mark.parametrize(
    ("sql", "before"),
    [
        ("ALTER TABLE orders ADD COLUMN email text", ""),
        ("ALTER TABLE orders ADD COLUMN more no_such_type", ""),
        ("ALTER TABLE orders DROP COLUMN no_such_column", ""),
        (DROPPED, "CREATE VIEW v AS SELECT email FROM orders"),
        ("ALTER TABLE orders RENAME COLUMN no_such_column TO x", ""),
        ("ALTER TABLE orders RENAME COLUMN email TO total", ""),
        ("ALTER TABLE orders RENAME COLUMN email TO xmin", ""),
    ],
)
def test_their_errors_come_at_once(sql: str, before: str, versions: str, guarded: str) -> None:
    with psycopg.connect(versions, autocommit=True) as session:
        session.execute(before.encode() or b"SELECT 1")
    told = []
    for url in (versions, guarded):
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("BEGIN")
            with pytest.raises(psycopg.Error) as caught:
                session.execute(sql.encode())
            told.append((caught.value.sqlstate, caught.value.diag.message_primary))
            session.execute("ROLLBACK")
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE customers DROP COLUMN id CASCADE",
        "ALTER TABLE orders DROP COLUMN total",  # its index goes, and with it a name
        "ALTER TABLE orders DROP COLUMN number CASCADE",
        "ALTER TABLE orders DROP COLUMN IF EXISTS number",
        "ALTER TABLE orders ADD COLUMN number_2 serial",
        "ALTER TABLE orders ADD COLUMN number_2 int DEFAULT 1",
        "ALTER TABLE orders RENAME TO orders_2",
        "ALTER TABLE parent ADD COLUMN more text",
        "ALTER TABLE heir DROP COLUMN own",
    ],
)
def test_what_takes_more_along_is_run_when_it_comes(sql: str, versions: str, guarded: str) -> None:
    with psycopg.connect(versions, autocommit=True) as session:
        session.execute(
            "ALTER TABLE orders ADD COLUMN number int; CREATE INDEX ON orders (total); CREATE TABLE parent (id int)"
        )
        session.execute("CREATE TABLE heir (own int) INHERITS (parent)")
    held = (
        "SELECT EXISTS (SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND locktype = 'relation' AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )
    with psycopg.connect(guarded, autocommit=True) as connection, psycopg.connect(versions, autocommit=True) as looking:
        connection.execute("BEGIN")
        connection.execute(sql.encode())
        assert looking.execute(held).fetchone() == (True,)
        connection.execute("ROLLBACK")


def test_where_it_is_written_down_is_made_before_the_lock(postgres: Server, versions: str, guarded: str) -> None:
    """The first thing that this database ever puts off, behind a column that has waited till then."""
    since = postgres.log_bytes
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE orders ADD COLUMN boss bigint")
        connection.execute("ALTER TABLE orders ADD CONSTRAINT k CHECK (boss > 0)")
        connection.execute("COMMIT")
    ran = postgres.statements(versions, since=since)
    made = next(n for n, sql in enumerate(ran) if sql.startswith("CREATE TABLE interlock.jobs"))
    tried, in_earnest = (n for n, sql in enumerate(ran) if sql.startswith("ALTER TABLE orders ADD COLUMN boss"))
    assert tried < made < in_earnest
    assert not any("'privileged'" in sql for sql in ran[in_earnest : ran.index("COMMIT")])  # nor is it looked at again
    with psycopg.connect(versions) as session:
        assert session.execute("SELECT convalidated FROM pg_constraint WHERE conname = 'k'").fetchone() == (True,)


def test_a_partitioned_table_gets_an_identity_column_only_where_postgres_gives_it_one(
    orders: str, guarded: str, postgres: Server
) -> None:
    """Up to 16 it refuses; in steps the partitions would have a column that nothing numbers."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("CREATE TABLE parts (at int) PARTITION BY RANGE (at)")
        connection.execute("CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)")
        connection.execute("INSERT INTO parts VALUES (1), (2)")
        add = "ALTER TABLE parts ADD n int GENERATED ALWAYS AS IDENTITY"
        if postgres.version < 17:
            with pytest.raises(psycopg.Error):
                connection.execute(add)
            return
        connection.execute(add)
        connection.execute("INSERT INTO parts_1 (at) VALUES (3)")
        assert connection.execute("SELECT n FROM parts ORDER BY n").fetchall() == [(1,), (2,), (3,)]
