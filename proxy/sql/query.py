"""SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE: of a query only what it creates is looked at."""

from __future__ import annotations

from proxy.sql.cursor import NAMES, Cursor
from proxy.sql.statements import CreateTableAs, Node, Query

VERBS = {"select": "SELECT", "values": "SELECT", "table": "SELECT", "insert": "INSERT", "update": "UPDATE",
         "delete": "DELETE", "merge": "MERGE"}  # fmt: skip
# What may stand behind the name after INTO; all of them are reserved, so none is a name itself.
BEHIND_INTO = frozenset({"from", "where", "group", "having", "window", "union", "intersect", "except", "order", "limit", "offset", "fetch", "for"})  # fmt: skip


def query(c: Cursor) -> Node:
    """A Query, or for SELECT … INTO a CreateTableAs."""
    depth = _opened(c)
    if c.take("with"):
        if not (c.at("recursive", "as") or c.at("recursive", "(")):  # else a name
            c.take("recursive")
        c.listed(lambda: _cte(c))
        depth += _opened(c)
    verb = c.word()
    kind = VERBS.get(verb) if verb else None
    if kind is None:
        raise c.refuse("SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES or TABLE")
    c.any()
    into = _into(c, depth) if kind == "SELECT" else None
    c.rest()
    return into or Query(kind)


def at_query(c: Cursor) -> bool:
    """Whether a query comes next, perhaps in brackets."""
    ahead = 0
    while c.at("(", ahead=ahead):
        ahead += 1
    word = c.word(ahead)
    return word in ("select", "with", "table") or (word == "values" and c.at("(", ahead=ahead + 1))


def _opened(c: Cursor) -> int:
    depth = 0
    while c.take("("):
        depth += 1
    return depth


def _cte(c: Cursor) -> None:
    c.name()
    c.maybe_group()
    c.need("as")
    c.take("not")
    c.take("materialized")
    c.need_group()
    if c.take("search"):
        c.need_one("depth", "breadth")
        c.need("first", "by")
        c.listed(c.path)
        c.need("set")
        c.name()
    if c.take("cycle"):
        c.listed(c.name)
        c.need("set")
        c.name()
        if c.take("to"):
            c.expression(("default",))
            c.need("default")
            c.expression(("using",))
        c.need("using")
        c.name()


def _into(c: Cursor, level: int) -> CreateTableAs | None:
    """The INTO of the first of a query's selects: no other may have one.  ``level`` brackets are open."""
    depth = level
    while not c.done and depth >= level:
        token = c.tokens[c.i]
        c.i += 1
        if token.kind == "op":
            depth += (token.value in ("(", "[")) - (token.value in (")", "]"))
        elif token.kind == "word" and depth == level:
            if token.value in ("union", "intersect", "except"):
                return None
            before = c.tokens[c.i - 2]
            if token.value == "into" and not (before.value in (".", "as") and before.kind in ("op", "word")):
                temporary = _temporary(c)
                return CreateTableAs(c.qname(), "TABLE", temporary)
    return None


def _temporary(c: Cursor) -> bool:
    """``[[LOCAL | GLOBAL] TEMP | TEMPORARY | UNLOGGED] [TABLE]`` (gram.y: OptTempTableName): whether it is temporary.

    Each of these words but TABLE is a table's name where no name follows it.
    """
    if c.word() in ("local", "global") and c.word(1) in ("temp", "temporary"):
        c.any()
    word, token = c.word(), c.peek(1)
    named = token is not None and token.kind in NAMES and c.word(1) not in BEHIND_INTO
    if word in ("temp", "temporary", "unlogged") and named:
        c.any()
    else:
        word = None
    c.take("table")
    return word in ("temp", "temporary")
