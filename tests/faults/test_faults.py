"""What must hold after each fault: nothing that was committed is lost, nobody hangs, nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import statistics
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from proxy.audit.sink import AuditLog
from proxy.audit.verify import verify
from proxy.wire import messages as m
from tests import proxies, servers
from tests.faults.middle import Network, lying
from tests.live.conftest import ORDERS, POLICY
from tests.live.raw import Ended, Raw, error, eventually, kinds
from tests.proxies import Proxy
from tests.servers import Server
from tests.soak.state import usage

INDEX = "CREATE INDEX orders_email_idx ON orders (email)"


@pytest.fixture
def own(postgres: Server) -> Iterator[Server]:
    """A server of this test's own, with ``orders`` in it."""
    server = servers.start(
        postgres.version, settings={"synchronous_commit": "on"}
    )  # what is committed survives a crash
    with server.connect() as session:
        session.execute(ORDERS)
    yield server
    server.stop()


@pytest.fixture
def guard(own: Server, tmp_path: Path) -> Iterator[Callable[..., Proxy]]:
    """``guard(…flags, port=…)`` starts an Interlock before it, by way of another port if one is given; in the end it must be well."""
    running: list[Proxy] = []
    (tmp_path / "policy.yaml").write_text(POLICY)

    def start(*flags: str, port: int | None = None, more: str = "") -> Proxy:
        (tmp_path / "policy.yaml").write_text(POLICY + more)
        upstream = ("--upstream", f"postgresql://postgres@127.0.0.1:{port}/postgres") if port else ()
        running.append(proxies.start(own, tmp_path, *upstream, *flags, policy=str(tmp_path / "policy.yaml")))
        return running[-1]

    yield start
    for proxy in running:
        if proxy.process.poll() is None:
            proxy.stop(timeout_s=30)
            assert "Traceback" not in proxy.stderr_text(), proxy.stderr_text()


def nothing_left(proxy: Proxy, before: int, database: str = "postgres") -> None:
    eventually("the server sessions have ended", lambda: not proxy.upstream.sessions(database))
    eventually("the sockets are closed", lambda: usage(proxy).sockets <= before)
    # A session's socket is closed a turn of the loop before its tasks end; one task waits for SIGTERM.
    eventually("the sessions and their tasks are gone", lambda: (usage(proxy).sessions, usage(proxy).tasks) == (0, 1))


def index(server: Server) -> tuple[bool] | None:
    with server.connect() as session:
        found = session.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('orders_email_idx')"
        ).fetchone()
        return None if found is None else (bool(found[0]),)


# ---------------------------------------------------------------- the server and the network


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_the_upstream_restarts(how: str, own: Server, guard: Callable[..., Proxy]) -> None:
    proxy = guard()
    before = usage(proxy).sockets
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(Raw(proxy.url())) for _ in range(10)]
        inside = [stack.enter_context(Raw(proxy.url())) for _ in range(5)]
        for n, raw in enumerate(inside):
            raw.query("BEGIN")
            raw.query(f"INSERT INTO customers VALUES ({1000 + n}, 'lost')")
        idle[0].query("INSERT INTO customers VALUES (999, 'kept')")
        own.restart(how)
        for raw in (*idle, *inside):
            assert set(kinds(raw.rest())) <= {"E", "N"}
    with psycopg.connect(proxy.url()) as session:
        rows = session.execute("SELECT name FROM customers WHERE id >= 999").fetchall()
    assert rows == [("kept",)]
    nothing_left(proxy, before)


def test_failover_to_another_host(own: Server, guard: Callable[..., Proxy]) -> None:
    other = servers.start(own.version)
    try:
        hosts = f"postgresql://postgres@127.0.0.1:{own.port},127.0.0.1:{other.port}/postgres?target_session_attrs=read-write"
        proxy = guard("--upstream", hosts)
        with psycopg.connect(proxy.url()) as session:
            assert session.execute("SELECT to_regclass('orders') IS NOT NULL").fetchone() == (True,)
        own.stop()
        for _ in range(5):
            with psycopg.connect(proxy.url()) as session:
                assert session.execute("SELECT to_regclass('orders') IS NOT NULL").fetchone() == (False,)
    finally:
        other.stop()


def test_the_network_is_cut_in_a_transaction_a_query_and_a_plan(own: Server, guard: Callable[..., Proxy]) -> None:
    with Network(own.port) as network:
        proxy = guard(port=network.port)
        before = usage(proxy).sockets
        with (
            own.connect() as holder,
            Raw(proxy.url()) as inside,
            Raw(proxy.url()) as asking,
            Raw(proxy.url()) as planning,
        ):
            inside.query("BEGIN")
            inside.query("DELETE FROM customers")
            asking.send(m.query(b"SELECT pg_sleep(4)"))  # it notices only when it has something to say
            holder.autocommit = False
            holder.execute("INSERT INTO orders (id) VALUES (0)")  # the build waits for it
            planning.send(m.query(INDEX.encode()))
            eventually("it is being built", lambda: index(own) is not None)
            network.cut()
            for raw in (inside, asking, planning):
                assert "Z" not in kinds(raw.rest())
            holder.rollback()
        network.mend()
        eventually("the server has noticed", lambda: not own.sessions("postgres"))
        with psycopg.connect(proxy.url(), autocommit=True) as session:
            assert session.execute("SELECT count(*) FROM customers").fetchone() == (200,)
            with contextlib.suppress(psycopg.errors.DuplicateTable):  # the server has finished it without us
                session.execute(INDEX)
        eventually("it is valid", lambda: index(own) == (True,))
        nothing_left(proxy, before)
    assert verify([proxy.audit]).intact


def test_a_network_that_stalls_loses_nothing(own: Server, guard: Callable[..., Proxy]) -> None:
    with Network(own.port) as network:
        proxy = guard(port=network.port)
        with Raw(proxy.url()) as raw:
            network.stalled.set()
            raw.send(m.query(b"SELECT sum(id) FROM orders"))
            raw.send(m.query(b"INSERT INTO customers VALUES (999, 'late')"))
            assert raw.silent()
            network.stalled.clear()
            assert kinds(raw.until("Z")) == "TDCZ"
            assert kinds(raw.until("Z")) == "CZ"


def test_kill_9_in_the_midst_of_a_plan_and_a_new_start(own: Server, guard: Callable[..., Proxy]) -> None:
    proxy = guard()
    with own.connect() as holder, Raw(proxy.url()) as planning, Raw(proxy.url()) as inside:
        holder.autocommit = False
        holder.execute("INSERT INTO orders (id) VALUES (0)")
        inside.query("BEGIN")
        inside.query("DELETE FROM customers")
        planning.send(m.query(INDEX.encode()))
        eventually("it is being built", lambda: index(own) is not None)
        proxy.kill()
        for raw in (planning, inside):
            with contextlib.suppress(ConnectionResetError):
                raw.rest()
        holder.rollback()
    again = guard("--listen", f"127.0.0.1:{proxy.port}")
    with psycopg.connect(proxy.url(), autocommit=True) as session:  # at the old address
        assert session.execute("SELECT count(*) FROM customers").fetchone() == (200,)
        with contextlib.suppress(psycopg.errors.DuplicateTable):  # the server has finished it without us
            session.execute(INDEX)
    eventually("it is valid", lambda: index(own) == (True,))
    assert verify([again.audit]).intact


# ---------------------------------------------------------------- signals, clocks, descriptors, disks


def test_a_storm_of_sighups(own: Server, guard: Callable[..., Proxy]) -> None:
    proxy = guard()
    before = usage(proxy).sockets
    failed: list[str] = []

    def work(number: int) -> None:
        try:
            with psycopg.connect(proxy.url(), autocommit=True) as session:
                for n in range(15):
                    session.execute(f"CREATE TABLE storm_{number}_{n} (a int)")  # type: ignore[arg-type]
                    session.execute("SELECT count(*) FROM orders")
        except psycopg.Error as problem:
            failed.append(str(problem))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        proxy.reload()
        time.sleep(0.005)
    assert failed == []
    nothing_left(proxy, before)
    report = verify([proxy.audit])
    assert (report.problems, report.records) == ((), 60)


def test_a_clock_that_jumps_breaks_no_chain(tmp_path: Path) -> None:
    times = iter([datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=days) for days in (0, 400, -4000, 1)])
    with AuditLog.open(tmp_path / "audit.jsonl", clock=lambda: next(times)) as log:
        for n in range(4):
            log.append({"kind": "x", "n": n})
    assert verify([tmp_path / "audit.jsonl"]).intact


def test_no_timeout_goes_by_the_clock_on_the_wall() -> None:
    """Patience and age go by the monotonic clock, which does not jump; the date is told to people, and asked of a policy's windows."""
    root = Path(__file__).parent.parent.parent / "proxy"
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if "time.time()" in path.read_text() or "datetime.now(" in path.read_text()
    }
    timed = ("wire", "run", "session", "net.py", "server.py", "upstream.py", "workers.py", "siblings.py")
    dated = {"session/examine.py", "session/case.py", "run/job.py", "session/tally.py"}  # the facts' own date
    assert {name for name in found if name.partition("/")[0] in timed} == dated


def test_descriptors_run_out(own: Server, guard: Callable[..., Proxy]) -> None:
    proxy = guard()
    before = usage(proxy).sockets
    with Raw(proxy.url()) as first:
        held = len(os.listdir(f"/proc/{proxy.process.pid}/fd"))
        _, hard = resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (held + 12, hard))
        clients: list[socket.socket] = []
        for _ in range(60):
            one = socket.create_connection((proxy.host, proxy.port), 10)
            with contextlib.suppress(OSError):
                one.sendall(m.startup({"user": "postgres", "database": "postgres"}))
            clients.append(one)
        for n in range(20):
            assert first.rows(f"SELECT {n}") == [[str(n).encode()]]
        for one in clients:
            one.close()
        eventually("there is room again", lambda: _answers(proxy))
    nothing_left(proxy, before)


def _answers(proxy: Proxy) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(proxy.url(), connect_timeout=2) as session:
        return session.execute("SELECT 1").fetchone() == (1,)
    return False


@pytest.mark.parametrize("on_failure", ["closed", "open"])
def test_the_disk_of_the_audit_log_is_full(on_failure: str, own: Server, guard: Callable[..., Proxy]) -> None:
    """Closed: the statement is refused before it runs.  Open: it runs, and its record is written when there is room."""
    proxy = guard(more=f"audit: {{ on_failure: {on_failure} }}\n")
    _, hard = resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE)
    with Raw(proxy.url()) as raw:
        assert kinds(raw.query("CREATE TABLE before (a int)")) == "CZ"
        size = proxy.audit.stat().st_size
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (size + 10, hard))
        said = raw.query("CREATE TABLE meanwhile (a int)")
        if on_failure == "closed":
            for n in range(300):  # the room that was set aside is used up first
                if kinds(said) == "EZ":
                    break
                said = raw.query(f"CREATE TABLE meanwhile_{n} (a int)")
            assert "audit" in error(said)["M"]
            with own.connect() as session:
                made = session.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^meanwhile'").fetchone()
            records = proxy.audit.read_text().count('"outcome":"passed"')
            assert made is not None
            assert made[0] <= records + 1  # the limit took the room away that was there when it was asked for
            assert raw.rows("SELECT 1") == [[b"1"]]
        else:
            assert kinds(said) == "CZ"
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert kinds(raw.query("CREATE TABLE after (a int)")) == "CZ"
    report = verify([proxy.audit])
    assert report.problems == ()
    text = proxy.audit.read_text()
    assert "CREATE TABLE meanwhile (a int)" in text
    assert "CREATE TABLE after (a int)" in text


# ---------------------------------------------------------------- floods, slowness, lies


def test_slow_in_every_phase(own: Server, guard: Callable[..., Proxy]) -> None:
    """Who does not get to the end of its login in time is let go; others are served meanwhile."""
    proxy = guard("--login-timeout", "1")
    before = usage(proxy).sockets
    whole = m.startup({"user": "postgres", "database": "postgres"})
    phases = (b"", whole[:1], whole[:7], whole[:-1], m.ssl_request()[:5], m.ssl_request(), m.ssl_request() + whole[:3])
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(Raw(proxy.url(), login=False)) for _ in phases for _ in range(5)]
        for raw, sent in zip(slow, phases * 5, strict=True):
            raw.send(*(bytes((byte,)) for byte in sent))
        with Raw(proxy.url()) as raw:
            assert raw.rows("SELECT 1") == [[b"1"]]
        for one in slow:
            with contextlib.suppress(OSError):
                while one.socket.recv(100):
                    pass
    with Raw(proxy.url()) as raw:  # logged in, and slow with a message: that is its own affair, and costs nobody else
        raw.send(struct.pack(">cI", b"Q", 1 << 20), b"SELECT")
        with Raw(proxy.url()) as other:
            assert other.rows("SELECT 1") == [[b"1"]]
    nothing_left(proxy, before)


def test_a_flood_of_connections(own: Server, guard: Callable[..., Proxy]) -> None:
    proxy = guard()
    before = usage(proxy).sockets
    said = (b"", b"GET / HTTP/1.1\r\n\r\n", m.ssl_request(), m.startup({"user": "postgres"})[:20], os.urandom(50))
    with Raw(proxy.url()) as raw:
        for n in range(600):
            with socket.create_connection((proxy.host, proxy.port), 10) as one, contextlib.suppress(OSError):
                one.sendall(said[n % len(said)])
                if n % 2:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if n % 100 == 0:
                assert raw.rows("SELECT 1") == [[b"1"]]
    nothing_left(proxy, before)


AUTHENTICATED = b"R\0\0\0\x08\0\0\0\0"
LIES: dict[str, bytes] = {
    "nothing": b"",
    "random bytes": bytes(range(200)),
    "a negative length": AUTHENTICATED + b"D\xff\xff\xff\xff",
    "a length of nothing": AUTHENTICATED + b"Z\0\0\0\0",
    "a gigabyte to come": AUTHENTICATED + b"Z\0\0\0\x05I" + b"D\x3f\xff\xff\xff" + b"x" * 1000,
    "a status that is none": AUTHENTICATED + b"Z\0\0\0\x05X",
    "a ReadyForQuery of 200 bytes": AUTHENTICATED + b"Z\0\0\0\xc8" + b"I" * 196,
    "rows that nobody asked for": AUTHENTICATED + b"Z\0\0\0\x05I" + b"D\0\0\0\x0a\0\0\0\0\0\0" * 3000,
    "an error of no fields": b"E\0\0\0\x04",
    "an error without an end": b"E\0\0\0\x0aSFATAL",
    "an authentication that is cut": b"R\0\0\0\x05\0",
    "a key that is cut": AUTHENTICATED + b"K\0\0\0\x05\0",
    "a setting without an end": AUTHENTICATED + b"S\0\0\0\x0cserver_v",
    "messages of an unknown type": AUTHENTICATED + b"~\0\0\0\x04" * 500 + b"Z\0\0\0\x05I",
    "a hundred ReadyForQuery": AUTHENTICATED + b"Z\0\0\0\x05I" * 100,
}


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", LIES)
def test_a_server_that_lies(name: str, own: Server, guard: Callable[..., Proxy]) -> None:
    """It says what it likes and hangs up: the client hears of an end, and the next session is none the worse."""

    def answer(one: socket.socket) -> None:
        one.recv(10_000)
        one.sendall(LIES[name])
        one.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            one.recv(10_000)
        one.sendall(LIES[name][-1000:])

    with lying(answer) as port:
        proxy = guard(port=port)
        before = usage(proxy)
        for query in (b"SELECT 1", INDEX.encode(), b"BEGIN; CREATE TABLE t (a int)"):
            with Raw(proxy.url(), login=False) as raw:
                raw.send(m.startup({"user": "postgres", "database": "postgres"}), m.query(query))
                with contextlib.suppress(Ended, OSError):
                    raw.socket.settimeout(20)
                    while raw.socket.recv(65536):
                        pass
        eventually("the sockets are closed", lambda: usage(proxy).sockets <= before.sockets)
        held = usage(proxy)
        assert (held.sessions, held.tasks) == (0, 1)
        assert "internal error" not in proxy.stderr_text()


# ---------------------------------------------------------------- many


@pytest.mark.conformance
def test_a_thousand_idle_and_two_hundred_busy_connections(postgres: Server, tmp_path: Path) -> None:
    server = servers.start(postgres.version, settings={"max_connections": 1300})
    proxy = proxies.start(server, tmp_path, "--log-level", "warning")
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
        empty = usage(proxy)
        with contextlib.ExitStack() as stack:
            idle = [stack.enter_context(Raw(proxy.url())) for _ in range(1000)]
            with_idle = usage(proxy)
            busy = [stack.enter_context(Raw(proxy.url())) for _ in range(200)]
            took = []
            for n in range(10):
                for raw in busy:
                    raw.send(m.query(b"SELECT repeat('x', 10000), %d" % n))
                begun = time.monotonic()
                for raw in busy:
                    assert kinds(raw.until("Z")) == "TDCZ"
                took.append(time.monotonic() - begun)
            with_all = usage(proxy)
            for raw in idle[::50]:
                assert raw.rows("SELECT 1") == [[b"1"]]
        each = (with_idle.resident_kb - empty.resident_kb) / 1000
        print(
            f"\n1,000 idle connections: {each:.1f} kB each; with 200 busy ones {with_all.resident_kb >> 10} MB in all;"
            f" 200 queries at once answered in {statistics.median(took):.2f} s"
        )
        assert each < 100
        nothing_left(proxy, empty.sockets)
    finally:
        proxy.stop(timeout_s=60)
        server.stop()
