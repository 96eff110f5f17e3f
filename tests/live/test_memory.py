"""Memory of the proxy: bounded for each connection, however large a row, a COPY or a pipeline is.

What it may keep for one connection is a write buffer of 256 KiB and one read of at most 256 KiB for each direction,
and the chunk that was in flight when a pause took effect: some megabytes, with the allocator's slack.  Without
back-pressure each of these would need what it carries, 100 MB and more.
"""

from __future__ import annotations

import re
import select
import threading
from pathlib import Path

import psycopg
import pytest

from proxy.wire import messages as m
from tests.live.raw import Raw, eventually, kinds
from tests.proxies import Proxy

BOUND_KB = 24 * 1024
pytestmark = pytest.mark.slow


def peak_kb(proxy: Proxy) -> int:
    """The most memory that the process has ever had, in KiB."""
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1])


def forget_peak(proxy: Proxy) -> int:
    """Begin to measure the peak anew (proc(5), clear_refs); returns what it is now."""
    Path(f"/proc/{proxy.process.pid}/clear_refs").write_text("5")
    return peak_kb(proxy)


def stalled(raw: Raw, proxy: Proxy, database: str) -> None:
    """Wait until the server waits for its client to read: what is between them is full."""

    def waits() -> bool:
        with proxy.upstream.connect() as session:
            row = session.execute(
                "SELECT wait_event FROM pg_stat_activity WHERE datname = %s AND state = 'active'",
                (database.rpartition("/")[2],),
            ).fetchone()
        return row == ("ClientWrite",)

    eventually("the server waits for the client", waits)


def test_a_large_result_to_a_reader_that_stalls(proxy: Proxy, database: str) -> None:
    with Raw(proxy.url(database), receive_bytes=8192) as raw:
        before = forget_peak(proxy)
        raw.send(m.query(b"SELECT repeat('x', 10000) FROM generate_series(1, 20000)"))  # 200 MB
        stalled(raw, proxy, database)
        assert peak_kb(proxy) - before < BOUND_KB
        count = 0
        while (message := raw.next())[0] != "Z":
            count += message[0] == "D"
        assert count == 20_000
        assert peak_kb(proxy) - before < BOUND_KB


def test_one_field_of_200_megabytes(proxy: Proxy, database: str) -> None:
    with Raw(proxy.url(database), receive_bytes=8192) as raw:
        before = forget_peak(proxy)
        raw.send(m.query(b"SELECT repeat('x', 200000000)"))
        stalled(raw, proxy, database)
        taken = 0
        while taken < 200_000_000:
            taken += len(raw.socket.recv(1 << 20))
        assert peak_kb(proxy) - before < BOUND_KB


def test_a_copy_out_to_a_reader_that_stalls(proxy: Proxy, database: str) -> None:
    with Raw(proxy.url(database), receive_bytes=8192) as raw:
        before = forget_peak(proxy)
        raw.send(m.query(b"COPY (SELECT repeat('x', 10000) FROM generate_series(1, 20000)) TO STDOUT"))
        stalled(raw, proxy, database)
        assert peak_kb(proxy) - before < BOUND_KB


def test_a_copy_in_to_a_server_that_stalls(proxy: Proxy, database: str) -> None:
    """The server waits for a lock while the client sends on: the client is stopped, not the data kept."""
    with psycopg.connect(database) as other, Raw(proxy.url(database)) as raw:
        other.execute("CREATE TABLE t (a text)")
        other.execute("CREATE TABLE u (a int)")
        other.execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN LOCK TABLE u; RETURN NULL; END'"
        )
        other.execute("CREATE TRIGGER wait BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION wait()")
        other.commit()
        other.execute("LOCK TABLE u")
        before = forget_peak(proxy)
        raw.send(m.query(b"COPY t FROM STDIN"))
        raw.until("G")
        row = b"x" * 99_999 + b"\n"
        message = b"d" + (len(row) + 4).to_bytes(4, "big") + row
        raw.socket.setblocking(False)
        sent, at = 0, 0
        while select.select([], [raw.socket], [], 1.0)[1]:  # until nothing goes any more for a second
            at += raw.socket.send(message[at:])
            if at == len(message):
                sent, at = sent + 1, 0
            assert sent < 2000, "the client was never stopped"
        assert peak_kb(proxy) - before < BOUND_KB
        other.rollback()
        raw.socket.settimeout(15)
        raw.send(message[at:] + b"c\0\0\0\4")
        assert kinds(raw.until("Z")) == "CZ"


def test_a_pipeline_of_100000_statements(proxy: Proxy, database: str) -> None:
    """Sent without reading an answer; the client reads only when it can send no more."""
    each = m.parse(b"", b"SELECT 1") + m.bind(b"", b"") + m.describe(b"P", b"") + m.execute(b"")
    with Raw(proxy.url(database)) as raw:
        before = forget_peak(proxy)
        sender = threading.Thread(target=lambda: raw.send(each * 100_000 + m.sync()))
        sender.start()
        answered = 0
        while (message := raw.next())[0] != "Z":
            answered += message[0] == "C"
        sender.join()
        assert answered == 100_000
        assert peak_kb(proxy) - before < BOUND_KB


def test_a_client_that_sends_on_behind_a_held_statement(orders: str, proxy: Proxy) -> None:
    """Behind a migration that waits, what the client sends is kept up to a bound, and then no longer read."""
    database = orders
    with psycopg.connect(database) as other, Raw(proxy.url(database)) as raw:
        other.execute("LOCK TABLE orders IN ACCESS SHARE MODE")
        before = forget_peak(proxy)
        raw.send(m.query(b"ALTER TABLE orders ADD COLUMN extra int"))
        raw.until("N")  # it waits
        flight = m.query(b"SELECT '" + b"x" * 100_000 + b"'")
        raw.socket.setblocking(False)
        sent, at = 0, 0
        while select.select([], [raw.socket], [], 1.0)[1]:
            at += raw.socket.send(flight[at:])
            if at == len(flight):
                sent, at = sent + 1, 0
            assert sent < 2000, "the client was never stopped"
        assert peak_kb(proxy) - before < BOUND_KB
        other.rollback()
        raw.socket.settimeout(15)
        reader = threading.Thread(target=lambda: raw.send(flight[at:]))
        reader.start()
        raw.until(*("Z" * (sent + (at > 0) + 1)))
        reader.join()
