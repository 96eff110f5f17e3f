"""What a running Interlock is told by signals."""

import asyncio
import gc
import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.cli import running
from proxy.sockets import Listening


@pytest.fixture
def signals() -> Iterator[None]:
    """Signals are heard by who asks for them, and by nobody else after the test."""
    numbers = (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    gc.unfreeze()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_what_is_closed_is_not_read_again(monkeypatch: pytest.MonkeyPatch, signals: None) -> None:
    """A SIGHUP of a storm is heard a second late; after the drain the audit file is closed, and a late one kills nobody."""
    monkeypatch.setattr(running, "RELOAD_S", 0.05)
    read: list[str] = []
    told: list[int] = []

    async def drain() -> None:
        told.append(len(read))

    parent, ours = os.pipe()
    server = SimpleNamespace(sessions=[], holding="nothing", drain=drain)

    async def serve() -> None:
        loop = asyncio.get_running_loop()

        def say() -> None:
            read.append("read")
            os.kill(os.getpid(), signal.SIGHUP)  # of a storm: to be read after RELOAD_S
            loop.call_later(0.01, os.kill, os.getpid(), signal.SIGTERM)

        loop.call_soon(os.kill, os.getpid(), signal.SIGHUP)
        await running.until_told(cast(Any, server), lambda: str(say()), cast(Listening, None), parent=parent)
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.2)

    asyncio.run(serve())
    os.close(parent)
    os.close(ours)
    assert told == [1]
    assert read == ["read"]
