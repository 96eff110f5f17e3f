"""Classes of objects and the ways in which each is named (gram.y: DropStmt, CommentStmt, AlterOwnerStmt …)."""

from __future__ import annotations

from proxy.sql.cursor import Cursor
from proxy.sql.statements import Name
from proxy.sql.types import type_name

# As gram.y spells them, longer phrases before those that they start with.
CLASSES = (
    "access method", "aggregate", "cast", "collation", "column", "constraint", "conversion", "database", "domain",
    "event trigger", "extension", "foreign data wrapper", "foreign table", "function", "index", "language", "procedural language",
    "large object", "materialized view", "operator class", "operator family", "operator", "policy", "procedure", "publication",
    "role", "routine", "rule", "schema", "sequence", "server", "statistics", "subscription", "tablespace", "table",
    "text search configuration", "text search dictionary", "text search parser", "text search template", "transform", "trigger",
    "type", "view",
)  # fmt: skip
RELATIONS = frozenset({"TABLE", "INDEX", "SEQUENCE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"})
ROUTINES = frozenset({"FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE"})
ON_TABLE = frozenset({"TRIGGER", "RULE", "POLICY"})


def object_class(c: Cursor) -> str:
    """``TABLE``, ``MATERIALIZED VIEW`` …, in upper case."""
    phrase = c.take_phrase(*CLASSES)
    if phrase is None:
        raise c.refuse("a kind of object")
    return "LANGUAGE" if phrase == "procedural language" else phrase.upper()


def object_name(c: Cursor, object_type: str) -> tuple[Name | None, Name | None]:
    """An object's name, if it has one, and the table that it is on, if it is on one."""
    start = c.here
    match object_type:
        case "FUNCTION" | "PROCEDURE" | "ROUTINE" | "AGGREGATE":
            name = c.path()
            c.maybe_group()
            return name, None
        case "OPERATOR":
            name = c.operator_name()
            c.need_group()
            return name, None
        case "OPERATOR CLASS" | "OPERATOR FAMILY":
            name = c.path()
            c.need("using")
            c.name()
            return name, None
        case "TRIGGER" | "RULE" | "POLICY":
            only = Name((c.name(),), c.since(start))
            c.need("on")
            return only, c.qname()
        case "CAST":
            c.need_group()
            return None, None
        case "TRANSFORM":
            c.need("for")
            type_name(c)
            c.need("language")
            c.name()
            return None, None
        case "LARGE OBJECT":
            c.number()
            return None, None
        case "TYPE" | "DOMAIN":
            found = type_name(c)
            return Name((found.name,), found.span), None
        case "COLUMN":
            column = c.path()
            table = Name(column.parts[:-1], column.span) if len(column.parts) > 1 else None
            return column, table  # without a table the grammar takes it, but the server does not
        case _:
            return (c.qname() if object_type in RELATIONS else c.path()), None
