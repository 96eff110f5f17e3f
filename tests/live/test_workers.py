"""Several workers of one Interlock: a port, cancel requests, limits and an audit chain that they share, and what outlives whom."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from proxy.audit.verify import verify
from proxy.sockets import handed_over
from proxy.wire import messages as m
from tests.live.conftest import start_guard, through
from tests.live.raw import Raw, error, eventually
from tests.live.workers import apart, of_port, pids
from tests.proxies import Proxy
from tests.servers import Server, database_name

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.sampled(2)  # make faults runs them all

TABLES = 15


@pytest.fixture
def shared(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> Proxy:
    """An Interlock of two workers."""
    return start_guard(start_proxy, tmp_path, "", "--workers", "2")


def make_tables(url: str, name: str) -> None:
    for n in range(TABLES):
        with psycopg.connect(url, autocommit=True) as session:
            session.execute(f"CREATE TABLE {name}_{n} (a int)")
            session.execute(f"CREATE INDEX ON {name}_{n} (a)")


def audited(proxy: Proxy) -> int:
    """How many records there are; their chain is whole."""
    files = [path for path in proxy.audit.parent.glob(f"{proxy.audit.name}*") if path.suffix != ".torn"]
    report = verify(files)
    assert report.problems == ()
    return report.records


def test_they_share_a_port_and_an_audit_chain(shared: Proxy, orders: str) -> None:
    with apart(shared, lambda: Raw(through(shared, orders))):
        threads = [threading.Thread(target=make_tables, args=(through(shared, orders), f"t{n}")) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    with psycopg.connect(orders) as session:
        row = session.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^t\\d_\\d+$'").fetchone()
    assert row == (6 * TABLES,)
    eventually("all is told", lambda: audited(shared) == 2 * 6 * TABLES)


def test_rotation_by_size_keeps_one_chain(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> None:
    shared = start_guard(start_proxy, tmp_path, "", "--workers", "3", "--audit-max-size", "1")
    comment = "x" * 20_000

    def fill() -> None:
        with psycopg.connect(through(shared, orders), autocommit=True) as session:
            for _ in range(12):
                session.execute(f"COMMENT ON TABLE orders IS '{comment}'")

    threads = [threading.Thread(target=fill) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(list(shared.audit.parent.glob(f"{shared.audit.name}.0*"))) >= 1
    eventually("all is told", lambda: audited(shared) >= 96)


def test_logrotate_and_sighup(shared: Proxy, orders: str) -> None:
    url = through(shared, orders)
    make_tables(url, "before")
    shared.audit.rename(f"{shared.audit}.1")
    make_tables(url, "between")  # nobody has been told yet: they go on in the old file
    shared.reload()
    eventually("the new file", lambda: shared.audit.exists())
    make_tables(url, "after")
    eventually("all is told", lambda: audited(shared) >= 6 * TABLES)


def test_a_cancel_request_reaches_the_session_of_another_worker(shared: Proxy, orders: str) -> None:
    """Sixteen cancel requests go to the one or the other as the kernel likes; all are heard."""
    with Raw(through(shared, orders)) as raw:
        for _ in range(16):
            raw.send(m.query(b"SELECT pg_sleep(60)"))
            with psycopg.connect(orders, autocommit=True) as direct:
                eventually(
                    "it runs",
                    lambda: direct.execute(
                        "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND state = 'active'"
                    ).fetchone() == (1,),
                )  # fmt: skip
            with Raw(through(shared, orders), login=False) as messenger:
                messenger.send(m.cancel_request(*raw.key))
                assert messenger.rest() == []
            assert error(raw.until("Z"))["C"] == "57014"


def test_the_limit_of_clients_is_of_all(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> None:
    shared = start_guard(start_proxy, tmp_path, "", "--workers", "2", "--max-clients", "6")
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(Raw(through(shared, orders)))
        for _ in range(4):
            with Raw(through(shared, orders), login=False) as raw:
                raw.send(m.startup({"user": "postgres", "database": database_name(orders)}))
                assert error(raw.rest())["C"] == "53300"


def test_one_that_is_killed_takes_only_its_own_sessions_with_it(shared: Proxy, orders: str) -> None:
    with apart(shared, lambda: Raw(through(shared, orders))) as (one, other):
        victim = of_port(shared, one.socket.getsockname()[1])
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        assert one.rest() == []
        assert "Z" in [kind for kind, _ in other.query("SELECT 1")]
        for n in range(12):  # also while there is only one, and for those that the dead one's socket has queued
            with psycopg.connect(through(shared, orders), autocommit=True) as session:
                session.execute(f"CREATE TABLE after_{n} (a int)")
        eventually("another takes its place", lambda: len(pids(shared)) == 2 and victim not in pids(shared))
    eventually("all is told", lambda: audited(shared) >= 12)


def test_what_a_killed_worker_has_half_written_is_set_aside(shared: Proxy, orders: str) -> None:
    make_tables(through(shared, orders), "before")
    # A record may be written a moment after the client has its answer; who writes now has its turn, which we do not ask for.
    eventually("all is told", lambda: audited(shared) == 2 * TABLES)
    with shared.audit.open("ab") as file:
        file.write(b'{"v":1,"seq":99,"torn')
    make_tables(through(shared, orders), "after")
    eventually("all is told, and the half line, too", lambda: audited(shared) == 4 * TABLES + 1)
    assert Path(f"{shared.audit}.torn").read_bytes() == b'{"v":1,"seq":99,"torn\n'


def listens(proxy: Proxy) -> bool:
    try:
        socket.create_connection((proxy.host, proxy.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def test_sigterm_waits_for_a_transaction_in_any_of_them(shared: Proxy, orders: str) -> None:
    with apart(shared, lambda: Raw(through(shared, orders))) as (one, other):
        one.query("BEGIN")
        one.query("CREATE TABLE kept (a int)")
        shared.process.send_signal(signal.SIGTERM)
        assert error(other.rest())["C"] == "57P01"
        eventually("each has closed its socket", lambda: not listens(shared))
        one.query("COMMIT")
        assert error(one.rest())["C"] == "57P01"
        assert shared.process.wait(20) == 0
    with psycopg.connect(orders) as session:
        assert session.execute("SELECT to_regclass('kept') IS NOT NULL").fetchone() == (True,)


def test_they_do_not_outlive_their_parent(shared: Proxy, orders: str) -> None:
    eventually("both have started", lambda: len(pids(shared)) == 2)
    workers = pids(shared)
    with Raw(through(shared, orders)) as raw:
        shared.kill()
        assert error(raw.rest())["C"] == "57P01"
    eventually("they are gone", lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in workers))


# ---------------------------------------------------------------- sockets that are handed over


@pytest.mark.parametrize("workers", [1, 2])
def test_a_restart_that_refuses_nobody(workers: int, postgres: Server, database: str, tmp_path: Path) -> None:
    """The listening socket is the service manager's: who comes while nobody accepts waits, and is served."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        port = listening.getsockname()[1]
        url = f"postgresql://postgres@127.0.0.1:{port}/{database_name(database)}"
        served, refused, stop = [], [], threading.Event()

        def come_and_go() -> None:
            while not stop.is_set():
                try:
                    with psycopg.connect(url, autocommit=True) as session:
                        served.append(session.execute("SELECT 1").fetchone())
                except psycopg.OperationalError as problem:
                    refused.append(str(problem))

        running = activated(listening, postgres, tmp_path, workers)
        clients = [threading.Thread(target=come_and_go) for _ in range(3)]
        for client in clients:
            client.start()
        try:
            for _ in range(3):
                before = len(served)
                eventually("clients are served", lambda before=before: len(served) > before + 10, 60)  # type: ignore[misc]
                running.send_signal(signal.SIGTERM)
                assert running.wait(20) == 0
                running = activated(listening, postgres, tmp_path, workers)
        finally:
            stop.set()
            for client in clients:
                client.join(30)
            running.send_signal(signal.SIGTERM)
            assert running.wait(20) == 0
    # Who was being served when it ended hears so, as of any server that restarts; none is turned away.
    assert [text for text in refused if "refused" in text] == []
    assert len(served) > 30


def test_who_is_told_to_end_while_the_workers_start_ends() -> None:
    """The second is started after the first has been told."""
    script = """
import os, signal, time
from proxy.workers import Workers

class Told(Workers):
    def _start(self, number, folder):
        super()._start(number, folder)
        if number == 0:
            os.kill(os.getpid(), signal.SIGTERM)

raise SystemExit(Told(2, lambda worker: time.sleep(60), lambda: print("stopped", flush=True)).run())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr


def activated(listening: socket.socket, postgres: Server, folder: Path, workers: int) -> subprocess.Popen[bytes]:
    """Start Interlock as systemd does with a .socket unit: the socket is descriptor 3."""
    script = 'fd=$1; shift; eval "exec 3<&$fd"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
    fd = listening.fileno()
    command = ["bash", "-c", script, "activate", str(fd), sys.executable, "-m", "proxy", "serve"]
    command += ["--upstream", postgres.url(), "--audit", str(folder / "audit.jsonl"), "--workers", str(workers)]
    return subprocess.Popen(command, pass_fds=[fd], stderr=subprocess.DEVNULL, cwd=ROOT)


def test_a_socket_for_another_process_is_left_alone() -> None:
    environ = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1"}
    assert handed_over(environ) == []
