"""DROP COLUMN of a column that the application may still use."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.subject import Subject, altered
from proxy.sql.statements import DropColumn


@caution
def drop_column(node: DropColumn, context: Context) -> Finding | None:
    about = altered(context, rows=False)
    relation = about.relation if about else None
    if about is None or (relation is not None and relation.columns and node.column not in relation.columns):
        return None
    return Finding(
        rule="drop-column",
        at=node.span,
        problem=f'dropping column "{node.column}" of {about.shown} fails every query that still uses it',
        detail=f"Its values cannot be brought back. {_gone(node, about)}",
        hint="Deploy first what no longer reads or writes the column (an ORM lists all columns that it knows); drop it after"
        " that, when nothing that runs knows it any more.",
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=context.table.relation,
    )  # fmt: skip


KINDS = {"c": "CHECK", "f": "foreign key", "p": "primary key", "u": "UNIQUE constraint", "x": "EXCLUDE constraint"}


def _gone(node: DropColumn, about: Subject) -> str:
    """What goes with the column, as far as it is known."""
    found = about.relation.constraints.values() if about.relation else ()
    lost = [f'{KINDS[c.kind]} "{c.name}"' for c in found if node.column in c.columns and c.kind in KINDS]
    if not about.relation:
        return "Constraints and indexes with the column go with it."
    return f"With it go {', '.join(lost)} and its indexes." if lost else "Its indexes go with it."
