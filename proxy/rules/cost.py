"""What a part of a statement would lock and do by itself, as ``catalog.effect`` has it."""

from __future__ import annotations

from dataclasses import replace

from proxy.catalog.effect import Effect, effect
from proxy.catalog.facts import Relation
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


def cost_of_column(action: AddColumn, constraints: tuple[ColumnConstraint, ...], context: Context) -> Effect:
    """Of an ADD COLUMN that has no constraints but those."""
    # One that is there already has been added by an interrupted run of the same statement, or there is no finding.
    added = replace(action, column=replace(action.column, constraints=constraints), if_not_exists=False)
    return cost_of(added, context)


def supposing(context: Context, relation: Relation | None, changed: Relation | None) -> Context:
    """The same with other facts about a relation, to see what a cost is due to."""
    if relation is None or changed is None:
        return context
    relations = {
        k: changed if r is relation or (r.exists and r.oid == relation.oid) else r
        for k, r in context.facts.relations.items()
    }
    return replace(context, facts=replace(context.facts, relations=relations))
