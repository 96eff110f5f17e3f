"""Looks at ``interlock.jobs`` that wait for nobody for long: any login may lock it, and behind a look stands a client.

Source: Postgres docs, ``lock_timeout`` in "Client Connection Defaults"; "Extended Query" on implicit transactions.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.run.asking import Asking
from proxy.run.connection import SET_CONFIG, Connection, Reply, ServerError
from proxy.run.doing import Doing
from proxy.run.errors import is_lock_timeout, surely
from proxy.run.monitor import Monitor
from proxy.run.patience import LOCK_NOT_AVAILABLE
from proxy.run.savepoint import SAVEPOINT, TAKEN_BACK
from proxy.run.store import EQ

TABLE = "interlock.jobs"
IS_LOCKED = "another session has a lock on interlock.jobs"
WHO = "SELECT pid, mode FROM pg_locks WHERE relation = 'interlock.jobs'::regclass AND granted"
LOCKED = f"""/* interlock */ SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_class c ON c.relnamespace {EQ} n.oid AND c.relname {EQ} 'jobs'
    JOIN pg_catalog.pg_database d ON d.datname {EQ} pg_catalog.current_database()
    JOIN pg_catalog.pg_locks l ON l.relation {EQ} c.oid AND l.database {EQ} d.oid
    WHERE n.nspname {EQ} 'interlock' AND l.mode {EQ} 'AccessExclusiveLock'
    AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid())"""


class Bounded:
    """A connection on which ``fetch`` waits for a lock on the table of jobs no longer than ``ms``, outside a transaction.

    All of one flight is one transaction there, so that the setting ends with it.  Raises as the connection; ServerError,
    for which ``errors.is_lock_timeout`` holds, when the time is up.
    """

    def __init__(self, own: Asking, ms: int) -> None:
        self.own = own
        self._bound = (SET_CONFIG, ("lock_timeout", f"{ms}ms", "true"))

    @property
    def doing(self) -> Doing | None:
        return self.own.doing

    @doing.setter
    def doing(self, doing: Doing | None) -> None:
        self.own.doing = doing

    @property
    def is_lost(self) -> bool:
        return self.own.is_lost

    @property
    def monitor(self) -> Monitor | None:
        return self.own.monitor

    @property
    def skipping(self) -> bool:
        return self.own.skipping

    async def run(
        self, statements: Sequence[tuple[str, Sequence[str | bytes | None]]], *, notices: bool = True
    ) -> list[Reply]:
        return await self.own.run(statements, notices=notices)

    async def fetch(self, sql: str, *parameters: str | bytes | None) -> list[list[bytes | None]]:
        if TABLE not in sql:  # of the catalog, which nobody else locks
            return await self.own.fetch(sql, *parameters)
        return await self._look(sql, parameters)

    async def _look(self, sql: str, parameters: Sequence[str | bytes | None]) -> list[list[bytes | None]]:
        return (await self.own.run([self._bound, (sql, parameters)], notices=False))[1].rows


class _Inside(Bounded):
    """In a transaction block: behind a savepoint that is given back, with the lock and the setting, whatever comes of it."""

    def __init__(self, own: Connection, ms: int) -> None:
        super().__init__(own, ms)
        self._sync = own.sync

    async def _look(self, sql: str, parameters: Sequence[str | bytes | None]) -> list[list[bytes | None]]:
        await self._sync()  # ends nothing in a block, and an error of ours does not make the server skip
        back = [(one, ()) for one in TAKEN_BACK]
        try:
            replies = await self.own.run([(SAVEPOINT, ()), self._bound, (sql, parameters), *back], notices=False)
        except ServerError as error:
            if error.at > 0:
                await surely(lambda: self.own.run(back, notices=False))
            raise
        return replies[2].rows


class _InPipeline(Bounded):
    """In an implicit transaction that the client may have begun: an error would be its end, so it is asked whether one would come."""

    async def _look(self, sql: str, parameters: Sequence[str | bytes | None]) -> list[list[bytes | None]]:
        if (await self.own.fetch(LOCKED))[0][0] == b"t":
            raise ServerError(
                {"S": "ERROR", "V": "ERROR", "C": LOCK_NOT_AVAILABLE, "R": "ProcessInterrupts", "M": "locked"}
            )
        return await self.own.fetch(sql, *parameters)


def bounded(own: Connection, ms: int) -> Bounded:
    """As ``Bounded``, wherever the client's transaction stands.  It must not have failed."""
    if own.relay.executes or (own.relay.pipeline_open and own.relay.status != b"T"):
        return _InPipeline(own, ms)
    return _Inside(own, ms) if own.relay.status == b"T" else Bounded(own, ms)


def reason(error: Exception) -> str:
    """Why something about the table of jobs could not be done, in words."""
    return IS_LOCKED if isinstance(error, ServerError) and is_lock_timeout(error.fields) else str(error)


__all__ = ["IS_LOCKED", "WHO", "Bounded", "bounded", "reason"]
