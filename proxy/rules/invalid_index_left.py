"""A table with an index that a failed concurrent build, or an unfinished one, left invalid."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, advice
from proxy.rules.subject import script, subject
from proxy.sql.statements import AlterTable, CreateIndex, quote_identifier


@advice
def invalid_index_left(node: AlterTable | CreateIndex, context: Context) -> Finding | None:
    about = subject(node.relation, context)
    if about is None or about.relation is None or about.kind not in ("r", "m") or about.relation.being_built:
        return None
    made = node.name.name if isinstance(node, CreateIndex) and node.name is not None else None
    left = [i for name, i in about.relation.indexes.items() if not i.valid and name != made]
    if not left:
        return None
    named = " and ".join(f'"{i.name}"' for i in left)
    return Finding(
        rule="invalid-index-left",
        at=node.relation.span,
        problem=f"{about.shown} has invalid indexes, which no query uses: {named}",
        detail="A build that failed leaves such an index behind. Every write may have to keep it up, and a unique one may refuse rows.",
        hint=script(
            *(f"DROP INDEX CONCURRENTLY {quote_identifier(i.schema)}.{quote_identifier(i.name)}" for i in left),
        ),
        lock=Lock.NONE,
        work="none",
        relation=node.relation,
    )
