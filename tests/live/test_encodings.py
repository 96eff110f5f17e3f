"""What is ASCII to us in a text of any client encoding is ASCII to the server: there no token can hide."""

from __future__ import annotations

import random

import psycopg
import pytest

from proxy.session.reading import CODECS, Reading
from proxy.wire import messages as m
from tests.live.raw import Raw
from tests.servers import Server

# Postgres docs, "Character Set Support", table 23.3; without aliases, and MULE_INTERNAL, which UTF8 does not convert to.
ENCODINGS = (
    "BIG5", "EUC_CN", "EUC_JP", "EUC_JIS_2004", "EUC_KR", "EUC_TW", "GB18030", "GBK", "ISO_8859_5", "ISO_8859_6", "ISO_8859_7",
    "ISO_8859_8", "JOHAB", "KOI8R", "KOI8U", "LATIN1", "LATIN2", "LATIN3", "LATIN4", "LATIN5", "LATIN6", "LATIN7", "LATIN8",
    "LATIN9", "LATIN10", "SJIS", "SHIFT_JIS_2004", "UHC", "UTF8", "WIN866", "WIN874", "WIN1250", "WIN1251",
    "WIN1252", "WIN1253", "WIN1254", "WIN1255", "WIN1256", "WIN1257", "WIN1258",
)  # fmt: skip
SETUP = """
CREATE FUNCTION pg_temp.told(text bytea, encoding name) RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN convert_from(text, encoding); EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$
"""


def samples(encoding: str) -> list[bytes]:
    """Every byte, every pair of a high byte and an ASCII one that means something to the lexer, and random longer sequences."""
    telling = b"'\"\\$;-/*(),.aeE0 \n"
    pairs = [bytes((high, low)) for high in range(0x80, 0x100) for low in telling]
    rng = random.Random(encoding)
    high = range(0x80, 0x100)
    longer = [
        bytes(rng.choice(high) if rng.random() < 0.6 else rng.choice(telling) for _ in range(rng.randint(2, 6)))
        for _ in range(3000)
    ]
    return [bytes((byte,)) for byte in range(1, 0x100)] + pairs + longer


def shape(text: str) -> str:
    return "".join(c if c.isascii() else "X" for c in text)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_ascii_is_where_the_server_sees_it(postgres: Server, encoding: str) -> None:
    texts = samples(encoding)
    reading = Reading(client_encoding=encoding)
    with postgres.connect() as session:
        session.execute(SETUP)
        answers = session.execute(
            "SELECT pg_temp.told(t, %s) FROM unnest(%s::bytea[]) WITH ORDINALITY AS _(t, n) ORDER BY n",
            (encoding, texts),
        ).fetchall()
    wrong = []
    for text, (server,) in zip(texts, answers, strict=True):
        ours = reading.decode(text)
        if server is not None and ours is not None and shape(server) != shape(ours):
            wrong.append((text, server, ours))
    assert wrong == []
    assert any(server is not None for (server,) in answers)


def test_the_servers_names_are_these(postgres: Server, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as session:
        for encoding in ENCODINGS:
            answer = session.pgconn.exec_(f"SET client_encoding = '{encoding}'".encode())
            assert answer.status == psycopg.pq.ExecStatus.COMMAND_OK, (encoding, answer.error_message)
            assert session.pgconn.parameter_status(b"client_encoding") == encoding.encode()


def test_every_codec_is_of_an_encoding() -> None:
    assert set(CODECS) - {"SQL_ASCII"} <= set(ENCODINGS)
    assert {encoding for encoding in ENCODINGS if encoding not in CODECS} <= {"EUC_TW", "SHIFT_JIS_2004", "JOHAB"}


@pytest.mark.parametrize(
    ("encoding", "text"), [("EUC_TW", b"DROP TABLE \xa4\xa4"), ("UTF8", b"SELECT '\xc3'"), ("SJIS", b"\x83")]
)
def test_what_cannot_be_decoded_is_said(encoding: str, text: bytes) -> None:
    assert Reading(client_encoding=encoding).decode(text) is None


def test_our_own_words_come_in_the_clients_encoding(orders: str, rejecting: str) -> None:
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute('CREATE TABLE "grüße" (a int); INSERT INTO "grüße" VALUES (1)')
    with Raw(rejecting) as raw:
        raw.query("SET client_encoding = LATIN1")
        raw.send(m.query("BEGIN; CREATE INDEX ON grüße (a)".encode("latin-1")))
        said = raw.until("Z")
    (body,) = [body for kind, body in said if kind == "E"]
    assert 'writes to "grüße"'.encode("latin-1") in body


def test_the_alias_that_the_server_keeps(orders: str, rejecting: str) -> None:
    """It reports UTF8 for every alias but this one; psycopg2's users set it."""
    with psycopg.connect(rejecting, autocommit=True) as connection:
        connection.execute("SET client_encoding = 'UNICODE'")
        assert connection.info.parameter_status("client_encoding") == "UNICODE"
        notices: list[str] = []
        connection.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        connection.execute("CREATE TABLE greetings (a text DEFAULT 'grüße €')")
        assert notices == []
