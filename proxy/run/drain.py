"""Does all jobs of a login that wait, one after the other, on one connection."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from proxy.run import jobs
from proxy.run.asking import Asking
from proxy.run.attempt import Ended, attempt
from proxy.run.bounded import Bounded, reason
from proxy.run.connection import ServerError
from proxy.run.errors import DEADLOCK, PlanFailed
from proxy.run.execute import Budget
from proxy.run.job import run_job
from proxy.run.jobs import Job, JobsUnusable
from proxy.run.store import READ_ONLY, pending

PAUSE_S = 0.2
ATTEMPTS = 3  # at a job that meets deadlocks


@dataclass(slots=True)
class Outcome:
    """``left`` are those that still wait, or that another session has, or that this Interlock cannot read."""

    done: list[Job] = field(default_factory=list)
    failed: list[Job] = field(default_factory=list)
    left: list[Job] = field(default_factory=list)

    @property
    def well(self) -> bool:
        return not (self.failed or self.left)


async def drain(
    own: Asking,
    budget: Budget,
    say: Callable[[str], None],
    cancelled: asyncio.Event,
    *,
    only: Collection[int] = (),
    again: bool = False,
    wait_s: float = 0.0,
    ended: Ended | None = None,
) -> Outcome:
    """Do the jobs that wait, oldest first; ``only`` those of these numbers, if any are given.

    ``again``: those that have failed, too.  ``wait_s``: how long to wait for those that other sessions are doing.  ``ended``
    is called with each attempt.
    Raises JobsUnusable, ServerError (also where the table of jobs is locked for longer than the policy has patience),
    ConnectionLost.
    """
    table = Bounded(own, budget.locks.timeout_ms)
    outcome = Outcome()
    tried: Counter[int] = Counter()
    deadlocked: set[int] = set()
    stuck: dict[int, Job] = {}  # cannot be begun, or come behind such: to wait would not help
    deadline = time.monotonic() + wait_s
    states = ("waiting", "running", "failed") if again else ("waiting", "running")
    while True:
        found = await _found(table, only)
        await _writable(own, found)
        busy: list[Job] = []  # jobs that are not done yet: what comes behind them waits for them
        waiting = False
        for job in found:
            if tried[job.id] >= (ATTEMPTS if job.id in deadlocked else 1) or job.state not in states or job.unreadable:
                continue
            if cancelled.is_set():
                break
            if job.id in stuck or any(jobs.follows(job, one) for one in stuck.values()):
                stuck[job.id] = job
                continue
            try:
                free = not any(jobs.follows(job, one) for one in busy)
                claimed = free and await jobs.claim(table, job.id, states=states)
            except ServerError as error:
                say(f"job {job.id} cannot be begun, and is left: {reason(error)} (SQLSTATE {error.sqlstate})")
                stuck[job.id] = job
                continue
            if not claimed:
                busy.append(job)
                waiting = True
                continue
            tried[job.id] += 1
            say(f"job {job.id}: {job.title}")
            try:
                with attempt(job, ended) as one:
                    await run_job(own, job, budget, say, cancelled, one.results)
            except PlanFailed as failed:
                say(f"job {job.id} failed: {failed.error.get('M', 'error')}")
                for sql in failed.left:
                    say(f"run by hand: {sql};")
                if failed.error.get("C") == DEADLOCK:  # it waits again, and the others have gone on meanwhile
                    deadlocked.add(job.id)
                    waiting = True
                    deadline = max(deadline, time.monotonic() + PAUSE_S)
            else:
                outcome.done.append(job)
        if not waiting or cancelled.is_set() or time.monotonic() >= deadline:
            break
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(cancelled.wait(), PAUSE_S)
    for job in await _found(table, only):
        (outcome.failed if job.state == "failed" else outcome.left).append(job)
    return outcome


async def _found(own: Asking, only: Collection[int]) -> list[Job]:
    return [job for job in await jobs.unfinished(own) if not only or job.id in only]


async def _writable(own: Asking, found: list[Job]) -> None:
    if found and not await pending(own):
        raise JobsUnusable(*READ_ONLY)


__all__ = ["Outcome", "drain"]
