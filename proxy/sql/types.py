"""Type names (gram.y: Typename)."""

from __future__ import annotations

from proxy.sql.cursor import Cursor
from proxy.sql.statements import Span, TypeName

# Words of the SQL standard, and the names in pg_type that they stand for.
STANDARD = {
    "int": "int4", "integer": "int4", "bigint": "int8", "smallint": "int2", "real": "float4", "float": "float8",
    "decimal": "numeric", "dec": "numeric", "numeric": "numeric", "boolean": "bool", "char": "bpchar", "character": "bpchar",
    "varchar": "varchar", "nchar": "bpchar", "time": "time", "timestamp": "timestamp", "interval": "interval", "bit": "bit",
    "json": "json",
}  # fmt: skip
FIELDS = ("year", "month", "day", "hour", "minute", "second")


def type_name(c: Cursor) -> TypeName:
    """A type with its modifiers and array bounds; ``integer`` is called int4, ``text[3]`` text[]."""
    start = c.here
    c.take("setof")
    name = _scalar(c)
    while c.at("["):
        c.need("[")
        token = c.peek()
        if token is not None and token.kind == "number":
            c.any()
        c.need("]")
        name += "[]"
    if c.take("array"):
        name += "[]"
        if c.take("["):
            c.any()
            c.need("]")
    return TypeName(name, c.since(start))


def no_type(c: Cursor) -> TypeName:
    """Of a column whose type is its table's business: OF, PARTITION OF."""
    return TypeName("", Span(c.behind, c.behind))


def _scalar(c: Cursor) -> str:
    word = c.word()
    if word is not None and not c.at(".", ahead=1):
        if c.take("double", "precision"):
            return "float8"
        if c.take("national"):
            c.need_one("character", "char")
            varying = c.take("varying")
            c.maybe_group()
            return "varchar" if varying else "bpchar"
        if word in STANDARD:
            c.any()
            return _standard(c, word)
    name = ".".join(c.path().parts)
    if not c.take("%", "type"):
        c.maybe_group()
    return name.removeprefix("pg_catalog.")


def _standard(c: Cursor, word: str) -> str:
    match word:
        case "char" | "character" | "nchar" | "bit" if c.take("varying"):
            c.maybe_group()
            return "varbit" if word == "bit" else "varchar"
        case "float" if c.at("("):
            digits = c.peek(1)
            c.group()
            short = digits is not None and digits.value.isdecimal() and int(digits.value[:9]) <= 24
            return "float4" if short else "float8"
        case "time" | "timestamp":
            c.maybe_group()
            if c.take("with", "time", "zone"):
                return word + "tz"
            c.take("without", "time", "zone")
        case "interval":
            if not c.maybe_group() and c.take_one(*FIELDS):
                c.maybe_group()
                if c.take("to"):
                    c.need_one(*FIELDS)
                    c.maybe_group()
        case _:
            c.maybe_group()
    return STANDARD[word]
