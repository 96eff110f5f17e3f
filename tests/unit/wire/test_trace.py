"""Messages as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import messages as m
from proxy.wire.trace import trace


@pytest.mark.parametrize(
    ("side", "data", "text"),
    [
        ("F", m.query(b'select "a"\n'), 'F Query "select \\"a\\"\\n"'),
        ("F", m.parse(b"s", b"select $1", [23]), 'F Parse "s" "select $1"'),
        ("F", m.bind(b"p", b"s", [b"secret"]), 'F Bind "p" "s"'),
        ("F", m.describe(b"P", b"p"), 'F Describe P "p"'),
        ("F", m.execute(b"", 5), 'F Execute "" 5'),
        ("F", m.close(b"S", b"s"), 'F Close S "s"'),
        ("F", m.copy_fail(b"no"), 'F CopyFail "no"'),
        ("F", m.sync(), "F Sync"),
        ("F", b"p\0\0\0\x0asecret", "F AuthenticationResponse"),
        ("F", b"d\0\0\0\x0asecret", "F CopyData 6 bytes"),
        ("F", b"Q\0\0\0\x05x", "F Query malformed, 1 bytes"),
        ("F", b"\xf0\0\0\0\4", "F 0xF0"),
        ("F", b"Q\0\0\0\x20sel", "F Query … 8 bytes of 33"),
        ("F", b"Q\0", "F … 2 bytes of a header"),
        ("B", m.ready_for_query(b"T"), "B ReadyForQuery T"),
        ("B", m.command_complete(b"CREATE INDEX"), 'B CommandComplete "CREATE INDEX"'),
        ("B", m.data_row([b"1", None, b"\xff"]), 'B DataRow "1" NULL "\\\\xff"'),
        ("B", m.row_description(["a"]), 'B RowDescription "a"'),
        ("B", m.error_response({"S": "ERROR", "M": "no"}), 'B ErrorResponse S "ERROR" M "no"'),
        ("B", m.parameter_status("a", "b"), 'B ParameterStatus "a" "b"'),
        ("B", m.backend_key_data(7, b"secret"), "B BackendKeyData 7 6 bytes"),
        ("B", m.authentication(5, b"salt"), "B Authentication 5"),
    ],
)
def test_a_line(side: str, data: bytes, text: str) -> None:
    assert list(trace(side, data)) == [text]


@given(st.sampled_from("FB"), st.binary(max_size=100))
def test_any_bytes_have_lines_that_can_be_printed(side: str, data: bytes) -> None:
    for text in trace(side, data):
        assert "\n" not in text
        text.encode()
