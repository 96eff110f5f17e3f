"""FOREIGN KEY that does not say what becomes of its rows when the other row is deleted."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, advice
from proxy.rules.foreign_key import Source, keys
from proxy.rules.words import has_phrase


@advice
def foreign_key_without_on_delete(node: Source, context: Context) -> Finding | None:
    for key in keys(node, context):
        if has_phrase(context.statement.text, key.span, "on", "delete"):
            continue
        named = " and ".join(f'"{c}"' for c in key.columns)
        return Finding(
            rule="foreign-key-without-on-delete",
            at=key.span,
            problem=f'foreign key of {named} does not say what becomes of "{key.table.name}" when a row of'
            f' "{key.references.name}" is deleted',
            detail="Without ON DELETE the DELETE fails; with it, a reader sees what was meant.",
            hint="Add one of: ON DELETE RESTRICT, ON DELETE CASCADE, ON DELETE SET NULL",
            lock=Lock.NONE,
            work="none",
            relation=key.table,
        )
    return None
