"""A relay between Interlock and a server that stops at the n-th message, so that something can die there."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

UP, DOWN = b"QES", b"CEZ"
"""Query, Execute, Sync; CommandComplete, ErrorResponse, ReadyForQuery: at the others nothing has happened since."""


class Cutter:
    """Counts these messages of one session in both directions, from its first ReadyForQuery on.

    ``arm(n)`` makes the next session stop before its n-th message is handed on; ``reached`` is set then, and ``go``
    lets it go on, without that message and with both ends closed if ``cuts``.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._lock = threading.Lock()
        self.arm(0)
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, at: int, *, tag: bytes = b"") -> None:
        """0: count only.  With ``tag`` it stops before the CommandComplete that says so."""
        self.at, self.tag, self.count, self.cuts = at, tag, 0, False
        self.reached, self.go = threading.Event(), threading.Event()
        self._is_armed = True

    def release(self, *, cuts: bool) -> None:
        self.cuts = cuts
        self.go.set()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                server = socket.create_connection(self._target)
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                counts, self._is_armed = self._is_armed, False
                session = _Session(client, server, self._next if counts else lambda _: True)
                threading.Thread(target=session.upwards, daemon=True).start()
                threading.Thread(target=session.downwards, daemon=True).start()

    def _next(self, message: bytes) -> bool:
        """Whether the next message is to be handed on."""
        with self._lock:
            self.count += 1
            told = bool(self.tag) and message[:1] == b"C" and message[5:-1] == self.tag
            stops = self.count == self.at or told
        if not stops:
            return True
        reached, go = self.reached, self.go
        reached.set()
        go.wait(60)
        return not self.cuts


class _Session:
    def __init__(self, client: socket.socket, server: socket.socket, passes: Callable[[bytes], bool]) -> None:
        self._client, self._server = client, server
        self._passes = passes
        self._is_open = threading.Event()  # logged in

    def upwards(self) -> None:
        """The first message has no type."""
        self._pump(self._client, self._server, untyped=True)

    def downwards(self) -> None:
        self._pump(self._server, self._client)

    def _pump(self, source: socket.socket, sink: socket.socket, *, untyped: bool = False) -> None:
        buffer = b""
        kinds = UP if untyped else DOWN
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                buffer += data
                while (length := _length(buffer, untyped)) and len(buffer) >= length:
                    message, buffer = buffer[:length], buffer[length:]
                    untyped = False
                    if self._is_open.is_set() and message[:1] in kinds and not self._passes(message):
                        raise OSError
                    sink.sendall(message)
                    if source is self._server and message[:1] == b"Z":
                        self._is_open.set()
        for one in (self._client, self._server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _length(buffer: bytes, untyped: bool) -> int:
    """Of the first message, as far as it can be told; 0 if not."""
    at = 0 if untyped else 1
    return at + int.from_bytes(buffer[at : at + 4], "big") if len(buffer) >= at + 4 else 0
