"""Drivers talking to real servers through nothing but a relay and two sockets: same results, and a true state."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]
import psycopg
import psycopg2  # type: ignore[import-untyped]
import psycopg2.extras  # type: ignore[import-untyped]
import pytest

from proxy.wire import messages as m
from proxy.wire.relay import Relay
from proxy.wire.startup import Startup, read_startup

_STATUS = {
    psycopg.pq.TransactionStatus.IDLE: b"I",
    psycopg.pq.TransactionStatus.INTRANS: b"T",
    psycopg.pq.TransactionStatus.INERROR: b"E",
}


class Between:
    """Takes connections for a server, one relay each; every read is of at most ``size`` bytes.

    The relay holds each Sync and each Query for a moment, and passes it.
    """

    def __init__(self, url: str, size: int) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 5432)
        self._size = size
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.relays: list[Relay] = []
        self.url = f"postgresql://postgres@127.0.0.1:{self._listener.getsockname()[1]}{parts.path}?sslmode=disable"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def relay(self) -> Relay:
        return self.relays[-1]

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        data = b""
        while (found := read_startup(data)) is None:
            data += client.recv(1)
        packet, _ = found
        server = socket.create_connection(self._server)
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.sendall(data)
        if not isinstance(packet, Startup):
            server.close()
            client.close()
            return
        relay = Relay(lambda kind, body: kind in b"SQ")
        relay.blind = packet.replication == "true"
        self.relays.append(relay)
        lock = threading.Lock()

        def upwards(data: bytes) -> bytes:
            onwards = relay.from_client(data)
            while relay.held:
                onwards += relay.pass_held()
            return onwards

        threading.Thread(target=self._pump, args=(client, server, upwards, lock), daemon=True).start()
        self._pump(server, client, relay.from_server, lock)

    def _pump(self, source: socket.socket, sink: socket.socket, through: object, lock: threading.Lock) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(self._size):
                with lock:
                    onwards = through(data)  # type: ignore[operator]
                sink.sendall(onwards)
        for side in (source, sink):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


@pytest.fixture(params=[7, 65536], ids=["reads of 7", "reads of 64k"])
def between(database: str, request: pytest.FixtureRequest) -> Iterator[Between]:
    one = Between(database, request.param)
    yield one
    one.close()


def check(connection: psycopg.Connection, relay: Relay) -> None:
    """The driver has its answer, so everything is answered."""
    assert (relay.owed, relay.unexpected) == ((), 0)
    assert relay.quiet
    assert relay.status == _STATUS[connection.info.transaction_status]
    assert relay.backend_key is not None
    assert relay.backend_key[0] == connection.pgconn.backend_pid


def test_psycopg(between: Between) -> None:
    with psycopg.connect(between.url) as connection:
        relay = between.relay
        connection.execute("CREATE TABLE t (a int)")
        assert relay.last_tag == b"CREATE TABLE"
        check(connection, relay)
        connection.execute("INSERT INTO t SELECT generate_series(1, %s)", [1000], prepare=True)
        assert relay.last_tag == b"INSERT 0 1000"
        check(connection, relay)
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("SELECT 1/%s", [0])
        check(connection, relay)
        connection.rollback()
        check(connection, relay)
        with connection.cursor("named") as cursor:
            assert len(cursor.execute("SELECT generate_series(1, 10)").fetchmany(3)) == 3
            check(connection, relay)
        connection.commit()
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        assert relay.parameters["TimeZone"] == "Asia/Tokyo"


def test_psycopg_pipeline(between: Between) -> None:
    with psycopg.connect(between.url, autocommit=True) as connection:
        relay = between.relay
        with connection.pipeline() as pipeline:
            cursors = [connection.execute("SELECT %s::int", [i]) for i in range(50)]
            pipeline.sync()
            assert [cursor.fetchall() for cursor in cursors] == [[(i,)] for i in range(50)]
            assert relay.owed == ()
            with pytest.raises(psycopg.errors.DivisionByZero):
                connection.execute("SELECT 1/%s", [0]).fetchall()
        check(connection, relay)
        with pytest.raises(psycopg.errors.DivisionByZero), connection.pipeline():
            connection.cursor().executemany("SELECT 1/%s", [(1,), (0,), (1,)])
        check(connection, relay)
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
        check(connection, relay)


@pytest.mark.parametrize("parameters", [None, [1]], ids=["simple", "extended"])
def test_psycopg_copy(between: Between, parameters: list[int] | None) -> None:
    """libpq sends the Sync of an extended COPY at once, and another behind CopyDone."""
    only = "" if parameters is None else " WHERE %s = 1"
    with psycopg.connect(between.url, autocommit=True) as connection:
        relay = between.relay
        connection.execute("CREATE TABLE t (a int)")
        with connection.cursor() as cursor:
            with cursor.copy("COPY t FROM STDIN") as copy:
                for i in range(3000):
                    copy.write_row([i])
            assert relay.last_tag == b"COPY 3000"
            check(connection, relay)
            with cursor.copy(f"COPY (SELECT a FROM t{only}) TO STDOUT", parameters) as copy:
                assert sum(1 for _ in copy.rows()) == 3000
            check(connection, relay)
            with pytest.raises(psycopg.errors.InvalidTextRepresentation), cursor.copy("COPY t FROM STDIN") as copy:
                copy.write("no number\n")
            check(connection, relay)
            with pytest.raises(ZeroDivisionError), cursor.copy("COPY t FROM STDIN") as copy:
                copy.write_row([1 // 0])
            check(connection, relay)
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (3000,)


def test_psycopg2_large_objects_are_function_calls(between: Between) -> None:
    connection = psycopg2.connect(between.url)
    try:
        relay = between.relay
        large = connection.lobject(0, "wb")
        assert relay.status == b"T"
        large.write(b"x" * 50_000)
        large.close()
        assert (relay.owed, relay.unexpected, relay.status) == ((), 0, b"T")
        assert connection.lobject(large.oid, "rb").read() == b"x" * 50_000
        connection.commit()
        assert (relay.owed, relay.unexpected, relay.status) == ((), 0, b"I")
        with pytest.raises(psycopg2.OperationalError, match="does not exist"):
            connection.lobject(1, "rb")
        assert (relay.owed, relay.unexpected, relay.status) == ((), 0, b"E")
    finally:
        connection.close()


def test_asyncpg(between: Between) -> None:
    async def talk() -> None:
        connection = await asyncpg.connect(between.url)
        relay = between.relay

        def check(status: bytes = b"I") -> None:
            assert (relay.owed, relay.unexpected, relay.status) == ((), 0, status)

        await connection.execute("CREATE TABLE t (a int, b text)")
        check()
        await connection.copy_records_to_table("t", records=[(i, "x" * 20) for i in range(100)])
        assert relay.last_tag == b"COPY 100"
        check()
        assert len(await connection.fetch("SELECT * FROM t WHERE a < $1", 10)) == 10
        check()
        async with connection.transaction():
            check(b"T")
            assert [row["a"] async for row in connection.cursor("SELECT a FROM t", prefetch=10)] == list(range(100))
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetch("SELECT 1 / (a - a) FROM t WHERE a < $1", 10)
            check(b"E")
            await connection.execute("ROLLBACK; BEGIN")
        check()
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await connection.fetch("SELEC $1", 1)
        check()
        await connection.executemany("INSERT INTO t VALUES ($1, $2)", [(i, "y") for i in range(50)])
        check()
        await connection.reset()
        check()
        await connection.close()

    asyncio.run(talk())


def test_replication_copies_both_ways_and_ends(between: Between) -> None:
    """START_REPLICATION, a message of data, the client's end, and SQL again on the same connection."""
    parts = urlsplit(between.url)
    with psycopg.connect(between.url, autocommit=True) as side:
        side.execute("CREATE TABLE t (a int)")
        side.execute("CREATE PUBLICATION p FOR TABLE t")
    raw = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=30)
    said = b""

    def until(text: bytes) -> None:
        nonlocal said
        while text not in said:
            data = raw.recv(65536)
            assert data, said
            said += data

    raw.sendall(m.startup({"user": "postgres", "database": parts.path[1:], "replication": "database"}))
    until(m.ready_for_query(b"I"))
    relay = between.relay
    slot = parts.path[1:].encode()
    raw.sendall(m.query(b"CREATE_REPLICATION_SLOT %b TEMPORARY LOGICAL pgoutput" % slot))
    until(b"CREATE_REPLICATION_SLOT\0" + m.ready_for_query(b"I"))
    options = b"(proto_version '1', publication_names 'p')"
    raw.sendall(m.query(b"START_REPLICATION SLOT %b LOGICAL 0/0 " % slot + options))
    with psycopg.connect(between.url, autocommit=True) as side:
        side.execute("INSERT INTO t VALUES (42)")
    until(b"t\0\0\0\x0242")
    assert (relay.copying, relay.owed) == ("both", (ord("Q"),))
    raw.sendall(b"c\0\0\0\4")
    said = b""
    until(m.ready_for_query(b"I"))
    assert (relay.copying, relay.owed, relay.quiet, relay.unexpected) == ("", (), True, 0)
    raw.sendall(m.query(b"SELECT 'SQL again'"))
    until(b"SQL again")
    raw.sendall(m.query(b"DROP_REPLICATION_SLOT %b WAIT" % slot))
    until(b"DROP_REPLICATION_SLOT\0" + m.ready_for_query(b"I"))
    raw.close()


def test_physical_replication_passes_blind(between: Between) -> None:
    connection = psycopg2.connect(between.url, connection_factory=psycopg2.extras.PhysicalReplicationConnection)
    try:
        with connection.cursor() as cursor:
            cursor.execute("IDENTIFY_SYSTEM")
            assert len(cursor.fetchone()) == 4
        assert between.relay.blind
        assert not between.relay.quiet
    finally:
        connection.close()
