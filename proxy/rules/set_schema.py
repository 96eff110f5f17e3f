"""SET SCHEMA of a table that the application may still look for where it is."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.plans.target import qualify
from proxy.rules.base import Context, Finding, caution
from proxy.rules.rename_column import SEEN
from proxy.rules.subject import script, subject
from proxy.sql.statements import OtherAction, quote_identifier


@caution
def set_schema(node: OtherAction, context: Context) -> Finding | None:
    about = subject(context.table.relation, context)
    if node.what != "SET SCHEMA" or about is None or context.table.object_type not in SEEN:
        return None
    schema = about.relation.schema if about.relation else about.name.schema or ""
    if schema == node.name:
        return None
    old, new = qualify(schema, about.name.name), qualify(node.name or "", about.name.name)
    move = f"ALTER {context.table.object_type} {old} SET SCHEMA {quote_identifier(node.name or '')}"
    return Finding(
        rule="set-schema",
        at=node.span,
        problem=f'moving {about.shown} to schema "{node.name}" fails every query that does not look for it there',
        detail="A query finds it by its schema's name or by the search_path of its session.",
        hint=script(
            f"BEGIN; {move}; CREATE VIEW {old} AS SELECT * FROM {new}; COMMIT",
            f"<when nothing uses the old name any more> DROP VIEW {old}",
        ),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=context.table.relation,
    )
