"""TRUNCATE of a table that others use."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.subject import Subject, script
from proxy.rules.whole_table import largest, written
from proxy.sql.statements import Other

BOOKKEEPING = {
    "version",
    "dirty",
}  # golang-migrate's table of one row, which it empties before and after each migration


@caution
def truncate(node: Other, context: Context) -> Finding | None:
    if node.kind != "TRUNCATE TABLE" or (about := largest(node.relations, context, "rp")) is None:
        return None
    if about.relation is not None and about.relation.size_bytes == 0 and "CASCADE" not in node.options:
        return None
    if about.relation is not None and about.relation.columns.keys() == BOOKKEEPING and len(node.relations) == 1:
        return None
    on = written(about, context)
    return Finding(
        rule="truncate",
        at=about.name.span,
        problem=f"TRUNCATE would delete all rows of {about.shown}, and block reads and writes of it until COMMIT",
        detail=f"{about.all_rows} would be gone.{_cascade(node, about)}",
        hint=script((f"DELETE FROM {on} WHERE ctid IN (SELECT ctid FROM {on} LIMIT 10000)", "again and again")),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=about.name,
    )


def _cascade(node: Other, about: Subject) -> str:
    if "CASCADE" not in node.options:
        return ""
    others = [f'"{name}"' for _, name in about.relation.referenced_by] if about.relation else []
    named = f": {' and '.join(others)}" if others else ""
    return f" So would be those of every table with a foreign key to it{named}."
