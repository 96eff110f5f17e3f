"""SQL that stands inside a literal: the body of a DO block, the text of an EXECUTE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from proxy.sql.lexer import Comment, LexError, Token, scan

ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
DIGITS = {"x": 2, "u": 4, "U": 8}  # at most, and for u and U exactly


class Body(NamedTuple):
    """A text as far as it is code: its tokens and Interlock's comments, and where it ends.

    ``text`` is as long as the text that the literal stands in, and equal to it outside of the literal.  Inside,
    each token stands at its own place as it reads without the escapes, with blanks for what those took: an
    offset means the same in both, and a slice is SQL.
    """

    text: str
    tokens: Sequence[Token]
    comments: Sequence[Comment]
    end: int


def open_literal(text: str, literal: Token, *, standard_conforming_strings: bool) -> Body | None:
    """What a literal in ``text`` holds; None if the lexer refuses that, or if the literal is of a form not read here.

    Not read are ``U&'…'``, characters beyond ASCII by number, and comments between the parts of a literal.
    """
    found = _value(literal.value, backslashes=literal.value[0] in "eE" or not standard_conforming_strings)
    if found is None:
        return None
    value, places = found
    try:
        lexed = scan(value, standard_conforming_strings=standard_conforming_strings)
    except LexError:
        return None
    at = [literal.start + place for place in places]
    comments = [Comment(body, at[start], at[end]) for body, start, end in lexed.comments]
    tokens = [Token(kind, word, at[start], at[start] + end - start) for kind, word, start, end in lexed.tokens]
    if len(value) != at[-1] - at[0]:
        text = _laid_out(text, value, at, lexed.tokens)
    return Body(text, tokens, comments, at[-1])


def literal_value(literal: Token, *, standard_conforming_strings: bool) -> str | None:
    """The characters of a literal; None if it is of a form that is not read here."""
    backslashes = literal.value[0] in "eE" or not standard_conforming_strings
    found = _value(literal.value, backslashes=backslashes)
    return found[0] if found is not None else None


def _value(raw: str, *, backslashes: bool) -> tuple[str, Sequence[int]] | None:
    """The characters of a literal, and where in it each of them starts; then where the last one ends."""
    if raw[0] == "$":
        tag = raw.index("$", 1) + 1
        return raw[tag:-tag], range(tag, len(raw) - tag + 1)
    i = 2 if raw[0] in "eE" else 1
    if raw[i - 1] != "'":
        return None
    value: list[str] = []
    places: list[int] = []
    while i < len(raw):
        start, c = i, raw[i]
        i += 1
        if c == "'" and raw[i : i + 1] != "'":
            if i == len(raw):
                return "".join(value), [*places, start]
            i = raw.index("'", i) + 1
            if raw[start + 1 : i - 1].strip():
                return None
            continue
        if c == "'":
            i += 1
        elif c == "\\" and backslashes:
            escaped = _escape(raw, i)
            if escaped is None:
                return None
            c, i = escaped
        value.append(c)
        places.append(start)
    return None


def _escape(raw: str, i: int) -> tuple[str, int] | None:
    """The ASCII character that the escape whose letter stands at ``i`` means, and where it ends."""
    c = raw[i]
    if c not in DIGITS and c not in "01234567":
        return ESCAPES.get(c, c), i + 1
    start = i + (c in DIGITS)
    base, most = (16, DIGITS[c]) if c in DIGITS else (8, 3)
    end = start
    while end < len(raw) and end - start < most and raw[end] in "0123456789abcdefABCDEF"[: 22 if base == 16 else 8]:
        end += 1
    if end == start:
        return (c, start) if c == "x" else None
    code = int(raw[start:end], base)
    return (chr(code), end) if 0 < code < 0x80 and (c not in "uU" or end - start == most) else None


def _laid_out(text: str, value: str, at: Sequence[int], tokens: Sequence[Token]) -> str:
    out = [" "] * (at[-1] - at[0])
    shift, done = at[0], 0
    for token in (*tokens, None):
        start = len(value) if token is None else token.start
        for i in range(done, start):  # line ends between two tokens; comments are left out
            if value[i] == "\n":
                out[at[i] - shift] = "\n"
        if token is not None:
            place = at[start] - shift
            out[place : place + token.end - start] = value[start : token.end]
            done = token.end
    return text[: at[0]] + "".join(out) + text[at[-1] :]
