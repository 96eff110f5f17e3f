"""CREATE INDEX without CONCURRENTLY."""

from __future__ import annotations

from proxy.catalog.facts import Relation
from proxy.plans.build_index import build_index
from proxy.plans.build_parts import begun, build_parts, builds_nothing
from proxy.plans.plan import Lock
from proxy.plans.target import qualify
from proxy.rules.base import Context, Finding, rule
from proxy.rules.subject import Subject, script, subject
from proxy.sql.statements import CreateIndex, quote_identifier


@rule
def index_not_concurrent(node: CreateIndex, context: Context) -> Finding | None:
    about = subject(node.relation, context)
    if about is None or node.concurrently or about.kind not in (None, "r", "m", "p") or _taken(node, context):
        return None
    if about.kind == "p":
        return _partitioned(node, context, about)
    rewrite = build_index(context.statement, node, context.facts)
    return Finding(
        rule="index-not-concurrent",
        at=node.keyword,
        problem=f"CREATE INDEX would block writes to {about.shown} until it is built",
        detail=f"A SHARE lock would be held on {about.amount} for the whole build.",
        hint=script(*(step.sql for step in rewrite.steps)),
        lock=Lock.SHARE,
        work="build",
        relation=node.relation,
        rewrite=rewrite,
    )


def _taken(node: CreateIndex, context: Context) -> bool:
    """Whether the name is another relation's, or a finished index's: Postgres says so itself, at once."""
    if node.name is None:
        return False
    found = context.relation(node.name)
    table = context.relation(node.relation)
    if found is None:
        index = table.indexes.get(node.name.name) if table else None
        return index is not None and index.valid
    if not found.exists:
        return False
    of_this_table = found.index is not None and table is not None and found.index.table_oid == table.oid
    return found.index is None or found.index.valid or not of_this_table


def _partitioned(node: CreateIndex, context: Context, about: Subject) -> Finding | None:
    """CONCURRENTLY is not for partitioned tables: there it is done partition by partition."""
    relation = about.relation
    if node.only or relation is None or not relation.has_children:
        return None  # an entry in the catalog, nothing is built
    if node.name and node.name.name in relation.indexes and begun(context.statement, node, relation) is None:
        return None  # Postgres says that the name is taken
    if begun(context.statement, node, relation) is None and builds_nothing(context.statement, node, context.facts):
        return None
    rewrite = build_parts(context.statement, node, context.facts)
    few = {-1: "its partitions", 1: "its partition"}
    number = few.get(relation.partitions, f"{relation.partitions} partitions")
    return Finding(
        rule="index-not-concurrent",
        at=node.keyword,
        problem=f"CREATE INDEX would block writes to {about.shown} and all its partitions until it is built",
        detail=f"SHARE locks would be held on {about.amount} and {number} for the whole build;"
        " Postgres does not build an index of a partitioned table concurrently.",
        hint=_by_partition(node, context, relation),
        lock=Lock.SHARE,
        work="build",
        relation=node.relation,
        rewrite=rewrite,
    )


def _by_partition(node: CreateIndex, context: Context, relation: Relation) -> str:
    """The statements to run by hand."""
    schema, table = relation.qualified
    name = node.name.name if node.name else f"{table}_new_idx"
    sql, at = context.statement.sql, context.statement.span.start
    tail = sql[node.relation.span.end - at :]
    unique = "UNIQUE " if node.unique else ""
    return (
        script(
            f"CREATE {unique}INDEX {quote_identifier(name)} ON ONLY {qualify(schema, table)}{tail}",
            f"CREATE {unique}INDEX CONCURRENTLY <partition index> ON <partition>{tail}",
            f"ALTER INDEX {qualify(schema, name)} ATTACH PARTITION <partition index>",
        )
        + "\n(the last two for each partition)"
    )
