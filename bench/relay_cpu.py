"""What the relay itself costs: CPU seconds for streams of bytes in memory, in reads of 64 kB.

python -m bench.relay_cpu [SECONDS-A-STREAM]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from proxy.wire import messages as m
from proxy.wire.relay import Relay

READ_BYTES = 1 << 16

LOGIN = m.authentication(0) + m.ready_for_query(b"I")
POINT_SELECT = b"SELECT abalance FROM pgbench_accounts WHERE aid = $1;"
ROW = m.row_description(["abalance"]) + m.data_row([b"0"]) + m.command_complete(b"SELECT 1")
EXTENDED = m.parse(b"", POINT_SELECT) + m.bind(b"", b"", [b"42"]) + m.describe(b"P", b"") + m.execute(b"") + m.sync()
EXTENDED_REPLY = m.parse_complete() + m.bind_complete() + ROW + m.ready_for_query(b"I")
PREPARED = m.bind(b"", b"P_0", [b"42"]) + m.describe(b"P", b"") + m.execute(b"") + m.sync()
PREPARED_REPLY = m.bind_complete() + ROW + m.ready_for_query(b"I")
SIMPLE = m.query(b"SELECT abalance FROM pgbench_accounts WHERE aid = 42;")
NARROW = m.data_row([b"12345", b"1"])
WIDE = m.data_row([b"x" * 200] * 20)
COPY_OPEN = b"G\0\0\0\7\0\0\0"
COPY_LINE = b"d\0\0\0\x34" + b"x" * 47 + b"\n"
COPY_BLOCK = b"d\0\0\x20\4" + b"x" * 8192


def ready(sent: bytes = b"", answered: bytes = b"") -> Relay:
    relay = Relay(lambda kind, body: kind == 81 and body[:6].upper() == b"CREATE")
    relay.from_server(LOGIN)
    relay.from_client(sent)
    relay.from_server(answered)
    return relay


def reads(message: bytes, total: int = 4 << 20) -> list[bytes]:
    stream = message * (total // len(message))
    return [stream[at : at + READ_BYTES] for at in range(0, len(stream), READ_BYTES)]


def count(data: bytes) -> int:
    return sum(1 for _ in m_frames(data))


def m_frames(data: bytes) -> Sequence[int]:
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at += 1 + int.from_bytes(data[at + 1 : at + 5], "big")
    return starts


def measure(title: str, unit: bytes, run: Callable[[], int], seconds: float) -> None:
    """Print MB/s and messages/s; ``run`` handles some bytes and says how many."""
    run()
    handled, began = 0, time.process_time()
    while (took := time.process_time() - began) < seconds:
        handled += run()
    per_unit = count(unit)
    rate = handled / took
    print(f"| {title:<42} | {rate / 1e6:>9,.0f} | {rate / len(unit) * per_unit / 1e3:>12,.0f} |")


def one_way(title: str, unit: bytes, relay: Callable[[], Callable[[bytes], bytes]], seconds: float) -> None:
    chunks = reads(unit)
    size = sum(map(len, chunks))

    def run() -> int:
        feed = relay()
        for chunk in chunks:
            feed(chunk)
        return size

    measure(title, unit, run, seconds)


def both_ways(title: str, sent: bytes, answered: bytes, seconds: float) -> None:
    """A statement and its answer, each in a read of its own, as a client that waits makes them."""
    relay = ready()

    def run() -> int:
        for _ in range(2000):
            relay.from_client(sent)
            relay.from_server(answered)
        return 2000 * (len(sent) + len(answered))

    measure(title, sent + answered, run, seconds)
    assert relay.quiet


def main(seconds: float) -> None:
    print(f"| {'stream':<42} | {'MB/s':>9} | {'1000 msgs/s':>12} |\n|{'-' * 44}|{'-' * 10}:|{'-' * 13}:|")
    both_ways("pgbench -S, simple, statement by statement", SIMPLE, ROW + m.ready_for_query(b"I"), seconds)
    both_ways("pgbench -S, extended, likewise", EXTENDED, EXTENDED_REPLY, seconds)
    both_ways("pgbench -S, prepared, likewise", PREPARED, PREPARED_REPLY, seconds)
    one_way("client: P B D E S, pipelined", EXTENDED, lambda: ready().from_client, seconds)
    select = m.query(b"SELECT")
    one_way("server: DataRow, narrow", NARROW, lambda: ready(select).from_server, seconds)
    one_way("server: DataRow, wide (4 kB)", WIDE, lambda: ready(select).from_server, seconds)
    one_way("server: CopyData, a line each", COPY_LINE, lambda: ready(select).from_server, seconds)
    one_way("client: CopyData, 8 kB each", COPY_BLOCK, lambda: ready(select, COPY_OPEN).from_client, seconds)
    one_way("client: CopyData, a line each", COPY_LINE, lambda: ready(select, COPY_OPEN).from_client, seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
