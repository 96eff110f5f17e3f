"""The SQL of a batched change: which rows, by their places in the table, and what is left.

A batch takes rows between two pages of one table that still need the change, and changes them: those that nobody has
locked, so that it never waits for a row (``change``), or all of them (``change_all``, and ``change_between`` where no limit
is needed).  On 13 places are listed one by one, since only 14 reads a range of them.
Every operator and function is qualified, but for what stands in the plan's own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.plans.plan import Batch
from proxy.run.asking import hexed
from proxy.sql.statements import quote_identifier

RANGES = 14  # the first version that reads the rows between two places without reading the whole table
PAGE_HEADER, TUPLE_LEAST = 24, 28  # bytes: a page holds at most (block_size - 24) / 28 rows (MaxHeapTuplesPerPage)

EQ = "OPERATOR(pg_catalog.=)"
BLOCK = "(({0})::pg_catalog.text::pg_catalog.point)[0]"
PLACE = "(({0})::pg_catalog.text::pg_catalog.point)[1]"


@dataclass(frozen=True, slots=True)
class Leaf:
    """One table that holds rows."""

    oid: int
    schema: str
    name: str
    kind: str  # pg_class.relkind
    method: str  # pg_am.amname

    @property
    def sql(self) -> str:
        return f"{quote_identifier(self.schema, always=True)}.{quote_identifier(self.name, always=True)}"


COLUMNS = (
    "n.nspname::pg_catalog.text",
    "c.relname::pg_catalog.text",
    "c.relkind::pg_catalog.text",
    "COALESCE(m.amname::pg_catalog.text, '')",
)
LEAVES = f"""/* interlock */ WITH RECURSIVE tree (oid) AS (
    SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace
    WHERE n.nspname {EQ} $1::pg_catalog.name AND c.relname {EQ} $2::pg_catalog.name
    UNION SELECT h.inhrelid FROM tree t JOIN pg_catalog.pg_inherits h ON h.inhparent {EQ} t.oid
    WHERE NOT $3::pg_catalog.bool
) SELECT c.oid, {", ".join(map(hexed, COLUMNS))}
FROM tree t JOIN pg_catalog.pg_class c ON c.oid {EQ} t.oid JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace
LEFT JOIN pg_catalog.pg_am m ON m.oid {EQ} c.relam
WHERE c.relkind OPERATOR(pg_catalog.<>) 'p' ORDER BY c.oid"""

# How many pages, how large each is, and how many rows one holds by the statistics (NULL without any).
PAGES = (
    "/* interlock */ SELECT pg_catalog.pg_relation_size(c.oid)"
    " OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::pg_catalog.int8,"
    " pg_catalog.current_setting('block_size'),"
    " CASE WHEN c.relpages OPERATOR(pg_catalog.>) 0 AND c.reltuples OPERATOR(pg_catalog.>) 0"
    " THEN c.reltuples OPERATOR(pg_catalog./) c.relpages END"
    f" FROM pg_catalog.pg_class c WHERE c.oid {EQ} $1::pg_catalog.oid"
)

# What other servers are behind by, of those that follow closely; hidden from roles that may not see it.
LAG = f"""/* interlock */ SELECT {hexed("r.application_name")},
    pg_catalog.date_part('epoch', r.replay_lag) OPERATOR(pg_catalog.*) 1000,
    pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), COALESCE(r.replay_lsn, r.flush_lsn, r.write_lsn))
FROM pg_catalog.pg_stat_replication r WHERE r.state OPERATOR(pg_catalog.=) 'streaming'"""

SKIP_TRIGGERS = "SET LOCAL session_replication_role = replica"


def most_places(block_size: int) -> int:
    """On a page."""
    return (block_size - PAGE_HEADER) // TUPLE_LEAST


def places(start: int, end: int, *, version: int, slots: int) -> str:
    """Whether a row stands on the pages from ``start`` to before ``end``; before 14 only in the first ``slots`` places of each."""
    if version >= RANGES:
        return (
            f"ctid OPERATOR(pg_catalog.>=) '({start},0)'::pg_catalog.tid"
            f" AND ctid OPERATOR(pg_catalog.<) '({end},0)'::pg_catalog.tid"
        )
    return _listed(f"pg_catalog.generate_series({start}, {end - 1})", slots)


def on(pages: Sequence[int], *, slots: int) -> str:
    """Whether a row stands on one of these pages, in the first ``slots`` places of it."""
    return _listed(f"pg_catalog.unnest('{{{','.join(map(str, pages))}}}'::pg_catalog.int8[])", slots)


def _listed(pages: str, slots: int) -> str:
    """The text of a page's places is made once, and read for each page: a third of what it costs to make each by itself."""
    return (
        f"ctid {EQ} ANY (ARRAY(SELECT pg_catalog.unnest(pg_catalog.replace(t.slots, 'p', b.n::pg_catalog.text)::pg_catalog.tid[])"
        " FROM (SELECT pg_catalog.concat('{', pg_catalog.string_agg(pg_catalog.concat('\"(p,', i.n, ')\"'), ','), '}')"
        f" FROM pg_catalog.generate_series(1, {slots}) AS i (n)) AS t (slots),"
        f" {pages} AS b (n)))"
    )


def change(batch: Batch, leaf: Leaf, where: str, rows: int) -> str:
    """Changes at most ``rows`` rows.

    One row: how many it changed, how many of those still need it, the last one's page, the highest place that one had on its page.
    """
    lock = "NO KEY UPDATE" if batch.assign else "UPDATE"
    at = f"ctid {EQ} ANY (ARRAY(SELECT picked.at FROM picked))"
    doing = (
        f"UPDATE ONLY {leaf.sql} SET {batch.assign} WHERE {at}"
        if batch.assign
        else f"DELETE FROM ONLY {leaf.sql} WHERE {at}"
    )
    still = f"({batch.where})" if batch.assign else "false"
    return (
        f"/* interlock */ WITH picked AS MATERIALIZED (SELECT ctid AS at FROM ONLY {leaf.sql}"
        f" WHERE {where} AND ({batch.where}) LIMIT {rows} FOR {lock} SKIP LOCKED),"
        f" changed AS ({doing} RETURNING {still} AS still)"
        " SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE changed.still),"
        f" (SELECT pg_catalog.max({BLOCK.format('picked.at')}) FROM picked),"
        f" (SELECT pg_catalog.max({PLACE.format('picked.at')}) FROM picked) FROM changed"
    )


def change_all(batch: Batch, leaf: Leaf, where: str, rows: int) -> str:
    """Changes at most ``rows`` rows, and waits for those that are locked; how many tells the command tag.

    The condition stands there twice: a row that was waited for has become another one.
    """
    picked = f"SELECT ctid FROM ONLY {leaf.sql} WHERE {where} AND ({batch.where}) LIMIT {rows}"
    return change_between(batch, leaf, f"ctid {EQ} ANY (ARRAY({picked}))")


def change_between(batch: Batch, leaf: Leaf, where: str) -> str:
    """Changes all rows at these places, in one go through them, and waits for those that are locked."""
    doing = f"UPDATE ONLY {leaf.sql} SET {batch.assign}" if batch.assign else f"DELETE FROM ONLY {leaf.sql}"
    return f"/* interlock */ {doing} WHERE {where} AND ({batch.where})"


def left(batch: Batch, table: str, limit: int) -> str:
    """Where rows stand that still need the change, in one look at the whole: table and page."""
    only = "ONLY " if batch.only else ""
    page = BLOCK.format("ctid")
    return (
        f"/* interlock */ SELECT DISTINCT l.oid, l.page FROM (SELECT tableoid AS oid, {page} AS page FROM {only}{table}"
        f" WHERE {batch.where} LIMIT {limit}) AS l ORDER BY 1, 2"
    )


def still(batch: Batch, leaf: Leaf, where: str) -> str:
    """On which pages rows at these places still need the change."""
    page = BLOCK.format("ctid")
    return f"/* interlock */ SELECT DISTINCT {page} FROM ONLY {leaf.sql} WHERE {where} AND ({batch.where}) ORDER BY 1"
