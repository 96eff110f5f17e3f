"""Who comes in to the console: the upstream says so.

A client that asks for the console's database logs in to the upstream as to any other.  Postgres checks the login before it
looks for the database; so when it says AuthenticationOk and then "database does not exist" (3D000), the client has proved
to be that role, and there is no database of that name which the console could hide.  If there is one, the client is in it:
the real database always wins.  Interlock sees and keeps no password.

Source: Postgres docs, "Message Flow", Start-up; InitPostgres in src/backend/utils/init/postinit.c.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proxy.admin.console import serve
from proxy.admin.source import Source
from proxy.net import Peer
from proxy.session.session import Session
from proxy.wire import messages
from proxy.wire.startup import Startup

NO_DATABASE = "3D000"
LONGEST = 1 << 16  # of a message at login
AUTHENTICATION, ERROR, NOTICE, NEGOTIATE = b"RENv"


@dataclass(frozen=True, slots=True)
class Door:
    """``name`` is the database that is no database."""

    source: Source
    name: str = "interlock"

    def attend(self, session: Session, startup: Startup) -> Callable[[Peer], Awaitable[None]] | None:
        """Watch the login of a session that may be for the console; whoever then has no database is served by the result.

        None: it is a session like any other.
        """
        role = self.source.role(startup.user)
        if startup.database != self.name or role is None or startup.replication:
            return None
        watch = _Login(session)
        session.server.on_data = watch.from_server

        async def served(client: Peer) -> None:
            if watch.is_ours:
                await serve(client, startup, role, self.source)

        return served


class _Login:
    """Passes on what the server says at login, but for the one error that means the console."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.is_ours = False
        self._pass_on = session.server.on_data
        self._data = b""
        self._authenticated = False

    def from_server(self, data: bytes) -> None:
        self._data += data
        at = 0
        while len(self._data) >= at + 5:
            kind, length = self._data[at], int.from_bytes(self._data[at + 1 : at + 5], "big")
            if kind not in (AUTHENTICATION, ERROR, NOTICE, NEGOTIATE) or not 4 <= length <= LONGEST:
                self._give_up()  # it is in a database
                return
            if len(self._data) < at + 1 + length:
                break
            body = self._data[at + 5 : at + 1 + length]
            if kind == AUTHENTICATION and body[:4] == b"\0\0\0\0":
                self._authenticated = True
            if kind == ERROR and self._authenticated and messages.read_fields(body).get("C") == NO_DATABASE:
                self._forward(at)
                self.is_ours = True
                self.session.give_back()
                return
            at += 1 + length
        self._forward(at)

    def _forward(self, upto: int) -> None:
        data, self._data = self._data[:upto], self._data[upto:]
        if data and self._pass_on is not None:
            self._pass_on(data)

    def _give_up(self) -> None:
        data, self._data = self._data, b""
        self.session.server.on_data = self._pass_on
        if self._pass_on is not None:
            self._pass_on(data)


__all__ = ["Door"]
