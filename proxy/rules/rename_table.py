"""RENAME of a table that the application may still use."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.plans.target import qualify
from proxy.rules.base import Context, Finding, caution
from proxy.rules.rename_column import SEEN
from proxy.rules.subject import script, subject
from proxy.sql.statements import OtherAction, quote_identifier


@caution
def rename_table(node: OtherAction, context: Context) -> Finding | None:
    about = subject(context.table.relation, context)
    if node.what != "RENAME TO" or about is None:
        return None
    # Postgres renames a table by ALTER INDEX, too.
    if context.table.object_type not in SEEN and not (context.table.object_type == "INDEX" and about.kind):
        return None
    if about.kind is not None and about.kind not in "rpvmf":
        return None
    schema = about.relation.schema if about.relation else about.name.schema or ""
    old, new = qualify(schema, about.name.name), qualify(schema, node.name or "")
    rename = f"ALTER {context.table.object_type} {old} RENAME TO {quote_identifier(node.name or '')}"
    return Finding(
        rule="rename-table",
        at=node.span,
        problem=f'renaming {about.shown} to "{node.name}" fails every query that still says {about.shown}',
        detail="Application servers that run now know the old name; those that are deployed next, the new one.",
        hint=script(
            f"BEGIN; {rename}; CREATE VIEW {old} AS SELECT * FROM {new}; COMMIT",
            f"<when nothing uses the old name any more> DROP VIEW {old}",
        ),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=context.table.relation,
    )
