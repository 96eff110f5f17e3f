"""Who may connect, and how many at once, at the running proxy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from proxy.wire import messages as m
from tests import proxies
from tests.live.conftest import start_guard
from tests.live.raw import Raw, error, eventually
from tests.live.secured import SAME, private
from tests.proxies import Proxy
from tests.servers import Server

LIST = """
access:
  - { users: blocked, action: reject }
  - { users: [postgres, '*'], addresses: [127.0.0.1], tls: true }
"""


def answer(proxy: Proxy, **startup: str) -> dict[str, str]:
    with Raw(proxy.url(), login=False) as raw:
        raw.send(m.startup(startup))
        return error(raw.rest())


def test_the_access_list(database: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> None:
    proxy = start_guard(start_proxy, tmp_path, LIST, *SAME)
    name = database.rpartition("/")[2]
    before = proxy.upstream.log_bytes
    fields = answer(proxy, user="postgres", database=name)
    assert (fields["S"], fields["C"]) == ("FATAL", "28000")
    assert fields["M"] == (
        f'no entry in Interlock\'s access list for host "127.0.0.1", user "postgres", database "{name}", no encryption'
    )
    fields = answer(proxy, user="blocked", database=name)
    assert fields["M"].startswith("Interlock's access list rejects connection for host")
    fields = answer(proxy, user="postgres", replication="true")
    assert 'access list for replication connection, host "127.0.0.1", user "postgres"' in fields["M"]
    assert "blocked" not in proxy.upstream.log_text(since=before)  # the server has not heard of it
    with psycopg.connect(proxy.url(database), sslmode="require", autocommit=True) as connection:
        policy = tmp_path / "policy.yaml"
        good = policy.read_text()
        policy.write_text(good.replace("127.0.0.1", "192.0.2.1/7"))
        proxy.reload()
        eventually("a wrong list changes nothing", lambda: "policy not reloaded" in proxy.stderr_text())
        psycopg.connect(proxy.url(database), sslmode="require").close()
        policy.write_text(good.replace("127.0.0.1", "192.0.2.1"))
        proxy.reload()
        eventually("the new list is in force", lambda: "policy reloaded" in proxy.stderr_text())
        with pytest.raises(psycopg.OperationalError, match="no entry in Interlock's access list"):
            psycopg.connect(proxy.url(database), sslmode="require")
        assert connection.execute("SELECT 1").fetchone() == (1,)  # who is in stays


def test_limits(database: str, start_proxy: Callable[..., Proxy]) -> None:
    proxy = start_proxy("--max-clients-per-user", "2", "--max-clients-per-address", "3")
    with psycopg.connect(database, autocommit=True) as direct:
        direct.execute("CREATE ROLE limited_other LOGIN")
    try:
        with psycopg.connect(proxy.url(database)), psycopg.connect(proxy.url(database)):
            fields = answer(proxy, user="postgres", database=database.rpartition("/")[2])
            assert (fields["S"], fields["C"]) == ("FATAL", "53300")
            assert fields["M"] == 'too many connections for user "postgres" (2, max_clients_per_user)'
            with psycopg.connect(proxy.url(database, user="limited_other")):
                fields = answer(proxy, user="limited_other", database=database.rpartition("/")[2])
                assert fields["C"] == "53300"
                assert fields["M"] == "too many connections from 127.0.0.1 (3, max_clients_per_address)"
        eventually("there is room again", lambda: not proxy.upstream.sessions(database))
        psycopg.connect(proxy.url(database)).close()
    finally:
        with psycopg.connect(database, autocommit=True) as direct:
            direct.execute("DROP ROLE limited_other")


def test_who_is_logging_in_counts(postgres: Server, tmp_path: Path) -> None:
    users = private(tmp_path / "users.txt", '"slow" "a password"\n')
    flags = ("--auth", "scram", "--auth-users", users, "--max-clients-per-user", "2")
    proxy = proxies.start(postgres, tmp_path, *flags)
    try:
        with Raw(proxy.url(), login=False) as one, Raw(proxy.url(), login=False) as two:
            for raw in (one, two):
                raw.send(m.startup({"user": "slow"}))
                assert raw.next()[0] == "R"
            assert answer(proxy, user="slow")["C"] == "53300"
        with Raw(proxy.url(), login=False) as raw:
            raw.send(m.startup({"user": "another"}))
            assert raw.next()[0] == "R"
    finally:
        proxy.stop()
