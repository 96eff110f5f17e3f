"""DROP TABLE of a table that the application may still use."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.plans.target import qualify
from proxy.rules.base import Context, Finding, caution
from proxy.rules.subject import script
from proxy.rules.whole_table import largest, written
from proxy.sql.names import make_object_name
from proxy.sql.statements import Drop, quote_identifier


@caution
def drop_table(node: Drop, context: Context) -> Finding | None:
    if node.object_type != "TABLE" or (about := largest(node.names, context, "rp")) is None:
        return None
    relation = about.relation
    keys = relation.constraints.values() if relation else ()
    own = relation.qualified if relation else None
    parents = sorted({c.references[1] for c in keys if c.references and c.references != own})
    others = f" It takes an ACCESS EXCLUSIVE lock on {_listed(parents)}, too." if parents else ""
    on = written(about, context)
    steps: list[str | tuple[str, str]] = [
        f"ALTER TABLE {on} DROP CONSTRAINT {quote_identifier(c.name)}"
        for c in keys
        if c.kind == "f" and len(parents) > 1
    ]
    schema = relation.schema if relation else about.name.schema or ""
    retired = make_object_name(about.name.name, None, "retired")
    steps += [
        (f"ALTER TABLE {on} RENAME TO {quote_identifier(retired)}", "it can be taken back"),
        f"<when nothing has missed it> DROP TABLE {qualify(schema, retired)}",
    ]
    return Finding(
        rule="drop-table",
        at=about.name.span,
        problem=f"dropping {about.shown} fails every query that still uses it",
        detail=f"{about.all_rows} would be gone.{others}",
        hint=script(*steps),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=about.name,
    )


def _listed(names: list[str]) -> str:
    return " and ".join(f'"{name}"' for name in names)
