"""CREATE of whatever is neither a table nor an index."""

from __future__ import annotations

from collections.abc import Callable

from proxy.sql.columns import column_constraints
from proxy.sql.constraints import attributes
from proxy.sql.create_table import create_foreign_table, create_materialized_view, create_table
from proxy.sql.cursor import Cursor, NotRead
from proxy.sql.index import VALUE_FUNCTIONS, create_index
from proxy.sql.statements import Name, Node, Other
from proxy.sql.types import type_name

REPLACED = frozenset({"OR REPLACE"})


def create(c: Cursor) -> Node:
    """Any CREATE but CREATE SCHEMA."""
    c.need("create")
    options = REPLACED if c.take("or", "replace") else frozenset[str]()
    if phrase := c.take_phrase(*READERS):
        return READERS[phrase](c, options)
    if phrase := c.take_phrase(*WHOLE):
        c.need_rest("a name")
        return Other(WHOLE[phrase])
    return _relation(c, options)


def _relation(c: Cursor, options: frozenset[str]) -> Node:
    """Tables, views and sequences: what may be temporary or unlogged."""
    c.take_one("local", "global")
    temporary = c.take_one("temp", "temporary") is not None
    if not temporary:
        c.take("unlogged")
    if c.take("table"):
        return create_table(c, temporary=temporary)
    if not temporary and c.take("materialized", "view"):
        return create_materialized_view(c)
    if c.take_phrase("view", "recursive view"):
        return _view(c, options)
    if c.take("sequence"):
        c.take("if", "not", "exists")
        name = c.qname()
        c.rest()
        return Other("CREATE SEQUENCE", (name,))
    raise c.refuse("something that can be created")


def _view(c: Cursor, options: frozenset[str]) -> Other:
    name = c.qname()
    c.maybe_group()
    if c.take("with"):
        c.need_group()
    c.need("as")
    c.need_rest("a query")
    return Other("CREATE VIEW", (name,), options=options)


def _routine(kind: str) -> Callable[[Cursor, frozenset[str]], Other]:
    def read(c: Cursor, options: frozenset[str]) -> Other:
        c.path()
        c.need_group()
        c.rest()
        return Other(kind, options=options)

    return read


def _trigger(c: Cursor, options: frozenset[str]) -> Other:
    c.name()
    if not c.skip_to("on"):
        raise c.refuse("ON")
    c.need("on")
    table = c.qname()
    c.need_rest("EXECUTE FUNCTION")
    return Other("CREATE TRIGGER", (table,), options=options)


def _rule(c: Cursor, options: frozenset[str]) -> Other:
    c.name()
    c.need("as", "on")
    c.need_one("select", "insert", "update", "delete")
    c.need("to")
    table = c.qname()
    c.need_rest("DO")
    return Other("CREATE RULE", (table,), options=options)


def _policy(c: Cursor, _options: frozenset[str]) -> Other:
    c.name()
    c.need("on")
    table = c.qname()
    c.rest()
    return Other("CREATE POLICY", (table,))


def _type(c: Cursor, _options: frozenset[str]) -> Other:
    """``CREATE TYPE name``, ``… AS (…)``, ``… AS ENUM (…)``, ``… AS RANGE (…)``, ``… (…)``"""
    name, composite = c.path(), False
    if not c.done:
        composite = c.take("as") and not c.take_one("enum", "range")
        c.need_group()
    return Other("CREATE TYPE", name=name.name if composite else None)


def _domain(c: Cursor, _options: frozenset[str]) -> Other:
    c.path()
    c.take("as")
    type_name(c)
    while not c.done:
        here = c.i
        column_constraints(c)
        attributes(c)  # NOT VALID, which a column's CHECK cannot have
        if c.i == here:
            raise c.refuse("a constraint")
    return Other("CREATE DOMAIN")


def _statistics(c: Cursor, _options: frozenset[str]) -> Other:
    c.take("if", "not", "exists")
    if not c.at("on") and not c.at("("):
        c.path()
    c.maybe_group()
    c.need("on")
    if not c.skip_to("from"):
        raise c.refuse("FROM")
    c.need("from")
    relations = c.listed(lambda: _from_item(c))
    return Other("CREATE STATISTICS", tuple(r for r in relations if r is not None))


def _from_item(c: Cursor) -> Name | None:
    """An item of a FROM list; its name, if it is simply a relation.  The grammar takes more than the server does."""
    start = c.i
    while not c.done and not c.at(","):
        if c.at("(") or c.at("["):
            c.group()
        else:
            c.any()
    item = Cursor(c.tokens[start : c.i])
    if not item.size or item.word() in VALUE_FUNCTIONS:
        return None
    try:
        name, _ = item.relation()
        item.take("as")
        if not item.done:
            item.name()
            item.maybe_group()
        item.need_end()
    except NotRead:
        return None
    return name


def _language(c: Cursor, options: frozenset[str]) -> Other:
    """Without a handler it is CREATE EXTENSION by another name."""
    c.name()
    if c.done:
        return Other("CREATE EXTENSION")
    c.rest()
    return Other("CREATE LANGUAGE", options=options)


READERS: dict[str, Callable[[Cursor, frozenset[str]], Node]] = {
    "index": lambda c, _: create_index(c, unique=False),
    "unique index": lambda c, _: create_index(c, unique=True),
    "foreign table": lambda c, _: create_foreign_table(c),
    "function": _routine("CREATE FUNCTION"),
    "procedure": _routine("CREATE PROCEDURE"),
    "trigger": _trigger,
    "constraint trigger": _trigger,
    "rule": _rule,
    "policy": _policy,
    "type": _type,
    "domain": _domain,
    "statistics": _statistics,
    **{f"{trusted}{procedural}language": _language for trusted in ("trusted ", "") for procedural in ("procedural ", "")},
}  # fmt: skip
# Their names are no relations', and what follows them locks none that its text names.
WHOLE: dict[str, str] = {
    "extension": "CREATE EXTENSION", "event trigger": "CREATE EVENT TRIGGER", "role": "CREATE ROLE",
    "user mapping for": "CREATE USER MAPPING", "user mapping if": "CREATE USER MAPPING", "user": "CREATE ROLE",
    "group": "CREATE ROLE", "database": "CREATE DATABASE", "tablespace": "CREATE TABLESPACE",
    "foreign data wrapper": "CREATE FOREIGN DATA WRAPPER", "server": "CREATE SERVER", "publication": "CREATE PUBLICATION",
    "subscription": "CREATE SUBSCRIPTION", "cast": "CREATE CAST", "transform": "CREATE TRANSFORM",
    "operator class": "CREATE OPERATOR CLASS", "operator family": "CREATE OPERATOR FAMILY", "operator": "CREATE OPERATOR",
    "aggregate": "CREATE AGGREGATE", "text search configuration": "CREATE TEXT SEARCH CONFIGURATION",
    "text search dictionary": "CREATE TEXT SEARCH DICTIONARY", "text search parser": "CREATE TEXT SEARCH PARSER",
    "text search template": "CREATE TEXT SEARCH TEMPLATE", "collation": "CREATE COLLATION",
    "conversion": "CREATE CONVERSION", "default conversion": "CREATE CONVERSION", "access method": "CREATE ACCESS METHOD",
}  # fmt: skip
