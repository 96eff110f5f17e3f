"""Texts of confusing fragments: our tokens against libpg_query's, and, without standard_conforming_strings, a server's."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import psycopg
from pglast import parser

from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.split import split

# Pieces that open, close and confuse literals, comments, operators, numbers and names.
FRAGMENTS = (
    "'", "''", "\n'", "E''", "/*/", "|/*", "#-", "<-", "\\''", "\\", "\\'", '"', '""', "$", "$$", "$a$", "$1", "$1$", "$1,$", "$é$",
    "$A$", "$a-$", "a", "A$", "e", "E'", "e'", "U&'", 'U&"', "u&'", "N'", "n'", "x'", "X'", "b'", "B'", "1", "1.", ".5", "1e", "1e5",
    "0x1F", "0b1", "0o7", "1_0", "/*", "*/", "--", "-", "*", "/", "\n", "\r", "\t", "\f", "\v", " ", ";", "\u00a0", "\u2028", "\u3000",
    "\u0085", "\x1c", "\x1f", "é", "ª", "０", "²", "@", "#", "{", "{{", "}}", "{%", "%}", "{#", "#}", "`", "[", "]", "(", ")", ":",
    "::", ":=", "=>", "<@", "@-", "+-", "*-", "=-", "!", "?", "?|", "||", "|/", "&&", "||/", "~", "^", "%", "<--", "<>", "/*+", "//",
    "DROP TABLE t", "select", "DO", "BEGIN", "END", "r'", "q'[", "@@", "\\n", "\ufeff", "\U0001f600", "_", "_utf8'", "UESCAPE '!'",
    "standard", "İ", "ſ", "K",
)  # fmt: skip
# What makes a server's parser read far before it finds anything wrong: lists of literals.
LITERALS = (
    "'", "''", "'", "\\'", "\\", "\\\\", "'\n'", "'\r'", "' '", "E'", "e'", "N'", "n'", "x'", "B'", "$$", "$a$", '"', '"a"', "||", ",", ", ",
    " AS b, ", "; SELECT ", "--", "--\n", "/*", "*/", "\n", " ", "a", "1", "\\n", "é", "'a'", "'a\\'", "'\\''", "E'\\''", "(", ")",
)  # fmt: skip


def text_of(rng: random.Random, fragments: Sequence[str] = FRAGMENTS) -> list[str]:
    """Few kinds of fragments at a time, so that what opens also closes."""
    few = [*rng.sample(fragments, rng.randint(1, 4)), ";", "a", " ", "\n"]
    return [rng.choice(few) for _ in range(rng.randint(1, 12))]


def same_tokens(text: str) -> bool | None:
    """Whether every token stands at the same place for libpg_query's scanner; None if that refuses the text."""
    try:
        want = [(t.start, t.end + 1) for t in parser.scan(text) if t.name not in ("SQL_COMMENT", "C_COMMENT")]
    except Exception:  # pglast raises several
        return None
    try:
        return [(t.start, t.end) for t in lex(text)] == want
    except LexError:
        return False


def literals_of(rng: random.Random) -> list[str]:
    """A list of literals, more or less."""
    few = [*rng.sample(LITERALS, rng.randint(2, 6)), "'", ", "]
    return ["SELECT 'a', ", *(rng.choice(few) for _ in range(rng.randint(1, 14)))]


class Scanner:
    """The lexer of a live server with standard_conforming_strings off, asked by Parse messages: nothing is run."""

    def __init__(self, session: psycopg.Connection) -> None:
        session.execute("SET standard_conforming_strings = off")
        session.execute("SET escape_string_warning = off")
        self.session = session.pgconn

    def same(self, text: str) -> bool | None:
        """Whether what the server says of a text is true of our tokens; None if it says nothing of them.

        It names the token that its grammar stumbled over, the literal that has no end, or that all is well.
        """
        answer = self.session.prepare(b"", text.encode())
        state = answer.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b""
        message = (answer.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
        position = int(answer.error_field(psycopg.pq.DiagnosticField.STATEMENT_POSITION) or 0) - 1
        tokens, open_at = _tokens(text)
        whole = open_at is None
        if message.startswith("unterminated "):
            return open_at == position
        if message.startswith(NEAR):  # it had not come further, so that what is open behind it says nothing
            end = position + len(message) - len(NEAR) - 1
            return any((t.start, t.end) == (position, end) for t in tokens)
        if message.startswith("cannot insert multiple commands"):
            return whole and _statements(tokens, text) > 1
        if message.startswith("syntax error at end of input"):
            return whole
        if state in CONTENT:
            return whole and _statements(tokens, text) <= 1
        return None


NEAR = 'syntax error at or near "'
CONTENT = (
    b"",
    b"42703",
    b"42883",
    b"42725",
    b"42P18",
    b"42P02",
    b"42804",
)  # nothing, or what is found behind the grammar


def _tokens(text: str) -> tuple[list[Token], int | None]:
    """The tokens, and where what has no end begins, if there is such: then they are those before it."""
    try:
        return lex(text, standard_conforming_strings=False), None
    except LexError as error:
        return lex(text[: error.position], standard_conforming_strings=False), error.position


def _statements(tokens: Sequence[Token], text: str) -> int:
    return sum(1 for _ in split(tokens, len(text)))


def shrunk(parts: Sequence[str], bad: Callable[[str], bool]) -> str:
    """The text of the fewest fragments that is still bad."""
    kept, changed = list(parts), True
    while changed:
        changed = False
        for i in range(len(kept)):
            fewer = kept[:i] + kept[i + 1 :]
            if fewer and bad("".join(fewer)):
                kept, changed = fewer, True
                break
    return "".join(kept)
