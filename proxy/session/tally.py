"""What a proxy has decided lately and how often, for the console, the metrics and the status page.

It costs a few additions for each *decision*; nothing is counted for what merely passes.  All of it is this process's, and gone
with it: what is to be kept is in the audit log.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from proxy.session.case import Case

KEPT = 300  # decisions that can be looked at
SAMPLES = 2000  # of latency and of lock waits
DATABASES = 500  # that are counted apart; the rest together, as ``…``
LONGEST = 4000  # code points of SQL that are kept of a statement
READ = 32_000  # a longer text is not searched for secrets, and so not shown

DECIDE_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)
STEP_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Found:
    """What one rule said, and the line of policy that settled what is done about it."""

    rule: str
    action: str
    problem: str
    policy: str  # file:line
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ran:
    """A step that ran.  Times in milliseconds."""

    sql: str
    lock: str
    waited_ms: float
    took_ms: float
    blocked_ms: float
    attempts: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One statement that was decided about, without its secrets; ``at`` is a Unix time."""

    number: int
    at: float
    session: Mapping[str, str]  # user, database, client, application_name, tool
    kind: str
    relations: tuple[str, ...]
    sql: str
    action: str
    findings: tuple[Found, ...]
    steps: tuple[Ran, ...]
    outcome: str
    sqlstate: str
    took_ms: float
    job: int | None = None

    @property
    def rule(self) -> str:
        """The rule that settled it; empty if none had anything to say."""
        return next((one.rule for one in self.findings if one.action == self.action), "")

    @property
    def policy(self) -> str:
        return next((one.policy for one in self.findings if one.action == self.action), "")

    @property
    def blocked_ms(self) -> float:
        """The longest single wait for, and hold of, a lock that blocks the application."""
        return max((step.blocked_ms for step in self.steps), default=0.0)

    @property
    def time(self) -> str:
        return datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Histogram:
    """Counts by upper bound, as Prometheus wants them; the last count is of what is above all bounds."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        return sum(self.counts)


@dataclass(slots=True)
class InDatabase:
    """Sums of one database's decisions."""

    actions: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    took_ms: float = 0.0
    waited_ms: float = 0.0
    blocked_ms: float = 0.0
    lock_timeouts: int = 0


class Tally:
    """``statements`` by (action, rule); ``waits`` are (Unix time, waited ms, blocked ms), ``latencies`` (Unix time, decide ms)."""

    def __init__(self) -> None:
        self.started = time.time()
        self.decisions: deque[Decision] = deque(maxlen=KEPT)
        self.statements: Counter[tuple[str, str]] = Counter()
        self.databases: dict[str, InDatabase] = {}
        self.decide = Histogram(DECIDE_S)
        self.steps: dict[str, Histogram] = {}  # by lock mode
        self.blocked_s = 0.0
        self.lock_timeouts = 0
        self.latencies: deque[tuple[float, float]] = deque(maxlen=SAMPLES)
        self.waits: deque[tuple[float, float, float]] = deque(maxlen=SAMPLES)
        self.first, self.every = 1, 1  # numbers of decisions, where several workers give them
        self.version = 0  # changes whenever something was added
        self.listener: Callable[[Decision], None] | None = None

    @property
    def next_number(self) -> int:
        return self.first + self.version * self.every

    def decided(self, seconds: float) -> None:
        """How long it took from a statement's coming to the verdict."""
        self.decide.add(seconds)
        self.latencies.append((time.time(), seconds * 1000))

    def add(self, decision: Decision) -> None:
        self.version += 1
        self.decisions.append(decision)
        if self.listener is not None:
            self.listener(decision)
        self.statements[decision.action, decision.rule] += 1
        database = decision.session["database"]
        if database not in self.databases and len(self.databases) >= DATABASES:
            database = "…"
        sums = self.databases.setdefault(database, InDatabase())
        sums.actions[decision.action] += 1
        sums.failed += decision.outcome == "failed"
        sums.took_ms += decision.took_ms
        waited = sum(step.waited_ms for step in decision.steps)
        timeouts = sum(max(0, step.attempts - 1) for step in decision.steps)
        sums.waited_ms += waited
        sums.blocked_ms += decision.blocked_ms
        sums.lock_timeouts += timeouts
        self.lock_timeouts += timeouts
        self.blocked_s += decision.blocked_ms / 1000
        for step in decision.steps:
            self.steps.setdefault(step.lock, Histogram(STEP_S)).add(step.took_ms / 1000)
        if decision.steps:
            self.waits.append((decision.at, waited, decision.blocked_ms))


def told(case: Case, clean: Callable[[str], str], *, who: Mapping[str, str], number: int = 0) -> Decision:
    """A case as it is kept here: without its facts, what ``clean`` leaves out and what is too long."""

    def short(sql: str) -> str:
        if len(sql) > READ:
            return f"{sql[:8].split(None, 1)[0]} … ({len(sql):,} characters)"
        found = clean(sql)
        return found if len(found) <= LONGEST else found[: LONGEST - 1] + "…"

    return Decision(
        number=number,
        at=time.time(),
        session=who,
        kind=case.statement.node.kind,
        relations=tuple(".".join(part for part in name if part) for name in case.effect.relations),
        sql=short(case.statement.sql),
        action=case.verdict.action.value,
        findings=tuple(
            Found(one.finding.rule, one.action.value, one.finding.problem, str(one.because), one.note)
            for one in case.verdict.decided
        ),
        steps=tuple(
            Ran(short(s.sql), s.lock, s.waited_ms, s.took_ms, s.blocked_ms, s.attempts, s.outcome) for s in case.steps
        ),
        outcome=case.outcome,
        sqlstate=case.sqlstate,
        took_ms=case.took_ms,
        job=case.job,
    )


__all__ = ["Decision", "Found", "Histogram", "Ran", "Tally", "told"]
