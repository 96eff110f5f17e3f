"""Which short statements of an open transaction may be tried at once, and run in earnest only just before it ends (``late``)."""

from __future__ import annotations

from dataclasses import replace

from proxy.catalog.facts import Relation
from proxy.plans.plan import Step
from proxy.policy.verdict import Action
from proxy.session.case import Case, patient_step
from proxy.sql.read import read
from proxy.sql.statements import (
    Action as AlterAction,
)
from proxy.sql.statements import (
    AddColumn,
    AddConstraint,
    AlterTable,
    DropColumn,
    DropDefault,
    DropNotNull,
    OtherAction,
    SetDefault,
)

SMALL = (SetDefault, DropDefault, DropNotNull)


def lateable(case: Case) -> Step | None:
    """The short part of a statement that nothing needs to see before the transaction ends, if that is what it is.

    Constraints that are added NOT VALID, while the rest of the statement waits for COMMIT; what only says what rows
    that come later are like; and columns that come, go or are renamed, and nothing else with them.
    """
    if case.dependent is not None or case.foreseen is not None or case.behind is not None or case.hidden or case.keys:
        return None
    if not case.standard_conforming_strings:  # our own look at what waits reads its literals otherwise
        return None
    node = case.statement.node
    plan = case.verdict.plan
    table = case.facts.find(node.relation) if isinstance(node, AlterTable) else None
    if table is None or table.kind != "r" or table.has_children or table.parents or table.is_partition:
        return None  # what is done to a table is done to those below it, and minded by them
    if case.verdict.action is Action.DEFER and plan is not None:
        step = plan.now[0] if len(plan.now) == 1 and plan.later else None
        return step if step is not None and _adds_not_valid(step) else None
    if plan is not None or case.verdict.action is Action.REJECT or not isinstance(node, AlterTable):
        return None
    if node.object_type != "TABLE" or not table.exists or table.is_new or table.temporary:
        return None
    short = all(isinstance(a, SMALL) or _is_not_valid(a) for a in node.actions) or (reshapes(case) and case.apart)
    return patient_step(case) if short else None


def reshaping(case: Case) -> tuple[int, list[str]] | None:
    """If it may be tried as a change of columns, once ``case.apart`` tells: the oid of the table, and the columns that go."""
    node = case.statement.node
    table = case.facts.find(node.relation) if isinstance(node, AlterTable) else None
    if table is None or not isinstance(node, AlterTable) or not reshapes(case):
        return None
    if lateable(replace(case, apart=True)) is None:
        return None
    return table.oid, [action.column for action in node.actions if isinstance(action, DropColumn)]


def reshapes(case: Case) -> bool:
    """Whether it does nothing but change which columns a table has, which takes no time and names nothing else, as far as is known."""
    node = case.statement.node
    table = case.facts.find(node.relation) if isinstance(node, AlterTable) else None
    if not isinstance(node, AlterTable) or table is None or table.kind != "r" or case.effect.work != "none":
        return False
    if table.being_built:
        return False
    return all(_is_shape(a, table, case) for a in node.actions)


def _is_shape(action: AlterAction, table: Relation, case: Case) -> bool:
    match action:
        case AddColumn(column=column, if_not_exists=False):
            found = case.facts.types.get(column.type.span.of(case.statement.text))
            return column.name not in table.columns and not column.constraints and found is not None and found.exists
        case DropColumn(column=name, cascade=False, if_exists=False) if (gone := table.columns.get(name)) is not None:
            kept = any(name in key.columns for key in table.constraints.values() if key.kind != "n")
            return not (kept or gone.has_default or gone.identity or gone.generated)
        case OtherAction(what="RENAME COLUMN", column=old, name=new):
            return old in table.columns and new not in table.columns
        case _:
            return False


def _adds_not_valid(step: Step) -> bool:
    nodes = [s.node for sql in step.statements for s in read(sql)]
    return bool(nodes) and all(
        isinstance(node, AlterTable) and all(_is_not_valid(a) for a in node.actions) for node in nodes
    )


def _is_not_valid(action: AlterAction) -> bool:
    return isinstance(action, AddConstraint) and action.constraint.not_valid is not None


__all__ = ["lateable", "reshapes", "reshaping"]
