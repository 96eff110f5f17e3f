"""The ways to run one and the same migration: as written, by an expert's hand, by a peer, through Interlock."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from bench import peer

Ran = tuple[float, float, str]  # when it began and ended by time.monotonic, and the error if it failed


@dataclass(frozen=True, slots=True)
class Migration:
    """``sql`` is what the author wrote; ``before`` makes what it needs, ``after`` takes its effect back.

    ``by_hand`` is what an expert types into psql instead; ``django`` the peer's name for it, if it knows it;
    ``behind``: who is at the table when it arrives; ``several``: what is sent instead of ``sql``, one by one.
    """

    name: str
    sql: str
    by_hand: tuple[str, ...]
    django: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    behind: str = ""  # reader, writer, sleeper
    several: tuple[str, ...] = ()
    parted: bool = True  # a partitioned table can have it, too

    @property
    def written(self) -> tuple[str, ...]:
        return self.several or (self.sql,)


Begin = Callable[[], None]


def as_written(url: str, migration: Migration, begin: Begin) -> Ran:
    return _run(url, migration.written, begin, lambda session, sql: session.execute(sql.encode()))


def by_hand(url: str, migration: Migration, begin: Begin) -> Ran:
    """Each statement by itself; what does not get its lock within 100 ms is tried again after a second."""
    return _run(url, migration.by_hand, begin, _patiently)


def _run(
    url: str, statements: tuple[str, ...], begin: Begin, execute: Callable[[psycopg.Connection, str], object]
) -> Ran:
    with psycopg.connect(url, autocommit=True, application_name="migration") as session:
        begin()
        begun = time.monotonic()
        try:
            for sql in statements:
                execute(session, sql)
        except psycopg.Error as error:
            return begun, time.monotonic(), str(error).strip().splitlines()[0]
        return begun, time.monotonic(), ""


def _patiently(session: psycopg.Connection, sql: str) -> None:
    session.execute(b"SET lock_timeout = 0" if "CONCURRENTLY" in sql else b"SET lock_timeout = '100ms'")
    for attempt in range(60):
        try:
            session.execute(sql.encode())
            return
        except psycopg.errors.LockNotAvailable:
            if attempt == 59:
                raise
            time.sleep(1)


def by_django(url: str, migration: Migration, begin: Begin) -> Ran:
    command = [sys.executable, "-m", "bench.peer", url, migration.django]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]
        process.stdout.readline()  # its imports take a while
        begin()
        now = time.monotonic()
        told, said = process.communicate("\n")
    words = told.split()
    begun, ended = (float(words[-2]), float(words[-1])) if len(words) >= 2 else (now, time.monotonic())
    error = said.strip().splitlines()[-1] if process.returncode and said.strip() else ""
    return begun, ended, error


Way = Callable[[str, Migration, Begin], Ran]
WAYS: dict[str, Way] = {
    "direct": as_written,
    "by hand": by_hand,
    "django-pg-zero-downtime": by_django,
    "Interlock": as_written,
}


def knows(way: str, migration: Migration) -> bool:
    return way != "django-pg-zero-downtime" or migration.django in peer.NAMES
