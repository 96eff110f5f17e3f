"""GRANT, REVOKE, COMMENT, SECURITY LABEL: what is said about objects."""

from __future__ import annotations

from proxy.sql.cursor import Cursor
from proxy.sql.objects import RELATIONS, object_class, object_name
from proxy.sql.statements import Name, Other

# Objects other than tables, as GRANT spells them.
GRANTABLE = (
    "foreign data wrapper", "foreign server", "function", "procedure", "routine", "database", "domain", "language",
    "large object", "parameter", "schema", "tablespace", "type",
)  # fmt: skip
MANY = ("tables", "sequences", "functions", "procedures", "routines")


def grant(c: Cursor) -> Other:
    """GRANT and REVOKE of privileges and of roles."""
    verb = c.need_one("grant", "revoke").upper()
    start = c.i
    if not (c.skip_to("on", "to", "from") and c.at("on")):  # behind TO an option may be called ON
        c.i = start
        c.need_rest("a role")
        return Other(f"{verb} ROLE")
    c.need("on")
    relations: tuple[Name, ...] = ()
    if c.take("all"):
        c.need_one(*MANY)
        c.need("in", "schema")
        c.listed(c.name)
    elif not any(_named(c, phrase) for phrase in GRANTABLE):
        if _named(c, "table") or _named(c, "sequence"):
            c.take_one("table", "sequence")
        relations = tuple(c.listed(c.qname))
    c.need_rest("TO or FROM")
    return Other(verb, relations)


def _named(c: Cursor, phrase: str) -> bool:
    """Whether these words say what kind of object comes, and are not themselves a table's name."""
    words = phrase.split()
    return c.at(*words) and not any(c.at(after, ahead=len(words)) for after in (",", "to", ".", "from"))


def comment(c: Cursor) -> Other:
    c.need("comment", "on")
    relations = _labelled(c)
    c.need("is")
    if not c.take("null"):
        c.string()
    return Other("COMMENT", relations)


def security_label(c: Cursor) -> Other:
    c.need("security", "label")
    if c.take("for"):
        c.any()
    c.need("on")
    relations = _labelled(c)
    c.need("is")
    if not c.take("null"):
        c.string()
    return Other("SECURITY LABEL", relations)


def _labelled(c: Cursor) -> tuple[Name, ...]:
    """The relation that an object is or is part of."""
    if c.take("constraint"):
        c.name()
        c.need("on")
        if not (c.at("domain", "is") or c.at("domain", ".")) and c.take("domain"):
            c.path()
            return ()
        return (c.qname(),)
    object_type = object_class(c)
    name, on = object_name(c, object_type)
    if on is not None:
        return (on,)
    return (name,) if name is not None and object_type in RELATIONS else ()
