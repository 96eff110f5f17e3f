"""ADD EXCLUDE, which builds its index under lock."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.constraint import called, name_taken
from proxy.rules.subject import altered
from proxy.sql.statements import AddConstraint, ConstraintKind


@rule
def exclude_builds_index(node: AddConstraint, context: Context) -> Finding | None:
    if node.constraint.kind is not ConstraintKind.EXCLUDE or (about := altered(context)) is None:
        return None
    if name_taken(node, context):
        return None
    if about.kind == "p" and (context.table.only or (about.relation is not None and not about.relation.has_children)):
        return None  # an entry in the catalog, nothing is built
    return Finding(
        rule="exclude-builds-index",
        at=node.constraint.span,
        problem=f"adding {called(node, None)} would block reads and writes of {about.shown} while its index is built",
        detail=f"{about.all_rows} would be read and compared under an ACCESS EXCLUSIVE lock. Postgres has no other way to"
        " add an EXCLUDE constraint.",
        hint="Create a new table with the constraint, keep it up to date by a trigger, copy the rows in batches, and rename"
        " both in one transaction; or add it while nobody uses the table.",
        lock=Lock.ACCESS_EXCLUSIVE,
        work="build",
        relation=context.table.relation,
    )  # fmt: skip
