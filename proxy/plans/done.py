"""Queries of one boolean: is a step's effect there already?

Every operator and function is qualified, so that nothing in the client's search_path can answer instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.plans.target import Target, literal, qualify

EQ = "OPERATOR(pg_catalog.=)"


def named(schema: str, name: str) -> Target:
    return Target(qualify(schema, name), schema, name)


def constraint(table: Target, name: str, *, validated: bool = False) -> str | None:
    """Whether ``table`` has a constraint of that name; None if the table's schema is not known."""
    only = " AND k.convalidated" if validated else ""
    return _exists(
        table,
        f"JOIN pg_catalog.pg_constraint k ON k.conrelid {EQ} c.oid",
        f"k.conname {EQ} {literal(name)}{only}",
    )


def no_constraint(table: Target, name: str) -> str | None:
    """Whether ``table`` is there and has no constraint of that name."""
    own = f"SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid {EQ} c.oid AND k.conname {EQ} {literal(name)}"
    return _exists(table, "", f"NOT EXISTS ({own})")


def key(table: Target, name: str, columns: Sequence[str]) -> str | None:
    """Whether ``table`` has a primary key or unique constraint of that name, of these columns."""
    wanted = ", ".join(literal(column) for column in columns)
    return _exists(
        table,
        f"JOIN pg_catalog.pg_constraint k ON k.conrelid {EQ} c.oid",
        f"k.conname {EQ} {literal(name)} AND (k.contype {EQ} 'p' OR k.contype {EQ} 'u') AND ARRAY("
        "SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS o(n, at)"
        f" JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} c.oid AND a.attnum {EQ} o.n"
        f" ORDER BY o.at USING OPERATOR(pg_catalog.<)) {EQ} ARRAY[{wanted}]::pg_catalog.text[]",
    )


def not_null(table: Target, column: str) -> str | None:
    """Whether the column is NOT NULL."""
    return _exists(
        table,
        f"JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} c.oid",
        f"a.attname {EQ} {literal(column)} AND a.attnotnull",
    )


def column(table: Target, name: str) -> str | None:
    """Whether the table has that column."""
    return _exists(
        table,
        f"JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} c.oid",
        f"a.attname {EQ} {literal(name)} AND NOT a.attisdropped",
    )


def typed(table: Target, name: str, type_: str, collation: str) -> str | None:
    """Whether the column is of that type, as format_type() prints it, and collation; empty: the type's own."""
    own = f"a.attcollation {EQ} y.typcollation"
    other = f"SELECT l.collname FROM pg_catalog.pg_collation l WHERE l.oid {EQ} a.attcollation"
    return _exists(
        table,
        f"JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} c.oid JOIN pg_catalog.pg_type y ON y.oid {EQ} a.atttypid",
        f"a.attname {EQ} {literal(name)} AND pg_catalog.format_type(a.atttypid, a.atttypmod) {EQ} {literal(type_)}"
        f" AND CASE WHEN {own} THEN '' ELSE ({other}) END {EQ} {literal(collation)}",
    )


def index_valid(index: Target) -> str | None:
    """Whether a valid index of that name exists."""
    return _exists(index, f"JOIN pg_catalog.pg_index i ON i.indexrelid {EQ} c.oid", "i.indisvalid")


def index(of: Target, join: str, condition: str) -> str | None:
    """Whether there is an index of that name for which the condition holds; ``c`` is its relation, ``i`` what pg_index says."""
    return _exists(of, f"JOIN pg_catalog.pg_index i ON i.indexrelid {EQ} c.oid {join}", condition)


def index_there(index: Target) -> str | None:
    """Whether an index of that name exists, valid or not."""
    return _exists(index, f"JOIN pg_catalog.pg_index i ON i.indexrelid {EQ} c.oid", "true")


def gone(oid: int) -> str:
    """Whether no relation has that oid any more."""
    return f"SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid {EQ} {oid})"


def attached(part: Target, above: Target) -> str | None:
    """Whether the table or index ``part`` is a partition of ``above``."""
    return _exists(
        part,
        f"JOIN pg_catalog.pg_inherits h ON h.inhrelid {EQ} c.oid JOIN pg_catalog.pg_class u ON u.oid {EQ} h.inhparent"
        f" JOIN pg_catalog.pg_namespace un ON un.oid {EQ} u.relnamespace",
        f"un.nspname {EQ} {literal(above.schema)} AND u.relname {EQ} {literal(above.name)}",
    )


def no_invalid_index(index: Target) -> str | None:
    """Whether no invalid index of that name is left."""
    return negate(_exists(index, f"JOIN pg_catalog.pg_index i ON i.indexrelid {EQ} c.oid", "NOT i.indisvalid"))


def no_index(index: Target, oid: int = 0) -> str | None:
    """Whether no index has that name; nor that OID, if one is given: it may have another name by now, or be in another schema.

    The OID alone does not tell: REINDEX CONCURRENTLY gives the name to another index.
    """
    there = negate(index_there(index))
    return both(there, gone(oid)) if oid else there


def unique_index(
    index: Target, table: Target, columns: Sequence[str], include: Sequence[str], *, nulls_not_distinct: bool
) -> str | None:
    """Whether ``index`` is valid and what UNIQUE (columns) INCLUDE (include) on ``table`` would build.

    Default operator classes, collations and order, no predicate, and no constraint on it yet.
    """
    if not index.schema:
        return None
    wanted = ", ".join(literal(name) for name in (*columns, *include))
    # indnullsnotdistinct came with 15; as JSON a missing column is NULL and not an error.
    distinct = "pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(i), 'indnullsnotdistinct')"
    return _exists(
        index,
        f"JOIN pg_catalog.pg_index i ON i.indexrelid {EQ} c.oid"
        f" JOIN pg_catalog.pg_class t ON t.oid {EQ} i.indrelid"
        f" JOIN pg_catalog.pg_namespace tn ON tn.oid {EQ} t.relnamespace"
        f" JOIN pg_catalog.pg_am m ON m.oid {EQ} c.relam",
        f"tn.nspname {EQ} {literal(table.schema)} AND t.relname {EQ} {literal(table.name)}"
        f" AND m.amname {EQ} 'btree' AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL"
        f" AND i.indnkeyatts {EQ} {len(columns)}"
        f" AND COALESCE({distinct}, 'false') {EQ} '{str(nulls_not_distinct).lower()}'"
        f" AND ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k(n, at)"
        f" JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} t.oid AND a.attnum {EQ} k.n"
        f" ORDER BY k.at USING OPERATOR(pg_catalog.<)) {EQ} ARRAY[{wanted}]::pg_catalog.text[]"
        f" AND NOT EXISTS (SELECT FROM pg_catalog.unnest(i.indoption) AS o(bits) WHERE o.bits OPERATOR(pg_catalog.<>) 0)"
        f" AND NOT EXISTS (SELECT FROM pg_catalog.unnest(i.indclass) AS o(class)"
        f" JOIN pg_catalog.pg_opclass p ON p.oid {EQ} o.class WHERE NOT p.opcdefault)"
        f" AND NOT EXISTS (SELECT FROM pg_catalog.unnest(i.indcollation) WITH ORDINALITY AS o(coll, at)"
        f" JOIN pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k(n, at) ON k.at {EQ} o.at"
        f" JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} t.oid AND a.attnum {EQ} k.n"
        f" WHERE o.coll OPERATOR(pg_catalog.<>) a.attcollation)"
        f" AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid {EQ} c.oid"
        f" AND k.contype OPERATOR(pg_catalog.<>) 'f')",
    )


def both(*queries: str | None) -> str | None:
    """Whether all of them hold; None if one of them cannot be asked."""
    return _joined(queries, " AND ")


def either(*queries: str | None) -> str | None:
    return _joined(queries, " OR ")


def negate(query: str | None) -> str | None:
    return f"SELECT NOT ({query})" if query else None


def _joined(queries: Sequence[str | None], word: str) -> str | None:
    if not queries or None in queries:
        return None
    asked = list(dict.fromkeys(queries)) if len(queries) > 1 else queries
    return asked[0] if len(asked) == 1 else "SELECT " + word.join(f"({query})" for query in asked)


def _exists(of: Target, join: str, condition: str) -> str | None:
    if not of.schema:
        return None
    return (
        f"SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace"
        f" {join} WHERE n.nspname {EQ} {literal(of.schema)} AND c.relname {EQ} {literal(of.name)} AND {condition})"
    )
