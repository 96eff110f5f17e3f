"""ALTER COLUMN … TYPE that builds an index again."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.column_type import changed, rewritten, unfinished
from proxy.rules.subject import script
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
    known = about.relation.indexes.values() if about.relation else ()
    names = [quote_identifier(i.name) for i in known if node.column in i.mentions and (i.derived or node.collation)]
    named = ", ".join(names) if names else "<the index>"
    return Finding(
        rule="column-type-rebuilds-index",
        at=node.span,
        problem=f'changing the type of column "{node.column}" would block reads and writes of {about.shown}'
        " while an index is built again",
        detail=f"No row changes, but an index on an expression, with a predicate or with another collation is built"
        f" again from {about.amount} under an ACCESS EXCLUSIVE lock.",
        hint=script(
            f"DROP INDEX CONCURRENTLY {named}",
            f"ALTER TABLE {table(context)} {node.span.of(context.statement.text)}",
            f"CREATE INDEX CONCURRENTLY {named} ON {table(context)} <as it was>",
        ),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="build",
        relation=context.table.relation,
        rewrite=rewritten(node, about, context),
    )
