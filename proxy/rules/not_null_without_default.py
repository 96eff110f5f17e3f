"""ADD COLUMN … NOT NULL without a default, which fails if there is a row."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.column import VALUES, added_to, of_kind, table, without
from proxy.rules.subject import script
from proxy.rules.volatile_default import SERIAL
from proxy.sql.statements import AddColumn, quote_identifier


@caution
def not_null_without_default(node: AddColumn, context: Context) -> Finding | None:
    about = added_to(node, context)
    if about is None or not of_kind(node, "NOT NULL", "PRIMARY KEY") or of_kind(node, *VALUES):
        return None
    relation = about.relation
    if node.column.type.name in SERIAL or (relation is not None and relation.size_bytes == 0):
        return None
    name, on = quote_identifier(node.column.name), table(context)
    return Finding(
        rule="not-null-without-default",
        at=(of_kind(node, "NOT NULL", "PRIMARY KEY")[0]).span,
        problem=f'adding column "{node.column.name}" fails if {about.shown} has a row: it would be NULL there',
        detail=f"Nothing is known to fill the column with in {about.amount}.",
        hint=script(
            without(node, context, "NOT NULL"),
            (f"UPDATE {on} SET {name} = <value> WHERE {name} IS NULL", "in batches"),
            f"ALTER TABLE {on} ALTER COLUMN {name} SET NOT NULL",
        ),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=context.table.relation,
    )
