"""A connection of our own that the work on a database can be done on, as on a client's (``asking.Asking``).

Statements go out in one flight with one Sync behind them (libpq's pipeline mode), for what that means outside a
transaction block: several are one transaction, and one that must be alone in its transaction is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Self

import psycopg
from psycopg import pq

from proxy.run.connection import ConnectionLost, Reply, ServerError
from proxy.run.doing import Doing
from proxy.run.guard import VIA
from proxy.run.monitor import Monitor
from proxy.run.words import is_ours

CANCEL_S = 5.0
# What a login has for its applications says nothing of what is done here; what stands in the connection string does.
WRITES = """SELECT pg_catalog.set_config(s.name, 'off', false) FROM pg_catalog.pg_settings s
    WHERE s.name OPERATOR(pg_catalog.=) 'default_transaction_read_only' AND s.source OPERATOR(pg_catalog.<>) 'client'"""

# The fields of an ErrorResponse, and what libpq calls them.
FIELDS = {
    "S": pq.DiagnosticField.SEVERITY,
    "V": pq.DiagnosticField.SEVERITY_NONLOCALIZED,
    "C": pq.DiagnosticField.SQLSTATE,
    "M": pq.DiagnosticField.MESSAGE_PRIMARY,
    "D": pq.DiagnosticField.MESSAGE_DETAIL,
    "H": pq.DiagnosticField.MESSAGE_HINT,
    "P": pq.DiagnosticField.STATEMENT_POSITION,
    "p": pq.DiagnosticField.INTERNAL_POSITION,
    "q": pq.DiagnosticField.INTERNAL_QUERY,
    "W": pq.DiagnosticField.CONTEXT,
    "s": pq.DiagnosticField.SCHEMA_NAME,
    "t": pq.DiagnosticField.TABLE_NAME,
    "c": pq.DiagnosticField.COLUMN_NAME,
    "d": pq.DiagnosticField.DATATYPE_NAME,
    "n": pq.DiagnosticField.CONSTRAINT_NAME,
    "F": pq.DiagnosticField.SOURCE_FILE,
    "L": pq.DiagnosticField.SOURCE_LINE,
    "R": pq.DiagnosticField.SOURCE_FUNCTION,
}


class Side:
    """``say`` is told the server's notices, in one line each."""

    def __init__(self, connection: psycopg.AsyncConnection[tuple[str | None, ...]], say: Callable[[str], None]) -> None:
        self.connection = connection
        self._heard = True
        self.monitor: Monitor | None = None  # looks from beside, if somebody gives it one
        self.doing: Doing | None = None  # the plan that runs on it now
        connection.add_notice_handler(lambda notice: self._hear(notice, say))

    def _hear(self, notice: psycopg.errors.Diagnostic, say: Callable[[str], None]) -> None:
        text = notice.message_primary or ""
        if self._heard and not is_ours(notice.severity_nonlocalized or "", text):
            say(text)

    @classmethod
    async def connect(cls, conninfo: str, say: Callable[[str], None], *, timeout_s: int = 10) -> Self:
        """Raises psycopg.Error."""
        connection = await psycopg.AsyncConnection.connect(
            conninfo,
            autocommit=True,
            connect_timeout=timeout_s,
            client_encoding="UTF8",
            fallback_application_name="interlock",
            prepare_threshold=None,
        )
        await connection.execute(f"SET {VIA} = 'jobs'")  # so that the guard, where it is installed, knows us
        return cls(connection, say)

    async def let_write(self) -> None:
        """Do not be read only because the login, or the database, is so by default: what is to be done was asked for.  Raises psycopg.Error."""
        await self.connection.execute(WRITES)

    async def close(self) -> None:
        await self.connection.close()

    @property
    def is_lost(self) -> bool:
        return self.connection.closed

    @property
    def skipping(self) -> bool:
        return False  # an error ends the flight that it is in, and its Sync is sent already

    async def cancel(self) -> None:
        """Ask the server to cancel what is running; whether it does shows there."""
        with contextlib.suppress(psycopg.Error, OSError):
            await self.connection.cancel_safe(timeout=CANCEL_S)

    async def fetch(self, sql: str, *parameters: str | bytes | None) -> list[list[bytes | None]]:
        """The rows of one query, as text.  Raises ServerError, ConnectionLost."""
        return (await self.run([(sql, parameters)], notices=False))[0].rows

    async def run(
        self, statements: Sequence[tuple[str, Sequence[str | bytes | None]]], *, notices: bool = True
    ) -> list[Reply]:
        """As ``asking.Asking`` says."""
        self._heard = notices
        cursors: list[psycopg.AsyncCursor[tuple[str | None, ...]]] = []
        first: psycopg.Error | None = None
        try:
            async with self.connection.pipeline():
                for sql, parameters in statements:
                    cursor = psycopg.AsyncRawCursor(self.connection)
                    cursors.append(cursor)
                    await cursor.execute(sql.encode("utf-8", "surrogateescape"), list(parameters))
        except psycopg.Error as error:
            first = error
        finally:
            self._heard = True
        if first is not None:
            raise self._raised(first, [_reply(c) for c in cursors if c.pgresult and c.statusmessage]) from None
        return [_reply(cursor) for cursor in cursors]

    def _raised(self, error: psycopg.Error, before: Sequence[Reply]) -> ServerError | ConnectionLost:
        if self.connection.closed or error.sqlstate is None:
            return ConnectionLost(" ".join(str(error).split()))
        result = error.pgresult
        values = {letter: result.error_field(field) if result else None for letter, field in FIELDS.items()}
        fields = {letter: value.decode("utf-8", "replace") for letter, value in values.items() if value}
        return ServerError(fields, len(before), before)


def _reply(cursor: psycopg.AsyncCursor[tuple[str | None, ...]]) -> Reply:
    result = cursor.pgresult
    if result is None:
        return Reply()
    rows = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
    return Reply((cursor.statusmessage or "").encode(), rows)
