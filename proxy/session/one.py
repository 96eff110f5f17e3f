"""One statement of the client's, or the plan that takes its place, run on the client's connection and answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from proxy.net import Peer
from proxy.plans.plan import Plan, Step
from proxy.policy.load import Policy
from proxy.policy.verdict import Action
from proxy.run.connection import Connection, ServerError
from proxy.run.errors import PlanFailed
from proxy.run.execute import Runner
from proxy.run.inside import run_inside
from proxy.run.turn import turn
from proxy.session.case import Case, as_it_is, budget, changed_tables, moved, patient_plan
from proxy.session.examine import Examiner
from proxy.session.noted import Noted
from proxy.session.voice import Voice
from proxy.sql.statements import Query
from proxy.wire.messages import Message


class OneStatement:
    """Runs one at a time; the client has its answer then, whatever became of it.

    ``noted`` hears of what has run in the client's transaction; ``cancelled`` is set when the client cancels or is gone.
    ``explain`` has more to say about an error of the server's, or None.
    """

    def __init__(
        self,
        own: Connection,
        client: Peer,
        voice: Voice,
        examiner: Examiner,
        noted: Noted,
        cancelled: asyncio.Event,
    ) -> None:
        self.own = own
        self.client = client
        self.voice = voice
        self.examiner = examiner
        self.noted = noted
        self.cancelled = cancelled
        self.explain: Callable[[dict[str, str]], dict[str, str] | None] = lambda fields: None

    def runner(self, case: Case, policy: Policy, *, inside: bool) -> Runner:
        """With the patience that there is ``inside`` a transaction, or outside; what it does stands in the case."""
        self._listen()
        runner = Runner(self.own, budget(policy, inside=inside), case.facts, self.voice.say, self.cancelled)
        case.steps = runner.results
        return runner

    def _listen(self) -> None:
        """The client hears the server's notices."""
        self.own.on_notice = lambda body: self.client.write(Message(ord("N"), body).raw)

    async def as_it_is(self, case: Case, *, simple: bool) -> None:
        """As it would have been run by itself: settings are the client's.  A pipeline is ended first."""
        self._listen()
        try:
            await self.own.sync()
            reply = (await self.own.run([(case.statement.sql, ())]))[0]
        except ServerError as error:
            return await self._failed(case, error.fields, simple=simple)
        case.outcome = "done"
        await self.voice.done(reply.tag, simple=simple)

    async def planned(self, case: Case, plan: Plan, policy: Policy, *, simple: bool) -> bool:
        """A plan in autocommit.  A pipeline that has executed nothing yet is ended first: nothing of it is lost.

        False, and no answer yet, if the statement is to be rejected as the table is now.
        """
        begun = time.monotonic()
        try:
            await self.own.sync()
            if case.verdict.action is Action.REWRITE:
                async with turn(self.own, changed_tables(case), self.cancelled, self.voice.say):
                    runner = await self._in_turn(case, policy)
            else:
                runner = self.runner(case, policy, inside=False)
                await runner.run(plan, as_written=len(plan.steps) == 1)
        except (PlanFailed, ServerError) as failed:
            fields = failed.error if isinstance(failed, PlanFailed) else failed.fields
            if isinstance(failed, PlanFailed) and failed.left:
                fields["H"] = "\n".join(
                    ["Interlock could not take everything back; run by hand:", *(f"  {sql};" for sql in failed.left)]
                )
            await self._failed(case, fields, simple=simple)
            return True
        if case.verdict.action is Action.REJECT:
            return False
        case.outcome = "done"
        if case.verdict.action is Action.REWRITE:
            self.voice.say_done(time.monotonic() - begun, max((r.blocked_ms for r in runner.results), default=0.0))
            query = isinstance(case.statement.node, Query)  # whose tag says how many rows
            await self.voice.done(runner.tag if query else case.statement.node.kind.encode(), simple=simple)
        else:
            await self.voice.done(runner.tag, simple=simple)
        return True

    async def _in_turn(self, case: Case, policy: Policy) -> Runner:
        """The plan for what the table is like now, since another session may have had its turn in between."""
        again = (await self.examiner.examine([case.statement], False, policy))[0]
        case.facts, case.verdict, case.effect = again.facts, again.verdict, again.effect
        runner = self.runner(case, policy, inside=False)
        if case.verdict.plan is not None:
            await runner.run(case.verdict.plan)
        elif case.verdict.action is not Action.REJECT:
            await runner.run(patient_plan(case) or as_it_is(case), as_written=True)
        return runner

    async def inside(self, case: Case, step: Step, policy: Policy, *, simple: bool, in_block: bool) -> None:
        """In the client's transaction, with little patience for its lock."""
        runner = self.runner(case, policy, inside=True)
        try:
            if in_block:
                await self.own.sync()  # ends nothing in a block, and an error of ours does not make the server skip
            await run_inside(runner, step, savepoint=in_block, as_written=True)
            self.noted.ran(case.statement, step.relations)
            if simple:
                await self.own.sync()  # a Query commits what was executed before it without a Sync
        except (PlanFailed, ServerError) as failed:
            fields = failed.error if isinstance(failed, PlanFailed) else failed.fields
            return await self._failed(case, fields, simple=simple)
        case.outcome = "done"
        await self.voice.done(runner.tag, simple=simple)

    async def _failed(self, case: Case, fields: dict[str, str], *, simple: bool) -> None:
        case.outcome, case.sqlstate = "failed", fields.get("C", "")
        fields = self.explain(fields) or fields
        await self.voice.fail(moved(fields, case.statement), simple=simple)
