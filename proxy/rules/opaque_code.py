"""Code whose statements the text does not tell: in a DO block, or in a routine that is called."""

from __future__ import annotations

from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.sql.statements import Name, Opaque


@caution
def opaque_code(node: Opaque, context: Context) -> Finding | None:
    if context.facts.in_recovery:
        return None
    at = context.statement.span
    origin = context.statement.origin
    who = origin.routine if origin else "a DO block"
    more = f", and {node.others} more such place{'s' if node.others > 1 else ''}" if node.others else ""
    return Finding(
        rule="opaque-code",
        at=at,
        problem=f"{who} runs what its text does not tell: {node.why}",
        detail=f"Interlock cannot say what this locks{more}, so it can neither rewrite it nor call it safe.",
        hint=f"Send each statement that changes the schema by itself, or write it out in {'its body' if origin else 'the block'}.",
        lock=Lock.ACCESS_EXCLUSIVE,
        work="rewrite",
        relation=Name(("",), at),
    )
