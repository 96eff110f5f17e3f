"""What passing a statement costs, in lines and calls of Python rather than in time: the same on every machine.

``COSTS`` holds what it is.  Dearer by a twentieth fails; so does cheaper by a tenth, so that the figures stay what is true.
Counted are the session's two callbacks, from the bytes of a socket to those written to the other one.
"""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import proxy
from bench.relay_cpu import COPY_LINE, COPY_OPEN, EXTENDED, EXTENDED_REPLY, LOGIN, PREPARED, PREPARED_REPLY, ROW, SIMPLE
from proxy.net import Peer
from proxy.policy.load import Policy, load
from proxy.session.group import Groups
from proxy.session.ledger import Ledger, Who
from proxy.session.session import Session
from proxy.wire import messages as m
from proxy.wire import relay

REPORTS = LOGIN[:-6] + b"".join(m.parameter_status(f"setting_{n}", "its value") for n in range(15)) + LOGIN[-6:]
IDLE, IN_BLOCK = m.ready_for_query(b"I"), m.ready_for_query(b"T")
UPDATE = m.query(b"UPDATE pgbench_accounts SET abalance = abalance + 42 WHERE aid = 5;")
_widths = random.Random(1)
RAGGED = b"".join(m.data_row([b"x" * _widths.randrange(1, 60)]) for _ in range(1000))
EQUAL = m.data_row([b"123456"]) * 1000

RECOMMENDED = load("recommended")


def policy() -> Policy:
    return RECOMMENDED


OURS = str(Path(proxy.__file__).parent)
Counts = tuple[int, int]  # lines, and calls of Python's functions and of C's
Run = Callable[[Session], None]


def asks(sent: bytes, answered: bytes) -> Run:
    def run(session: Session) -> None:
        session._from_client(sent)
        session._from_server(answered)

    return run


def answers(rows: bytes) -> Run:
    return lambda session: session._from_server(rows)


def sends(lines: bytes) -> Run:
    return lambda session: session._from_client(lines)


# Case: what was said before, what is counted (None: a session from its beginning to its first answer), and how much that is.
COSTS: dict[str, tuple[Run | None, Run | None, Counts]] = {
    "a new session": (None, None, (836, 171)),
    "SELECT, simple": (None, asks(SIMPLE, ROW + IDLE), (191, 52)),
    "SELECT, extended": (None, asks(EXTENDED, EXTENDED_REPLY), (295, 80)),
    "SELECT, prepared": (None, asks(PREPARED, PREPARED_REPLY), (229, 55)),
    "BEGIN": (None, asks(m.query(b"BEGIN;"), m.command_complete(b"BEGIN") + IN_BLOCK), (170, 50)),
    "UPDATE": (None, asks(UPDATE, m.command_complete(b"UPDATE 1") + IN_BLOCK), (168, 48)),
    "1000 rows of one length": (sends(SIMPLE), answers(EQUAL), (59, 25)),
    "1000 rows of many lengths": (sends(SIMPLE), answers(RAGGED), (8051, 1024)),
    "part of a large row": (sends(SIMPLE), answers(m.data_row([b"x" * 300_000])[:100_000]), (37, 8)),
    "COPY in, 1000 lines": (asks(SIMPLE, COPY_OPEN), sends(COPY_LINE * 1000), (55, 24)),
}


@pytest.mark.skipif(
    not relay.__file__.endswith(".py"), reason="the wire is compiled, and has no lines of Python to count"
)
@pytest.mark.skipif(sys.gettrace() is not None, reason="a debugger or a coverage tool counts already")
@pytest.mark.parametrize("case", COSTS)
def test_the_hot_path_costs_what_it_did(case: str) -> None:
    before, run, (lines, calls) = COSTS[case]
    found = asyncio.run(counted(before, run))
    for what, now, noted in (("lines", found[0], lines), ("calls", found[1], calls)):
        told = f"{case}: {now} {what} of Python, noted are {noted}: now {found}"
        assert now <= noted * 1.05 + 1, f"{told}; the hot path has become dearer"
        assert now >= noted * 0.9 - 1, f"{told}; note what it is now in {__name__}"


def opened(client: Peer, server: Peer, groups: Groups) -> Session:
    """A session of a client for whom nothing waits in the database, logged in."""
    who = Who(client="127.0.0.1:1", user="u", database="d", application_name="", tls="")
    session = Session(
        client,
        server,
        who,
        Ledger(None),
        policy,
        max_statement_bytes=1 << 20,
        replication="",
        on_key=lambda key: None,
        cancel_upstream=lambda: None,
        groups=groups,
    )
    session._rest.group.waiting = False
    session.join()
    session.start(b"", b"")
    session._from_server(REPORTS)
    return session


def begins(client: Peer, server: Peer, groups: Groups) -> None:
    asks(SIMPLE, ROW + IDLE)(opened(client, server, groups))


async def counted(before: Run | None, run: Run | None) -> Counts:
    """What a run costs in a session that is logged in, when what is made on first use has been made; None: a session's beginning."""
    async with asyncio.timeout(20):
        (client, one), (server, two) = await joined(), await joined()
        groups = Groups()
        session = opened(client, server, groups)
        for _ in range(500):  # only the first 400 texts are looked through for the name of a tool
            session._from_client(SIMPLE)
            session._from_server(ROW + IDLE)
            one.recv(1 << 20), two.recv(1 << 20)
        if before is not None:
            before(session)
        counts = [0, 0]
        with counting(counts):
            if run is not None:
                run(session)
            else:
                begins(client, server, groups)
        assert session.relay.held is None
        for peer in (client, server):
            peer.abort()
            await peer.wait_closed()
        one.close()
        two.close()
        return counts[0], counts[1]


async def joined() -> tuple[Peer, socket.socket]:
    """A peer, and the socket at its other end."""
    near, far = socket.socketpair()
    far.settimeout(5)
    _, peer = await asyncio.get_running_loop().create_unix_connection(Peer, sock=near)
    return peer, far


@contextmanager
def counting(counts: list[int]) -> Iterator[None]:
    """Count our lines into the first and our calls into the second, while the block runs; not those inside of libraries."""

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line":
            counts[0] += 1
        return trace

    def profile(frame: FrameType, event: str, arg: Any) -> None:
        if event in ("call", "c_call") and frame.f_code.co_filename.startswith(OURS):
            counts[1] += 1

    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)
        sys.settrace(None)
