"""REINDEX without CONCURRENTLY."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.plans.reindex import PARTITIONED, reindex
from proxy.plans.target import qualify
from proxy.rules.base import Context, Finding, rule
from proxy.rules.subject import Subject, by_steps, script, subject
from proxy.rules.whole_table import written
from proxy.sql.statements import Name, Other


@rule
def reindex_not_concurrent(node: Other, context: Context) -> Finding | None:
    if node.kind != "REINDEX" or node.concurrently or context.facts.in_recovery or "SYSTEM" in node.options:
        return None
    if not node.relations:
        return None if context.facts.in_transaction else _all(node, context)  # refused there
    name = node.relations[0]
    about = subject(name, context)
    if about is None:
        return None
    what = "INDEX" if "INDEX" in node.options else "TABLE"
    if about.kind is not None and about.kind not in ("iI" if what == "INDEX" else "rpm"):
        return None
    index = about.relation.index if about.relation else None
    whole = about.kind == "p" or (index is not None and index.partitioned)
    if whole and (context.facts.in_transaction or context.facts.major < PARTITIONED):
        return None  # Postgres refuses it, or leaves it out
    table = Subject(Name((index.table_schema, index.table), name.span), None, about.live) if index else about
    if index is not None:
        parent = context.facts.relations.get((index.table_schema, index.table))
        if parent is not None and parent.private:
            return None
        table = Subject(table.name, parent, about.live)
    rewrite = reindex(context.statement, node, context.facts)
    return Finding(
        rule="reindex-not-concurrent",
        at=name.span,
        problem=f"REINDEX would block writes to {table.shown}, and reads that the index may serve, until it is built",
        detail=f"A SHARE lock would be held on {table.amount} and an ACCESS EXCLUSIVE lock on the index for the whole"
        " build; whoever plans a query waits for that, too.",
        hint=by_steps(rewrite) or script(f"REINDEX {what} CONCURRENTLY {_sql(about, context)}"),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="build",
        relation=table.name if index is not None else name,
        rewrite=rewrite,
    )


def _sql(about: Subject, context: Context) -> str:
    index = about.relation.index if about.relation else None
    return qualify(index.schema, index.name) if index else written(about, context)


def _all(node: Other, context: Context) -> Finding:
    what = next(iter(node.options), "DATABASE")
    words = f"REINDEX {what} CONCURRENTLY <name>"
    rewrite = reindex(context.statement, node, context.facts)
    return Finding(
        rule="reindex-not-concurrent",
        at=context.statement.span,
        problem=f"REINDEX {what} would block writes to each of its tables until its indexes are built",
        detail="SHARE locks would be held on the tables and ACCESS EXCLUSIVE locks on their indexes, one after the other.",
        hint=by_steps(rewrite) or script(words),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="build",
        relation=Name(("",), context.statement.span),
        rewrite=rewrite,
    )
