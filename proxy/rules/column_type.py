"""What the rules about ALTER COLUMN … TYPE have in common."""

from __future__ import annotations

from proxy.catalog.effect import Effect
from proxy.catalog.facts import Constraint
from proxy.plans.change_type import Notes, change_type, notes
from proxy.plans.plan import Rewrite
from proxy.plans.swap_column import swap_column
from proxy.rules.base import Context
from proxy.rules.cost import cost_of
from proxy.rules.subject import Subject, altered
from proxy.sql.statements import AlterColumnType, DropConstraint


def changed(node: AlterColumnType, context: Context) -> tuple[Subject, Effect] | None:
    """The table, and what the change of type costs; None if there is nothing to protect."""
    key = (changed, id(node))  # the statement keeps the node
    if key not in context.known:
        about = altered(context)
        context.known[key] = None if about is None else (about, cost_of(node, context))
    found: tuple[Subject, Effect] | None = context.known[key]
    return found


def rewritten(node: AlterColumnType, about: Subject, context: Context) -> Rewrite | None:
    """Without copying anything; None if that cannot be."""
    return None if about.unresolved else change_type(context.statement, node, context.facts)


def swapped(node: AlterColumnType, about: Subject, context: Context) -> Rewrite | str | None:
    """By a second column; or a clause that says why not; None if that is not known."""
    return None if about.unresolved else swap_column(context.statement, node, context.facts)


def unfinished(node: AlterColumnType, about: Subject, context: Context) -> Notes | None:
    """What an interrupted run of the same statement has left to do."""
    return notes(context.statement, node, about.relation)


def old_type(node: AlterColumnType, about: Subject) -> str | None:
    column = about.relation.columns.get(node.column) if about.relation else None
    return column.type if column else None


def constraints(node: AlterColumnType, about: Subject, context: Context, kind: str) -> list[Constraint]:
    """Those of the column that the ALTER does not drop."""
    dropped = {a.name for a in context.table.actions if isinstance(a, DropConstraint)}
    found = about.relation.constraints.values() if about.relation else ()
    return [c for c in found if c.kind == kind and node.column in c.columns and c.name not in dropped]
