"""SET LOGGED or UNLOGGED, which copies the table."""

from __future__ import annotations

from proxy.rules.base import Context, Finding, rule
from proxy.rules.cost import cost_of
from proxy.rules.subject import altered
from proxy.rules.whole_table import copied
from proxy.sql.statements import OtherAction


@rule
def set_logged(node: OtherAction, context: Context) -> Finding | None:
    if node.what not in ("SET LOGGED", "SET UNLOGGED") or (about := altered(context)) is None:
        return None
    persistence = about.relation.persistence if about.relation else None
    if persistence == ("p" if node.what == "SET LOGGED" else "u") or cost_of(node, context).work != "rewrite":
        return None  # it is so already
    wal = "All of it is written to the WAL, too." if node.what == "SET LOGGED" else "A crash will empty the table."
    return copied(
        "set-logged",
        node.what,
        about,
        node.span,
        detail=wal,
        hint="Create a table that is so from the start, copy the rows in batches, and rename both in one transaction.",
    )
