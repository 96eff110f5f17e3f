"""The event triggers of ``interlock doctor --install-guard``: what they stop, report and let be, and that they leave no trace."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests import forked
from tests.live import bypasses
from tests.live.conftest import POLICY, through
from tests.live.test_no_way_around import attempt_it, reset, state
from tests.proxies import Proxy
from tests.servers import Server, database_name

Start = Callable[..., Proxy]


def doctor(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run("doctor", *arguments, env={**forked.bare_environment(), "INTERLOCK_UPSTREAM": url}, timeout=30)


def install(url: str, mode: str) -> None:
    done = doctor(url, "--install-guard", mode)
    assert done.returncode == 0, done.stderr
    assert f"the guard is installed, to {mode}" in done.stdout


@pytest.fixture
def guarded_database(orders: str) -> str:
    install(orders, "stop")
    return orders


def run(url: str, *texts: str) -> list[str]:
    """Run statements; the warnings that came."""
    said: list[str] = []
    with psycopg.connect(url, autocommit=True) as session:
        session.add_notice_handler(lambda notice: said.append(f"{notice.severity}: {notice.message_primary}"))
        for text in texts:
            session.execute(text)
    return [line for line in said if line.startswith("WARNING")]


def stopped(url: str, *texts: str) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.Error) as caught:
        run(url, *texts)
    assert caught.value.diag.sqlstate == "IL005", caught.value
    return caught.value.diag


def test_what_does_not_come_through_interlock_is_stopped(guarded_database: str, start_proxy: Start) -> None:
    diag = stopped(guarded_database, "CREATE INDEX i ON orders (email)")
    assert diag.message_primary == "CREATE INDEX of public.orders was not decided about by Interlock"
    assert diag.message_detail == "The session does not come through Interlock."
    assert "SET interlock.allow = 'guard: reason'" in (diag.message_hint or "")
    for text, about in (
        ("ALTER TABLE orders ADD x int", "orders"),
        ("ALTER TABLE orders ALTER id TYPE numeric", "orders"),
        ("ALTER TABLE orders DROP total", "public.orders.total"),
        ("ALTER INDEX orders RENAME TO gone", "gone"),
        ("DROP TABLE orders", "public.orders"),
        ("DROP INDEX orders_total_idx", "public.orders_total_idx"),
        ("DROP SCHEMA public CASCADE", "public.orders"),
        ("DO $$ BEGIN DROP TABLE orders; END $$", "public.orders"),
        ("CREATE TABLE n (a int); DROP TABLE orders", "public.orders"),
    ):
        said = stopped(guarded_database, text).message_primary or ""
        assert said.endswith("was not decided about by Interlock"), text
        assert about in said or "CASCADE" in text, said
    run(guarded_database, "SET interlock.allow = 'guard: at night'; CREATE INDEX i ON orders (email)")


def test_what_comes_through_interlock_is_let_be(guarded_database: str, start_proxy: Start, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    url = through(start_proxy("--mark-sessions", policy=policy), guarded_database)
    assert (
        run(
            url,
            "CREATE INDEX i ON orders (email)",
            "ALTER TABLE orders ALTER email SET NOT NULL",
            "ALTER TABLE orders ADD CHECK (total > 0)",
            "ALTER TABLE orders ADD n uuid DEFAULT gen_random_uuid()",
            "BEGIN; CREATE INDEX j ON orders (customer_id); ALTER TABLE orders ADD z int; COMMIT",
            "DO $$ BEGIN ALTER TABLE orders ADD y int; END $$",
            "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN ALTER TABLE orders ADD x int; END'",
            "CALL p()",
            "DROP INDEX i",
            "REINDEX INDEX j",
        )
        == []
    )
    with pytest.raises(psycopg.errors.DatatypeMismatch):  # tried on a copy
        run(url, "ALTER TABLE orders ALTER email TYPE int")
    with psycopg.connect(guarded_database) as session:
        columns = session.execute("SELECT * FROM orders LIMIT 0").description or []
        assert {"x", "y", "z"} <= {column.name for column in columns}


def test_what_is_nobody_elses_is_let_be(guarded_database: str, start_proxy: Start) -> None:
    own = """
        CREATE FUNCTION {}() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
          CREATE TEMP TABLE s (a int); CREATE INDEX ON s (a); ALTER TABLE s ADD b int; ALTER TABLE s ALTER a TYPE text; DROP TABLE s;
          CREATE TABLE {} (a int); CREATE INDEX ON {} (a); ALTER TABLE {} ADD b int; ALTER TABLE {} ALTER a TYPE bigint;
          BEGIN CREATE TABLE {}_2 (a int); CREATE INDEX ON {}_2 (a); EXCEPTION WHEN division_by_zero THEN NULL; END;
        END $$
    """
    marked = through(start_proxy("--mark-sessions"), guarded_database)
    for name, url in (("direct", guarded_database), ("through", marked)):
        run(
            url, own.format(*[name] * 7), f"SELECT {name}()", "ANALYZE", "CREATE VIEW v AS SELECT 1 AS a", "DROP VIEW v"
        )


def test_ordinary_roles(guarded_database: str) -> None:
    """Its function runs with its owner's rights, so that it can look whoever runs the statement."""
    with psycopg.connect(guarded_database, autocommit=True) as session:
        session.execute("DO $$ BEGIN CREATE ROLE ordinary; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        session.execute("SET interlock.allow = 'guard: set up'; GRANT ALL ON SCHEMA public TO ordinary")
        session.execute("ALTER TABLE orders OWNER TO ordinary; RESET interlock.allow")
        session.execute("SET ROLE ordinary")
        with pytest.raises(psycopg.Error) as caught:
            session.execute("ALTER TABLE orders ADD x int")
        assert caught.value.diag.sqlstate == "IL005"
        session.execute("BEGIN; CREATE TABLE own (a int); ALTER TABLE own ADD b int; COMMIT")


def test_it_reports(orders: str) -> None:
    install(orders, "stop")
    install(orders, "report")  # in its place
    warned = run(orders, "CREATE INDEX i ON orders (email)", "DROP TABLE orders")
    assert warned == [
        "WARNING: CREATE INDEX of public.orders was not decided about by Interlock",
        "WARNING: DROP TABLE of public.orders was not decided about by Interlock",
    ]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", bypasses.UNSEEN)
def test_what_interlock_does_not_see_is_stopped(name: str, database: str, start_proxy: Start) -> None:
    attempt = bypasses.UNSEEN[name]
    before = reset(database, attempt)
    install(database, "stop")
    codes = attempt_it(start_proxy("--mark-sessions").url(database_name(database)), attempt, database)
    assert state(database) == before, codes
    assert "IL005" in codes


def test_it_leaves_no_trace(orders: str, postgres: Server) -> None:
    before = postgres.dump(orders)
    install(orders, "report")
    assert postgres.dump(orders) != before
    done = doctor(orders, "--remove-guard")
    assert (done.returncode, done.stdout) == (0, "the guard is removed\n")
    assert postgres.dump(orders) == before
    assert doctor(orders, "--remove-guard").returncode == 0  # there is nothing to remove, and that is well


def test_who_may_not(orders: str) -> None:
    with psycopg.connect(orders, autocommit=True) as session:
        session.execute(
            "DO $$ BEGIN CREATE ROLE ordinary_login LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
    done = doctor(orders.replace("postgres@", "ordinary_login@"), "--install-guard", "stop")
    assert done.returncode == 2
    assert "the guard needs a superuser of the database: permission denied" in done.stderr
    for url, said in (
        ("", "say which database"),
        ("nonsense", "no connection URL"),
        ("host=127.0.0.1 port=1", "refused"),
    ):
        done = doctor(url, "--install-guard", "stop")
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
