"""Connecting to real servers: hosts in order, TLS as libpq does it, roles, cancel requests.

The servers of the tests have no TLS, so a small terminator stands before them; libpq, through the same terminator, says what
is right.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvloop

from proxy import upstream as upstreams
from proxy.conninfo import Address, ConninfoError, parse
from proxy.net import Peer
from proxy.roles import Roles
from proxy.tls import client_context
from proxy.upstream import UpstreamUnavailable, cancel, connect
from tests import servers
from tests.servers import Server

CERTIFICATES = Path(__file__).parent.parent / "certificates"
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def run(story: Coroutine[Any, Any, None]) -> None:
    uvloop.run(asyncio.wait_for(story, 60))


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- the smallest client -----------------------------------------------------------------------------------------------


class Client:
    """Speaks just enough of the protocol to log in as postgres (trusted) and to run a statement."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.parameters: dict[str, str] = {}
        self.key = b""
        self._buffer = b""

    async def log_in(self) -> Client:
        body = b"user\0postgres\0database\0postgres\0\0"
        self.peer.write(struct.pack("!ii", len(body) + 8, 3 << 16) + body)
        await self.answer()
        return self

    def send(self, sql: str) -> None:
        body = sql.encode() + b"\0"
        self.peer.write(b"Q" + struct.pack("!i", len(body) + 4) + body)

    async def answer(self) -> list[tuple[str, bytes]]:
        """All messages up to ReadyForQuery, or to the end."""
        messages: list[tuple[str, bytes]] = []
        while not messages or messages[-1][0] != "Z":
            while len(self._buffer) < 5 or len(self._buffer) < 1 + struct.unpack("!i", self._buffer[1:5])[0]:
                data = await self.peer.receive()
                if not data:
                    return messages
                self._buffer += data
            size = 1 + struct.unpack("!i", self._buffer[1:5])[0]
            kind, body, self._buffer = chr(self._buffer[0]), self._buffer[5:size], self._buffer[size:]
            messages.append((kind, body))
            if kind == "S":
                name, value, _ = body.decode().split("\0")
                self.parameters[name] = value
            elif kind == "K":
                self.key = body
        return messages


async def value(peer: Peer, sql: str) -> str:
    """Log in, ask, and hang up."""
    client = await Client(peer).log_in()
    client.send(sql)
    row = next(body for kind, body in await client.answer() if kind == "D")
    peer.close()
    return row[6:].decode()


# -- a TLS terminator before a server ----------------------------------------------------------------------------------


def server_context(certificate: str = "server", *, client_ca: bool = False, alpn: bool = True) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{certificate}.crt", CERTIFICATES / f"{certificate}.key")
    if alpn:
        context.set_alpn_protocols(["postgresql"])
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(CERTIFICATES / "ca.crt")
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3 a client learns of a refusal after its handshake
    return context


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def terminator(
    postgres: Server, context: ssl.SSLContext | None, *, answer: bytes | None = None, direct: bool = False
) -> AsyncIterator[int]:
    """Listens with TLS (or without: context None) and passes all on to a real server; ``answer`` replaces S or N."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            first = await reader.readexactly(8)
            if first == SSL_REQUEST:
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()
                    writer.close()
                    return
                writer.write(b"N" if context is None else b"S")
                if context is not None:
                    await writer.start_tls(context)
                first = await reader.readexactly(8)
            onward_reader, onward = await asyncio.open_connection("127.0.0.1", postgres.port)
            onward.write(first)
            await asyncio.gather(pipe(reader, onward), pipe(onward_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context if direct else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def by_libpq(text: str) -> str:
    """What libpq makes of it: "plain", "tls" or "refused"."""
    try:
        async with await psycopg.AsyncConnection.connect(text) as connection:
            return "tls" if connection.pgconn.ssl_in_use else "plain"
    except psycopg.OperationalError:
        return "refused"


async def by_us(text: str) -> str:
    try:
        peer = await connect(parse(text))
    except UpstreamUnavailable:
        return "refused"
    assert await value(peer, "SELECT 1") == "1"
    return "plain" if peer.tls is None else "tls"


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_tcp(postgres: Server) -> None:
    async def story() -> None:
        peer = await connect(parse(postgres.url()))
        assert peer.address == Address("127.0.0.1", postgres.port, "127.0.0.1")
        assert peer.peername == f"127.0.0.1:{postgres.port}"
        assert await value(peer, "SELECT inet_server_port()") == str(postgres.port)

    run(story())


def test_unix_socket(postgres: Server) -> None:
    async def story() -> None:
        peer = await connect(
            parse(f"host={postgres.socket_folder} port={postgres.port} user=postgres sslmode=verify-full")
        )
        assert peer.tls is None  # as libpq: sslmode is for TCP
        assert await value(peer, "SELECT inet_server_port() IS NULL") == "t"

    run(story())


def test_requirepeer(postgres: Server) -> None:
    async def story() -> None:
        place = f"host={postgres.socket_folder} port={postgres.port} user=postgres"
        owner = pwd.getpwuid(postgres.data.stat().st_uid).pw_name
        (await connect(parse(f"{place} requirepeer={owner}"))).abort()
        with pytest.raises(UpstreamUnavailable, match=f"requirepeer=daemon, but the server runs as {owner}"):
            await connect(parse(f"{place} requirepeer=daemon"))

    run(story())


def test_host_names_and_the_addresses_behind_them(postgres: Server) -> None:
    async def story() -> None:
        peer = await connect(parse(f"postgresql://postgres@localhost:{postgres.port}/postgres"))
        assert peer.address == Address("localhost", postgres.port, "127.0.0.1")
        peer.abort()

    run(story())


def test_the_next_host_is_tried(postgres: Server) -> None:
    async def story() -> None:
        hosts = f"127.0.0.1:{unused_port()},/nonexistent,nowhere.invalid,127.0.0.1:{postgres.port}"
        text = f"host={','.join(h.split(':')[0] for h in hosts.split(','))} port={hosts.split(',')[0].split(':')[1]},1,2,{postgres.port}"
        peer = await connect(parse(text))
        assert peer.address is not None
        assert peer.address.port == postgres.port
        peer.abort()

    run(story())


def test_load_balancing_reaches_every_host(postgres: Server) -> None:
    async def story() -> None:
        async with terminator(postgres, None) as one, terminator(postgres, None) as two:
            chosen = parse(f"host=127.0.0.1,127.0.0.1 port={one},{two} load_balance_hosts=random sslmode=disable")
            seen = set()
            for _ in range(200):
                peer = await connect(chosen)
                assert peer.address is not None
                seen.add(peer.address.port)
                peer.abort()
                if seen == {one, two}:
                    return
            raise AssertionError(f"only {seen} in 200 connections")

    run(story())


def test_all_reasons_are_told() -> None:
    async def story() -> None:
        one, two = unused_port(), unused_port()
        with pytest.raises(UpstreamUnavailable) as caught:
            await connect(parse(f"host=127.0.0.1,127.0.0.1,/nonexistent,nowhere.invalid port={one},{two},3,4"))
        error = caught.value
        assert error.message == f"could not connect to upstream 127.0.0.1:{one}: connection refused (tried 4 addresses)"
        lines = error.detail.splitlines()
        assert lines[:3] == [
            f"127.0.0.1:{one}: connection refused",
            f"127.0.0.1:{two}: connection refused",
            "/nonexistent/.s.PGSQL.3: no such file or directory",
        ]
        assert lines[3].startswith("nowhere.invalid:4: host name could not be resolved: ")
        assert error.sqlstate == "57P03"

    run(story())


def test_one_address_is_named_without_a_count() -> None:
    async def story() -> None:
        port = unused_port()
        with pytest.raises(UpstreamUnavailable) as caught:
            await connect(parse(f"postgresql://127.0.0.1:{port}"))
        assert str(caught.value) == f"could not connect to upstream 127.0.0.1:{port}: connection refused"

    run(story())


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_a_silent_server_costs_only_the_timeout(negotiation: str, postgres: Server) -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            text = (
                f"host=127.0.0.1,127.0.0.1 port={silent.getsockname()[1]},{postgres.port}"
                f" sslmode=require sslnegotiation={negotiation}"
            )
            with pytest.raises(UpstreamUnavailable) as caught:
                await connect(replace(parse(text), connect_timeout_s=0.1))
            assert "timed out after 0.1 s (tried 2 addresses)" in caught.value.message

    run(story())


def test_giving_up_leaves_no_socket() -> None:
    """The client has gone while its upstream connection is being made."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.setblocking(False)
            connecting = asyncio.ensure_future(connect(parse(f"postgresql://127.0.0.1:{silent.getsockname()[1]}")))
            accepted, _ = await loop.sock_accept(silent)
            with accepted:
                accepted.setblocking(False)
                assert await loop.sock_recv(accepted, 100) == SSL_REQUEST
                connecting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await connecting
                with contextlib.suppress(ConnectionResetError):
                    assert await loop.sock_recv(accepted, 100) == b""

    run(story())


@pytest.mark.parametrize(
    ("options", "expected"),
    [("", (1, None, None)), ("keepalives=0", (0, None, None)), ("keepalives_idle=33 keepalives_count=7", (1, 33, 7))],
)
def test_keepalives_are_as_asked(options: str, expected: tuple[int, int | None, int | None], postgres: Server) -> None:
    async def story() -> None:
        peer = await connect(parse(f"{postgres.url()}?{options.replace(' ', '&')}"))
        found = [
            struct.unpack("i", peer.socket_option(level, option, 4))[0]
            for level, option in (
                (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
            )
        ]
        peer.abort()
        assert [f for f, e in zip(found, expected, strict=True) if e is not None] == [
            e for e in expected if e is not None
        ]

    run(story())


# -- TLS: the same as libpq --------------------------------------------------------------------------------------------

CA, STRANGER = CERTIFICATES / "ca.crt", CERTIFICATES / "stranger.crt"
MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
SERVERS: dict[str, Callable[[], ssl.SSLContext | None]] = {
    "no TLS": lambda: None,
    "right certificate": server_context,
    "another name": lambda: server_context("elsewhere"),
}


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("root", ["none", "ca", "stranger"])
def test_sslmode_as_libpq(mode: str, kind: str, root: str) -> None:
    async def story() -> None:
        async with terminator(servers.shared(18), SERVERS[kind]()) as port:
            rootcert = {"none": "", "ca": f"sslrootcert={CA}", "stranger": f"sslrootcert={STRANGER}"}[root]
            text = f"host=localhost port={port} user=postgres dbname=postgres sslmode={mode} {rootcert}"
            ours, theirs = await by_us(text), await by_libpq(text)
            if mode == "prefer" and root != "none" and kind != "no TLS":
                # libpq checks the certificate and, if it does not like it, goes on in plain text.
                assert ours == "tls"
            else:
                assert ours == theirs

    run(story())


def test_verification_is_by_host_and_not_by_hostaddr() -> None:
    async def story() -> None:
        async with terminator(servers.shared(18), server_context()) as port:
            common = f"port={port} user=postgres dbname=postgres sslmode=verify-full sslrootcert={CA}"
            for place, expected in (
                ("host=localhost hostaddr=127.0.0.1", "tls"),
                ("host=127.0.0.1", "tls"),
                ("host=elsewhere.example hostaddr=127.0.0.1", "refused"),
            ):
                assert await by_us(f"{place} {common}") == await by_libpq(f"{place} {common}") == expected

    run(story())


def test_direct_tls() -> None:
    async def story() -> None:
        text = (
            f"host=localhost user=postgres dbname=postgres sslnegotiation=direct sslmode=verify-full sslrootcert={CA}"
        )
        async with terminator(servers.shared(18), server_context(), direct=True) as port:
            assert await by_us(f"{text} port={port}") == await by_libpq(f"{text} port={port}") == "tls"
        async with terminator(servers.shared(18), server_context(alpn=False), direct=True) as port:
            assert await by_libpq(f"{text} port={port}") == "refused"
            with pytest.raises(UpstreamUnavailable, match="ALPN"):
                await connect(parse(f"{text} port={port}"))
        async with terminator(servers.shared(18), None) as port:
            assert await by_us(f"{text} port={port}") == await by_libpq(f"{text} port={port}") == "refused"

    run(story())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "closed the connection at the TLS request"),
        (b"E\0\0\0\x10Mgo away\0", "answered the TLS request with an error"),
        (b"HTTP/1.1 400 Bad Request\r\n", "does not speak the PostgreSQL protocol"),
        (b"S" + b"R\0\0\0\x08\0\0\0\0", "unencrypted data followed"),
        (b"N" + b"R\0\0\0\x08\0\0\0\0", "unencrypted data followed"),
    ],
)
def test_strange_answers_to_the_tls_request(answer: bytes, says: str, postgres: Server) -> None:
    async def story() -> None:
        async with terminator(postgres, None, answer=answer) as port:
            with pytest.raises(UpstreamUnavailable) as caught:
                await connect(parse(f"host=127.0.0.1 port={port} sslmode=require"))
            assert says in caught.value.message
            assert "go away" not in caught.value.detail
            assert await by_us(f"host=127.0.0.1 port={port} sslmode=prefer user=postgres") == "plain"

    run(story())


def test_messages_about_certificates() -> None:
    async def story() -> None:
        postgres = servers.shared(18)
        async with terminator(postgres, server_context("elsewhere")) as port:
            with pytest.raises(UpstreamUnavailable) as caught:
                await connect(parse(f"host=localhost port={port} sslmode=verify-full sslrootcert={CA}"))
            assert "certificate verification failed" in caught.value.message
            assert "Hostname mismatch" in caught.value.message
            with pytest.raises(UpstreamUnavailable, match="sslrootcert: /none: No such file"):
                await connect(parse(f"host=localhost port={port} sslmode=verify-ca sslrootcert=/none"))
            with pytest.raises(UpstreamUnavailable, match="needs a root certificate"):
                await connect(parse(f"host=localhost port={port} sslmode=verify-full"))

    run(story())


def test_client_certificates(tmp_path: Path) -> None:
    key = tmp_path / "client.key"
    shutil.copy(CERTIFICATES / "client.key", key)
    key.chmod(0o600)

    async def story() -> None:
        async with terminator(servers.shared(18), server_context(client_ca=True)) as port:
            text = f"host=localhost port={port} user=postgres dbname=postgres sslmode=require"
            with_key = f"{text} sslcert={CERTIFICATES / 'client.crt'} sslkey={key}"
            assert await by_us(with_key) == await by_libpq(with_key) == "tls"
            assert await by_us(text) == await by_libpq(text) == "refused"
            key.chmod(0o644)
            assert await by_libpq(with_key) == "refused"
            with pytest.raises(UpstreamUnavailable, match="chmod 600"):
                await connect(parse(with_key))

    run(story())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("sslmode=verify-full sslrootcert=/none", "sslrootcert: /none: No such file"),
        (f"sslmode=verify-full sslrootcert={CERTIFICATES / 'server.key'}", "sslrootcert: .*not a usable PEM file"),
        ("sslcert=/none.crt sslkey=/none.key", "sslkey: /none.key: No such file"),
        (f"sslcert={CERTIFICATES / 'client.crt'}", "no sslkey"),
        ("sslmode=verify-full sslsni=0 sslrootcert=" + str(CA), "sslsni"),
        ("sslmode=verify-full", "needs a root certificate"),
    ],
)
def test_tls_settings_can_be_checked_before_the_first_connection(options: str, says: str) -> None:
    with pytest.raises(ConninfoError, match=says):
        client_context(parse(f"host=h {options}").tls)


def test_tls_versions_are_bounded_as_asked() -> None:
    async def story() -> None:
        old = server_context()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        async with terminator(servers.shared(18), old) as port:
            text = f"host=localhost port={port} user=postgres dbname=postgres sslmode=require"
            for version, expected in (("TLSv1.2", "tls"), ("TLSv1.3", "refused")):
                asked = f"{text} ssl_min_protocol_version={version}"
                assert await by_us(asked) == await by_libpq(asked) == expected

    run(story())


# -- cancel ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "tls", "direct", "unix"])
def test_cancel_reaches_the_same_server(kind: str, postgres: Server) -> None:
    async def story() -> None:
        context = None if kind in ("plain", "unix") else server_context()
        async with terminator(postgres, context, direct=kind == "direct") as port:
            text = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
            match kind:
                case "tls":
                    text += " sslmode=prefer"
                case "direct":
                    text += " sslmode=require sslnegotiation=direct"
                case "unix":
                    text = f"host={postgres.socket_folder} port={postgres.port}"
            upstream = parse(text)
            peer = await connect(upstream)
            client = await Client(peer).log_in()
            client.send("SELECT pg_catalog.pg_sleep(60)")
            with postgres.connect() as session:
                (pid,) = struct.unpack("!i", client.key[:4])
                question = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
                while session.execute(question, (pid,)).fetchone() != (1,):  # noqa: ASYNC110 - another process's state
                    await asyncio.sleep(0.01)
            request = struct.pack("!ii", 8 + len(client.key), 80877102) + client.key
            assert await cancel(upstream, peer, request) == ""
            (error,) = [body for message, body in await client.answer() if message == "E"]
            assert b"\0C57014\0" in error
            client.send("SELECT 1")  # the cancel was delivered before cancel() returned, so it hits nothing later
            assert [message for message, _ in await client.answer()] == ["T", "D", "C", "Z"]
            peer.abort()

    run(story())


def test_cancel_when_the_server_is_gone(postgres: Server) -> None:
    async def story() -> None:
        async with terminator(postgres, None) as port:
            upstream = parse(f"host=127.0.0.1 port={port} user=postgres sslmode=disable")
            peer = await connect(upstream)
        reason = await cancel(upstream, peer, b"x" * 16)
        assert reason == f"could not send the cancel request to upstream 127.0.0.1:{port}: connection refused"
        peer.abort()

    run(story())


def test_cancel_is_bounded(monkeypatch: pytest.MonkeyPatch, postgres: Server) -> None:
    monkeypatch.setattr(upstreams, "CANCEL_TIMEOUT_S", 0.1)

    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            upstream = parse(f"host=127.0.0.1 port={silent.getsockname()[1]} sslmode=disable")
            peer = await connect(upstream)
            assert "did not take the cancel request within 0.1 s" in await cancel(upstream, peer, b"x" * 16)
            peer.abort()

    run(story())


# -- target_session_attrs ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[13, 18])
def cluster(request: pytest.FixtureRequest) -> Iterator[dict[str, Server]]:
    """A primary, a primary that is read-only by default, and a hot standby (which follows nobody)."""
    running = {
        "standby": servers.start(request.param, files={"standby.signal": b""}),
        "read-only": servers.start(request.param, settings={"default_transaction_read_only": "on"}),
        "primary": servers.shared(request.param),
    }
    yield running
    running["standby"].stop()
    running["read-only"].stop()


ATTRS = ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"]


@pytest.mark.parametrize(
    "order", [("standby", "read-only", "primary"), ("primary", "read-only", "standby"), ("read-only",)]
)
@pytest.mark.parametrize("wanted", ATTRS)
def test_target_session_attrs_as_libpq(wanted: str, order: tuple[str, ...], cluster: dict[str, Server]) -> None:
    """With a user of our own, the host that libpq would have chosen."""

    async def story() -> None:
        ports = ",".join(str(cluster[name].port) for name in order)
        hosts = ",".join("127.0.0.1" for _ in order)
        text = f"host={hosts} port={ports} user=postgres dbname=postgres target_session_attrs={wanted}"
        try:
            async with await psycopg.AsyncConnection.connect(text) as connection:
                theirs = connection.info.port
        except psycopg.OperationalError:
            theirs = None
        roles = Roles()
        for _ in ("asked", "remembered"):
            if theirs is None:
                with pytest.raises(UpstreamUnavailable) as caught:
                    await connect(parse(text), roles)
                assert caught.value.message.startswith(f"no upstream host is {wanted}")
                assert len(caught.value.detail.splitlines()) == len(order)
            else:
                peer = await connect(parse(text), roles)
                assert peer.address is not None
                assert peer.address.port == theirs
                peer.abort()

    run(story())


def test_a_host_that_is_down_is_not_a_misfit(cluster: dict[str, Server]) -> None:
    async def story() -> None:
        down = unused_port()
        text = (
            f"host=127.0.0.1,127.0.0.1 port={cluster['standby'].port},{down} user=postgres target_session_attrs=primary"
        )
        with pytest.raises(UpstreamUnavailable) as caught:
            await connect(parse(text), Roles())
        message = caught.value.message
        assert message == f"could not connect to upstream 127.0.0.1:{down}: connection refused (tried 2 addresses)"
        assert "is a standby, not primary" in caught.value.detail

    run(story())


def test_without_credentials_roles_are_learned_from_logins(cluster: dict[str, Server]) -> None:
    standby, primary = cluster["standby"], cluster["primary"]
    if primary.version < 14:
        pytest.skip("servers before 14 do not report in_hot_standby")

    async def story() -> None:
        upstream = parse(f"host=127.0.0.1,127.0.0.1 port={standby.port},{primary.port} target_session_attrs=read-write")
        assert not upstream.has_credentials
        roles = Roles()
        chosen = []
        for _ in range(3):
            peer = await connect(upstream, roles)
            client = await Client(peer).log_in()
            assert peer.address is not None
            roles.learn(peer.address, client.parameters)
            chosen.append(peer.address.port)
            peer.abort()
        assert chosen == [standby.port, primary.port, primary.port]
        only = replace(upstream, addresses=upstream.addresses[:1])
        peer = await connect(only, roles)  # what was learned in passing never refuses anybody
        peer.abort()

    run(story())


def test_a_role_is_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("proxy.roles.time.monotonic", lambda: now)
    roles, address = Roles(), Address("h", 5432)
    roles.learn(replace(address, hostaddr="10.0.0.1"), {"in_hot_standby": "on"})
    assert (roles.rank(address, "standby"), roles.rank(address, "primary")) == (0, 2)
    now += 60
    assert roles.known(address) is None
    assert roles.rank(address, "primary") == 1
    roles.learn(address, {"server_version": "13.0"})
    assert roles.known(address) is None
