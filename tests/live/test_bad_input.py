"""What goes wrong around a session: it ends in a clear message, in bounded time, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from proxy.wire import messages as m
from tests import forked, proxies, servers
from tests.live.conftest import POLICY, start_guard, through
from tests.live.raw import Raw, error, eventually, kinds
from tests.proxies import Proxy
from tests.servers import Server

INDEX = "CREATE INDEX i ON orders (email)"
_descriptors: dict[Proxy, int] = {}  # how many each has when it has just started


def descriptors(proxy: Proxy) -> int:
    return len(os.listdir(f"/proc/{proxy.process.pid}/fd"))


@pytest.fixture(scope="module")
def _guards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Proxy]]:
    running: dict[int, Proxy] = {}
    yield running
    for proxy in running.values():
        if proxy.process.poll() is None:
            proxy.stop()


@pytest.fixture
def proxy_that_stays_well(
    postgres: Server, orders: str, _guards: dict[int, Proxy], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """A guard that after the test runs, answers, has printed no traceback, and has as many descriptors as before."""
    proxy = _guards.get(postgres.version)
    if proxy is None or proxy.process.poll() is not None:
        folder = tmp_path_factory.mktemp("guard")
        (folder / "policy.yaml").write_text(POLICY)
        proxy = proxies.start(postgres, folder, "--login-timeout", "1", policy=str(folder / "policy.yaml"))
        _guards[postgres.version] = proxy
        _descriptors[proxy] = descriptors(proxy)
    before, told = _descriptors[proxy], proxy.line_count
    yield proxy
    assert proxy.process.poll() is None, proxy.stderr_text()
    eventually("no session is left on the server", lambda: not postgres.sessions(orders))
    eventually("all descriptors are closed", lambda: descriptors(proxy) <= before)
    with Raw(through(proxy, orders)) as raw:
        assert raw.rows("SELECT 1") == [[b"1"]]
    eventually("that one, too", lambda: descriptors(proxy) <= before)
    assert "Traceback" not in proxy.stderr_text(since=told), proxy.stderr_text(since=told)


# ---------------------------------------------------------------- at the start


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run("serve", *arguments, timeout=30)


UPSTREAM = ("--upstream", "postgres://127.0.0.1:1/x")


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        place = f"127.0.0.1:{other.getsockname()[1]}"
        done = serve(*UPSTREAM, "--listen", place)
    assert done.returncode == 2
    assert f"cannot listen on {place}: address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_policy_tells_every_error_and_where(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "version: 1\nextends: recommended\nmoed: enforce\nlocks: { timeout: 2 }\nrules: { no-such-rule: reject }\n"
    )
    done = serve(*UPSTREAM, "--listen", "127.0.0.1:0", "--policy", str(policy))
    assert done.returncode == 2
    for place in (f"{policy}:3:1", f"{policy}:4:", f"{policy}:5:"):
        assert place in done.stderr, done.stderr
    assert "mode" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--listen", "nowhere"], "'nowhere' is no HOST:PORT"),
        (["--audit", "/nonexistent/audit.jsonl"], "cannot open audit file /nonexistent/audit.jsonl: No such file or directory"),
        (["--tls-key", __file__], "--tls-key needs --tls-cert"),
        (["--tls-cert", __file__], "--tls-cert"),
        (["--listen", "192.0.2.1:6432"], "cannot listen on 192.0.2.1:6432"),
        (["--listen", "/nonexistent:6432"], "cannot listen on /nonexistent"),
        (["--policy", "/nonexistent.yaml"], "/nonexistent.yaml"),
    ],
)  # fmt: skip
def test_what_it_cannot_start_with(arguments: list[str], said: str) -> None:
    done = serve(*UPSTREAM, "--listen", "127.0.0.1:0", *arguments)
    assert done.returncode == 2
    assert said.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- the upstream


def refusing() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_an_upstream_that_refuses(start_proxy: Callable[..., Proxy]) -> None:
    place = refusing()
    proxy = start_proxy("--upstream", f"postgres://{place}/x")
    begun = time.monotonic()
    with Raw(proxy.url(), login=False) as raw:
        raw.send(m.startup({"user": "u", "database": "x"}))
        fields = error(raw.rest())
    assert (fields["S"], fields["C"]) == ("FATAL", "57P03")
    assert fields["M"] == f"could not connect to upstream {place}: connection refused"
    assert time.monotonic() - begun < 10


def test_an_upstream_that_never_answers(start_proxy: Callable[..., Proxy]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        proxy = start_proxy("--upstream", f"postgres://{place}/x?connect_timeout=2&sslmode=require")
        with Raw(proxy.url(), login=False) as raw:
            raw.send(m.startup({"user": "u", "database": "x"}))
            fields = error(raw.rest())
    assert fields["C"] == "57P03"
    assert "timed out after 2 s" in fields["M"]


# ---------------------------------------------------------------- opening packets

SILENT: dict[str, bytes] = {
    "garbage": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "oversized": struct.pack(">II", 10_005, 196608) + b"x" * 9997,
    "enormous": struct.pack(">II", 1 << 31, 196608),
    "too short": struct.pack(">I", 4),
    "a Terminate": m.terminate(),
    "a cancel request with too little of a key": struct.pack(">III", 14, 80877102, 1) + b"k" * 2,
}


@pytest.mark.parametrize("name", SILENT)
def test_what_the_server_closes_without_a_word(name: str, postgres: Server, proxy_that_stays_well: Proxy) -> None:
    for url in (postgres.url(), proxy_that_stays_well.url()):
        with Raw(url, login=False) as raw:
            raw.send(SILENT[name])
            assert raw.rest() == []


OPENING: dict[str, tuple[bytes, str]] = {
    "no terminator": (struct.pack(">II", 13, 196608) + b"user\0", "08P01"),
    "protocol 4": (struct.pack(">III", 13, 4 << 16, 0)[:13] + b"\0", "0A000"),
    "two SSLRequests": (m.ssl_request(), "08P01"),
    "bytes behind an SSLRequest": (m.ssl_request() + m.startup({"user": "postgres"}), "08P01"),
    "bytes behind a GSSENCRequest": (struct.pack(">II", 8, 80877104) + m.startup({"user": "postgres"}), "08P01"),
    "TLS where there is none": (b"\x16\x03\x01\0\x05hello", "08P01"),
}


@pytest.mark.parametrize("name", OPENING)
def test_opening_packets_that_are_none(name: str, proxy_that_stays_well: Proxy) -> None:
    packet, sqlstate = OPENING[name]
    with Raw(proxy_that_stays_well.url(), login=False) as raw:
        raw.send(packet)
        if name == "two SSLRequests":
            assert raw.socket.recv(1) == b"N"
            raw.send(packet)
        assert error(raw.rest())["C"] == sqlstate


def test_protocol_2_is_answered_in_its_own_words(proxy_that_stays_well: Proxy) -> None:
    with Raw(proxy_that_stays_well.url(), login=False) as raw:
        raw.send(struct.pack(">II", 296, 2 << 16) + b"\0" * 288)
        said = b""
        while data := raw.socket.recv(4096):
            said += data
    assert said == b"EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.2\n\0"


@pytest.mark.parametrize(
    "sent", [b"", b"\0\0", m.startup({"user": "postgres"})[:-1]], ids=["nothing", "two bytes", "nearly all"]
)
def test_a_client_that_is_slow_to_say_who_it_is(sent: bytes, proxy_that_stays_well: Proxy) -> None:
    with Raw(proxy_that_stays_well.url(), login=False) as raw:
        raw.send(sent)
        begun = time.monotonic()
        assert raw.rest() == []
        assert time.monotonic() - begun < 10


# ---------------------------------------------------------------- clients that vanish

POINTS: dict[str, Callable[[Raw], None]] = {
    "connected": lambda raw: None,
    "in its opening packet": lambda raw: raw.send(m.startup({"user": "postgres"})[:9]),
    "in a message's header": lambda raw: _logged_in(raw, b"Q\0\0"),
    "in a message's body": lambda raw: _logged_in(raw, m.query(b"SELECT 1")[:-3]),
    "in a guarded Parse": lambda raw: _logged_in(raw, m.parse(b"", INDEX.encode())[:-3]),
    "after Parse": lambda raw: _logged_in(raw, m.parse(b"", INDEX.encode())),
    "before the Sync of a guarded Execute": lambda raw: _logged_in(raw, m.parse(b"", INDEX.encode()) + m.bind(b"", b"") + m.execute(b"")),
    "in a query": lambda raw: _logged_in(raw, m.query(b"SELECT 1 FROM generate_series(1, 3000)")),
    "in a transaction": lambda raw: _logged_in(raw, m.query(b"BEGIN; INSERT INTO customers VALUES (9999)"), "Z"),
    "in a copy": lambda raw: _logged_in(raw, m.query(b"COPY customers FROM STDIN"), "G"),
    "in a copy's data": lambda raw: _logged_in(raw, m.query(b"COPY customers FROM STDIN") + b"d\0\0\xff\xff1\t"),
    "with its result unread": lambda raw: _logged_in(raw, m.query(b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)"), "T"),
    "in a guarded Query": lambda raw: _logged_in(raw, m.query(INDEX.encode())),
}  # fmt: skip


def _logged_in(raw: Raw, data: bytes, until: str = "") -> None:
    raw.send(m.startup({"user": "postgres", "database": database_of[raw.address]}))
    raw.until("Z")
    raw.send(data)
    raw.until(*until)


database_of: dict[tuple[str, int], str] = {}


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("point", POINTS)
def test_a_client_that_vanishes(point: str, how: str, orders: str, proxy_that_stays_well: Proxy) -> None:
    proxy = proxy_that_stays_well
    raw = Raw(proxy.url(), login=False)
    database_of[raw.address] = orders.rpartition("/")[2]
    POINTS[point](raw)
    raw.close() if how == "close" else raw.reset()
    eventually("its session has ended", lambda: not proxy.upstream.sessions(orders))
    with psycopg.connect(orders) as connection:
        assert connection.execute("SELECT count(*) FROM customers WHERE id = 9999").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)


def test_a_client_that_vanishes_while_its_index_is_built(orders: str, proxy_that_stays_well: Proxy) -> None:
    """CONCURRENTLY waits for an old transaction; it is stopped, and its invalid index taken back."""
    proxy = proxy_that_stays_well
    with psycopg.connect(orders) as old:
        old.execute("INSERT INTO orders (id) VALUES (0)")
        raw = Raw(through(proxy, orders))
        raw.send(m.query(INDEX.encode()))
        eventually("it is being built", lambda: _exists(orders, "i"))
        raw.reset()
        eventually(
            "it is being dropped", lambda: any("DROP INDEX CONCURRENTLY" in s for s in proxy.upstream.sessions(orders))
        )
        old.rollback()
        eventually("it is gone", lambda: not _exists(orders, "i"))


def _exists(url: str, index: str) -> bool:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute("SELECT to_regclass(%s)", (index,)).fetchone() != (None,)


# ---------------------------------------------------------------- wrong in the middle

MALFORMED = {
    "length below four": b"Q\0\0\0\3",
    "length of two gigabytes": b"Q\x7f\xff\xff\xff",
    "long Sync": b"S\0\1\0\0" + b"x" * 65532,
    "long Execute": b"E\0\1\0\0" + b"x" * 65532,
    "a statement above the limit": b"Q" + struct.pack(">I", 70 << 20),
    "a Query without its end": b"Q\0\0\0\x0cSELECT 1",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_messages_that_no_server_takes(name: str, orders: str, proxy_that_stays_well: Proxy) -> None:
    with Raw(through(proxy_that_stays_well, orders)) as raw:
        raw.send(MALFORMED[name])
        fields = error(raw.rest())
        assert (fields["S"], fields["C"]) == ("FATAL", "54000" if "limit" in name else "08P01")


# ---------------------------------------------------------------- the server goes


def backend_of(raw: Raw) -> int:
    (((pid,),)) = raw.rows("SELECT pg_backend_pid()")
    return int(pid or b"0")


def terminate(url: str, pid: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", (pid,))


def test_terminated_while_idle(orders: str, proxy_that_stays_well: Proxy) -> None:
    with Raw(through(proxy_that_stays_well, orders)) as raw:
        terminate(orders, backend_of(raw))
        fields = error(raw.rest())
    assert (fields["S"], fields["C"], fields["R"]) == ("FATAL", "57P01", "ProcessInterrupts")


def test_terminated_in_a_query(orders: str, proxy_that_stays_well: Proxy) -> None:
    with Raw(through(proxy_that_stays_well, orders)) as raw:
        pid = backend_of(raw)
        raw.send(m.query(b"SELECT pg_sleep(60)"))
        terminate(orders, pid)
        assert error(raw.rest())["C"] == "57P01"


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_terminated_in_a_plan(extended: bool, orders: str, proxy_that_stays_well: Proxy) -> None:
    proxy = proxy_that_stays_well
    with psycopg.connect(orders) as old, Raw(through(proxy, orders)) as raw:
        pid = backend_of(raw)
        old.execute("INSERT INTO orders (id) VALUES (0)")
        flight = m.parse(b"", INDEX.encode()) + m.bind(b"", b"") + m.execute(b"") + m.sync()
        raw.send(flight if extended else m.query(INDEX.encode()))
        eventually("it is being built", lambda: _exists(orders, "i"))
        terminate(orders, pid)
        fields = error(raw.rest())
    assert (fields["S"], fields["C"]) == ("FATAL", "57P01")
    assert proxy.records()[-1]["outcome"] == "failed"


def test_terminated_while_it_waits_without_a_lock(orders: str, proxy_that_stays_well: Proxy) -> None:
    with psycopg.connect(orders) as old, Raw(through(proxy_that_stays_well, orders)) as raw:
        pid = backend_of(raw)
        old.execute("LOCK TABLE orders IN ACCESS SHARE MODE")
        raw.send(m.query(b"ALTER TABLE orders ADD COLUMN extra int"))
        raw.until("N")  # it tells what it waits for
        begun = time.monotonic()
        terminate(orders, pid)
        assert error(raw.rest())["C"] == "57P01"
        assert time.monotonic() - begun < 10


def test_the_server_stops(tmp_path: Path) -> None:
    own = servers.start(18)
    proxy = proxies.start(own, tmp_path)
    try:
        with Raw(proxy.url()) as idle, Raw(proxy.url()) as busy:
            busy.send(m.query(b"SELECT pg_sleep(60)"))
            own.stop()  # immediate: no goodbye is sure
            assert {kind for kind, _ in idle.rest()} <= {"E", "N"}
            assert {kind for kind, _ in busy.rest()} <= {"T", "E", "N"}
        with Raw(proxy.url(), login=False) as late:
            late.send(m.startup({"user": "postgres"}))
            assert error(late.rest())["C"] == "57P03"
        assert proxy.stop() == 0
        assert "Traceback" not in proxy.stderr_text()
    finally:
        own.stop()
        if proxy.process.poll() is None:
            proxy.kill()


# ---------------------------------------------------------------- half-open, stalled


def test_a_client_that_says_no_more_gets_no_more(orders: str, proxy_that_stays_well: Proxy) -> None:
    with Raw(through(proxy_that_stays_well, orders)) as raw:
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.rest() == []


def test_a_client_that_never_hangs_up_is_closed(orders: str, proxy_that_stays_well: Proxy) -> None:
    """The server has ended; the client neither reads nor closes."""
    raw = Raw(through(proxy_that_stays_well, orders))
    terminate(orders, backend_of(raw))
    eventually("its session has ended", lambda: not proxy_that_stays_well.upstream.sessions(orders))
    threading.Timer(8, raw.close).start()  # the fixture waits for the descriptor, which is gone before


# ---------------------------------------------------------------- signals


def test_a_bad_policy_changes_nothing_and_a_good_one_does(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    proxy = start_guard(start_proxy, tmp_path)
    policy = tmp_path / "policy.yaml"
    with Raw(through(proxy, orders)) as raw:
        policy.write_text("version: 1\nmoed: observe\n")
        proxy.reload()
        eventually("it says why", lambda: "policy not reloaded" in proxy.stderr_text())
        assert proxy.logs(f"{policy}:2:1")
        raw.send(m.query(INDEX.encode()))
        assert "CONCURRENTLY" in str(raw.until("Z"))
        policy.write_text(POLICY + "rules: { index-not-concurrent: reject }\n")
        proxy.reload()
        eventually("it says so", lambda: "policy reloaded" in proxy.stderr_text())
        assert error(raw.query("CREATE INDEX j ON orders (id)"))["C"] == "IL001"  # the session that was there, too


def test_sigterm_ends_the_idle_and_waits_for_the_others(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    proxy = start_guard(start_proxy, tmp_path)
    url = through(proxy, orders)
    with Raw(url) as idle, Raw(url) as busy, Raw(url) as planning, psycopg.connect(orders) as old:
        busy.query("BEGIN")
        old.execute("INSERT INTO orders (id) VALUES (0)")
        planning.send(m.query(INDEX.encode()))
        eventually("its plan runs", lambda: _exists(orders, "i"))
        proxy.process.send_signal(signal.SIGTERM)
        assert error(idle.rest())["C"] == "57P01"
        with pytest.raises(OSError):
            Raw(url)
        assert kinds(busy.query("SELECT 1")) == "TDCZ"
        old.rollback()
        assert kinds(planning.until("Z")) == "CZ"
        assert error(planning.rest())["C"] == "57P01"
        assert kinds(busy.query("COMMIT")) == "CZ"
        assert error(busy.rest())["C"] == "57P01"
        assert proxy.process.wait(15) == 0
    with psycopg.connect(orders) as connection:
        assert connection.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass").fetchone() == (
            True,
        )


def test_sigterm_does_not_wait_for_who_has_not_logged_in(orders: str, start_proxy: Callable[..., Proxy]) -> None:
    proxy = start_proxy("--drain-timeout", "50")
    with Raw(proxy.url(), login=False), Raw(proxy.url(), login=False) as asking:
        asking.send(m.ssl_request())
        assert asking.socket.recv(1) == b"N"
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(8) == 0


def test_sigterm_does_not_wait_for_a_login(start_proxy: Callable[..., Proxy]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        proxy = start_proxy("--upstream", f"postgres://{place}/x?sslmode=disable", "--drain-timeout", "50")
        with Raw(proxy.url(), login=False) as raw:
            raw.send(m.startup({"user": "u"}))
            taken, _ = silent.accept()
            with taken:
                assert taken.recv(100)
                proxy.process.send_signal(signal.SIGTERM)
                assert error(raw.rest())["C"] == "57P01"
            assert proxy.process.wait(8) == 0


def test_what_outlasts_the_drain_timeout_is_ended_and_taken_back(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    proxy = start_guard(start_proxy, tmp_path, "", "--drain-timeout", "1")
    url = through(proxy, orders)
    with Raw(url) as busy, Raw(url) as planning, psycopg.connect(orders) as old:
        busy.query("BEGIN; INSERT INTO customers VALUES (9999)")
        old.execute("INSERT INTO orders (id) VALUES (0)")
        planning.send(m.query(INDEX.encode()))
        eventually("its plan runs", lambda: _exists(orders, "i"))
        proxy.process.send_signal(signal.SIGTERM)
        eventually(
            "it is being dropped", lambda: any("DROP INDEX CONCURRENTLY" in s for s in proxy.upstream.sessions(orders))
        )
        old.rollback()
        assert proxy.process.wait(20) == 0
        assert not _exists(orders, "i")
    eventually("no session is left", lambda: not proxy.upstream.sessions(orders))
    assert "Traceback" not in proxy.stderr_text()


# ---------------------------------------------------------------- the audit log fails later


@pytest.mark.parametrize("on_failure", ["closed", "open"])
def test_an_audit_log_that_cannot_be_written(
    on_failure: str, orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    """/dev/full takes nothing, as a full disk would; what was run is never denied, what comes after may be."""
    proxy = start_guard(start_proxy, tmp_path, f"audit: {{ on_failure: {on_failure} }}\n", "--audit", "/dev/full")
    with Raw(through(proxy, orders)) as raw:
        assert kinds(raw.query(INDEX)) == "CZ"
        after = raw.query("CREATE INDEX j ON orders (id)")
        if on_failure == "open":
            assert kinds(after) == "CZ"
        else:
            assert "audit" in error(after)["M"]
            assert kinds(raw.query("SELECT 1")) == "TDCZ"
    assert proxy.logs("No space left on device")
