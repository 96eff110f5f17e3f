"""Messages as bytes: what we write ourselves and what we read of theirs.

Builders return whole messages, type byte and length included; readers take a body, without them.
Source: PostgreSQL docs, Frontend/Backend Protocol, "Message Formats".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct, error

from proxy.wire.errors import ClientProtocolError, ServerProtocolError
from proxy.wire.startup import CANCEL_REQUEST, SSL_REQUEST

SASL = 10  # AuthenticationSASL, the code in front of the list of mechanisms
TEXT_OID = 25

_HEADER = Struct(">BI")
_INT16 = Struct(">h")
_UINT16 = Struct(">H")
_INT32 = Struct(">i")
_UINT32 = Struct(">I")
_COLUMN = Struct(">IhIhih")  # table, attribute, type, typlen, typmod, format


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message: its type byte as a number, and its body without type and length."""

    type: int
    body: bytes

    @property
    def raw(self) -> bytes:
        return _HEADER.pack(self.type, len(self.body) + 4) + self.body


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + _UINT32.pack(len(body) + 4) + body


def _text(value: str, encoding: str = "utf-8") -> bytes:
    """A string of ours, NUL-terminated; a NUL inside it would end it early, so it is left out."""
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    return value.replace("\0", "").encode(encoding, errors) + b"\0"


# Frontend


def startup(parameters: Mapping[str, str], version: tuple[int, int] = (3, 0)) -> bytes:
    pairs = b"".join(_text(name) + _text(value) for name, value in parameters.items())
    body = _UINT16.pack(version[0]) + _UINT16.pack(version[1]) + pairs + b"\0"
    return _UINT32.pack(len(body) + 4) + body


def ssl_request() -> bytes:
    return _UINT32.pack(8) + _UINT32.pack(SSL_REQUEST)


def cancel_request(pid: int, key: bytes) -> bytes:
    return _UINT32.pack(12 + len(key)) + _UINT32.pack(CANCEL_REQUEST) + _UINT32.pack(pid) + key


def query(sql: bytes) -> bytes:
    return _message(b"Q", sql + b"\0")


def parse(name: bytes, sql: bytes, types: Sequence[int] = ()) -> bytes:
    oids = _UINT16.pack(len(types)) + b"".join(_UINT32.pack(oid) for oid in types)
    return _message(b"P", name + b"\0" + sql + b"\0" + oids)


def bind(portal: bytes, statement: bytes, params: Sequence[bytes | None] = ()) -> bytes:
    """Parameters and results in text format; None is NULL."""
    values = b"".join(_value(value) for value in params)
    return _message(b"B", portal + b"\0" + statement + b"\0\0\0" + _UINT16.pack(len(params)) + values + b"\0\0")


def describe(kind: bytes, name: bytes) -> bytes:
    """``kind`` is ``b"S"`` for a statement, ``b"P"`` for a portal; so it is for ``close``."""
    return _message(b"D", kind + name + b"\0")


def execute(portal: bytes, limit: int = 0) -> bytes:
    return _message(b"E", portal + b"\0" + _INT32.pack(limit))


def close(kind: bytes, name: bytes) -> bytes:
    return _message(b"C", kind + name + b"\0")


def sync() -> bytes:
    return b"S\0\0\0\4"


def flush() -> bytes:
    return b"H\0\0\0\4"


def terminate() -> bytes:
    return b"X\0\0\0\4"


def copy_fail(reason: bytes) -> bytes:
    return _message(b"f", reason + b"\0")


# Backend


def error_response(fields: Mapping[str, str], encoding: str = "utf-8") -> bytes:
    """``fields`` by their one-letter codes (S, V, C, M, D, H, P …), in the order given; empty ones are left out."""
    return _message(b"E", _fields(fields, encoding))


def notice_response(fields: Mapping[str, str], encoding: str = "utf-8") -> bytes:
    return _message(b"N", _fields(fields, encoding))


def error_response_v2(severity: str, message: str) -> bytes:
    """The error of protocol 2, which has no length and no fields."""
    return b"E" + _text(f"{severity}:  {message}\n")


def ready_for_query(status: bytes) -> bytes:
    return _message(b"Z", status)


def command_complete(tag: bytes) -> bytes:
    return _message(b"C", tag + b"\0")


def parameter_status(name: str, value: str) -> bytes:
    return _message(b"S", _text(name) + _text(value))


def backend_key_data(pid: int, key: bytes) -> bytes:
    return _message(b"K", _UINT32.pack(pid) + key)


def row_description(names: Sequence[str], encoding: str = "utf-8") -> bytes:
    """Columns of type text that belong to no table."""
    column = _COLUMN.pack(0, 0, TEXT_OID, -1, -1, 0)
    return _message(b"T", _UINT16.pack(len(names)) + b"".join(_text(name, encoding) + column for name in names))


def data_row(values: Sequence[bytes | str | None], encoding: str = "utf-8") -> bytes:
    cells = (value.encode(encoding, "replace") if isinstance(value, str) else value for value in values)
    return _message(b"D", _UINT16.pack(len(values)) + b"".join(_value(cell) for cell in cells))


def authentication(code: int, rest: bytes = b"") -> bytes:
    """``authentication(0)`` is AuthenticationOk."""
    return _message(b"R", _UINT32.pack(code) + rest)


def authentication_sasl(mechanisms: Sequence[str]) -> bytes:
    return authentication(SASL, b"".join(_text(name) for name in mechanisms) + b"\0")


def negotiate_protocol_version(minor: int, unknown: Sequence[str] = ()) -> bytes:
    """``minor`` is the newest supported, of major 3; ``unknown`` are the ``_pq_.`` options not understood."""
    return _message(b"v", _UINT32.pack(3 << 16 | minor) + _UINT32.pack(len(unknown)) + b"".join(map(_text, unknown)))


def parse_complete() -> bytes:
    return b"1\0\0\0\4"


def bind_complete() -> bytes:
    return b"2\0\0\0\4"


def close_complete() -> bytes:
    return b"3\0\0\0\4"


def no_data() -> bytes:
    return b"n\0\0\0\4"


def empty_query_response() -> bytes:
    return b"I\0\0\0\4"


def _fields(fields: Mapping[str, str], encoding: str) -> bytes:
    return b"".join(code.encode("ascii") + _text(value, encoding) for code, value in fields.items() if value) + b"\0"


def _value(value: bytes | None) -> bytes:
    return _INT32.pack(-1) if value is None else _INT32.pack(len(value)) + value


# Readers of the client's messages: ClientProtocolError when malformed


def read_query(body: bytes) -> bytes:
    """The text up to its first NUL: what stands behind it is never run (the server refuses the message)."""
    end = body.find(0)
    if end < 0:
        raise _malformed_by_client()
    return body[:end]


def read_parse(body: bytes) -> tuple[bytes, bytes]:
    """Statement name and text."""
    name, at = _string(body, 0)
    return name, _string(body, at)[0]


def read_bind(body: bytes) -> tuple[bytes, bytes]:
    """Portal and statement name; the rest of the body need not be there."""
    portal, at = _string(body, 0)
    return portal, _string(body, at)[0]


def read_execute(body: bytes) -> tuple[bytes, int]:
    """Portal name and row limit, 0 for none."""
    portal, at = _string(body, 0)
    if len(body) != at + 4:
        raise _malformed_by_client()
    return portal, int(_INT32.unpack_from(body, at)[0])


def read_close(body: bytes) -> tuple[bytes, bytes]:
    """``b"S"`` or ``b"P"``, and the name."""
    return body[:1], _string(body, 1)[0]


read_describe = read_close


def _string(body: bytes, at: int) -> tuple[bytes, int]:
    end = body.find(0, at)
    if end < 0:
        raise _malformed_by_client()
    return body[at:end], end + 1


def _malformed_by_client() -> ClientProtocolError:
    return ClientProtocolError("invalid string in message")


# Readers of the server's messages: ServerProtocolError when malformed


def read_fields(body: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse or NoticeResponse by their codes.

    Bytes that are not UTF-8 become surrogates, so that encoding the text gives them back.
    """
    fields: dict[str, str] = {}
    at = 0
    while at < len(body) and body[at]:
        value, end = _server_string(body, at + 1)
        fields[chr(body[at])] = _decode(value)
        at = end
    if at != len(body) - 1:
        raise ServerProtocolError("malformed error or notice: the last field is not terminated")
    return fields


def read_tag(body: bytes) -> bytes:
    end = body.find(0)
    if end < 0:
        raise _unterminated()
    return body[:end]


def read_parameter_status(body: bytes) -> tuple[str, str]:
    name, *values = _decode(body).split("\0", 2)
    if len(values) < 2:  # what stands behind the last NUL
        raise _unterminated()
    return name, values[0]


def read_backend_key(body: bytes) -> tuple[int, bytes]:
    """Process id and key; the key is as long as the message says (4 bytes in 3.0, up to 256 in 3.2)."""
    if len(body) < 8:
        raise ServerProtocolError("malformed BackendKeyData: shorter than 8 bytes")
    return int(_UINT32.unpack_from(body)[0]), body[4:]


def read_authentication(body: bytes) -> tuple[int, bytes]:
    """The code of the request, and what follows it."""
    if len(body) < 4:
        raise ServerProtocolError("malformed authentication request: shorter than 4 bytes")
    return int(_UINT32.unpack_from(body)[0]), body[4:]


def read_sasl_mechanisms(rest: bytes) -> list[str]:
    """The names that follow the code of an AuthenticationSASL, in the server's order of preference."""
    names: list[str] = []
    at = 0
    while True:
        name, at = _server_string(rest, at)
        if not name:
            return names
        names.append(_decode(name))


def read_row_description(body: bytes) -> list[str]:
    """The names of the columns."""
    return [_decode(name) for name, _ in _columns(body)]


def read_column_types(body: bytes) -> list[int]:
    """The OIDs of the types of the columns of a RowDescription."""
    return [_COLUMN.unpack_from(body, at)[2] for _, at in _columns(body)]


def _columns(body: bytes) -> list[tuple[bytes, int]]:
    """The name of each column, and where what else is said of it begins."""
    found: list[tuple[bytes, int]] = []
    count, at = _count(body)
    for _ in range(count):
        name, at = _server_string(body, at)
        found.append((name, at))
        at += _COLUMN.size
    if at != len(body):
        raise ServerProtocolError("malformed RowDescription")
    return found


def read_data_row(body: bytes) -> list[bytes | None]:
    """The values as sent; None is NULL."""
    values: list[bytes | None] = []
    count, at = _count(body)
    try:
        for _ in range(count):
            (size,) = _INT32.unpack_from(body, at)
            at += 4
            if size < 0:
                values.append(None)
                continue
            values.append(body[at : at + size])
            at += size
    except error:
        raise ServerProtocolError("malformed DataRow") from None
    if at != len(body):
        raise ServerProtocolError("malformed DataRow")
    return values


def _count(body: bytes) -> tuple[int, int]:
    if len(body) < 2:
        raise ServerProtocolError("malformed row: shorter than 2 bytes")
    return int(_UINT16.unpack_from(body)[0]), 2


def _server_string(body: bytes, at: int) -> tuple[bytes, int]:
    end = body.find(0, at)
    if end < 0:
        raise _unterminated()
    return body[at:end], end + 1


def _unterminated() -> ServerProtocolError:
    return ServerProtocolError("malformed message: a string is not terminated")


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
