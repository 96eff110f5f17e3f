"""Rows that violate a CHECK."""

from __future__ import annotations

from proxy.plans.probe import Probe, place_of
from proxy.plans.target import Target
from proxy.sql.statements import quote_identifier


def violations(expression: str, name: str, table: Target, rows: str) -> Probe:
    """``rows``: where they stand, behind FROM, by the table's name.

    IS FALSE, for NOT would be worked into the expression, whose parts may then be tried in another order.
    """
    return Probe(
        f"SELECT {place_of(f'{quote_identifier(table.name)}.tableoid')}, '' FROM {rows}"
        f" WHERE ({expression}\n) IS FALSE LIMIT 1",
        "23514",
        (f'check constraint "{name}" of relation "', '" is violated by some row'),
        constraint=name,
        evaluates=True,
    )


__all__ = ["violations"]
