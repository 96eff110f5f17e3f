"""Questions of our own that the server keeps planned between statements of one transaction.

To plan the question about the catalog takes longer than to answer it, and behind a strong lock of the same transaction the
application waits for both.  A plan is kept for good only of a statement without parameters, so the value goes in as a
setting of the transaction.

What is kept is a prepared statement, which the client could see and take away (DEALLOCATE ALL).  So it is used again only
while nothing of the client's own has run since, and is gone when the transaction is over.
"""

from __future__ import annotations

from proxy.run.connection import SET_CONFIG, Connection
from proxy.wire import messages

ASKED = "interlock.asked"
PORTAL = b"_interlock"
_VALUE = f"pg_catalog.current_setting('{ASKED}')"


class Kept:
    """The kept questions of one session.  To be used in a transaction block only."""

    def __init__(self, own: Connection) -> None:
        self._own = own
        self._names: dict[str, bytes] = {}
        self._sure = False  # they are all still there

    @property
    def any(self) -> bool:
        """Whether there is something to ``close``."""
        return bool(self._names)

    def doubt(self) -> None:
        """Something of the client's own has run: it may have taken them away."""
        self._sure = False

    async def fetch_row(self, sql: str, parameter: str) -> list[bytes | None]:
        """As ``Connection.fetch_row`` with one parameter."""
        ask: list[bytes] = []
        name = self._names.get(sql) if self._sure else None
        if not self._sure:
            ask += [messages.close(b"S", old) for old in self._names.values()]
            self._names.clear()
            self._sure = True
        if name is None:
            name = self._names[sql] = b"_interlock_%d" % len(self._names)
            ask += [messages.close(b"S", name), messages.parse(name, sql.replace("$1", _VALUE).encode("ascii"))]
        ask += [
            messages.close(b"P", PORTAL),
            messages.bind(PORTAL, name),
            messages.execute(PORTAL),
            messages.close(b"P", PORTAL),
        ]
        return await self._own.fetch_as((SET_CONFIG, (ASKED, parameter, "true")), ask)

    async def close(self) -> None:
        """Nothing of it stays with the server.  Raises ServerError, ConnectionLost."""
        names = list(self._names.values())
        self._names.clear()
        if names:
            await self._own.close_all(names)


__all__ = ["Kept"]
