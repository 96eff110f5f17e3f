"""What a part of a statement would lock and do by itself, as ``catalog.effect`` has it."""

from __future__ import annotations

from proxy.catalog.column_work import added_type
from proxy.catalog.effect import Effect, Work, effect
from proxy.catalog.facts import Relation
from proxy.records import replace
from proxy.rules.base import Context
from proxy.sql.statements import Action, AddColumn, ColumnConstraint, DropConstraint


def cost(context: Context) -> Effect:
    """Of the whole statement."""
    return effect(context.statement, context.facts)


def cost_of(action: Action, context: Context) -> Effect:
    """Of one action of an ALTER TABLE, after the constraints that it drops are gone."""
    key = (cost_of, action)
    if key not in context.known:
        dropped = (a for a in context.table.actions if isinstance(a, DropConstraint) and a is not action)
        node = replace(context.table, actions=(*dropped, action))
        context.known[key] = effect(replace(context.statement, node=node), context.facts)
    found: Effect = context.known[key]
    return found


def work_of_column(action: AddColumn, constraints: tuple[ColumnConstraint, ...], context: Context) -> tuple[Work, bool]:
    """What an ADD COLUMN that has no constraints but those does to the rows of a table, and whether that is known."""
    return added_type(context.statement, action.column.type, constraints, context.facts)


def supposing(context: Context, relation: Relation | None, changed: Relation | None) -> Context:
    """The same with other facts about a relation, to see what a cost is due to."""
    if relation is None or changed is None:
        return context
    relations = {
        k: changed if r is relation or (r.exists and r.oid == relation.oid) else r
        for k, r in context.facts.relations.items()
    }
    return Context(context.statement, replace(context.facts, relations=relations))
