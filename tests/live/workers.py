"""Which worker of an Interlock serves a connection."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.live.raw import Raw
from tests.proxies import Proxy


def pids(proxy: Proxy) -> list[int]:
    """Its workers."""
    parent = proxy.process.pid
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def of_port(proxy: Proxy, client_port: int) -> int | None:
    """The worker that has the accepted end of the connection from that local port."""
    ends = (f"{proxy.port:04X}", f"{client_port:04X}")
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if (columns[1][-4:], columns[2][-4:]) == ends:
            return next((pid for pid in pids(proxy) if f"socket:[{columns[9]}]" in _open(pid)), None)
    return None


def _open(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(entry.path))
    return found


@contextlib.contextmanager
def apart(proxy: Proxy, connect: Callable[[], Raw]) -> Iterator[tuple[Raw, Raw]]:
    """Two connections, each on another worker."""
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(connect())
        mine = of_port(proxy, one.socket.getsockname()[1])
        for _ in range(100):
            other = connect()
            theirs = of_port(proxy, other.socket.getsockname()[1])
            if None not in (mine, theirs) and mine != theirs:
                yield one, stack.enter_context(other)
                return
            other.__exit__(None, None, None)
        raise AssertionError("all connections went to one worker")
