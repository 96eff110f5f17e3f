"""ALTER COLUMN … TYPE of a foreign key's column, which locks the other table, too."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.rules.column import table
from proxy.rules.column_type import changed, constraints
from proxy.rules.subject import script
from proxy.sql.statements import AlterColumnType, quote_identifier


@caution
def column_type_locks_parent(node: AlterColumnType, context: Context) -> Finding | None:
    found = changed(node, context)
    if found is None:
        return None
    about, _ = found
    keys = [k for k in constraints(node, about, context, "f") if k.references is not None]
    own = about.relation.qualified if about.relation else None
    others = {k.references: k for k in keys if k.references and k.references != own}
    if not others:
        return None
    named = " and ".join(f'"{name}"' for _, name in others)
    on = table(context)
    steps = [f"ALTER TABLE {on} DROP CONSTRAINT {quote_identifier(k.name)}" for k in others.values()]
    steps.append(f"ALTER TABLE {on} {node.span.of(context.statement.text)}")
    for key in others.values():
        name = quote_identifier(key.name)
        steps.append(f"ALTER TABLE {on} ADD CONSTRAINT {name} {key.definition} NOT VALID")
        steps.append(f"ALTER TABLE {on} VALIDATE CONSTRAINT {name}")
    return Finding(
        rule="column-type-locks-parent",
        at=node.span,
        problem=f'changing the type of column "{node.column}" would block reads and writes of {named}, too',
        detail=f"The foreign key is made again, under ACCESS EXCLUSIVE locks on {about.shown} and {named} together.",
        hint=script(*steps),
        lock=Lock.ACCESS_EXCLUSIVE,
        work="none",
        relation=context.table.relation,
    )
