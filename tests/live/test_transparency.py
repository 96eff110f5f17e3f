"""Drivers and programs through Interlock: everything that is no migration is as without it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pg8000.dbapi
import psycopg
import psycopg2
import psycopg2.extensions
import psycopg2.extras
import pytest

from proxy.wire import messages as m
from tests import proxies, servers
from tests.binaries import client, run_client
from tests.live.conftest import start_guard, through
from tests.live.raw import Raw, error, eventually, kinds
from tests.proxies import Proxy
from tests.servers import Server

CERTIFICATES = Path(__file__).parent.parent / "certificates"
ROWS = 250_000  # of about 90 bytes: more than 20 MB


@pytest.fixture
def url(proxy: Proxy, database: str) -> str:
    return proxy.url(database)


# ---------------------------------------------------------------- psycopg 3


def test_psycopg_pipeline(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a int PRIMARY KEY)")
        with connection.pipeline() as pipeline:
            cursors = [connection.execute("INSERT INTO t VALUES (%s) RETURNING a", (n,)) for n in range(500)]
            pipeline.sync()
            assert [cursor.fetchone() for cursor in cursors] == [(n,) for n in range(500)]
        with pytest.raises(psycopg.errors.UniqueViolation), connection.pipeline():
            connection.execute("INSERT INTO t VALUES (1000)")
            connection.execute("INSERT INTO t VALUES (1)")
            connection.execute("INSERT INTO t VALUES (1001)")
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (500,)


def test_psycopg_cursors_prepared_binary(url: str) -> None:
    with psycopg.connect(url) as connection:
        with connection.cursor("c", binary=True) as cursor:
            cursor.itersize = 7
            cursor.execute("SELECT g, g::text FROM generate_series(1, 100) g")
            assert [row[0] for row in cursor] == list(range(1, 101))
        for n in range(10):
            row = connection.execute("SELECT %s::int, %s::bytea", (n, b"\0\xff"), prepare=True, binary=True).fetchone()
            assert row == (n, b"\0\xff")
        assert connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (1,)


@pytest.mark.parametrize("how", ["text", "binary"])
def test_copy_of_20_megabytes_both_ways(how: str, database: str, url: str) -> None:
    rows = f"SELECT g, md5(g::text) || md5((g + 1)::text) AS a, g::float8 / 7 AS b FROM generate_series(1, {ROWS}) g"
    with psycopg.connect(url, autocommit=True) as connection, psycopg.connect(database, autocommit=True) as direct:
        wanted, got = hashlib.sha256(), hashlib.sha256()
        out = f"COPY ({rows}) TO STDOUT (FORMAT {how})"
        with direct.cursor().copy(out) as copy:
            for block in copy:
                wanted.update(block)
        direct.execute(f"CREATE TABLE t AS {rows} LIMIT 0")
        size = 0
        with (
            psycopg.connect(url, autocommit=True) as reader,
            connection.cursor().copy(f"COPY t FROM STDIN (FORMAT {how})") as into,
            reader.cursor().copy(out) as copy,
        ):
            for block in copy:
                got.update(block)
                size += len(block)
                into.write(block)
        assert size > 20_000_000
        assert got.digest() == wanted.digest()
        assert direct.execute("SELECT count(*), count(DISTINCT a) FROM t").fetchone() == (ROWS, ROWS)


def test_copy_that_fails(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a int)")
        with (
            pytest.raises(psycopg.errors.InvalidTextRepresentation),
            connection.cursor().copy("COPY t FROM STDIN") as copy,
        ):
            copy.write("1\nx\n")
        with pytest.raises(ZeroDivisionError), connection.cursor().copy("COPY t FROM STDIN") as copy:
            copy.write("1\n")
            raise ZeroDivisionError
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_psycopg_two_phase(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE t (a int)")
        connection.commit()
        xid = connection.xid(1, os.urandom(4).hex(), "b")
        connection.tpc_begin(xid)
        connection.execute("INSERT INTO t VALUES (1)")
        connection.tpc_prepare()
        connection.tpc_commit()
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)


# ---------------------------------------------------------------- psycopg 2


def test_psycopg2(url: str) -> None:
    with contextlib.closing(psycopg2.connect(url)) as connection:
        cursor = connection.cursor("c")
        cursor.itersize = 7
        cursor.execute("SELECT generate_series(1, 100)")
        assert [n for (n,) in cursor] == list(range(1, 101))
        large = connection.lobject(0, "wb")  # by FunctionCall
        large.write(b"\0x" * 50_000)
        large.seek(99_998)
        large.close()
        assert connection.lobject(large.oid, "rb").read() == b"\0x" * 50_000
        connection.lobject(large.oid, "rb").unlink()
        plain = connection.cursor()
        plain.execute("CREATE TABLE t (a int)")
        plain.copy_expert("COPY t FROM STDIN", io.StringIO("1\n2\n"))
        out = io.StringIO()
        plain.copy_expert("COPY t TO STDOUT", out)
        assert out.getvalue() == "1\n2\n"
        plain.execute("LISTEN here")
        plain.execute("DO $$ BEGIN RAISE NOTICE 'hear'; END $$; NOTIFY here, 'me'")
        connection.commit()
        plain.execute("SELECT 1")
        assert [(n.channel, n.payload, n.pid) for n in connection.notifies] == [
            ("here", "me", connection.info.backend_pid)
        ]
        assert connection.notices == ["NOTICE:  hear\n"]


# ---------------------------------------------------------------- asyncpg, pg8000


def test_asyncpg(url: str) -> None:
    async def story() -> None:
        connection = await asyncpg.connect(url)
        other = await asyncpg.connect(url)
        heard: asyncio.Queue[tuple[int, str, str]] = asyncio.Queue()

        def listener(_: object, pid: int, channel: str, payload: object) -> None:
            heard.put_nowait((pid, channel, str(payload)))

        await connection.execute("CREATE TABLE t (a int, b text); CREATE TABLE u (a int)")
        await connection.add_listener("here", listener)
        await connection.executemany("INSERT INTO t VALUES ($1, $2)", [(n, str(n)) for n in range(1000)])
        statement = await connection.prepare("SELECT a FROM t WHERE a < $1 ORDER BY a")
        assert len(await statement.fetch(10)) == 10
        async with connection.transaction():
            assert [r["a"] async for r in connection.cursor("SELECT a FROM t ORDER BY a", prefetch=9)] == list(
                range(1000)
            )
        await connection.copy_records_to_table("t", records=[(n, None) for n in range(1000)])
        out = io.BytesIO()
        await connection.copy_from_query("SELECT count(*) FROM t", output=out)
        assert out.getvalue() == b"2000\n"
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.fetchval("SELECT 1 / $1::int", 0)
        await other.execute("NOTIFY here, 'me'")
        pid = other.get_server_pid()
        assert await asyncio.wait_for(heard.get(), 10) == (pid, "here", "me")
        with pytest.raises(asyncio.TimeoutError):  # a cancel request of its own
            await connection.fetch("SELECT pg_sleep(60)", timeout=0.2)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        await other.close()

    asyncio.run(asyncio.wait_for(story(), 60))


def test_pg8000(proxy: Proxy, database: str) -> None:
    name = database.rpartition("/")[2]
    with contextlib.closing(pg8000.dbapi.connect("postgres", proxy.host, name, proxy.port)) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE t (a int, b bytea)")
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(n, bytes([n])) for n in range(50)])
        cursor.execute("COPY t TO STDOUT", stream=(out := io.BytesIO()))
        assert out.getvalue().count(b"\n") == 50
        cursor.execute("COPY t FROM STDIN", stream=io.BytesIO(out.getvalue()))
        with pytest.raises(pg8000.dbapi.DatabaseError):
            cursor.execute("SELECT 1/0")
        connection.rollback()


# ---------------------------------------------------------------- cancel requests


def cancelled_with(connection: Any, cancel: Callable[[], object], running: Callable[[], object]) -> None:
    timer = threading.Thread(target=lambda: (running(), cancel()))
    timer.start()
    with pytest.raises((psycopg.errors.QueryCanceled, psycopg2.extensions.QueryCanceledError)):
        connection.cursor().execute("SELECT pg_sleep(60)")
    timer.join()


def test_cancel_requests_of_old_and_new_protocol(postgres: Server, database: str, url: str) -> None:
    def running() -> None:
        eventually("it sleeps", lambda: any("active SELECT pg_sleep" in line for line in postgres.sessions(database)))

    for parameters in ({}, {"max_protocol_version": "latest"}):
        with psycopg.connect(url, autocommit=True, **parameters) as connection:  # type: ignore[arg-type]
            cancelled_with(connection, connection.cancel_safe, running)
            cancelled_with(connection, connection.cancel, running)  # PQcancel
            assert connection.execute("SELECT 1").fetchone() == (1,)
    with contextlib.closing(psycopg2.connect(url)) as old:
        cancelled_with(old, old.cancel, running)


def test_a_long_key_of_protocol_3_2(postgres: Server, database: str, url: str) -> None:
    with Raw(url, version=(3, 2)) as raw, Raw(database, version=(3, 2)) as direct:
        assert len(raw.key[1]) == len(direct.key[1]) == (32 if postgres.version >= 18 else 4)


def test_the_cancel_of_a_stranger_does_nothing(url: str) -> None:
    with Raw(url) as raw, Raw(url, login=False) as stranger:
        raw.send(m.query(b"SELECT pg_sleep(0.5)"))
        stranger.send(m.cancel_request(raw.key[0], b"\0\0\0\0"))
        assert stranger.rest() == []
        assert kinds(raw.until("Z")) == "TDCZ"


def test_cancel_of_a_running_plan(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> None:
    proxy = start_guard(start_proxy, tmp_path)
    with psycopg.connect(orders) as old, psycopg.connect(through(proxy, orders), autocommit=True) as connection:
        old.execute("INSERT INTO orders (id) VALUES (0)")

        def stop() -> None:
            eventually(
                "it is built", lambda: any("CREATE INDEX CONCURRENTLY" in s for s in proxy.upstream.sessions(orders))
            )
            connection.cancel_safe()
            eventually("it is dropped", lambda: any("DROP INDEX" in s for s in proxy.upstream.sessions(orders)))
            old.rollback()

        thread = threading.Thread(target=stop)
        thread.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("CREATE INDEX i ON orders (email)")
        thread.join()
        assert connection.execute("SELECT to_regclass('i')").fetchone() == (None,)


# ---------------------------------------------------------------- the opening


@pytest.mark.parametrize(
    ("version", "options"),
    [((3, 0), {}), ((3, 0), {"_pq_.nothing": "x"}), ((3, 2), {}), ((3, 9999), {"_pq_.test_protocol_negotiation": ""})],
)
def test_protocol_negotiation(version: tuple[int, int], options: dict[str, Any], database: str, url: str) -> None:
    with Raw(database, version=version, **options) as direct, Raw(url, version=version, **options) as raw:
        assert [(k, b) for k, b in raw.greeting if k != "K"] == [(k, b) for k, b in direct.greeting if k != "K"]


def test_startup_options(url: str) -> None:
    options = "-c search_path=elsewhere -c statement_timeout=12345 -c interlock.allow=x:y"
    with psycopg.connect(url, options=options, application_name="an app") as connection:
        for name, value in (
            ("search_path", "elsewhere"),
            ("statement_timeout", "12345ms"),
            ("application_name", "an app"),
        ):
            assert connection.execute(f"SHOW {name}").fetchone() == (value,)


def test_refusals_are_the_servers_own(database: str, url: str) -> None:
    def refusal(address: str, **parameters: str) -> list[tuple[str, bytes]]:
        with Raw(address, login=False) as raw:
            raw.send(m.startup(parameters))
            return raw.rest()

    for parameters in (
        {"user": "nobody"},
        {"user": "postgres", "database": "nowhere"},
        {"user": "postgres", "nonsense": "1"},
        {"database": "x"},
    ):
        assert refusal(url, **parameters) == refusal(database, **parameters)


def test_encryption_that_is_not_there_is_answered_honestly(url: str) -> None:
    gss = struct.pack(">II", 8, 80877104)
    with Raw(url, login=False) as raw:
        for packet in (gss, m.ssl_request()):
            raw.send(packet)
            assert raw.socket.recv(1) == b"N"
        raw.send(m.startup({"user": "postgres", "database": url.rpartition("/")[2]}))
        assert raw.until("Z")[-1] == ("Z", b"I")
    with psycopg.connect(url, sslmode="prefer", gssencmode="disable") as connection:
        assert not connection.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match="does not support SSL"):
        psycopg.connect(url, sslmode="require")


@pytest.fixture(scope="module")
def secured() -> Iterator[Callable[[int], Server]]:
    """Servers that ask for passwords: by database name for plain, md5 and scram."""
    made: dict[int, Server] = {}
    hba = "".join(
        f"host {name} {name} 127.0.0.1/32 {name if name != 'scram' else 'scram-sha-256'}\n"
        for name in ("password", "md5", "scram")
    )

    def get(version: int) -> Server:
        if version not in made:
            made[version] = server = servers.start(version, hba=hba, databases=("password", "md5", "scram"))
            with server.connect() as session:
                for name, encryption in (("password", "scram-sha-256"), ("md5", "md5"), ("scram", "scram-sha-256")):
                    session.execute(f"SET password_encryption = '{encryption}'")
                    session.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
        return made[version]

    yield get
    for server in made.values():
        server.stop()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_passwords_pass_through(tls: bool, postgres: Server, secured: Callable[[int], Server], tmp_path: Path) -> None:
    server = secured(postgres.version)
    flags = (
        ("--tls-cert", str(CERTIFICATES / "server.crt"), "--tls-key", str(CERTIFICATES / "server.key")) if tls else ()
    )
    proxy = proxies.start(server, tmp_path, *flags)
    try:
        for name in ("password", "md5", "scram"):
            own = {"user": name, "dbname": name, "port": proxy.port, "sslmode": "require" if tls else "disable"}
            with psycopg.connect(proxy.url(name), **{**own, "password": "secret"}) as connection:  # type: ignore[arg-type]
                assert connection.execute("SELECT current_user").fetchone() == (name,)
            with pytest.raises(psycopg.OperationalError, match=f'password authentication failed for user "{name}"'):
                psycopg.connect(proxy.url(name), **{**own, "password": "wrong"})  # type: ignore[arg-type]
        assert "Traceback" not in proxy.stderr_text()
        assert "secret" not in proxy.stderr_text() + proxy.audit.read_text()
    finally:
        proxy.stop()


def test_tls_from_the_client(database: str, start_proxy: Callable[..., Proxy]) -> None:
    proxy = start_proxy("--tls-cert", str(CERTIFICATES / "server.crt"), "--tls-key", str(CERTIFICATES / "server.key"))
    name = database.rpartition("/")[2]
    root = CERTIFICATES / "ca.crt"
    for how in ("sslmode=require", f"sslmode=verify-full&sslrootcert={root}", "sslmode=require&sslnegotiation=direct"):
        url = f"{proxy.url(name)}?{how}"
        with psycopg.connect(url, autocommit=True) as connection:
            assert connection.pgconn.ssl_in_use
            rows = connection.execute("SELECT repeat('x', 1000) FROM generate_series(1, 5000)").fetchall()
            assert len(rows) == 5000
            cursor = connection.execute("CREATE TEMP TABLE t (a text)")
            with cursor.copy("COPY t FROM STDIN") as copy:
                for _ in range(2000):
                    copy.write("y" * 1000 + "\n")
            assert connection.execute("SELECT sum(length(a)) FROM t").fetchone() == (2_000_000,)
            cancelled_with(connection, connection.cancel_safe, lambda: eventually("it sleeps", lambda: any(
                "active SELECT pg_sleep" in line for line in proxy.upstream.sessions(database))))  # fmt: skip
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(f"{proxy.url(name)}?sslmode=verify-full&sslrootcert={CERTIFICATES / 'stranger.crt'}")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"{proxy.url(name)}?sslmode=disable", options="-c nonsense=1")


def test_direct_tls_without_alpn_is_refused(start_proxy: Callable[..., Proxy]) -> None:
    import ssl

    proxy = start_proxy("--tls-cert", str(CERTIFICATES / "server.crt"), "--tls-key", str(CERTIFICATES / "server.key"))
    context = ssl.create_default_context(cafile=str(CERTIFICATES / "ca.crt"))
    with (
        socket.create_connection((proxy.host, proxy.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(m.startup({"user": "postgres"}))
        said = tls.recv(1000)
        assert b"without ALPN" in said, said


def test_a_unix_socket(database: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> None:
    proxy = start_proxy("--listen", "127.0.0.1:0", "--listen", f"{tmp_path}:7000")
    name = database.rpartition("/")[2]
    with psycopg.connect(host=str(tmp_path), port=7000, user="postgres", dbname=name) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        connection.cancel_safe()
    assert proxy.stop() == 0
    assert not list(tmp_path.glob(".s.PGSQL.*"))


def test_too_many_clients(database: str, start_proxy: Callable[..., Proxy]) -> None:
    proxy = start_proxy("--max-clients", "1")
    with psycopg.connect(proxy.url(database)), Raw(proxy.url(), login=False) as second:
        second.send(m.startup({"user": "postgres"}))
        assert error(second.rest())["C"] == "53300"


# ---------------------------------------------------------------- replication


def test_a_walsender_for_a_database(orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> None:
    """It takes its own commands, SQL, and no migration: there nothing can be asked and nothing rewritten."""
    proxy = start_guard(start_proxy, tmp_path)
    with Raw(through(proxy, orders), replication="database") as raw:
        assert kinds(raw.query("IDENTIFY_SYSTEM")) == "TDCZ"
        assert raw.rows("SELECT 1") == [[b"1"]]
        assert kinds(raw.query("CREATE TABLE n (a int)")) == "CZ"
        fields = error(raw.query("CREATE INDEX i ON orders (email)"))
        assert fields["C"] == "IL001"
        assert kinds(raw.query("BEGIN; SELECT 1")) == "CTDCZ"
        assert error(raw.query("CREATE INDEX i ON orders (email)"))["C"] == "IL001"
        assert raw.query("SELECT 1")[-1] == ("Z", b"E")
        assert kinds(raw.query("ROLLBACK")) == "CZ"
    with psycopg.connect(orders) as connection:
        assert connection.execute("SELECT to_regclass('i')").fetchone() == (None,)


@pytest.mark.parametrize("pairs", [("database", "true"), ("true", "database"), ("database", "off")])
def test_who_says_replication_twice_is_read_as_the_server_does(
    pairs: tuple[str, str], orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    proxy = start_guard(start_proxy, tmp_path)
    name = orders.rpartition("/")[2]
    words = ["user", "postgres", "database", name, *(word for value in pairs for word in ("replication", value))]
    body = struct.pack(">I", 196608) + b"".join(word.encode() + b"\0" for word in words) + b"\0"
    with Raw(through(proxy, orders), login=False) as raw:
        raw.send(struct.pack(">I", len(body) + 4) + body)
        raw.until("Z")
        raw.query("CREATE INDEX i ON orders (email)")
    assert "CREATE INDEX i ON orders (email)" not in proxy.upstream.statements(orders)


def test_logical_replication(database: str, url: str) -> None:
    slot = f"s{os.getpid()}_{os.urandom(3).hex()}"
    with psycopg.connect(database, autocommit=True) as direct:
        direct.execute("CREATE TABLE t (a int)")
        connect = psycopg2.connect(url, connection_factory=psycopg2.extras.LogicalReplicationConnection)
        with contextlib.closing(connect) as connection:
            cursor = connection.cursor()
            cursor.create_replication_slot(slot, output_plugin="pgoutput")
            direct.execute("CREATE PUBLICATION p FOR TABLE t")
            direct.execute("INSERT INTO t SELECT generate_series(1, 2000)")
            cursor.start_replication(slot_name=slot, options={"proto_version": "1", "publication_names": "p"})
            inserts = 0
            while inserts < 2000:
                if (message := cursor.read_message()) is None:
                    cursor.fileno()
                    continue
                inserts += message.payload[:1] == b"I"
                cursor.send_feedback(flush_lsn=message.data_start)
        eventually(
            "the slot is free",
            lambda: (
                direct.execute("SELECT active FROM pg_replication_slots WHERE slot_name = %s", (slot,)).fetchone()
                == (False,)
            ),
        )
        direct.execute("SELECT pg_drop_replication_slot(%s)", (slot,))


def test_base_backup(postgres: Server, proxy: Proxy, tmp_path: Path) -> None:
    """A whole cluster through Interlock, over two connections at once: the files, and the WAL written meanwhile."""
    if postgres.version != 18:
        pytest.skip("pg_basebackup of 18 checks for what later servers have")
    target = tmp_path / "backup"
    command = [
        str(client("pg_basebackup")),
        "-h",
        proxy.host,
        "-p",
        str(proxy.port),
        "-U",
        "postgres",
        "-D",
        str(target),
        "-X",
        "stream",
        "-c",
        "fast",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    assert subprocess.run([client("pg_verifybackup"), str(target)], capture_output=True, timeout=60).returncode == 0


# ---------------------------------------------------------------- programs


def test_dump_and_restore(postgres: Server, orders: str, proxy: Proxy, tmp_path: Path) -> None:
    """A restore makes its tables first, and they are new or empty: nothing is in its way."""
    archive = tmp_path / "dump"
    run_client("pg_dump", "-Fd", "-j2", "-f", str(archive), url=proxy.url(orders))
    target = postgres.create_database()
    try:
        # What sets transaction_timeout first tells an older server of an error, directly as well.
        run_client("pg_restore", "-j2", str(archive), url=proxy.url(target), check=postgres.version >= 17)
        assert postgres.dump(target) == postgres.dump(orders)
        with postgres.connect(target) as connection:
            assert connection.execute("SELECT count(*) FROM orders").fetchone() == (5000,)
    finally:
        postgres.drop_database(target)


def test_psql(url: str, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    file.write_text("".join(f"{n}\n" for n in range(1000)))
    script = f"CREATE TABLE t (a int);\n\\copy t from '{file}'\n\\copy t to '{file}.out'\nSELECT sum(a) FROM t \\gdesc\nSELECT sum(a) FROM t;\n"
    done = run_client("psql", "-At", "-v", "ON_ERROR_STOP=1", url=url, text=script)
    assert done.stdout.splitlines() == ["CREATE TABLE", "COPY 1000", "COPY 1000", "sum|bigint", "499500"]
    assert Path(f"{file}.out").read_text() == file.read_text()


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench(mode: str, url: str) -> None:
    run_client("pgbench", "-i", "-q", url=url)
    done = run_client("pgbench", "-M", mode, "-c", "4", "-t", "100", url=url)
    assert "400/400" in done.stdout
