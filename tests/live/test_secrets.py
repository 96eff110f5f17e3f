"""A password that is sent by every road must be in nothing that Interlock writes: logs at their loudest, audit, errors, commands' output."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest

from proxy.admin.words import SHOWN
from proxy.wire import messages as m
from tests import forked, proxies
from tests.live.conftest import POLICY, through
from tests.live.raw import Raw
from tests.live.secured import FRONT, private, secured
from tests.live.test_admin_http import site
from tests.proxies import Proxy
from tests.servers import Server

pytestmark = pytest.mark.sampled(2)  # make security runs them all

CANARY = "c4n4ry-hunter2"
ROOT = Path(__file__).parent.parent.parent

# Each is sent alone; that the server refuses some of them is as good: they have been read and written down.
ROADS = (
    f"CREATE ROLE secret_role LOGIN PASSWORD '{CANARY}'",
    f"ALTER ROLE secret_role WITH ENCRYPTED PASSWORD '{CANARY}' VALID UNTIL 'infinity'",
    f"ALTER USER secret_role PASSWORD E'{CANARY}'",
    f"ALTER ROLE secret_role PASSWORD $${CANARY}$$",
    f"ALTER ROLE secret_role PASSWORD U&'\\0063{CANARY[1:]}'",
    f"/* {CANARY} */ ALTER ROLE secret_role PASSWORD '{CANARY}' -- {CANARY}",
    f"ALTER ROLE nobody_of_that_name PASSWORD '{CANARY}'",
    f"ALTER ROLE secret_role PASSWORD '{CANARY}' NONSENSE",
    f"ALTER ROLE secret_role PASSWORD '{CANARY}",
    f"ALTER ROLE secret_role SET my.password = '{CANARY}'",
    f"CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'h', password '{CANARY}')",
    f"CREATE USER MAPPING FOR postgres SERVER s OPTIONS (user 'u', password '{CANARY}')",
    f"ALTER USER MAPPING FOR postgres SERVER s OPTIONS (SET password '{CANARY}')",
    f"CREATE FOREIGN TABLE ft (a int) SERVER s OPTIONS (access_key '{CANARY}')",
    f"CREATE SUBSCRIPTION sub CONNECTION 'host=h password={CANARY}' PUBLICATION p WITH (connect = false)",
    f"ALTER SUBSCRIPTION sub CONNECTION 'postgres://u:{CANARY}@h/d'",
    f"ALTER SYSTEM SET primary_conninfo = 'host=h password={CANARY}'",
    f"ALTER SYSTEM SET ssl_passphrase_command = 'echo {CANARY}'",
    f"ALTER SYSTEM SET archive_command = 'curl -u me:{CANARY} -T %p https://h/'",
    f"ALTER DATABASE template1 SET my.token = '{CANARY}'",
    f"SET my.api_key = '{CANARY}'; CREATE TABLE s1 (a int)",
    f"SELECT set_config('my.secret', '{CANARY}', false); CREATE TABLE s2 (a int)",
    f"COPY other FROM PROGRAM 'curl -s -u me:{CANARY} https://h/'; CREATE TABLE s3 (a int)",
    f"CREATE TABLE s4 (a int); COPY s4 TO PROGRAM 'curl -u me:{CANARY} -T - https://h/'",
    f"SELECT dblink_connect('host=h password={CANARY}'); CREATE TABLE s5 (a int)",
    f"DO $$ BEGIN PERFORM dblink('host=127.0.0.1 password={CANARY}', 'SELECT 1'); CREATE TABLE s6 (a int); END $$",
    f"DO $$ BEGIN EXECUTE 'ALTER ROLE secret_role PASSWORD ''{CANARY}'''; END $$",
    f"DO $$ DECLARE password text := '{CANARY}'; BEGIN EXECUTE format('ALTER ROLE secret_role PASSWORD %L', password); END $$",
    f"DO $$ BEGIN COPY other FROM PROGRAM 'curl -u me:{CANARY} https://h/'; END $$",
    f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM dblink('postgres://u:{CANARY}@h/d', 'x'); END $$",
    f"CREATE PROCEDURE p() LANGUAGE sql AS 'ALTER ROLE secret_role PASSWORD ''{CANARY}'''",
    "CALL p()",
    f"CREATE VIEW v AS SELECT * FROM dblink('password={CANARY}', 'SELECT 1') AS t(a int)",
    f"COMMENT ON TABLE other IS 'see postgres://u:{CANARY}@h/d'",
    f"ALTER TABLE other ADD COLUMN dsn text DEFAULT 'postgres://u:{CANARY}@h/d'",
    f"CREATE INDEX ON other ((a || 'password={CANARY}'))",
    f"EXPLAIN ALTER ROLE secret_role PASSWORD '{CANARY}'",
    f"EXPLAIN CREATE INDEX ON other ((a || 'password={CANARY}'))",
    f"PREPARE q AS SELECT dblink_connect('password={CANARY}')",
    f"BEGIN; CREATE INDEX big_i ON orders (email) WHERE email <> 'password={CANARY}'; COMMIT",
    f"BEGIN; CREATE INDEX big_j ON orders (email); COMMENT ON INDEX big_j IS 'postgres://u:{CANARY}@h/d'; COMMIT",
    f"ALTER TABLE orders ADD CONSTRAINT c CHECK (email <> 'password={CANARY}')",
    f"CREATE PUBLICATION x FOR TABLE nowhere WITH (password = '{CANARY}')",
)  # fmt: skip


def printed(*arguments: str, url: str) -> str:
    """All that a command says."""
    done = forked.run(*arguments, env={**forked.bare_environment(), "INTERLOCK_UPSTREAM": url}, timeout=60)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + done.stderr


def lines_with(text: str, canary: str = CANARY) -> list[str]:
    """What stands before the canary, wherever it is."""
    return [text[max(0, at - 120) : at + 40] for at in range(len(text)) if text.startswith(canary, at)]


def test_statements(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path, postgres: Server) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    shown = ("--admin", "127.0.0.1:0", "--admin-users", "postgres", "--jobs", orders)
    proxy = start_proxy("--log-level", "debug", *shown, policy=policy)
    with psycopg.connect(orders, autocommit=True) as direct:
        direct.execute("CREATE TABLE other (a text)")
        direct.execute("CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw")
    url = through(proxy, orders)
    heard: list[str] = []
    try:
        for road in ROADS:
            with psycopg.connect(url, autocommit=True) as session:
                session.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
                with contextlib.suppress(psycopg.Error):
                    session.execute(road)
        with Raw(
            url, options=f"-c my.password={CANARY}"
        ) as raw:  # by the extended protocol, and as a setting from the start
            for road in ROADS[:8]:
                raw.send(m.parse(b"", road.encode()) + m.bind(b"", b"") + m.execute(b"") + m.sync())
                raw.until("Z")
    finally:
        with psycopg.connect(orders, autocommit=True) as direct:
            with contextlib.suppress(psycopg.Error):
                direct.execute("ALTER SUBSCRIPTION sub SET (slot_name = NONE)")
                direct.execute("DROP SUBSCRIPTION sub")
            for text in (
                "ALTER SYSTEM RESET ALL",
                "ALTER DATABASE template1 RESET ALL",
                "DROP ROLE IF EXISTS secret_role",
            ):
                direct.execute(text)
    audit = proxy.audit.read_text()
    assert audit.count('"kind": "ALTER ROLE"') + audit.count('"kind":"ALTER ROLE"') > 5, "it has been written down"
    assert not lines_with(proxy.stderr_text())
    assert not lines_with(audit)
    assert not lines_with(console(proxy))
    assert not lines_with(pages(proxy))
    for arguments in (
        ("audit", "tail", str(proxy.audit)),
        ("audit", "report", str(proxy.audit)),
        ("jobs", "list"),
        ("jobs", "list", "--format", "json"),
        ("unfinished",),
    ):
        assert not lines_with(printed(*arguments, url=orders)), arguments


def console(proxy: Proxy) -> str:
    """All that the console shows."""
    with psycopg.connect(proxy.url("interlock"), autocommit=True) as session:
        return "\n".join(str(session.execute(f"SHOW {name}".encode()).fetchall()) for name in SHOWN)


def pages(proxy: Proxy) -> str:
    """The status page and all that it leads to, and the metrics."""
    seen: dict[str, str] = {}
    with httpx.Client(base_url=site(proxy), timeout=20, follow_redirects=True) as client:
        wanted = ["/", "/metrics"]
        while wanted and len(seen) < 200:
            path = wanted.pop()
            if path not in seen:
                seen[path] = client.get(path).text
                wanted += re.findall(r'href="(/[^"]*)"', seen[path])
    assert len(seen) > 10, list(seen)
    return "\n".join(seen.values())


def test_the_upstreams_password(postgres: Server, tmp_path: Path) -> None:
    """By a file, the environment or a command it is nowhere to be seen; in the arguments anybody sees it, and is told so."""
    server = secured(postgres.version)
    users = private(tmp_path / "users.txt", f'"ci" "{CANARY}-ci"\n')
    place = f"host=127.0.0.1 port={server.port} dbname=postgres user=scram"
    token = private(tmp_path / "token", f"{CANARY}\n")
    config = private(
        tmp_path / "config.yaml", f"upstream: {place} password={CANARY}\nmonitor: {place} password={CANARY}\n"
    )
    common = ("--auth", "scram", "--auth-users", users, "--log-level", "debug", *FRONT)
    for number, (flags, env) in enumerate(
        (
            (("--upstream", place, "--upstream-password-file", token), {}),
            (("--upstream", place, "--upstream-password-command", f"cat {token}"), {}),
            (("--upstream", place), {"PGPASSWORD": CANARY}),
            (("--upstream", "", "--config", config), {}),
            (("--upstream", "", "--auth", "scram"), {"INTERLOCK_UPSTREAM": f"{place} password={CANARY}"}),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        if "--config" in flags or "INTERLOCK_UPSTREAM" in env:
            flags = tuple(flag for flag in flags if flag not in ("--upstream", ""))
        proxy = start(server, folder, *common, *flags, env=env)
        try:
            with pytest.raises(psycopg.OperationalError) as caught:  # the canary is not the right password there
                psycopg.connect(proxy.url(user="ci"), password=f"{CANARY}-ci")
            assert CANARY not in str(caught.value)
            assert "Interlock could not log in at the server" in str(caught.value)
            assert CANARY not in command_line(proxy)
            assert not lines_with(proxy.stderr_text())
        finally:
            proxy.stop()
        assert not lines_with(proxy.stderr_text() + proxy.audit.read_text())


def test_a_password_in_the_arguments_is_warned_of(postgres: Server, tmp_path: Path) -> None:
    proxy = proxies.start(postgres, tmp_path, "--upstream", f"postgres://u:{CANARY}@127.0.0.1:{postgres.port}/postgres")
    try:
        assert proxy.logs("the password in --upstream can be read by everybody on this machine")
        assert CANARY not in proxy.stderr_text()
    finally:
        proxy.stop()


def start(server: Server, folder: Path, *arguments: str, env: dict[str, str]) -> Proxy:
    """As ``proxies.start``, but for the upstream, which is given otherwise."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "INTERLOCK_"))}
    audit = folder / "audit.jsonl"
    command = [sys.executable, "-m", "proxy", "serve", "--listen", "127.0.0.1:0", "--audit", str(audit), *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**clean, **env},
    )
    proxy = Proxy(server, audit, process)
    proxy.wait_ready(20)
    return proxy


def command_line(proxy: Proxy) -> str:
    """What ``ps`` shows."""
    return Path(f"/proc/{proxy.process.pid}/cmdline").read_text()


@pytest.mark.parametrize(
    "upstream",
    [
        f"postgres://u:{CANARY}@h:port/d",
        f"postgres://u:{CANARY}%@h/d",
        f"host=h password={CANARY} nonsense=1",
        f"host=h password='{CANARY}",
        f"mysql://u:{CANARY}@h/d",
        f"jdbc:postgresql://h/d?password={CANARY}",
        f"postgres://u:{CANARY}@h/d?sslmode=maybe",
        f"postgres://u@h/d?password={CANARY}&sslmode=verify-full&sslrootcert=/nowhere",
    ],
)
def test_an_upstream_that_cannot_be_read(upstream: str) -> None:
    for said in (
        printed("serve", "--listen", "127.0.0.1:0", url=upstream),
        printed("jobs", "list", "--database", upstream, url=""),
        printed("doctor", "--remove-guard", url=upstream),
        printed("check", "--database", upstream, str(ROOT / "tests/unit/sql/corpus/forms.sql"), url=""),
    ):
        assert not lines_with(said), said
