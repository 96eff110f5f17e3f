"""What the rules about UNIQUE and PRIMARY KEY have in common."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.plans.compose import alone
from proxy.plans.default_names import name_of
from proxy.plans.plan import Lock
from proxy.plans.target import target
from proxy.plans.unique_by_index import unique_by_index
from proxy.plans.unique_parts import unfinished, unique_parts
from proxy.rules.base import Context, Finding
from proxy.rules.constraint import by_partition, called, missing_columns, name_taken
from proxy.rules.subject import Subject, altered, script
from proxy.sql.statements import AddConstraint


def guarded(node: AddConstraint, context: Context) -> Subject | None:
    """The table, if the constraint builds an index on rows that others use."""
    about = altered(context)
    if about is None or node.constraint.using_index is not None:
        return None
    if about.kind == "p" and (context.table.only or (about.relation is not None and not about.relation.has_children)):
        return None  # an entry in the catalog, nothing is built
    if missing_columns(node, about, context) or (name_taken(node, context) and not begun(node, about, context)):
        return None
    return about


def begun(node: AddConstraint, about: Subject, context: Context) -> bool:
    """Whether an interrupted run has added it to the partitioned table, and not to all partitions."""
    if about.relation is None or about.kind != "p":
        return False
    return unfinished(context.statement, node.constraint, about.relation) is not None


def finding(rule: str, node: AddConstraint, about: Subject, context: Context, nullable: Sequence[str] = ()) -> Finding:
    rewrite = None
    if not (about.unresolved or node.constraint.without_overlaps):
        plan = unique_parts if about.kind == "p" else unique_by_index
        rewrite = plan(context.statement, node, context.facts, nullable)
    where = f"{about.shown} and all its partitions" if about.kind == "p" else about.shown
    return Finding(
        rule=rule,
        at=node.constraint.span,
        problem=f"adding {called(node, rewrite)} would block reads and writes of {where} while its index is built",
        detail=f"{about.all_rows} would be read and sorted under an ACCESS EXCLUSIVE lock.{_limits(node, about)}",
        hint=_hint(node, about, context, nullable, possible=rewrite is not None and about.kind != "p"),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="build",
        relation=context.table.relation,
        rewrite=rewrite,
    )


def _limits(node: AddConstraint, about: Subject) -> str:
    if node.constraint.without_overlaps:
        return " Postgres has no other way to add WITHOUT OVERLAPS."
    if about.kind == "p":
        return " Postgres does not build an index of a partitioned table concurrently."
    return ""


def _hint(node: AddConstraint, about: Subject, context: Context, nullable: Sequence[str], *, possible: bool) -> str:
    if possible and (rewrite := unique_by_index(context.statement, node, context.facts, nullable, by_hand=True)):
        return script(*(sql for step in alone(context.statement, node, rewrite) for sql in step.statements))
    if node.constraint.without_overlaps:
        return "Add it while the table is small or nobody uses it; or create a new table with it and move the rows."
    if about.unresolved:
        return "Run it when the database answers again: nothing is known of the table now."
    table = target(context.table.relation, about.relation, context.statement)
    name = name_of(node, context.statement, context.facts)
    return by_partition(node, name, table.sql, context.statement.text)
