"""TRUNCATE, VACUUM, ANALYZE, REINDEX, CLUSTER, REFRESH, LOCK: what is done to relations as they are."""

from __future__ import annotations

from proxy.sql.cursor import Cursor, option_is_on
from proxy.sql.statements import Name, Other

LOCK_MODES = (
    "access share", "row share", "row exclusive", "share update exclusive", "share row exclusive", "share",
    "exclusive", "access exclusive",
)  # fmt: skip


def truncate(c: Cursor) -> Other:
    c.need("truncate")
    c.take("table")
    names = c.listed(lambda: c.relation()[0])
    options = set()
    if c.take_phrase("restart identity", "continue identity") == "restart identity":
        options.add("RESTART IDENTITY")
    if c.behavior():
        options.add("CASCADE")
    return Other("TRUNCATE TABLE", tuple(names), options=frozenset(options))


def vacuum(c: Cursor) -> Other:
    """VACUUM and ANALYZE; option FULL rewrites."""
    verb = c.need_one("vacuum", "analyze", "analyse")
    full = False
    if c.at("("):
        first = c.i
        c.group()
        full = option_is_on(c, "full", first, c.i)
    else:
        while word := c.take_one("full", "freeze", "verbose", "analyze", "analyse"):
            full |= word == "full"
    names = [] if c.done else c.listed(lambda: _with_columns(c))
    if verb != "vacuum":
        return Other("ANALYZE", tuple(names))
    return Other("VACUUM", tuple(names), options=frozenset({"FULL"} if full else ()))


def _with_columns(c: Cursor) -> Name:
    name, _ = c.relation()
    c.maybe_group()
    return name


def reindex(c: Cursor) -> Other:
    """Options: INDEX, TABLE, SCHEMA, SYSTEM or DATABASE, which says what ``relations`` holds."""
    c.need("reindex")
    concurrently = False
    if c.at("("):
        first = c.i
        c.group()
        concurrently = option_is_on(c, "concurrently", first, c.i)
    what = c.need_one("index", "table", "schema", "system", "database")
    concurrently = c.take("concurrently") or concurrently
    name = None
    if what in ("index", "table"):
        name = c.qname()
    else:
        c.maybe_name()
    return Other("REINDEX", (name,) if name else (), concurrently, frozenset({what.upper()}))


def cluster(c: Cursor) -> Other:
    c.need("cluster")
    if not c.maybe_group():
        c.take("verbose")
    if c.done:
        return Other("CLUSTER")
    name, index = c.qname(), None
    if c.take("using"):
        index = c.name()
    elif c.take("on"):  # CLUSTER index ON table, as it was before 8.3
        index, name = name.name, c.qname()
    return Other("CLUSTER", (name,), name=index)


def refresh(c: Cursor) -> Other:
    c.need("refresh", "materialized", "view")
    concurrently = c.take("concurrently")
    name = c.qname()
    empty = c.take_phrase("with no data", "with data") == "with no data"
    return Other(
        "REFRESH MATERIALIZED VIEW", (name,), concurrently, frozenset({"WITH NO DATA"} if empty else ())
    )  # fmt: skip


def lock(c: Cursor) -> Other:
    """Options: the mode, in upper case, and NOWAIT."""
    c.need("lock")
    c.take("table")
    names = c.listed(lambda: c.relation()[0])
    mode = "access exclusive"
    if c.take("in"):
        mode = c.need_phrase(*LOCK_MODES)
        c.need("mode")
    options = {mode.upper()}
    if c.take("nowait"):
        options.add("NOWAIT")
    return Other("LOCK TABLE", tuple(names), options=frozenset(options))
