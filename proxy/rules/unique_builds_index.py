"""ADD UNIQUE that builds its index under lock."""

from __future__ import annotations

from proxy.rules.base import Context, Finding, rule
from proxy.rules.indexed import finding, guarded
from proxy.sql.statements import AddConstraint, ConstraintKind


@rule
def unique_builds_index(node: AddConstraint, context: Context) -> Finding | None:
    if node.constraint.kind is not ConstraintKind.UNIQUE or (about := guarded(node, context)) is None:
        return None
    return finding("unique-builds-index", node, about, context)
