"""VALIDATE CONSTRAINT while the transaction, or the statement itself, keeps others out."""

from __future__ import annotations

from proxy.plans.plan import Lock, Rewrite
from proxy.plans.target import target
from proxy.plans.validate_later import validate
from proxy.rules.base import Context, Finding, rule
from proxy.rules.column import table
from proxy.rules.cost import cost_of
from proxy.rules.subject import Subject, altered, script
from proxy.rules.transaction import blocked, locked
from proxy.sql.statements import AddConstraint, DropConstraint, ValidateConstraint, quote_identifier


@rule
def validate_under_lock(node: ValidateConstraint, context: Context) -> Finding | None:
    about = altered(context)
    if about is None or _is_idle(node, about, context):
        return None
    held = locked(context)
    others = [cost_of(a, context).lock for a in context.table.actions if not isinstance(a, ValidateConstraint)]
    own = max(others, key=lambda lock: lock.rank, default=Lock.NONE)
    if not held and own.rank < Lock.SHARE.rank:
        return None
    strongest = max([own, *(h.lock for h in held)], key=lambda lock: lock.rank)
    alone = f"ALTER TABLE {table(context)} VALIDATE CONSTRAINT {quote_identifier(node.name)}"
    if held:
        problem = (
            f"validating {node.name} would read all of {about.shown} while this transaction blocks {blocked(held)}"
        )
        detail = (
            f"{about.all_rows} would be read, and the locks of the statements before it are kept until COMMIT."
            " In a transaction of its own VALIDATE blocks nobody."
        )
        hint = script("COMMIT", alone)
    else:
        problem = f"validating {node.name} would block {own.blocks} of {about.shown} while all rows are checked"
        detail = (
            f"{about.all_rows} would be read under the {own.sql} lock that another action of this ALTER TABLE takes."
        )
        hint = script(alone) + "\n(as a statement of its own, before or after the other actions)"
    return Finding(
        rule="validate-under-lock",
        at=node.span,
        problem=problem,
        detail=detail,
        hint=hint,
        lock=strongest,
        work="scan",
        relation=context.table.relation,
        rewrite=_rewrite(node, about, context),
    )


def _is_idle(node: ValidateConstraint, about: Subject, context: Context) -> bool:
    """Whether there is nothing to validate: it is valid, or not there, which Postgres says itself."""
    added = {a.constraint.name for a in context.table.actions if isinstance(a, AddConstraint)}
    if about.relation is None or node.name in added:
        return False
    known = about.relation.constraints.get(node.name)
    return known is None or known.validated or known.kind not in "cfn"


def _rewrite(node: ValidateConstraint, about: Subject, context: Context) -> Rewrite | None:
    """VALIDATE as a step of its own; None if its constraint comes or goes with the same statement."""
    alter = context.table
    added = {a.constraint.name: a.constraint.kind for a in alter.actions if isinstance(a, AddConstraint)}
    dropped = {a.name for a in alter.actions if isinstance(a, DropConstraint)}
    # Outside a transaction its step would come first.  One that an index makes is refused by Postgres, behind the build.
    in_time = node.name not in added or (context.facts.in_transaction and not added[node.name].has_index)
    if about.unresolved or node.name in dropped or not in_time:
        return None
    where = target(alter.relation, about.relation, context.statement)
    return Rewrite((validate(where, alter, node.name),), table=where.key, relations=(where.key,))
