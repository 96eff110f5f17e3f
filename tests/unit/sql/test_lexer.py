"""The lexer is the trust boundary: tokens equal to those of Postgres's own scanner, or a refusal."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pglast import parser

from proxy.sql.lexer import LexError, lex, scan, unescape
from tests.servers import Server

# Pieces that open, close and confuse literals, comments, operators and names.
FRAGMENTS = [
    "'", "''", "\n'", "E''", "/*/", "|/*", "#-", "<-", "\\''", "\\", "\\'", '"', '""', "$", "$$", "$a$", "$1", "$1$", "$1,$", "$é$",
    "$A$", "$a-$", "a", "A$", "e", "E'", "e'", "U&'", 'U&"', "u&'", "N'", "n'", "x'", "X'", "b'", "B'", "1", "1.", ".5", "1e", "1e5",
    "0x1F", "0b1", "0o7", "1_0", "/*", "*/", "--", "-", "*", "/", "\n", "\r", "\t", "\f", "\v", " ", ";", "\u00a0", "\u2028", "\u3000",
    "\u0085", "\x1c", "\x1f", "é", "ª", "０", "²", "@", "#", "{", "{{", "}}", "{%", "`", "[", "]", "(", ")", ":", "::", ":=", "=>", "<@",
    "@-", "+-", "*-", "=-", "!", "?", "?|", "||", "|/", "&&", "||/", "~", "^", "%", "<--", "<>", "/*+", "//", "DROP TABLE t", "select",
    "r'", "q'[", "@@", "\\n", "\ufeff", "\U0001f600", "_", "_utf8'", "UESCAPE '!'", "İ", "ſ", "K",
]  # fmt: skip
# Few kinds at a time, so that what opens also closes.
texts = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=4).flatmap(
    lambda few: st.lists(st.sampled_from([*few, ";", "a", " ", "\n"]), min_size=1, max_size=12).map("".join)
)


def scanned(text: str) -> list[tuple[int, int]] | None:
    """Spans of the tokens that Postgres's scanner finds, without comments; None if it refuses the text."""
    try:
        return [(t.start, t.end + 1) for t in parser.scan(text) if t.name not in ("SQL_COMMENT", "C_COMMENT")]
    except Exception:
        return None


@settings(max_examples=3000, deadline=None)
@given(texts)
def test_tokens_are_those_of_postgres(text: str) -> None:
    """Whatever Postgres's scanner accepts has the same tokens at the same places here."""
    expected = scanned(text)
    if expected is None:
        return
    assert [(t.start, t.end) for t in lex(text)] == expected


@settings(max_examples=500, deadline=None)
@given(st.text())
def test_any_text_gives_tokens_in_order_or_a_lex_error(text: str) -> None:
    """Tokens neither overlap nor leave the text, and nothing but LexError is raised."""
    try:
        tokens = lex(text)
    except LexError as error:
        tokens = []
        place = error.position
    else:
        place = 0
    assert 0 <= place <= max(len(text) - 1, 0)
    edges = [edge for t in tokens for edge in (t.start, t.end)]
    assert edges == sorted(edges)
    assert all(0 <= t.start < t.end <= len(text) for t in tokens)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Select İ", ["word:select", "word:İ"]),  # ASCII only is folded
        ('"A""b" x', ['quoted:A"b', "word:x"]),
        ("'a'\n'b'", ["string:'a'\n'b'"]),
        ("'a' 'b'", ["string:'a'", "string:'b'"]),
        ("E'a\\'b'", ["string:E'a\\'b'"]),
        ("'a\\';", ["string:'a\\'", "op:;"]),
        ("$a$;$b$;$a$", ["string:$a$;$b$;$a$"]),
        ("a$$b", ["word:a$$b"]),
        ("$1,$2", ["param:$1", "op:,", "param:$2"]),
        ("1.5e3 .5 1..2", ["number:1.5e3", "number:.5", "number:1", "op:..", "number:2"]),
        ("0x1F 1_000", ["number:0x1F", "number:1_000"]),
        ("1_0$$", ["number:1", "word:_0$$"]),  # before 16; an error from then on
        ("1_0.5$$a$$ 1_0.$1", ["number:1_0.5", "string:$$a$$", "number:1_0.", "param:$1"]),
        ("1_0.5_0$$", ["number:1", "word:_0", "number:.5", "word:_0$$"]),
        ("0b1e'x'", ["number:0", "word:b1e", "string:'x'"]),
        ("a+-1", ["word:a", "op:+", "op:-", "number:1"]),
        ("@-1", ["op:@-", "number:1"]),
        ("5 #--'\n6", ["number:5", "op:#", "number:6"]),
        ("/*/*/ ' */ */ x", ["word:x"]),
        ("\u00a0$$ x", ["word:\u00a0$$", "word:x"]),
        ("\\", ["bad:\\"]),
        ("x" * 70, ["word:" + "x" * 63]),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert [f"{t.kind}:{t.value}" for t in lex(text)] == expected


def test_backslash_escapes_a_quote_if_strings_do_not_conform() -> None:
    text = r"'a\'' b"
    assert [t.kind for t in lex(text, standard_conforming_strings=False)] == ["string", "word"]
    with pytest.raises(LexError, match="unterminated quoted string"):
        lex(text)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("a 'b", 2),
        ('a "b', 2),
        ("a /* b", 2),
        ("a $x$ b", 2),
        ("/* a /* */", 0),
        ("1 E'\\'", 2),
        ("'a''", 0),
        ("U&'a", 0),
        ('a U&"b', 2),
        ("x'1", 0),
        ("a 'b'\n'c", 2),  # one literal in two parts
        ("a 'b' 'c", 6),
        ("a $$b$$\n'c", 8),
    ],
)
def test_what_ends_too_early_is_refused_at_its_beginning(text: str, position: int) -> None:
    with pytest.raises(LexError) as caught:
        lex(text)
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "bodies"),
    [
        ("SELECT 1 -- interlock: allow x: y\n + 1", ["interlock: allow x: y"]),
        ("/*interlock:allow x*/ SELECT 1", ["interlock:allow x"]),
        ("/* Interlock: a */ /* other */ -- interlock: b", ["Interlock: a", "interlock: b"]),
        ("SELECT '/* interlock: a */'", []),
        ("/* see interlock: a */", []),
        ("/* interlock: a /* nested */ b */", ["interlock: a /* nested */ b"]),
    ],
)
def test_comments_addressed_to_interlock_are_kept(text: str, bodies: list[str]) -> None:
    assert [c.body for c in scan(text).comments] == bodies


@pytest.mark.parametrize(
    ("text", "escape", "expected"),
    [
        (r"\0074", "\\", "t"),
        (r"\+01F600", "\\", "\U0001f600"),
        (r"\D83D\DE00", "\\", "\U0001f600"),
        ("!0074!!", "!", "t!"),
        ("a b", "\\", "a b"),
    ],
)
def test_unicode_escapes(text: str, escape: str, expected: str) -> None:
    assert unescape(text, escape) == expected


@pytest.mark.parametrize("text", [r"\0000", r"\+FFFFFF", r"\D83D"])
def test_escapes_of_no_character_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        unescape(text)


# Valid somewhere between 13 and 18, and read differently by a lexer that knows only one of them.
BY_VERSION = [
    "SELECT 1_0$$; CREATE TABLE made(); SELECT 1_0$$",
    "SELECT 0x1$$; CREATE TABLE made(); SELECT 0x1$$",
    "SELECT 1_0.5$$; CREATE TABLE made(); SELECT 1_0.5$$",
    "SELECT 1_0.5_0$$; CREATE TABLE made(); SELECT 1_0.5_0$$",
    "SELECT 1_0.5e1$$; CREATE TABLE made(); SELECT 1_0.5e1$$",
    "SELECT 1e5AS x; CREATE TABLE made()",
    "SELECT 1a; CREATE TABLE made()",
    "SELECT 'a' \v 'b'; CREATE TABLE made()",
    "SELECT 'a'\v\n'b'; CREATE TABLE made()",
]


@pytest.mark.parametrize("text", BY_VERSION, ids=range(len(BY_VERSION)))
def test_no_version_runs_what_is_hidden_from_us(postgres: Server, database: str, text: str) -> None:
    """If the server makes the table, then the word TABLE stands outside of every literal here."""
    with psycopg.connect(database, autocommit=True) as session:
        session.pgconn.exec_(text.encode())
        made = session.execute("SELECT to_regclass('made') IS NOT NULL").fetchone() == (True,)
    assert not made or "table" in [t.value for t in lex(text)]


@pytest.mark.parametrize(
    "text",
    [
        r"SELECT 'a\''; CREATE TABLE made(); --'",
        r"SELECT 'a\\'; CREATE TABLE made(); --'",
        "SELECT 'a'\n'\\''; CREATE TABLE made(); --'",
        r"SELECT E'a\''; CREATE TABLE made(); --'",
        r"SELECT N'a\''; CREATE TABLE made(); --'",
        r"SELECT $$a\$$; CREATE TABLE made(); --$$",
        'SELECT 1 AS "a\\"; CREATE TABLE made(); --"',
    ],
)
@pytest.mark.parametrize("setting", ["on", "off"])
def test_standard_conforming_strings_as_the_server_has_it(
    postgres: Server, database: str, setting: str, text: str
) -> None:
    """The server runs the second statement if and only if we see it."""
    with psycopg.connect(database, autocommit=True) as session:
        session.execute(f"SET standard_conforming_strings = {setting}")
        session.execute("SET escape_string_warning = off")
        session.pgconn.exec_(text.encode())
        session.execute("SET standard_conforming_strings = on")
        made = session.execute("SELECT to_regclass('made') IS NOT NULL").fetchone() == (True,)
    try:
        seen = "table" in [t.value for t in lex(text, standard_conforming_strings=setting == "on")]
    except LexError:
        seen = False
    assert seen == made
