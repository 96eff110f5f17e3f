"""What a plan is doing at this moment, for those who look on: the console, the status page.

Whoever runs a plan leaves it with the connection that it runs on (``Asking.doing``), and those who wait or watch note
in it what they see anyway; nothing is asked and nothing is counted for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy.catalog.blockers import Blocker

if TYPE_CHECKING:
    from proxy.plans.plan import Plan
    from proxy.run.asking import Asking
    from proxy.run.leap import StepResult


@dataclass(slots=True)
class Doing:
    """``results`` grows as the steps are begun; ``since`` and ``waits_since`` are of the monotonic clock, in seconds."""

    title: str  # of the plan: CREATE INDEX
    steps: int
    results: Sequence[StepResult]
    job: int | None = None  # its number, where it is done after a COMMIT
    relations: tuple[tuple[str, str], ...] = ()
    since: float = field(default_factory=time.monotonic)
    step: int = 0  # from 1; 0 before the first
    sql: str = ""  # of the step
    phase: str = ""  # as Postgres says it, or of batches
    share: float | None = None  # of the phase, 0 to 1
    left_s: float | None = None  # of the phase; None where that would be a guess
    waits_for: Sequence[Blocker] = ()
    waits_since: float = 0.0

    def begin(self, number: int, sql: str) -> None:
        """The next step: nothing is known of it yet."""
        self.step, self.sql = number, sql
        self.phase, self.share, self.left_s = "", None, None
        self.waits()

    def goes(self, phase: str, share: float | None, left_s: float | None = None) -> None:
        self.phase, self.share, self.left_s = phase, share, left_s

    def waits(self, found: Sequence[Blocker] = ()) -> None:
        """For these transactions; for nobody without any."""
        if found and not self.waits_for:
            self.waits_since = time.monotonic()
        self.waits_for = found


@contextlib.contextmanager
def doing(own: Asking, plan: Plan, results: Sequence[StepResult], job: int | None) -> Iterator[Doing]:
    """Leave with the connection what is being done there, while the block runs."""
    relations = tuple(dict.fromkeys(pair for step in plan.steps for pair in step.relations))
    before, own.doing = own.doing, Doing(plan.title, len(plan.steps), results, job, relations)
    try:
        yield own.doing
    finally:
        own.doing = before


__all__ = ["Doing", "doing"]
