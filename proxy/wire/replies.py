"""The server's stream: passed on as slices of what came in, read where it tells the state, put aside when it is ours."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import Final

from proxy.wire import messages
from proxy.wire.backlog import Backlog
from proxy.wire.conversation import ROWS, SYNC, Conversation
from proxy.wire.errors import ClientProtocolError, ServerProtocolError
from proxy.wire.messages import Message
from proxy.wire.runs import WORTH, end_of_run

MAX_MESSAGE_BYTES = (1 << 30) - 1  # MaxAllocSize: Postgres itself can neither build nor read a longer one
MAX_READ_BYTES = 1 << 20  # of a message that we read; libpq's own bound is 30000

_header: Final = Struct(">BI").unpack_from
_parameter: Final = lru_cache(maxsize=256)(messages.read_parameter_status)  # a server says the same to most clients

# What each type asks of us: nothing, to be counted when it is through, or to be read.
_COUNT, _READ, _ERROR = 1, 2, 3
_SAYS: Final = bytearray(256)
for _kind in b"123sTnIGHW":
    _SAYS[_kind] = _COUNT
for _kind in b"ZCSKR":
    _SAYS[_kind] = _READ
_SAYS[ord("E")] = _ERROR

_AUTHENTICATION, _COMPLETE, _KEY, _NOTIFICATION, _PARAMETER, _READY = b"RCKASZ"


class Replies(Conversation):
    """The half of a relay that hears the server; ``held`` and ``blind`` are set by the other half, ``Relay``.

    ``keeps_ready``  a ReadyForQuery that says that the client's transaction is over is kept back, in ``kept_ready``,
                     once nothing is owed any more; not those that answer our own requests
    ``reword``       is asked of each ErrorResponse, by its body, for another message that goes on in its place
    ``muted``        while ``capture`` is set, changes of parameters are noted and not passed on either
    """

    def __init__(self, sasl: Callable[[list[str]], list[str]] | None = None) -> None:
        super().__init__()
        self.held: Message | None = None
        self.blind = False
        self.capture = False
        self.captured: deque[Message] = deque()
        self.keeps_ready = False
        self.kept_ready: bytes | None = None
        self.muted = False
        self.reword: Callable[[bytes], bytes | None] = lambda body: None
        self._sasl = sasl
        self._from_server = Backlog()
        self._server_left = 0  # bytes to come of a message that is being passed
        self._server_kind = 0

    def from_server(self, data: bytes) -> bytes:
        """Return what goes on to the client now.

        ``data`` may be split anywhere.  Raises ServerProtocolError for lengths that no server sends, and
        ClientProtocolError when a COPY asks for data behind which the client has sent the held message instead.
        """
        waiting = self._from_server
        at = 0
        if waiting.size:
            if not waiting.add(data):
                return b""
            data, _ = waiting.take()
        elif self.blind and self.status:
            return data
        elif self._server_left:
            at = self._server_left
            if len(data) < at:
                self._server_left = at - len(data)
                return data
            self._server_left = 0
            if _SAYS[self._server_kind]:
                self._count(self._server_kind)
        return self._capture(data, at) if self.capture else self._forward(data, at)

    def _forward(self, data: bytes, at: int) -> bytes:
        """Return data as far as it may go on; messages begin at ``at``."""
        size = len(data)
        says_of = _SAYS
        header = _header
        before = b""
        start = 0
        alike = True
        while size - at >= 5:
            kind, length = header(data, at)
            end = at + 1 + length
            if end > size or length < 4:
                break
            says = says_of[kind]
            if not says:
                if alike and size - end > WORTH * length:
                    first, end = end, end_of_run(data, at)
                    alike = end > first
            elif says == _COUNT:
                if not self.answered(kind):
                    self.unexpected += 1
                if self.held is not None:
                    self._refuse_in_copy(self.held)
            elif says == _ERROR:
                self._count(kind)
                if (other := self.reword(data[at + 5 : end])) is not None:
                    before += data[start:at] + other
                    start = end
            elif not self._read(kind, data[at + 5 : end]):
                before += data[start:at] + self._instead(kind, data[at:end])
                start = end
            at = end
        # Passed as it comes, and counted when it is through.
        if size - at >= 5 and (says_of[data[at]] < _READ or self._passes(data, at)):
            kind, length = header(data, at)
            if not 4 <= length <= MAX_MESSAGE_BYTES:
                raise _bad_length(kind, length)
            self._server_left = at + 1 + length - size
            self._server_kind = kind
        elif at < size:
            self._from_server.keep(data[at:], 0, self._server_need(data, at))
            size = at
        return before + data[start:size] if start or size < len(data) else data

    def _passes(self, data: bytes, at: int) -> bool:
        """Whether a message that has not come as a whole yet, and is read or may be replaced, need not be waited for."""
        kind, length = _header(data, at)
        return _SAYS[kind] == _ERROR and bool(length > MAX_READ_BYTES)

    def _server_need(self, data: bytes, at: int) -> int:
        if len(data) - at < 5:
            return 5
        kind, length = _header(data, at)
        if length < 4 or (length > MAX_READ_BYTES and not self.capture):
            raise _bad_length(kind, length)
        return int(length) + 1

    def _capture(self, data: bytes, at: int) -> bytes:
        """Put whole messages aside; return only what is the client's whoever asks."""
        size = len(data)
        through = [data[:at]]
        while size - at >= 5:
            kind, length = _header(data, at)
            if not 4 <= length <= MAX_MESSAGE_BYTES:
                raise _bad_length(kind, length)
            end = at + 1 + length
            if end > size:
                break
            body = data[at + 5 : end]
            if kind == _PARAMETER:
                self._read(kind, body)
                if not self.muted:
                    through.append(data[at:end])
            elif kind == _NOTIFICATION:
                through.append(data[at:end])
            else:
                self.captured.append(Message(kind, body))
                self._note_captured(kind, body)
            at = end
        if at < size:
            self._from_server.keep(data[at:], 0, self._server_need(data, at))
        return b"".join(through)

    def _note_captured(self, kind: int, body: bytes) -> None:
        if kind == _READY:
            self._read_status(body)
            self.ready()
        else:
            self.answered(kind)

    def _count(self, kind: int) -> None:
        if not self.answered(kind):
            self.unexpected += 1
        if self.held is not None:
            self._refuse_in_copy(self.held)

    def _refuse_in_copy(self, held: Message) -> None:
        """As if the held message had gone on; else it waits for the COPY and the COPY for it."""
        if held.type != SYNC and (self.copying == "in" or self.copying == "both"):
            raise during_copy(held.type)

    def _read(self, kind: int, body: bytes) -> bool:
        """Take in what a message says; false if it is not to go on as it is."""
        if kind == _READY:
            started = self.status
            self._read_status(body)
            self._count(kind)
            return not (self.keeps_ready and started and body == b"I" and not self._owed)
        elif kind == _COMPLETE:
            self.last_tag = tag = messages.read_tag(body)
            self.disturbed |= not tag.startswith(ROWS)  # as ``completed`` does, for each statement of the application
            self._count(kind)
        elif kind == _PARAMETER:
            name, value = _parameter(body)
            self.parameters[name] = value
        elif kind == _KEY:
            self.backend_key = messages.read_backend_key(body)
        elif kind == _AUTHENTICATION and self._sasl is not None:
            return messages.read_authentication(body)[0] != messages.SASL
        return True

    def _read_status(self, body: bytes) -> None:
        if len(body) != 1:
            raise ServerProtocolError("malformed ReadyForQuery: its body is not one byte")
        self.status = body

    def _instead(self, kind: int, raw: bytes) -> bytes:
        if kind == _READY:
            self.kept_ready = raw
            return b""
        return self._offer(raw)

    def _offer(self, raw: bytes) -> bytes:
        """AuthenticationSASL with the mechanisms that may be offered to this client."""
        offered = messages.read_sasl_mechanisms(raw[9:])
        wanted = self._sasl(offered) if self._sasl is not None else offered
        return raw if wanted == offered else messages.authentication_sasl(wanted)


def during_copy(kind: int) -> ClientProtocolError:
    """The server's own words for what nobody may send while it copies."""
    return ClientProtocolError(f"unexpected message type 0x{kind:02X} during COPY from stdin")


def _bad_length(kind: int, length: int) -> ServerProtocolError:
    return ServerProtocolError(f"message of type 0x{kind:02X} from the server has an impossible length, {length}")
