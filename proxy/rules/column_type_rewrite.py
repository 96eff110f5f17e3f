"""ALTER COLUMN … TYPE that copies the table."""

from __future__ import annotations

from proxy.plans.change_type import only_utc
from proxy.plans.plan import Lock, Rewrite
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.column_type import changed, old_type, rewritten, swapped
from proxy.rules.subject import script
from proxy.sql.names import make_object_name
from proxy.sql.statements import AlterColumnType, quote_identifier


@rule
def column_type_rewrite(node: AlterColumnType, context: Context) -> Finding | None:
    found = changed(node, context)
    if found is None or found[1].work != "rewrite":
        return None
    about, _ = found
    if only_utc(context.statement, node) and rewritten(node, about, context) is not None:
        return None  # at-time-zone-utc
    swap = swapped(node, about, context)
    new = " ".join(node.type.span.of(context.statement.text).split())
    old = old_type(node, about)
    guessed = old is None and node.using is None
    rows = about.all_rows
    change = f"Not every {old} is stored as {new} would store it."
    if guessed:
        change, rows = _guess(new, context), f"If it does, {rows[0].lower()}{rows[1:]}"
    if node.using is not None:
        change = "Postgres computes USING for every row, whatever it says."
    return Finding(
        rule="column-type-rewrite",
        at=node.span,
        problem=f'changing the type of column "{node.column}" {"may" if guessed else "would"} block reads and writes of {about.shown}'
        " while all rows are written anew",
        detail=f"{change} {rows} would be copied, and every index built again, under an ACCESS EXCLUSIVE lock."
        + _by_second_column(swap),
        hint=_hint(node, new, old, context),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="rewrite",
        relation=context.table.relation,
        rewrite=swap if isinstance(swap, Rewrite) else None,
    )


def _guess(new: str, context: Context) -> str:
    """What is to be said where the type that the column has is not known."""
    asked = "" if context.facts.live else " (interlock check --database URL asks for it)"
    return f"Whether a change to {new} copies the table depends on the type that it is changed from{asked}."


def _by_second_column(swap: Rewrite | str | None) -> str:
    match swap:
        case None:
            return ""
        case str():
            return f" It cannot be done in steps, by a second column: {swap}."
        case _:
            return " In steps, by a second column, it would end up as the last one of the table."


def _hint(node: AlterColumnType, new: str, old: str | None, context: Context) -> str:
    on, column = table(context), quote_identifier(node.column)
    if only_utc(context.statement, node):
        return script(
            "BEGIN",
            "SET LOCAL TimeZone = 'UTC'",
            f"ALTER TABLE {on} ALTER COLUMN {column} TYPE {new}",
            "COMMIT",
        ) + "\n(the same values, and no row is copied)"  # fmt: skip
    fresh = quote_identifier(make_object_name(node.column, None, "new"))
    value = node.using.of(context.statement.text) if node.using else f"{column}::{new}"
    return script(
        f"ALTER TABLE {on} ADD COLUMN {fresh} {new}",
        f"<a trigger that sets {fresh} = {value} in new and changed rows>",
        (f"UPDATE {on} SET {fresh} = {value} WHERE {fresh} IS DISTINCT FROM {value}", "in batches"),
        "<indexes and constraints of the new column, without blocking>",
        f"BEGIN; ALTER TABLE {on} DROP COLUMN {column}; ALTER TABLE {on} RENAME COLUMN {fresh} TO {column}; COMMIT",
    )
