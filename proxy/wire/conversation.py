"""What was asked of the server and not yet answered: the queue that joins the two directions.

Every request that will be answered is one entry, in the order sent; every reply settles the head:

    Parse 1 · Bind 2 · Close 3 · Describe T or n (after t) · Execute C, I or s · Sync Z
    Query any number of T, C, I, G, H and then Z · FunctionCall V and then Z · the start-up Z

and these are the exceptions, each of which a proxy has died of:

* An error in Parse … Close: the server ignores everything, Query too, up to the next Sync.  So all entries
  up to that Sync vanish, and if none was sent yet, nothing is entered until one is.
* An error in Query, FunctionCall or Sync: ReadyForQuery follows as ever.
* In copy-in the server ignores Sync.  Those sent before its CopyInResponse was seen are taken out again,
  unless they stand behind the CopyDone or CopyFail that ends this very copy; hence that is an entry too,
  though it has no reply of its own and vanishes when it comes to the head.  A copy that fails before it has
  read a first message (a BEFORE STATEMENT trigger) did not ignore them: then one ReadyForQuery more comes.
  From here the two look the same, so until the next Sync or ReadyForQuery we are ``unsure``.
* CopyDone and CopyFail outside a copy are dropped by the server without a word.
* Notices, parameter changes and notifications answer nothing and may stand anywhere.

Should a reply fit nothing (no known server does that), the queue goes forward to the first entry that it fits.
Source: PostgreSQL docs, "Message Flow"; src/backend/tcop/postgres.c, src/backend/commands/copyfromparse.c.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

STARTUP: Final = 0
BIND: Final = ord("B")
CALL: Final = ord("F")
CLOSE: Final = ord("C")
COPY_DATA: Final = ord("d")
COPY_DONE: Final = ord("c")
COPY_FAIL: Final = ord("f")
DESCRIBE: Final = ord("D")
EXECUTE: Final = ord("E")
FLUSH: Final = ord("H")
PARSE: Final = ord("P")
QUERY: Final = ord("Q")
SYNC: Final = ord("S")
TERMINATE: Final = ord("X")

ROW_DESCRIPTION: Final = ord("T")
FUNCTION: Final = b"FUNCTION CALL"
ROWS: Final = (b"INSERT ", b"UPDATE ", b"SELECT ")  # CREATE TABLE AS says SELECT, too

_EXECUTES: Final = (EXECUTE,)
_DESCRIBES: Final = (DESCRIBE,)
_ENDS_IN_READY: Final = (SYNC, QUERY, CALL, STARTUP)
_OF_A_PIPELINE: Final = frozenset((PARSE, BIND, DESCRIBE, EXECUTE, CLOSE))


class Conversation:
    """The state of one connection, from what was sent to the server and what it said.

    ``status``         transaction status of the last ReadyForQuery; ``b""`` before the first
    ``pipeline_open``  extended messages were sent since the last Sync or Query
    ``executes``       Executes among them
    ``skipping``       after an error in one of them: the server ignores everything up to Sync
    ``copying``        ``""``, ``"in"`` (until the client ends it), ``"out"`` or ``"both"``
    ``last_tag``       tag of the last CommandComplete; a FunctionCall has none, and gets one here
    ``disturbed``      of what completed since this was put to false, some was more than to read or write rows
    ``suspended``      the last portal that was executed has more rows to give
    ``unsure``         ``skipping`` may be wrong: a COPY failed, and whether before it read a Sync cannot be known
    ``unexpected``     replies that answered nothing: not 0 means that the state is a guess
    """

    def __init__(self) -> None:
        self.status = b""
        self.pipeline_open = False
        self.executes = 0
        self.skipping = False
        self.copying = ""
        self.last_tag = b""
        self.disturbed = False
        self.suspended = False
        self.parameters: dict[str, str] = {}
        self.backend_key: tuple[int, bytes] | None = None
        self.unexpected = 0
        self._ignored_sync = False
        self.unsure = False
        self._owed: deque[int] = deque([STARTUP])

    @property
    def owed(self) -> tuple[int, ...]:
        """The requests not answered yet, by type, oldest first; 0 is the start-up."""
        return tuple(self._owed)

    def asked(self, kind: int) -> None:
        """A message of this type went to the server."""
        owed = self._owed
        if kind in _OF_A_PIPELINE:
            if not self.skipping:
                self.pipeline_open = True
                if kind == EXECUTE:
                    self.executes += 1
                owed.append(kind)
        elif kind == SYNC:
            if self.copying == "in":
                self._ignored_sync = True
                return
            self.skipping = self.unsure = self.pipeline_open = False
            self.executes = 0
            owed.append(SYNC)
        elif kind in (QUERY, CALL):
            if not self.skipping:
                self._close_pipeline()
                owed.append(kind)
                if kind == CALL:
                    self.completed(FUNCTION)
        elif kind in (COPY_DONE, COPY_FAIL):
            if self.copying == "in" or self.copying == "both":
                self.copying = ""
            elif owed and not self.skipping:
                owed.append(COPY_DONE)

    def completed(self, tag: bytes) -> None:
        """A CommandComplete came; what stands in it."""
        self.last_tag = tag
        self.disturbed |= not tag.startswith(ROWS)

    def answered(self, kind: int) -> bool:
        """A message of this type came from the server; false if it is a reply to nothing that was asked."""
        owed = self._owed
        if owed:  # the common cases, made short
            head = owed[0]
            if head == QUERY:
                if kind == ROW_DESCRIPTION:
                    return True
            elif head == _SETTLES[kind] and len(owed) > 1 and owed[1] != COPY_DONE:
                owed.popleft()
                return True
        act = _REPLIES.get(kind)
        return True if act is None else act(self)

    def ready(self) -> bool:
        """ReadyForQuery came; its status is the caller's to keep."""
        self.copying = ""
        self.skipping = self.unsure = False
        owed = self._owed
        if len(owed) == 1 and owed[0] in _ENDS_IN_READY:
            owed.clear()  # the common case, made short
            self._ignored_sync = self.pipeline_open = False
            self.executes = 0
            return True
        extra = self._ignored_sync
        self._ignored_sync = False
        if owed and owed[0] not in _ENDS_IN_READY:
            return extra  # what we still wait for will come
        known = self._settle(_ENDS_IN_READY) or extra
        if not owed:
            self._close_pipeline()
        return known

    def _close_pipeline(self) -> None:
        self.pipeline_open = False
        self.executes = 0

    def _settle(self, requests: tuple[int, ...]) -> bool:
        owed = self._owed
        if not owed:
            return False
        known = owed[0] in requests
        if known:
            owed.popleft()
        else:
            found = next((i for i, kind in enumerate(owed) if kind in requests), -1)
            for _ in range(found + 1):
                owed.popleft()
        while owed and owed[0] == COPY_DONE:
            owed.popleft()
        return known

    @property
    def mid_cycle(self) -> bool:
        """Whether a ReadyForQuery is still to come for what was sent last."""
        return bool(self._owed) and self._owed[-1] in _ENDS_IN_READY

    def _suspended(self) -> bool:
        known = self._executed()
        self.suspended = True
        return known

    def _executed(self) -> bool:
        """CommandComplete, EmptyQueryResponse or PortalSuspended."""
        self.suspended = False
        if self.copying or self._ignored_sync:
            self.copying = ""
            self._ignored_sync = False
        return self._settle_in_query(_EXECUTES)

    def _described(self) -> bool:
        return self._settle_in_query(_DESCRIBES)

    def _settle_in_query(self, requests: tuple[int, ...]) -> bool:
        """A reply to one of these requests, and to Query as often as it comes."""
        owed = self._owed
        if owed and owed[0] == QUERY:
            return True
        return self._settle(requests)

    def _failed(self) -> bool:
        self.copying = ""
        owed = self._owed
        if not owed or owed[0] in _ENDS_IN_READY:
            return bool(owed)
        while owed and owed[0] != SYNC:
            owed.popleft()
        if not owed:
            self.skipping = True
            self.unsure = self._ignored_sync
            self.pipeline_open = True  # though a Query was sent since: it is ignored as well
        return True

    def _copies_in(self, copying: str = "in") -> bool:
        owed = self._owed
        head = owed.popleft() if owed else None
        while owed and owed[0] == SYNC:
            owed.popleft()
            self._ignored_sync = True
        if owed and owed[0] == COPY_DONE:
            owed.popleft()
        else:
            self.copying = copying
        if head is None:
            return False
        owed.appendleft(head)
        if head == EXECUTE and not self.pipeline_open:
            self.pipeline_open = True
            self.executes = 1
        return head in (EXECUTE, QUERY)

    def _copies_both(self) -> bool:
        return self._copies_in("both")

    def _copies_out(self) -> bool:
        self.copying = "out"
        return bool(self._owed)


_SETTLES: Final = bytearray(b"\xff" * 256)
for _reply, _request in zip(b"123nT", b"PBCDD", strict=True):
    _SETTLES[_reply] = _request

_REPLIES: Final[dict[int, Callable[[Conversation], bool]]] = {
    ord("1"): lambda it: it._settle((PARSE,)),
    ord("2"): lambda it: it._settle((BIND,)),
    ord("3"): lambda it: it._settle((CLOSE,)),
    ord("C"): Conversation._executed,
    ord("I"): Conversation._executed,
    ord("s"): Conversation._suspended,
    ord("T"): Conversation._described,
    ord("n"): Conversation._described,
    ord("E"): Conversation._failed,
    ord("G"): Conversation._copies_in,
    ord("H"): Conversation._copies_out,
    ord("W"): Conversation._copies_both,
    ord("Z"): Conversation.ready,
}
