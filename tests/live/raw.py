"""A client of the wire protocol that sends what it is told, in the order it is told, and waits for nothing longer than a bound."""

from __future__ import annotations

import select
import socket
import struct
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from proxy.wire import messages as m

WAIT_S = 15.0

Answer = tuple[str, bytes]
"""Type and body of one message of the server's."""


class Ended(Exception):
    """The server closed the connection; ``said`` is what it sent since the last wait."""

    def __init__(self, said: list[Answer]) -> None:
        super().__init__(f"the connection was closed after {said}")
        self.said = said


class Raw:
    """One connection, opened and logged in (trust) unless ``login`` is false."""

    def __init__(
        self,
        url: str,
        *,
        login: bool = True,
        version: tuple[int, int] = (3, 0),
        receive_bytes: int | None = None,
        **parameters: str,
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.address = (parts.hostname, parts.port or 5432)
        self.socket = socket.socket()
        if receive_bytes is not None:  # before connect, so that the window is small too
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(self.address)
        self.chunk_bytes: int | None = None  # send what is to be sent in pieces of this size
        self._buffer = b""
        self.greeting: list[Answer] = []
        if login:
            who = {"user": parts.username or "postgres", "database": parts.path[1:], **parameters}
            self.send(m.startup(who, version))
            self.greeting = self.until("Z")

    @property
    def key(self) -> tuple[int, bytes]:
        return next((struct.unpack_from(">I", body)[0], body[4:]) for kind, body in self.greeting if kind == "K")

    def send(self, *data: bytes) -> None:
        flight = b"".join(data)
        size = self.chunk_bytes or max(1, len(flight))
        for at in range(0, len(flight), size):
            self.socket.sendall(flight[at : at + size])

    def until(self, *kinds: str) -> list[Answer]:
        """What the server says up to a message of each of these types, in that order.

        Raises Ended, and TimeoutError with what was said when it says nothing for WAIT_S.
        """
        said: list[Answer] = []
        wanted = list(kinds)
        while wanted:
            message = self.next(said)
            said.append(message)
            if message[0] == wanted[0]:
                wanted.pop(0)
        return said

    def next(self, said: list[Answer] | None = None) -> Answer:
        while (length := self._whole()) is None:
            self._receive(said or [])
        kind, body = chr(self._buffer[0]), self._buffer[5:length]
        self._buffer = self._buffer[length:]
        return kind, body

    def rest(self) -> list[Answer]:
        """What it says until it closes the connection."""
        said: list[Answer] = []
        try:
            while True:
                said.append(self.next(said))
        except Ended:
            return said

    def silent(self) -> bool:
        """Whether nothing has arrived that was not read."""
        return not self._buffer and not select.select([self.socket], [], [], 0)[0]

    def _whole(self) -> int | None:
        if len(self._buffer) < 5:
            return None
        length = 1 + int(struct.unpack_from(">I", self._buffer, 1)[0])
        return length if len(self._buffer) >= length else None

    def _receive(self, said: list[Answer]) -> None:
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            raise TimeoutError(f"nothing came for {WAIT_S:g} s after {said} {self._buffer!r}") from None
        except ConnectionError:
            data = b""
        if not data:
            raise Ended(said)
        self._buffer += data

    def query(self, sql: str | bytes) -> list[Answer]:
        self.send(m.query(sql.encode() if isinstance(sql, str) else sql))
        return self.until("Z")

    def rows(self, sql: str) -> list[list[bytes | None]]:
        return [m.read_data_row(body) for kind, body in self.query(sql) if kind == "D"]

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """End the connection as a crash of the client's machine would: no goodbye, a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def kinds(said: list[Answer]) -> str:
    """The types alone, notices left out: what a guarded statement must answer as a direct one would."""
    return "".join(kind for kind, _ in said if kind != "N")


def error(said: list[Answer]) -> dict[str, str]:
    """The fields of the only error."""
    (body,) = [body for kind, body in said if kind == "E"]
    return m.read_fields(body)


def tags(said: list[Answer]) -> list[str]:
    return [m.read_tag(body).decode() for kind, body in said if kind == "C"]


def eventually(claim: str, holds: object, within_s: float = WAIT_S) -> None:
    """Wait until ``holds()`` is true; fail with the claim if it does not become so within the bound."""
    assert callable(holds)
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {claim}"
        time.sleep(0.02)
