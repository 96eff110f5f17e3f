"""Which prepared statements and portals of a session may hold something that must be decided about.

A guarded statement is intercepted when it is *executed*; so its name is remembered at Parse, and its portal's
at Bind.  Whatever changes what is remembered (Parse, Bind or Close of it) may fail or be skipped by the server.
Such a message is therefore held until the server has answered all before it, and the entry changes only once
the server has answered it too: ``holds`` says so, ``done`` makes the change.

What is remembered errs towards guarding, for names also end otherwise (DEALLOCATE in a function, the end of a
transaction): which text stands behind a name is asked of the server when it is executed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from proxy.session.aside import LONG
from proxy.session.reading import Reading
from proxy.sql.gate import may_matter
from proxy.sql.interest import matters
from proxy.sql.read import read
from proxy.sql.statements import Call, Node, Unreadable
from proxy.wire import messages

QUERY, PARSE, BIND, EXECUTE, CLOSE, SYNC = b"QPBECS"
CACHED_BYTES = 8192  # longer texts are read anew each time
BOUND_BYTES = 1 << 20
NAME_BYTES = 63  # NAMEDATALEN - 1: names that are equal so far are one to the server
NOT_ASCII = b"\xff"  # stands for every such name: which of them are one depends on encodings


class Prepared:
    """Fed with every Query, Parse, Bind, Execute and Close of one client, in order."""

    def __init__(self) -> None:
        self.statements: set[bytes] = set()
        self.portals: set[bytes] = set()
        self.bound: tuple[bytes, bytes] | None = None  # the portal and body of the last guarded Bind, unless it is long
        self.calls: Callable[[], bool] = lambda: True  # whether CALL is guarded
        self.mentions: Callable[[bytes], bool] = lambda sql: (
            False
        )  # a text that must be read though the gate lets it past
        self.is_awaited: Callable[[bytes], bool] = lambda sql: False  # a text about what waits for COMMIT
        self.spent: set[bytes] = set()  # portals whose statement was settled here, and which the server has not run

    def holds(self, kind: int, body: bytes, reading: Callable[[], tuple[Reading, bool]]) -> bool:
        """Whether this message must wait: for a decision, or until the server has answered all before it.

        ``reading()`` is asked for a text that may matter, and also says whether it is ``certain``, as for ``guarded``.
        """
        if kind == QUERY:
            return self._guarded(messages.read_query(body), reading)
        if kind == PARSE:
            name, sql = messages.read_parse(body)
            return key(name) in self.statements or self._guarded(sql, reading)
        if self.remembers_nothing:
            return False
        if kind == BIND:
            portal, name = messages.read_bind(body)
            return key(portal) in self.portals or key(name) in self.statements
        if kind == EXECUTE:
            return key(messages.read_execute(body)[0]) in self.portals
        if kind == CLOSE:
            what, name = messages.read_close(body)
            return key(name) in (self.statements if what == b"S" else self.portals)
        return False

    @property
    def remembers_nothing(self) -> bool:
        """Whether only texts, a Query or Parse, can have to wait."""
        return not self.statements and not self.portals

    def done(self, kind: int, body: bytes, reading: Reading, *, certain: bool) -> None:
        """The server has answered this Parse, Bind or Close, and without an error; ``certain`` as for ``guarded``."""
        if kind == PARSE:
            name, sql = messages.read_parse(body)
            _note(self.statements, name, self._guarded(sql, lambda: (reading, certain)))
        elif kind == BIND:
            portal, name = messages.read_bind(body)
            _note(self.portals, portal, key(name) in self.statements)
            self.bound = (portal, body) if len(body) <= BOUND_BYTES else None
            self.spent.discard(portal)
        elif kind == CLOSE:
            what, name = messages.read_close(body)
            _note(self.statements if what == b"S" else self.portals, name, False)

    def _guarded(self, sql: bytes, reading: Callable[[], tuple[Reading, bool]]) -> bool:
        if may_matter(sql):  # nearly always not, and then how texts are read need not be known
            how, certain = reading()
            if guarded(sql, how, certain=certain, calls=self.calls):
                return True
            if self.is_awaited(sql):
                return True
        return self.mentions(sql)

    def has(self, portal: bytes) -> bool:
        """Whether this portal may hold something guarded."""
        return key(portal) in self.portals

    def gone(self, portal: bytes) -> None:
        """The server has no portal of that name."""
        _note(self.portals, portal, False)
        self.spent.discard(portal)


def key(name: bytes) -> bytes:
    """What the server tells names apart by, as far as that can be known here."""
    return name[:NAME_BYTES] if name.isascii() else NOT_ASCII


def _note(names: set[bytes], name: bytes, is_guarded: bool) -> None:
    if is_guarded:
        names.add(key(name))
    elif key(name) != NOT_ASCII:
        names.discard(key(name))


def guarded(sql: bytes, reading: Reading, *, certain: bool = True, calls: Callable[[], bool] = lambda: True) -> bool:
    """Whether a text holds a statement that must be decided about, or cannot be read.

    Not ``certain``: a SET of what the reading depends on may be on its way, since the server reports that only
    with ReadyForQuery.  What would be read otherwise then counts as guarded, to be read again when all is answered;
    and so does what is too long to be read while other clients wait.  ``calls`` says whether CALL counts.
    """
    if not may_matter(sql):
        return False
    if len(sql) > LONG or (not certain and depends_on_settings(sql)):
        return True
    return any(matters(node) and (not isinstance(node, Call) or calls()) for node in nodes(sql, reading))


def depends_on_settings(sql: bytes) -> bool:
    """Whether standard_conforming_strings or client_encoding can change where its tokens end."""
    return b"\\" in sql or not sql.isascii()


def nodes(sql: bytes, reading: Reading) -> tuple[Node, ...]:
    return _cached(sql, reading) if len(sql) <= CACHED_BYTES else _nodes(sql, reading)


def _nodes(sql: bytes, reading: Reading) -> tuple[Node, ...]:
    text = reading.decode(sql)
    if text is None:
        return (Unreadable(0, f"text in {reading.client_encoding}"),)
    scs = reading.standard_conforming_strings
    return tuple(s.node for s in read(text, standard_conforming_strings=scs))


_cached = lru_cache(maxsize=4096)(_nodes)
