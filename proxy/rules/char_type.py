"""A column of type char(n), which pads its values with blanks."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, advice
from proxy.rules.new_column import columns
from proxy.sql.statements import AddColumn, CreateTable


@advice
def char_type(node: CreateTable | AddColumn, context: Context) -> Finding | None:
    if (made := columns(node, context)) is None:
        return None
    table, found = made
    column = next((c for c in found if c.type.name.removesuffix("[]") == "bpchar"), None)
    if column is None:
        return None
    return Finding(
        rule="char-type",
        at=column.type.span,
        problem=f'column "{column.name}" of "{table.name}" is char: its values are padded with blanks',
        detail="It saves nothing, and every change of its length copies the table; of varchar(n) and text it does not.",
        hint=f'Write: "{column.name}" text, with CHECK (length("{column.name}") <= …) if it needs a bound',
        lock=Lock.NONE,
        work="none",
        relation=table,
    )
