"""Work without an end in sight while the transaction keeps others out of a table."""

from __future__ import annotations

from proxy.rules.base import Context, Finding, rule
from proxy.rules.many_rows import changes
from proxy.rules.subject import script
from proxy.rules.transaction import BOOKKEEPING, blocked, locked
from proxy.rules.words import has_phrase
from proxy.sql.statements import CreateTableAs, Name, Other, Query
from proxy.sql.written import written


@rule
def work_under_lock(node: Query | CreateTableAs | Other, context: Context) -> Finding | None:
    held = locked(context)
    if not held or (found := _work(node, context)) is None:
        return None
    what, about = found
    strongest = max(held, key=lambda h: h.lock.rank)
    return Finding(
        rule="work-under-lock",
        at=context.statement.span,
        problem=f"{what} would go on while this transaction blocks {blocked(held)}",
        detail="The locks of the statements before it are kept until COMMIT, however long this one takes.",
        hint=script("COMMIT", context.statement.sql),
        lock=strongest.lock,
        work="scan",
        relation=about,
    )


def _work(node: Query | CreateTableAs | Other, context: Context) -> tuple[str, Name] | None:
    """What takes long, and the table whose size says how long."""
    text = context.statement.text
    match node:
        case CreateTableAs():
            if has_phrase(text, context.statement.span, "with", "no", "data"):
                return None
            return f"filling {node.relation}", node.relation
        case Other(kind="REFRESH MATERIALIZED VIEW", concurrently=True, relations=(name,)):
            known = context.relation(name)
            return (f"refreshing {name}", name) if known is None or (known.exists and not known.private) else None
        case Query():
            for one in written(context.statement):
                if one.relation.name in BOOKKEEPING:
                    continue
                if one.verb == "INSERT" and one.is_query:
                    return f"INSERT INTO {one.relation} from a query", one.relation
                if one.verb != "INSERT" and changes(one, context) is not None:
                    return f"{one.verb} of {one.relation}", one.relation
            return None
        case _:
            return None
