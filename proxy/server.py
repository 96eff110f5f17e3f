"""Listens, takes each client through its opening packets, and gives it a session.

Only this module holds listening sockets and knows which session a cancel request is for.
Source: Postgres docs, "Frontend/Backend Protocol", Start-up, Canceling Requests in Progress, SSL Session Encryption.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import stat
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from proxy import upstream as upstreams
from proxy.conninfo import Upstream
from proxy.login import opening
from proxy.login.onward import LoginFailed
from proxy.login.receive import Refused
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
from proxy.upstream import UpstreamUnavailable
from proxy.wire import messages
from proxy.wire.errors import ClientProtocolError
from proxy.wire.startup import CancelRequest, Startup

log = logging.getLogger("interlock")


class CannotListen(Exception):
    """An address cannot be listened on; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: ``HOST:PORT`` (an empty host or ``*``: all), or ``/path`` of a Unix socket's directory with a port."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Listen:
        """``127.0.0.1:6432``, ``[::1]:6432``, ``*:6432``, ``/run/interlock:6432``.  Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"'{text}' is no HOST:PORT")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    @property
    def is_unix(self) -> bool:
        return self.host.startswith("/")


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
    ) -> None:
        self.upstream = upstream
        self.policy = policy
        self.ledger = ledger
        self.limits = limits or Limits()
        self.terms = terms or Terms()
        self.monitor = monitor
        self.console: Console | None = None
        self.sessions: set[Session] = set()
        self.addresses: list[str] = []
        self._roles = Roles()
        self.groups = Groups()
        self._keys: dict[tuple[int, bytes], Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening: set[Peer] = set()  # clients that have not said or shown yet who they are
        self._listeners: list[asyncio.Server] = []
        self._unix: list[Path] = []
        self._draining = False

    # ------------------------------------------------ listening

    async def listen(self, places: Sequence[Listen]) -> None:
        """Bind every place.  Raises CannotListen, with nothing left open."""
        try:
            for place in places:
                await self._listen(place)
        except OSError as error:
            await self.stop_listening()
            where = place.host if place.is_unix else f"{place.host or '*'}:{place.port}"
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise CannotListen(f"cannot listen on {where}: {reason.lower()}") from None

    async def _listen(self, place: Listen) -> None:
        loop = asyncio.get_running_loop()

        def accept() -> Peer:
            return Peer(self._accepted)

        if place.is_unix:
            path = Path(place.host) / f".s.PGSQL.{place.port}"
            self._clear_stale(path)
            listener = await loop.create_unix_server(accept, str(path), backlog=512)
            path.chmod(0o777)  # as Postgres's own: who may connect is for authentication to say
            self._unix.append(path)
            self.addresses.append(str(path))
        else:
            host = None if place.host in ("", "*") else place.host
            listener = await loop.create_server(accept, host, place.port, backlog=512, reuse_address=True)
            for sock in listener.sockets:
                name = sock.getsockname()
                shown = f"[{name[0]}]" if ":" in name[0] else name[0]
                self.addresses.append(f"{shown}:{name[1]}")
        self._listeners.append(listener)

    @staticmethod
    def _clear_stale(path: Path) -> None:
        """Remove a socket file that nobody listens on any more."""
        try:
            if not stat.S_ISSOCK(path.stat().st_mode):
                return
        except FileNotFoundError:
            return
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) != 0:
                path.unlink()

    async def stop_listening(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for path in self._unix:
            with contextlib.suppress(OSError):
                path.unlink()
        self._unix.clear()

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
        terms = self.terms
        try:
            terms.may_open(client, startup, self.policy().access)
            async with asyncio.timeout(self.limits.login_timeout_s):
                proven = await terms.prove(client, startup, rest)
            if terms.terminated:
                async with asyncio.timeout(self.limits.login_timeout_s):
                    server, greeting = await terms.log_in(self._connect, self.upstream, startup, proven, client.write)
            else:
                server, greeting = await self._connect(), b""
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

        def cancel_upstream() -> None:
            if keys:
                self._spawn(self._send_cancel(server, messages.cancel_request(*keys[0])))

        def on_key(key: tuple[int, bytes]) -> None:
            keys.append(key)
            self._keys[key] = session
            if server.address is not None:
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
        self._opening.discard(client)
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
            for key in keys:
                self._keys.pop(key, None)
            server.close()
            client.close()

    def _full(self, client: Peer, user: str) -> str:
        """Why there is no room for one more; empty if there is."""
        limits, sessions = self.limits, self.sessions
        if limits.max_clients and len(sessions) >= limits.max_clients:
            return f"sorry, too many clients already ({limits.max_clients}, max_clients)"
        if (most := limits.max_clients_per_user) and sum(s.who.user == user for s in sessions) >= most:
            return f'too many connections for user "{user}" ({most}, max_clients_per_user)'
        place = address(client.peername)
        if (most := limits.max_clients_per_address) and sum(address(s.who.client) == place for s in sessions) >= most:
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
            return  # as Postgres: a wrong key gets no answer
        session.cancelled_by_client()
        await self._send_cancel(session.server, request.raw)

    async def _send_cancel(self, server: Peer, request: bytes) -> None:
        if reason := await upstreams.cancel(self.upstream, server, request):
            log.warning("%s", reason)

    def _spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------ the end

    @property
    def is_draining(self) -> bool:
        return self._draining

    async def drain(self) -> None:
        """Take no new client, end the idle ones, and wait, bounded, for those in a transaction or a plan."""
        self._draining = True
        await self.stop_listening()
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
