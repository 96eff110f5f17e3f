"""What is fuzzed: each takes any bytes, and raises if the code under it did what it must never do.

Allowed are the errors that say the peer broke the protocol, and the outcome ``Unreadable``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from proxy.audit.redact import redact
from proxy.sql.read import read
from proxy.sql.statements import Statement
from proxy.wire import messages as m
from proxy.wire.errors import ClientProtocolError, ServerProtocolError
from proxy.wire.relay import Relay
from proxy.wire.startup import read_startup

LOGIN = m.authentication(0) + m.parameter_status("server_version", "18.0") + m.ready_for_query(b"I")
MOST = 1 << 16  # of a statement, so that bounds are met


def startup(data: bytes) -> None:
    """Opening packets: refused, incomplete, or taken up to an end inside what came."""
    with contextlib.suppress(ClientProtocolError):
        found = read_startup(data)
        assert found is None or 0 <= found[1] <= len(data)


def client(data: bytes) -> None:
    """Messages of a client's in any pieces: the same bytes go on, in order, none made up, none lost."""
    whole, parts = _client(data, len(data) or 1), _client(data, (data[0] % 7 + 1) if data else 1)
    assert whole == parts, "what goes on depends on how it comes"
    assert data.startswith(whole[0]), "other bytes went on than came"


def _client(data: bytes, size: int) -> tuple[bytes, bool]:
    relay = Relay(lambda kind, body: False, max_statement_bytes=MOST)
    relay.from_server(LOGIN)
    out = b""
    try:
        for at in range(0, len(data), size):
            out += relay.from_client(data[at : at + size])
    except ClientProtocolError:
        return b"", False  # how far it came before depends on the pieces
    assert relay.buffered <= max(MOST + 5, len(data))
    return (out, True) if len(out) + relay.buffered >= len(data) else (out, False)


def held(data: bytes) -> None:
    """A client's messages of which some are held and dropped: nothing is raised but a breach of the protocol."""
    relay = Relay(lambda kind, body: b"a" in body, max_statement_bytes=MOST)
    relay.from_server(LOGIN)
    with contextlib.suppress(ClientProtocolError, ServerProtocolError):
        for at in range(0, len(data), 5):
            relay.from_client(data[at : at + 5])
            if relay.held is not None:
                relay.drop_held()
                relay.from_server(m.ready_for_query(b"I"))


def server(data: bytes) -> None:
    """Messages of a server's in any pieces: what goes on is what came, in order."""
    whole, parts = _server(data, len(data) or 1), _server(data, (data[0] % 7 + 1) if data else 1)
    assert whole is None or parts is None or whole == parts
    assert (whole is None) == (parts is None), "what is refused depends on how it comes"


def _server(data: bytes, size: int) -> bytes | None:
    relay = Relay(lambda kind, body: False, max_statement_bytes=MOST)
    out = relay.from_server(LOGIN)
    relay.from_client(m.query(b"SELECT 1"))
    try:
        for at in range(0, len(data), size):
            out += relay.from_server(data[at : at + size])
    except (ServerProtocolError, ClientProtocolError):
        return None
    assert (LOGIN + data).startswith(out), "other bytes went on than came"
    return out


def sql(data: bytes) -> None:
    """Any text is read, if only as unreadable, and every statement is where it says; secrets are looked for in it."""
    text = data.decode("utf-8", "surrogateescape")
    for standard in (True, False):
        at = 0
        statements: tuple[Statement, ...] = tuple(read(text, standard_conforming_strings=standard))
        for statement in statements:
            assert at <= statement.span.start <= statement.span.end <= len(text)
            at = statement.span.end
        redact(text, literals=bool(data and data[0] & 1), standard_conforming_strings=standard)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "startup": startup,
    "client": client,
    "held": held,
    "server": server,
    "sql": sql,
}
