"""CALL, and functions that a session makes and calls, through the running proxy: their bodies are decided about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from proxy.wire import messages as m
from tests.live.conftest import POLICY, start_guard, through
from tests.live.raw import Raw, error, kinds
from tests.live.test_inside import INDEX, ORDERS_INDEX, rejected, warned
from tests.live.test_transactions import indexes
from tests.proxies import Proxy

HARM = 'CREATE INDEX would block writes to "orders" until it is built [index-not-concurrent]'
FUNCTION = "CREATE FUNCTION {}() RETURNS void LANGUAGE plpgsql AS 'BEGIN {}; END'"


def direct(url: str, *texts: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for text in texts:
            connection.execute(text)


def procedure(name: str, body: str, more: str = "LANGUAGE plpgsql", arguments: str = "") -> str:
    return f"CREATE PROCEDURE {name}({arguments}) {more} AS $body$ {body} $body$"


@pytest.fixture
def session(guarded: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(guarded, autocommit=True) as connection:
        yield connection


def refused(session: psycopg.Connection[tuple[object, ...]], sql: str, *arguments: object) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.Error) as caught:
        session.execute(sql, arguments or None)
    assert caught.value.diag.sqlstate == "IL001", caught.value
    return caught.value.diag


# ---------------------------------------------------------------- procedures


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize(
    ("made", "call"),
    [
        (procedure("p", f"BEGIN {INDEX}; END"), "CALL p()"),
        (procedure("p", INDEX, "LANGUAGE sql"), "CALL p()"),
        (procedure("p", f"BEGIN {INDEX}; END", arguments="a int, b text DEFAULT 'x'"), "CALL p(1)"),
        (procedure("p", f"BEGIN {INDEX}; END", arguments="VARIADIC a int[]"), "CALL public.p(1, 2, 3)"),
        (procedure("p", f"BEGIN EXECUTE '{INDEX}'; END"), "CALL p()"),
        (procedure("p", f"BEGIN IF false THEN {INDEX}; END IF; END"), "CALL p()"),
        (procedure("p", f"BEGIN {INDEX}; COMMIT; END"), "CALL p()"),
        (procedure("q", f"BEGIN {INDEX}; END") + ";" + procedure("p", "BEGIN CALL q(); END"), "CALL p()"),
        (procedure("p", f"BEGIN {INDEX}; END"), "DO $$ BEGIN CALL p(); END $$"),
        ("CREATE SCHEMA s;" + procedure("s.p", f"BEGIN {INDEX}; END"), "CALL s.p()"),
    ],
)
def test_what_a_procedure_runs_is_decided_about(made: str, call: str, prepare: bool, orders: str, guarded: str) -> None:
    direct(orders, made)
    diag = rejected(guarded, call, prepare=prepare)
    first, second = (diag.message_primary or "").split("\n")
    assert first == HARM
    assert second == "Use instead: CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON orders (email);"
    assert "It stands in procedure" in (diag.message_detail or "")
    assert call[int(diag.statement_position or 0) - 1 :].startswith(call.partition("CALL ")[2].rstrip(" $END;")[:3])
    assert indexes(orders) == ORDERS_INDEX


def test_dynamic_sql_in_a_procedure_is_opaque(orders: str, guarded: str) -> None:
    direct(orders, procedure("p", f"DECLARE sql text = '{INDEX}'; BEGIN EXECUTE sql; END"))
    said = warned(guarded, "CALL p()")
    assert said == [
        "WARNING: interlock: procedure public.p runs what its text does not tell: EXECUTE of a string that is put"
        " together when it runs [opaque-code]"
    ]
    assert "i" in indexes(orders)


def test_a_comment_in_the_body_allows_it(orders: str, guarded: str) -> None:
    direct(orders, procedure("p", f"/* interlock: allow index-not-concurrent: at night */ BEGIN {INDEX}; END"))
    direct(guarded, "CALL p()")
    assert "i" in indexes(orders)


def test_overloads_are_told_apart_by_the_number_of_arguments(orders: str, guarded: str) -> None:
    direct(
        orders,
        procedure("p", "BEGIN PERFORM 1; END", arguments="a int"),
        procedure("p", f"BEGIN {INDEX}; END", arguments="a int, b int"),
        procedure("p", f"BEGIN {INDEX}; END", arguments="a text, b text, c text DEFAULT ''"),
    )
    direct(guarded, "CALL p(1)")
    assert rejected(guarded, "CALL p(1, 2)").message_primary
    assert rejected(guarded, "CALL p('a', 'b', 'c')").message_primary
    assert indexes(orders) == ORDERS_INDEX


def test_of_two_that_a_call_may_mean_the_harsher_counts(orders: str, guarded: str) -> None:
    direct(
        orders,
        procedure("p", "BEGIN PERFORM 1; END", arguments="a int"),
        procedure("p", f"BEGIN {INDEX}; END", arguments="a text"),
    )
    assert rejected(guarded, "CALL p(1)").message_primary


def test_the_search_path_is_the_servers(orders: str, session: psycopg.Connection[tuple[object, ...]]) -> None:
    direct(
        orders,
        "CREATE SCHEMA s",
        procedure("s.p", "BEGIN PERFORM 1; END"),
        procedure("public.p", f"BEGIN {INDEX}; END"),
    )
    session.execute("SET search_path = s, public")
    session.execute("CALL p()")
    session.execute("SET search_path = public, s")
    refused(session, "CALL p()")
    session.execute("SET search_path = s, public")
    refused(session, "SET search_path = public; CALL p()")  # what it sets is not in force when the catalog is asked
    refused(session, "SELECT set_config('search_path', 'public', false); CALL p()")
    assert indexes(orders) == ORDERS_INDEX


def test_a_path_of_its_own_makes_names_unknown(orders: str, guarded: str) -> None:
    """Which table is meant cannot be told: then it is taken for a large one."""
    direct(
        orders,
        "CREATE SCHEMA s",
        "CREATE TABLE s.notes (a int)",
        procedure("p", "BEGIN CREATE INDEX ON nowhere (a); END", "LANGUAGE plpgsql SET search_path = s"),
        procedure("q", "BEGIN CALL r(); END", "LANGUAGE plpgsql SET search_path = s"),
        procedure("s.r", f"BEGIN {INDEX.replace('orders', 'public.orders')}; END"),
    )
    assert "nowhere" in (rejected(guarded, "CALL p()").message_primary or "")
    assert "orders" in (rejected(guarded, "CALL q()").message_primary or "")


@pytest.mark.parametrize(
    "call", ["CALL nowhere()", "CALL p(1, 2, 3)", "CALL f()", "CALL p(a => 1)", "CALL s.t.u.v.p()", 'CALL ""()']
)
def test_errors_are_the_servers(call: str, orders: str, guarded: str) -> None:
    direct(
        orders, procedure("p", f"BEGIN {INDEX}; END", arguments="b int"), FUNCTION.format("f", "NULL"),
    )  # fmt: skip
    with psycopg.connect(orders, autocommit=True) as plain, pytest.raises(psycopg.Error) as expected:
        plain.execute(call)
    if call == "CALL p(a => 1)":
        assert rejected(guarded, call)  # arguments by name are counted, not matched
        return
    with psycopg.connect(guarded, autocommit=True) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(call)
    assert (caught.value.diag.sqlstate, caught.value.diag.message_primary) == (
        expected.value.diag.sqlstate,
        expected.value.diag.message_primary,
    )


COMMITS = """
BEGIN
  FOR i IN 1..3 LOOP
    INSERT INTO log VALUES (pg_current_xact_id()::text);
    COMMIT;
  END LOOP;
  total := i + 40;
END
"""


@pytest.fixture
def committing(orders: str) -> str:
    direct(
        orders,
        "CREATE TABLE log (a text)",
        procedure("p", COMMITS.replace("i + 40", "n + 40"), arguments="n int, INOUT total int"),
        procedure("p2", COMMITS.replace("i + 40", "n + 40").replace("COMMIT", "ANALYZE log; COMMIT"), arguments="n int, INOUT total int"),
    )  # fmt: skip
    return orders


@pytest.mark.parametrize("name", ["p", "p2"])
@pytest.mark.parametrize("how", ["simple", "extended", "prepared", "named portal"])
def test_a_procedure_may_commit(name: str, how: str, committing: str, guarded: str) -> None:
    """Facts were asked before it, and it is still the first of its transaction."""
    if how == "named portal":
        with Raw(guarded) as client:
            client.send(
                m.parse(b"s", f"CALL {name}($1, 0)".encode()),
                m.bind(b"portal", b"s", [b"2"]),
                m.execute(b"portal"),
                m.sync(),
            )
            said = client.until("Z")
            assert kinds(said) == "12DCZ"
            assert [m.read_data_row(body) for kind, body in said if kind == "D"] == [[b"42"]]
    else:
        with psycopg.connect(guarded, autocommit=True) as connection:
            for _ in range(2 if how == "prepared" else 1):
                cursor = (
                    connection.execute(f"CALL {name}(2, 0)")
                    if how == "simple"
                    else connection.execute(f"CALL {name}(%s, 0)", [2], prepare=how == "prepared")
                )
                assert cursor.fetchone() == (42,)
    with psycopg.connect(committing) as connection:
        (transactions,) = connection.execute("SELECT count(DISTINCT a) FROM log").fetchone() or (0,)
        assert transactions == (6 if how == "prepared" else 3)


def test_in_a_block_it_fails_as_it_would(committing: str, guarded: str) -> None:
    with psycopg.connect(guarded) as connection:
        connection.execute("SELECT 1")
        with pytest.raises(psycopg.errors.InvalidTransactionTermination):
            connection.execute("CALL p(2, 0)")


def test_behind_a_commit_in_the_body_nothing_is_new(orders: str, guarded: str) -> None:
    new = "CREATE TABLE notes (a int); {} CREATE INDEX notes_a ON notes (a);"
    direct(orders, procedure("p", f"BEGIN {new.format('')} END"), procedure("q", f"BEGIN {new.format('COMMIT;')} END"))
    assert "notes" in (rejected(guarded, "CALL q()").message_primary or "")
    direct(guarded, "CALL p()")


def test_what_is_harmless_is_not_recorded(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    proxy = start_guard(start_proxy, tmp_path, "", "--audit", str(log))
    direct(orders, procedure("p", "BEGIN PERFORM 1; END"), procedure("q", "BEGIN CREATE TABLE notes (a int); END"))
    direct(through(proxy, orders), "CALL p()", "CALL q()")
    proxy.stop()
    (found,) = [record for line in log.read_text().splitlines() if "statement" in (record := json.loads(line))]
    assert (found["kind"], found["statement"], found["outcome"]) == ("CALL", "CALL q()", "passed")
    (routine,) = found["facts"]["routines"]['procedure "q"']
    assert "CREATE TABLE notes" in routine["source"]


def test_the_policy_may_let_procedures_be(orders: str, share_proxy: Callable[[str], Proxy]) -> None:
    url = through(share_proxy(POLICY + "routines: { procedures: pass }\n"), orders)
    direct(orders, procedure("p", f"BEGIN {INDEX}; END"))
    direct(url, "CALL p()")
    assert "i" in indexes(orders)


def test_an_old_snapshot_does_not_hide_a_new_body(
    orders: str, session: psycopg.Connection[tuple[object, ...]], share_proxy: Callable[[str], Proxy]
) -> None:
    """The server runs what the catalog has now; the catalog as the transaction sees it is another."""
    direct(orders, procedure("p", "BEGIN PERFORM 1; END"))
    said: list[str] = []
    session.add_notice_handler(lambda diag: said.append(diag.message_primary or ""))
    with session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        session.execute("SELECT 1")
        session.execute("CALL p()")
        assert said == []
        direct(orders, procedure("p", f"BEGIN {INDEX}; END").replace("CREATE", "CREATE OR REPLACE", 1))
        direct(orders, procedure("q", f"BEGIN {INDEX}; END"))
        session.execute("SAVEPOINT a")
        session.execute("CALL p()")
        session.execute("ROLLBACK TO a")
        session.execute("CALL q()")
    assert ["public.p" in said[0], "procedure q" in said[1]] == [True, True]


def test_where_nothing_can_be_asked_a_procedure_is_opaque(orders: str, guarded: str) -> None:
    direct(orders, procedure("p", "BEGIN PERFORM 1; END"))
    said: list[str] = []
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.add_notice_handler(lambda diag: said.append(diag.message_primary or ""))
        connection.execute("BEGIN")
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("SELECT 1 / 0")
        connection.execute("ROLLBACK; CALL p()")
    assert [line for line in said if "procedure p runs what its text does not tell" in line]
    with psycopg.connect(guarded + "?replication=database", autocommit=True) as walsender:
        said.clear()
        walsender.add_notice_handler(lambda diag: said.append(diag.message_primary or ""))
        walsender.pgconn.exec_(b"CALL p()")
    assert [line for line in said if "procedure p runs what its text does not tell" in line]


def test_explain_tells_what_a_call_would_do(orders: str, guarded: str) -> None:
    direct(orders, procedure("p", f"BEGIN {INDEX}; END"))
    with psycopg.connect(guarded, autocommit=True) as connection:
        lines = [line for (line,) in connection.execute("EXPLAIN CALL p()").fetchall()]
    assert any("index-not-concurrent" in line for line in lines), lines


# ---------------------------------------------------------------- functions


@pytest.mark.parametrize(
    "call",
    [
        "SELECT f()",
        "SELECT * FROM public.f()",
        'SELECT U&"\\0066"()',
        "SELECT 1 WHERE F() IS NULL",
        "INSERT INTO customers SELECT 1000, 'x' FROM f()",
        "DO $$ BEGIN PERFORM f(); END $$",
        "DO $$ DECLARE x text := f(); BEGIN END $$",
        "COPY (SELECT f()) TO STDOUT",
        "EXPLAIN ANALYZE SELECT f()",
        "CREATE TABLE notes AS SELECT f()",
        "PREPARE s AS SELECT f()",
        "DECLARE c CURSOR WITH HOLD FOR SELECT f()",
        "WITH x AS (SELECT f()) SELECT * FROM x",
        "SELECT g()",
        "CALL p()",
    ],
)
def test_a_function_that_the_session_made(
    call: str, orders: str, session: psycopg.Connection[tuple[object, ...]]
) -> None:
    session.execute(FUNCTION.format("f", INDEX))
    session.execute(FUNCTION.format("g", "PERFORM f()"))
    session.execute(procedure("p", "BEGIN PERFORM g(); END"))
    diag = refused(session, call)
    assert (diag.message_primary or "").split("\n")[0] == HARM
    assert "It stands in function public.f" in (diag.message_detail or "")
    session.execute("DROP FUNCTION f()")
    assert indexes(orders) == ORDERS_INDEX


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_with_parameters(orders: str, session: psycopg.Connection[tuple[object, ...]], prepare: bool) -> None:
    session.execute(
        f"CREATE FUNCTION f(a int, b text DEFAULT '') RETURNS int LANGUAGE plpgsql AS $$ BEGIN {INDEX}; RETURN a; END $$"
    )
    with pytest.raises(psycopg.Error, match="would block"):
        session.execute("SELECT f(%s)", [1], prepare=prepare)
    session.execute("SET interlock.allow = 'index-not-concurrent: a test'")
    assert session.execute("SELECT f(%s)", [1], prepare=prepare).fetchone() == (1,)
    assert "i" in indexes(orders)


def test_temporary_and_uncommitted_functions(orders: str, guarded: str) -> None:
    with psycopg.connect(guarded) as connection:
        connection.execute(FUNCTION.format("pg_temp.f", INDEX))
        refused(connection, "SELECT pg_temp.f()")
        connection.rollback()
        connection.execute(FUNCTION.format("f", INDEX))
        refused(connection, "SELECT f()")
        connection.rollback()
        connection.execute(FUNCTION.format("f", "NULL"))
        connection.execute("SELECT f()")  # what it was once does not count


def test_backslashes_hide_no_call(orders: str, session: psycopg.Connection[tuple[object, ...]]) -> None:
    session.execute(FUNCTION.format("f", INDEX))
    session.execute("SET standard_conforming_strings = off")
    refused(session, r"SELECT 'a\'', f(), '\''")


def test_make_call_and_drop_in_one_text(orders: str, guarded: str) -> None:
    script = f"{FUNCTION.format('f', INDEX)}; SELECT f(); DROP FUNCTION f()"
    diag = rejected(guarded, script)
    assert script[int(diag.statement_position or 0) - 1 :].startswith("f(); DROP")
    rejected(guarded, f"{procedure('p', f'BEGIN {INDEX}; END')}; CALL p(); DROP PROCEDURE p")
    block = f"DO $$ BEGIN {FUNCTION.format('f', INDEX)}; PERFORM f(); DROP FUNCTION f(); END $$"
    rejected(guarded, block)
    rejected(guarded, f"SELECT 1; {block}")
    assert indexes(orders) == ORDERS_INDEX


def test_functions_that_change_nothing_are_not_minded(
    orders: str, session: psycopg.Connection[tuple[object, ...]]
) -> None:
    session.execute("CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM orders'")
    session.execute(FUNCTION.format("g", "CREATE TABLE IF NOT EXISTS notes (a int)"))
    assert session.execute("SELECT f()").fetchone() == (5000,)
    session.execute("SELECT g()")
    session.execute("SELECT 'g'")


def test_functions_of_others_are_looked_into_where_the_policy_says_so(
    orders: str, guarded: str, share_proxy: Callable[[str], Proxy]
) -> None:
    direct(
        orders,
        FUNCTION.format("f", INDEX),
        FUNCTION.format("g", "PERFORM f()"),
        procedure("p", "BEGIN PERFORM f(); END"),
    )
    calls = ["SELECT f()", "SELECT * FROM g()", "DO $$ BEGIN PERFORM f(); END $$", "CALL p()"]
    url = through(share_proxy(POLICY + "routines: { functions: catalog }\n"), orders)
    for call in calls:
        rejected(url, call)
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("SELECT upper('a'), now() IS NULL").fetchone() == ("A", False)
    off = through(share_proxy(POLICY + "routines: { functions: pass }\n"), orders)
    direct(off, FUNCTION.format("h", INDEX), "SELECT h()")
    assert "i" in indexes(orders)


def test_a_pipeline_goes_on(orders: str, guarded: str) -> None:
    """Others in the pipeline of a call that is looked into, and of one that is refused."""
    with Raw(guarded) as client:
        client.query(FUNCTION.format("f", "CREATE TABLE IF NOT EXISTS notes (a int)"))
        one = [m.parse(b"", b"SELECT 1"), m.bind(b"", b"", []), m.execute(b"")]
        two = [m.parse(b"", b"SELECT f()"), m.bind(b"", b"", []), m.execute(b"")]
        client.send(*one, *two, *one, m.sync())
        assert kinds(client.until("Z")) == "12DC12DC12DCZ"
        client.query(FUNCTION.format("f", INDEX).replace("CREATE", "CREATE OR REPLACE", 1))
        client.send(*one, *two, *one, m.sync())
        said = client.until("Z")
        assert kinds(said) == "12DC12EZ"
        assert error(said)["C"] == "IL001"
    assert indexes(orders) == ORDERS_INDEX


# ---------------------------------------------------------------- triggers


@pytest.fixture
def partitioning(orders: str) -> str:
    direct(
        orders,
        "CREATE TABLE events (at int) PARTITION BY RANGE (at)",
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " CREATE TABLE IF NOT EXISTS events_1 PARTITION OF events FOR VALUES FROM (1) TO (2); RETURN NEW; END $$",
        "CREATE FUNCTION et() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE orders ADD COLUMN IF NOT EXISTS x int; END $$",
    )
    return orders


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TRIGGER t BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION t()",
        "CREATE TRIGGER t AFTER INSERT ON customers REFERENCING NEW TABLE AS execute EXECUTE PROCEDURE public.t()",
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON customers FOR EACH ROW WHEN (true) EXECUTE FUNCTION t()",
        "CREATE EVENT TRIGGER t ON ddl_command_end EXECUTE FUNCTION et()",
    ],
)
def test_a_trigger_that_changes_the_schema_is_told_of_when_it_is_made(
    made: str, partitioning: str, share_proxy: Callable[[str], Proxy]
) -> None:
    url = through(share_proxy(POLICY + "rules: { trigger-runs-ddl: reject }\n"), partitioning)
    assert (rejected(url, made).message_primary or "").startswith("the trigger would run ")


def test_such_a_trigger_does_block(partitioning: str) -> None:
    """A plain INSERT into one table holds the lock that stops readers of another."""
    direct(partitioning, "CREATE TRIGGER t BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION t()")
    with psycopg.connect(partitioning) as connection:
        connection.execute("INSERT INTO customers VALUES (1000)")
        held = "SELECT mode FROM pg_locks WHERE relation = 'events'::regclass AND mode = 'AccessExclusiveLock'"
        assert connection.execute(held).fetchall() == [("AccessExclusiveLock",)]
