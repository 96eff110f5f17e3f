"""ALTER COLUMN … TYPE that builds an index again."""

from __future__ import annotations

from proxy.catalog.column_work import rebuilt
from proxy.plans.change_type import concurrently
from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.column_type import changed, rewritten, unfinished
from proxy.rules.subject import Subject, script
from proxy.sql.statements import AlterColumnType, quote_identifier


@rule
def column_type_rebuilds_index(node: AlterColumnType, context: Context) -> Finding | None:
    found = changed(node, context)
    if found is None:
        return None
    about, effect = found
    left = unfinished(node, about, context)
    if effect.work != "build" and not (left is not None and left.indexes):
        return None
    return Finding(
        rule="column-type-rebuilds-index",
        at=node.span,
        problem=f'changing the type of column "{node.column}" would block reads and writes of {about.shown}'
        " while an index is built again",
        detail=f"No row changes, but an index on an expression, with a predicate or with another collation is built"
        f" again from {about.amount} under an ACCESS EXCLUSIVE lock.",
        hint=_around(node, about, context),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="build",
        relation=context.table.relation,
        rewrite=rewritten(node, about, context),
    )


def _around(node: AlterColumnType, about: Subject, context: Context) -> str:
    """The indexes dropped before, and built again after."""
    relation, on = about.relation, table(context)
    remade = rebuilt(context.statement, node, relation, context.facts) if relation is not None else None
    before, after = [], []
    for index in remade or ():
        name = quote_identifier(index.name)
        again = (
            concurrently(index.definition)
            if index.definition
            else f"CREATE INDEX CONCURRENTLY {name} ON {on} <as it was>"
        )
        if index.constraint is None:
            before.append(f"DROP INDEX CONCURRENTLY {quote_identifier(index.schema)}.{name}")
            after.append(again)
        else:
            constraint = quote_identifier(index.constraint)
            before.append(f"ALTER TABLE {on} DROP CONSTRAINT {constraint}")
            after += [again, f"ALTER TABLE {on} ADD CONSTRAINT {constraint} <as it was> USING INDEX {name}"]
    if not before:  # nothing is known of them, or they are of a table that inherits from it
        before = ["DROP INDEX CONCURRENTLY <the index>"]
        after = ["CREATE INDEX CONCURRENTLY <the index> ON <its table> <as it was>"]
    return script(*before, f"ALTER TABLE {on} {node.span.of(context.statement.text)}", *after)
