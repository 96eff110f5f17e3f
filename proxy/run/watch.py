"""Says how a build goes on while it runs: in which phase it is, how far, and for whom it waits.

The client's connection is busy meanwhile, so the monitor looks; without one only the time can be told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable

from proxy.catalog import blockers, progress
from proxy.catalog.progress import Pace
from proxy.run.asking import Asking
from proxy.run.connection import ServerError
from proxy.run.errors import QUERY_CANCELED
from proxy.run.monitor import SERVER, Monitor

log = logging.getLogger("interlock")

LOOK_S = 0.5
FIRST_S, MOST_S = 5.0, 60.0  # between two lines about the same; it grows with the time that has passed
WHERE = f"{SERVER}, pg_catalog.pg_backend_pid()"


@contextlib.asynccontextmanager
async def watched(own: Asking, say: Callable[[str], None], prefix: str = "") -> AsyncIterator[None]:
    """Tell ``say`` of what the connection is busy with while the block runs; it never makes the block fail."""
    where = await _whereabouts(own)
    task = asyncio.get_running_loop().create_task(_tell(own, where, say, prefix))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _whereabouts(own: Asking) -> tuple[str, int]:
    """The server that the connection is on, and its backend there.  Raises ServerError if the client cancels; ConnectionLost.

    Asked of the server itself: what it said when the client logged in may be a pooler's.
    """
    if own.monitor is None:
        return "", 0
    try:
        server, pid = (await own.fetch(WHERE))[0]
    except ServerError as error:
        if error.sqlstate == QUERY_CANCELED:
            raise
        log.info("monitor: cannot tell which backend this is: %s", error)
        return "", 0
    return (server or b"").decode(), int(pid or 0)


async def _tell(own: Asking, where: tuple[str, int], say: Callable[[str], None], prefix: str) -> None:
    monitor = own.monitor
    server, pid = where
    try:
        if monitor is not None and not (pid and await monitor.sees(server)):
            monitor = None
        teller = _Teller(own, monitor, pid, say, prefix)
        while True:
            await asyncio.sleep(LOOK_S)
            await teller.look()
    except Exception:
        log.exception("progress cannot be told")


class _Teller:
    def __init__(self, own: Asking, monitor: Monitor | None, pid: int, say: Callable[[str], None], prefix: str) -> None:
        self.own = own
        self.monitor = monitor
        self.pid = pid
        self.say = say
        self.prefix = prefix
        self.begun = self.said = time.monotonic()
        self.pace = Pace()
        self.phase = ""
        self.waits_for: tuple[int, ...] = ()

    async def look(self) -> None:
        now = time.monotonic()
        found = await self.monitor.progress(self.pid) if self.monitor is not None else None
        doing = self.own.doing
        if found is None:
            if self._is_due(now):
                self._tell(now, "running")
            return
        left_s = self.pace.left_s(found, now)
        if doing is not None:
            doing.goes(found.phase, None if found.counts_others else found.share, left_s)
            if not found.waits_for:
                doing.waits()
        news = found.phase != self.phase or (found.waits_for and found.waits_for != self.waits_for)
        if not (news or self._is_due(now)):
            return
        self.phase, self.waits_for = found.phase, found.waits_for
        words = progress.describe(found, left_s) or "running"
        if found.waits_for and self.monitor is not None:
            holders = [b for b in await self.monitor.blockers(self.pid) if b.granted]
            if holders:
                if doing is not None:
                    doing.waits(holders)
                more = f" (and {len(holders) - 1} more)" if len(holders) > 1 else ""
                words = f"{words}: waits for {blockers.describe(holders[0])}{more}"
        self._tell(now, words)

    def _is_due(self, now: float) -> bool:
        return now - self.said >= min(MOST_S, max(FIRST_S, (now - self.begun) / 10))

    def _tell(self, now: float, words: str) -> None:
        self.said = now
        self.say(f"{self.prefix}{words} ({now - self.begun:.0f} s so far)")
