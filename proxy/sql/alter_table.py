"""ALTER TABLE and its like for indexes, views, sequences: everything that is an AlterTable."""

from __future__ import annotations

from collections.abc import Callable

from proxy.sql.alter_column import alter_column
from proxy.sql.columns import column
from proxy.sql.constraints import at_table_constraint, attributes, table_constraint
from proxy.sql.cursor import Cursor
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterTable,
    AttachPartition,
    DetachPartition,
    DropColumn,
    DropConstraint,
    Node,
    Other,
    OtherAction,
    Span,
    ValidateConstraint,
)

OBJECT_TYPES = ("table", "foreign table", "index", "sequence", "materialized view", "view")
SEQUENCE_OPTIONS = frozenset({
    "as", "cache", "cycle", "increment", "logged", "maxvalue", "minvalue", "owned", "sequence", "start", "restart", "unlogged",
})  # fmt: skip


def alter_table(c: Cursor, start: int, object_type: str) -> Node:
    """What follows ``ALTER TABLE``, ``ALTER INDEX`` …; ``start`` is where ALTER stands."""
    if c.take("all", "in", "tablespace"):
        c.name()
        c.rest()
        return Other(f"ALTER {object_type}", options=frozenset({"ALL IN TABLESPACE"}))
    if_exists = c.take("if", "exists")
    relation, only = c.relation()
    head = Span(start, c.here)
    if c.at("rename"):
        actions: list[Action] = [_rename(c)]
    elif c.at("set", "schema"):
        actions = [_set_schema(c)]
    elif c.at("depends", "on") or c.at("no", "depends"):
        actions = [_depends(c)]
    elif object_type == "SEQUENCE" and _at_sequence_options(c):
        begin = c.here
        c.rest()
        actions = [OtherAction(c.since(begin), "SEQUENCE OPTIONS")]
    else:
        actions = c.listed(lambda: action(c))
    return AlterTable(object_type, relation, head, tuple(actions), only, if_exists)


def action(c: Cursor) -> Action:
    """One action of the list."""
    start = c.here
    match c.word():
        case "add":
            return _add(c, start)
        case "drop":
            return _drop(c, start)
        case "alter":
            return alter_column(c, start) if not c.at("alter", "constraint") else _alter_constraint(c, start)
        case "validate":
            c.need("validate", "constraint")
            name = c.name()
            return ValidateConstraint(c.since(start), name)
        case "attach":
            return _attach(c, start)
        case "detach":
            return _detach(c, start)
        case _:
            return _other(c, start)


def _rename(c: Cursor) -> OtherAction:
    start = c.here
    c.need("rename")
    if c.take("to"):
        new = c.name()
        return OtherAction(c.since(start), "RENAME TO", name=new)
    if c.take("constraint"):
        old = c.name()
        c.need("to")
        new = c.name()
        return OtherAction(c.since(start), "RENAME CONSTRAINT", name=old, to=new)
    c.take("column")
    old = c.name()
    c.need("to")
    new = c.name()
    return OtherAction(c.since(start), "RENAME COLUMN", column=old, name=new)


def _set_schema(c: Cursor) -> OtherAction:
    start = c.here
    c.need("set", "schema")
    name = c.name()
    return OtherAction(c.since(start), "SET SCHEMA", name=name)


def _depends(c: Cursor) -> OtherAction:
    start = c.here
    no = "NO " if c.take("no") else ""
    c.need("depends", "on", "extension")
    name = c.name()
    return OtherAction(c.since(start), no + "DEPENDS ON EXTENSION", name=name)


def _at_sequence_options(c: Cursor) -> bool:
    return c.word() in SEQUENCE_OPTIONS or any(c.at("no", word) for word in ("maxvalue", "minvalue", "cycle"))


def _add(c: Cursor, start: int) -> Action:
    c.need("add")
    if at_table_constraint(c):
        constraint = table_constraint(c)
        return AddConstraint(c.since(start), constraint)
    c.take("column")
    if_not_exists = c.take("if", "not", "exists")
    added = column(c)
    return AddColumn(c.since(start), added, if_not_exists)


def _drop(c: Cursor, start: int) -> Action:
    c.need("drop")
    if c.take("constraint"):
        if_exists = c.take("if", "exists")
        name = c.name()
        cascade = c.behavior()
        return DropConstraint(c.since(start), name, if_exists, cascade)
    c.take("column")
    if_exists = c.take("if", "exists")
    name = c.name()
    cascade = c.behavior()
    return DropColumn(c.since(start), name, if_exists, cascade)


def _alter_constraint(c: Cursor, start: int) -> OtherAction:
    c.need("alter", "constraint")
    name = c.name()
    attributes(c)
    c.take("inherit")
    return OtherAction(c.since(start), "ALTER CONSTRAINT", name=name)


def _attach(c: Cursor, start: int) -> AttachPartition:
    c.need("attach", "partition")
    partition = c.qname()
    is_default = c.at("default")
    if not c.done:  # an index has no bounds
        bounds(c)
    return AttachPartition(c.since(start), partition, is_default)


def bounds(c: Cursor) -> None:
    """``DEFAULT`` or ``FOR VALUES …``"""
    if c.take("default"):
        return
    c.need("for", "values")
    if c.take("with") or c.take("in"):
        c.need_group()
    else:
        c.need("from")
        c.need_group()
        c.need("to")
        c.need_group()


def _detach(c: Cursor, start: int) -> DetachPartition:
    c.need("detach", "partition")
    partition = c.qname()
    finalize = c.take("finalize")
    concurrently = not finalize and c.take("concurrently")
    return DetachPartition(c.since(start), partition, concurrently, finalize)


def _name(c: Cursor) -> str | None:
    return c.name()


def _path(c: Cursor) -> str | None:
    return ".".join(c.path().parts)


def _replica_identity(c: Cursor) -> str | None:
    if c.take("using", "index"):
        return c.name()
    c.need_one("default", "full", "nothing")
    return None


def _group(c: Cursor) -> None:
    c.need_group()


# Phrases with what follows them, longer ones before those that they start with.
PHRASES: tuple[tuple[str, Callable[[Cursor], str | None] | None], ...] = (
    ("owner to", _name),
    ("replica identity", _replica_identity),
    ("enable row level security", None),
    ("disable row level security", None),
    ("no force row level security", None),
    ("force row level security", None),
    ("enable always trigger", _name),
    ("enable replica trigger", _name),
    ("enable trigger all", None),
    ("enable trigger user", None),
    ("enable trigger", _name),
    ("disable trigger all", None),
    ("disable trigger user", None),
    ("disable trigger", _name),
    ("enable always rule", _name),
    ("enable replica rule", _name),
    ("enable rule", _name),
    ("disable rule", _name),
    ("of", _path),
    ("not of", None),
    ("cluster on", _name),
    ("set without cluster", None),
    ("set without oids", None),
    ("set logged", None),
    ("set unlogged", None),
    ("set tablespace", _name),
    ("set access method default", None),
    ("set access method", _name),
    ("options", _group),
    ("set", _group),
    ("reset", _group),
)


def _other(c: Cursor, start: int) -> OtherAction:
    if phrase := c.take_phrase("no inherit", "inherit"):
        parent = c.qname()
        return OtherAction(c.since(start), phrase.upper(), relation=parent)
    for phrase, argument in PHRASES:
        if c.take(*phrase.split()):
            name = argument(c) if argument else None
            return OtherAction(c.since(start), phrase.upper(), name=name)
    raise c.refuse("an action of ALTER TABLE")
