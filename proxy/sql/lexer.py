"""Postgres's scanner (src/backend/parser/scan.l) over text, as one regular expression.

Where the scanners of versions 13 to 18 differ, the reading is the one under which each version either
agrees or refuses the text, so that no text means one thing here and another on the server.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from proxy.sql.names import LIMIT_BYTES, clip, fold


class LexError(ValueError):
    """The text ends inside a literal, a quoted name or a comment, as the server would say too.

    ``what`` has no end (``quoted string``); ``position`` is the 0-based offset, in code points, at which it began.
    Also raised for a text of more than ``MOST_TOKENS``.
    """

    def __init__(self, what: str, position: int) -> None:
        self.message = f"unterminated {what}"
        super().__init__(self.message)
        self.what = what
        self.position = position


class Token(NamedTuple):
    """A token at ``start:end`` (0-based code points, half-open).

    ``kind``: word, quoted, uquoted (``U&"…"``), string (every quoted or dollar-quoted literal, bit
    strings included), number, param (``$1``), op (operators and punctuation), bad (a character that
    starts no token).  ``value`` is the folded word, the name inside the quotes (of a uquoted, its escapes
    still in it: UESCAPE may follow) or the operator; for all else it is the text.
    """

    kind: str
    value: str
    start: int
    end: int


class Comment(NamedTuple):
    """A comment that speaks to Interlock: ``body`` starts with ``interlock:`` and has no delimiters."""

    body: str
    start: int
    end: int


class Lexed(NamedTuple):
    tokens: list[Token]
    comments: list[Comment]


MOST_TOKENS = 1_000_000  # of a text: some 150 MB of them, and a second or two
SPACE = " \t\n\r\f\v"
LETTER = "A-Za-z_\x80-\U0010ffff"
# What may stand between the parts of one literal: white space with at least one line end in it.
GAP = r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+"
ESCAPED = r"[^'\\]*+(?:(?:''|\\.)[^'\\]*+)*+"
PLAIN = r"[^']*+(?:''[^']*+)*+"
DIGITS = r"[0-9](?:_?[0-9])*+"
# Possessive throughout: a literal never gives characters back, so no input makes it backtrack.
# A number with a radix or underscores is one only from 16 on; before, "1_0$$" was 1 and the name _0$$.
# Directly followed by a name it is an error from 15 on, so there the old reading is the only one.  A dollar behind
# the digits of a fraction ("1_0.5$$") belongs to no name: the new reading, for the old one is no SQL.
RULES = rf"""
[{SPACE}]*+(?:
  (?P<line>    --[^\n\r]*+ )
| (?P<comment> /\* )
| (?P<estring> [eE]'{ESCAPED}'(?:{GAP}'{ESCAPED}')*+ )
| (?P<xstring> [bBxX]'[^']*+'(?:{GAP}'[^']*+')*+ )
| (?P<ustring> [uU]&'{PLAIN}'(?:{GAP}'{PLAIN}')*+ )
| (?P<string>  '{PLAIN}'(?:{GAP}'{PLAIN}')*+ )
| (?P<uquoted> [uU]&"[^"]*+(?:""[^"]*+)*+" )
| (?P<quoted>  "[^"]*+(?:""[^"]*+)*+" )
| (?P<open>    [eEbBxX]' | [uU]&['"] )
| (?P<dollar>  \$(?:[{LETTER}][{LETTER}0-9]*+)?\$ )
| (?P<word>    [{LETTER}][{LETTER}0-9$]*+ )
| (?P<param>   \$[0-9]++ )
| (?P<number>  (?> 0[xX](?:_?[0-9A-Fa-f])++ | 0[oO](?:_?[0-7])++ | 0[bB](?:_?[01])++
                 | (?:{DIGITS}(?:\.(?!\.)(?:{DIGITS})?)?|\.{DIGITS})(?:[eE][+-]?{DIGITS})? )(?![{LETTER}$])
             | {DIGITS}\.(?!\.)[0-9]*+(?![{LETTER}])
             | (?:[0-9]++(?:\.(?!\.)[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)? )
| (?P<mark>    [,()\[\];] )
| (?P<op>      :: | \.\. | := | [.:] | (?:[~!@\#^&|`?+*%<>=]|-(?!-)|/(?!\*))++ )
| (?P<bad>     . )
| (?P<end>     \Z )
)"""


def _compile(*, standard_conforming_strings: bool) -> re.Pattern[str]:
    rules = RULES
    if not standard_conforming_strings:  # backslash escapes in plain literals too
        plain = f"<string>  '{PLAIN}'(?:{GAP}'{PLAIN}')*+"
        assert plain in rules
        rules = rules.replace(plain, f"<string>  '{ESCAPED}'(?:{GAP}'{ESCAPED}')*+")
    return re.compile(rules, re.X | re.S)


CONFORMING = _compile(standard_conforming_strings=True)
BACKSLASHED = _compile(standard_conforming_strings=False)
CONTINUED = re.compile(GAP)
COMMENT_EDGE = re.compile(r"/\*|\*/")
SPECIAL = frozenset("~!@#^&|`?%")  # an operator with one of these may end in + or -
ADDRESSED = re.compile(r"\s*(interlock:.*?)\s*", re.S | re.I)


def lex(text: str, *, standard_conforming_strings: bool = True) -> list[Token]:
    """The tokens of ``text``, comments left out.  Raises LexError."""
    return scan(text, standard_conforming_strings=standard_conforming_strings).tokens


def scan(text: str, *, standard_conforming_strings: bool = True) -> Lexed:
    """The tokens of ``text`` and the comments in it that start with ``interlock:``.  Raises LexError.

    ``standard_conforming_strings`` is the session's setting, as the server last reported it: with
    ``off`` a backslash escapes the quote of a plain literal.
    """
    match = (CONFORMING if standard_conforming_strings else BACKSLASHED).match
    tokens: list[Token] = []
    comments: list[Comment] = []
    add, new = tokens.append, tuple.__new__  # as Token(…) does, at half the cost
    end = 0
    while len(tokens) <= MOST_TOKENS:
        m = match(text, end)
        assert m is not None  # the last rules take any character, and none
        kind, index = m.lastgroup, m.lastindex
        assert kind is not None
        assert index is not None
        start, end = m.span(index)
        match kind:
            case "word":
                word = text[start:end]
                word = word.lower() if word.isascii() and end - start <= LIMIT_BYTES else clip(fold(word))
                add(new(Token, (kind, word, start, end)))
            case "mark":
                add(new(Token, ("op", text[start:end], start, end)))
            case "op" if end - start == 1:
                add(new(Token, ("op", text[start:end], start, end)))
            case "op":
                end = _operators(text[start:end], start, tokens)
            case "quoted":
                add(Token("quoted", clip(text[start + 1 : end - 1].replace('""', '"')), start, end))
            case "uquoted":
                add(Token("uquoted", text[start + 3 : end - 1].replace('""', '"'), start, end))
            case "number" | "param":
                add(new(Token, (kind, text[start:end], start, end)))
            case "dollar":
                end = _dollar_end(text, start, end)
                add(Token("string", text[start:end], start, end))
            case "line":
                _address(text[start + 2 : end], start, end, comments)
            case "comment":
                end = _comment_end(text, start)
                _address(text[start + 2 : end - 2], start, end, comments)
            case "bad" | "open":
                add(_bad(text, start, end, tokens))
            case "end":
                return Lexed(tokens, comments)
            case _:
                add(new(Token, ("string", text[start:end], start, end)))
    raise LexError(f"text: more than {MOST_TOKENS:,} tokens are not read", end)


def _operators(run: str, start: int, tokens: list[Token]) -> int:
    """Add the operators that a run of operator characters is; return where they end.

    scan.l: an operator of SQL's own characters gives trailing + and - back, each an operator then.
    """
    if len(run) == 1 or run[-1] not in "+-" or not SPECIAL.isdisjoint(run):
        tokens.append(Token("op", run, start, start + len(run)))
        return start + len(run)
    kept = len(run.rstrip("+-"))
    if kept:
        tokens.append(Token("op", run[:kept], start, start + kept))
    for n in range(kept, len(run)):
        tokens.append(Token("op", run[n], start + n, start + n + 1))
    return start + len(run)


def _dollar_end(text: str, start: int, opened: int) -> int:
    """Where the dollar-quoted literal ends whose opening tag is ``text[start:opened]``."""
    tag = text[start:opened]
    close = text.find(tag, opened)
    if close < 0:
        raise LexError("dollar-quoted string", start)
    return close + len(tag)


def _comment_end(text: str, start: int) -> int:
    depth = 1
    for m in COMMENT_EDGE.finditer(text, start + 2):
        depth += 1 if m.group() == "/*" else -1
        if not depth:
            return m.end()
    raise LexError("comment", start)


def _address(body: str, start: int, end: int, comments: list[Comment]) -> None:
    """Keep a comment that is addressed to Interlock."""
    if m := ADDRESSED.fullmatch(body):
        comments.append(Comment(m.group(1), start, end))


def _bad(text: str, position: int, end: int, tokens: list[Token]) -> Token:
    """A character that starts no token; raises LexError if ``text[position:end]`` opens what is never closed."""
    found = text[position:end]
    if found.endswith("'"):
        before = tokens[-1] if tokens and found == "'" and tokens[-1].kind == "string" else None
        if before is not None and text[before.end - 1] == "'" and CONTINUED.fullmatch(text, before.end, position):
            position = before.start  # a literal of several parts, the last of which has no end
        raise LexError("quoted string", position)
    if found.endswith('"'):
        raise LexError("quoted identifier", position)
    return Token("bad", found, position, position + 1)


def unescape(text: str, escape: str = "\\") -> str:
    """The characters that a ``U&`` literal's or name's escapes stand for.

    Raises ValueError if one is no character; what is no escape stays as it is.
    """
    e = re.escape(escape)

    def one(m: re.Match[str]) -> str:
        if m.group(1):
            return escape
        code = int(m.group(2) or m.group(3), 16)
        if not 0 < code <= 0x10FFFF:
            raise ValueError("invalid Unicode escape value")
        return chr(code)

    plain = re.sub(rf"{e}({e})|{e}([0-9A-Fa-f]{{4}})|{e}\+([0-9A-Fa-f]{{6}})", one, text)
    # \D83D\DE00 is one character, written as a surrogate pair.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16")
