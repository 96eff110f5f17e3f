"""A statement that waits as it is written, behind what it is about: its one step, which an interruption may have run already.

Whoever dies between that and writing it down leaves it to be done again, and Postgres refuses most of them a second time,
or makes a second constraint: so what has no name gets the one that Postgres would give, and what has been done is asked.
Not of a DROP: that what it drops is not there may as well mean that the job which makes it has failed, and will be tried again.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.catalog.facts import Facts
from proxy.plans import done
from proxy.plans.default_names import name_of
from proxy.plans.plan import Edit, Lock, Step
from proxy.plans.target import Target, target
from proxy.sql import edit
from proxy.sql.statements import (
    Action,
    AddConstraint,
    AlterTable,
    Name,
    OtherAction,
    Statement,
    quote_identifier,
)

WHY = "as written, behind what it is about"
Schemas = Mapping[str, str]
"""Of each index that waits, by its name: the schema that it will be in."""


def as_written(statement: Statement, facts: Facts, schemas: Schemas) -> Step:
    """Behind COMMIT, once what it is about is there."""
    node = statement.node
    if not isinstance(node, AlterTable):
        return Step((statement.sql,), Lock.NONE, WHY, when="after_commit")
    relation = facts.find(node.relation) if node.object_type != "INDEX" else None
    there = relation is not None and relation.exists
    named = {action: name for action in node.actions if (name := _unnamed(action, statement, facts)) is not None}
    edits = tuple(_named(action, name, statement) for action, name in named.items())
    if node.object_type == "INDEX":
        evidence = [_of_index(node.relation, action, schemas) for action in node.actions]
    else:
        table = target(node.relation, relation, statement)
        evidence = [_of_table(table, action, named.get(action)) for action in node.actions]
    return Step(
        (edit.apply(statement.sql, edits),),
        Lock.ACCESS_EXCLUSIVE if there else Lock.NONE,
        WHY,
        relations=((relation.schema, relation.name),) if relation is not None and there else (),
        when="after_commit",
        # One transaction: what one of its actions has left tells of all.  What leaves nothing may be run again.
        done=done.both(*(query for query in evidence if query is not None)),
        edits=edits,
    )


def _unnamed(action: Action, statement: Statement, facts: Facts) -> str | None:
    """The name that Postgres will choose for a constraint that is added, if it is to choose one."""
    if not isinstance(action, AddConstraint) or action.constraint.name or action.constraint.using_index:
        return None
    return name_of(action, statement, facts)


def _named(action: Action, name: str, statement: Statement) -> Edit:
    assert isinstance(action, AddConstraint)
    at = action.constraint.body.start - statement.span.start
    return Edit(at, at, f"CONSTRAINT {quote_identifier(name)} ")


def _of_index(index: Name, action: Action, schemas: Schemas) -> str | None:
    schema = index.schema or schemas.get(index.name)
    if schema is None or not isinstance(action, OtherAction) or action.what != "RENAME TO" or action.name is None:
        return None
    old = done.named(schema, index.name)
    return done.both(done.negate(done.index_there(old)), done.index_there(old.sibling(action.name)))


def _of_table(table: Target, action: Action, chosen: str | None) -> str | None:
    match action:
        case AddConstraint(constraint=c):
            name = c.name or c.using_index or chosen
            return done.constraint(table, name) if name is not None else None
        case OtherAction(what="RENAME CONSTRAINT", name=str(old), to=str(new)):
            return done.both(done.no_constraint(table, old), done.constraint(table, new))
        case _:
            return None


__all__ = ["Schemas", "as_written"]
