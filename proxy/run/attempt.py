"""One go at a job, and who is told what became of it: whoever keeps a record of what was done by hand."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from proxy.run.errors import PlanFailed
from proxy.run.jobs import Job
from proxy.run.leap import StepResult


@dataclass(slots=True)
class Attempt:
    """``outcome``: done, given up, or failed, also where the connection was lost."""

    job: Job
    results: list[StepResult] = field(default_factory=list)
    outcome: str = "failed"
    sqlstate: str = ""
    took_ms: float = 0.0


Ended = Callable[[Attempt], None]


@contextlib.contextmanager
def attempt(job: Job, ended: Ended | None, *, well: str = "done") -> Iterator[Attempt]:
    """The block is the attempt, which ended ``well`` if it raises nothing; ``ended`` is called in any case."""
    one = Attempt(job)
    begun = time.monotonic()
    try:
        yield one
        one.outcome = well
    except PlanFailed as failed:
        one.sqlstate = failed.error.get("C", "")
        raise
    finally:
        one.took_ms = (time.monotonic() - begun) * 1000
        if ended is not None:
            ended(one)
