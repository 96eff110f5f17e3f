"""The messages of a login, one at a time, from a peer that nobody else reads.

Source: Postgres docs, "Frontend/Backend Protocol", Message Formats, SASL Authentication.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from proxy.net import Peer

LARGEST: Final = 1 << 20  # an error with a long text; what a client sends is bounded more tightly
_header: Final = Struct(">BI").unpack_from
_HEADER: Final = Struct(">BI")
_INT32: Final = Struct(">i")


class Stream:
    """Whole messages off a peer; ``rest`` is what was read and not used."""

    def __init__(self, peer: Peer, rest: bytes = b"", *, largest: int = LARGEST) -> None:
        self.peer = peer
        self.rest = rest
        self._largest = largest

    async def next(self) -> tuple[int, bytes, bytes]:
        """Type, body and the message as it came.  Raises ConnectionError at the end of the stream, ValueError for a length that cannot be."""
        while True:
            if len(self.rest) >= 5:
                kind, length = _header(self.rest)
                if not 4 <= length <= self._largest:
                    raise ValueError("invalid message length")
                end = 1 + length
                if len(self.rest) >= end:
                    raw, self.rest = self.rest[:end], self.rest[end:]
                    return kind, raw[5:], raw
            more = await self.peer.receive()
            if not more:
                raise ConnectionResetError("the connection was closed during the login")
            self.rest += more


def password(text: bytes) -> bytes:
    """PasswordMessage and SASLResponse have the same type; a password is to be NUL-terminated by the caller."""
    return _HEADER.pack(ord("p"), len(text) + 4) + text


def sasl_initial(mechanism: str, message: bytes) -> bytes:
    return password(mechanism.encode() + b"\0" + _INT32.pack(len(message)) + message)


def read_sasl_initial(body: bytes) -> tuple[str, bytes]:
    """Mechanism and first message.  Raises ValueError."""
    mechanism, nul, rest = body.partition(b"\0")
    if not nul or len(rest) < 4 or _INT32.unpack_from(rest)[0] != len(rest) - 4:
        raise ValueError("invalid SASL message")
    return mechanism.decode("ascii"), rest[4:]
