"""Types as a statement writes them and as format_type() prints them: what they are called, and their modifiers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from proxy.sql.cursor import Cursor, NotRead
from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.types import STANDARD, type_name

SERIAL = frozenset({"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"})
ONE_LONG = frozenset({"char", "character", "nchar", "bit"})  # without a length they have length one
SECOND = "second"

Modifiers = tuple[int, ...]


def parts(text: str) -> tuple[str, ...] | None:
    """The name to look up for a type, without modifiers and array bounds; None if it cannot be read."""
    try:
        cursor = Cursor(lex(text))
        cursor.take("setof")
        word = cursor.word()
        if word is not None and not cursor.at(".", ahead=1):
            if cursor.at("double", "precision") or word == "national" or word in STANDARD:
                return ("pg_catalog", head(text).removesuffix("[]"))
            if word in SERIAL:
                return None
        found = cursor.path().parts
    except (LexError, NotRead, IndexError):
        return None
    return found if len(found) <= 2 else None


@lru_cache(maxsize=1024)
def head(text: str) -> str:
    """``varchar`` of ``character varying(20)``, ``int4[]`` of ``integer[3]``; empty if it cannot be read."""
    try:
        name = type_name(Cursor(lex(text))).name
    except (LexError, NotRead, IndexError):
        return ""
    scalar = name.rstrip("[]")
    return scalar + "[]" if name != scalar else name


@lru_cache(maxsize=1024)
def modifiers(text: str) -> Modifiers | None:
    """``(8, 2)`` of ``numeric(8,2)``; None if something else than numbers stands between the parentheses."""
    try:
        tokens = lex(text)
    except LexError:
        return None
    if head(text) in ("float4", "float8"):
        return ()
    opened = next((i for i, t in enumerate(tokens) if t.kind == "op" and t.value == "("), None)
    if opened is None:
        words = [t.value for t in tokens if t.kind == "word"]
        return (1,) if words[:1] and words[0] in ONE_LONG | {"national"} and "varying" not in words else ()
    found = []
    for token in _until_closed(tokens, opened):
        if token.kind == "number" and token.value.isdecimal():
            found.append(int(token.value))
        elif token.value != ",":
            return None
    return tuple(found)


def _until_closed(tokens: list[Token], opened: int) -> Iterator[Token]:
    for token in tokens[opened + 1 :]:
        if token.kind == "op" and token.value == ")":
            return
        yield token


def whole_seconds(text: str) -> bool:
    """Whether an interval type leaves no field out below the second: ``interval``, ``interval day to second(3)``."""
    words = [t.value for t in lex(text) if t.kind == "word"]
    return words[-1] in ("interval", SECOND)
