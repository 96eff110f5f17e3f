"""RENAME COLUMN of a column that the application may still use."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.column import table
from proxy.rules.subject import script, subject
from proxy.sql.statements import Other, OtherAction, quote_identifier

SEEN = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE"})


@caution
def rename_column(node: OtherAction | Other, context: Context) -> Finding | None:
    if isinstance(node, Other):
        return _attribute(node, context)
    about = subject(context.table.relation, context)
    if node.what != "RENAME COLUMN" or about is None or context.table.object_type not in SEEN:
        return None
    relation, old, new = about.relation, node.column or "", node.name or ""
    if relation is not None and relation.columns and (old not in relation.columns or new in relation.columns):
        return None
    on = table(context)
    column = relation.columns.get(old) if relation is not None else None
    type_ = column.type if column is not None else "<same type>"
    return Finding(
        rule="rename-column",
        at=node.span,
        problem=f'renaming column "{old}" of {about.shown} fails every query that still says "{old}"',
        detail="Application servers that run now know the old name; those that are deployed next, the new one.",
        hint=script(
            f"ALTER TABLE {on} ADD COLUMN {quote_identifier(new)} {type_}",
            "<a trigger that keeps both columns the same>",
            (f"UPDATE {on} SET {quote_identifier(new)} = {quote_identifier(old)}", "in batches"),
            f"<when nothing uses it any more> ALTER TABLE {on} DROP COLUMN {quote_identifier(old)}",
        ),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=context.table.relation,
    )


def _attribute(node: Other, context: Context) -> Finding | None:
    """``ALTER TYPE … RENAME ATTRIBUTE``, by which Postgres renames a table's column, too, if it is told a table's name."""
    if node.kind != "ALTER TYPE" or "RENAME ATTRIBUTE" not in node.options:
        return None
    about = subject(node.relations[0], context)
    if about is None or about.kind is None or about.kind not in "rpvmf":
        return None
    return Finding(
        rule="rename-column",
        at=node.relations[0].span,
        problem=f"renaming an attribute of {about.shown}, which is a table, fails every query that still says its column's name",
        detail="Application servers that run now know the old name; those that are deployed next, the new one.",
        hint="ALTER TABLE … ADD COLUMN under the new name, a trigger that keeps both the same, and DROP COLUMN when nothing uses it.",
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=node.relations[0],
    )
