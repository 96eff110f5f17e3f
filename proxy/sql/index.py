"""CREATE INDEX and DROP INDEX."""

from __future__ import annotations

from proxy.sql.constraints import nulls_not_distinct
from proxy.sql.cursor import Cursor
from proxy.sql.statements import CreateIndex, DropIndex, Name, Span

# Functions called without parentheses; reserved, so never a column unless quoted.
VALUE_FUNCTIONS = frozenset({
    "current_catalog", "current_date", "current_role", "current_schema", "current_time", "current_timestamp", "current_user",
    "localtime", "localtimestamp", "session_user", "system_user", "user",
})  # fmt: skip


def create_index(c: Cursor, *, unique: bool) -> CreateIndex:
    """What follows the word INDEX."""
    keyword = _behind(c)
    concurrently = c.take("concurrently")
    if_not_exists = c.take("if", "not", "exists")
    name = None if c.at("on") and not if_not_exists else _one_part(c)
    c.need("on")
    relation, only = c.relation()
    method = c.name() if c.take("using") else "btree"
    c.need("(")
    columns = c.listed(lambda: index_key(c))
    c.need(")")
    if c.take("include"):
        c.need("(")
        c.listed(lambda: index_key(c))
        c.need(")")
    nulls_not_distinct(c)
    if c.take("with"):
        c.need_group()
    if c.take("tablespace"):
        c.name()
    where = c.expression() if c.take("where") else None
    return CreateIndex(
        relation, name, keyword, unique, concurrently, if_not_exists, only, tuple(columns), method, where
    )  # fmt: skip


def drop_index(c: Cursor) -> DropIndex:
    """What follows the word INDEX."""
    keyword = _behind(c)
    concurrently = c.take("concurrently")
    if_exists = c.take("if", "exists")
    names = c.listed(c.qname)
    return DropIndex(tuple(names), keyword, concurrently, if_exists, c.behavior())


def index_key(c: Cursor) -> str | None:
    """A column or an expression with collation, operator class and order; the column's name, or None."""
    name = _key(c)
    if c.take("collate"):
        c.path()
    if not (c.at(",") or c.at(")") or c.at("asc") or c.at("desc") or c.at("nulls")):
        c.path()  # an operator class
        c.maybe_group()
    elif c.at("nulls") and not (c.at("nulls", "first") or c.at("nulls", "last")):
        c.path()  # one of that name
        c.maybe_group()
    c.take_one("asc", "desc")
    c.take_phrase("nulls first", "nulls last")
    return name


def _key(c: Cursor) -> str | None:
    if c.at("("):
        c.group()
        return None
    if c.word() in VALUE_FUNCTIONS and not c.at(".", ahead=1):
        c.any()
        c.maybe_group()
        return None
    if c.take("collation", "for"):
        c.need_group()
        return None
    path = c.path()
    if len(path.parts) == 1 and not c.at("("):
        return path.name
    c.need_group()  # a function's arguments
    if c.take("within", "group"):
        c.need_group()
    return None


def _behind(c: Cursor) -> Span:
    token = c.tokens[c.i - 1]
    return Span(token.start, token.end)


def _one_part(c: Cursor) -> Name:
    start = c.here
    name = c.name()
    return Name((name,), c.since(start))
