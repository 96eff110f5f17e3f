"""DROP of whatever can be dropped."""

from __future__ import annotations

from proxy.sql.cursor import Cursor
from proxy.sql.index import drop_index
from proxy.sql.objects import object_class, object_name
from proxy.sql.statements import Drop, Name, Node, Other

# Of the whole cluster, or without names that a relation could be reached by: read, and no more.
WHOLE = frozenset({"DATABASE", "TABLESPACE", "ROLE", "SUBSCRIPTION"})


def drop(c: Cursor) -> Node:
    c.need("drop")
    if c.take("owned", "by"):
        c.need_rest("a role")
        return Other("DROP OWNED")
    if c.take_phrase("user mapping for", "user mapping if"):
        c.need_rest("a user")
        return Other("DROP USER MAPPING")
    if c.take_one("user", "group"):
        return _whole(c, "ROLE")
    object_type = object_class(c)
    if object_type == "INDEX":
        return drop_index(c)
    if object_type in WHOLE:
        return _whole(c, object_type)
    if_exists = c.take("if", "exists")
    named = c.listed(lambda: object_name(c, object_type))
    names = tuple(name for name, _ in named if name is not None)
    return Drop(object_type, names, if_exists, c.behavior(), named[0][1])


def _whole(c: Cursor, object_type: str) -> Drop:
    """``DROP DATABASE name WITH (FORCE)`` and the like."""
    if_exists = c.take("if", "exists")
    start = c.here
    names = c.listed(lambda: Name((c.name(),), c.since(start)))
    if object_type == "DATABASE":
        c.take("with")
        c.maybe_group()
    return Drop(object_type, tuple(names), if_exists, c.behavior())
