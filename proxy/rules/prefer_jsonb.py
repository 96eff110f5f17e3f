"""A column of type json, which cannot be compared or indexed."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, advice
from proxy.rules.new_column import columns
from proxy.sql.statements import AddColumn, CreateTable


@advice
def prefer_jsonb(node: CreateTable | AddColumn, context: Context) -> Finding | None:
    if (made := columns(node, context)) is None:
        return None
    table, found = made
    column = next((c for c in found if c.type.name.removesuffix("[]") == "json"), None)
    if column is None:
        return None
    return Finding(
        rule="prefer-jsonb",
        at=column.type.span,
        problem=f'column "{column.name}" of "{table.name}" is json: it cannot be compared, and SELECT DISTINCT fails on it',
        detail="json keeps the text and reads it anew each time; jsonb keeps the value, and can be indexed.",
        hint=f'Write: "{column.name}" jsonb',
        lock=Lock.NONE,
        work="none",
        relation=table,
    )
