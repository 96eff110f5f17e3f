"""ALTER TYPE … RENAME VALUE of a value that the application may still use."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.plans.target import qualify
from proxy.rules.base import Context, Finding, caution
from proxy.rules.subject import script
from proxy.rules.words import name_at, tokens
from proxy.sql.statements import Other


@caution
def enum_value_rename(node: Other, context: Context) -> Finding | None:
    if node.kind != "ALTER TYPE" or "RENAME VALUE" not in node.options or context.facts.in_recovery:
        return None
    statement = context.statement
    name = name_at(statement.text, statement.span, 2)
    literals = [t.value for t in tokens(statement.text, statement.span) if t.kind == "string"]
    if name is None or len(literals) != 2:
        return None
    old, new = literals
    on = qualify(name.schema or "", name.name)
    return Finding(
        rule="enum-value-rename",
        at=name.span,
        problem=f'renaming value {old} of "{name.name}" fails every query that still says {old}',
        detail="Application servers that run now know the old value; those that are deployed next, the new one.",
        hint=script(f"ALTER TYPE {on} ADD VALUE {new}", f"UPDATE <table> SET <column> = {new} WHERE <column> = {old}"),
        lock=Lock.NONE,
        work="none",
        relation=name,
    )
