"""The packets that open a connection: they have no type byte, and decide what the connection is for.

Source: PostgreSQL docs, Frontend/Backend Protocol, "Start-up"; src/backend/tcop/backend_startup.c.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import TypeAlias

from proxy.wire.errors import ClientProtocolError

MAX_STARTUP_BYTES = 10_004  # MAX_STARTUP_PACKET_LENGTH in libpq/pqcomm.h, which does not count the length itself
MAX_CANCEL_KEY_BYTES = 256
TLS_HANDSHAKE = 0x16
CANCEL_REQUEST = 80877102
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104

_INT = Struct(">I")
_TWO_INTS = Struct(">II")


@dataclass(frozen=True, slots=True)
class DirectTLS:
    """A TLS handshake without asking first (``sslnegotiation=direct``); no byte of it is consumed."""


@dataclass(frozen=True, slots=True)
class SSLRequest:
    """Asks for TLS.  Bytes behind it in the same read were sent in the clear: refuse them (CVE-2021-23214)."""


@dataclass(frozen=True, slots=True)
class GSSENCRequest:
    """Asks for GSSAPI encryption.  Bytes behind it are to be refused like those behind an SSLRequest."""


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Asks to cancel what the backend ``pid`` runs; the key has 4 bytes in protocol 3.0, up to 256 in 3.2."""

    pid: int
    key: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Startup:
    """A StartupMessage of any 3.x; ``raw`` goes on to the server as it is, unknown options included."""

    version: tuple[int, int]
    parameters: Mapping[str, str]
    raw: bytes

    def with_parameter(self, name: str, value: str) -> Startup:
        """The same with one more parameter, all else as it came; unchanged if the server would find it too long."""
        raw = self.raw[4:-1] + f"{name}\0{value}\0".encode() + b"\0"
        if len(raw) + 4 > MAX_STARTUP_BYTES:
            return self
        return Startup(self.version, {**self.parameters, name: value}, _INT.pack(len(raw) + 4) + raw)

    @property
    def user(self) -> str:
        return self.parameters.get("user", "")

    @property
    def database(self) -> str:
        return self.parameters.get("database", "") or self.user

    @property
    def replication(self) -> str:
        """``"true"``, ``"database"`` or ``""``; a value that the server will refuse reads as ``""``."""
        value = self.parameters.get("replication", "")
        if value == "database":
            return value
        return "true" if _is_true(value.lower()) else ""


Packet: TypeAlias = DirectTLS | SSLRequest | GSSENCRequest | CancelRequest | Startup


def read_startup(data: bytes, *, first: bool = True) -> tuple[Packet, int] | None:
    """Read one opening packet; return it and the bytes it took, or None when more are wanted.

    ``first``: nothing was read on this connection yet, so a TLS handshake may stand here.
    Raises ClientProtocolError with the server's own words for what the server would refuse.
    """
    if first and data[:1] == bytes([TLS_HANDSHAKE]):
        return DirectTLS(), 0
    if len(data) < 4:
        return None
    (length,) = _INT.unpack_from(data)
    if not 8 <= length <= MAX_STARTUP_BYTES:
        raise ClientProtocolError("invalid length of startup packet", told=False)
    if len(data) < length:
        return None
    raw = data[:length]
    (code,) = _INT.unpack_from(raw, 4)
    return _read_packet(code, raw), length


def _read_packet(code: int, raw: bytes) -> Packet:
    if code in (SSL_REQUEST, GSSENC_REQUEST):
        if len(raw) != 8:
            raise ClientProtocolError("invalid length of startup packet", told=False)
        return SSLRequest() if code == SSL_REQUEST else GSSENCRequest()
    if code == CANCEL_REQUEST:
        return _read_cancel(raw)
    major, minor = code >> 16, code & 0xFFFF
    if major != 3:
        text = f"unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2"
        raise ClientProtocolError(text, "0A000", protocol=3 if major > 3 else 2)
    return Startup((major, minor), _read_parameters(raw), raw)


def _read_cancel(raw: bytes) -> CancelRequest:
    key = raw[12:]
    if not 4 <= len(key) <= MAX_CANCEL_KEY_BYTES:
        raise ClientProtocolError("invalid length of query cancel packet", told=False)
    (pid,) = _INT.unpack_from(raw, 8)
    return CancelRequest(pid, key, raw)


def _read_parameters(raw: bytes) -> dict[str, str]:
    """Pairs of NUL-terminated strings, ended by an empty name that must be the packet's last byte."""
    parameters: dict[str, str] = {}
    at = 8
    while True:
        name, at = _read_string(raw, at)
        if not name:
            break
        value, at = _read_string(raw, at)
        if name == "replication" and parameters.get(name) == "database" and _is_true(value.lower()):
            continue  # the server takes both in turn, and the first has said already that SQL is spoken
        parameters[name] = value
    if at != len(raw):
        raise _bad_layout()
    return parameters


def _read_string(raw: bytes, at: int) -> tuple[str, int]:
    end = raw.find(0, at)
    if end < 0:
        raise _bad_layout()
    return raw[at:end].decode("utf-8", "surrogateescape"), end + 1


def _bad_layout() -> ClientProtocolError:
    return ClientProtocolError("invalid startup packet layout: expected terminator as last byte")


def _is_true(value: str) -> bool:
    """As parse_bool() of src/backend/utils/adt/bool.c: any prefix of true and yes, on, 1."""
    return bool(value) and ("true".startswith(value) or "yes".startswith(value) or value in ("on", "1"))
