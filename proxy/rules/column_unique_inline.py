"""ADD COLUMN … UNIQUE or PRIMARY KEY, which builds an index under lock."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.plans.target import target
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import added_to, of_kind, rewritten, table, without
from proxy.rules.subject import Subject, script
from proxy.sql.names import make_object_name
from proxy.sql.statements import AddColumn, quote_identifier


@rule
def column_unique_inline(node: AddColumn, context: Context) -> Finding | None:
    keys = of_kind(node, "UNIQUE", "PRIMARY KEY")
    about = added_to(node, context)
    if about is None or not keys or (about.kind == "p" and about.relation and not about.relation.has_children):
        return None
    if any(c.kind == "PRIMARY KEY" for c in keys) and _has_key(about):
        return None
    key, column = keys[0], quote_identifier(node.column.name)
    alter = context.table
    on = target(alter.relation, about.relation, context.statement)
    second, label = (None, "pkey") if key.kind == "PRIMARY KEY" else (node.column.name, "key")
    name = quote_identifier(key.name or make_object_name(alter.relation.name, second, label))
    steps = [without(node, context, "UNIQUE", "PRIMARY KEY")]
    if key.kind == "PRIMARY KEY":
        steps.append("<fill the column in batches>")
        steps.append(f"ALTER TABLE {table(context)} ALTER COLUMN {column} SET NOT NULL")
    steps += [
        f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {on.sql} ({column})",
        f"ALTER TABLE {table(context)} ADD CONSTRAINT {name} {key.kind} USING INDEX {name}",
    ]
    return Finding(
        rule="column-unique-inline",
        at=key.span,
        problem=f'adding column "{node.column.name}" would block reads and writes of {about.shown}'
        f" while the index of its {key.kind} is built",
        detail=f"{about.all_rows} would be read under an ACCESS EXCLUSIVE lock.",
        hint=script(*steps),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="build",
        relation=context.table.relation,
        rewrite=rewritten(node, about, context),
    )


def _has_key(about: Subject) -> bool:
    """Whether the table has a primary key already: Postgres says so itself."""
    constraints = about.relation.constraints if about.relation else {}
    return any(c.kind == "p" for c in constraints.values())
