"""UPDATE or DELETE of very many rows in one statement; through the proxy only where the policy asks for batches."""

from __future__ import annotations

from proxy.catalog.facts import describe_rows
from proxy.plans.batched_dml import batched_dml
from proxy.plans.plan import Lock, Rewrite
from proxy.rules.base import Context, Finding, rule
from proxy.rules.many_rows import changes
from proxy.rules.subject import Subject, script
from proxy.sql.statements import Query, quote_identifier
from proxy.sql.written import Written, written


@rule
def large_update(node: Query, context: Context) -> Finding | None:
    for one in written(context.statement):
        if one.verb == "INSERT" or (about := changes(one, context)) is None:
            continue
        estimate = context.facts.estimate
        some = (one.where or one.verb == "MERGE") and estimate is not None
        what = {"UPDATE": "write anew", "DELETE": "delete", "MERGE": "change"}[one.verb]
        batched = batched_dml(context.statement, context.facts) if one.whole and one.verb != "MERGE" else None
        rows = f"some {describe_rows(estimate or 0)}" if some else "all rows"
        return Finding(
            rule="large-update",
            at=one.at,
            problem=f"{one.verb} would {what} {rows} of {about.amount} in one transaction",
            detail="Whoever changes one of these rows waits until COMMIT, replicas fall behind,"
            " and the old versions stay on disk until VACUUM."
            + (" The number is the planner's estimate." if some else "")
            + (f" It cannot be done in batches: {batched}." if isinstance(batched, str) else ""),
            hint=_in_batches(one, about, context),
            lock=Lock.ROW_EXCLUSIVE,
            work="scan",
            relation=one.relation,
            rewrite=batched if isinstance(batched, Rewrite) else None,
        )
    return None


def _in_batches(one: Written, about: Subject, context: Context) -> str:
    """The author's statement over a range of the primary key; in words where that is no matter of appending."""
    key = _key(about)
    from_to = f"{key} >= 1 AND {key} < 10001"
    if not one.whole or one.verb == "MERGE" or one.where or len(written(context.statement)) > 1:
        return f"-- with {from_to} in its WHERE, and so on, each in a transaction of its own"
    return script(f"{context.statement.sql} WHERE {from_to}") + "\n(and so on, each in a transaction of its own)"


def _key(about: Subject) -> str:
    keys = about.relation.constraints.values() if about.relation is not None else ()
    columns = next((c.columns for c in keys if c.kind == "p" and len(c.columns) == 1), ("id",))
    return quote_identifier(columns[0])
