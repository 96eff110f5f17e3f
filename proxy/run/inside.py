"""A short statement in the transaction that the client has open, with little patience for its lock.

The locks that the transaction holds already keep the application waiting while we wait for one more.
"""

from __future__ import annotations

import time

from proxy.plans.plan import Plan, Step
from proxy.run.connection import SET_CONFIG, ServerError
from proxy.run.doing import doing
from proxy.run.errors import PlanFailed, as_the_authors, is_lock_timeout
from proxy.run.execute import Runner
from proxy.run.leap import StepResult, Waiting, tag_of
from proxy.run.settings import as_before
from proxy.run.words import describe, duration, names

SAVEPOINT, ROLLBACK, RELEASE = (
    "SAVEPOINT _interlock",
    "ROLLBACK TO SAVEPOINT _interlock",
    "RELEASE SAVEPOINT _interlock",
)


async def run_inside(runner: Runner, step: Step, *, savepoint: bool) -> None:
    """Run a step in the client's transaction; ``runner.tag`` is its last tag.

    With ``savepoint`` a lock that is not free is tried for again; without (a pipeline outside a
    transaction block has none) once.  Raises PlanFailed: the transaction is then in the failed state.
    """
    with doing(runner.own, Plan(step.sql.split(None, 1)[0].upper(), (step,)), runner.results, runner.job) as now:
        now.begin(1, step.sql)
        await _run(runner, step, savepoint=savepoint)


async def _run(runner: Runner, step: Step, *, savepoint: bool) -> None:
    own, locks = runner.own, runner.locks
    result = StepResult(step.sql, step.lock.value)
    runner.results.append(result)
    patience = locks.patience()
    waiting = Waiting(patience.give_up_after_ms)
    restore = as_before("lock_timeout", runner.facts.settings.get("lock_timeout"), local=True)
    begun = time.monotonic()
    try:
        while True:
            await locks.look(step, patience, waiting, result)
            result.attempts += 1
            ms = patience.timeout(result.attempts) if savepoint else patience.timeout_ms
            timeout = (SET_CONFIG, ("lock_timeout", f"{ms}ms", "true"))
            await own.run([(SAVEPOINT, ()), timeout] if savepoint else [timeout])
            try:
                runner.tag = tag_of(await own.run([(sql, ()) for sql in step.statements]))
                break
            except ServerError as error:
                if not is_lock_timeout(error.fields):
                    raise
            if waiting.over() or not savepoint or own.skipping:
                raise ServerError(_gave_up(step, waiting, result.attempts))
            await own.run([(ROLLBACK, ()), (RELEASE, ())])
            await locks.pause(patience.pause(result.attempts), waiting, result)
        await own.run([restore, *([(RELEASE, ())] if savepoint else [])])
    except ServerError as error:
        result.outcome, result.sqlstate = "failed", error.sqlstate
        raise PlanFailed(as_the_authors(error.fields, step)) from None
    result.took_ms = (time.monotonic() - begun) * 1000 - result.waited_ms
    result.outcome = "done"


def _gave_up(step: Step, waiting: Waiting, attempts: int) -> dict[str, str]:
    """As ``Locks`` says it, but the transaction has failed and nothing can be asked any more."""
    held = f": held by {describe(waiting.blockers)}" if waiting.blockers else ""
    return {
        "S": "ERROR",
        "V": "ERROR",
        "C": "IL004",
        "M": f"could not get the {step.lock.sql} lock on {names(step, waiting.blockers)} within {duration(waiting.elapsed_s())}{held}",
        "D": f"Interlock tried {attempts} {'time' if attempts == 1 else 'times'}; inside a transaction it waits little,"
        " since the locks that the transaction holds already keep the application waiting.",
        "H": "Run the migration again, or allow more time with locks.in_transaction.give_up_after in the policy.",
    }
