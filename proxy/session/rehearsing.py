"""How a statement that is put off is tried at once, where what it is about waits itself."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.plans.rehearsal import behind, name_taken
from proxy.plans.rehearsed_keys import rehearsed_keys
from proxy.policy.verdict import Action
from proxy.session.case import Case
from proxy.session.gone import takes, used
from proxy.session.pending import Pending, words
from proxy.session.waiting_keys import keys_to


def rehearse(case: Case, pending: Sequence[Pending]) -> None:
    """Says how, in the case; what becomes of it has been decided."""
    statement, facts = case.statement, case.facts
    gone = frozenset(name for one in pending for name in one.drops)
    if case.verdict.action is not Action.DEFER or case.verdict.plan is None:
        return
    case.awaited = frozenset(name for one in pending for name in one.made)
    case.freed = bool(gone) and not gone.isdisjoint(words(statement.sql))
    if (made := used(statement, pending)) is not None:
        case.behind = behind(statement, made, facts)
    elif (new := takes(statement, pending)) is not None:
        case.behind = name_taken(*new)
    case.keys = rehearsed_keys(
        statement, case.verdict.plan, facts, lambda parent: keys_to(parent, statement, facts, pending), gone
    )


__all__ = ["rehearse"]
