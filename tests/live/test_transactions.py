"""Inside a transaction: refused in full, the session truly failed, and what needs no protection untouched."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from proxy.wire import messages as m
from tests.binaries import run_client
from tests.live.conftest import POLICY, through
from tests.live.raw import Raw
from tests.proxies import Proxy
from tests.servers import Server

INDEX = "CREATE INDEX i ON orders (email)"
DUPLICATE = "CREATE UNIQUE INDEX u ON orders (customer_id)"


def indexes(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'orders'::regclass")
        return [row[0] for row in rows]


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_a_rejection_leaves_the_transaction_truly_failed(prepare: bool, orders: str, rejecting: str) -> None:
    with psycopg.connect(rejecting, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO customers VALUES (1000, 'x')")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(INDEX, prepare=prepare)
        d = caught.value.diag
        assert d.sqlstate == "IL001"
        first, second = (d.message_primary or "").split("\n")
        assert first == 'CREATE INDEX would block writes to "orders" until it is built [index-not-concurrent]'
        assert "outside a transaction" in second
        assert "5,000 rows" in (d.message_detail or "")
        assert "CREATE INDEX CONCURRENTLY i ON orders (email)" in (d.message_hint or "")
        assert "SET interlock.allow = 'index-not-concurrent: <why>'" in (d.message_hint or "")
        assert d.source_function == "index-not-concurrent"
        assert d.severity == "ERROR"
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        assert connection.execute("COMMIT").statusmessage == "ROLLBACK"
        assert connection.execute("SELECT count(*) FROM customers WHERE id = 1000").fetchone() == (0,)
    assert indexes(orders) == ["orders_total_idx"]


def test_a_savepoint_saves_the_rest(orders: str, rejecting: str) -> None:
    with psycopg.connect(rejecting, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO customers VALUES (1000, 'x')")
        connection.execute("SAVEPOINT s")
        with pytest.raises(psycopg.Error):
            connection.execute(INDEX)
        connection.execute("ROLLBACK TO s")
        connection.execute("COMMIT")
    with psycopg.connect(orders) as connection:
        assert connection.execute("SELECT count(*) FROM customers WHERE id = 1000").fetchone() == (1,)


def test_of_several_statements_in_one_query_none_runs(orders: str, rejecting: str) -> None:
    with psycopg.connect(rejecting, autocommit=True) as connection:
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(f"CREATE TABLE other (id int); {INDEX}")
        assert caught.value.diag.sqlstate == "IL001"
        assert "of the 2 statements" in (caught.value.diag.message_detail or "")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert connection.execute("SELECT to_regclass('other')").fetchone() == (None,)


def test_a_pipeline_is_a_transaction(orders: str, rejecting: str) -> None:
    with psycopg.connect(rejecting, autocommit=True) as connection:
        with pytest.raises(psycopg.Error) as caught, connection.pipeline():
            connection.execute("INSERT INTO customers VALUES (1000, 'x')")
            connection.execute(INDEX)
        assert caught.value.diag.sqlstate == "IL001"
        assert connection.execute("SELECT count(*) FROM customers WHERE id = 1000").fetchone() == (0,)
    assert indexes(orders) == ["orders_total_idx"]


@pytest.mark.parametrize(
    "first",
    [
        "ALTER TABLE orders ADD COLUMN x int",
        "CREATE INDEX x ON orders (email)",
        "ALTER TABLE orders ADD CONSTRAINT x CHECK (total > 0)",
        "CREATE TABLE x (id int)",
        "INSERT INTO customers VALUES (1000, 'x')",
    ],
)
def test_and_what_was_run_here_is_a_part_of_it(first: str, orders: str, guarded: str) -> None:
    """The last statement before Sync is no transaction of its own, whoever has run those before it."""
    with Raw(guarded) as raw:
        run = [m.parse(b"", sql.encode()) + m.bind(b"", b"") + m.execute(b"") for sql in (first, DUPLICATE)]
        raw.send(*run, m.sync())
        answer = raw.until("Z")
        assert [kind for kind, _ in answer if kind in "CE"] == ["C", "E"]
        assert m.read_fields(next(body for kind, body in answer if kind == "E"))["C"] == "23505"
    with psycopg.connect(orders) as session:
        found = session.execute(
            "SELECT to_regclass('x'), to_regclass('u'), (SELECT count(*) FROM customers WHERE id = 1000), to_regclass('interlock.jobs'),"
            " (SELECT count(*) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'x'),"
            " (SELECT count(*) FROM pg_constraint WHERE conrelid = 'orders'::regclass AND contype = 'c')"
        ).fetchone()
    assert found == (None, None, 0, None, 0, 0)


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_a_table_of_the_same_transaction_is_left_alone(
    prepare: bool, postgres: object, orders: str, rejecting: str
) -> None:
    with psycopg.connect(rejecting, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE fresh (id bigint, customer_id bigint)", prepare=prepare)
        connection.execute("CREATE INDEX fresh_idx ON fresh (id)", prepare=prepare)
        connection.execute("ALTER TABLE fresh ADD PRIMARY KEY (id)", prepare=prepare)
        connection.execute("ALTER TABLE fresh ADD CHECK (id > 0), ALTER customer_id SET NOT NULL", prepare=prepare)
        connection.execute("ALTER TABLE fresh ADD FOREIGN KEY (customer_id) REFERENCES customers", prepare=prepare)
        connection.execute("COMMIT")
        assert connection.execute("SELECT count(*) FROM pg_constraint WHERE conrelid = 'fresh'::regclass AND convalidated"
                                  " AND contype IN ('c','f','p')").fetchone() == (3,)  # fmt: skip


def test_and_in_one_query_string(orders: str, rejecting: str) -> None:
    with psycopg.connect(rejecting, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE fresh (id bigint); CREATE INDEX fresh_idx ON fresh (id); INSERT INTO fresh VALUES (1)"
        )
        assert connection.execute("SELECT count(*) FROM fresh").fetchone() == (1,)


def test_a_temporary_table_is_left_alone(rejecting: str) -> None:
    with psycopg.connect(rejecting, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE mine (id int)")
        connection.execute("BEGIN; CREATE INDEX ON mine (id); COMMIT")


def test_a_table_of_another_transaction_is_not_new(orders: str, rejecting: str) -> None:
    with psycopg.connect(rejecting, autocommit=True) as connection:
        connection.execute("CREATE TABLE earlier (id bigint)")
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE earlier ADD COLUMN b int")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute("CREATE INDEX ON earlier (id)")
        assert caught.value.diag.sqlstate == "IL001"


def test_a_short_change_in_a_transaction_restores_the_clients_settings(orders: str, rejecting: str) -> None:
    with psycopg.connect(rejecting, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '7s'")
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE orders ADD COLUMN x int")
        assert connection.execute("SHOW lock_timeout").fetchone() == ("7s",)
        connection.execute("SAVEPOINT s")
        connection.execute("ALTER TABLE orders ADD COLUMN y int")
        connection.execute("ROLLBACK TO s")
        connection.execute("COMMIT")
        assert connection.execute("SHOW lock_timeout").fetchone() == ("7s",)
        rows = connection.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 5")
        assert rows.fetchall() == [("x",)]


SAVED = {
    "it is all done": "SAVEPOINT a; ALTER TABLE orders ADD COLUMN x int",
    "behind what takes a lock": "ALTER TABLE orders ADD COLUMN x int; SAVEPOINT a; ALTER TABLE orders ADD COLUMN y int",
    "it fails behind it": "ALTER TABLE orders ADD COLUMN x int; SAVEPOINT a; ALTER TABLE orders ADD CHECK (nothing > 0)",
    "something waits": "DROP INDEX orders_total_idx; SAVEPOINT a; CREATE INDEX i ON orders (email)",
    "it goes back to it": "SAVEPOINT a; ALTER TABLE orders ADD COLUMN x int; ROLLBACK TO a; ALTER TABLE orders ADD COLUMN y int",
}


@pytest.mark.parametrize("sql", SAVED.values(), ids=SAVED)
@pytest.mark.parametrize("opening", ["BEGIN", ""], ids=["in a block", "with its BEGIN"])
def test_a_savepoint_that_a_query_string_makes_can_be_gone_back_to(
    opening: str, sql: str, orders: str, guarded: str
) -> None:
    """And what stands behind it is all as it was when it was made: ``lock_timeout``, too."""
    heard = []
    for url in (orders, guarded):
        with psycopg.connect(url, autocommit=True) as connection:
            if opening:
                connection.execute(opening)
            said: list[object] = []
            for text in (sql if opening else f"BEGIN; {sql}", "ROLLBACK TO a", "SHOW lock_timeout", "ROLLBACK TO a"):
                try:
                    said.append(connection.execute(text.encode()).statusmessage)
                except psycopg.Error as error:
                    said.append((error.sqlstate, error.diag.statement_position))
            said.append(connection.execute("SHOW lock_timeout").fetchone())
            columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 ORDER BY 1"
            said.append(connection.execute(columns).fetchall())
            connection.execute("ROLLBACK")
            heard.append(said)
    assert heard[1] == heard[0]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; ALTER TABLE orders ADD COLUMN x nothing DEFAULT 'a' CHECK (x <> 'b')",
        "CREATE INDEX i ON orders (email); /* é */ ALTER TABLE orders ADD COLUMN x nothing UNIQUE; SELECT 1",
        "ALTER TABLE orders ADD COLUMN x int, ADD COLUMN y nothing REFERENCES customers",
    ],
)
def test_an_error_in_a_query_string_is_where_the_author_wrote_it(sql: str, orders: str, guarded: str) -> None:
    heard = []
    for url in (orders, guarded):
        with psycopg.connect(url, autocommit=True) as connection, pytest.raises(psycopg.Error) as raised:
            connection.execute(sql.encode())
        diag = raised.value.diag
        heard.append((diag.sqlstate, diag.message_primary, diag.statement_position))
    assert heard[1] == heard[0]
    assert heard[0][2] is not None


def test_psql_prints_the_caret_and_the_remedy(orders: str, rejecting: str) -> None:
    done = run_client("psql", "-1", "-c", INDEX, url=rejecting, check=False)
    assert done.returncode == 1
    assert "LINE 1: CREATE INDEX i ON orders (email)" in done.stderr
    assert "--single-transaction" in done.stderr


def test_the_unnamed_statement_survives(orders: str, rejecting: str) -> None:
    """Our own queries must not take the client's unnamed statement or portals away."""
    with psycopg.connect(rejecting, autocommit=True) as connection:
        pg = connection.pgconn
        connection.execute("ALTER TABLE orders ADD COLUMN y int")  # in a Query, which would take it away
        pg.prepare(b"ddl", b"ALTER TABLE orders ADD COLUMN z int")
        pg.prepare(b"why", b"EXPLAIN ALTER TABLE orders ADD COLUMN x int")
        pg.prepare(b"", b"SELECT 42")
        for name, status in ((b"why", "TUPLES_OK"), (b"ddl", "COMMAND_OK"), (b"why", "TUPLES_OK")):
            assert pg.exec_prepared(name, []).status == psycopg.pq.ExecStatus[status]
            assert pg.exec_prepared(b"", []).get_value(0, 0) == b"42"
        names = connection.execute("SELECT name FROM pg_prepared_statements WHERE name LIKE '\\_interlock%'").fetchall()
        assert names == []


def test_facts_are_asked_as_the_client_asks(postgres: Server, orders: str, rejecting: str) -> None:
    """In a Query the server copies the question three times less."""
    with psycopg.connect(rejecting, autocommit=True) as connection:
        for extended in (False, True):
            since = postgres.log_bytes
            connection.execute(f"ALTER TABLE orders ADD COLUMN c_{extended} int", prepare=extended)
            assert (" statement: /* interlock */\n" in postgres.log_text(orders, since=since)) is not extended


def test_a_tool_may_show_itself_on_another_of_its_connections(rejecting: str) -> None:
    """As yoyo does, whose bookkeeping never comes by the connection that migrates; and on one before it."""

    def second_line() -> str:
        with psycopg.connect(rejecting) as connection, pytest.raises(psycopg.Error) as caught:
            connection.execute(INDEX)
        return (caught.value.diag.message_primary or "").split("\n")[1]

    with psycopg.connect(rejecting) as bookkeeping:
        bookkeeping.execute("SELECT to_regclass('_yoyo_log')")
        assert "in yoyo: put __transactional__ = False into the migration" in second_line()
    assert "in yoyo" in second_line()  # for a minute: Piccolo opens a connection for each thing that it does


ALLOWED = "SET LOCAL interlock.allow = 'index-not-concurrent: nobody is awake'"
PLAIN = "CREATE INDEX plain ON orders (email)"


def test_an_exception_in_the_same_text(orders: str, rejecting: str) -> None:
    """Tools that send a file as one query: the setting has not been made yet when its statement is decided about."""
    with psycopg.connect(rejecting, autocommit=True) as connection:
        connection.execute(f"{ALLOWED}; {PLAIN}; SELECT 1")
    assert "plain" in indexes(orders)


@pytest.mark.parametrize(
    "text",
    [
        f"BEGIN; {ALLOWED}; COMMIT; BEGIN; {PLAIN}; COMMIT",
        f"{ALLOWED}; RESET interlock.allow; {PLAIN}",
        f"{PLAIN}; {ALLOWED}",
    ],
)
def test_an_exception_that_is_over_or_yet_to_come(text: str, orders: str, rejecting: str) -> None:
    with psycopg.connect(rejecting, autocommit=True) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(text)
    assert caught.value.sqlstate == "IL001"
    assert "plain" not in indexes(orders)


def test_an_exception_that_ends_with_its_transaction(orders: str, rejecting: str) -> None:
    """It still holds when the server is asked, and no more when the statement runs."""
    with psycopg.connect(rejecting, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(ALLOWED)
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(f"COMMIT; {PLAIN}; SELECT 1")
    assert caught.value.sqlstate == "IL001"
    assert "plain" not in indexes(orders)


def test_a_policy_that_rewrites_nothing_does_not_promise_it(orders: str, share_proxy: Callable[[str], Proxy]) -> None:
    guarded = through(share_proxy(POLICY + "rules: { index-not-concurrent: reject }"), orders)
    with psycopg.connect(guarded, autocommit=True, application_name="psql") as connection:
        connection.execute("BEGIN")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(INDEX)
    second = (caught.value.diag.message_primary or "").split("\n")[1]
    assert second == (
        "Use instead: CREATE INDEX CONCURRENTLY i ON orders (email); Outside a transaction: in psql: run it without BEGIN"
        " and without -1 / --single-transaction, and one statement in each -c"
    )


@pytest.mark.parametrize("end", ["COMMIT PREPARED", "ROLLBACK PREPARED"])
def test_a_prepared_transaction_of_the_same_user_is_not_waited_for(end: str, orders: str, guarded: str) -> None:
    """Who is to end it may be the one that waits for our answer; the index is built when it has."""
    gid = orders.rpartition("/")[2]
    with psycopg.connect(guarded, autocommit=True) as connection:
        said: list[str] = []
        connection.add_notice_handler(lambda d: said.append(d.message_primary or ""))
        connection.execute("BEGIN")
        connection.execute("CREATE INDEX i ON orders (email)")
        connection.execute(
            f"END; BEGIN; INSERT INTO orders (id, total) VALUES (900000, 1); PREPARE TRANSACTION '{gid}'".encode()
        )
        assert f"interlock: the prepared transaction {gid} is in the way; not waiting for it" in said
        assert connection.execute("SELECT to_regclass('i')").fetchone() == (None,)
        connection.execute(f"{end} '{gid}'".encode())
        assert connection.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass").fetchone() == (
            True,
        )
        assert connection.execute("SELECT count(*) FROM orders WHERE id = 900000").fetchone() == (end[:6] == "COMMIT",)


@pytest.mark.parametrize(
    ("put_off", "locks"),
    [
        ("ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)", "ALTER TABLE orders ADD COLUMN x int"),
        ("ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)", "LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE"),
        ("DROP INDEX orders_total_idx", "ALTER TABLE orders ADD COLUMN x int"),
        ("DROP INDEX orders_total_idx", "INSERT INTO orders (id, total) VALUES (900000, 1)"),
        ("DROP INDEX orders_total_idx", "SELECT * FROM orders WHERE id = 1 FOR SHARE"),
        ("REINDEX INDEX orders_total_idx", "SELECT * FROM orders WHERE id = 1 FOR SHARE"),
        ("ALTER TABLE orders ADD UNIQUE (id)", "SELECT * FROM orders WHERE id = 1 FOR SHARE"),
        ("ALTER TABLE orders ADD COLUMN y float DEFAULT random()", "UPDATE orders SET total = 2 WHERE id = 1"),
        ("CREATE INDEX i ON orders (email)", "LOCK TABLE orders IN SHARE MODE"),
    ],
)
def test_a_prepared_transaction_that_has_the_table_locked_is_not_waited_for(
    put_off: str, locks: str, orders: str, guarded: str
) -> None:
    gid = orders.rpartition("/")[2]
    with psycopg.connect(guarded, autocommit=True) as connection:
        said: list[str] = []
        connection.add_notice_handler(lambda d: said.append(d.message_primary or ""))
        connection.execute("BEGIN")
        connection.execute(put_off.encode())
        connection.execute(f"END; BEGIN; {locks}; PREPARE TRANSACTION '{gid}'".encode())
        assert f"interlock: the prepared transaction {gid} is in the way; not waiting for it" in said
        assert connection.execute("SELECT state FROM interlock.jobs").fetchall() == [("waiting",)]
        connection.execute(f"COMMIT PREPARED '{gid}'".encode())
        assert connection.execute("SELECT state FROM interlock.jobs").fetchall() == [("done",)]


def test_a_prepared_transaction_that_only_reads_is_in_nobodys_way(orders: str, guarded: str) -> None:
    gid = orders.rpartition("/")[2]
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM orders WHERE id = 1 FOR SHARE")
        connection.execute(f"PREPARE TRANSACTION '{gid}'".encode())
        try:
            connection.execute("BEGIN")
            connection.execute("CREATE INDEX i ON orders (email)")
            connection.execute("COMMIT")
            assert connection.execute(
                "SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass"
            ).fetchone() == (True,)
        finally:
            connection.execute(f"ROLLBACK PREPARED '{gid}'".encode())
