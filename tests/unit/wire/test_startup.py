"""The packets that open a connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import messages as m
from proxy.wire.errors import ClientProtocolError
from proxy.wire.startup import CancelRequest, DirectTLS, GSSENCRequest, SSLRequest, Startup, read_startup

GSSENC = b"\0\0\0\x08" + (80877104).to_bytes(4, "big")


def started(**parameters: str) -> Startup:
    packet, _ = read_startup(m.startup(parameters)) or (None, 0)
    assert isinstance(packet, Startup)
    return packet


def test_requests_without_parameters() -> None:
    assert read_startup(m.ssl_request()) == (SSLRequest(), 8)
    assert read_startup(GSSENC) == (GSSENCRequest(), 8)
    assert read_startup(m.ssl_request() + b"stuffed", first=False) == (SSLRequest(), 8)


def test_direct_tls_only_as_the_first_byte() -> None:
    assert read_startup(b"\x16\x03\x01") == (DirectTLS(), 0)
    with pytest.raises(ClientProtocolError):
        read_startup(b"\x16\x03\x01\x02", first=False)


def test_startup_keeps_order_unknown_options_and_bytes() -> None:
    parameters = {"user": "ann", "_pq_.test_protocol_negotiation": "", "options": "-c a=b", "search_path": "ü"}
    raw = m.startup(parameters, version=(3, 9999))
    assert read_startup(raw + b"more") == (Startup((3, 9999), parameters, raw), len(raw))
    packet = started(**parameters)
    assert list(packet.parameters) == list(parameters)
    assert m.startup(packet.parameters) == m.startup(parameters)


@pytest.mark.parametrize(
    ("parameters", "database"),
    [
        ({"user": "ann"}, "ann"),
        ({"user": "ann", "database": ""}, "ann"),
        ({"user": "a", "database": "b"}, "b"),
        ({}, ""),
    ],
)
def test_the_database_is_the_user_by_default(parameters: dict[str, str], database: str) -> None:
    assert started(**parameters).database == database


@pytest.mark.parametrize(
    ("value", "replication"),
    [
        *((yes, "true") for yes in ("true", "TRUE", "t", "tru", "yes", "y", "on", "ON", "1")),
        *((no, "") for no in ("false", "f", "no", "off", "0", "", "o", "11", "truee", "DATABASE", "maybe")),
        ("database", "database"),
    ],
)
def test_replication_reads_as_the_server_reads_it(value: str, replication: str) -> None:
    assert started(user="ann", replication=value).replication == replication


@pytest.mark.parametrize("length", [4, 32, 256])
def test_cancel_keys_of_both_protocols(length: int) -> None:
    raw = m.cancel_request(4711, b"k" * length)
    assert read_startup(raw) == (CancelRequest(4711, b"k" * length, raw), len(raw))


@pytest.mark.parametrize(
    ("data", "message", "sqlstate"),
    [
        (b"\0\0\0\7", "invalid length of startup packet", "08P01"),
        (b"\0\0\x27\x15", "invalid length of startup packet", "08P01"),
        (b"GET / HTTP/1.1\r\n", "invalid length of startup packet", "08P01"),
        (b"\0\0\0\x09" + m.ssl_request()[4:] + b"x", "invalid length of startup packet", "08P01"),
        (m.cancel_request(1, b"abc"), "invalid length of query cancel packet", "08P01"),
        (m.cancel_request(1, b"k" * 257), "invalid length of query cancel packet", "08P01"),
        (b"\0\0\0\x0c\0\2\0\0user", "unsupported frontend protocol 2.0: server supports 3.0 to 3.2", "0A000"),
        (m.startup({}, (4, 1)), "unsupported frontend protocol 4.1: server supports 3.0 to 3.2", "0A000"),
        (b"\0\0\0\x0d\0\3\0\0user\0", "invalid startup packet layout: expected terminator as last byte", "08P01"),
        (b"\0\0\0\x0c\0\3\0\0user", "invalid startup packet layout: expected terminator as last byte", "08P01"),
        (b"\0\0\0\x0a\0\3\0\0\0\0", "invalid startup packet layout: expected terminator as last byte", "08P01"),
        (b"\0\0\0\x08\0\3\0\0", "invalid startup packet layout: expected terminator as last byte", "08P01"),
    ],
)
def test_what_the_server_refuses_is_refused_in_its_words(data: bytes, message: str, sqlstate: str) -> None:
    with pytest.raises(ClientProtocolError) as refused:
        read_startup(data)
    assert (refused.value.message, refused.value.sqlstate) == (message, sqlstate)


def test_a_client_of_protocol_2_is_answered_in_protocol_2() -> None:
    with pytest.raises(ClientProtocolError) as refused:
        read_startup(b"\0\0\0\x0c\0\2\0\0user")
    assert refused.value.protocol == 2
    assert m.error_response_v2("FATAL", refused.value.message).startswith(b"EFATAL:  unsupported")


@pytest.mark.parametrize(
    "raw", [m.ssl_request(), m.cancel_request(1, b"abcd"), m.startup({"user": "ann", "database": "b"})]
)
def test_a_part_of_a_packet_wants_more(raw: bytes) -> None:
    for end in range(len(raw)):
        assert read_startup(raw[:end]) is None
    assert read_startup(raw) is not None


@given(st.binary(max_size=200), st.booleans())
def test_garbage_is_refused_or_wants_more(data: bytes, first: bool) -> None:
    try:
        found = read_startup(data, first=first)
    except ClientProtocolError:
        return
    assert found is None or found[1] <= len(data)
