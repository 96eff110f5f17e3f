"""What nothing in a transaction looks at is run just before its end: until then its lock keeps nobody out."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable

import psycopg
import pytest

from proxy.wire import messages as m
from tests.live.conftest import POLICY, through
from tests.live.raw import Raw
from tests.proxies import Proxy

KEY = "ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (customer_id) REFERENCES customers"
CHECK = "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)"
NOT_NULL = "ALTER TABLE orders ALTER COLUMN email SET NOT NULL"
DEFAULT = "ALTER TABLE orders ALTER COLUMN email SET DEFAULT 'none'"
NULLABLE = "ALTER TABLE orders ALTER COLUMN email DROP NOT NULL"
INDEX = "CREATE INDEX i ON orders (email)"
UNIQUE = "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id)"
LATE = (KEY, CHECK, NOT_NULL, DEFAULT, NULLABLE)
LOCKS = (
    "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname IN ('orders', 'customers')"
    " AND l.mode IN ('AccessExclusiveLock', 'ShareRowExclusiveLock') AND l.database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
)
NOTE = "INSERT INTO schema_migrations (version) VALUES ('{}')"
CONSTRAINTS = "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conname IN ('k', 'c', 'c2')"


SEES = (
    "SELECT count(*) FROM customers",
    "INSERT INTO customers VALUES (900, 'x')",
    "INSERT INTO schema_migrations SELECT 'x'",
    "INSERT INTO schema_migrations (version) VALUES (lower('X'))",
    "INSERT INTO schema_migrations (version) VALUES ('1'); SELECT 1",
    "SET LOCAL search_path = public",
    "SAVEPOINT a",
    "CREATE TABLE new (id int)",
    "ALTER TABLE orders ADD COLUMN more text DEFAULT 'x' NOT NULL",
    "ALTER TABLE orders ADD CONSTRAINT c CHECK (total < 0)",
    "DO $$ BEGIN END $$",
    "LOCK TABLE customers IN ACCESS SHARE MODE",
    "DECLARE p CURSOR FOR SELECT * FROM orders",
    "COPY orders TO STDOUT",
    "EXPLAIN SELECT * FROM orders",
    "no such statement",
)


def locked(url: str) -> bool:
    with psycopg.connect(url) as session:
        row = session.execute(LOCKS).fetchone()
        assert row is not None
        return bool(row[0])


def constraints(url: str) -> str:
    with psycopg.connect(url) as session:
        row = session.execute(CONSTRAINTS).fetchone()
        assert row is not None
        return row[0] or ""


@pytest.fixture
def versions(orders: str) -> str:
    with psycopg.connect(orders, autocommit=True) as session:
        session.execute("CREATE TABLE schema_migrations (version text PRIMARY KEY)")
    return orders


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("sql", LATE)
def test_its_lock_is_not_held(prepare: bool, sql: str, versions: str, guarded: str) -> None:
    """Neither behind the statement, nor behind what comes after it and cannot see it."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        assert connection.execute(sql, prepare=prepare).statusmessage == "ALTER TABLE"
        assert not locked(versions)
        connection.execute(INDEX, prepare=prepare)
        connection.execute(NOTE.format(1), prepare=prepare)
        connection.execute("UPDATE schema_migrations SET version = %s WHERE version = %s", ("2", "1"))
        connection.execute(UNIQUE, prepare=prepare)
        assert not locked(versions)
        assert connection.execute("COMMIT").statusmessage == "COMMIT"
    with psycopg.connect(versions) as session:
        assert session.execute("SELECT count(*) FROM pg_constraint WHERE NOT convalidated").fetchone() == (0,)
        row = session.execute(
            "SELECT attnotnull, atthasdef, (SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint"
            " WHERE conname IN ('k', 'c', 'u')) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'email'"
        ).fetchone()
    more = {KEY: "k", CHECK: "c"}.get(sql)
    assert row == (sql == NOT_NULL, sql == DEFAULT, f"{more} u" if more else "u")


def test_all_of_them_together(versions: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        said: list[str] = []
        connection.add_notice_handler(lambda d: said.append(d.message_primary or ""))
        connection.execute("BEGIN")
        for n, sql in enumerate((NULLABLE, NOT_NULL, DEFAULT, CHECK, KEY)):
            connection.execute(sql.encode())
            connection.execute(NOTE.format(n).encode())
        assert not locked(versions)
        assert constraints(versions) == ""
        connection.execute("COMMIT")
    assert constraints(versions) == "c k"
    assert any(
        text.startswith("interlock: just before COMMIT ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID")
        for text in said
    )


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("sql", SEES)
def test_whatever_might_see_it_finds_it_done(extended: bool, sql: str, versions: str, guarded: str) -> None:
    """Its lock is held then, as it always is behind an ALTER TABLE."""
    with Raw(guarded) as raw:
        raw.query("BEGIN")
        assert [kind for kind, _ in raw.query(CHECK)][-2:] == ["C", "Z"]
        assert not locked(versions)
        if extended:
            raw.send(m.parse(b"", sql.encode()) + m.bind(b"", b"") + m.execute(b"") + m.sync())
            answer = raw.until("Z")
        else:
            answer = raw.query(sql)
        fails = sql in ("no such statement", "ALTER TABLE orders ADD CONSTRAINT c CHECK (total < 0)")
        fails |= extended and sql.startswith("INSERT") and ";" in sql  # a Parse takes one statement
        assert ("E" in [kind for kind, _ in answer]) == fails
        if not fails:
            assert locked(versions)
            assert [
                body for kind, body in raw.query("SELECT conname FROM pg_constraint WHERE conname = 'c'") if kind == "D"
            ]
        raw.query("ROLLBACK")
    assert constraints(versions) == ""


@pytest.mark.parametrize(
    "sql", ["ALTER TABLE orders VALIDATE CONSTRAINT c", "COMMENT ON CONSTRAINT c ON orders IS 'x'"]
)
def test_what_comes_after_commit_behind_it_may_wait_with_it(sql: str, versions: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(CHECK)
        connection.execute(sql.encode())
        assert not locked(versions)
        connection.execute("COMMIT")
        found = connection.execute(
            "SELECT convalidated, obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'c'"
        ).fetchone()
    assert found == (True, "x" if "COMMENT" in sql else None)


ROWS = "INSERT INTO orders (id, customer_id, email, total) SELECT g, 1, 'x', g FROM generate_series({}, 300000) g"


@pytest.fixture
def many(versions: str) -> str:
    """So many rows that nobody reads them while others are kept out."""
    with psycopg.connect(versions, autocommit=True) as session:
        session.execute("INSERT INTO customers VALUES (1, 'x') ON CONFLICT DO NOTHING")
        session.execute(ROWS.format("(SELECT max(id) + 1 FROM orders)").encode())
        session.execute("VACUUM ANALYZE orders")
    return versions


NOT_VALID = (f"{CHECK} NOT VALID", f"{KEY} NOT VALID")


def test_the_same_constraint_twice_in_one_query_string_is_refused(versions: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection, pytest.raises(psycopg.errors.DuplicateObject):
        connection.execute(f"BEGIN; {CHECK} NOT VALID; {CHECK}; COMMIT".encode())


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_what_is_validated_in_the_same_transaction_goes_on_waiting(prepare: bool, many: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        for sql in (*NOT_VALID, "ALTER TABLE orders VALIDATE CONSTRAINT c", "ALTER TABLE orders VALIDATE CONSTRAINT k"):
            assert connection.execute(sql.encode(), prepare=prepare).statusmessage == "ALTER TABLE"
            assert not locked(many)
        connection.execute(NOTE.format(1).encode(), prepare=prepare)
        assert not locked(many)
        assert constraints(many) == ""
        connection.execute("COMMIT")
    with psycopg.connect(many) as session:
        assert constraints(many) == "c k"
        assert session.execute("SELECT count(*) FROM pg_constraint WHERE NOT convalidated").fetchone() == (0,)


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("ALTER TABLE orders VALIDATE CONSTRAINT nothing", "42704"),
        ("ALTER TABLE orders VALIDATE CONSTRAINT c, VALIDATE CONSTRAINT nothing", "42704"),
        ("ALTER TABLE customers VALIDATE CONSTRAINT c", "42704"),
        ("ALTER TABLE nowhere VALIDATE CONSTRAINT c", "42P01"),
        ("ALTER TABLE orders VALIDATE CONSTRAINT email_is_there", "23514"),
    ],
)
def test_its_error_comes_at_once_where_it_is_validated(sql: str, sqlstate: str, many: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(NOT_VALID[0].encode())
        connection.execute("ALTER TABLE orders ADD CONSTRAINT email_is_there CHECK (email IS NULL) NOT VALID")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(sql.encode())
        assert caught.value.sqlstate == sqlstate
        connection.execute("ROLLBACK")
    with psycopg.connect(many, autocommit=True) as session:
        session.execute("BEGIN")
        session.execute(NOT_VALID[0].encode())
        session.execute("ALTER TABLE orders ADD CONSTRAINT email_is_there CHECK (email IS NULL) NOT VALID")
        with pytest.raises(psycopg.Error) as directly:
            session.execute(sql.encode())
    assert directly.value.diag.message_primary == caught.value.diag.message_primary


def test_what_was_prepared_before_it_finds_it_done(versions: str, guarded: str) -> None:
    """A Bind tells no text: the server is asked for it."""
    with Raw(guarded) as raw:
        for name, sql in (
            (b"rows", b"SELECT count(*) FROM orders"),
            (b"note", NOTE.format(1).encode()),
            (b"done", b"COMMIT"),
        ):
            raw.send(m.parse(name, sql) + m.sync())
            raw.until("Z")
        raw.query("BEGIN")
        raw.query(CHECK)
        raw.send(m.bind(b"", b"note") + m.execute(b"") + m.sync())
        assert "C" in [kind for kind, _ in raw.until("Z")]
        assert not locked(versions)
        raw.send(m.bind(b"", b"rows") + m.execute(b"") + m.sync())  # its portal uses the table
        assert "D" in [kind for kind, _ in raw.until("Z")]
        assert locked(versions)
        raw.send(m.bind(b"", b"done") + m.execute(b"") + m.sync())
        assert raw.until("Z")[-1] == ("Z", b"I")
    assert constraints(versions) == "c"


def test_the_end_may_come_without_a_text_and_in_one_flight_with_the_note(versions: str, guarded: str) -> None:
    """As pgjdbc and pipelines send it."""
    with Raw(guarded) as raw:
        raw.send(m.parse(b"S_1", b"COMMIT") + m.sync())
        raw.until("Z")
        raw.query("BEGIN")
        raw.query(KEY)
        note = m.parse(b"", NOTE.format(1).encode()) + m.bind(b"", b"") + m.execute(b"")
        raw.send(note + m.bind(b"", b"S_1") + m.execute(b"") + m.sync())
        answer = raw.until("Z")
        assert [kind for kind, _ in answer if kind in "CE"] == ["C", "C"]
        assert answer[-1] == ("Z", b"I")
    assert constraints(versions) == "k"
    with psycopg.connect(versions) as session:
        assert session.execute("SELECT version FROM schema_migrations").fetchall() == [("1",)]


def test_a_function_called_by_protocol_finds_it_done(versions: str, guarded: str) -> None:
    with psycopg.connect(versions) as session:
        row = session.execute("SELECT 'txid_current'::regproc::oid").fetchone()
        assert row is not None
    with Raw(guarded) as raw:
        raw.query("BEGIN")
        raw.query(CHECK)
        body = struct.pack(">IhhH", row[0], 0, 0, 0)
        raw.send(b"F" + struct.pack(">I", len(body) + 4) + body)
        assert [kind for kind, _ in raw.until("Z")] == ["V", "Z"]
        assert locked(versions)
        raw.query("ROLLBACK")


def test_rows_of_the_same_transaction_are_checked(guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(CHECK)
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("INSERT INTO orders (id, total) VALUES (0, -1)")
        connection.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("ALTER TABLE orders ADD CONSTRAINT c CHECK (no_such > 0)", "42703"),
        ("ALTER TABLE orders ADD CONSTRAINT c CHECK (total)", "42804"),
        ("ALTER TABLE orders ADD FOREIGN KEY (email) REFERENCES customers", "42804"),
        ("ALTER TABLE orders ALTER COLUMN no_such SET DEFAULT 1", "42703"),
        ("ALTER TABLE orders ALTER COLUMN total SET DEFAULT 'x'", "22P02"),
        ("ALTER TABLE orders ALTER COLUMN id DROP NOT NULL", "42P16"),
    ],
)
def test_its_error_comes_at_once(sql: str, sqlstate: str, orders: str, guarded: str) -> None:
    with psycopg.connect(orders, autocommit=True) as session:
        session.execute("ALTER TABLE orders ADD PRIMARY KEY (id)")
    said = []
    for url in (orders, guarded):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("BEGIN")
            connection.execute(DEFAULT)
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(sql.encode())
            said.append(
                (caught.value.sqlstate, caught.value.diag.message_primary, caught.value.diag.statement_position)
            )
            assert connection.execute("COMMIT").statusmessage == "ROLLBACK"
    assert said[0] == said[1]
    assert said[0][0] == sqlstate


@pytest.mark.parametrize("back", ["ROLLBACK", "ROLLBACK TO a"])
def test_what_is_rolled_back_is_not_run(back: str, versions: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(KEY)
        connection.execute("SAVEPOINT a")
        connection.execute(CHECK)
        connection.execute(back.encode())
        if back != "ROLLBACK":
            connection.execute("ALTER TABLE orders ADD CONSTRAINT c2 CHECK (total > 0)")
            connection.execute("COMMIT")
        else:
            connection.execute("BEGIN")
            connection.execute(NOTE.format(1))
            connection.execute("COMMIT")
    assert constraints(versions) == ("c2 k" if back != "ROLLBACK" else "")


def test_behind_an_error_only_what_came_before_the_savepoint_is_run(versions: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(KEY)
        connection.execute("SAVEPOINT a")
        connection.execute(CHECK)
        connection.execute(NOTE.format(1))
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(NOTE.format(1))
        connection.execute("ROLLBACK TO a")
        connection.execute("COMMIT")
    assert constraints(versions) == "k"


ENDS = ("COMMIT", "PREPARE TRANSACTION 'late'", "COMMIT AND CHAIN")


@pytest.mark.parametrize(
    ("extended", "end"), [(False, "COMMIT; SELECT 1"), *((way, end) for end in ENDS for way in (False, True))]
)
def test_if_it_cannot_be_run_the_transaction_does_not_commit(
    extended: bool, end: str, versions: str, guarded: str, share_proxy: Callable[[str], Proxy]
) -> None:
    """Somebody has taken the column away; the transaction is over, as it is whenever COMMIT fails."""
    with Raw(guarded) as raw:
        raw.query("BEGIN")
        raw.query(NOTE.format(1))
        raw.query(INDEX)
        raw.query(DEFAULT)
        with psycopg.connect(versions, autocommit=True) as session:
            session.execute("ALTER TABLE orders RENAME email TO mail")
        if extended:
            raw.send(m.parse(b"", end.encode()) + m.bind(b"", b"") + m.execute(b"") + m.sync())
            answer = raw.until("Z")
        else:
            answer = raw.query(end)
        fields = m.read_fields(next(body for kind, body in answer if kind == "E"))
        assert (fields["C"], fields["M"]) == ("42703", 'column "email" of relation "orders" does not exist')
        assert answer[-1] == ("Z", b"E" if ";" in end else b"I")
        raw.query("ROLLBACK")
        assert [kind for kind, _ in raw.query("SELECT 1")] == ["T", "D", "C", "Z"]
    with psycopg.connect(versions) as session:
        assert session.execute("SELECT count(*) FROM schema_migrations").fetchone() == (0,)
        assert session.execute("SELECT to_regclass('interlock.jobs')").fetchone() == (None,)
    records = share_proxy(POLICY).records()
    mine = [r for r in records if r["session"]["database"] == versions.rpartition("/")[2] and r["statement"] == DEFAULT]
    assert [(r["outcome"], r["sqlstate"], [s["outcome"] for s in r["steps"]]) for r in mine] == [
        ("done", "", ["tried"]),
        ("failed", "42703", ["failed"]),
    ]


def test_a_lock_that_is_not_free_at_the_end_is_waited_for(versions: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection, psycopg.connect(versions) as reader:
        connection.execute("BEGIN")
        connection.execute(CHECK)
        reader.execute("SELECT count(*) FROM orders")
        timer = threading.Timer(0.4, reader.rollback)
        timer.start()
        assert connection.execute("COMMIT").statusmessage == "COMMIT"
        timer.join()
    assert constraints(versions) == "c"


def test_and_not_without_a_bound(versions: str, share_proxy: Callable[[str], Proxy]) -> None:
    proxy = share_proxy(POLICY + "locks: { in_transaction: { give_up_after: 200ms } }\n")
    with psycopg.connect(through(proxy, versions), autocommit=True) as connection, psycopg.connect(versions) as reader:
        connection.execute("BEGIN")
        connection.execute(CHECK)
        reader.execute("SELECT count(*) FROM orders")
        with pytest.raises(psycopg.Error, match="could not get the ACCESS EXCLUSIVE lock") as caught:
            connection.execute("COMMIT")
        assert caught.value.sqlstate == "IL004"
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        reader.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert constraints(versions) == ""


def test_a_table_that_is_kept_from_others_already_is_not_tried_twice(versions: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE orders ADD COLUMN more text")
        said: list[str] = []
        connection.add_notice_handler(lambda d: said.append(d.message_primary or ""))
        connection.execute(CHECK)
        assert any(text.startswith("interlock: now ALTER TABLE orders ADD CONSTRAINT c") for text in said)
        connection.execute("COMMIT")
    assert constraints(versions) == "c"


@pytest.mark.parametrize("sql", ["CHECK (total < 0)", "UNIQUE (id)", "PRIMARY KEY (id)"])
def test_a_name_is_taken_by_what_waits_for_the_end(sql: str, versions: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(CHECK)
        with pytest.raises(psycopg.errors.DuplicateObject, match='constraint "c" for relation "orders" already exists'):
            connection.execute(f"ALTER TABLE orders ADD CONSTRAINT c {sql}")
        connection.execute("ROLLBACK")


def test_names_that_interlock_chooses_are_chosen_in_turn(versions: str, guarded: str) -> None:
    """The second one sees the first, as it does directly."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE orders ADD CHECK (total > 0)")
        connection.execute("ALTER TABLE orders ADD CHECK (total < 1000000)")
        connection.execute("COMMIT")
        names = connection.execute(
            "SELECT conname FROM pg_constraint WHERE conname LIKE 'orders_total%' ORDER BY 1"
        ).fetchall()
    assert names == [("orders_total_check",), ("orders_total_check1",)]


def test_a_client_that_vanishes_leaves_nothing(versions: str, guarded: str) -> None:
    connection = psycopg.connect(guarded, autocommit=True)
    connection.execute("BEGIN")
    connection.execute(CHECK)
    connection.close()
    assert constraints(versions) == ""
