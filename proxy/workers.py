"""Several processes that share a port: started, watched, told what the first one is told.

The parent binds one socket for each worker (SO_REUSEPORT: the kernel spreads connections over them) and keeps all of them
open, so that what waits for a worker that dies is served by the one that takes its place.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.siblings import Counts

log = logging.getLogger("interlock")

SOON_S: Final = 1.0  # a worker that ends sooner than this after its start is started again only after it
LOOKS_S = 0.1  # how soon the end of a worker is seen


@dataclass(frozen=True, slots=True)
class Worker:
    """What a worker knows of its place.  ``parent``: a pipe that ends when the parent has died."""

    number: int
    workers: int
    folder: Path
    parent: int
    counts: Counts


class Workers:
    """The parent's side: ``run`` returns the exit code of all when all have ended."""

    def __init__(self, number: int, work: Callable[[Worker], None], stop: Callable[[], None]) -> None:
        """``work`` is run in each; ``stop`` in the parent, before it tells the others to end."""
        self._number = number
        self._work = work
        self._before_the_end = stop
        self._counts = Counts(number)
        self._running: dict[int, tuple[int, float]] = {}  # pid: worker, started
        self._stopping = False
        self._pipe = os.pipe()

    def run(self) -> int:
        worst = 0
        with tempfile.TemporaryDirectory(prefix="interlock-") as folder:
            for told, handler in (
                (signal.SIGTERM, self._stop),
                (signal.SIGINT, self._stop),
                (signal.SIGHUP, self._pass),
                (signal.SIGUSR1, self._pass),
            ):
                signal.signal(told, handler)
            for number in range(self._number):
                self._start(number, Path(folder))
            while self._running:
                try:
                    pid, status = os.waitpid(-1, os.WNOHANG)
                except ChildProcessError:
                    break
                if not pid:
                    # Asleep in waitpid itself we would not hear of a signal that came just before: Python's handlers run between
                    # bytecodes.
                    time.sleep(LOOKS_S)
                    continue
                number, since = self._running.pop(pid, (-1, 0.0))
                if number < 0:
                    continue
                code = os.waitstatus_to_exitcode(status)
                self._counts.set(number, 0)
                if self._stopping:
                    worst = worst or abs(code)
                    continue
                log.error("worker %d (pid %d) ended with %d; another takes its place", number, pid, code)
                if (lived := time.monotonic() - since) < SOON_S:
                    time.sleep(SOON_S - lived)
                if not self._stopping:
                    self._start(number, Path(folder))
        return worst

    def _start(self, number: int, folder: Path) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        blocked = signal.pthread_sigmask(
            signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
        )
        pid = os.fork()
        if pid:
            self._running[pid] = (number, time.monotonic())
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            if self._stopping:  # the others have been told before there was this one
                os.kill(pid, signal.SIGTERM)
            return
        code = 1
        try:
            os.close(self._pipe[1])
            for told in (signal.SIGTERM, signal.SIGINT):
                signal.signal(told, lambda number, frame: os._exit(0))  # until it serves, nothing has to be ended well
            for told in (signal.SIGHUP, signal.SIGUSR1):
                signal.signal(told, signal.SIG_IGN)
            os.setpgid(0, 0)  # Ctrl-C in a terminal is for the parent, which tells us
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            self._work(Worker(number, self._number, folder, self._pipe[0], self._counts))
            code = 0
        except BaseException:
            log.exception("worker %d", number)
        finally:
            logging.shutdown()
            os._exit(code)

    def _stop(self, number: int, frame: object) -> None:
        if not self._stopping:
            self._stopping = True
            self._before_the_end()
        self._tell(signal.SIGTERM)

    def _pass(self, number: int, frame: object) -> None:
        self._tell(number)

    def _tell(self, told: int) -> None:
        for pid in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, told)
