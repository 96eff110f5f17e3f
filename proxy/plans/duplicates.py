"""Rows that are the same under a unique index."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.plans.orphans import shown
from proxy.plans.probe import Probe
from proxy.plans.target import Target, literal


def duplicates(
    table: Target,
    name: str,
    keys: Sequence[tuple[str, str]],
    *,
    where: str = "",
    nulls_not_distinct: bool = False,
    made: tuple[str, ...] = (),
    rows: str = "",
    restricted: bool = False,
) -> Probe:
    """``rows`` is a query for the table's as they will be, ``keys`` are expressions with the words for each in the DETAIL; OFFSET has the predicate come before them."""
    values = [f"k{n}" for n in range(len(keys))]
    listed = ", ".join(f"({expression}\n) AS k{n}" for n, (expression, _) in enumerate(keys))
    some = "" if nulls_not_distinct else " WHERE " + " AND ".join(f"{value} IS DISTINCT FROM NULL" for value in values)
    source = f"({rows}) r" if rows else f"ONLY {table.sql}"
    inner = f"SELECT {listed} FROM {source}" + (f" WHERE ({where}\n) IS TRUE OFFSET 0" if where else "")
    return Probe(
        f"SELECT {literal(table.schema)}, {literal(table.name)}, {shown(values)} FROM ({inner}) q{some}"
        f" GROUP BY {', '.join(values)} HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1",
        "23505",
        (f'could not create unique index "{name}"',),
        constraint=name,
        detail=("Key (", ", ".join(words for _, words in keys), ")=(", ") is duplicated."),
        made=made,
        evaluates=True,
        restricted=restricted,
    )


__all__ = ["duplicates"]
