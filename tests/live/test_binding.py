"""SCRAM and its channel binding through Interlock, for every combination of TLS on the two sides, on servers with real TLS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests import proxies
from tests.live.secured import FRONT, PASSWORD, SAME, private, secured, verifier
from tests.proxies import Proxy
from tests.servers import Server

REFUSED = "SCRAM channel binding cannot pass through Interlock"
NOT_OFFERED = "server did not offer an authentication method that supports channel binding"
NO_TLS = "SSL not in use"

WAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "plain": ("disable", ()),
    "tls": ("require", FRONT),
    "same certificate": ("require", SAME),
}
# (client's leg, server's leg, channel_binding) -> what libpq is told; None: it works
PASSED: dict[tuple[str, str, str], str | None] = {
    ("plain", "disable", "disable"): None,
    ("plain", "disable", "prefer"): None,
    ("plain", "disable", "require"): NO_TLS,
    ("plain", "require", "disable"): None,
    ("plain", "require", "prefer"): None,
    ("plain", "require", "require"): NO_TLS,
    ("tls", "disable", "disable"): None,
    ("tls", "disable", "prefer"): None,
    ("tls", "disable", "require"): NOT_OFFERED,
    ("tls", "require", "disable"): None,
    ("tls", "require", "prefer"): REFUSED,
    ("tls", "require", "require"): NOT_OFFERED,
    ("same certificate", "disable", "require"): NOT_OFFERED,
    ("same certificate", "require", "disable"): None,
    ("same certificate", "require", "prefer"): None,
    ("same certificate", "require", "require"): None,
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> object:
    """One Interlock for each pair of legs."""
    running: dict[tuple[object, ...], Proxy] = {}

    def get(server: Server, upstream_mode: str, *flags: str) -> Proxy:
        key = (server.version, upstream_mode, *flags)
        if key not in running:
            url = f"host=127.0.0.1 port={server.port} sslmode={upstream_mode}"
            running[key] = proxies.start(server, tmp_path_factory.mktemp("proxy"), "--upstream", url, *flags)
        return running[key]

    yield get
    for proxy in running.values():
        proxy.stop()
        assert "Traceback" not in proxy.stderr_text()


Get = Callable[..., Proxy]


def log_in(proxy: Proxy, sslmode: str, binding: str, *, user: str = "scram", password: str = PASSWORD) -> str:
    where = {"host": "127.0.0.1", "port": proxy.port, "dbname": "postgres", "user": user, "password": password}
    try:
        with psycopg.connect(**where, sslmode=sslmode, channel_binding=binding) as connection:  # type: ignore[arg-type]
            row = connection.execute("SELECT session_user").fetchone()
            assert row == (user,)
    except psycopg.OperationalError as error:
        return str(error)
    return ""


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", PASSED, ids=lambda case: " | ".join(case))
def test_passed_through(case: tuple[str, str, str], postgres: Server, shared: Get) -> None:
    leg, upstream_mode, binding = case
    sslmode, flags = WAYS[leg]
    proxy = shared(secured(postgres.version), upstream_mode, *flags)
    said, expected = log_in(proxy, sslmode, binding), PASSED[case]
    assert expected in said if expected else not said, said
    if expected is None:
        wrong = log_in(proxy, sslmode, binding, password="wrong")
        assert 'password authentication failed for user "scram"' in wrong


def test_the_refusal_says_what_to_do(postgres: Server, shared: Get) -> None:
    said = log_in(shared(secured(postgres.version), "require", *FRONT), "require", "prefer")
    assert (
        "HINT:  Connect with channel_binding=disable, or have Interlock check the login itself (--auth scram)" in said
    )


def test_other_logins_over_two_tls_connections(postgres: Server, shared: Get) -> None:
    proxy = shared(secured(postgres.version), "require", *FRONT)
    for user in ("plain", "md5"):
        assert not log_in(proxy, "require", "prefer", user=user)
        assert "password authentication failed" in log_in(proxy, "require", "prefer", user=user, password="wrong")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("upstream_mode", ["disable", "require"])
@pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
@pytest.mark.parametrize("leg", ["plain", "tls"])
def test_checked_here_with_the_servers_verifier(
    leg: str, binding: str, upstream_mode: str, postgres: Server, shared: Get, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Interlock has no password: it goes on with what the client's own login shows, and each leg binds its own channel."""
    server = secured(postgres.version)
    users = Path(tmp_path_factory.getbasetemp()) / f"users-{server.version}"
    if not users.exists():
        private(users, f'"scram" "{verifier(server, "scram")}"\n')
    sslmode, flags = WAYS[leg]
    proxy = shared(server, upstream_mode, "--auth", "scram", "--auth-users", str(users), *flags)
    said = log_in(proxy, sslmode, binding)
    if leg == "plain" and binding == "require":
        assert NO_TLS in said
        return
    assert not said
    for user, password in (("scram", "wrong"), ("nobody", PASSWORD), ("other", PASSWORD)):
        wrong = log_in(proxy, sslmode, binding, user=user, password=password)
        assert f'password authentication failed for user "{user}"' in wrong
