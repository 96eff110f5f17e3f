"""Rows of a table that a foreign key would find without their counterpart."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Column, Facts, Relation
from proxy.plans.done import EQ
from proxy.plans.elements import says
from proxy.plans.probe import Probe, place_of
from proxy.plans.target import Target, literal, target
from proxy.sql.statements import Statement, TableConstraint, quote_identifier

BUILT_IN = 16384  # FirstNormalObjectId: types with smaller oids are Postgres's own
ALIKE = ({20, 21, 23}, {25, 1043})  # int8, int2, int4; text, varchar: compared across by operators of pg_catalog
MIXED = "MATCH FULL does not allow mixing of null and nonnull key values."


def orphans(
    statement: Statement,
    c: TableConstraint,
    name: str,
    table: Target,
    relation: Relation,
    facts: Facts,
    *,
    rows: str = "",
) -> Probe | None:
    """None where it cannot be told what the key will compare with what, and how; ``rows`` is a query for the table's as they will be."""
    assert c.references is not None
    parent = facts.find(c.references)
    if parent is None or not parent.exists:
        return None
    referenced = c.referenced_columns or next((k.columns for k in parent.constraints.values() if k.kind == "p"), ())
    if len(referenced) != len(c.columns) or not all(column in parent.columns for column in referenced):
        return None
    own = [f"fk.{quote_identifier(column)}" for column in c.columns]
    other = [f"pk.{quote_identifier(column)}" for column in referenced]
    pairs = zip(referenced, c.columns, other, own, strict=True)
    equal = [_equal(parent.columns[p], relation.columns[f], pk, fk) for p, f, pk, fk in pairs]
    there = [condition for condition in equal if condition is not None]
    if len(there) != len(equal):
        return None
    full = says(statement, c.body.start, "match", "full", end=c.span.end)
    some = (" OR " if full else " AND ").join(f"{column} IS DISTINCT FROM NULL" for column in own)
    of = target(c.references, parent, statement)
    before, behind = f"Key ({', '.join(c.columns)})=(", f') is not present in table "{of.name}".'
    about = f"pg_catalog.concat({literal(before)}, {shown(own)}, {literal(behind)})"
    if full:
        mixed = " OR ".join(f"{column} IS NOT DISTINCT FROM NULL" for column in own)
        about = f"CASE WHEN {mixed} THEN {literal(MIXED)} ELSE {about} END"
    own_rows = f"({rows})" if rows else f"{'' if relation.partitioned else 'ONLY '}{table.sql}"
    only_parent = "" if parent.partitioned else "ONLY "
    return Probe(
        f"SELECT {place_of('fk.tableoid')}, {about} FROM {own_rows} fk"
        f" LEFT JOIN {only_parent}{of.sql} pk ON {' AND '.join(there)}"
        f" WHERE {other[0]} IS NOT DISTINCT FROM NULL AND ({some}) LIMIT 1",
        "23503",
        ('insert or update on table "', f'" violates foreign key constraint "{name}"'),
        constraint=name,
        detail=("", ""),
    )


def _equal(a: Column, b: Column, pk: str, fk: str) -> str | None:
    """What the key's own comparison comes to; None if that is not for sure.

    An operator of pg_catalog may be another for a type of the user's, which a cast makes a text of (citext); within an
    array it is the type's own.
    """
    if a.base_oid == b.base_oid and a.base_oid >= BUILT_IN:
        return f"ARRAY[{pk}] {EQ} ARRAY[{fk}]"
    if (a.base_oid == b.base_oid and a.base_oid) or any({a.base_oid, b.base_oid} <= alike for alike in ALIKE):
        return f"{pk} {EQ} {fk}"
    return None


def shown(columns: Sequence[str]) -> str:
    """SQL for values as an error's DETAIL shows them."""
    values = (
        f"CASE WHEN {column} IS NOT DISTINCT FROM NULL THEN 'null' ELSE pg_catalog.format('%s', {column}) END"
        for column in columns
    )
    return f"pg_catalog.concat_ws(', ', {', '.join(values)})"
