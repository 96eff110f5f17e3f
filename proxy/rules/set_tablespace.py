"""SET TABLESPACE, which copies the table's files."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, rule
from proxy.rules.cost import cost_of
from proxy.rules.subject import altered, subject
from proxy.sql.statements import OtherAction


@rule
def set_tablespace(node: OtherAction, context: Context) -> Finding | None:
    if node.what != "SET TABLESPACE" or cost_of(node, context).work != "rewrite":
        return None
    object_type = context.table.object_type
    about = altered(context) if object_type == "TABLE" else subject(context.table.relation, context)
    if about is None or about.kind == "p":
        return None  # a partitioned table has no file; new partitions go there
    hint = "Move it with pg_repack --tablespace, or at a time when nobody uses it."
    if object_type == "INDEX":
        hint = "Create the same index there: CREATE INDEX CONCURRENTLY … TABLESPACE …; then DROP INDEX CONCURRENTLY."
    return Finding(
        rule="set-tablespace",
        at=node.span,
        problem=f"SET TABLESPACE would block reads and writes of {about.shown} while its files are copied",
        detail=f"All of {about.amount} would be copied under an ACCESS EXCLUSIVE lock.",
        hint=hint,
        lock=Lock.ACCESS_EXCLUSIVE,
        work="rewrite",
        relation=context.table.relation,
    )
