"""SET ACCESS METHOD, which copies the table."""

from __future__ import annotations

from proxy.rules.base import Context, Finding, rule
from proxy.rules.cost import cost_of
from proxy.rules.subject import altered
from proxy.rules.whole_table import copied
from proxy.sql.statements import OtherAction


@rule
def set_access_method(node: OtherAction, context: Context) -> Finding | None:
    if not node.what.startswith("SET ACCESS METHOD") or (about := altered(context)) is None:
        return None
    if cost_of(node, context).work != "rewrite":
        return None
    return copied(
        "set-access-method",
        "SET ACCESS METHOD",
        about,
        node.span,
        hint="Create a table with that access method, copy the rows in batches, and rename both in one transaction.",
    )
