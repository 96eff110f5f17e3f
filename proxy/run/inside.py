"""A short statement in the transaction that the client has open, with little patience for its lock.

The locks that the transaction holds already keep the application waiting while we wait for one more.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from proxy.plans.plan import Plan, Step
from proxy.run.connection import SET_CONFIG, Reply, ServerError
from proxy.run.doing import doing
from proxy.run.errors import PlanFailed, as_the_authors, is_lock_timeout, place, surely, unplaced
from proxy.run.execute import Runner
from proxy.run.leap import StepResult, Waiting, tag_of
from proxy.run.savepoint import KEPT, SAVEPOINT, TAKEN_BACK
from proxy.run.settings import as_before
from proxy.run.words import describe, duration, names

Sent = Sequence[tuple[str, Sequence[str | bytes | None]]]


async def run_inside(
    runner: Runner,
    step: Step,
    *,
    savepoint: bool,
    first: Sequence[str] = (),
    then: Sent = (),
    ending: Sequence[str] = KEPT,
    as_written: bool = False,
) -> list[Reply]:
    """Run a step in the client's transaction; ``runner.tag`` is its last tag.

    With ``savepoint`` a lock that is not free is tried for again; without (a pipeline outside a
    transaction block has none) once.  What becomes of the savepoint says ``ending``: with ``TAKEN_BACK`` the step's effect and
    its locks are given back at once (its errors are all that is wanted), with ``LEFT_OPEN`` that is for the caller to do.  ``first`` and ``then`` stand before and behind it, if possible in the same flight;
    returned is the answer to ``then``.  ``as_written``: its text is the author's, and so are the places that an error names.  Raises PlanFailed; ServerError, if it was one of those that failed.  The transaction
    is then in the failed state, or (with ``savepoint``) to be brought into it.
    """
    with doing(runner.own, Plan(step.sql.split(None, 1)[0].upper(), (step,)), runner.results, runner.job) as now:
        now.begin(1, step.sql)
        placed = as_written or bool(step.edits)
        return await _run(runner, step, savepoint=savepoint, first=first, then=then, ending=ending, placed=placed)


async def _run(
    runner: Runner,
    step: Step,
    *,
    savepoint: bool,
    first: Sequence[str],
    then: Sent,
    ending: Sequence[str],
    placed: bool,
) -> list[Reply]:
    own, locks, tries = runner.own, runner.locks, ending is TAKEN_BACK
    result = StepResult(step.sql, step.lock.value)
    runner.results.append(result)
    patience = locks.patience()
    waiting = Waiting(patience.give_up_after_ms)
    restore = as_before("lock_timeout", runner.facts.settings.get("lock_timeout"), local=True, in_block=savepoint)
    ahead: list[tuple[str, Sequence[str | bytes | None]]] = [(sql, ()) for sql in first]
    looks = not (savepoint and locks.keeps_out(step))  # others wait already: a short try is no longer than a look
    if ahead and looks:
        await own.run(ahead)
        ahead = []
    begun = time.monotonic()
    try:
        while True:
            if looks:
                vacuumed = await locks.look(step, patience, waiting, result)
                if vacuumed and savepoint:
                    await locks.dislodge(vacuumed, waiting)
            looks = True
            result.attempts += 1
            ms = patience.timeout(result.attempts) if savepoint else patience.timeout_ms
            timeout = (SET_CONFIG, ("lock_timeout", f"{ms}ms", "true"))
            head = [*ahead, *([(SAVEPOINT, ()), timeout] if savepoint else [timeout])]
            back = [(sql, ()) for sql in ending] if savepoint else []
            tail = [*([timeout] if tries else []), *then, restore]  # what goes with it waits no longer either
            at, behind = len(ahead), len(head) + len(step.statements)
            ahead = []
            try:
                replies = await own.run([*head, *((sql, ()) for sql in step.statements), *back, *tail])
                runner.tag = tag_of(replies[len(head) : behind])
                break
            except ServerError as error:
                if not at <= error.at < behind:
                    raise _Beside(error) from None
                if savepoint and error.at > at:
                    # What has failed is what stands behind the savepoint: all else would keep its locks until ROLLBACK.
                    await surely(lambda: own.run([(sql, ()) for sql in TAKEN_BACK]))
                if not is_lock_timeout(error.fields):
                    raise
            if waiting.over() or not savepoint:
                raise ServerError(_gave_up(step, waiting, result.attempts, again=savepoint))
            await locks.pause(patience.pause(result.attempts), waiting, result)
    except _Beside as beside:
        result.outcome, result.sqlstate = "failed", beside.error.sqlstate
        raise beside.error from None
    except ServerError as error:
        result.outcome, result.sqlstate = "failed", error.sqlstate
        fields = place(error.fields, step) if placed else unplaced(error.fields)
        raise PlanFailed(as_the_authors(fields, step)) from None
    result.took_ms = (time.monotonic() - begun) * 1000 - result.waited_ms
    result.outcome = "tried" if tries else "done"
    return replies[len(replies) - 1 - len(then) : -1]


class _Beside(Exception):
    """What failed was not the step, but what went with it."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(str(error))
        self.error = error


def _gave_up(step: Step, waiting: Waiting, attempts: int, *, again: bool) -> dict[str, str]:
    """As ``Locks`` says it, but the transaction has failed and nothing can be asked any more; ``again``: it could have been tried again."""
    held = f": held by {describe(waiting.blockers)}" if waiting.blockers else ""
    tried = f"Interlock tried {attempts} {'time' if attempts == 1 else 'times'}; inside a transaction it waits little,"
    tried += " since the locks that the transaction holds already keep the application waiting."
    if not again:
        tried = "Interlock tried once: what stands in a pipeline behind other statements, with no Sync between them, cannot be tried again."
    setting = "locks.in_transaction.give_up_after" if again else "locks.timeout"
    return {
        "S": "ERROR",
        "V": "ERROR",
        "C": "IL004",
        "M": f"could not get the {step.lock.sql} lock on {names(step, waiting.blockers)} within {duration(waiting.elapsed_s())}{held}",
        "D": tried,
        "H": f"Run the migration again, or allow more time with {setting} in the policy.",
    }
