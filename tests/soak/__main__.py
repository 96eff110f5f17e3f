"""``python -m tests.soak [--minutes 20] [--pg 18] [--workers 2]``: mixed load, then what was lost, altered or left behind."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg

from proxy.audit.verify import verify
from tests import proxies, servers
from tests.binaries import run_client
from tests.proxies import Proxy
from tests.soak.loads import LOADS, SETUP, Soak
from tests.soak.state import Usage, usage

POLICY = "version: 1\nextends: recommended\nsmall_tables: { under: 0kB }\n"
ROTATED_MB = "8"
TRACE_LINES = 30  # of the log behind a Traceback
MAY_GROW_KB = 8 << 10  # of all workers together, between the first third and the last


def soak(minutes: float, version: int, workers: int) -> list[str]:
    """Run it; returns what is wrong in the end, and prints the figures."""
    with tempfile.TemporaryDirectory(prefix="interlock-soak-") as name:
        folder = Path(name)
        (folder / "policy.yaml").write_text(POLICY)
        server = servers.start(version)
        flags = ("--workers", str(workers), "--audit-max-size", ROTATED_MB, "--log-level", "warning")
        proxy = proxies.start(server, folder, *flags, policy=str(folder / "policy.yaml"), forked=False)
        try:
            return _run(proxy, minutes)
        finally:
            if proxy.process.poll() is None:
                proxy.stop(timeout_s=90)
            server.stop()


def _run(proxy: Proxy, minutes: float) -> list[str]:
    database = proxy.upstream.create_database()
    one = Soak(proxy.url(database), proxy.upstream.url(database))
    with psycopg.connect(one.direct, autocommit=True) as direct:
        direct.execute(SETUP)
    run_client("pgbench", "-i", "-q", url=one.direct)
    idle = usage(proxy)
    threads = [threading.Thread(target=_kept, args=(one, name), name=name) for name in LOADS]
    for thread in threads:
        thread.start()
    samples: list[Usage] = []
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end and proxy.process.poll() is None:
        time.sleep(min(5.0, max(0.1, end - time.monotonic())))
        samples.append(usage(proxy))
    one.stop.set()
    for thread in threads:
        thread.join(90)
        if thread.is_alive():
            one.wrong.append(f"{thread.name} hangs")
    wrong = one.wrong + _left(proxy, database, samples, idle)
    for what, number in sorted(one.done.items()):
        print(f"{number:>12,}  {what}")
    for line in wrong[:40]:
        print(f"  WRONG  {line}")
    print(f"{minutes:g} minutes, Postgres {proxy.upstream.version}: {len(wrong)} lost, altered or left behind")
    return wrong


def _kept(one: Soak, name: str) -> None:
    try:
        LOADS[name](one)
    except Exception as error:  # a load that ends early is a finding, whatever ended it
        one.wrong.append(f"{name} ended: {type(error).__name__}: {error}"[:600])


def _left(proxy: Proxy, database: str, samples: list[Usage], idle: Usage) -> list[str]:
    """What is still there when every client has gone, and how memory went."""
    if proxy.process.poll() is not None:
        return [f"interlock serve ended\n{proxy.stderr_text()[-3000:]}"]
    wrong = []
    deadline = time.monotonic() + 60
    while (sessions := proxy.upstream.sessions(database)) and time.monotonic() < deadline:
        time.sleep(0.2)
    wrong += [f"a server session is left: {line}" for line in sessions]
    while (after := usage(proxy)).sockets > idle.sockets and time.monotonic() < deadline:
        time.sleep(0.2)
    if after.sockets > idle.sockets:
        wrong.append(f"{after.sockets - idle.sockets} sockets are left")
    if (tasks := after.tasks - idle.tasks) > 0:
        wrong.append(f"{tasks} tasks are left")
    third = max(1, len(samples) // 3)
    parts = (samples[:third], samples[third : 2 * third] or samples, samples[-third:])
    first, second, last = (statistics.median(u.resident_kb for u in part) for part in parts)
    thirds = ", ".join(f"{kb / 1024:.1f}" for kb in (first, second, last))
    print(f"memory of all workers: {idle.resident_kb >> 10} MB idle; {thirds} MB in the first, second and last third")
    print(
        f"at the end: {after.sessions} sessions, {after.tasks} tasks (idle: {idle.tasks}), {after.sockets} sockets (idle: {idle.sockets})"
    )
    if last > first + MAY_GROW_KB and len(samples) > 60:
        wrong.append(f"memory has grown from {first:.0f} to {last:.0f} kB")
    report = verify([path for path in proxy.audit.parent.glob(f"{proxy.audit.name}*") if path.suffix != ".torn"])
    print(
        f"{report.records:>12,}  audit records in {len(report.files)} files, chain {'whole' if report.intact else 'broken'}"
    )
    wrong += [str(problem) for problem in report.problems]
    wrong += _internal_errors(proxy.stderr_text().splitlines())
    return wrong


def _internal_errors(lines: Sequence[str]) -> list[str]:
    """Those of the log, with where they come from."""
    return [
        line
        for at, line in enumerate(lines)
        if any("Traceback" in one or "internal error" in one for one in lines[max(0, at - TRACE_LINES) : at + 1])
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--pg", type=int, default=18)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    servers.in_memory()
    return 1 if soak(chosen.minutes, chosen.pg, chosen.workers) else 0


if __name__ == "__main__":
    sys.exit(main())
