"""Runs a plan on the client's connection: each step in order, and back if one fails.

Steps whose budget is ``locks`` look and leap (``leap``); steps whose budget is ``builds`` run without
lock_timeout, since their waiting blocks nobody.  After a failure the step and those before it are undone,
last first, also when the client cancelled or is gone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from proxy.catalog import leftover
from proxy.catalog.facts import Facts
from proxy.plans.plan import Lock, Plan, Step
from proxy.run.asking import Asking, unhexed
from proxy.run.batches import Batches
from proxy.run.connection import SET_CONFIG, ConnectionLost, ServerError
from proxy.run.doing import Doing, doing
from proxy.run.errors import DUPLICATE, QUERY_CANCELED, PlanFailed, as_the_authors, place, surely, unplaced
from proxy.run.leap import Locks, StepResult, tag_of
from proxy.run.pace import Pace
from proxy.run.patience import Patience
from proxy.run.settings import as_before
from proxy.run.walk import Walks
from proxy.run.watch import watched
from proxy.run.words import one_line
from proxy.sql import read
from proxy.sql.statements import CreateIndex, DropIndex


@dataclass(frozen=True, slots=True)
class Budget:
    locks: Patience
    builds_timeout_ms: int
    pace: Pace = field(default_factory=Pace)
    honours_statement_timeout: bool = True  # one that the client itself has set ends a build, too


class Runner:
    """Runs plans for one client.

    ``say`` is told, in one line, what the client and the log should hear.  ``cancelled`` is set when the
    client asked to cancel, or is gone.
    """

    def __init__(
        self,
        own: Asking,
        budget: Budget,
        facts: Facts,
        say: Callable[[str], None],
        cancelled: asyncio.Event,
    ) -> None:
        self.own = own
        self.budget = budget
        self.facts = facts
        self.say = say
        self.cancelled = cancelled
        self.locks = Locks(own, budget.locks, facts, say, cancelled)
        self.results: list[StepResult] = []
        self.job: int | None = None  # which job it is, for those who look on
        self.resumes = False  # it will be run again: a cancelled step is left as it is, and taken up then
        self.tag = b""
        self._undoing = False  # the way back is nobody's statement: no timeout of the client's ends it
        self._prefix = ""  # of what is said of the step that runs: "2/3 "

    async def run(self, plan: Plan, *, as_written: bool = False) -> None:
        """Every step, each committed by itself.  Raises PlanFailed, ConnectionLost.

        ``as_written``: the plan is the client's own statement, so positions in errors are the client's.
        """
        with doing(self.own, plan, self.results, self.job) as now:
            await self._all(plan, now, as_written=as_written)

    async def _all(self, plan: Plan, now: Doing, *, as_written: bool) -> None:
        ours: list[Step] = []  # what is to be taken back: steps that were there already are not ours
        for number, step in enumerate(plan.steps, 1):
            result = StepResult(step.sql, step.lock.value)
            self.results.append(result)
            now.begin(number, step.sql)
            if not as_written:
                self._prefix = f"{number}/{len(plan.steps)} "
                self.say(self._prefix + one_line(step.sql))
            try:
                await self._step(step, result)
            except ServerError as error:
                result.outcome, result.sqlstate = "failed", error.sqlstate
                placed = as_written or step.edits
                fields = place(error.fields, step) if placed else unplaced(error.fields)
                fields = as_the_authors(fields, step)
                if self.resumes and self.cancelled.is_set() and error.sqlstate == QUERY_CANCELED:
                    raise PlanFailed(fields) from None
                if await self._left_something(step, error):
                    ours.append(step)
                onward = [at for at, done in enumerate(ours, 1) if done.forward][-1:]
                left = await self._undo(ours[onward[0] :] if onward else ours)
                # Nothing brings a dropped index back, or takes a forward step back; finishing does no harm.
                if onward or (plan.title == DropIndex.kind and ours) or await self._went_on(ours):
                    left += [
                        sql
                        for later in plan.steps[number - 1 :]
                        if not await self._is_done(later)
                        for sql in later.statements
                    ]
                raise PlanFailed(fields, left) from None
            if result.outcome == "done":
                ours.append(step)

    async def _step(self, step: Step, result: StepResult) -> None:
        if step.done is not None and (await self.own.fetch(step.done))[0][0] == b"t":
            result.outcome = "already"
            return
        self.locks.check_cancelled()
        await self._clear(step)
        begun = time.monotonic()
        if step.batch is not None or step.walk is not None:
            kind = Batches if step.walk is None else Walks
            batches = kind(
                self.own, self.budget.pace, self.budget.builds_timeout_ms, self.facts, self.say, self.cancelled
            )
            self.tag = await batches.run(step)
        elif step.budget == "builds":
            result.attempts = 1
            await self._build(step)
        else:
            self.tag = await self.locks.leap(step, result)
        result.took_ms = (time.monotonic() - begun) * 1000 - result.waited_ms
        result.outcome = "done"

    # ------------------------------------------------ builds: they block nobody

    async def _build(self, step: Step) -> None:
        lifted = self._lifted()
        if step.transaction:
            settings = [(SET_CONFIG, (name, value, "true")) for name, value in lifted.items()]
            await self._run([*settings, *((sql, ()) for sql in step.statements)])
            return
        # CONCURRENTLY must be alone in its transaction, so these are set for the session and put back.
        try:
            await self.own.run([(SET_CONFIG, (name, value, "false")) for name, value in lifted.items()])
            await self._run([(sql, ()) for sql in step.statements])
        finally:
            back = [as_before(name, self.facts.settings.get(name)) for name in lifted]
            await surely(lambda: self.own.run(back))

    def _lifted(self) -> dict[str, str]:
        """What would end a build early, and its value meanwhile; what the client itself has set stays, but for lock_timeout.

        (And but for its statement_timeout, on the way back and if the policy says so.)
        """
        bound = str(self.budget.builds_timeout_ms)
        settings = self.facts.settings
        return {
            name: value
            for name, value in (("lock_timeout", "0"), ("statement_timeout", bound), ("transaction_timeout", "0"))
            if name in settings
            and (
                name == "lock_timeout"
                or not settings[name].by_client
                or (name == "statement_timeout" and (self._undoing or not self.budget.honours_statement_timeout))
            )
        }

    async def _run(self, statements: Sequence[tuple[str, Sequence[str | None]]]) -> None:
        async with watched(self.own, self.say, self._prefix):
            self.tag = tag_of(await self.own.run(statements))

    # ------------------------------------------------ and back

    async def _left_something(self, step: Step, error: ServerError) -> bool:
        """Whether a failed step may have left its effect half done, as only what runs outside a transaction can.

        An index of that name that is valid, or that another session builds just now, is not ours to drop.
        """
        if step.transaction or error.sqlstate in DUPLICATE:
            return False
        if step.index is None:
            return True
        schema, name = step.index
        rows = await surely(lambda: self.own.fetch(leftover.SQL, schema, name))
        return rows[0][0] == b"t"

    async def _went_on(self, ours: Sequence[Step]) -> bool:
        """Whether the way back has led on: half of a DETACH … CONCURRENTLY can only be finished."""
        half = [step for step in ours if step.undo and not step.transaction and step.index is None]
        return any([await self._is_done(step) for step in half])

    async def _is_done(self, step: Step) -> bool:
        query = step.done
        return query is not None and (await surely(lambda: self.own.fetch(query)))[0][0] == b"t"

    async def _clear(self, step: Step) -> None:
        """Clear away what an attempt at it that was interrupted has left."""
        for sql in await self._left(step):
            self.say(f"{self._prefix}what an interrupted run has left: {one_line(sql)}")
            result = StepResult(sql, Lock.SHARE_UPDATE_EXCLUSIVE.value)
            self.results.insert(-1, result)
            await self._build(Step((sql,), Lock.SHARE_UPDATE_EXCLUSIVE, "clears it away", transaction=False))
            result.outcome = "done"

    async def _left(self, step: Step) -> list[str]:
        return [unhexed(row[0]) for row in await self.own.fetch(step.left)] if step.left is not None else []

    async def _undo(self, ours: list[Step]) -> list[str]:
        """Take back what was done, last first; what could not be is returned, as SQL to run by hand."""
        left: list[str] = []
        self._undoing, self._prefix = True, "taking back: "
        for step in reversed(ours):
            for sql in (*step.undo, *await surely(partial(self._left, step))):
                try:
                    await surely(partial(self._undo_one, sql, step))
                    self.say(f"took back: {one_line(sql)}")
                except ServerError as error:
                    left.append(sql)
                    self.say(f"could not take back ({error}); run by hand: {one_line(sql)}")
        return left

    async def _undo_one(self, sql: str, step: Step) -> None:
        nodes = [s.node for s in read.read(sql)]
        concurrently = any(isinstance(n, DropIndex | CreateIndex) and n.concurrently for n in nodes)
        back = Step(
            (sql,),
            Lock.SHARE_UPDATE_EXCLUSIVE if concurrently else Lock.ACCESS_EXCLUSIVE,
            "undo",
            relations=step.relations,
            transaction=not concurrently,
            budget="builds" if concurrently else "locks",
        )
        result = StepResult(sql, back.lock.value)
        self.results.append(result)
        if concurrently:
            await self._build(back)
        else:  # with no event of the client's: its wish to stop does not stop the way back
            await Locks(self.own, self.budget.locks, self.facts, self.say, asyncio.Event()).leap(back, result)
        result.outcome = "undone"


__all__ = ["Budget", "ConnectionLost", "PlanFailed", "Runner", "StepResult"]
