"""Does one job: the steps that a migration's transaction left for after its COMMIT, as the role that asked.

Settings that the session has are put aside for the ones that the author's statement met, and given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime

from proxy.catalog import leftover
from proxy.catalog.facts import Facts, Setting
from proxy.plans.plan import Lock, Plan, Step
from proxy.plans.target import qualify
from proxy.run import jobs, meant
from proxy.run.asking import Asking, unhexed
from proxy.run.bounded import Bounded, reason
from proxy.run.connection import SET_CONFIG, ServerError
from proxy.run.errors import DEADLOCK, QUERY_CANCELED, PlanFailed, surely
from proxy.run.execute import Budget, Runner
from proxy.run.jobs import Job
from proxy.run.leap import StepResult
from proxy.run.settings import PUT_ASIDE, as_before
from proxy.run.turn import turn
from proxy.sql import read
from proxy.sql.statements import CreateIndex, DropIndex, quote_identifier

log = logging.getLogger("interlock")

TIMEOUTS = ("lock_timeout", "statement_timeout", "transaction_timeout")
SETTINGS = (
    "/* interlock */ SELECT s.name, pg_catalog.current_setting(s.name), s.source, pg_catalog.current_setting('role'),"
    " pg_catalog.current_setting('server_version_num') FROM pg_catalog.pg_settings s"
    " WHERE s.name OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])"
)
TABLES = (
    "/* interlock */ SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c"
    " WHERE c.oid OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.oid[])"
)


class NotNoted(ServerError):
    """A job is done, but that could not be written down: whoever comes next finds it done, and says so."""


async def run_job(
    own: Asking,
    job: Job,
    budget: Budget,
    say: Callable[[str], None],
    cancelled: asyncio.Event,
    results: list[StepResult] | None = None,
) -> list[StepResult]:
    """Do a claimed job, outside a transaction, and note what became of it.  ``results`` takes what became of each step.

    Raises PlanFailed: it is kept as failed, or, if it was cancelled or met a deadlock, goes on waiting; ConnectionLost: it is still
    claimed by a session that is gone, and whoever claims it next begins again; NotNoted.
    """
    try:
        results = await _run(own, job, budget, say, cancelled, [] if results is None else results)
    except PlanFailed as failed:
        error = failed.error
        failed.again = error.get("C") == DEADLOCK or (error.get("C") == QUERY_CANCELED and cancelled.is_set())
        await _note_failed(own, job, failed, "waiting" if failed.again else "failed", budget)
        raise
    await _note(own, job, "done", budget)
    return results


async def _note(own: Asking, job: Job, state: str, budget: Budget, error: dict[str, str] | None = None) -> None:
    """Write down what became of it.  Raises NotNoted, ConnectionLost."""
    own = Bounded(own, budget.locks.timeout_ms)
    try:
        await surely(lambda: jobs.end(own, job.id, state, error))
    except ServerError as unnoted:
        raise NotNoted(unnoted.fields) from None


async def _note_failed(own: Asking, job: Job, failed: PlanFailed, state: str, budget: Budget) -> None:
    """As ``_note``; but that it failed is what is to be heard, and where it cannot be written down, that only beside it."""
    try:
        await _note(own, job, state, budget, failed.error)
    except NotNoted as unnoted:
        log.error("job %d: it has failed, which could not be written down: %s", job.id, reason(unnoted))
        told = f"That could not be written down in interlock.jobs: {reason(unnoted)}."
        failed.error = {**failed.error, "D": f"{failed.error.get('D', '')} {told}".lstrip()}


async def give_up(
    own: Asking,
    job: Job,
    budget: Budget,
    say: Callable[[str], None],
    cancelled: asyncio.Event,
    results: list[StepResult] | None = None,
) -> list[StepResult]:
    """Take back what the migration's transaction did for a claimed job, and what an attempt at it has left.

    What an attempt has finished stays: an index that is valid may be another's by now.  Raises as ``run_job``.
    """
    results = [] if results is None else results
    try:
        async with _as_asked(own, job, budget, say, cancelled, results) as runner:
            if runner is not None:
                cleared = [s for step in job.steps for s in await _cleared(own, step)]
                await runner.run(Plan(job.kind, (*cleared, *(_giving_up(sql, job) for sql in job.give_up))))
    except PlanFailed as failed:
        await _note_failed(own, job, failed, "failed", budget)
        raise
    await _note(own, job, "cancelled", budget, job.error or None)
    return results


def _giving_up(sql: str, job: Job) -> Step:
    nodes = [s.node for s in read.read(sql)]
    if any(isinstance(n, DropIndex | CreateIndex) and n.concurrently for n in nodes):
        lock = Lock.SHARE_UPDATE_EXCLUSIVE
        return Step((sql,), lock, "gives it up", relations=job.relations, transaction=False, budget="builds")
    return Step((sql,), Lock.ACCESS_EXCLUSIVE, "gives it up", relations=job.relations)


async def _run(
    own: Asking,
    job: Job,
    budget: Budget,
    say: Callable[[str], None],
    cancelled: asyncio.Event,
    results: list[StepResult],
) -> list[StepResult]:
    if job.unreadable:
        raise PlanFailed({"S": "ERROR", "V": "ERROR", "C": "XX000", "M": f"the job cannot be read: {job.unreadable}"})
    async with _as_asked(own, job, budget, say, cancelled, results) as runner:
        if runner is not None:
            runner.resumes = True
            await meant.still_meant(own, job)
            steps = [s for step in job.steps for s in (*await _cleared(own, step), step)]
            await runner.run(Plan(job.kind, tuple(steps)))
    return results


@contextlib.asynccontextmanager
async def _as_asked(
    own: Asking,
    job: Job,
    budget: Budget,
    say: Callable[[str], None],
    cancelled: asyncio.Event,
    results: list[StepResult],
) -> AsyncIterator[Runner | None]:
    """With the role and the settings that the author's statement met, and the turn of its tables; None if all are gone.

    Raises PlanFailed, also for what goes wrong in putting them on and off; ConnectionLost.
    """
    try:
        known, role, version = await _settings(own, (*TIMEOUTS, *job.settings))
        runner = Runner(own, budget, _facts(known, version), say, cancelled)
        runner.results = results
        runner.job = job.id
        # Only what is different: the client hears of changes to some of them.
        wanted = dict(job.settings)
        if "search_path" in wanted:
            wanted["search_path"] = await meant.path(own, wanted["search_path"])
        changed = {n: value for n, value in wanted.items() if n not in known or known[n].value != value}
        as_other = job.role != (job.login if role == "none" else role)
        try:
            # The role first: it is the one whose rights some settings ask for.
            put_on = [("role", job.role)] if as_other else []
            await own.run([(SET_CONFIG, (*pair, "false")) for pair in (*put_on, *changed.items())], notices=False)
            async with turn(own, job.tables, cancelled, say):
                if job.tables and (await own.fetch(TABLES, _array(job.tables)))[0][0] == b"0":
                    say(f"job {job.id} has nothing left to do: the table has been dropped since")
                    yield None
                else:
                    yield runner
        finally:
            if not own.is_lost:
                names = (*changed, *(name for name in TIMEOUTS if name in known))
                back = [as_before(name, known.get(name)) for name in names]
                back += [(SET_CONFIG, ("role", role, "false"))] if as_other else []
                await surely(lambda: own.run(back, notices=False))
    except ServerError as error:
        raise PlanFailed(error.fields) from None


async def _settings(own: Asking, names: Iterable[str]) -> tuple[dict[str, Setting], str, int]:
    rows = await own.fetch(SETTINGS, _array(names))
    texts = [[(column or b"").decode("utf-8", "replace") for column in row] for row in rows]
    return {t[0]: Setting(t[1], t[2]) for t in texts}, texts[0][3], int(texts[0][4])


def _facts(settings: dict[str, Setting], version: int) -> Facts:
    """Bounds that the session has for its own statements say nothing about a job, which the policy bounds; they are given back as they were."""
    kept = {name: dataclasses.replace(s, source=PUT_ASIDE) if name in TIMEOUTS else s for name, s in settings.items()}
    return Facts(server_version=version, live=True, now=datetime.now(UTC), settings=kept)


async def _cleared(own: Asking, step: Step) -> list[Step]:
    """A step that clears away what an earlier attempt at a build has left, if it has."""
    builds = not step.transaction and any(
        isinstance(s.node, CreateIndex) for sql in step.statements for s in read.read(sql)
    )
    if step.left is not None:
        found = [unhexed(row[0]) for row in await own.fetch(step.left)]
        return [_dropped(sql, step) for sql in found]
    if not builds or step.index is None:
        return []
    schema, name = step.index
    if (await own.fetch(leftover.SQL, schema, name))[0][0] != b"t":
        return []
    return [
        _dropped(
            f"DROP INDEX CONCURRENTLY IF EXISTS {qualify(schema, name) if schema else quote_identifier(name)}", step
        )
    ]


def _dropped(sql: str, step: Step) -> Step:
    return Step(
        (sql,),
        Lock.SHARE_UPDATE_EXCLUSIVE,
        "clears the invalid index that an interrupted build left behind",
        relations=step.relations,
        transaction=False,
        budget="builds",
    )


def _array(values: Iterable[object]) -> str:
    return "{" + ",".join('"' + str(value) + '"' for value in values) + "}"
