"""TLS from clients: modes, certificates both ways, versions, and new files while connections live on."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pg8000.dbapi
import psycopg
import psycopg2
import pytest

from tests.live.raw import eventually
from tests.live.secured import CA, CERTIFICATES, FRONT, SAME, private
from tests.live.test_bad_input import UPSTREAM, serve
from tests.proxies import Proxy

pytestmark = pytest.mark.sampled(2)  # make security runs them all

Start = Callable[..., Proxy]


@pytest.fixture
def own(tmp_path: Path) -> dict[str, str]:
    """A client's certificate for the user postgres, as libpq wants it."""
    return {
        "sslcert": private(tmp_path / "client.crt", CERTIFICATES / "client.crt"),
        "sslkey": private(tmp_path / "client.key", CERTIFICATES / "client.key"),
    }


def refused(proxy: Proxy, database: str, *, user: str = "postgres", **options: str) -> str:
    """What libpq is told, "" if it gets in."""
    try:
        with psycopg.connect(proxy.url(database, user=user), **options) as connection:  # type: ignore[arg-type]
            connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        return str(error)
    return ""


def test_tls_is_required(database: str, start_proxy: Start, tmp_path: Path) -> None:
    proxy = start_proxy(*SAME, "--tls-mode", "require", "--listen", "127.0.0.1:0", "--listen", f"{tmp_path}:7000")
    said = refused(proxy, database, sslmode="disable")
    assert "FATAL:  TLS is required here (tls-mode require), and this connection is not encrypted" in said
    assert "HINT:  Connect with sslmode=require or stricter." in said
    assert not refused(proxy, database, sslmode="require")
    assert not refused(proxy, database, host=str(tmp_path), port="7000")  # no TLS on a Unix socket, as in Postgres


def test_tls_can_be_off_with_a_certificate(database: str, start_proxy: Start) -> None:
    proxy = start_proxy(*SAME, "--tls-mode", "disable")
    assert "does not support SSL" in refused(proxy, database, sslmode="require")
    assert not refused(proxy, database, sslmode="prefer")


def test_every_driver_over_tls(database: str, start_proxy: Start) -> None:
    proxy = start_proxy(*SAME, "--tls-mode", "require")
    name = database.rpartition("/")[2]
    verify = {"sslmode": "verify-full", "sslrootcert": str(CA)}
    context = ssl.create_default_context(cafile=str(CA))

    async def by_asyncpg(direct: bool) -> int:
        connection = await asyncpg.connect(
            host="localhost", port=proxy.port, user="postgres", database=name, ssl=context, direct_tls=direct
        )
        try:
            return int(await connection.fetchval("SELECT 42"))
        finally:
            await connection.close()

    with psycopg.connect(proxy.url(name), **verify) as connection:  # type: ignore[arg-type]
        assert connection.execute("SELECT 42").fetchone() == (42,)
    with contextlib.closing(psycopg2.connect(proxy.url(name), **verify)) as connection2:
        cursor = connection2.cursor()
        cursor.execute("SELECT 42")
        assert cursor.fetchone() == (42,)
    with contextlib.closing(
        pg8000.dbapi.connect("postgres", host="localhost", port=proxy.port, database=name, ssl_context=context)
    ) as connection3:
        cursor3 = connection3.cursor()
        cursor3.execute("SELECT 42")
        assert tuple(cursor3.fetchone()) == (42,)
    assert asyncio.run(by_asyncpg(direct=False)) == 42
    psql = shutil.which("psql")  # the operating system's; the tests' own is built without TLS
    if psql is not None:
        url = f"{proxy.url(name)}?sslmode=verify-full&sslrootcert={CA}"
        done = subprocess.run([psql, "-XAtc", "SELECT 42", url], capture_output=True, text=True)
        assert done.stdout == "42\n", done.stderr


def test_the_oldest_version(database: str, start_proxy: Start) -> None:
    proxy = start_proxy(*SAME, "--tls-min-version", "TLSv1.3")
    assert "protocol version" in refused(proxy, database, sslmode="require", ssl_max_protocol_version="TLSv1.2")
    assert not refused(proxy, database, sslmode="require")


def test_client_certificates(database: str, start_proxy: Start, own: dict[str, str], tmp_path: Path) -> None:
    ca = ("--tls-client-ca", str(CA))
    tls = {"sslmode": "require"}
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE ROLE somebody LOGIN" if not exists(connection, "somebody") else "SELECT 1")
    asks = start_proxy(*SAME, *ca, "--tls-mode", "verify-ca")
    assert "certificate required" in refused(asks, database, **tls)
    assert "is required here" in refused(asks, database, sslmode="disable")
    assert not refused(asks, database, **tls, **own)
    assert not refused(asks, database, user="somebody", **tls, **own)
    # Signed by nobody whom we trust: a server certificate of the same authority stands for it, with another CA asked for.
    stranger = start_proxy(*SAME, "--tls-client-ca", str(CERTIFICATES / "stranger.crt"), "--tls-mode", "verify-ca")
    assert refused(stranger, database, **tls, **own)
    names = start_proxy(*SAME, *ca, "--tls-mode", "verify-full")
    assert not refused(names, database, **tls, **own)
    said = refused(names, database, user="somebody", **tls, **own)
    assert 'certificate authentication failed for user "somebody": the client certificate is for "postgres"' in said
    may = start_proxy(*SAME, *ca)
    assert not refused(may, database, **tls)
    assert not refused(may, database, **tls, **own)


def exists(connection: psycopg.Connection, role: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None


def test_a_new_certificate_while_connections_live_on(database: str, start_proxy: Start, tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    shutil.copy(CERTIFICATES / "server.crt", cert)
    private(key, CERTIFICATES / "server.key")
    proxy = start_proxy("--tls-cert", str(cert), "--tls-key", str(key))
    verify = {"sslmode": "verify-full", "sslrootcert": str(CA)}
    with psycopg.connect(proxy.url(database), **verify) as old:  # type: ignore[arg-type]
        shutil.copy(CERTIFICATES / "elsewhere.crt", cert)
        proxy.reload()
        eventually("the pair does not fit, and that is said", lambda: "certificate not reloaded" in proxy.stderr_text())
        assert proxy.logs("the private key does not belong to the certificate")
        assert not refused(proxy, database, **verify)
        shutil.copy(CERTIFICATES / "elsewhere.key", key)
        proxy.reload()
        eventually("the new pair is taken", lambda: "certificate reloaded" in proxy.stderr_text())
        assert "does not match host name" in refused(proxy, database, **verify)
        assert old.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tls-mode", "require"], "--tls-mode require needs --tls-cert"),
        (["--tls-client-ca", str(CA)], "--tls-client-ca needs --tls-cert"),
        ([*FRONT, "--tls-mode", "verify-ca"], "--tls-mode verify-ca needs --tls-client-ca"),
        ([*FRONT, "--tls-client-ca", __file__], f"--tls-client-ca {__file__}: "),
        (["--tls-cert", SAME[1], "--tls-key", FRONT[3]], "the private key does not belong to the certificate"),
        (["--auth", "scram"], "--auth scram needs --auth-users"),
        (["--auth", "cert"], "--auth cert needs --tls-cert and --tls-client-ca"),
        (["--auth-users", __file__], "--auth-users needs --auth scram or cert"),
        (["--auth", "scram", "--auth-users", __file__], "may be read by everybody; run: chmod"),
    ],
)
def test_what_it_cannot_start_with(arguments: list[str], said: str) -> None:
    done = serve(*UPSTREAM, "--listen", "127.0.0.1:0", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
