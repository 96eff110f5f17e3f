"""A socket with back-pressure and TLS, on both event loops, over real sockets of the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import struct
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from proxy import net, sockets
from proxy.net import Peer

CERTIFICATES = Path(__file__).parent.parent / "certificates"
Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a test's coroutine in a new event loop, within ten seconds."""

    def within(story: Coroutine[Any, Any, None]) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(story, 10))

    return within


@contextlib.asynccontextmanager
async def pair(*, unix: str | None = None) -> AsyncIterator[tuple[Peer, Peer]]:
    """Two peers at the ends of one connection: who listens, and who connected."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[Peer] = loop.create_future()
    if unix is None:
        listener = sockets.bind([sockets.Listen("127.0.0.1", 0)])[0][0]
        server = await loop.create_server(lambda: Peer(accepted.set_result), sock=listener)
        _, there = await loop.create_connection(Peer, *server.sockets[0].getsockname()[:2])
    else:
        server = await loop.create_unix_server(lambda: Peer(accepted.set_result), unix)
        _, there = await loop.create_unix_connection(Peer, unix)
    here = await accepted
    try:
        yield here, there
    finally:
        server.close()
        for peer in (here, there):
            peer.abort()
            await peer.wait_closed()


@contextlib.asynccontextmanager
async def raw() -> AsyncIterator[tuple[Peer, socket.socket]]:
    """A peer, and the bare socket at its other end."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[Peer] = loop.create_future()
    server = await loop.create_server(lambda: Peer(accepted.set_result), "127.0.0.1", 0)
    other = socket.socket()
    other.setblocking(False)
    await loop.sock_connect(other, server.sockets[0].getsockname())
    peer = await accepted
    try:
        yield peer, other
    finally:
        server.close()
        other.close()
        peer.abort()
        await peer.wait_closed()


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATES / "server.crt", CERTIFICATES / "server.key")
    return server, ssl.create_default_context(cafile=str(CERTIFICATES / "ca.crt"))


async def collected(peer: Peer, size: int) -> bytes:
    """Exactly so many bytes from a peer, by on_data."""
    got = bytearray()
    done = asyncio.get_running_loop().create_future()

    def take(data: bytes) -> None:
        got.extend(data)
        if len(got) >= size and not done.done():
            done.set_result(None)

    peer.on_data = take
    await done
    return bytes(got)


def lost(peer: Peer) -> asyncio.Future[Exception | None]:
    future: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    peer.on_lost = future.set_result  # a second call would raise InvalidStateError
    return future


async def until(fact: Callable[[], bool]) -> None:
    while not fact():  # noqa: ASYNC110 - what is waited for is the inside of the class, which tells nobody
        await asyncio.sleep(0)


def test_bytes_go_both_ways(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, there):
            here.write(b"ping")
            assert await collected(there, 4) == b"ping"
            there.write(b"pong")
            assert await collected(here, 4) == b"pong"
            assert here.peername.startswith("127.0.0.1:")

    run(story())


def test_unix_sockets_and_their_names(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        path = str(tmp_path / "s")
        async with pair(unix=path) as (here, there):
            here.write(b"ping")
            assert await there.receive() == b"ping"
            assert (here.peername, there.peername) == ("unix", path)

    run(story())


def test_accepted_connections_are_kept_alive_and_send_at_once(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, _):
            for level, option, value in (
                (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
                (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
            ):
                assert struct.unpack("i", here.socket_option(level, option, 4)) == (value,)

    run(story())


def test_data_before_on_data_is_kept_in_order_and_bounded(run: Run) -> None:
    """What arrives early reaches on_data whole and in order, and reading stops while nobody wants it."""

    async def story() -> None:
        async with pair() as (here, there):
            sent = bytes(range(256)) * 200_000  # 50 MB, more than the sockets hold
            there.write(sent)
            drained = asyncio.ensure_future(there.drain())
            await until(lambda: here.paused)
            for _ in range(1000):
                await asyncio.sleep(0)
            assert not drained.done()
            assert await collected(here, len(sent)) == sent
            await drained

    run(story())


def test_receive_then_on_data(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, there):
            there.write(b"first")
            assert await here.receive() == b"first"
            there.write(b"second")
            assert await collected(here, 6) == b"second"

    run(story())


def test_end_of_stream_comes_after_what_was_received(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, there):
            there.write(b"last words")
            there.close()
            await until(lambda: here.closed)
            events: list[object] = []
            here.on_lost = events.append
            here.on_data = events.append
            await here.wait_closed()
            await until(lambda: len(events) == 2)
            assert events == [b"last words", None]

    run(story())


def test_receive_at_the_end_of_the_stream(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, there):
            there.write(b"x")
            there.close()
            assert await here.receive() == b"x"
            assert await here.receive() == b""
            assert await here.receive() == b""

    run(story())


def test_lost_is_told_once_for_every_way_to_end(run: Run) -> None:
    async def story() -> None:
        for end in ("their close", "their abort", "our close", "our abort"):
            async with pair() as (here, there):
                mine, theirs = lost(here), lost(there)
                peer = there if "their" in end else here
                (peer.close if "close" in end else peer.abort)()
                await mine
                await theirs
                await here.wait_closed()
                await there.wait_closed()
                assert here.closed
                assert there.closed

    run(story())


def test_a_reset_is_an_error(run: Run) -> None:
    async def story() -> None:
        async with raw() as (peer, other):
            told = lost(peer)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            other.close()
            assert isinstance(await told, ConnectionResetError)

    run(story())


def test_an_exception_in_on_data_ends_the_connection(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, there):

            def stumble(data: bytes) -> None:
                raise ValueError(data.decode())

            told = lost(here)
            here.on_data = stumble
            there.write(b"banana")
            error = await told
            assert isinstance(error, ValueError)
            assert str(error) == "banana"

    run(story())


def test_a_full_partner_pauses_reading_and_memory_stays_bounded(run: Run) -> None:
    """However much one side sends, no more is taken in than fits the buffers, until the other side reads."""

    async def story() -> None:
        async with pair() as (source, sender), raw() as (sink, reader):
            sink.partner = source
            taken = 0

            def forward(data: bytes) -> None:
                nonlocal taken
                taken += len(data)
                sink.write(data)

            source.on_data = forward
            total = 64 * 1024 * 1024
            sender.write(bytes(total))
            await until(lambda: source.paused)
            held = taken
            for _ in range(1000):
                await asyncio.sleep(0)
            assert taken == held < total / 2
            got = 0
            while got < total:
                got += len(await asyncio.get_running_loop().sock_recv(reader, 1 << 20))
            assert taken == total
            assert not source.paused

    run(story())


def test_owner_and_partner_pause_for_reasons_of_their_own(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, there), pair() as (sink, _):
            got: list[bytes] = []
            here.on_data = got.append
            here.pause()
            here.pause()
            sink.partner = here
            sink.pause_writing()
            here.resume()
            assert here.paused
            sink.resume_writing()
            assert not here.paused
            here.pause()
            sink.pause_writing()
            sink.partner = None  # a partner let go of is not paused for ever
            here.resume()
            assert not here.paused
            there.write(b"x")
            await until(lambda: got == [b"x"])

    run(story())


def test_a_lost_peer_lets_its_partner_go(run: Run) -> None:
    async def story() -> None:
        async with pair() as (source, _), pair() as (sink, _):
            sink.partner = source
            sink.pause_writing()
            assert source.paused
            sink.abort()
            await sink.wait_closed()
            assert not source.paused

    run(story())


def test_drain_waits_for_the_reader_and_ends_with_the_connection(run: Run) -> None:
    async def story() -> None:
        async with raw() as (peer, other):
            peer.write(bytes(32 << 20))
            drained = asyncio.ensure_future(peer.drain())
            await asyncio.sleep(0)
            assert not drained.done()
            got = 0
            while not drained.done():
                got += len(await asyncio.get_running_loop().sock_recv(other, 1 << 20))
            peer.write(bytes(32 << 20))
            drained = asyncio.ensure_future(peer.drain())
            await asyncio.sleep(0)
            assert not drained.done()
            peer.abort()
            await drained

    run(story())


def test_close_delivers_the_last_message_to_a_peer_that_was_still_sending(run: Run) -> None:
    """A close with unread input would reset the connection and destroy the error message on its way."""

    async def story() -> None:
        async with raw() as (peer, other):
            loop = asyncio.get_running_loop()
            peer.pause()
            sending = asyncio.ensure_future(loop.sock_sendall(other, bytes(1 << 20)))
            await asyncio.sleep(0)
            peer.write(b"FATAL: enough" + bytes(100_000))
            peer.close()
            await sending
            got = b""
            while piece := await loop.sock_recv(other, 65536):
                got += piece
            assert got == b"FATAL: enough" + bytes(100_000)
            other.close()
            await peer.wait_closed()

    run(story())


def test_close_is_bounded_when_the_other_side_neither_reads_nor_hangs_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(net, "CLOSE_S", 0.05)

    async def story() -> None:
        async with raw() as (peer, _):
            told = lost(peer)
            peer.write(bytes(32 << 20))
            peer.close()
            await peer.wait_closed()
            await told

    run(story())


def test_end_of_stream_is_bounded_when_the_other_side_does_not_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "CLOSE_S", 0.05)

    async def story() -> None:
        async with raw() as (peer, other):
            peer.write(bytes(32 << 20))
            other.shutdown(socket.SHUT_WR)
            await peer.wait_closed()

    run(story())


def test_writes_after_the_end_are_dropped(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, there):
            here.close()
            here.write(b"late")
            here.close()
            await there.wait_closed()
            here.write(b"later")
            await here.wait_closed()
            here.write(b"too late")
            await here.drain()
            here.pause()
            here.resume()
            here.close()
            here.abort()

    run(story())


def test_nothing_refers_to_a_peer_that_is_gone(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, there):
            here.partner, there.partner = there, here
            here.on_data, there.on_data = there.write, here.write
            here.on_lost = there.on_lost = lambda _: None
            refs = [weakref.ref(here), weakref.ref(there)]
            here.close()
            await here.wait_closed()
            await there.wait_closed()
            del here, there
        await asyncio.sleep(0)
        gc.collect()
        assert [ref() for ref in refs] == [None, None]

    run(story())


# -- TLS ---------------------------------------------------------------------------------------------------------------


async def handshake(here: Peer, there: Peer) -> None:
    server, client = contexts()
    await asyncio.gather(
        here.start_tls(server, server_side=True),
        there.start_tls(client, server_side=False, server_hostname="localhost"),
    )


def test_tls_both_ways(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, there):
            await handshake(here, there)
            assert there.tls is not None
            assert there.tls.version() == "TLSv1.3"
            here.write(b"ping")
            assert await there.receive() == b"ping"
            sent = bytes(range(256)) * 20_000
            there.write(sent)
            assert await collected(here, len(sent)) == sent

    run(story())


def test_tls_back_pressure(run: Run) -> None:
    async def story() -> None:
        async with pair() as (source, sender), pair() as (sink, reader):
            await handshake(source, sender)
            await handshake(sink, reader)
            sink.partner = source
            reader.pause()
            taken = 0

            def forward(data: bytes) -> None:
                nonlocal taken
                taken += len(data)
                sink.write(data)

            source.on_data = forward
            total = 32 * 1024 * 1024
            sender.write(bytes(total))
            await until(lambda: source.paused)
            held = taken
            for _ in range(1000):
                await asyncio.sleep(0)
            assert taken == held < total / 2
            done = asyncio.ensure_future(collected(reader, total))
            await asyncio.sleep(0)
            reader.resume()
            assert len(await done) == total

    run(story())


def test_tls_records_are_small(run: Run) -> None:
    """libpq's asynchronous calls may leave the rest of a record above 8 kB unread."""

    async def story() -> None:
        async with raw() as (peer, other):
            server, client = contexts()
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            session = client.wrap_bio(incoming, outgoing, server_hostname="localhost")
            loop = asyncio.get_running_loop()
            starting = asyncio.ensure_future(peer.start_tls(server, server_side=True))
            while True:
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await loop.sock_sendall(other, outgoing.read())
                    incoming.write(await loop.sock_recv(other, 65536))
            await loop.sock_sendall(other, outgoing.read())
            await starting
            peer.write(bytes(100_000))
            peer.close()
            stream = b""
            while piece := await loop.sock_recv(other, 65536):
                stream += piece
            sizes = []
            while stream:
                (size,) = struct.unpack("!H", stream[3:5])
                sizes.append(size)
                stream = stream[5 + size :]
            assert sum(sizes) > 100_000
            assert max(sizes) < 8 * 1024 + 256

    run(story())


def test_a_client_hello_that_was_read_already(run: Run) -> None:
    """Direct TLS: the first bytes have been looked at before it is known that they are TLS."""

    async def story() -> None:
        async with pair() as (here, there):
            server, client = contexts()
            connecting = asyncio.ensure_future(there.start_tls(client, server_side=False, server_hostname="localhost"))
            hello = await here.receive()
            assert hello[0] == 0x16
            await here.start_tls(server, server_side=True, already=hello)
            await connecting
            there.write(b"inside")
            assert await here.receive() == b"inside"

    run(story())


def test_plain_bytes_behind_the_request_are_never_taken_for_encrypted_ones(run: Run) -> None:
    async def story() -> None:
        async with raw() as (peer, other):
            await asyncio.get_running_loop().sock_sendall(other, b"Q\0\0\0\x0cDROP x;\0")
            for _ in range(100):
                await asyncio.sleep(0)
            starting = asyncio.ensure_future(peer.start_tls(contexts()[0], server_side=True))
            await asyncio.sleep(0)
            got: list[bytes] = []
            peer.on_data = got.append
            with pytest.raises(ssl.SSLError):
                await starting
            assert got == []

    run(story())


def test_a_certificate_that_is_not_trusted(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, there):
            told = lost(here)
            client = ssl.create_default_context(cafile=str(CERTIFICATES / "stranger.crt"))
            results = await asyncio.gather(
                here.start_tls(contexts()[0], server_side=True),
                there.start_tls(client, server_side=False, server_hostname="localhost"),
                return_exceptions=True,
            )
            assert isinstance(results[1], ssl.SSLCertVerificationError)
            error = await told
            assert isinstance(error, ssl.SSLError)
            assert "unknown ca" in str(error).lower()  # the alert arrived

    run(story())


def test_hanging_up_in_the_handshake(run: Run) -> None:
    async def story() -> None:
        async with raw() as (peer, other):
            starting = asyncio.ensure_future(peer.start_tls(contexts()[0], server_side=True))
            await asyncio.sleep(0)
            other.close()
            with pytest.raises(ConnectionError):
                await starting
            await peer.wait_closed()

    run(story())


def test_a_handshake_given_up_leaves_no_socket(run: Run) -> None:
    async def story() -> None:
        async with raw() as (peer, _):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await peer.start_tls(contexts()[0], server_side=True)
            await peer.wait_closed()

    run(story())


def test_tls_says_goodbye(run: Run) -> None:
    async def story() -> None:
        async with pair() as (here, there):
            await handshake(here, there)
            here.write(b"last words")
            here.close()
            assert await there.receive() == b"last words"
            assert await there.receive() == b""
            await here.wait_closed()

    run(story())
