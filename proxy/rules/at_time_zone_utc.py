"""ALTER COLUMN … TYPE USING … AT TIME ZONE 'UTC', which copies the table although no value changes."""

from __future__ import annotations

from proxy.plans.change_type import only_utc
from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.column_type import changed, rewritten
from proxy.rules.subject import script
from proxy.sql.statements import AlterColumnType, quote_identifier


@rule
def at_time_zone_utc(node: AlterColumnType, context: Context) -> Finding | None:
    if not only_utc(context.statement, node):
        return None
    found = changed(node, context)
    if found is None or found[1].work != "rewrite" or (rewrite := rewritten(node, found[0], context)) is None:
        return None
    about = found[0]
    column, new = quote_identifier(node.column), " ".join(node.type.span.of(context.statement.text).split())
    return Finding(
        rule="at-time-zone-utc",
        at=node.span,
        problem=f'changing the type of column "{node.column}" would block reads and writes of {about.shown}'
        " while all rows are written anew",
        detail=f"Postgres computes USING for every row, whatever it says: {about.all_rows[0].lower()}{about.all_rows[1:]}"
        " would be copied, and every index built again, under an ACCESS EXCLUSIVE lock.",
        hint=script(
            "BEGIN",
            "SET LOCAL TimeZone = 'UTC'",
            f"ALTER TABLE {table(context)} ALTER COLUMN {column} TYPE {new}",
            "COMMIT",
        )
        + "\n(the same values, and no row is copied)",
        lock=Lock.ACCESS_EXCLUSIVE,
        work="rewrite",
        relation=context.table.relation,
        rewrite=rewrite,
    )
