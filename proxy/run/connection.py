"""Queries of our own on the client's upstream connection, without disturbing what the client has there.

They use the extended protocol with a named statement and portal, never the unnamed ones, and end in Sync
only where the client has no pipeline open (its Sync would commit the client's work).  A simple Query does
away with the unnamed ones: ``ask`` sends one only in front of a Query of the client's own, which does, too.  What the server says meanwhile for the client's ears (notifications, parameter changes) passes.

Source: Postgres docs, "Frontend/Backend Protocol", Message Flow, Extended Query.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from proxy.catalog.request import Request
from proxy.net import Peer
from proxy.run.words import is_ours
from proxy.wire import messages
from proxy.wire.errors import ServerProtocolError
from proxy.wire.messages import Message
from proxy.wire.relay import Relay

if TYPE_CHECKING:
    from proxy.run.doing import Doing
    from proxy.run.monitor import Monitor

NAME = b"_interlock"
PORTAL = """/* interlock */ SELECT statement FROM pg_catalog.pg_cursors
 WHERE name OPERATOR(pg_catalog.=) $1::pg_catalog.name::pg_catalog.text"""
PREPARED = """/* interlock */ SELECT statement FROM pg_catalog.pg_prepared_statements
 WHERE name OPERATOR(pg_catalog.=) $1::pg_catalog.name::pg_catalog.text AND NOT from_sql"""
PAUSE_S = 0.02  # of a client that thinks, or is a person
LONGEST_S = 1.0  # what is to be done afterwards waits at most so long
LOOK_S = 0.005
SET_CONFIG = "/* interlock */ SELECT pg_catalog.set_config($1, $2, $3::pg_catalog.bool)"


class ServerError(Exception):
    """An ErrorResponse of the server to one of our own messages; ``fields`` as it sent them.

    ``at``: which statement of the flight it was, from 0; ``replies``: what those before it were answered.
    """

    def __init__(self, fields: Mapping[str, str], at: int = 0, replies: Sequence[Reply] = ()) -> None:
        super().__init__(fields.get("M", "error"))
        self.fields = dict(fields)
        self.at = at
        self.replies = replies

    @property
    def sqlstate(self) -> str:
        return self.fields.get("C", "")


class ConnectionLost(Exception):
    """The upstream connection ended while we used it."""


class Hears(Protocol):
    """Who is to hear what the server says: the client's ``Peer``, or somebody in front of it."""

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...


@dataclass(slots=True)
class Reply:
    """What the server answered to one statement."""

    tag: bytes = b""
    rows: list[list[bytes | None]] = field(default_factory=list)


class Connection:
    """The upstream connection of one client, borrowed.

    ``borrow`` must have been entered, with nothing of the client's still unanswered (``Relay.quiet``).
    """

    def __init__(self, relay: Relay, server: Peer) -> None:
        self.relay = relay
        self.server = server
        self.on_notice: Callable[[bytes], None] | None = None  # bodies of NoticeResponses to the client's statements
        self.encode: Callable[[str], bytes] = lambda text: text.encode("utf-8", "surrogateescape")
        self.simple = (
            False  # what the client wants run came in a Query, which does away with its unnamed statement and portal
        )
        self._portal_is_gone = False  # the unnamed one, with which a table that it reads could not be altered (55006)
        self._arrived: asyncio.Future[None] | None = None
        self.last_words: dict[str, str] = {}  # the FATAL with which the server ended the connection
        self.is_lost = False
        self._works: deque[Callable[[], None]] = deque()  # to be done afterwards
        self._first = self._last = 0.0  # when something was first and last put there
        self.monitor: Monitor | None = None  # looks from beside while this connection is busy
        self.doing: Doing | None = None  # the plan that runs on it now

    def afterwards(self, work: Callable[[], None]) -> None:
        """Have something done when nobody can be waiting for the client's transaction: when it is over, or its client pauses."""
        now = time.monotonic()
        self._last = now
        if not self._works:
            self._first = now
            asyncio.get_running_loop().call_later(LOOK_S, self._look)
        self._works.append(work)

    def catch_up(self) -> None:
        """Do what was to be done afterwards, if it is not done yet."""
        while self._works:
            self._works.popleft()()

    def _look(self) -> None:
        pauses = self._arrived is None and time.monotonic() - self._last > PAUSE_S
        if pauses or self._is_time:
            self.catch_up()
        elif self._works:
            asyncio.get_running_loop().call_later(LOOK_S, self._look)

    @property
    def _is_time(self) -> bool:
        return self.relay.status != b"T" or time.monotonic() - self._first > LONGEST_S

    @property
    def skipping(self) -> bool:
        """Whether the server ignores everything up to the client's Sync, after an error in its pipeline."""
        return self.relay.skipping

    # ------------------------------------------------ arrivals

    def wake(self) -> None:
        """To be called whenever the relay has taken in server bytes while it captures."""
        if self._arrived is not None and not self._arrived.done() and self.relay.captured:
            self._arrived.set_result(None)

    def lost(self) -> None:
        """To be called when the upstream connection ends."""
        self.is_lost = True
        for message in self.relay.captured:
            if message.type == ord("E"):
                self._note_fatal(messages.read_fields(message.body))
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    async def _message(self) -> Message:
        while not self.relay.captured:
            if self.is_lost:
                raise ConnectionLost
            self._arrived = asyncio.get_running_loop().create_future()
            try:
                await self._arrived
            finally:
                self._arrived = None
        message = self.relay.captured.popleft()
        if message.type == ord("E"):
            self._note_fatal(messages.read_fields(message.body))
            if self.last_words:
                raise ConnectionLost
        return message

    def _note_fatal(self, fields: dict[str, str]) -> None:
        if fields.get("V", fields.get("S")) in ("FATAL", "PANIC"):
            self.last_words = fields

    # ------------------------------------------------ asking

    async def fetch(self, sql: str, *parameters: str | bytes | None) -> list[list[bytes | None]]:
        """The rows of one query, as text.  Raises ServerError, ConnectionLost."""
        replies = await self.run([(sql, parameters)], notices=False)
        return replies[0].rows

    async def fetch_row(self, sql: str, *parameters: str | bytes | None) -> list[bytes | None]:
        """The one row of a query that always has one.  Raises ServerProtocolError if it has not, and as ``fetch``."""
        return _row(await self.fetch(sql, *parameters))

    async def ask(self, request: Request) -> list[bytes | None]:
        """As ``fetch_row``, about the catalog.

        As a Query where that disturbs nothing: the server then copies a long query's tree three times less.
        """
        alone = self.relay.status == b"I" and not (self.relay.pipeline_open or self.relay.executes)
        if not (self.simple and alone):
            return await self.fetch_row(request.sql, request.parameter)
        self.relay.capture = True
        self.server.write(self.relay.own(messages.query(request.inlined.encode("ascii"))))
        replies = await self._replies(0, False, False)
        return _row(replies[0].rows)

    async def fetch_between(
        self,
        before: Sequence[tuple[str, Sequence[str | bytes | None]]],
        ask: Sequence[bytes],
        after: Sequence[tuple[str, Sequence[str | bytes | None]]] = (),
    ) -> list[bytes | None]:
        """The one row that messages with one Execute give, between statements in the same flight.  Raises as ``fetch_row``."""
        out = b"".join([*(self._statement(*one) for one in before), *ask, *(self._statement(*one) for one in after)])
        count = len(before) + 1 + len(after)
        closed = sum(message[:1] == b"C" for message in ask)
        replies = await self._fly(out, count, 2 * (count - 1) + closed, notices=False)
        return _row(replies[len(before)].rows)

    async def run(
        self,
        statements: Sequence[tuple[str, Sequence[str | bytes | None]]],
        *,
        notices: bool = True,
    ) -> list[Reply]:
        """Run statements in one flight: outside a transaction block they are one transaction.

        ``notices``: whether the server's notices are the client's business.  Ends in Sync, or in Flush
        while the client has a pipeline open.  Raises ServerError after the first that fails (the server
        then skips to the next Sync), ConnectionLost.
        """
        out = b"".join(self._statement(sql, parameters) for sql, parameters in statements)
        count = len(statements)
        return await self._fly(out, count, 2 * count, notices=notices)

    def _statement(self, sql: str, parameters: Sequence[str | bytes | None]) -> bytes:
        values = [self._bytes(p) if isinstance(p, str) else p for p in parameters]
        clear = messages.close(b"S", NAME) + messages.close(b"P", NAME)  # a failed one may be there still
        return (
            clear + messages.parse(NAME, self._bytes(sql)) + messages.bind(NAME, NAME, values) + messages.execute(NAME)
        )

    async def _fly(self, out: bytes, count: int, closes: int, *, notices: bool) -> list[Reply]:
        """Send what executes ``count`` statements and closes so much; one reply for each."""
        flush_only = self.relay.pipeline_open
        if self.simple and not self._portal_is_gone and self.relay.status == b"T":
            self._portal_is_gone = True
            out, closes = messages.close(b"P", b"") + out, closes + 1
        end = messages.close(b"P", NAME) + messages.close(b"S", NAME)
        end += messages.flush() if flush_only else messages.sync()
        self.relay.capture = True
        self.server.write(self.relay.own(out + end))
        if self._works and self._is_time:
            self.catch_up()
        return (await self._replies(closes + 2, flush_only, notices))[:count]

    async def _replies(self, closes: int, flush_only: bool, notices: bool) -> list[Reply]:
        replies: list[Reply] = [Reply()]
        error: ServerError | None = None
        closed = 0
        while True:
            message = await self._message()
            match chr(message.type):
                case "D":
                    replies[-1].rows.append(messages.read_data_row(message.body))
                case "C":
                    replies[-1].tag = messages.read_tag(message.body)
                    replies.append(Reply())
                case "I":
                    replies.append(Reply())
                case "N":
                    told = messages.read_fields(message.body)
                    if notices and self.on_notice is not None and not is_ours(told.get("V", ""), told.get("M", "")):
                        self.on_notice(message.body)
                case "E":
                    error = ServerError(messages.read_fields(message.body), len(replies) - 1, replies[:-1])
                    if flush_only:
                        raise error
                case "3":
                    closed += 1
                    if flush_only and closed == closes:
                        return replies
                case "Z":
                    if error is not None:
                        raise error
                    return replies
                case _:
                    pass  # ParseComplete, BindComplete: nothing to learn

    def _bytes(self, text: str) -> bytes:
        """Text in the client's encoding, as the server expects it on this connection.  Raises ServerError."""
        try:
            return self.encode(text)
        except UnicodeEncodeError as error:
            character = text[error.start]
            raise ServerError(
                {
                    "S": "ERROR",
                    "V": "ERROR",
                    "C": "22P05",
                    "M": f"interlock: the character U+{ord(character):04X} does not exist in your client_encoding",
                    "H": "Set client_encoding to UTF8 for this statement.",
                }
            ) from None

    async def portal(self, name: bytes) -> bytes | None:
        """The text of a portal of the client's, None if there is none of that name.  Raises ServerError, ConnectionLost."""
        rows = await self.fetch(PORTAL, name)
        return rows[0][0] if rows else None

    async def prepared(self, name: bytes) -> bytes | None:
        """The text of a statement prepared by protocol, None if there is none of that name.  Raises as ``portal``."""
        rows = await self.fetch(PREPARED, name)
        return rows[0][0] if rows else None

    async def close_portal(self, name: bytes) -> None:
        """Close a portal of the client's.  Raises ServerError, ConnectionLost."""
        flush_only = self.relay.pipeline_open
        self.relay.capture = True
        self.server.write(
            self.relay.own(messages.close(b"P", name) + (messages.flush() if flush_only else messages.sync()))
        )
        while (message := await self._message()).type != (ord("3") if flush_only else ord("Z")):
            if message.type == ord("E"):
                raise ServerError(messages.read_fields(message.body))

    async def close_behind(self, before: Sequence[bytes], what: Sequence[tuple[bytes, bytes]]) -> None:
        """Close prepared statements (S) and portals (P) of our own, behind messages without an Execute.  Raises as ``run``."""
        out = [*before, *(messages.close(kind, name) for kind, name in what)]
        await self._fly(b"".join(out), 0, sum(message[:1] == b"C" for message in out), notices=False)

    async def bind_again(self, body: bytes) -> None:
        """Send a Bind of the client's once more, for the end of a transaction has closed its portal.  Raises as ``portal``."""
        self.relay.capture = True
        self.server.write(self.relay.own(Message(ord("B"), body).raw + messages.flush()))
        while (message := await self._message()).type != ord("2"):
            if message.type == ord("E"):
                raise ServerError(messages.read_fields(message.body))

    async def set(self, name: str, value: str, *, local: bool = False) -> None:
        """Set a parameter, for the session or (``local``) for the transaction that is open."""
        await self.fetch(SET_CONFIG, name, value, "true" if local else "false")

    async def sync(self) -> None:
        """End the client's (still effectless) pipeline, so that each of our statements is a transaction of its own."""
        if not self.relay.pipeline_open:
            return
        self.relay.capture = True
        self.server.write(self.relay.own(messages.sync()))
        error: ServerError | None = None
        while (message := await self._message()).type != ord("Z"):
            if message.type == ord("E"):
                error = ServerError(messages.read_fields(message.body))
        if error is not None:
            raise error

    async def begin_pipeline(self) -> None:
        """Outside a block: what is run from now on is one implicit transaction, which ``sync`` commits, as in a pipeline of the client's."""
        if self.relay.pipeline_open:
            return
        self.relay.capture = True
        self.server.write(self.relay.own(messages.close(b"S", NAME) + messages.flush()))
        await self._replies(1, True, False)
        self.relay.executes = 1  # so that what is refused from now on has it fail

    def settles(self, *, simple: bool) -> None:
        """What follows is in the place of a text of the client's, which came in a Query (``simple``) or is run by Execute."""
        self.simple, self._portal_is_gone = simple, False

    async def parse_only(self, sql: str) -> None:
        """Have the server read a text, and run nothing.  Raises ServerError if it cannot."""
        self.relay.capture = True
        text = self._bytes(sql)
        name = messages.close(b"S", NAME)
        self.server.write(self.relay.own(name + messages.parse(NAME, text) + name + messages.sync()))
        await self._replies(0, False, False)

    async def forward(
        self,
        query: bytes,
        client: Hears,
        reword: Callable[[dict[str, str]], dict[str, str] | None],
        retag: Callable[[bytes], bytes],
    ) -> None:
        """Send a Query of the client's and pass what comes back, all but ReadyForQuery.

        Errors go through ``reword``, and are not passed if that returns None; each CommandComplete is asked of ``retag``, by its message, and is what
        that returns, perhaps nothing.  Nothing in it may be a COPY: nobody reads the client meanwhile.
        """
        self.relay.capture = True
        self.server.write(self.relay.own(query))
        while (message := await self._message()).type != ord("Z"):
            if message.type == ord("E"):
                if (fields := reword(messages.read_fields(message.body))) is not None:
                    client.write(messages.error_response(fields))
            elif message.type == ord("C"):
                self.relay.completed(messages.read_tag(message.body))
                client.write(retag(message.raw))
            else:
                client.write(message.raw)
                await client.drain()

    async def fail(self, reason: str, *, simple: bool) -> None:
        """Make the server fail, so that the client's transaction or pipeline is truly in the failed state.

        ``reason`` is all that the server's log will show.  In a simple Query the server is sent a text that
        no parser takes; in the extended protocol a portal that is not there, after which it skips to Sync.
        """
        self.relay.capture = True
        if simple:
            self.server.write(self.relay.own(messages.query(f"interlock: {reason}".encode())))
            while (await self._message()).type != ord("Z"):
                pass
        else:
            self.server.write(self.relay.own(messages.execute(f"interlock: {reason}".encode())))
            while (await self._message()).type != ord("E"):
                pass

    def release(self) -> None:
        """Give the connection back to the relay."""
        self.relay.capture = False


def _row(rows: list[list[bytes | None]]) -> list[bytes | None]:
    if not rows or not rows[0]:
        raise ServerProtocolError("a query of Interlock's own was answered by something else")
    return rows[0]
