"""ALTER COLUMN … TYPE that copies the table."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.column_type import changed, old_type
from proxy.rules.subject import script
from proxy.rules.words import tokens
from proxy.sql.statements import AlterColumnType, quote_identifier


@rule
def column_type_rewrite(node: AlterColumnType, context: Context) -> Finding | None:
    found = changed(node, context)
    if found is None or found[1].work != "rewrite":
        return None
    about, _ = found
    new = " ".join(node.type.span.of(context.statement.text).split())
    old = old_type(node, about)
    change = f"Not every {old} is stored as {new} would store it." if old else f"A change to {new} may copy the table."
    if node.using is not None:
        change = "Postgres computes USING for every row, whatever it says."
    return Finding(
        rule="column-type-rewrite",
        at=node.span,
        problem=f'changing the type of column "{node.column}" would block reads and writes of {about.shown}'
        " while all rows are written anew",
        detail=f"{change} {about.all_rows} would be copied, and every index built again, under an ACCESS EXCLUSIVE lock.",
        hint=_hint(node, new, old, context),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="rewrite",
        relation=context.table.relation,
    )


def _hint(node: AlterColumnType, new: str, old: str | None, context: Context) -> str:
    on, column = table(context), quote_identifier(node.column)
    if _only_utc(node, old, context):
        return script(
            "BEGIN",
            "SET LOCAL TimeZone = 'UTC'",
            f"ALTER TABLE {on} ALTER COLUMN {column} TYPE {new}",
            "COMMIT",
        ) + "\n(the same values, and no row is copied)"  # fmt: skip
    fresh = quote_identifier(f"{node.column}_new")
    value = node.using.of(context.statement.text) if node.using else f"{column}::{new}"
    return script(
        f"ALTER TABLE {on} ADD COLUMN {fresh} {new}",
        f"<a trigger that sets {fresh} = {value} in new and changed rows>",
        f"UPDATE {on} SET {fresh} = {value} WHERE {fresh} IS DISTINCT FROM {value} -- in batches",
        "<indexes and constraints of the new column, without blocking>",
        f"BEGIN; ALTER TABLE {on} DROP COLUMN {column}; ALTER TABLE {on} RENAME COLUMN {fresh} TO {column}; COMMIT",
    )


def _only_utc(node: AlterColumnType, old: str | None, context: Context) -> bool:
    """Whether it is ``timestamp`` to ``timestamptz``, or back, as UTC: free in a session whose TimeZone is that."""
    stamps = ("timestamp without time zone", "timestamp with time zone")
    if node.type.name not in ("timestamp", "timestamptz") or (old is not None and old not in stamps):
        return False
    if node.using is None:
        return False
    words = [t.value.strip("'").lower() for t in tokens(context.statement.text, node.using)]
    words = [w for w in words if w not in "()"]
    return words == [node.column, "at", "time", "zone", "utc"]
