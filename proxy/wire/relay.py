"""One connection's two streams of bytes, in step: what goes on at once, what is held, and where we stand.

Bytes go in as they were read and come out as they are to be written, as slices of what came in.  Only the
messages that somebody has to decide about are held, and only those that tell the state are read; everything
else, also what a later Postgres will invent, is passed by its length without being looked at or kept.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from proxy.wire.backlog import NEVER, Backlog
from proxy.wire.conversation import (
    BIND,
    CALL,
    CLOSE,
    COPY_DONE,
    COPY_FAIL,
    DESCRIBE,
    EXECUTE,
    PARSE,
    QUERY,
    SYNC,
    TERMINATE,
)
from proxy.wire.errors import ClientProtocolError
from proxy.wire.messages import Message
from proxy.wire.replies import MAX_MESSAGE_BYTES, Replies, during_copy
from proxy.wire.runs import WORTH, end_of_run

__all__ = ["Message", "Relay"]

MAX_SMALL_BYTES = 10_000  # PQ_SMALL_MESSAGE_LIMIT in libpq/libpq.h
FIRST_BYTES = 1 << 16  # how much of a long Bind or FunctionCall is shown to watch

_header: Final = Struct(">BI").unpack_from

# What each type asks of us; all others pass.
_PASS, _TRACK, _FIRST, _WHOLE = range(4)
_HAS_TEXT: Final = (QUERY, PARSE)
_DUTY: Final = bytearray(256)
for _kind in (COPY_DONE, COPY_FAIL):
    _DUTY[_kind] = _TRACK
for _kind in (BIND, CALL, DESCRIBE):
    _DUTY[_kind] = _FIRST
for _kind in (QUERY, PARSE, EXECUTE, CLOSE, SYNC, TERMINATE):
    _DUTY[_kind] = _WHOLE


class Relay(Replies):
    """The state of one connection after its StartupMessage went to the server.

    ``watch(type, body)`` says whether a message of the client's (all but what belongs to a COPY) is to be held.
    It sees bodies whole, but of a Bind, Describe or FunctionCall not more than the first ``FIRST_BYTES``, and is not asked
    while the server ignores or only copies.  While ``texts_only()`` says so, it need not see more than Query and Parse.
    ``sasl`` may shorten the list of mechanisms that the server offers.

    ``held``      the message that waits for a decision; later client bytes wait behind it, ``buffered`` of them
    ``capture``   set while own requests are answered: messages go to ``captured``, whole, and not to the client
    ``blind``     set before the first byte of what is no SQL session (``replication=true``): the client's bytes
                  pass unseen, the server's from its first ReadyForQuery on, and ``quiet`` stays false

    After either protocol error the relay is of no more use.
    """

    def __init__(
        self,
        watch: Callable[[int, bytes], bool],
        *,
        max_statement_bytes: int = 64 << 20,
        texts_only: Callable[[], bool] = lambda: False,
        sasl: Callable[[list[str]], list[str]] | None = None,
    ) -> None:
        super().__init__(sasl)
        self._watch = watch
        self._texts_only = texts_only
        self._max_statement_bytes = max_statement_bytes
        self._short_bytes = min(max_statement_bytes, MAX_SMALL_BYTES)  # up to here no bound need be looked at
        self._from_client = Backlog()
        self._client_left = 0  # bytes to come of a message that is being passed
        self._chosen = False  # watch wants the long message of which it has seen the first bytes

    @property
    def quiet(self) -> bool:
        """Nothing sent on is still unanswered, and neither stream stands inside a message."""
        return not (self._owed or self._client_left or self._server_left or self.blind)

    @property
    def is_between(self) -> bool:
        """Whether the client stands inside no message of the server's, so that it may be told something."""
        return bool(self.status) and not (self._server_left or self.blind)

    @property
    def can_end(self) -> bool:
        """Whether what the client sent can be brought to an end without it: it stopped inside no message and no COPY."""
        return not (self._client_left or self.copying or self._from_client.size or self.held or self.blind)

    @property
    def buffered(self) -> int:
        """Bytes of the client's that wait."""
        return self._from_client.size

    def from_client(self, data: bytes) -> bytes:
        """Return what goes on to the server now, which ends in front of the first message to be held.

        ``data`` may be split anywhere.  Raises ClientProtocolError for lengths that the server would refuse
        (08P01), and for a statement longer than ``max_statement_bytes`` (54000).
        """
        waiting = self._from_client
        if self.blind:
            return data
        if self.held is not None:
            waiting.add(data)
            return b""
        if waiting.size:
            if not waiting.add(data):
                return b""
            data, at = waiting.take()
            return self._frame(data, at, at)
        left = self._client_left
        if left:
            if len(data) < left:
                self._client_left = left - len(data)
                return data
            self._client_left = 0
        return self._frame(data, 0, left)

    def pass_held(self) -> bytes:
        """The held message goes on as it is, and what waits behind it up to the next to be held."""
        return self._release(self._settled().raw)

    def replace_held(self, message: bytes) -> bytes:
        """Another whole message goes on in the place of the held one."""
        self._settled()
        return self._release(message)

    def drop_held(self) -> bytes:
        """The held message was settled here; what waits behind it goes on up to the next to be held.

        An Execute that was run by statements of our own in the client's pipeline shares its transaction with those behind it.
        """
        if self._settled().type == EXECUTE and self.pipeline_open:
            self.executes += 1
        return self._resume()

    def release_ready(self) -> bytes:
        """The ReadyForQuery that was kept back, which is the client's now; empty if none was."""
        kept, self.kept_ready = self.kept_ready or b"", None
        return kept

    def peek(self, n: int) -> Message | None:
        """The n-th message behind the held one, 0 the next; None unless it is there as a whole."""
        data, at = self._from_client.look()
        while len(data) - at >= 5:
            kind, length = _header(data, at)
            end = at + 1 + length
            if length < 4 or end > len(data):
                return None
            if n == 0:
                return Message(kind, data[at + 5 : end])
            n -= 1
            at = end
        return None

    def own(self, data: bytes) -> bytes:
        """Enter whole messages of our own as asked, and return them; ``executes`` does not count them.

        With ``capture`` set their answers keep the state true: ``quiet`` when they are all there, ``skipping``
        when one failed before a Sync of ours.
        """
        at = 0
        while at < len(data):
            kind, length = _header(data, at)
            executes = self.executes
            if _DUTY[kind]:
                self.asked(kind)
            if kind == EXECUTE:
                self.executes = executes
            at += 1 + length
        return data

    def _settled(self) -> Message:
        held = self.held
        if held is None:
            raise RuntimeError("no message is held")
        self.held = None
        return held

    def _release(self, message: bytes) -> bytes:
        self.asked(message[0])
        rest = self._resume()
        return message + rest if rest else message

    def _resume(self) -> bytes:
        data, at = self._from_client.take()
        return self._frame(data, at, at)

    def _frame(self, data: bytes, start: int, at: int) -> bytes:
        """Return data[start:] as far as it may go on; messages begin at ``at``."""
        size = len(data)
        need = 5
        # Nearly always only texts are looked at, and then short messages that are there as a whole take the first way.
        easy = not (self.skipping or self.copying) and self._texts_only()
        short = self._short_bytes
        alike = True
        while size - at >= 5:
            kind, length = _header(data, at)
            end = at + 1 + length
            if easy and 4 <= length <= short and end <= size:
                if kind in _HAS_TEXT and self._watch(kind, data[at + 5 : end]):
                    return self._hold(data, start, at, end)
                self.asked(kind)
                at = end
                continue
            if not 4 <= length <= MAX_MESSAGE_BYTES:
                raise ClientProtocolError("invalid message length")
            duty = _DUTY[kind]
            if duty:
                if duty != _TRACK and (not (self.skipping or self.copying) or self._is_watching(kind)):
                    need = length + 1 if length <= short else self._needed(kind, duty, length)
                    if size - at < need:
                        break
                    if self._chosen or self._watch(kind, data[at + 5 : at + need]):
                        if need <= length:
                            self._chosen = True
                            continue
                        self._chosen = False
                        return self._hold(data, start, at, end)
                    need = 5
                self.asked(kind)
            elif alike and size - end > WORTH * length:
                before, end = end, end_of_run(data, at)
                alike = end > before
            at = end
        if at >= size:
            self._client_left = at - size
            return data[start:] if start else data
        self._from_client.keep(data[at:], 0, need)
        return data[start:at]

    def _hold(self, data: bytes, start: int, at: int, end: int) -> bytes:
        """The message data[at:end] is held; what stands in front of it goes on."""
        self.held = Message(data[at], data[at + 5 : end])
        self._from_client.keep(data, end, NEVER)
        return data[start:at]

    def _is_watching(self, kind: int) -> bool:
        if kind == TERMINATE:
            return False
        if self.copying == "in" or self.copying == "both":
            if kind == SYNC:
                return False
            # The server would end the connection too.  Were it passed unwatched, a client that knows of an
            # error in its COPY before we do could run any statement.
            raise during_copy(kind)
        if not self.skipping:
            return True
        if self.unsure and kind != SYNC:
            raise ClientProtocolError(f"unexpected message type 0x{kind:02X} behind a COPY that failed, before Sync")
        self._chosen = False
        return False

    def _needed(self, kind: int, duty: int, length: int) -> int:
        """How many bytes of the message, type included, must be there before it is decided about."""
        if kind in (QUERY, PARSE):
            if length > self._max_statement_bytes:
                limit = self._max_statement_bytes
                raise ClientProtocolError(f"statement of {length} bytes is longer than the limit of {limit}", "54000")
        elif duty == _WHOLE:
            if length > MAX_SMALL_BYTES:
                raise ClientProtocolError("invalid message length")
        elif self._chosen:
            if length > self._max_statement_bytes:
                limit = self._max_statement_bytes
                raise ClientProtocolError(f"parameters of {length} bytes are longer than the limit of {limit}", "54000")
        else:
            return min(length + 1, FIRST_BYTES + 5)
        return length + 1
