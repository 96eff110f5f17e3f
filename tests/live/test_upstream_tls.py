"""TLS to servers that have it: verification, client certificate, direct TLS, seen by the server itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests import proxies
from tests.live.secured import CA, CERTIFICATES, PASSWORD, private, secured
from tests.proxies import Proxy
from tests.servers import Server

pytestmark = pytest.mark.sampled(2)  # make security runs them all

STRANGER = CERTIFICATES / "stranger.crt"


@pytest.fixture
def before(postgres: Server, tmp_path: Path) -> object:
    """``before("options of --upstream")`` starts an Interlock before the secured server."""
    server = secured(postgres.version)
    running: list[Proxy] = []

    def start(options: str, host: str = "localhost") -> Proxy:
        url = f"host={host} hostaddr=127.0.0.1 port={server.port} dbname=postgres {options}"
        folder = tmp_path / str(len(running))
        folder.mkdir()
        running.append(proxies.start(server, folder, "--upstream", url))
        return running[-1]

    yield start
    for proxy in running:
        assert proxy.stop() == 0
        assert "Traceback" not in proxy.stderr_text()


Before = Callable[..., Proxy]


def seen(proxy: Proxy, user: str = "scram") -> object:
    """What the server says of the connection: TLS, the client certificate's name."""
    with psycopg.connect(proxy.url(user=user), password=PASSWORD, channel_binding="disable") as connection:
        return connection.execute(
            "SELECT ssl, coalesce(client_dn, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        ).fetchone()


def test_verify_full(before: Before) -> None:
    assert seen(before(f"sslmode=verify-full sslrootcert={CA}")) == (True, "")
    for options, host, said in (
        (f"sslmode=verify-full sslrootcert={STRANGER}", "localhost", "certificate verification failed"),
        (f"sslmode=verify-full sslrootcert={CA}", "db.example", "Hostname mismatch"),
    ):
        with pytest.raises(psycopg.OperationalError, match=said):
            seen(before(options, host))
    assert seen(before(f"sslmode=verify-ca sslrootcert={CA}", "db.example")) == (True, "")


def test_interlocks_own_certificate(before: Before, tmp_path: Path) -> None:
    key = private(tmp_path / "client.key", CERTIFICATES / "client.key")
    proxy = before(f"sslmode=verify-full sslrootcert={CA} sslcert={CERTIFICATES / 'client.crt'} sslkey={key}")
    assert seen(proxy, "postgres") == (True, "/CN=postgres")
    assert proxy.logs("whoever reaches Interlock can log in as the user of that certificate")


def test_direct_tls(before: Before, postgres: Server) -> None:
    proxy = before(f"sslmode=verify-full sslrootcert={CA} sslnegotiation=direct")
    if postgres.version >= 17:
        assert seen(proxy) == (True, "")
    else:  # older ones know only the request in the open
        with pytest.raises(psycopg.OperationalError, match="could not connect to upstream"):
            seen(proxy)


def test_versions(before: Before) -> None:
    assert seen(before("sslmode=require ssl_min_protocol_version=TLSv1.3")) == (True, "")
    assert seen(before("sslmode=require ssl_max_protocol_version=TLSv1.2")) == (True, "")
