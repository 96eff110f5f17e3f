"""A column of type timestamp, which does not say whose time it is."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, advice
from proxy.rules.new_column import columns
from proxy.sql.statements import AddColumn, CreateTable


@advice
def prefer_timestamptz(node: CreateTable | AddColumn, context: Context) -> Finding | None:
    if (made := columns(node, context)) is None:
        return None
    table, found = made
    column = next((c for c in found if c.type.name.removesuffix("[]") == "timestamp"), None)
    if column is None:
        return None
    return Finding(
        rule="prefer-timestamptz",
        at=column.type.span,
        problem=f'column "{column.name}" of "{table.name}" is a timestamp without time zone: it does not say whose time it is',
        detail="The same value means another moment to each client whose TimeZone differs. timestamptz takes the same 8 bytes.",
        hint=f'Write: "{column.name}" timestamptz',
        lock=Lock.NONE,
        work="none",
        relation=table,
    )
