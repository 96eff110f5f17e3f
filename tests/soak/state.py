"""What a running Interlock holds: memory and sockets as the kernel counts them, sessions and tasks as it says itself (SIGUSR1)."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.proxies import Proxy

SAYS = re.compile(r"holding (\d+) sessions, (\d+) tasks")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of all processes of one Interlock."""

    resident_kb: int
    sockets: int
    sessions: int
    tasks: int


def usage(proxy: Proxy) -> Usage:
    parent = proxy.process.pid
    pids = [parent, *map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())]
    serving = pids[1:] or pids
    said: list[tuple[str, str]] = []
    for _ in range(10):  # a worker that has just begun does not listen yet
        before = proxy.line_count
        for pid in serving:
            os.kill(pid, signal.SIGUSR1)
        deadline = time.monotonic() + 2
        while len(said) < len(serving) and time.monotonic() < deadline:
            said = SAYS.findall(proxy.stderr_text(since=before))
            time.sleep(0.02)
        if len(said) == len(serving):
            break
    return Usage(
        sum(_resident(pid) for pid in serving),
        sum(_sockets(pid) for pid in serving),
        sum(int(sessions) for sessions, _ in said),
        sum(int(tasks) for _, tasks in said),
    )


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def _sockets(pid: int) -> int:
    found = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(entry.path).startswith("socket:")
        except OSError:  # closed since
            continue
    return found
