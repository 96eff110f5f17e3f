"""Messages: what is built can be read, and what is malformed is refused with the error of its side."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import messages as m
from proxy.wire.errors import ClientProtocolError, ServerProtocolError

names = st.binary(max_size=20).filter(lambda name: 0 not in name)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def body(message: bytes) -> bytes:
    assert int.from_bytes(message[1:5], "big") == len(message) - 1
    return message[5:]


@given(names, names, st.lists(st.integers(0, 2**32 - 1)), st.lists(st.none() | st.binary()), st.integers(0, 2**31 - 1))
def test_requests_can_be_read_back(
    one: bytes, two: bytes, types: list[int], params: list[bytes | None], limit: int
) -> None:
    assert m.read_query(body(m.query(one))) == one
    assert m.read_parse(body(m.parse(one, two, types))) == (one, two)
    assert m.read_bind(body(m.bind(one, two, params))) == (one, two)
    assert m.read_execute(body(m.execute(one, limit))) == (one, limit)
    assert m.read_close(body(m.close(b"S", one))) == (b"S", one)
    assert m.read_describe(body(m.describe(b"P", one))) == (b"P", one)


@given(st.dictionaries(st.sampled_from("SVCMDHPFLRstdcn"), texts), st.lists(texts), st.lists(st.none() | st.binary()))
def test_replies_can_be_read_back(fields: dict[str, str], columns: list[str], values: list[bytes | None]) -> None:
    said = {code: value for code, value in fields.items() if value}
    assert m.read_fields(body(m.error_response(fields))) == said
    assert m.read_fields(body(m.notice_response(fields))) == said
    assert m.read_row_description(body(m.row_description(columns))) == columns
    assert m.read_data_row(body(m.data_row(values))) == values


def test_more_replies_can_be_read_back() -> None:
    assert m.read_tag(body(m.command_complete(b"CREATE INDEX"))) == b"CREATE INDEX"
    assert m.read_parameter_status(body(m.parameter_status("TimeZone", "UTC"))) == ("TimeZone", "UTC")
    assert m.read_backend_key(body(m.backend_key_data(7, b"k" * 32))) == (7, b"k" * 32)
    code, rest = m.read_authentication(body(m.authentication_sasl(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])))
    assert code == m.SASL
    assert m.read_sasl_mechanisms(rest) == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]


def test_exact_bytes() -> None:
    assert m.query(b"select 1") == b"Q\0\0\0\x0dselect 1\0"
    assert m.bind(b"p", b"s", [b"1", None]) == b"B\0\0\0\x17p\0s\0\0\0\0\2\0\0\0\x011\xff\xff\xff\xff\0\0"
    assert m.ready_for_query(b"E") == b"Z\0\0\0\5E"
    assert m.sync() + m.flush() + m.terminate() == b"S\0\0\0\4H\0\0\0\4X\0\0\0\4"
    assert m.negotiate_protocol_version(2, ["_pq_.x"]) == b"v\0\0\0\x13\0\3\0\2\0\0\0\1_pq_.x\0"


def test_text_that_is_not_utf8_survives_reading_and_building() -> None:
    message = b"E\0\0\0\x0aM\xe9t\xe9\0\0"
    assert m.error_response(m.read_fields(body(message))) == message


def test_a_nul_in_our_own_text_cannot_end_a_field() -> None:
    assert m.read_fields(body(m.error_response({"M": "a\0b", "H": "c"}))) == {"M": "ab", "H": "c"}


def test_a_query_ends_at_its_first_nul() -> None:
    assert m.read_query(b"select 1\0drop table t\0") == b"select 1"


def test_messages_give_back_their_bytes() -> None:
    assert m.Message(ord("Q"), b"select 1\0").raw == m.query(b"select 1")


CLIENT_READERS = [m.read_query, m.read_parse, m.read_bind, m.read_execute, m.read_close, m.read_describe]
SERVER_READERS = [
    m.read_fields,
    m.read_tag,
    m.read_parameter_status,
    m.read_backend_key,
    m.read_authentication,
    m.read_sasl_mechanisms,
    m.read_row_description,
    m.read_data_row,
]


@given(st.sampled_from(CLIENT_READERS), st.binary(max_size=60))
def test_garbage_of_the_client_is_its_protocol_error(read: Callable[[bytes], object], data: bytes) -> None:
    with contextlib.suppress(ClientProtocolError):
        read(data)


@given(st.sampled_from(SERVER_READERS), st.binary(max_size=60))
def test_garbage_of_the_server_is_its_protocol_error(read: Callable[[bytes], object], data: bytes) -> None:
    with contextlib.suppress(ServerProtocolError):
        read(data)


@pytest.mark.parametrize("read", CLIENT_READERS)
def test_an_empty_body_is_refused(read: Callable[[bytes], object]) -> None:
    with pytest.raises(ClientProtocolError):
        read(b"")


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (m.read_fields, b"Mno end"),
        (m.read_fields, b"Mmore\0\0behind"),
        (m.read_tag, b"SELECT 1"),
        (m.read_backend_key, b"\0\0\0\1abc"),
        (m.read_data_row, b"\0\1\0\0\0\5abc"),
        (m.read_data_row, b"\0\0extra"),
        (m.read_row_description, b"\0\1a\0short"),
    ],
)
def test_malformed_replies_are_refused(read: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(ServerProtocolError):
        read(data)
