"""Three ways to one Postgres for the benchmarks: direct, through pgbouncer (one server connection for each client), through Interlock.

pgbouncer is Debian's package (``apt-get install pgbouncer``); without it that way is left out.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests import proxies, servers

COMPILED = Path(__file__).parent.parent / "build/compiled"  # by make compiled; measured too if it is there
COMPILED_ENV = {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(COMPILED)}
MAX_CONNECTIONS = 1200
SETTINGS = {
    "fsync": "off",  # the disk is nobody's subject here
    "log_statement": "none",
    "max_connections": MAX_CONNECTIONS,
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "autovacuum": "off",
}
BOUNCER = """[databases]
* = user=postgres host=127.0.0.1 port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
auth_type = any
pool_mode = session
{lifetime}
max_client_conn = 2000
default_pool_size = 1100
server_reset_query = DISCARD ALL
ignore_startup_parameters = extra_float_digits,options
log_connections = 0
log_disconnections = 0
unix_socket_dir =
logfile = {folder}/log
pidfile = {folder}/pid
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach the database ``bench``, and the process in between (0 for none)."""

    name: str
    port: int
    pid: int = 0
    database: str = "bench"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{self.database}"

    def cpu_s(self) -> float:
        """What the process in between has spent on a processor so far, its workers included; 0 without one."""
        return sum(_cpu_s(pid) for pid in self.pids()) if self.pid else 0.0

    def pss_kb(self) -> int:
        """The memory of the process in between, in KiB; shared pages count by their share."""
        return sum(_pss_kb(pid) for pid in self.pids()) if self.pid else 0

    def pids(self) -> list[int]:
        found = [self.pid]
        for task in Path(f"/proc/{self.pid}/task").glob("*/children"):
            found += [int(pid) for pid in task.read_text().split()]
        return found


def _cpu_s(pid: int) -> float:
    """User and system time of all its threads."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _pss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


@contextlib.contextmanager
def postgres(version: int) -> Iterator[servers.Server]:
    """A server for benchmarks, with an empty database ``bench``."""
    raise_limit()
    server = servers.start(version, settings=SETTINGS, databases=["bench"])
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def ways(server: servers.Server, *serve: str, pooled: bool = False) -> Iterator[list[Way]]:
    """All three at once; ``serve`` are more arguments for ``interlock serve``.

    pgbouncer makes a connection to the server for each client, as Interlock does, and closes it with it; with ``pooled``
    there is one more that keeps them for the next client.
    """
    with contextlib.ExitStack() as stack:
        found = [Way("direct", server.port)]
        if bouncer() is not None:
            found.append(stack.enter_context(_bouncer(server, "pgbouncer", pooled=False)))
            if pooled:
                found.append(stack.enter_context(_bouncer(server, "pgbouncer, pooled", pooled=True)))
        builds = {"Interlock": {}, **({"Interlock, compiled": COMPILED_ENV} if COMPILED.exists() else {})}
        for name, env in builds.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            upstream = f"{server.url()}?sslmode=disable"  # pgbouncer does not ask the server for TLS either
            more = ["--log-level", "warning", "--upstream", upstream, *serve]
            proxy = proxies.start(server, folder, *more, env=env, forked=False)
            stack.callback(proxy.stop)
            found.append(Way(name, proxy.port, proxy.process.pid))
        yield found


def bouncer() -> str | None:
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextlib.contextmanager
def _bouncer(server: servers.Server, name: str, *, pooled: bool) -> Iterator[Way]:
    program = bouncer()
    assert program is not None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folder.chmod(0o777)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            own = probe.getsockname()[1]
        lifetime = "" if pooled else "server_lifetime = 0"
        config = folder / "ini"
        config.write_text(BOUNCER.format(port=server.port, own=own, folder=folder, lifetime=lifetime))
        command = [program, str(config)]
        if os.geteuid() == 0:  # it refuses root, as Postgres does
            command[1:1] = ["-u", "nobody"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_for(own, process)
            yield Way(name, own, process.pid)
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("pgbouncer did not start")


def raise_limit() -> None:
    """As many file descriptors as the system allows: a thousand clients are two thousand of a proxy's."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def machine(server: servers.Server) -> Sequence[str]:
    """What the figures were made on, in words."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    memory = next(
        line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal")
    )
    with server.connect() as session:
        row = session.execute("SHOW server_version").fetchone()
    return (
        f"{len(models)} × {models[0] if models else 'unknown'}",
        f"{int(memory) / 2**20:.0f} GB",
        f"Linux {os.uname().release.split('-')[0]}",
        f"Postgres {row[0] if row else server.version}",
    )
