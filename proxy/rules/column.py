"""What the rules about ADD COLUMN have in common."""

from __future__ import annotations

from proxy.plans.add_column import add_column
from proxy.plans.mark import is_resumed
from proxy.plans.plan import Rewrite
from proxy.plans.target import target
from proxy.rules.base import Context
from proxy.rules.subject import Subject, altered
from proxy.sql.statements import AddColumn, ColumnConstraint

# What gives the rows that are there a value of the new column.
VALUES = frozenset({"DEFAULT", "GENERATED", "IDENTITY"})


def added_to(node: AddColumn, context: Context) -> Subject | None:
    """The table; None also if it has the column already, and IF NOT EXISTS passes over it."""
    about = altered(context)
    known = about.relation if about is not None else None
    if node.if_not_exists and known is not None and node.column.name in known.columns:
        return about if is_resumed(context.statement, node, known) else None
    return about


def rewritten(node: AddColumn, about: Subject, context: Context) -> Rewrite | None:
    """The whole ADD COLUMN in steps, whichever part of it the finding is about."""
    return None if about.unresolved else add_column(context.statement, node, context.facts)


def of_kind(node: AddColumn, *kinds: str) -> tuple[ColumnConstraint, ...]:
    return tuple([c for c in node.column.constraints if c.kind in kinds])


def without(node: AddColumn, context: Context, *kinds: str) -> str:
    """The ALTER of this column alone, in the author's words, without its constraints of these kinds."""
    text, at = context.statement.text, node.span.start
    pieces = []
    for constraint in of_kind(node, *kinds):
        pieces.append(text[at : constraint.span.start].rstrip())
        at = constraint.span.end
    return f"ALTER TABLE {table(context)} {''.join(pieces)}{text[at : node.span.end]}"


def table(context: Context) -> str:
    """The altered table, as generated SQL writes it."""
    alter = context.table
    return target(alter.relation, context.relation(alter.relation), context.statement).sql
