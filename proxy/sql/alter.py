"""ALTER of whatever is no relation, and the way to ALTER TABLE."""

from __future__ import annotations

from collections.abc import Callable

from proxy.sql.alter_column import alter_type as alter_column_type
from proxy.sql.alter_table import OBJECT_TYPES, alter_table
from proxy.sql.columns import column
from proxy.sql.constraints import attributes
from proxy.sql.cursor import NAMES, Cursor
from proxy.sql.objects import CLASSES, ON_TABLE, RELATIONS, ROUTINES, object_name
from proxy.sql.statements import Node, Other

OPERATIONS = ("rename to", "owner to")


def alter(c: Cursor) -> Node:
    start = c.here
    c.need("alter")
    if phrase := c.take_phrase(*OBJECT_TYPES):
        return alter_table(c, start, phrase.upper())
    if phrase := c.take_phrase(*READERS):
        return READERS[phrase](c)
    if phrase := c.take_phrase(*WHOLE):
        c.need_rest("a change")
        return Other(WHOLE[phrase])
    found = c.take_phrase(*OTHERS)
    if found is None:
        raise c.refuse("something that can be altered")
    return _other(c, "LANGUAGE" if found == "procedural language" else found.upper())


def _common(c: Cursor) -> str | None:
    """RENAME TO, OWNER TO, SET SCHEMA: what every object can undergo."""
    if phrase := c.take_phrase(*OPERATIONS):
        c.name()
        return phrase.upper()
    token = c.peek(2)
    named = token is not None and token.kind in NAMES and c.word(2) not in ("to", "from")
    if named and c.take("set", "schema"):  # else, of a function, it sets search_path
        c.name()
        return "SET SCHEMA"
    return None


def _done(kind: str, *options: str) -> Other:
    return Other(kind, options=frozenset(options))


def _other(c: Cursor, object_type: str) -> Other:
    kind = f"ALTER {object_type}"
    c.take("if", "exists")
    _, on = object_name(c, object_type)
    relations = (on,) if on is not None else ()
    if done := _common(c):
        return Other(kind, relations, options=frozenset({done}))
    if (object_type in ROUTINES or object_type in ON_TABLE) and (c.at("no", "depends") or c.at("depends", "on")):
        c.take("no")
        c.need("depends", "on", "extension")
        c.name()
        return Other(kind, relations, options=frozenset({"DEPENDS ON EXTENSION"}))
    if object_type not in WITH_CHANGES:
        raise c.refuse("RENAME TO, OWNER TO or SET SCHEMA")
    c.rest()
    return Other(kind, relations)


# ---------------------------------------------------------------- types and domains


def _type(c: Cursor) -> Other:
    kind = "ALTER TYPE"
    name = c.path()
    if c.take("rename", "to"):
        return Other(kind, options=frozenset({"RENAME TO"}), name=c.name())
    if done := _common(c):
        return _done(kind, done)
    if c.take("add", "value"):
        c.take("if", "not", "exists")
        c.string()
        if c.take_one("before", "after"):
            c.string()
        return _done(kind, "ADD VALUE")
    if c.take("rename", "value"):
        c.string()
        c.need("to")
        c.string()
        return _done(kind, "RENAME VALUE")
    if c.take("rename", "attribute"):
        c.name()
        c.need("to")
        c.name()
        options = {"RENAME ATTRIBUTE", *(["CASCADE"] if c.behavior() else [])}
        return Other(kind, (name,), options=frozenset(options))  # Postgres takes a table here, too
    if c.take("set"):
        c.need_group()
        return _done(kind, "SET")
    return _done(kind, *(word for words in c.listed(lambda: _attribute(c)) for word in words))


def _attribute(c: Cursor) -> list[str]:
    """An action on an attribute of a composite type: its words."""
    start = c.here
    verb = c.need_one("add", "drop", "alter")
    c.need("attribute")
    match verb:
        case "add":
            column(c)
        case "drop":
            c.take("if", "exists")
            c.name()
        case _:
            name = c.name()
            c.need_phrase("set data type", "type")
            alter_column_type(c, start, name)
    words = [f"{verb.upper()} ATTRIBUTE"]
    return [*words, "CASCADE"] if c.behavior() else words


def _domain(c: Cursor) -> Other:
    kind = "ALTER DOMAIN"
    c.path()
    if done := _common(c):
        return _done(kind, done)
    if c.take("set", "default"):
        c.expression()
        return _done(kind, "SET DEFAULT")
    if phrase := c.take_phrase("drop default", "set not null", "drop not null"):
        return _done(kind, phrase.upper())
    if c.take("add"):
        return _add_to_domain(c, kind)
    if c.take("drop", "constraint"):
        c.take("if", "exists")
        c.name()
        return _done(kind, "DROP CONSTRAINT", *(["CASCADE"] if c.behavior() else []))
    if c.take("validate", "constraint"):
        return Other(kind, options=frozenset({"VALIDATE CONSTRAINT"}), name=c.name())
    c.need("rename", "constraint")
    c.name()
    c.need("to")
    c.name()
    return _done(kind, "RENAME CONSTRAINT")


def _add_to_domain(c: Cursor, kind: str) -> Other:
    if c.take("constraint"):
        c.name()
    if not c.take("not", "null"):
        c.need("check")
        c.need_group()
    return _done(kind, "ADD CONSTRAINT", *(["NOT VALID"] if attributes(c).not_valid else []))


# ---------------------------------------------------------------- of the cluster


def _role(c: Cursor) -> Other:
    c.name()
    c.rest()
    return Other("ALTER ROLE")


def _user_mapping(c: Cursor) -> Other:
    c.need_rest("a user")
    return Other("ALTER USER MAPPING")


def _database(c: Cursor) -> Other:
    c.name()
    c.rest()
    return Other("ALTER DATABASE")


def _extension(c: Cursor) -> Other:
    c.name()
    if c.take("set", "schema"):
        c.name()
        return _done("ALTER EXTENSION", "SET SCHEMA")
    verb = c.need_one("update", "add", "drop")
    c.rest()
    return _done("ALTER EXTENSION", verb.upper())


READERS: dict[str, Callable[[Cursor], Other]] = {
    "type": _type,
    "domain": _domain,
    "role": _role,
    "user mapping for": _user_mapping,
    "user": _role,
    "group": _role,
    "database": _database,
    "extension": _extension,
}
WHOLE = {"system": "ALTER SYSTEM", "default privileges": "ALTER DEFAULT PRIVILEGES"}
# Objects that can be changed in ways of their own, besides RENAME, OWNER and SET SCHEMA.
WITH_CHANGES = frozenset({
    "FUNCTION", "PROCEDURE", "ROUTINE", "OPERATOR", "OPERATOR FAMILY", "PUBLICATION", "SUBSCRIPTION", "SERVER",
    "FOREIGN DATA WRAPPER", "TABLESPACE", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "COLLATION", "STATISTICS",
    "EVENT TRIGGER", "POLICY",
})  # fmt: skip
NOT_HERE = RELATIONS | {
    "COLUMN",
    "CONSTRAINT",
    "CAST",
    "TRANSFORM",
    "ACCESS METHOD",
    "ROLE",
    "DATABASE",
    "EXTENSION",
    "TYPE",
    "DOMAIN",
}
OTHERS = tuple(phrase for phrase in CLASSES if phrase.upper() not in NOT_HERE)
