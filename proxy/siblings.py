"""What the workers of one Interlock tell each other: short JSON messages over Unix datagram sockets in a folder of their own.

Each worker binds ``<number>`` there.  A message that cannot be delivered (the other is gone, or its queue is full) is dropped:
nothing is lost by that, since the database knows what jobs there are and who is in a transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import mmap
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

log = logging.getLogger("interlock")

Message = dict[str, Any]
ANSWER_S: Final = 1.0  # within which a sibling answers, or counts as having nothing to say
LONGEST: Final = 60_000  # bytes of one datagram
_COUNT: Final = struct.Struct("=i")


class Counts:
    """How many clients each worker has, in memory that all of them see."""

    def __init__(self, workers: int) -> None:
        self._map = mmap.mmap(-1, workers * _COUNT.size)
        self._workers = workers

    def set(self, number: int, count: int) -> None:
        _COUNT.pack_into(self._map, number * _COUNT.size, count)

    def others(self, number: int) -> int:
        """Of all workers but that one."""
        found = (_COUNT.unpack_from(self._map, n * _COUNT.size)[0] for n in range(self._workers) if n != number)
        return sum(found)


class Siblings:
    """One worker's end.  ``handlers``: by a message's ``what``; what an asked one returns is its answer."""

    def __init__(self, folder: Path, number: int, workers: int) -> None:
        self.number = number
        self.handlers: dict[str, Callable[[Message], Awaitable[Any] | Any]] = {}
        self._folder = folder
        self._others = [str(folder / str(n)) for n in range(workers) if n != number]
        self._ids = itertools.count(1)
        self._asked: dict[int, tuple[list[Any], int, asyncio.Future[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    def open(self) -> None:
        """Bind and listen; what a worker of this number before us left is taken over."""
        own = self._folder / str(self.number)
        own.unlink(missing_ok=True)
        self._socket.bind(str(own))
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        for task in self._tasks:
            task.cancel()

    def tell(self, what: str, **rest: Any) -> None:
        """Tell all others."""
        for other in self._others:
            self._send(other, {"what": what, "from": self.number, **rest})

    async def ask(self, what: str, *, timeout_s: float = ANSWER_S, **rest: Any) -> list[Any]:
        """The others' answers; of one that does not answer in time there is none."""
        if not self._others:
            return []
        number = next(self._ids)
        done = asyncio.get_running_loop().create_future()
        answers: list[Any] = []
        message = {"what": what, "from": self.number, "ask": number, **rest}
        sent = sum(self._send(other, message) for other in self._others)
        if not sent:
            return []
        self._asked[number] = (answers, sent, done)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await done
        finally:
            del self._asked[number]
        return answers

    def _send(self, other: str, message: Message) -> bool:
        try:
            self._socket.sendto(json.dumps(message).encode(), other)
        except OSError as error:
            log.debug("worker %d cannot tell %s: %s", self.number, other, error)
            return False
        return True

    def _readable(self) -> None:
        while True:
            try:
                data = self._socket.recv(LONGEST)
            except BlockingIOError:
                return
            except OSError as error:
                log.warning("worker %d cannot hear the others: %s", self.number, error)
                return
            message = json.loads(data)
            if message["what"] == "answer":
                self._answered(message)
                continue
            task = asyncio.get_running_loop().create_task(self._handle(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _answered(self, message: Message) -> None:
        answers, wanted, done = self._asked.get(message["to"], ([], 0, None))
        answers.append(message["answer"])
        if done is not None and len(answers) >= wanted and not done.done():
            done.set_result(None)

    async def _handle(self, message: Message) -> None:
        handler = self.handlers.get(message["what"])
        try:
            answer = handler(message) if handler else None
            if isinstance(answer, Awaitable):
                answer = await answer
        except Exception:  # one message's trouble is not the next one's
            log.exception("worker %d: %s", self.number, message["what"])
            answer = None
        if "ask" in message:
            place = str(self._folder / str(message["from"]))
            self._send(place, {"what": "answer", "to": message["ask"], "answer": answer})
