"""Bringing what was written to the disk, without anybody waiting for it."""

from __future__ import annotations

import logging
import os
import stat
from concurrent.futures import Future, ThreadPoolExecutor

log = logging.getLogger("interlock")


def with_sync(fd: int) -> None:
    """fsync, where the file is one that can be synced (a pipe or a terminal cannot).  Raises OSError."""
    if stat.S_ISREG(os.fstat(fd).st_mode):
        os.fsync(fd)


class Sync:
    """One fsync after the other, in a thread; what is written while one is under way goes with the next.

    A disk takes milliseconds, and a busy one seconds: no client is to wait for that, least of all one whose
    transaction holds locks.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._next: Future[None] | None = None  # if it has not begun yet, it takes along all that is written by then
        self._failed = False

    def soon(self, fd: int) -> None:
        """To be called after a write.  Raises OSError as ``check``."""
        self.check(fd)
        if self._next is not None and not (self._next.running() or self._next.done()):
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "audit")
        self._next = self._thread.submit(self._sync, os.dup(fd))

    def check(self, fd: int) -> None:
        """After a failure nothing is left to the thread until an fsync succeeds.  Raises OSError if it does not."""
        if self._failed:
            with_sync(fd)
            self._failed = False

    def close(self) -> None:
        """Wait for what has been asked for."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = self._next = None

    def _sync(self, fd: int) -> None:
        try:
            with_sync(fd)
        except OSError as error:
            self._failed = True
            log.error("audit: %s", error.strerror or error)
        finally:
            os.close(fd)
