"""One plan at a time for a table, through however many proxies: else two of the same migration undo each other's steps.

An advisory lock of the client's session, on the table's OID; it goes with the session if that dies.  It is
asked for again and again and never waited for: who waits inside Postgres has a snapshot, for which a
CREATE INDEX CONCURRENTLY of the holder's would wait in turn (40P01).

Source: Postgres docs, "Advisory Locks" (13.3.5).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable

from proxy.run.advisory import holder
from proxy.run.asking import Asking
from proxy.run.connection import ServerError
from proxy.run.errors import CANCELLED, QUERY_CANCELED, surely
from proxy.run.leap import SAY_EVERY_S

log = logging.getLogger("interlock")

SPACE = 0x494E544C  # "INTL": the first of the two keys; the second is the OID
TRY = "/* interlock */ SELECT pg_catalog.pg_try_advisory_lock($1::pg_catalog.int4, $2::pg_catalog.int4)"
RELEASE = "/* interlock */ SELECT pg_catalog.pg_advisory_unlock($1::pg_catalog.int4, $2::pg_catalog.int4)"
PAUSE_S = 0.1


@contextlib.asynccontextmanager
async def turn(
    own: Asking, tables: Iterable[int], cancelled: asyncio.Event, say: Callable[[str], None]
) -> AsyncIterator[None]:
    """Hold the turn of each table, by OID, while the block runs.

    Raises ServerError (57014) if the client cancels while another session has it; ConnectionLost.
    """
    held: list[int] = []
    try:
        for oid in sorted(set(tables)):  # in one order for all, against deadlocks
            if await _take(own, oid, cancelled, say):
                held.append(oid)
        yield
    finally:
        for oid in held:
            await _give_back(own, oid)


async def _take(own: Asking, oid: int, cancelled: asyncio.Event, say: Callable[[str], None]) -> bool:
    said = time.monotonic() - SAY_EVERY_S
    while True:
        try:
            rows = await own.fetch(TRY, str(SPACE), _int4(oid))
        except ServerError as error:
            if error.sqlstate == QUERY_CANCELED:
                raise
            log.warning("no turn can be taken (%s); a plan of another session could interfere", error)
            return False
        if rows[0][0] == b"t":
            return True
        if time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            found = await holder(own, SPACE, oid)
            who = f": {found[0]}" if found is not None else ""
            say(f"waiting for another session that changes the same table through Interlock{who}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(cancelled.wait(), PAUSE_S)
        if cancelled.is_set():
            raise ServerError(CANCELLED)


async def _give_back(own: Asking, oid: int) -> None:
    await surely(lambda: own.fetch(RELEASE, str(SPACE), _int4(oid)))


def _int4(oid: int) -> str:
    """An OID, which has no sign, as the int4 of the same bits."""
    return str(oid - (1 << 32) if oid >= 1 << 31 else oid)
