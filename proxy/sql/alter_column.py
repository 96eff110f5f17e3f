"""``ALTER [COLUMN] name …`` inside an ALTER TABLE (gram.y: alter_table_cmd)."""

from __future__ import annotations

from collections.abc import Callable

from proxy.sql.cursor import Cursor
from proxy.sql.statements import (
    Action,
    AlterColumnType,
    DropDefault,
    DropNotNull,
    OtherAction,
    SetDefault,
    SetNotNull,
)
from proxy.sql.types import type_name


def alter_column(c: Cursor, start: int) -> Action:
    """From ALTER, which stands at ``start``, to the end of the action."""
    c.need("alter")
    c.take("column")
    column = _column(c)
    if c.take_phrase("set data type", "type"):
        return alter_type(c, start, column)
    if c.take("set", "default"):
        expression = c.expression()
        return SetDefault(c.since(start), column, expression)
    if c.take("drop", "default"):
        return DropDefault(c.since(start), column)
    if c.take("set", "not", "null"):
        return SetNotNull(c.since(start), column)
    if c.take("drop", "not", "null"):
        return DropNotNull(c.since(start), column)
    for phrase, argument in PHRASES:
        if c.take(*phrase.split()):
            if argument:
                argument(c)
            return OtherAction(c.since(start), phrase.upper(), column)
    if c.at("set", "("):
        c.need("set")
        c.need_group()
        return OtherAction(c.since(start), "SET", column)
    if _identity_options(c):
        return OtherAction(c.since(start), "SET IDENTITY", column)
    raise c.refuse("an action of ALTER COLUMN")


def alter_type(c: Cursor, start: int, column: str) -> AlterColumnType:
    """What follows TYPE."""
    new = type_name(c)
    collation = ".".join(c.path().parts) if c.take("collate") else None
    using = c.expression() if c.take("using") else None
    return AlterColumnType(c.since(start), column, new, using, collation)


def _column(c: Cursor) -> str:
    """A column's name, or its number (an index's)."""
    token = c.peek()
    return c.number() if token is not None and token.kind == "number" else c.name()


def _add_generated(c: Cursor) -> None:
    _always_or_default(c)
    c.need("as", "identity")
    c.maybe_group()


def _always_or_default(c: Cursor) -> None:
    c.need_phrase("always", "by default")


def _if_exists(c: Cursor) -> None:
    c.take("if", "exists")


def _expression(c: Cursor) -> None:
    c.expression()


def _name(c: Cursor) -> None:
    c.name()


def _group(c: Cursor) -> None:
    c.need_group()


PHRASES: tuple[tuple[str, Callable[[Cursor], None] | None], ...] = (
    ("set expression as", _group),
    ("drop expression", _if_exists),
    ("add generated", _add_generated),
    ("drop identity", _if_exists),
    ("set statistics", _expression),
    ("set storage", _name),
    ("set compression", _name),
    ("reset", _group),
    ("options", _group),
)


def _identity_options(c: Cursor) -> bool:
    """Any number of ``RESTART …``, ``SET GENERATED …`` and ``SET <option of a sequence>``."""
    first = c.i
    while True:
        if c.take("restart"):
            _maybe_number(c)
        elif c.take("set", "generated"):
            _always_or_default(c)
        elif c.take("set"):
            _sequence_option(c)
        else:
            return c.i > first


def _sequence_option(c: Cursor) -> None:
    if c.take("no"):
        c.need_one("maxvalue", "minvalue", "cycle")
    elif c.take("sequence", "name") or c.take("owned", "by"):
        c.path()
    elif c.take("as"):
        type_name(c)
    elif c.take_one("increment", "maxvalue", "minvalue", "start", "cache", "restart"):
        _maybe_number(c)
    else:
        c.need_one("cycle", "logged", "unlogged")


def _maybe_number(c: Cursor) -> None:
    c.take_one("by", "with")
    token = c.peek()
    if c.at("-") or c.at("+") or (token is not None and token.kind == "number"):
        c.number()
