"""What a transaction has asked it does not ask again while its locks keep others waiting, unless the client may have changed it."""

from __future__ import annotations

import struct

import psycopg
import pytest

from proxy.wire import messages as m
from tests.live.raw import Raw
from tests.servers import Server

KEY = "ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (customer_id) REFERENCES customers"
CHECK = "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)"
STATEMENTS = (KEY, CHECK, "ALTER TABLE orders ADD UNIQUE (email)", "DROP INDEX orders_total_idx")
BEHIND = (
    "ALTER TABLE orders DROP COLUMN total", "ALTER TABLE orders RENAME COLUMN email TO mail", "ALTER TABLE orders ADD COLUMN at timestamptz DEFAULT now()",
    "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()", "ALTER TABLE orders ADD COLUMN rank int DEFAULT 1 CHECK (rank > 0)",
    "ALTER TABLE orders DROP CONSTRAINT k", "DROP TABLE customers",
)  # fmt: skip
LOOK = "pg_catalog.pg_blocking_pids"
TABLE = "'may_create'"  # asks whether the table of jobs is there and sound
LEFT = "SELECT name FROM pg_prepared_statements"


def asked(server: Server, url: str, since: int) -> list[str]:
    return server.statements(url.rpartition("/")[2], since=since)


def with_durations(url: str) -> str:
    """The database's name, of whose next sessions the server's log says how long each message took."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(f"ALTER DATABASE {session.info.dbname} SET log_min_duration_statement = 0")
        return session.info.dbname


def committed(connection: psycopg.Connection) -> list[str]:
    connection.execute("COMMIT")
    rows = connection.execute("SELECT statement FROM interlock.jobs WHERE state = 'done' ORDER BY id").fetchall()
    return [row[0] for row in rows]


def test_behind_a_lock_a_statement_asks_once(postgres: Server, orders: str, guarded: str) -> None:
    """The catalog; and nothing about locks that nobody else can have, nor about jobs that nobody else can have changed."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("LOCK TABLE orders, customers IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(KEY)
        for statement in STATEMENTS[1:]:
            since = postgres.log_bytes
            connection.execute(statement)
            ran = asked(postgres, orders, since)
            assert not [sql for sql in ran if TABLE in sql or LOOK in sql or "FROM interlock.jobs j" in sql]
            assert len([sql for sql in ran if sql.startswith("/* interlock */\nWITH")]) == 1
            assert sum("INSERT INTO interlock.jobs" in sql for sql in ran) == 1
        assert committed(connection) == list(STATEMENTS)


def test_the_question_stays_planned(postgres: Server, orders: str, guarded: str) -> None:
    """The statements behind the first find it as it is, whatever they are about."""
    name = with_durations(orders)
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(KEY)
        since = postgres.log_bytes
        for statement in STATEMENTS[1:]:
            connection.execute(statement)
        log = postgres.log_text(name, since=since)
        assert log.count(" parse _interlock_") == 0
        assert log.count(" bind _interlock_") == 3
        connection.execute("ROLLBACK")


def test_what_may_be_asked_behind_the_first_lock_is_planned_before(postgres: Server, orders: str, guarded: str) -> None:
    """Of columns and tables that go and of rows that are filled as well, for which more is asked."""
    name = with_durations(orders)
    first, *others = BEHIND
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(KEY)
        since = postgres.log_bytes
        connection.execute(first)
        log = postgres.log_text(name, since=since)
        assert 0 < log.rindex(" parse _interlock_") < log.index(f": {KEY}") < log.index(f": {first}")
        since = postgres.log_bytes
        for statement in others:
            connection.execute(statement)
        assert " parse _interlock_" not in postgres.log_text(name, since=since)
        connection.execute("ROLLBACK")


def test_but_not_behind_a_lock_that_is_there_already(postgres: Server, orders: str, guarded: str) -> None:
    """What may never be asked would keep others waiting."""
    name = with_durations(orders)
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE customers ADD COLUMN x int DEFAULT 1 NOT NULL")
        since = postgres.log_bytes
        connection.execute("ALTER TABLE orders ALTER COLUMN email SET DEFAULT 'x'")
        connection.execute(BEHIND[0])
        assert " parse _interlock_1" not in postgres.log_text(name, since=since)
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    "between",
    [
        "INSERT INTO customers VALUES (0, 'new')",
        "UPDATE customers SET id = id",
        "SELECT count(*) FROM information_schema.tables",
    ],
)
def test_nor_does_it_ask_again_behind_rows_that_the_tool_reads_or_writes(
    postgres: Server, orders: str, guarded: str, between: str
) -> None:
    """Each tool does so in its table of versions, behind every migration of the transaction."""
    name = with_durations(orders)
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(KEY)
        since = postgres.log_bytes
        for n, statement in enumerate(STATEMENTS[1:]):
            connection.execute(between.replace("(0,", f"({-n},"))
            connection.execute(statement)
        ran = asked(postgres, orders, since)
        assert not [sql for sql in ran if TABLE in sql or "FROM interlock.jobs j" in sql]
        log = postgres.log_text(name, since=since)
        assert (log.count(" parse _interlock_0"), log.count(" execute _interlock_")) == (0, 3)
        assert committed(connection) == list(STATEMENTS)


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK", "broken"])
def test_nothing_of_it_is_left(guarded: str, end: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        for statement in STATEMENTS:
            connection.execute(statement)
        if end == "broken":
            with pytest.raises(psycopg.errors.UndefinedColumn):
                connection.execute("ALTER TABLE orders ADD CHECK (no_such > 0)")
        connection.execute("COMMIT" if end == "COMMIT" else "ROLLBACK")
        assert connection.execute(LEFT).fetchall() == []


def test_nothing_of_it_is_left_if_the_end_comes_in_the_same_flight(guarded: str) -> None:
    with Raw(guarded) as raw:
        raw.query("BEGIN")
        raw.query(KEY)
        run = [m.parse(b"", sql.encode()) + m.bind(b"", b"") + m.execute(b"") for sql in (CHECK, "ROLLBACK")]
        raw.send(*run, m.sync())
        raw.until("Z")
        raw.send(
            m.query(b"BEGIN"),
            m.query(KEY.encode()),
            m.query(CHECK.encode()),
            m.query(b"COMMIT"),
            m.query(LEFT.encode()),
        )
        said = [raw.until("Z") for _ in range(5)]
        assert [kind for kind, _ in said[-1]] == ["T", "C", "Z"]


@pytest.mark.parametrize(
    "between",
    [
        "DEALLOCATE ALL",
        "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$",
        "SET LOCAL search_path = pg_catalog, public",
        "SAVEPOINT a",
        "INSERT INTO customers VALUES (0, 'new')",
        "SELECT forgets()",
        "ALTER TABLE orders ADD COLUMN more text",
    ],
)
def test_what_the_client_does_in_between_is_noticed(orders: str, guarded: str, between: str) -> None:
    with psycopg.connect(orders, autocommit=True) as session:
        session.execute(
            "CREATE FUNCTION forgets() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN 1; END $$"
        )
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        for statement in STATEMENTS:
            connection.execute(statement)
            connection.execute(
                between.replace("more", f"more_{STATEMENTS.index(statement)}").replace(
                    "(0,", f"({-STATEMENTS.index(statement)},"
                )
            )
        assert committed(connection) == list(STATEMENTS)


@pytest.mark.parametrize("how", ["function call", "portal with more rows"])
def test_what_the_client_does_without_a_tag_is_noticed(orders: str, guarded: str, how: str) -> None:
    """Neither ends in a CommandComplete."""
    with psycopg.connect(orders, autocommit=True) as session:
        made = "CREATE FUNCTION forget() RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DEALLOCATE ALL'; RETURN QUERY VALUES (1), (2); END $$"
        session.execute(
            made
            if how != "function call"
            else made.replace("SETOF int", "void").replace("RETURN QUERY VALUES (1), (2);", "")
        )
        row = session.execute("SELECT 'forget'::regproc::oid").fetchone()
        assert row is not None
    with Raw(guarded) as raw:
        raw.query("BEGIN")
        for statement in STATEMENTS:
            assert "E" not in [kind for kind, _ in raw.query(statement)]
            if how == "function call":
                body = struct.pack(">IhhH", row[0], 0, 0, 0)
                raw.send(b"F" + struct.pack(">I", len(body) + 4) + body)
            else:
                raw.send(m.parse(b"", b"SELECT forget()") + m.bind(b"", b"") + m.execute(b"", 1) + m.sync())
            assert [kind for kind, _ in raw.until("Z")][-2] in ("V", "s")
        raw.query("COMMIT")
    with psycopg.connect(orders) as session:
        assert session.execute("SELECT count(*) FROM interlock.jobs WHERE state = 'done'").fetchone() == (
            len(STATEMENTS),
        )


@pytest.mark.parametrize("how", ["SET LOCAL TimeZone = '{}'", "SELECT set_config('TimeZone', '{}', true)"])
def test_each_job_has_the_settings_of_its_own_statement(guarded: str, how: str) -> None:
    """Which are looked up again only where the client may have changed them."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        zones = ("Asia/Tokyo", "Asia/Tokyo", "Europe/Zurich", "Europe/Zurich")
        for n, (zone, statement) in enumerate(zip(zones, STATEMENTS, strict=True)):
            if n % 2 == 0:
                connection.execute(how.format(zone))
            connection.execute(statement)
        found = connection.execute(
            "SELECT settings::json ->> 'TimeZone', settings::json ->> 'search_path' FROM interlock.jobs ORDER BY id"
        ).fetchall()
        assert found == [(zone, '"$user", public') for zone in zones]


def test_rollback_to_takes_the_table_of_jobs_and_what_was_known_of_it(guarded: str) -> None:
    """It had been made behind the savepoint."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("SAVEPOINT a")
        connection.execute(KEY)
        connection.execute(CHECK)
        connection.execute("ROLLBACK TO a")
        connection.execute(CHECK)
        connection.execute("CREATE INDEX c_idx ON orders (email)")
        assert committed(connection) == [CHECK, "CREATE INDEX c_idx ON orders (email)"]


@pytest.mark.parametrize(
    "drop", ["DROP TABLE interlock.jobs", "DROP SCHEMA interlock CASCADE", "TRUNCATE interlock.jobs"]
)
def test_the_client_may_take_the_table_of_jobs_away(guarded: str, drop: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(KEY)
        connection.execute(drop)
        connection.execute("CREATE INDEX c_idx ON orders (email)")
        connection.execute("COMMENT ON INDEX c_idx IS 'waits'")
        assert committed(connection) == ["CREATE INDEX c_idx ON orders (email)", "COMMENT ON INDEX c_idx IS 'waits'"]


def test_jobs_that_the_client_deletes_wait_no_more(guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE INDEX i ON orders (email)")
        connection.execute("DELETE FROM interlock.jobs")
        connection.execute("CREATE INDEX i ON orders (email)")  # the name is free
        assert committed(connection) == ["CREATE INDEX i ON orders (email)"]


def test_who_may_not_see_what_waits_is_told_so(guarded: str, orders: str) -> None:
    """The table was looked at as the first role; what the second would do depends on what it cannot see."""
    role = f"blind_{psycopg.conninfo.conninfo_to_dict(orders)['dbname']}"
    with psycopg.connect(orders, autocommit=True) as session:
        session.execute(f"CREATE ROLE {role}; ALTER TABLE orders OWNER TO {role}")
    try:
        with psycopg.connect(guarded, autocommit=True) as connection:
            connection.execute("BEGIN")
            connection.execute("CREATE INDEX i ON orders (email)")
            connection.execute("REVOKE INSERT ON interlock.jobs FROM PUBLIC")
            connection.execute(f"SET LOCAL ROLE {role}")
            with pytest.raises(psycopg.Error, match="cannot be seen what waits for COMMIT") as caught:
                connection.execute("CREATE INDEX j ON orders (total)")
            assert caught.value.sqlstate == "IL001"
            assert connection.execute("COMMIT").statusmessage == "ROLLBACK"
    finally:
        with psycopg.connect(orders, autocommit=True) as session:
            session.execute(f"ALTER TABLE orders OWNER TO CURRENT_USER; DROP ROLE {role}")
