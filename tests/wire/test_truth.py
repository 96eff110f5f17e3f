"""The relay's state against a real server: whatever a client sends, it is the truth once the server has answered."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.wire import messages as m
from proxy.wire.relay import Relay

SCHEMA = """
CREATE TABLE plain (a int);
CREATE TABLE parent (a int PRIMARY KEY);
CREATE TABLE child (a int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE closed (a int);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'closed'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON closed EXECUTE FUNCTION refuse();
"""
COPIES = [b"COPY plain FROM STDIN", b"COPY nowhere FROM STDIN"]
STATEMENTS = [
    b"SELECT 1",
    b"SELECT 1/0",
    b"SELEC",
    b"",
    b"BEGIN",
    b"COMMIT",
    b"COMMIT AND CHAIN",
    b"ROLLBACK",
    b"SELECT generate_series(1, 3)",
    b"INSERT INTO child VALUES (1)",
    b"COPY parent TO STDOUT",
    b"SET TimeZone = 'Asia/Tokyo'",
    b"SELECT lo_creat(-1)",
]


class Direct:
    """A raw connection to a server, with a relay beside it that sees all bytes and holds none."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.relay = Relay(lambda kind, body: False)
        self.socket = socket.create_connection((parts.hostname, parts.port or 5432), timeout=5)
        self.socket.sendall(m.startup({"user": parts.username or "postgres", "database": parts.path[1:]}))
        self.said = b""
        while not self.relay.status:
            self.read()

    def send(self, data: bytes) -> None:
        self.socket.sendall(self.relay.from_client(data))

    def read(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"the server closed the connection after {self.said[-300:]!r}"
        self.said += self.relay.from_server(data)

    def read_ready_to_read(self) -> None:
        while select.select([self.socket], [], [], 0)[0]:
            self.read()

    def read_to_the_end(self) -> None:
        """End any copy, any skipping, and ask a question whose answer is the last thing that the server says.

        Flush does not do for it: the server answers one only when there is something to answer.
        """
        self.said = b""
        self.send(m.copy_fail(b"over") + m.sync() + m.query(b"ROLLBACK") + m.query(b"SELECT 'over and out'"))
        while b"over and out" not in self.said or not self.said.endswith(m.ready_for_query(self.relay.status)):
            self.read()

    def close(self) -> None:
        self.socket.close()


@pytest.fixture(scope="module")
def prepared(postgres: object) -> Iterator[str]:
    name = postgres.create_database()  # type: ignore[attr-defined]
    url = str(postgres.url(name))  # type: ignore[attr-defined]
    with psycopg.connect(url) as connection:
        connection.execute(SCHEMA)
    yield url
    postgres.drop_database(name)  # type: ignore[attr-defined]


def _extended(sql: bytes) -> st.SearchStrategy[bytes]:
    ends = st.sampled_from([b"", m.sync(), m.sync(), m.flush(), m.sync() + m.sync()])
    limit = st.sampled_from([0, 0, 1])
    told = st.sampled_from([b"", m.describe(b"P", b"")])

    def build(limit: int, told: bytes, closes: bool, end: bytes) -> bytes:
        close = m.close(b"P", b"") if closes else b""
        return m.parse(b"", sql) + m.bind(b"", b"") + told + m.execute(b"", limit) + close + end

    return st.builds(build, limit, told, st.booleans(), ends)


def _copy(sql: bytes) -> st.SearchStrategy[bytes]:
    """With what may be sent before its CopyInResponse is seen; anything else ends the connection."""
    asked = st.sampled_from([m.query(sql), m.parse(b"", sql) + m.bind(b"", b"") + m.execute(b"")])
    before = st.lists(st.sampled_from([m.sync(), m.flush()]), max_size=2).map(b"".join)
    lines = st.lists(st.sampled_from([b"d\0\0\0\0061\n", b"d\0\0\0\6x\n", m.flush()]), max_size=3).map(b"".join)
    ends = st.sampled_from([b"c\0\0\0\4", m.copy_fail(b"no"), b"c\0\0\0\4" + m.copy_fail(b"stray")])
    after = st.sampled_from([b"", m.sync()])
    return st.tuples(asked, before, lines, ends, after).map(b"".join)


requests = st.one_of(
    st.sampled_from(STATEMENTS).flatmap(_extended),
    st.sampled_from(COPIES).flatmap(_copy),
    st.sampled_from(STATEMENTS).map(m.query),
    st.just(m.query(b"SELECT 1; COPY parent TO STDOUT; SELECT 2")),
    st.just(m.query(b"BEGIN; SELECT 1; COMMIT; SELECT 1/0")),
    st.sampled_from([m.sync(), m.flush(), m.copy_fail(b"stray"), m.bind(b"", b"no such"), m.close(b"S", b"no such")]),
    st.just(b"F" + (14).to_bytes(4, "big") + (2098).to_bytes(4, "big") + b"\0\0\0\0\0\0"),  # pg_get_userbyid, badly
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(script=st.lists(st.tuples(requests, st.booleans()), max_size=8))
def test_when_the_server_has_answered_nothing_is_owed(prepared: str, script: list[tuple[bytes, bool]]) -> None:
    direct = Direct(prepared)
    try:
        for data, looks in script:
            direct.send(data)
            if b"COPY plain FROM" in data:
                direct.read_to_the_end()  # as clients do; what is sent behind a failed copy is refused
            elif looks:
                direct.read_ready_to_read()
        direct.read_to_the_end()
        relay = direct.relay
        assert (relay.owed, relay.unexpected, relay.skipping, relay.copying) == ((), 0, False, "")
        assert relay.quiet
        assert not relay.pipeline_open
    finally:
        direct.close()


@pytest.mark.parametrize("sync_was_read", [False, True])
def test_a_copy_that_fails_with_its_sync_sent(prepared: str, sync_was_read: bool) -> None:
    """A trigger fails it before the Sync is read, and the Sync is answered; bad data fails it after, and it is not."""
    direct = Direct(prepared)
    try:
        table, data = (b"plain", b"d\0\0\0\6x\n") if sync_was_read else (b"closed", b"")
        direct.send(m.parse(b"", b"COPY " + table + b" FROM STDIN") + m.bind(b"", b"") + m.execute(b"") + m.sync())
        while direct.relay.copying != "in" and not direct.relay.unsure and direct.relay.owed:
            direct.read()
        if sync_was_read:
            direct.send(data)
            while not direct.relay.skipping:
                direct.read()
            assert direct.relay.unsure
            direct.send(m.sync())
        while direct.relay.owed or direct.relay.skipping or direct.relay.copying:
            direct.read()
        assert direct.said.count(b"Z\0\0\0\5I") == 2  # the login's and this one
        assert direct.relay.unexpected == 0
        direct.read_to_the_end()
        assert (direct.relay.owed, direct.relay.unexpected) == ((), 0)
    finally:
        direct.close()
