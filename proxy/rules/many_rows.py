"""What the rules about UPDATE, DELETE and MERGE have in common: how many rows of which table one is about."""

from __future__ import annotations

from proxy.rules.base import Context
from proxy.rules.subject import Subject, subject
from proxy.rules.transaction import BOOKKEEPING
from proxy.sql.written import Written

MANY = 10_000  # rows; below, one statement is over before anybody waits for it


def changes(one: Written, context: Context) -> Subject | None:
    """The table, if it may be that so many rows of it are changed; None if few are, or nobody else sees it.

    With a WHERE that is for the planner to say; without its estimate the WHERE is believed.
    """
    about = subject(one.relation, context)
    if about is None or one.relation.name in BOOKKEEPING:
        return None
    if one.where or one.verb == "MERGE":
        estimate = context.facts.estimate
        return about if estimate is not None and estimate >= MANY else None
    known = about.relation
    if known is not None and known.rows is not None and known.rows < MANY:
        return None
    return about
