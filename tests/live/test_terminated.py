"""Interlock checks logins itself, and logs in at the server with its own password or in the client's name."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pg8000.dbapi
import psycopg
import psycopg2
import pytest

from proxy.login.scram import Verifier
from proxy.wire import messages as m
from tests import proxies
from tests.live.raw import Raw, error, eventually
from tests.live.secured import CA, CERTIFICATES, FRONT, PASSWORD, private, secured, verifier
from tests.proxies import Proxy
from tests.servers import Server

pytestmark = pytest.mark.sampled(2)  # make security runs them all

OWN = "battery staple"
"""A password that only Interlock knows of."""


@pytest.fixture
def server(postgres: Server) -> Server:
    return secured(postgres.version)


@pytest.fixture
def begin(server: Server, tmp_path: Path) -> Iterator[Callable[..., Proxy]]:
    """``begin(users, "--flag", …, upstream=…)``: an Interlock that checks logins, with these lines as users."""
    running: list[Proxy] = []

    def start(users: str, *flags: str, upstream: str = "", env: dict[str, str] | None = None) -> Proxy:
        path = private(tmp_path / "users.txt", users)
        url = f"host=127.0.0.1 port={server.port} dbname=postgres {upstream}"
        folder = tmp_path / f"proxy{len(running)}"
        folder.mkdir()
        arguments = ("--upstream", url, "--auth", "scram", "--auth-users", path, *flags)
        running.append(proxies.start(server, folder, *arguments, env=env))
        return running[-1]

    yield start
    for proxy in running:
        proxy.stop()
        printed = proxy.stderr_text() + proxy.audit.read_text()
        assert "Traceback" not in printed
        assert PASSWORD not in printed
        assert OWN not in printed


Begin = Callable[..., Proxy]


def who(proxy: Proxy, user: str, password: str, **options: str) -> tuple[str, str]:
    with psycopg.connect(proxy.url(user=user), password=password, **options) as connection:  # type: ignore[arg-type]
        row = connection.execute("SELECT session_user, current_database()").fetchone()
    assert row is not None
    return row  # type: ignore[no-any-return]


def own_users() -> str:
    """One by verifier, one by password, one whose name needs quoting."""
    salted = Verifier.of(OWN)
    text = __import__("base64").b64encode
    line = (
        f"SCRAM-SHA-256$4096:{text(salted.salt).decode()}${text(salted.stored_key).decode()}:"
        f"{text(salted.server_key).decode()}"
    )
    return f'; Interlock\'s own users\n"deploy" "{line}"\n"ci" "{OWN}"  ; in the open\n"a ""b""" "{OWN}"\n'


def test_own_users_and_a_password_in_the_url(begin: Begin) -> None:
    proxy = begin(own_users(), upstream=f"user=scram password='{PASSWORD}'")
    for user in ("deploy", "ci", 'a "b"'):
        with psycopg.connect(
            host="127.0.0.1", port=proxy.port, user=user, password=OWN, dbname="postgres"
        ) as connection:
            assert connection.execute("SELECT session_user").fetchone() == ("scram",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(host="127.0.0.1", port=proxy.port, user=user, password="x", dbname="postgres")
    with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "scram"'):
        who(proxy, "scram", PASSWORD)  # who is known to the server alone is not let in here
    # The database is the client's; of none it is named after the client's user, as ever.
    with pytest.raises(psycopg.OperationalError, match='database "deploy" does not exist'):
        psycopg.connect(host="127.0.0.1", port=proxy.port, user="deploy", password=OWN, dbname="deploy")


def test_the_console(begin: Begin) -> None:
    """Whoever Interlock has let in, and is one of its operators, finds the console where there is no such database."""
    proxy = begin(own_users(), "--admin-users", "deploy", upstream=f"user=scram password='{PASSWORD}'")
    place = {"host": "127.0.0.1", "port": proxy.port, "password": OWN, "dbname": "interlock"}
    with psycopg.connect(**place, user="deploy", autocommit=True) as console:
        assert console.execute("SHOW VERSION").fetchall()
    with pytest.raises(psycopg.OperationalError, match='database "interlock" does not exist'):
        psycopg.connect(**place, user="ci")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(**{**place, "password": "x"}, user="deploy")


def test_every_driver(begin: Begin) -> None:
    proxy = begin(own_users(), *FRONT, upstream=f"user=scram password='{PASSWORD}' sslmode=require")
    context = ssl.create_default_context(cafile=str(CA))
    context.check_hostname = False
    place = {"host": "127.0.0.1", "port": proxy.port, "user": "deploy", "password": OWN}

    async def by_asyncpg() -> str:
        connection = await asyncpg.connect(**place, database="postgres", ssl=context)
        try:
            return str(await connection.fetchval("SELECT session_user"))
        finally:
            await connection.close()

    assert who(proxy, "deploy", OWN, sslmode="require", channel_binding="require") == ("scram", "postgres")
    with contextlib.closing(psycopg2.connect(**place, dbname="postgres", channel_binding="require")) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT session_user")
        assert cursor.fetchone() == ("scram",)
    assert asyncio.run(by_asyncpg()) == "scram"
    with contextlib.closing(pg8000.dbapi.connect(**place, database="postgres", ssl_context=context)) as connection3:
        cursor3 = connection3.cursor()
        cursor3.execute("SELECT session_user")
        assert list(cursor3.fetchone()) == ["scram"]


@pytest.mark.parametrize("user", ["plain", "md5", "scram"])
def test_whatever_the_server_asks_for(user: str, begin: Begin) -> None:
    proxy = begin(own_users(), upstream=f"user={user} password='{PASSWORD}'")
    assert who(proxy, "deploy", OWN) == (user, "postgres")


def test_a_password_of_the_users_file_opens_the_server_too(begin: Begin) -> None:
    proxy = begin("".join(f'"{user}" "{PASSWORD}"\n' for user in ("plain", "md5", "scram")))
    for user in ("plain", "md5", "scram"):
        assert who(proxy, user, PASSWORD) == (user, "postgres")


def test_a_verifier_alone_opens_only_what_is_its_own(begin: Begin, server: Server) -> None:
    users = "".join(f'"{user}" "{verifier(server, "scram")}"\n' for user in ("scram", "other", "plain", "md5"))
    proxy = begin(users)
    assert who(proxy, "scram", PASSWORD) == ("scram", "postgres")
    for user, said in (
        ("other", 'the SCRAM verifier of "other" is not the server\'s'),
        ("plain", "the server asks for a password in the open, and Interlock has only the SCRAM verifier"),
        ("md5", "the server asks for an md5 password, and Interlock has only the SCRAM verifier"),
    ):
        if user == "md5" and server.version >= 13:
            said = "Interlock has only the SCRAM verifier"
        with pytest.raises(psycopg.OperationalError, match=said):
            who(proxy, user, PASSWORD)


def test_own_password_from_a_file(begin: Begin, tmp_path: Path) -> None:
    path = private(tmp_path / "password", f"{PASSWORD}\n")
    proxy = begin(own_users(), "--upstream-password-file", path, upstream="user=scram")
    assert who(proxy, "deploy", OWN) == ("scram", "postgres")
    private(tmp_path / "password", "no longer")
    with pytest.raises(psycopg.OperationalError, match='Interlock could not log in at the server as "scram"') as caught:
        who(proxy, "deploy", OWN)
    assert 'DETAIL:  28P01: password authentication failed for user "scram"' in str(caught.value)
    private(tmp_path / "password", PASSWORD)  # read at each login
    assert who(proxy, "deploy", OWN) == ("scram", "postgres")
    os.chmod(path, 0o644)
    with pytest.raises(psycopg.OperationalError, match="may be read by everybody; run: chmod"):
        who(proxy, "deploy", OWN)


def test_own_password_from_the_environment_and_the_password_file(begin: Begin, tmp_path: Path, server: Server) -> None:
    proxy = begin(own_users(), upstream="user=scram", env={"PGPASSWORD": PASSWORD})
    assert who(proxy, "deploy", OWN) == ("scram", "postgres")
    path = private(tmp_path / "pgpass", f"127.0.0.1:{server.port}:*:scram:{PASSWORD}\n")
    proxy = begin(own_users(), upstream="user=scram", env={"PGPASSFILE": path})
    assert who(proxy, "deploy", OWN) == ("scram", "postgres")


COMMAND = """#!/bin/sh
echo "$INTERLOCK_USER $INTERLOCK_DATABASE $INTERLOCK_HOST $INTERLOCK_PORT" >>"$(dirname "$0")/asked"
cat "$(dirname "$0")/token"
echo "and what else it says" >&2
"""


def test_own_password_from_a_command(begin: Begin, tmp_path: Path, server: Server) -> None:
    """It is asked once while what it said is good, and again when the server refuses it: the token has expired."""
    (tmp_path / "token").write_text(f"{PASSWORD}\n")
    (tmp_path / "asked").touch()
    command = tmp_path / "give token"
    command.write_text(COMMAND)
    command.chmod(0o755)
    flags = ("--upstream-password-command", f"'{command}'")
    proxy = begin(own_users(), *flags, upstream="user=scram")
    for _ in range(3):
        assert who(proxy, "deploy", OWN) == ("scram", "postgres")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [f"scram postgres 127.0.0.1 {server.port}"]
    with server.connect() as session:
        session.execute("ALTER ROLE scram PASSWORD 'the next token'")
    try:
        (tmp_path / "token").write_text("the next token\n")
        assert who(proxy, "deploy", OWN) == ("scram", "postgres")  # the old one is refused, the command asked once more
        assert len((tmp_path / "asked").read_text().splitlines()) == 2
        (tmp_path / "token").write_text("wrong")
        with server.connect() as session:
            session.execute("ALTER ROLE scram PASSWORD 'another'")
        with pytest.raises(psycopg.OperationalError, match="Interlock could not log in at the server"):
            who(proxy, "deploy", OWN)
        assert len((tmp_path / "asked").read_text().splitlines()) == 3
    finally:
        with server.connect() as session:
            session.execute(f"ALTER ROLE scram PASSWORD '{PASSWORD}'")
    command.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(psycopg.OperationalError, match=r"Interlock has no password for the server: .*exit code 3"):
        who(proxy, "deploy", OWN)
    assert "the next token" not in proxy.stderr_text() + proxy.audit.read_text()


def test_cancel_requests(begin: Begin, server: Server) -> None:
    proxy = begin(own_users(), *FRONT, upstream=f"user=scram password='{PASSWORD}' sslmode=require")
    with psycopg.connect(proxy.url(user="deploy"), password=OWN, sslmode="require") as connection:
        sleeping = threading.Thread(
            target=lambda: (
                eventually("it sleeps", lambda: any("pg_sleep(60)" in line for line in server.sessions("postgres"))),
                connection.cancel_safe(),
            )
        )
        sleeping.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(60)")
        sleeping.join()


def test_a_migration(begin: Begin, server: Server) -> None:
    """Rewrites, and jobs after COMMIT, on a connection of which Interlock made the login."""
    proxy = begin(own_users(), upstream=f"user=scram password='{PASSWORD}'")
    name = server.create_database()
    try:
        with server.connect() as session:
            session.execute(f'ALTER DATABASE "{name}" OWNER TO scram')
        with psycopg.connect(proxy.url(name, user="deploy"), password=OWN) as connection:
            connection.execute("CREATE TABLE big AS SELECT g AS id, g::text AS name FROM generate_series(1, 300000) g")
            connection.commit()
            connection.execute("CREATE INDEX big_id_idx ON big (id)")
            connection.commit()
            row = connection.execute(
                "SELECT indisvalid FROM pg_index WHERE indexrelid = 'big_id_idx'::regclass"
            ).fetchone()
            assert row == (True,)
        assert "CREATE INDEX CONCURRENTLY" in proxy.stderr_text() + proxy.audit.read_text()
    finally:
        server.drop_database(name)


def test_users_are_read_again(begin: Begin, tmp_path: Path) -> None:
    proxy = begin(own_users(), upstream=f"user=scram password='{PASSWORD}'")
    private(tmp_path / "users.txt", '"deploy" "md5d41d8cd98f00b204e9800998ecf8427e"\n')
    proxy.reload()
    eventually("it is said why not", lambda: "users not reloaded" in proxy.stderr_text())
    assert proxy.logs('users.txt:1: "deploy": an md5 hash')
    assert who(proxy, "deploy", OWN)
    private(tmp_path / "users.txt", f'"new" "{OWN}"\n')
    proxy.reload()
    eventually("they are new", lambda: "users reloaded: 1" in proxy.stderr_text())
    assert who(proxy, "new", OWN)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        who(proxy, "deploy", OWN)


BROKEN: dict[str, bytes] = {
    "another mechanism": b"SCRAM-SHA-1\0\0\0\0\x06n,,n=x",
    "no mechanism": b"",
    "a length that is not": b"SCRAM-SHA-256\0\0\0\0\xffn,,n=,r=abc",
    "an authorization identity": b"SCRAM-SHA-256\0\0\0\0\x10n,a=x,n=,r=abcde",
    "an extension that must be known": b"SCRAM-SHA-256\0\0\0\0\x0fn,,m=x,n=,r=abc",
    "binding without TLS": b"SCRAM-SHA-256-PLUS\0\0\0\0\x20p=tls-server-end-point,,n=,r=abcd",
    "not UTF-8": b"SCRAM-SHA-256\0\0\0\0\x0cn,,n=,r=\xff\xff\xff\xff",
}


def test_broken_logins(begin: Begin) -> None:
    proxy = begin(own_users(), upstream=f"user=scram password='{PASSWORD}'")
    for name, body in BROKEN.items():
        with Raw(proxy.url(), login=False) as raw:
            raw.send(m.startup({"user": "deploy", "database": "postgres"}))
            raw.until("R")
            raw.send(b"p" + (len(body) + 4).to_bytes(4, "big") + body)
            assert error(raw.rest())["C"] in ("08P01", "0A000"), name
    for sent in (m.query(b"SELECT 1"), b"p\xff\xff\xff\xff", b"p\0\0\0\0"):
        with Raw(proxy.url(), login=False) as raw:
            raw.send(m.startup({"user": "deploy", "database": "postgres"}))
            raw.until("R")
            raw.send(sent)
            assert error(raw.rest())["C"] == "08P01"


def test_a_proof_that_is_replayed(begin: Begin) -> None:
    """What somebody has seen of a login opens nothing the next time: the nonce is another one."""
    proxy = begin(own_users(), upstream=f"user=scram password='{PASSWORD}'")
    final = b"c=biws,r=abc,p=" + b"A" * 43 + b"="
    with Raw(proxy.url(), login=False) as raw:
        raw.send(m.startup({"user": "deploy", "database": "postgres"}))
        raw.until("R")
        body = b"SCRAM-SHA-256\0\0\0\0\x0bn,,n=,r=abc"
        raw.send(b"p" + (len(body) + 4).to_bytes(4, "big") + body)
        (_, said) = raw.until("R")[-1]
        assert said[4:].startswith(b"r=abc")
        assert len(said) > 40
        raw.send(b"p" + (len(final) + 4).to_bytes(4, "big") + final)
        assert error(raw.rest())["C"] == "08P01"


def test_a_slow_login_is_ended(begin: Begin) -> None:
    proxy = begin(own_users(), "--login-timeout", "0.5", upstream=f"user=scram password='{PASSWORD}'")
    with Raw(proxy.url(), login=False) as raw:
        raw.send(m.startup({"user": "deploy", "database": "postgres"}))
        assert [kind for kind, _ in raw.rest()] == ["R"]


def test_by_certificate(server: Server, tmp_path: Path) -> None:
    key = private(tmp_path / "client.key", CERTIFICATES / "client.key")
    url = f"host=127.0.0.1 port={server.port} dbname=postgres user=scram password='{PASSWORD}'"
    flags = ("--upstream", url, "--auth", "cert", "--tls-client-ca", str(CA), *FRONT)
    proxy = proxies.start(server, tmp_path, *flags)
    try:
        own = {"sslmode": "require", "sslcert": str(CERTIFICATES / "client.crt"), "sslkey": key}
        assert who(proxy, "postgres", "", **own) == ("scram", "postgres")
        for user, options in (
            ("deploy", own),
            ("postgres", {"sslmode": "require"}),
            ("postgres", {"sslmode": "disable"}),
        ):
            with pytest.raises(psycopg.OperationalError, match=f'certificate authentication failed for user "{user}"'):
                who(proxy, user, "", **options)
        assert "Traceback" not in proxy.stderr_text()
    finally:
        proxy.stop()


def test_the_console_behind_a_login_that_interlock_checks(server: Server, begin: Callable[..., Proxy]) -> None:
    """The client has proven itself to Interlock; the server still says that there is no such database."""
    running = begin(
        "".join(f'"{name}" "{verifier(server, name)}"\n' for name in ("scram", "other")), "--admin-users", "scram"
    )
    with psycopg.connect(running.url("interlock", user="scram"), password=PASSWORD, autocommit=True) as console:
        assert console.execute("SHOW VERSION").fetchone()
        assert console.execute("SHOW CLIENTS").fetchall() == []
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(running.url("interlock", user="scram"), password="wrong")
    with pytest.raises(psycopg.OperationalError, match='database "interlock" does not exist'):
        psycopg.connect(running.url("interlock", user="other"), password=PASSWORD)
