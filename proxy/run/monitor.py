"""A connection of our own beside those of the clients, to look while theirs are busy.

One for a process, made when it is first wanted and again when it is lost.  Whoever asks waits for a moment at
most, and never for another's trouble: an answer of None is "not known", and everything goes on without.

What other roles do is seen by members of pg_read_all_stats (part of pg_monitor) only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from proxy.catalog import blockers, progress
from proxy.catalog.answer import UnreadableAnswer
from proxy.catalog.blockers import Blocker
from proxy.catalog.progress import Progress

log = logging.getLogger("interlock")

ANSWER_S = 3.0
AGAIN_S = 5.0  # after a failure, before the next attempt; it doubles, up to
AGAIN_MAX_S = 60.0
CONNECT_S = 5
OPTIONS: Mapping[str, str | int] = {
    "application_name": "interlock monitor",
    "connect_timeout": CONNECT_S,
    "options": "-c statement_timeout=2s -c lock_timeout=1s -c default_transaction_read_only=on -c search_path=",
}
SERVER = "/* interlock */ SELECT CAST(pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) AS pg_catalog.text)"
"""Tells one running server from all others."""

BLOCKING = "/* interlock */ SELECT pg_catalog.pg_blocking_pids(CAST($1 AS pg_catalog.int4))"


class Monitor:
    """``url``: as libpq takes it, any database of the server that the clients are on.  Raises psycopg.Error if it is none."""

    def __init__(self, url: str) -> None:
        self._conninfo = make_conninfo(url, **OPTIONS)
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._lock = asyncio.Lock()
        self._asking: set[asyncio.Task[Any]] = set()
        self._not_before = 0.0
        self._pause_s = AGAIN_S
        self._hidden_said = False
        self.server = ""  # ``SERVER`` of the one that it is connected to

    # ------------------------------------------------ what can be asked

    async def blocking(self, pid: int) -> tuple[int, ...] | None:
        """Who keeps that backend waiting now, for a lock or for the end of a transaction: pids, 0 for a prepared one.

        () if nobody does, or there is no such backend; None if it is not known.
        """
        rows = await self._rows(BLOCKING, pid)
        return None if rows is None else tuple(rows[0][0])

    async def blockers(self, pid: int) -> tuple[Blocker, ...]:
        """The same, with what is known of each; those that hold it up now are ``granted``.

        The others have a snapshot for which it will wait in the end if it builds concurrently.  () if it is not known.
        """
        rows = await self._rows(blockers.SNAPSHOTS, blockers.builder(pid))
        try:
            return blockers.decode(rows[0][0]) if rows else ()
        except UnreadableAnswer as error:
            log.warning("monitor: %s", error)
            return ()

    async def progress(self, pid: int) -> Progress | None:
        """How far that backend's build is; None if it is not known."""
        rows = await self._rows(progress.SQL, pid)
        found = progress.decode(rows[0]) if rows else None
        if found is not None and found.is_hidden and not self._hidden_said:
            self._hidden_said = True
            log.warning(
                "monitor: its role may not see what builds do: GRANT pg_read_all_stats TO it, or let it be the client's role"
            )
        return found

    async def sees(self, server: str) -> bool:
        """Whether it is on that server, by what ``SERVER`` answers there: pids of another mean nothing."""
        if not self.server:
            await self._rows(SERVER)
        if self.server and self.server != server:
            log.info("monitor: it is connected to another server than this client, whose builds it cannot see")
        return self.server == server

    async def close(self) -> None:
        for task in list(self._asking):
            task.cancel()
        await self._drop()

    # ------------------------------------------------ the connection

    async def _rows(self, sql: str, *parameters: object) -> Sequence[Sequence[Any]] | None:
        """The rows of a query; None if there is no answer in time."""
        task = asyncio.get_running_loop().create_task(self._ask(sql, parameters))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        # Who asks may lose interest; the query is ended by its own bound, and the connection stays in order.
        return await asyncio.shield(task)

    async def _ask(self, sql: str, parameters: Sequence[object]) -> Sequence[Sequence[Any]] | None:
        async with self._lock:
            if time.monotonic() < self._not_before:
                return None
            try:
                async with asyncio.timeout(ANSWER_S + (0 if self._connection else CONNECT_S)):
                    connection = self._connection or await self._connect()
                    cursor = psycopg.AsyncRawCursor(connection)
                    await cursor.execute(sql, parameters or None)
                    return await cursor.fetchall()
            except (psycopg.Error, OSError, TimeoutError) as error:
                await self._drop()
                self._not_before = time.monotonic() + self._pause_s
                self._pause_s = min(self._pause_s * 2, AGAIN_MAX_S)
                reason = " ".join(str(error).split()) or "it did not answer in time"
                log.warning("monitor: progress cannot be seen for now: %s", reason)
                return None

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        self._connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
        row = await (await self._connection.execute(SERVER)).fetchone()
        self.server = row[0] if row else ""
        self._pause_s = AGAIN_S
        log.info("monitor: connected, pid %d", self._connection.info.backend_pid)
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection, self.server = self._connection, None, ""
        if connection is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await connection.close()
