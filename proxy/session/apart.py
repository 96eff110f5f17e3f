"""Two questions to the catalog: whether anything but its table sees a change of columns, and what a tool's note would set off.

Source: Postgres docs, "pg_depend": what hangs on a table's row type, or on a column, stands there; what is built in does not.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.plans.done import EQ
from proxy.run.connection import Connection
from proxy.sql.statements import Name

CLASS, TYPE, ROUTINE, DEFAULT, CONSTRAINT = "'1259'", "'1247'", "'1255'", "'2604'", "'2606'"  # oids of catalogs
FIRST_NORMAL = "'16384'"  # FirstNormalObjectId: what is below is built in
ON_ROWS = f"""SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_type t ON t.oid {EQ} c.reltype
 JOIN pg_catalog.pg_depend d ON d.refclassid {EQ} {TYPE} AND d.refobjid {EQ} ANY (ARRAY[t.oid, t.typarray])
 AND d.deptype::pg_catalog.text OPERATOR(pg_catalog.<>) 'i' WHERE c.oid {EQ} $1::pg_catalog.oid"""
ON_COLUMNS = f"""SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_depend d
 ON d.refclassid {EQ} {CLASS} AND d.refobjid {EQ} a.attrelid AND d.refobjsubid {EQ} a.attnum
 WHERE a.attrelid {EQ} $1::pg_catalog.oid AND a.attname {EQ} ANY (ARRAY[{{}}]::pg_catalog.name[])"""


def _runs(catalog: str, objects: str) -> str:
    """Whether one of the ``objects`` calls a function that somebody has written."""
    return (
        f"EXISTS (SELECT FROM {objects} JOIN pg_catalog.pg_depend d ON d.classid {EQ} {catalog} AND d.objid {EQ} o.oid"
        f" AND d.refclassid {EQ} {ROUTINE})"
    )


PLAIN = f"""/* interlock */ SELECT c.relkind::pg_catalog.text {EQ} 'r'
 AND NOT (c.relhastriggers OR c.relhasrules OR c.relhassubclass OR c.relispartition OR c.relrowsecurity)
 AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid {EQ} c.oid)
 AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid {EQ} c.oid AND a.attnum OPERATOR(pg_catalog.>) 0
 AND a.atttypid OPERATOR(pg_catalog.>=) {FIRST_NORMAL})
 AND NOT {_runs(DEFAULT, "(SELECT f.oid FROM pg_catalog.pg_attrdef f WHERE f.adrelid " + EQ + " c.oid) AS o")}
 AND NOT {_runs(CONSTRAINT, "(SELECT k.oid FROM pg_catalog.pg_constraint k WHERE k.conrelid " + EQ + " c.oid) AS o")}
 AND NOT {_runs(CLASS, "(SELECT x.indexrelid FROM pg_catalog.pg_index x WHERE x.indrelid " + EQ + " c.oid) AS o (oid)")}
 FROM pg_catalog.pg_class c WHERE c.oid {EQ} pg_catalog.to_regclass($1)"""


async def is_apart(own: Connection, table: int, going: Sequence[str]) -> bool:
    """Whether nothing has the rows of a table (its oid) as values, and nothing uses the columns that go.

    Raises ServerError, ConnectionLost.
    """
    listed = ON_COLUMNS.format(", ".join(f"${i}" for i in range(2, 2 + len(going))))
    used = f" AND NOT EXISTS ({listed})" if going else ""
    return await _says(own, f"/* interlock */ SELECT NOT EXISTS ({ON_ROWS}){used}", str(table), *going)


async def is_plain(own: Connection, table: Name) -> bool:
    """Whether a row that is added to a table, or changed there, runs nothing that somebody has written, and goes nowhere else.

    Raises as ``is_apart``.
    """
    return await _says(own, PLAIN, table.quoted)


async def _says(own: Connection, sql: str, *parameters: str) -> bool:
    rows = await own.fetch(sql, *parameters)
    return bool(rows) and rows[0][0] == b"t"


__all__ = ["is_apart", "is_plain"]
