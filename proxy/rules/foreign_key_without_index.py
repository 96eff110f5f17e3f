"""FOREIGN KEY on columns that no index begins with."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Index
from proxy.plans.plan import Lock
from proxy.plans.target import target
from proxy.rules.base import Context, Finding, advice
from proxy.rules.foreign_key import keys
from proxy.rules.subject import script
from proxy.sql.statements import AddColumn, AddConstraint, quote_identifier


@advice
def foreign_key_without_index(node: AddConstraint | AddColumn, context: Context) -> Finding | None:
    for key in keys(node, context):
        relation = context.relation(key.table)
        if relation is not None and any(_serves(index, key.columns) for index in relation.indexes.values()):
            continue
        if relation is None and context.facts.live:
            continue  # nothing is known
        named = " and ".join(f'"{c}"' for c in key.columns)
        on = target(key.table, relation, context.statement).sql
        return Finding(
            rule="foreign-key-without-index",
            at=key.span,
            problem=f'foreign key of {named} has no index: each DELETE in "{key.references.name}" would read all of'
            f' "{key.table.name}"',
            detail="So would each UPDATE of the key that is referred to, and every join from there.",
            hint=script(f"CREATE INDEX CONCURRENTLY ON {on} ({', '.join(map(quote_identifier, key.columns))})"),
            lock=Lock.NONE,
            work="none",
            relation=key.table,
        )
    return None


def _serves(index: Index, columns: Sequence[str]) -> bool:
    """Whether the rows of a key are found by it."""
    return index.valid and not index.derived and set(index.columns[: len(columns)]) == set(columns)
