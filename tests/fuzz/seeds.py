"""Where fuzzing begins: well-formed input of each kind, and what once went wrong (``corpus/<target>``)."""

from __future__ import annotations

import struct
from pathlib import Path

from proxy.wire import messages as m

CORPUS = Path(__file__).parent / "corpus"
_TEXTS = (
    "SELECT 1", "CREATE INDEX CONCURRENTLY i ON s.t USING gin (a, (lower(b))) INCLUDE (c) WHERE d IS NULL",
    "ALTER TABLE t ADD COLUMN a int DEFAULT now() NOT NULL, DROP CONSTRAINT c, ALTER b TYPE text USING b::text",
    "DO $$ BEGIN EXECUTE 'DROP TABLE ' || 't'; END $$", "/* a /* b */ */ DROP TABLE U&\"\\0074\"; -- c",
    "SELECT E'\\'' '\n' , $tag$;$tag$, B'01', 1_0e5, $1", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; SELECT f()",
    "ALTER ROLE a PASSWORD 'x'; COPY t FROM PROGRAM 'cat'; CALL p(1, b => 2)",
)  # fmt: skip
_CLIENT = (
    m.query(b"SELECT 1") + m.parse(b"s", b"SELECT $1") + m.bind(b"", b"s") + m.execute(b"") + m.sync(),
    m.query(b"COPY t FROM STDIN") + b"d\0\0\0\x08abcd" + b"c\0\0\0\x04" + m.query(b"alter table a"),
    m.terminate(), b"Q\xff\xff\xff\xff", b"Q\0\0\0\0", b"Q\x7f\xff\xff\xff" + b"x" * 30, m.flush() + m.close(b"S", b"s"),
)  # fmt: skip
_SERVER = (
    b"T\0\0\0\x06\0\0" + b"D\0\0\0\x06\0\0" + b"C\0\0\0\x0dSELECT 1\0" + m.ready_for_query(b"I"),
    m.error_response({"S": "ERROR", "C": "42601", "M": "x"}) + m.ready_for_query(b"E"),
    b"G\0\0\0\x07\0\0\0" + m.ready_for_query(b"T"), b"H\0\0\0\x07\0\0\0" + b"d\0\0\0\x05x" + b"c\0\0\0\x04",
    b"Z\0\0\0\x05X", b"D\xff\xff\xff\xff", b"D\0\0\0\0", b"A\0\0\0\x0a\0\0\0\1a\0", m.parameter_status("client_encoding", "SJIS"),
)  # fmt: skip
_STARTUP = (
    m.startup({"user": "a", "database": "b", "options": "-c x=y"}), m.ssl_request(), m.cancel_request(1, b"abcd"),
    struct.pack(">II", 8, 80877104), b"\x16\x03\x01\0\x05hello", struct.pack(">II", 1 << 31, 196608),
)  # fmt: skip


def seeds(target: str) -> list[bytes]:
    made = {"startup": _STARTUP, "client": _CLIENT, "held": _CLIENT, "server": _SERVER}
    found = list(made.get(target, tuple(text.encode() for text in _TEXTS)))
    folder = CORPUS / target
    return found + [path.read_bytes() for path in sorted(folder.glob("*"))] if folder.is_dir() else found
