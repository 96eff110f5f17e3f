"""Questions of our own that the server keeps planned between statements of one transaction.

To plan the question about the catalog takes longer than to answer it, and behind a strong lock of the same transaction the
application waits for both.  A plan is kept for good only of a statement without parameters, so the value goes in as a
setting of the transaction.

What is kept is a prepared statement, which the client could see and take away (DEALLOCATE ALL).  So it is used again only
while nothing of the client's own has run since; where that has only read or written rows, behind a savepoint, for a
function or a trigger may do anything.  It is gone when the transaction is over.
"""

from __future__ import annotations

from proxy.run.connection import SET_CONFIG, Connection, ServerError
from proxy.run.savepoint import RELEASE, SAVEPOINT, TAKEN_BACK
from proxy.wire import messages

ASKED = "interlock.asked"
PORTAL = b"_interlock"
_VALUE = f"pg_catalog.current_setting('{ASKED}')"
GONE = "26000"  # there is no prepared statement of that name


class Kept:
    """The kept questions of one session.  To be used in a transaction block only."""

    def __init__(self, own: Connection) -> None:
        self._own = own
        self._names: dict[str, bytes] = {}
        self._sure = False  # they are all still there
        self._likely = False  # and are, unless what read or wrote rows was up to something else

    @property
    def any(self) -> bool:
        """Whether there is something to ``close``."""
        return bool(self._names)

    def has(self, sql: str) -> bool:
        """Whether a question is planned, as far as we know."""
        return sql in self._names and (self._sure or self._likely)

    def doubt(self) -> None:
        """Something of the client's own has run: it may have taken them away."""
        self._sure = self._likely = False

    def rows_passed(self) -> None:
        """Something of the client's own has run that read or wrote rows."""
        self._likely, self._sure = self._sure or self._likely, False

    async def fetch_row(self, sql: str, parameter: str) -> list[bytes | None]:
        """As ``Connection.fetch_row`` with one parameter."""
        value = (SET_CONFIG, (ASKED, parameter, "true"))
        if self._likely and not self._sure and sql in self._names and not self._own.relay.pipeline_open:
            try:
                row = await self._own.fetch_between(
                    [(SAVEPOINT, ()), value], [*_bind(self._names[sql]), *_EXECUTE], [(RELEASE, ())]
                )
            except ServerError as error:
                if error.sqlstate != GONE:
                    raise
                await self._own.run([(back, ()) for back in TAKEN_BACK])
            else:
                return row
            self._likely = False
        return await self._own.fetch_between([value], [*self._bound(sql), *_EXECUTE])

    async def plan(self, *questions: str) -> None:
        """Have questions planned that will perhaps be asked when everybody waits for the answer.  Raises as ``fetch_row``."""
        ahead: list[bytes] = []
        for sql in questions:
            if not self.has(sql):
                ahead += self._bound(sql)
        if ahead:
            await self._own.close_behind(ahead, [(b"P", PORTAL)])

    def _bound(self, sql: str) -> list[bytes]:
        """Messages that end with a portal of the question; parsed, and planned, only where it is not."""
        before: list[bytes] = []
        if not self._sure and (not self._likely or sql in self._names):
            before += [messages.close(b"S", old) for old in self._names.values()]
            self._names.clear()
            self._sure, self._likely = True, False
        name = self._names.get(sql)
        if name is None:
            name = self._names[sql] = b"_interlock_%d" % len(self._names)
            before += [messages.close(b"S", name), messages.parse(name, sql.replace("$1", _VALUE).encode("ascii"))]
        return [*before, *_bind(name)]

    async def close(self) -> None:
        """Nothing of it stays with the server.  Raises ServerError, ConnectionLost."""
        names = list(self._names.values())
        self._names.clear()
        if names:
            await self._own.close_behind((), [(b"S", name) for name in names])


def _bind(name: bytes) -> list[bytes]:
    return [messages.close(b"P", PORTAL), messages.bind(PORTAL, name)]


_EXECUTE = (messages.execute(PORTAL), messages.close(b"P", PORTAL))

__all__ = ["Kept"]
