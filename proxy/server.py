"""Listens, takes each client through its opening packets, and gives it a session.

Only this module holds listening sockets and knows which session a cancel request is for.
Source: Postgres docs, "Frontend/Backend Protocol", Start-up, Canceling Requests in Progress, SSL Session Encryption.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from proxy import upstream as upstreams
from proxy.conninfo import Upstream
from proxy.login import opening
from proxy.login.onward import LoginFailed
from proxy.login.receive import Proven, Refused
from proxy.login.terms import Terms
from proxy.net import Peer
from proxy.policy.load import Policy
from proxy.roles import Roles
from proxy.run.guard import VIA
from proxy.run.monitor import Monitor
from proxy.session import fatal
from proxy.session.group import Groups
from proxy.session.ledger import Ledger, Who
from proxy.session.session import Session, address
from proxy.siblings import Counts, Message, Siblings
from proxy.sockets import BACKLOG
from proxy.upstream import CANCEL_TIMEOUT_S, UpstreamUnavailable
from proxy.wire import messages
from proxy.wire.errors import ClientProtocolError
from proxy.wire.startup import CancelRequest, Startup, read_startup

log = logging.getLogger("interlock")


@dataclass(frozen=True, slots=True)
class Limits:
    login_timeout_s: float = 60.0  # for the opening packets, as authentication_timeout
    max_statement_bytes: int = 64 << 20
    max_clients: int = 0  # 0: as many as there are file descriptors
    max_clients_per_user: int = 0
    max_clients_per_address: int = 0
    mark_sessions: bool = False
    drain_timeout_s: float = 60.0


class Console(Protocol):
    """Who serves clients that ask for Interlock itself; ``admin.door``."""

    def attend(self, session: Session, startup: Startup) -> Callable[[Peer], Awaitable[None]] | None:
        """Watch a login; once the session is over the result serves the client, if it is one of those."""


class Server:
    """All listeners and sessions of one process."""

    def __init__(
        self,
        upstream: Upstream,
        policy: Callable[[], Policy],
        ledger: Ledger,
        *,
        limits: Limits | None = None,
        terms: Terms | None = None,
        monitor: Monitor | None = None,
        siblings: Siblings | None = None,
        counts: Counts | None = None,
        number: int = 0,
    ) -> None:
        self.upstream = upstream
        self.policy = policy
        self.ledger = ledger
        self.limits = limits or Limits()
        self.terms = terms or Terms()
        self.monitor = monitor
        self.console: Console | None = None
        self.sessions: set[Session] = set()
        self._roles = Roles()
        self._siblings = siblings
        if siblings is not None:
            siblings.handlers["cancel"] = self._cancel_for_a_sibling
        self._counts = counts or Counts(1)
        self._number = number
        self.groups = Groups(siblings=siblings)
        self._keys: dict[tuple[int, bytes], Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._coming: dict[Peer, str] = {}  # clients that are logging in, and as whom
        self._opening: set[Peer] = set()  # clients that have not said or shown yet who they are
        self._listeners: list[asyncio.Server] = []
        self._draining = False
        self.on_drain: Callable[[], None] | None = None

    # ------------------------------------------------ listening

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Take clients from these listening sockets."""
        loop = asyncio.get_running_loop()

        def accept() -> Peer:
            return Peer(self._accepted)

        for one in sockets:
            if one.family == socket.AF_UNIX:
                self._listeners.append(await loop.create_unix_server(accept, sock=one, backlog=BACKLOG))
            else:
                self._listeners.append(await loop.create_server(accept, sock=one, backlog=BACKLOG))

    @property
    def holding(self) -> str:
        """What is there now, for who looks for what stays."""
        tasks = len(asyncio.all_tasks())
        return f"{len(self.sessions)} sessions, {tasks} tasks, {len(self._opening)} clients that have not logged in"

    async def stop_listening(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    # ------------------------------------------------ one client

    def _accepted(self, client: Peer) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: Peer) -> None:
        """One client from its first byte to its last."""
        self._opening.add(client)
        try:
            try:
                async with asyncio.timeout(self.limits.login_timeout_s):
                    packet, rest = await opening.receive(client, self.terms.front)
            except TimeoutError:
                log.info("[%s] sent no startup packet within %g s", client.peername, self.limits.login_timeout_s)
                return
            match packet:
                case CancelRequest():
                    await self._cancel(packet)
                case Startup():
                    await self._session(client, packet, rest)
                case None:
                    log.debug("[%s] closed before saying anything", client.peername)
        except ClientProtocolError as error:
            log.info("[%s] %s", client.peername, error)
            if error.protocol == 2:
                client.write(messages.error_response_v2("FATAL", str(error)))
            elif error.told:
                self._tell(client, error.sqlstate, str(error))
        except (ConnectionError, ssl.SSLError, OSError) as error:
            log.info("[%s] connection ended while opening: %s", client.peername, error)
        except Exception:
            log.exception("[%s] internal error", client.peername)
        finally:
            self._opening.discard(client)
            self._coming.pop(client, None)
            client.close()

    async def _session(self, client: Peer, startup: Startup, rest: bytes) -> None:
        if self.limits.mark_sessions:
            startup = startup.with_parameter(VIA, "interlock")
        if self._draining:
            self._tell(client, "57P03", "Interlock is shutting down")
            return
        if full := self._full(client, startup.user):
            self._tell(client, "53300", full)
            return
        self._coming[client] = startup.user
        terms = self.terms
        try:
            terms.may_open(client, startup, self.policy().access)
            if terms.terminated:
                async with asyncio.timeout(self.limits.login_timeout_s):
                    proven = await terms.prove(client, startup, rest)
                async with asyncio.timeout(self.limits.login_timeout_s):
                    server, greeting = await terms.log_in(self._connect, self.upstream, startup, proven, client.write)
            else:
                proven, server, greeting = Proven(rest), await self._connect(), b""
        except UpstreamUnavailable as error:
            log.warning("[%s] %s %s", client.peername, error.message, error.detail)
            self._tell(client, error.sqlstate, error.message, error.detail)
            return
        except Refused as error:
            log.info("[%s] %s", client.peername, error)
            self._tell(client, error.sqlstate, str(error), error.detail, error.hint)
            return
        except LoginFailed as error:
            client.write(error.raw)
            return
        except TimeoutError:
            log.info("[%s] did not log in within %g s", client.peername, self.limits.login_timeout_s)
            return
        who = Who(
            client=client.peername,
            user=startup.user,
            database=startup.database,
            application_name=startup.parameters.get("application_name", ""),
            tls=(client.tls.version() or "") if client.tls is not None else "",
        )
        keys: list[tuple[int, bytes]] = []

        async def cancel() -> None:
            if keys:
                await self._send_cancel(server, messages.cancel_request(*keys[0]))

        def cancel_upstream() -> asyncio.Task[Any]:
            return self._spawn(cancel())

        def on_key(key: tuple[int, bytes]) -> None:
            keys.append(key)
            self._keys[key] = session
            if server.address is not None and self.upstream.target_session_attrs != "any":
                self._roles.learn(server.address, session.relay.parameters)

        session = Session(
            client,
            server,
            who,
            self.ledger,
            self.policy,
            max_statement_bytes=self.limits.max_statement_bytes,
            replication=startup.replication,
            on_key=on_key,
            cancel_upstream=cancel_upstream,
            sasl=terms.offers(client, server),
            groups=self.groups,
            monitor=self.monitor,
        )
        self.sessions.add(session)
        self._counts.set(self._number, len(self.sessions))
        self._opening.discard(client)
        self._coming.pop(client, None)
        try:
            session.join()
            serves = self.console.attend(session, startup) if self.console is not None else None
            session.start(
                b"" if terms.terminated else startup.raw,
                proven.rest,
                greeting=greeting,
                screened=terms.screens(client, server),
            )
            await session.finished
            if serves is not None:
                self.sessions.discard(session)
                self._opening.add(client)  # a drain closes it like one that has not begun
                await serves(client)
        finally:
            self.sessions.discard(session)
            self._counts.set(self._number, len(self.sessions))
            for key in keys:
                self._keys.pop(key, None)
            server.close()
            client.close()

    def _full(self, client: Peer, user: str) -> str:
        """Why there is no room for one more; empty if there is."""
        limits, coming = self.limits, self._coming
        if not (limits.max_clients or limits.max_clients_per_user or limits.max_clients_per_address):
            return ""
        there = [(s.who.user, s.who.client) for s in self.sessions] + [
            (who, one.peername) for one, who in coming.items()
        ]
        if limits.max_clients and len(there) + self._counts.others(self._number) >= limits.max_clients:
            return f"sorry, too many clients already ({limits.max_clients}, max_clients)"
        if (most := limits.max_clients_per_user) and sum(who == user for who, _ in there) >= most:
            return f'too many connections for user "{user}" ({most}, max_clients_per_user)'
        place = address(client.peername)
        if (most := limits.max_clients_per_address) and sum(address(at) == place for _, at in there) >= most:
            return f"too many connections from {place} ({most}, max_clients_per_address)"
        return ""

    async def _connect(self) -> Peer:
        return await upstreams.connect(self.upstream, self._roles)

    # ------------------------------------------------ cancel requests

    async def _cancel(self, request: CancelRequest) -> None:
        """Pass a cancel request to the server that its session is on, and only then let the client go.

        The client takes the end of its connection as "delivered".
        """
        session = self._keys.get((request.pid, request.key))
        if session is None:
            if self._siblings is not None:
                await self._siblings.ask("cancel", timeout_s=CANCEL_TIMEOUT_S, request=request.raw.hex())
            return  # as Postgres: a wrong key gets no answer
        await self._cancel_in(session, request)

    async def _cancel_for_a_sibling(self, message: Message) -> None:
        """Another worker was told to cancel what may be running here."""
        found = read_startup(bytes.fromhex(message["request"]))
        if found is not None and isinstance(found[0], CancelRequest):
            request = found[0]
            if (session := self._keys.get((request.pid, request.key))) is not None:
                await self._cancel_in(session, request)

    async def _cancel_in(self, session: Session, request: CancelRequest) -> None:
        sending = self._spawn(self._send_cancel(session.server, request.raw))
        session.cancelled_by_client(sending)
        await sending

    async def _send_cancel(self, server: Peer, request: bytes) -> None:
        if reason := await upstreams.cancel(self.upstream, server, request):
            log.warning("%s", reason)

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ------------------------------------------------ the end

    @property
    def is_draining(self) -> bool:
        return self._draining

    async def drain(self) -> None:
        """Take no new client, end the idle ones, and wait, bounded, for those in a transaction or a plan."""
        self._draining = True
        await self.stop_listening()
        if self.on_drain is not None:
            self.on_drain()
        for client in self._opening:
            client.close()
        deadline = asyncio.get_running_loop().time() + self.limits.drain_timeout_s
        while self.sessions:
            for session in list(self.sessions):
                if session.idle:
                    session.close_for_shutdown()
            if asyncio.get_running_loop().time() > deadline:
                log.warning("%d sessions did not end within the drain timeout; closing them", len(self.sessions))
                for session in list(self.sessions):
                    session.abandon()
                break
            await asyncio.sleep(0.05)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)
        if self.monitor is not None:
            await self.monitor.close()

    @staticmethod
    def _tell(client: Peer, sqlstate: str, message: str, detail: str = "", hint: str = "") -> None:
        client.write(fatal.fatal(sqlstate, message, D=detail, H=hint))
