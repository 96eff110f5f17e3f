"""The console, as an operator's psql and drivers meet it."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import psycopg
import psycopg2
import pytest

from proxy.admin.words import SHOWN, TOLD
from tests import proxies, servers
from tests.binaries import client
from tests.live.conftest import start_guard, through
from tests.live.test_admin_http import site
from tests.live.test_jobs_command import UNIQUE, left
from tests.live.test_patience import Background, until
from tests.live.test_progress import holding
from tests.proxies import Proxy
from tests.servers import Server

pytestmark = pytest.mark.sampled(2)  # make operating runs them all

Rows = list[dict[str, object]]


@pytest.fixture
def proxied(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path, postgres: Server) -> Proxy:
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute("DO $$BEGIN CREATE ROLE watcher LOGIN; EXCEPTION WHEN duplicate_object THEN END$$")
        connection.execute("DO $$BEGIN CREATE ROLE stranger LOGIN; EXCEPTION WHEN duplicate_object THEN END$$")
    flags = ("--admin-users", "postgres", "--stats-users", "watcher", "--jobs", orders, "--monitor", postgres.url())
    return start_guard(start_proxy, tmp_path, "", *flags)


@pytest.fixture
def console(proxied: Proxy) -> Iterator[Callable[[str], Rows]]:
    with psycopg.connect(proxied.url("interlock"), autocommit=True, row_factory=psycopg.rows.dict_row) as connection:

        def ask(text: str) -> Rows:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

        yield ask


def psql(url: str, *commands: str) -> subprocess.CompletedProcess[str]:
    arguments = [part for command in commands for part in ("-c", command)]
    return subprocess.run([client("psql"), "-X", url, *arguments], capture_output=True, text=True, timeout=60)


def test_psql(proxied: Proxy, orders: str) -> None:
    with psycopg.connect(through(proxied, orders), autocommit=True, application_name="the application") as application:
        application.execute("CREATE INDEX orders_email_idx ON orders (email)")
        done = psql(
            proxied.url("interlock"), *(f"SHOW {name}" for name in SHOWN), "SHOW", "RELOAD", "PAUSE", "RESUME JOBS;"
        )
    assert done.returncode == 0, done.stderr
    for name, shown in SHOWN.items():
        assert " | ".join(column.name for column in shown.columns)[:20] in " ".join(done.stdout.split()), name
    assert "the application" in done.stdout
    assert "policy reloaded" in done.stderr
    assert all(
        word in done.stdout for word in ("RELOAD", "PAUSE", "RESUME", "index-not-concurrent", "CREATE INDEX", *TOLD)
    )


def test_what_is_not_known_is_said_so(proxied: Proxy) -> None:
    done = psql(
        proxied.url("interlock"), "SHOW CLIENT", "SELECT * FROM pg_class", "RETRY 12", "RETRY JOB 12", "SHOW JOB x"
    )
    for said in ("did you mean SHOW CLIENTS", "no database", "RETRY JOB n", "there is no job 12", "'x' is no job"):
        assert said in done.stderr
    assert psql(proxied.url("interlock"), "SHOW VERSION").returncode == 0


def test_both_protocols_and_both_formats(proxied: Proxy) -> None:
    url = proxied.url("interlock")
    with psycopg.connect(url) as connection:  # not autocommit: BEGIN comes first
        text = connection.execute("SHOW RULES").fetchall()
        binary = connection.cursor(binary=True).execute("SHOW RULES").fetchall()
        assert text == binary
        assert {type(row[3]) for row in text} == {int}
        with pytest.raises(psycopg.errors.UndefinedObject):
            connection.execute("SHOW NOTHING")
        connection.rollback()
        for _ in range(6):  # prepared after the fifth
            assert connection.execute("SHOW VERSION").fetchall()
    other = psycopg2.connect(url)
    with other.cursor() as cursor:
        cursor.execute("/* exporter */ SHOW STATS;")
        assert cursor.description[0].name == "database"
    other.close()

    async def asynchronously() -> None:
        connection = await asyncpg.connect(url)
        found = await connection.fetch("SHOW CLIENTS")
        assert found == []
        assert await connection.fetchval("SHOW VERSION")
        await connection.close()

    asyncio.run(asynchronously())


def test_who_comes_in(proxied: Proxy, orders: str) -> None:
    assert psql(proxied.url("interlock", user="watcher"), "SHOW CLIENTS").returncode == 0
    refused = psql(proxied.url("interlock", user="watcher"), "RELOAD", "PAUSE", "RETRY JOB 1", "CANCEL JOB 1")
    assert refused.stderr.count("permission denied") == 4
    for user in ("stranger", "nobody_at_all"):  # Postgres's own words
        direct = psql(orders.replace("postgres@", f"{user}@").rpartition("/")[0] + "/interlock", "SELECT 1")
        through_it = psql(proxied.url("interlock", user=user), "SHOW CLIENTS")
        assert "FATAL" in direct.stderr
        assert direct.stderr.partition("FATAL")[2] == through_it.stderr.partition("FATAL")[2]


def test_a_real_database_of_that_name_is_not_hidden(proxied: Proxy, postgres: Server) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE interlock")
        try:
            with psycopg.connect(proxied.url("interlock"), autocommit=True) as real:
                assert real.execute("SELECT current_database()").fetchone() == ("interlock",)
                with pytest.raises(psycopg.errors.UndefinedObject):
                    real.execute("SHOW CLIENTS")
        finally:
            connection.execute("DROP DATABASE interlock WITH (FORCE)")


def test_the_upstream_asks_for_the_password(postgres: Server, tmp_path: Path) -> None:
    server = servers.start(postgres.version, hba="host all all 127.0.0.1/32 scram-sha-256\n", databases=())
    try:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("SET password_encryption = 'scram-sha-256'")
            connection.execute("CREATE ROLE operator LOGIN PASSWORD 'secret'")
        running = proxies.start(server, tmp_path, "--admin-users", "operator")
        try:
            url = running.url("interlock", user="operator")
            with psycopg.connect(url, password="secret", autocommit=True) as known:
                assert known.execute("SHOW VERSION").fetchone()
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(url, password="wrong")
            with pytest.raises(psycopg.OperationalError, match="no password supplied"):
                psycopg.connect(url)
        finally:
            running.stop()
    finally:
        server.stop()


def test_a_build_and_who_is_in_its_way(proxied: Proxy, orders: str, console: Callable[[str], Rows]) -> None:
    with holding(orders) as writer:
        build = Background(through(proxied, orders), "CREATE INDEX slow_idx ON orders (email)")
        until(lambda: bool(console("SHOW WAITS")), "the build should be waiting")
        [wait] = console("SHOW WAITS")
        assert wait["blocker_pid"] == writer.info.backend_pid
        assert (wait["blocker_application_name"], wait["blocker_state"]) == ("web", "idle in transaction")
        [job] = console("SHOW JOBS")
        assert (job["state"], job["step"], job["steps"], job["job"]) == ("running", 1, 1, None)
        assert str(job["phase"]).startswith("waiting for writers")
        assert f"pid {writer.info.backend_pid} (postgres, web)" in str(job["waits_for"])
        assert {row["state"] for row in console("SHOW CLIENTS")} == {"held"}
        writer.rollback()
    build.join()
    assert build.error is None
    assert console("SHOW JOBS") == console("SHOW WAITS") == []
    [newest] = [row for row in console("SHOW DECISIONS") if row["kind"] == "CREATE INDEX"]
    assert (newest["action"], newest["rule"], newest["outcome"]) == ("rewrite", "index-not-concurrent", "done")


def test_a_lock_that_is_waited_for(proxied: Proxy, orders: str, console: Callable[[str], Rows]) -> None:
    with holding(orders) as writer:
        alter = Background(through(proxied, orders), "ALTER TABLE orders ADD COLUMN later int")
        until(lambda: bool(console("SHOW WAITS")), "the lock should be waited for")
        [wait] = console("SHOW WAITS")
        assert (wait["lock"], wait["blocker_pid"]) == ("AccessExclusiveLock", writer.info.backend_pid)
        assert wait["relations"] == "public.orders"
        writer.rollback()
    alter.join()
    assert alter.error is None


def test_jobs_are_tried_again_and_given_up(orders: str, console: Callable[[str], Rows]) -> None:
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute("UPDATE orders SET email = 'e1' WHERE id = 2")
        number = left(orders, UNIQUE)
        with pytest.raises(
            psycopg.errors.ObjectNotInPrerequisiteState, match="has failed: could not create unique index"
        ):
            console(f"RETRY JOB {number}")
        [job] = console("SHOW JOBS")
        assert (job["job"], job["state"], job["attempts"]) == (number, "failed", 1)
        about = {row["key"]: row["value"] for row in console(f"SHOW JOB {number}")}
        assert about["statement"] == UNIQUE
        assert "could not create unique index" in str(about["error"])
        connection.execute("UPDATE orders SET email = 'e2' WHERE id = 2")
        console(f"RETRY JOB {number}")
        assert [row["state"] for row in console("SHOW JOBS")] == ["done"]
        assert connection.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders_email'::regclass"
        ).fetchone()
        other = left(orders, "CREATE INDEX another ON orders (email)")
        console(f"CANCEL JOB {orders.rpartition('/')[2]}.{other}")
        assert [row["state"] for row in console("SHOW JOBS")] == ["done", "cancelled"]


@pytest.mark.parametrize("sql", ["state = 'nonsense'", "settings = '[]'"])
def test_a_job_that_has_been_changed_is_shown_and_left(orders: str, console: Callable[[str], Rows], sql: str) -> None:
    number = left(orders, "CREATE INDEX another ON orders (email)")
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute(f"UPDATE interlock.jobs SET {sql}".encode())
    [job] = console("SHOW JOBS")
    assert f"it cannot be read: its column {sql.split()[0]} is" in str(job["error"])
    told = [str(row["value"]) for row in console(f"SHOW JOB {number}") if row["key"] == "what to do"]
    assert told == [f"to forget it, and take nothing back:  DELETE FROM interlock.jobs WHERE id = {number};"]
    for command, said in (("RETRY", "not done"), ("CANCEL", "not given up")):
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=f"is {said}: it cannot be read"):
            console(f"{command} JOB {number}")


def test_pause(proxied: Proxy, orders: str, console: Callable[[str], Rows]) -> None:
    heard: list[str] = []
    with psycopg.connect(through(proxied, orders)) as migration:
        migration.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        console("PAUSE")
        migration.execute("CREATE INDEX paused_idx ON orders (email)")
        migration.commit()
        assert any("waits until somebody says RESUME" in said for said in heard)
        [job] = console("SHOW JOBS")
        assert job["state"] == "waiting"
        console("RESUME")
        migration.execute("SELECT 1")
        migration.commit()
    [job] = console("SHOW JOBS")
    assert job["state"] == "done"


def test_several_workers_are_one(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path, postgres: Server
) -> None:
    """Whichever of them a connection meets: the same rows, sums of all, one page, one PAUSE."""
    flags = ("--workers", "3", "--admin", "127.0.0.1:0", "--admin-users", "postgres", "--jobs", orders)
    proxy = start_guard(start_proxy, tmp_path, "", *flags)
    clients = [psycopg.connect(through(proxy, orders), autocommit=True, application_name=f"c{n}") for n in range(6)]
    for n, one in enumerate(clients):
        one.execute(f"CREATE INDEX i{n} ON orders (email)".encode())
    until(lambda: site(proxy) != "", "the page should be there")

    def shown(command: str) -> Rows:
        with psycopg.connect(proxy.url("interlock"), autocommit=True, row_factory=psycopg.rows.dict_row) as console:
            cursor = console.execute(command.encode())
            return cursor.fetchall() if cursor.description else []

    for _ in range(5):
        assert {row["application_name"] for row in shown("SHOW CLIENTS")} == {f"c{n}" for n in range(6)}
        assert [row["total_rewrite"] for row in shown("SHOW STATS")] == [6]
        assert len({row["number"] for row in shown("SHOW DECISIONS")}) == 6
    assert (
        'interlock_statements_total{action="rewrite",rule="index-not-concurrent"} 6.0'
        in httpx.get(f"{site(proxy)}/metrics").text
    )
    shown("PAUSE")
    for one in clients:
        with one.transaction():
            one.execute("CREATE TEMPORARY TABLE IF NOT EXISTS t (a int)")
    with clients[0].transaction():
        clients[0].execute("CREATE INDEX paused ON orders (total)")
    assert [row["state"] for row in shown("SHOW JOBS")] == ["waiting"]
    assert "RELOAD" not in str(shown("RELOAD"))
    until(lambda: proxy.stderr_text().count("policy reloaded") == 3, "all should read it again")
    for one in clients:
        one.close()
