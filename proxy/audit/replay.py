"""A policy over an old log: what it would have decided, beside what was decided.

Each record holds the facts of its moment, so this is the decision itself, not a guess; only the text is without its secrets, and
exceptions count as of the day of the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.audit.record import facts_of
from proxy.catalog.routines import reopened
from proxy.policy.decide import decide
from proxy.policy.load import Policy
from proxy.policy.verdict import Action, Verdict
from proxy.sql.read import read


@dataclass(frozen=True, slots=True)
class Replayed:
    """One record.  ``verdict`` None: it cannot be judged, ``reason`` says why."""

    record: Mapping[str, Any]
    verdict: Verdict | None
    reason: str = ""

    @property
    def was(self) -> str:
        return str(self.record["action"])

    @property
    def would_be(self) -> str:
        return self.verdict.action.value if self.verdict is not None else ""

    @property
    def changed(self) -> bool:
        return self.verdict is not None and self.was != self.would_be

    @property
    def rules(self) -> tuple[str, ...]:
        """Those that settle it now; where it becomes milder, those that did."""
        if self.verdict is None:
            return ()
        now = [one.finding.rule for one in self.verdict.decided if one.action is self.verdict.action]
        before = [found["rule"] for found in self.record.get("findings", ()) if found["action"] == self.was]
        harsher = self.verdict.action.rank > Action(self.was).rank
        return tuple(dict.fromkeys(now if harsher or not before else before))

    @property
    def because(self) -> str:
        """The line of the new policy."""
        settled = self.verdict.because if self.verdict is not None else None
        if settled is None and self.verdict is not None:
            settled = next((one.because for one in self.verdict.decided if one.finding.rule in self.rules), None)
        return str(settled or "")


def replay(records: Iterable[Mapping[str, Any]], policy: Policy) -> Iterator[Replayed]:
    """Each decision anew; jobs that were done after a COMMIT are none."""
    for record in records:
        if "job" in record or "facts" not in record:
            continue
        try:
            yield Replayed(record, _decided(record, policy))
        except (ValueError, KeyError, TypeError) as error:
            yield Replayed(record, None, f"its facts cannot be read: {' '.join(str(error).split())[:200]}")


def _decided(record: Mapping[str, Any], policy: Policy) -> Verdict:
    facts = facts_of(record["facts"])
    comments = "".join(f"/* {body} */" for body in record.get("comments", ()))
    statements = read(comments + record["statement"])
    if len(statements) != 1:
        raise ValueError("its text without secrets is no single statement any more")
    return decide(reopened(statements[0], facts), facts, policy)
