"""What of a session goes into the audit log, and what happens when it cannot be written."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from proxy.audit import record
from proxy.audit.chain import AuditError
from proxy.audit.redact import redact
from proxy.audit.sink import AuditLog
from proxy.policy.load import Policy
from proxy.run.attempt import Attempt
from proxy.session.case import Case, of_job
from proxy.session.tally import Decision, Tally, told

log = logging.getLogger("interlock")

KEPT = 1000  # records that wait for a log that can be written again


@dataclass(slots=True)
class Who:
    """Whose session it is; ``tool`` becomes known as it speaks."""

    client: str  # address
    user: str = ""
    database: str = ""
    application_name: str = ""
    tls: str = ""  # protocol version, empty without TLS
    tool: str | None = None
    since: float = field(default_factory=time.time)

    @property
    def label(self) -> str:
        return f"{self.user}@{self.database} [{self.client}]"

    def told(self) -> dict[str, str]:
        """As it is now, for those who look on."""
        return {
            "user": self.user,
            "database": self.database,
            "client": self.client,
            "application_name": self.application_name,
            "tool": self.tool or "",
        }


class Ledger:
    """Writes one audit record for each case; without an audit log, a line of the process's own log has to do."""

    def __init__(self, audit: AuditLog | None) -> None:
        self.audit = audit
        self.tally = Tally()
        self.owed = 0  # records of what has run, which are written when its transaction is over
        self._waiting: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def refuses(self, policy: Policy) -> str:
        """Why nothing guarded may run now: records cannot be written, and the policy fails closed.  Empty if it may."""
        reason = self._write_waiting() if self._waiting else ""
        if policy.audit.on_failure != "closed" or self.audit is None:
            return ""
        if not reason:
            try:
                self.audit.make_room(self.owed + 1)
            except AuditError as error:
                log.error("audit: %s", error)
                return str(error)
        return reason

    def attempted(self, who: Who, attempt: Attempt, policy: Policy, by_hand: record.ByHand) -> None:
        """Note what became of a job that somebody has told us to do or to give up.  Never raises."""
        case = of_job(attempt.job)
        case.steps, case.outcome = attempt.results, attempt.outcome
        case.sqlstate, case.took_ms = attempt.sqlstate, attempt.took_ms
        self.record(who, case, policy, by_hand)

    def record(self, who: Who, case: Case, policy: Policy, by_hand: record.ByHand | None = None) -> None:
        """Note what became of a case.  Never raises: the statement has run, and the client is to hear so."""
        action = case.verdict.action.value
        literals, scs = policy.audit.redact_literals, case.standard_conforming_strings
        clean = cache(partial(redact, literals=literals, standard_conforming_strings=scs))  # each text once
        decision = told(case, clean, who=who.told(), number=self.tally.next_number)
        self.tally.add(decision)
        why = _why(decision)
        log.log(
            logging.WARNING if why else logging.INFO,
            "%s: %s: %s (%s)%s",
            who.label,
            case.statement.node.kind,
            case.outcome,
            action,
            f": {why}" if why else "",
            extra={"decision": decision},
        )
        if self.audit is None:
            return
        session = record.Session(who.user, who.database, who.client, who.application_name, who.tls, who.tool)
        entry = record.record(
            session=session,
            statement=case.statement,
            facts=case.facts,
            verdict=case.verdict,
            policy=record.PolicyUsed(policy.name, ", ".join(policy.files), policy.sha),
            outcome=case.outcome,
            relations=[".".join(part for part in name if part) for name in case.effect.relations],
            steps=[record.members(step) for step in case.steps],
            sqlstate=case.sqlstate,
            took_ms=case.took_ms,
            literals=literals,
            standard_conforming_strings=scs,
            clean=clean,
            job=case.job,
            by_hand=by_hand,
        )
        self._waiting.append(entry)
        self._write_waiting()

    def _write_waiting(self) -> str:
        assert self.audit is not None
        try:
            while self._waiting:
                self.audit.append(self._waiting[0])
                self._waiting.popleft()
        except AuditError as error:
            log.error("audit: %s (%d records wait)", error, len(self._waiting))
            return str(error)
        return ""

    @property
    def waits(self) -> int:
        """How many records could not be written yet."""
        return len(self._waiting)

    def reopen(self) -> None:
        """SIGHUP: go on in the file that now has the path."""
        if self.audit is None:
            return
        try:
            self.audit.reopen()
        except AuditError as error:
            log.error("audit: %s", error)


def _why(decision: Decision) -> str:
    """Why a statement was rejected, for those whose tool does not show it; empty for all others."""
    if decision.outcome != "rejected":
        return ""
    harshest = [found for found in decision.findings if found.action == "reject"]
    return "; ".join(f"{found.problem} [{found.rule}], {found.policy}" for found in harshest)
