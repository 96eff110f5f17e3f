"""One client's session: two sockets, the relay between them, and one task for what the relay holds.

Bytes are passed where they arrive, in the callbacks.  A message that waits for a decision is settled by a
task, one at a time, in the order sent; what the client sends meanwhile waits in the relay, and above a
bound the client's socket is no longer read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from proxy import tools
from proxy.login.screen import REFUSAL, Screen
from proxy.net import Peer
from proxy.policy.load import Policy
from proxy.run.connection import Connection, ConnectionLost, ServerError
from proxy.run.doing import Doing
from proxy.run.monitor import Monitor
from proxy.session import fatal
from proxy.session.fate import Fate
from proxy.session.group import Groups
from proxy.session.guard import Guard
from proxy.session.leaving import leave
from proxy.session.ledger import Ledger, Who
from proxy.session.prepared import BIND, EXECUTE, PARSE, QUERY, Prepared
from proxy.session.reading import Reading
from proxy.session.rest import Rest
from proxy.session.settling import WAITS, Settling
from proxy.wire import messages
from proxy.wire.conversation import CALL, DESCRIBE, TERMINATE
from proxy.wire.errors import ClientProtocolError, ServerProtocolError
from proxy.wire.messages import Message
from proxy.wire.relay import Relay

log = logging.getLogger("interlock")

BUFFERED_BYTES = 1 << 20  # of the client's, behind a held message, before its socket is no longer read
MAY_SEE = frozenset((QUERY, PARSE, BIND, DESCRIBE, EXECUTE, CALL))  # what the transaction has put off to its end
LOOK_AT = 400  # messages of a session that may tell which tool it is


class Session:
    """One client and its own upstream connection, from the StartupMessage on.

    ``cancel_upstream`` sends a cancel request for this session to the server, for steps of our own that a
    vanished client no longer wants; what it returns is done when that has been delivered.
    """

    _abandoned = False
    _stopping: asyncio.Task[None] | None = None  # sends the last cancel request for this session

    def __init__(
        self,
        client: Peer,
        server: Peer,
        who: Who,
        ledger: Ledger,
        policy: Callable[[], Policy],
        *,
        max_statement_bytes: int,
        replication: str,
        on_key: Callable[[tuple[int, bytes]], None],
        cancel_upstream: Callable[[], asyncio.Task[None]],
        sasl: Callable[[list[str]], list[str]] | None = None,
        groups: Groups | None = None,
        monitor: Monitor | None = None,
    ) -> None:
        self.client = client
        self.server = server
        self.who = who
        self.relay = Relay(self._watch, max_statement_bytes=max_statement_bytes, texts_only=self._texts_only, sasl=sasl)
        self.relay.blind = replication == "true"
        self.cancelled = asyncio.Event()
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._own = Connection(self.relay, server)
        self._own.monitor = monitor
        self._own.encode = lambda text: self._reading().encode(text)
        self._guard = Guard(self._own, client, who, ledger, policy, self.cancelled)
        self._guard.examiner.walsender = replication == "database"
        self._groups = groups or Groups()
        self._rest = Rest(self._guard, self, self._groups)
        self._guard.building = lambda: self._groups.building(who.database)
        self._guard.voice.at_rest = self._moment
        self._guard.deferral.on_deferred = self._rest.begin
        self._guard.let_go = self._rest.let_go
        self._guard.attend = self.attend
        self._guard.deferral.has_deferred = lambda: self._rest.pending
        self._guard.deferral.has_left = lambda: self._rest.has_left
        if not replication:
            group = self._groups.join(self, who.user, who.database, address(who.client))
            self._guard.spoken = lambda: group.tool
            self._rest.group = group
        self.attend()
        self._fate = Fate(self._own, self._rest, self._reading)
        self.relay.reword = self._reworded
        self._prepared = Prepared()
        self._prepared.calls = lambda: policy().routines.procedures == "read"
        self._prepared.mentions = self._guard.examiner.mentioned
        self._prepared.is_awaited = self._guard.examiner.awaited
        self._held = Settling(self._guard, server, self._prepared, self._groups, self._drain)
        self._looks = LOOK_AT
        self._settling: asyncio.Task[None] | None = None
        self._quiet: asyncio.Future[None] | None = None
        self._paused = False
        self._status = b""
        self.since = time.monotonic()  # since when the transaction status is what it is
        self._gated = False
        self._leaving = False
        self._on_key: Callable[[tuple[int, bytes]], None] | None = on_key
        self._cancel_upstream = cancel_upstream

    def join(self) -> None:
        """From now on what the server says goes to the client."""
        self.client.partner, self.server.partner = self.server, self.client
        self.server.on_data, self.server.on_lost = self._from_server, self._server_lost

    def start(self, startup: bytes, rest: bytes, *, greeting: bytes = b"", screened: bool = False) -> None:
        """Send the client's StartupMessage on, with what came behind it, and relay from now on.

        ``greeting``: the login is done, and the server has said this since; ``screened``: the client's first answer is
        looked at, since the server could only refuse some.  ``join`` must have been called.
        """
        self.server.write(startup)
        if greeting and self.server.on_data is not None:
            self.server.on_data(greeting)
        if self.finished.done():
            return
        from_client = Screen(self._screened, self._refuse_binding) if screened else self._from_client
        if rest:
            from_client(rest)
        self.client.on_data, self.client.on_lost = from_client, self._client_lost

    @property
    def idle(self) -> bool:
        """Not logged in yet, or between two transactions and nothing asked: it may be ended without harm."""
        if not self.relay.status:
            return True
        return self.relay.status == b"I" and self.relay.quiet and self._settling is None and self.relay.buffered == 0

    @property
    def doing(self) -> Doing | None:
        """The plan that runs for the client now, for those who look on."""
        return self._own.doing

    @property
    def is_held(self) -> bool:
        """Whether something of the client's is being decided about, or done, here."""
        return self._settling is not None

    @property
    def token(self) -> str:
        """What the jobs that it writes down are marked with."""
        return self._guard.deferral.token

    @property
    def in_transaction(self) -> bool:
        """Whether the client has a transaction open, or something of it is running; as the others of its group see it."""
        if not self.relay.status or self._rest.resting or self._leaving:
            return False
        return self.relay.status != b"I" or not self.relay.quiet or self._settling is not None

    @property
    def idle_in_transaction(self) -> bool:
        """Whether the client has a transaction open, and asks nothing."""
        return self.relay.status in (b"T", b"E") and self.relay.quiet and self._settling is None

    @property
    def leaving(self) -> bool:
        """Whether the client is gone, and what is left are jobs."""
        return self._leaving

    def stop_build(self) -> None:
        """Cancel what is being built on its connection."""
        self.cancelled.set()
        self._stopping = self._cancel_upstream()

    def attend(self) -> None:
        """Watch for the end of the client's transaction while jobs wait for it."""
        self.relay.keeps_ready = self._rest.wanted or self._guard.examiner.kept.any

    async def let_go(self) -> None:
        """Close the unnamed portal, if it has been executed to its end in a transaction that is now idle.

        Some drivers (Postgrex, pgjdbc) leave it open; with it the transaction keeps a snapshot, for which a
        CREATE INDEX CONCURRENTLY on another connection of theirs would wait, and they for it.
        """
        relay = self.relay
        if relay.status != b"T" or not relay.quiet or relay.pipeline_open or relay.suspended or relay.copying:
            return
        if self._settling is not None or relay.held is not None or self.client.closed or self.server.closed:
            return
        self._settling = asyncio.current_task()  # what the client sends meanwhile waits
        self._gated = True
        try:
            await self._own.close_portal(b"")
        except (ServerError, ConnectionLost) as error:
            log.info("%s: a portal was not closed: %s", self.who.label, error)
        finally:
            self._own.release()
            self._gated = False
            self._settling = None
            if relay.held is not None:
                self._begin_settling()
            elif self.client.closed:
                self._client_lost(None)

    # ------------------------------------------------ bytes

    def _from_client(self, data: bytes) -> None:
        try:
            out = self.relay.from_client(data)
        except ClientProtocolError as error:
            self._refuse(error)
            return
        if out:
            self.server.write(out)
        if self.relay.held is not None:
            self._begin_settling()
            if self.relay.buffered > BUFFERED_BYTES and not self._paused:
                self._paused = True
                self.client.pause()

    def _from_server(self, data: bytes) -> None:
        relay = self.relay
        try:
            out = relay.from_server(data)
        except ClientProtocolError as error:  # it sent a statement where the server now wants the data of a COPY
            self._refuse(error)
            return
        except ServerProtocolError as error:
            log.error("%s: the server broke the protocol: %s", self.who.label, error)
            self._end()
            return
        if relay.status != self._status:
            self._status = relay.status
            self.since = time.monotonic()
        if out:
            self.client.write(out)
        if relay.capture:
            self._own.wake()
        if relay.kept_ready is not None:
            self._begin_settling()
        if self._quiet is not None and relay.quiet and not self._quiet.done():
            self._quiet.set_result(None)
        if self._on_key is not None and relay.status:
            if relay.backend_key is not None:
                self._on_key(relay.backend_key)
            self._on_key = None

    def _begin_settling(self) -> None:
        if self._settling is None:
            self._settling = asyncio.get_running_loop().create_task(self._settle())

    def _texts_only(self) -> bool:
        """Whether ``_watch`` lets pass whatever is no Query or Parse."""
        late = self._guard.at_end.late
        return self._prepared.remembers_nothing and not self._gated and not self.relay.keeps_ready and not late

    def _watch(self, kind: int, body: bytes) -> bool:
        relay = self.relay
        if relay.keeps_ready:
            self._fate.note(kind, body)
        if self._gated:
            return True
        if relay.keeps_ready and (relay.kept_ready is not None or relay.mid_cycle):
            return True  # one request at a time: what comes behind the end of a transaction waits for what we do then
        if kind in MAY_SEE and self._guard.at_end.late:
            return True
        if kind in (QUERY, PARSE):
            if self._groups.built_in and self.who.database in self._groups.built_in and WAITS.search(body):
                return True
            if self._looks:
                self._looks -= 1
                self._look_for_tool(body)
        elif kind == DESCRIBE:
            return False
        elif kind == TERMINATE:
            return relay.keeps_ready and self._rest.wanted
        return self._prepared.holds(kind, body, self._reading_now)

    def _reading(self) -> Reading:
        return Reading.of(self.relay.parameters)

    def _reading_now(self) -> tuple[Reading, bool]:
        """How texts are read, and whether that is certain: a SET may be on its way."""
        return self._reading(), self.relay.quiet and not self.relay.executes

    def _look_for_tool(self, body: bytes) -> None:
        if tools.MARKS.search(body):
            found = tools.recognise(self.who.application_name, body.decode("latin-1"))
        elif self._looks == LOOK_AT - 1:
            found = tools.named(self.who.application_name)
        else:
            return
        self.who.tool = found or self.who.tool
        if self.who.tool is not None:
            self._looks = 0
            if self._rest.group is not None:
                self._rest.group.tool = tools.whose(self.who.tool, self._rest.group.tool)

    # ------------------------------------------------ ends

    def _client_lost(self, error: Exception | None) -> None:
        relay = self.relay
        if self._rest.resting or self._leaving or relay.kept_ready is not None:
            return  # what was committed is finished whether or not anybody waits for it
        if self._settling is None:
            self._end_without_client()
            return
        if self._fate.commits and not self._abandoned:
            return  # directly nothing would stop it either; what it sets free is done behind it
        # Something of ours may be running for this client: it is stopped and taken back, and then all ends.
        log.info("%s: the client is gone; stopping what runs for it", self.who.label)
        self.stop_build()

    def _end_without_client(self) -> None:
        """At once, or behind the jobs that its COMMIT sets free."""
        may_stay = bool(self.relay.status) and self.relay.can_end and not (self.server.closed or self._abandoned)
        if self._rest.due and may_stay:
            self._settling = asyncio.get_running_loop().create_task(self._leave())
        else:
            self._end()

    def _server_lost(self, error: Exception | None) -> None:
        self._own.lost()
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)
        if self._settling is None:
            self._say_lost()
        else:
            self.cancelled.set()  # whatever waits inside Interlock finds the connection gone, and says so to the client

    def _end(self) -> None:
        self._own.catch_up()
        if self._rest.group is not None:
            self._rest.ended()
            self._groups.leave(self, self._rest.group)
        self.client.close()
        self.server.close()
        if not self.finished.done():
            self.finished.set_result(None)

    def give_back(self) -> None:
        """End it, and leave the client to whoever serves it from here on."""
        client, server = self.client, self.server
        client.partner = server.partner = None
        client.on_data = client.on_lost = server.on_data = server.on_lost = None
        if self._rest.group is not None:
            self._groups.leave(self, self._rest.group)
        server.close()
        if not self.finished.done():
            self.finished.set_result(None)

    def _refuse(self, error: ClientProtocolError) -> None:
        """The client broke the protocol: say so as the server would, and end both sides."""
        self.client.write(fatal.broken_protocol(error))
        self._end()

    def _screened(self, data: bytes) -> None:
        self.client.on_data = self._from_client
        self._from_client(data)

    def _refuse_binding(self) -> None:
        self.client.write(messages.error_response(REFUSAL))
        self._end()

    def cancelled_by_client(self, sending: asyncio.Task[None]) -> None:
        """A cancel request for this session came: what waits inside Interlock stops too."""
        self._stopping = sending
        if self._settling is not None:
            self.cancelled.set()

    def abandon(self) -> None:
        """End it whatever it does, and say so; a plan that runs is stopped and taken back first."""
        if self.relay.is_between:
            self.client.write(self._fate.shutdown())
        if self._settling is None:
            self._end()
        else:
            self._abandoned = True
            self.client.close()
            self._client_lost(None)

    def close_for_shutdown(self) -> None:
        """End an idle session as a server that shuts down does."""
        self.client.write(fatal.shutdown())
        self.server.write(messages.terminate())
        self._end()

    # ------------------------------------------------ what is held

    async def _settle(self) -> None:
        try:
            while self.relay.held is not None or self.relay.kept_ready is not None:
                await self._drain()
                if self.relay.kept_ready is not None:
                    await self._settle_ready()
                elif (held := self.relay.held) is not None:
                    await self._settle_one(held)
                self._own.release()
                if self.relay.held is None and self._paused:
                    self._paused = False
                    self.client.resume()
        except ConnectionLost:
            self._say_lost()
        except ClientProtocolError as error:
            self._refuse(error)
        except ServerProtocolError as error:
            log.error("%s: the server broke the protocol: %s", self.who.label, error)
            self._end()
        except Exception:
            log.exception("%s: internal error; both connections are closed, nothing is guessed", self.who.label)
            self.client.write(fatal.internal_error())
            self._end()
        finally:
            self._settling = None
            if self.client.closed and self._rest.pending:
                self._end_without_client()
            elif self.client.closed or self.server.closed:
                self._end()

    def _say_lost(self) -> None:
        """The server is gone."""
        self.client.write(self._fate.connection_lost())
        self._end()

    def _reworded(self, body: bytes) -> bytes | None:
        """Another ErrorResponse in the place of the server's, which has nothing but more to say; None: it goes on as it is."""
        fields = messages.read_fields(body)
        if fields.get("V", fields.get("S")) in ("FATAL", "PANIC"):
            return self._fate.reworded(fields)
        return self._guard.reworded(body)

    async def _drain(self) -> None:
        """Until the server has answered everything that went on before the held message."""
        if self.relay.quiet:
            return
        if self.relay.pipeline_open:
            self.server.write(self.relay.own(messages.flush()))
        while not self.relay.quiet:
            self._quiet = asyncio.get_running_loop().create_future()
            try:
                await self._quiet
            finally:
                self._quiet = None
            if self.server.closed:
                raise ConnectionLost

    async def _moment(self) -> bytes:
        """The client's transaction is over.  A client that is gone no longer stops what comes now."""
        await self._stopped()
        if self.client.closed and not self._abandoned:
            self.cancelled.clear()
        return await self._rest.moment()

    async def _stopped(self) -> None:
        """What was to stop the client's own work has arrived: it does not hit a job, which would have failed."""
        if self._stopping is not None:
            await asyncio.wait({self._stopping})

    async def _settle_ready(self) -> None:
        """The client's transaction is over, and it has not been told yet."""
        before = await self._moment()
        with contextlib.suppress(ConnectionLost):  # it is committed, and is told so
            await self._guard.put_away()
        self._own.release()
        self.cancelled.clear()
        self.client.write(before + self.relay.release_ready())

    async def _leave(self) -> None:
        """The client is gone, and jobs wait."""
        self._leaving = True
        commits = self._fate.commits
        try:
            await self._stopped()
            self.cancelled.clear()
            await leave(
                self.relay,
                self._own,
                self.server,
                self._rest,
                label=self.who.label,
                drain=self._drain,
                cancel_upstream=self._cancel_upstream,
                commits=commits,
            )
        finally:
            self._settling = None
            self._end()

    async def _settle_one(self, held: Message) -> None:
        if self._rest.group is not None and self._groups.look_again(self, self._rest.group):
            self.attend()
        if held.type != TERMINATE:
            await self._held.settle(held)
            return
        self._leaving = True
        self.client.close()
        self.relay.drop_held()
        await self._leave()


def address(peername: str) -> str:
    """The host of ``host:port``; of a Unix socket all that is known."""
    return peername.rpartition(":")[0] or peername
