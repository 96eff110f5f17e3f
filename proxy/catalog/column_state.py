"""What tells whether anybody has changed a column, or what hangs on it, since a plan was made."""

from __future__ import annotations

from importlib.resources import files

EQ = "OPERATOR(pg_catalog.=)"
STATE = files("proxy.catalog").joinpath("column_state.sql").read_text(encoding="ascii")
"""A query of one text, over an alias ``c`` of pg_class and ``a`` of pg_attribute."""


def same(schema: str, table: str, column: str, state: str) -> str:
    """A query of one boolean; the parameters are literals of SQL."""
    one_line = " ".join(line for line in map(str.strip, STATE.splitlines()) if not line.startswith("--"))
    return (
        f"SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace"
        f" JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} c.oid"
        f" WHERE n.nspname {EQ} {schema} AND c.relname {EQ} {table} AND a.attname {EQ} {column} AND ({one_line}) {EQ} {state})"
    )
