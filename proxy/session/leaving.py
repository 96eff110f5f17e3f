"""After the client: its connection does the jobs that wait, as if a new session had come."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from proxy.net import Peer
from proxy.run.connection import Connection, ConnectionLost, ServerError
from proxy.run.errors import surely
from proxy.session.rest import Rest
from proxy.wire import messages
from proxy.wire.relay import Relay

log = logging.getLogger("interlock")

LEAVING_S = 30.0  # to end what a vanished client has left running


async def leave(
    relay: Relay,
    own: Connection,
    server: Peer,
    rest: Rest,
    *,
    label: str,
    drain: Callable[[], Awaitable[None]],
    cancel_upstream: Callable[[], Awaitable[None]],
    commits: bool,
) -> None:
    """End what the client has left running, take its settings back, and do the jobs; what fails is left to the next session.

    ``drain`` waits until the server has answered all that was sent.  ``commits``: COMMIT is among that, and is not stopped,
    as it would not be directly.  The server is told that the session ends; its connection is not closed.
    """
    try:
        async with asyncio.timeout(LEAVING_S):
            if not relay.quiet and not commits:
                await cancel_upstream()  # until it is delivered: later it would hit what is ours
            await drain()
            relay.release_ready()
            if relay.pipeline_open:
                await _take_back(own)
            if relay.status != b"I":
                await surely(lambda: own.run([("ROLLBACK", ())], notices=False))
            await surely(lambda: own.run([("DISCARD ALL", ())], notices=False))
        await rest.moment()
        own.release()
        server.write(messages.terminate())
    except (TimeoutError, ConnectionLost, ServerError) as error:
        log.info("%s: jobs are left to the next session: %s", label, error or type(error).__name__)


async def _take_back(own: Connection) -> None:
    """Roll back what the client has executed without a Sync, as the server does when a client is gone; a Sync of ours would commit it.

    What it has committed itself stays.  Raises ConnectionLost, ServerError.
    """
    with contextlib.suppress(ServerError):  # a cancel request that comes late: then that has rolled it back
        if not own.skipping:
            await own.run([("ROLLBACK", ())], notices=False)
    with contextlib.suppress(ServerError):
        await own.sync()
