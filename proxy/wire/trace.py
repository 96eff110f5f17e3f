"""Messages as text, one a line, in the words of libpq's PQtrace: ``F Query "SELECT 1"``, ``B ReadyForQuery I``.

For tests and debug logging.  It shows statements with whatever secrets they hold, but never a password message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct

from proxy.wire import messages
from proxy.wire.errors import ClientProtocolError, ServerProtocolError
from proxy.wire.messages import Message

_header = Struct(">BI").unpack_from

FRONTEND = {
    "B": "Bind",
    "C": "Close",
    "D": "Describe",
    "E": "Execute",
    "F": "FunctionCall",
    "H": "Flush",
    "P": "Parse",
    "Q": "Query",
    "S": "Sync",
    "X": "Terminate",
    "c": "CopyDone",
    "d": "CopyData",
    "f": "CopyFail",
    "p": "AuthenticationResponse",
}
BACKEND = {
    "1": "ParseComplete",
    "2": "BindComplete",
    "3": "CloseComplete",
    "A": "NotificationResponse",
    "C": "CommandComplete",
    "D": "DataRow",
    "E": "ErrorResponse",
    "G": "CopyInResponse",
    "H": "CopyOutResponse",
    "I": "EmptyQueryResponse",
    "K": "BackendKeyData",
    "N": "NoticeResponse",
    "R": "Authentication",
    "S": "ParameterStatus",
    "T": "RowDescription",
    "V": "FunctionCallResponse",
    "W": "CopyBothResponse",
    "Z": "ReadyForQuery",
    "c": "CopyDone",
    "d": "CopyData",
    "n": "NoData",
    "s": "PortalSuspended",
    "t": "ParameterDescription",
    "v": "NegotiateProtocolVersion",
}


def trace(side: str, data: bytes) -> Iterator[str]:
    """Lines for whole messages; ``side`` is ``"F"`` for the client's, ``"B"`` for the server's."""
    at = 0
    while at < len(data):
        if len(data) - at < 5:
            yield f"{side} … {len(data) - at} bytes of a header"
            return
        kind, length = _header(data, at)
        end = at + 1 + length
        if length < 4 or end > len(data):
            yield f"{side} {name(side, kind)} … {len(data) - at} bytes of {length + 1}"
            return
        yield line(side, Message(kind, data[at + 5 : end]))
        at = end


def line(side: str, message: Message) -> str:
    """One message as text; a malformed body is shown by its length."""
    read = (_FRONTEND_BODIES if side == "F" else _BACKEND_BODIES).get(name(side, message.type))
    try:
        told = read(message.body) if read else ""
    except (ClientProtocolError, ServerProtocolError):
        told = f"malformed, {len(message.body)} bytes"
    return f"{side} {name(side, message.type)} {told}".rstrip()


def name(side: str, kind: int) -> str:
    return (FRONTEND if side == "F" else BACKEND).get(chr(kind), f"0x{kind:02X}")


def _quoted(*values: bytes | str | None) -> str:
    return " ".join("NULL" if value is None else f'"{_plain(value)}"' for value in values)


def _plain(value: bytes | str) -> str:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    return (
        text.encode("utf-8", "backslashreplace").decode().replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    )


def _execute(body: bytes) -> str:
    portal, limit = messages.read_execute(body)
    return f"{_quoted(portal)} {limit}"


def _target(body: bytes) -> str:
    kind, target = messages.read_close(body)
    return f"{kind.decode('latin-1')} {_quoted(target)}"


def _fields(body: bytes) -> str:
    return " ".join(f"{code} {_quoted(value)}" for code, value in messages.read_fields(body).items())


def _key(body: bytes) -> str:
    pid, key = messages.read_backend_key(body)
    return f"{pid} {len(key)} bytes"


def _authentication(body: bytes) -> str:
    return str(messages.read_authentication(body)[0])


def _length(body: bytes) -> str:
    return f"{len(body)} bytes"


_FRONTEND_BODIES: dict[str, Callable[[bytes], str]] = {
    "Bind": lambda body: _quoted(*messages.read_bind(body)),
    "Close": _target,
    "CopyData": _length,
    "CopyFail": lambda body: _quoted(messages.read_query(body)),
    "Describe": _target,
    "Execute": _execute,
    "Parse": lambda body: _quoted(*messages.read_parse(body)),
    "Query": lambda body: _quoted(messages.read_query(body)),
}
_BACKEND_BODIES: dict[str, Callable[[bytes], str]] = {
    "Authentication": _authentication,
    "BackendKeyData": _key,
    "CommandComplete": lambda body: _quoted(messages.read_tag(body)),
    "CopyData": _length,
    "DataRow": lambda body: _quoted(*messages.read_data_row(body)),
    "ErrorResponse": _fields,
    "NoticeResponse": _fields,
    "ParameterStatus": lambda body: _quoted(*messages.read_parameter_status(body)),
    "ReadyForQuery": lambda body: body.decode("latin-1"),
    "RowDescription": lambda body: _quoted(*messages.read_row_description(body)),
}
