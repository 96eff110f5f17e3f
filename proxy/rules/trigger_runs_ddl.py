"""CREATE TRIGGER or CREATE EVENT TRIGGER whose function changes the schema while others wait."""

from __future__ import annotations

from collections.abc import Iterator

from proxy.catalog.effect import effect
from proxy.catalog.facts import Facts, Routine
from proxy.catalog.routines import READ, Sought
from proxy.plans.plan import Lock
from proxy.rules.base import Context, Finding, caution
from proxy.sql.inside import run_by_routine
from proxy.sql.interest import is_ddl
from proxy.sql.routine import set_off
from proxy.sql.statements import Name, Opaque, Other, Statement


@caution
def trigger_runs_ddl(node: Other, context: Context) -> Finding | None:
    name = set_off(context.statement)
    if name is None:
        return None
    routines = (r for lost in (False, True) for r in _known(name, lost, context.facts))
    found = next((one for routine in routines for one in _blocking(routine, context.facts)), None)
    if found is None:
        return None
    table = node.relations[0] if node.relations else None
    when = f"for writes to {table}" if table else "for events"
    said = " ".join(found.sql.split())
    return Finding(
        rule="trigger-runs-ddl",
        at=name.span,
        problem=f"the trigger would run {found.node.kind} {when}, where Interlock does not see it",
        detail=f"The body of {name} has {said[:120]}{'…' if len(said) > 120 else ''}. It runs in the transaction of whoever"
        " sets it off, who keeps its locks until COMMIT.",
        hint="Do what changes the schema in a migration, or in a job of its own, ahead of time.",
        lock=Lock.SHARE_ROW_EXCLUSIVE,
        work="none",
        relation=table or name,
    )


def _known(name: Name, lost: bool, facts: Facts) -> tuple[Routine, ...]:
    return facts.routines.get(Sought("function", name.parts, lost).key, ())


def _blocking(routine: Routine, facts: Facts) -> Iterator[Statement]:
    """Statements in its body that may make others wait, whatever they are about then."""
    if routine.language not in READ or not routine.source:
        return
    nothing = Facts.text_only(facts.server_version, facts.now)
    for one in run_by_routine(routine.source, routine.language).inner:
        if is_ddl(one.node) and not isinstance(one.node, Opaque) and effect(one, nothing).lock.rank >= Lock.SHARE.rank:
            yield one
