"""A network between Interlock and its upstream that can be cut: a small TCP proxy, and servers that lie."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self


class Network:
    """Passes bytes from its port to another one's, until told otherwise."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.stalled = threading.Event()  # nothing passes, and nobody hears of it
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._down = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection at once, with resets, and refuse new ones."""
        self._down = True
        for pair in self._pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    one.shutdown(socket.SHUT_RDWR)
                    one.close()
        self._pairs.clear()

    def mend(self) -> None:
        self._down = False
        self.stalled.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._down:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._pairs.append((client, server))
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                ready, _, _ = select.select([client, server], [], [], 0.5)
                if self.stalled.is_set():
                    continue
                for one in ready:
                    data = one.recv(65536)
                    (server if one is client else client).sendall(data)
                    if not data:
                        raise ConnectionResetError
        for one in (client, server):
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        self._listener.close()


@contextlib.contextmanager
def lying(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that does ``answer`` with every connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_do, args=(one,), daemon=True).start()

    def _do(one: socket.socket) -> None:
        with one, contextlib.suppress(OSError):
            answer(one)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
