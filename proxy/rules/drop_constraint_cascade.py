"""DROP CONSTRAINT … CASCADE, which drops the foreign keys of other tables with it."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.column import table
from proxy.rules.subject import altered, script
from proxy.sql.statements import DropConstraint, quote_identifier


@caution
def drop_constraint_cascade(node: DropConstraint, context: Context) -> Finding | None:
    if not node.cascade or (about := altered(context, rows=False)) is None:
        return None
    relation = about.relation
    constraint = relation.constraints.get(node.name) if relation else None
    if relation is not None and (constraint is None or constraint.kind not in "pu" or not relation.referenced_by):
        return None  # nothing hangs on it
    others = [f'"{name}"' for _, name in relation.referenced_by] if relation else []
    named = " and ".join(others) if others else "other tables"
    on = table(context)
    return Finding(
        rule="drop-constraint-cascade",
        at=node.span,
        problem=f'DROP CONSTRAINT "{node.name}" CASCADE would drop foreign keys of {named}, too',
        detail=f"ACCESS EXCLUSIVE locks would be held on {about.shown} and {named} together, and nothing would keep their"
        " rows from pointing nowhere.",
        hint=script(
            "ALTER TABLE <each of them> DROP CONSTRAINT <foreign key>",
            f"ALTER TABLE {on} DROP CONSTRAINT {quote_identifier(node.name)}",
        ),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=context.table.relation,
    )
