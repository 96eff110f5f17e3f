"""Trying what is run at the end of the client's transaction, and running it there; what that is, ``late`` says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from proxy.plans.plan import Step
from proxy.policy.load import Policy
from proxy.policy.verdict import Action
from proxy.run.connection import Connection, Hears, ServerError
from proxy.run.errors import PlanFailed, surely
from proxy.run.execute import Runner
from proxy.run.inside import run_inside
from proxy.run.savepoint import KEPT, LEFT_OPEN, TAKEN_BACK
from proxy.session.apart import is_apart, is_plain
from proxy.session.case import Case, moved
from proxy.session.late import Late
from proxy.session.lateable import lateable, reshaping
from proxy.session.voice import Voice
from proxy.sql.statements import AlterTable, OtherAction, Statement
from proxy.wire import messages

Reword = Callable[[dict[str, str]], dict[str, str] | None]
ROW_DESCRIPTION = b"T"
# What may tell one making of an object from another: oid, tid, xid, cid, oidvector, xid8, and their arrays; record and json.
NUMBERS = frozenset({26, 27, 28, 29, 30, 1028, 1010, 1011, 1012, 1013, 5069, 271, 2249, 2287, 114, 199, 3802, 3807})


class AtEnd:
    """For one session.  ``runner`` makes one for a case inside a transaction; ``explain`` has more to say about an error."""

    def __init__(
        self,
        own: Connection,
        voice: Voice,
        runner: Callable[[Case, Policy, bool], Runner],
        explain: Callable[[dict[str, str]], dict[str, str] | None],
    ) -> None:
        self.own = own
        self.voice = voice
        self.runner = runner
        self.explain = explain
        self.late = Late()

    def step(self, case: Case, runner: Runner) -> Step | None:
        """What of a case is tried now and run at the end; not where its tables are kept from others already."""
        step = lateable(case)
        return None if step is None or runner.locks.keeps_out(step) else step

    async def look(self, case: Case, policy: Policy) -> None:
        """Ask of a change of columns whether anything but its table would see it.  Raises ServerError, ConnectionLost."""
        if (found := reshaping(case)) is None:
            return
        case.apart = True
        if self.step(case, self.runner(replace(case), policy, True)) is not None:  # else it is run at once anyway
            case.apart = await is_apart(self.own, *found)

    async def look_at_note(self, statements: Sequence[Statement]) -> None:
        """Ask of a tool's note, once a table, whether it does what it says and nothing else.  Raises as ``look``."""
        noted = self.late.noted(statements) if self.late and statements else None
        if noted is not None and noted.parts not in self.late.plain:
            self.late.plain[noted.parts] = await is_plain(self.own, noted)

    def goes_with(self, case: Case, policy: Policy, *, in_block: bool) -> bool:
        """Whether a statement can tell nothing of what waits for the end."""
        plan = case.verdict.plan
        if not in_block or case.dependent is not None or case.foreseen is not None:
            return False
        told = case.held is not None  # what is otherwise then, it was decided about that
        if case.keys or _renames_constraint(case) or (self.late.hides(case) and not told):  # it is asked what there is
            return False
        if told:
            case = replace(case, facts=replace(case.facts, held=case.held or ()))
        waits = case.verdict.action is Action.DEFER and plan is not None and plan.later and not plan.now
        return (waits or self.step(case, self.runner(case, policy, True)) is not None) and self.late.takes(case)

    async def as_written(self, case: Case, policy: Policy, *, simple: bool) -> bool:
        """Try a short statement of which nothing waits for COMMIT, and answer it; false, and nothing is done, if it is none."""
        runner = self.runner(case, policy, True)
        step = self.step(case, runner)
        if step is None:
            return False
        try:
            await self.own.sync()
            await run_inside(runner, self.late.trial(step), savepoint=True, ending=TAKEN_BACK, as_written=True)
            if simple:
                await self.own.sync()
        except (PlanFailed, ServerError) as failed:
            fields = failed.error if isinstance(failed, PlanFailed) else failed.fields
            case.outcome, case.sqlstate = "failed", fields.get("C", "")
            await self.voice.fail(moved(self.explain(fields) or fields, case.statement), simple=simple)
            return True
        self.late.add(case, step, policy)
        case.outcome = "done"
        await self.voice.done(case.statement.node.kind.encode(), simple=simple)
        return True

    async def run(self) -> tuple[dict[str, str], list[Case]]:
        """Run all that waits for the end: the error, and the cases that have failed with it; empty if there is none.

        The transaction is to be failed then.  Raises ConnectionLost.
        """
        _, fields, failing = await self._begin(KEPT)
        self.late.clear()
        return fields, failing

    async def show(self, query: bytes, reword: Reword) -> tuple[dict[str, str], list[Case]]:
        """Have a Query of the client's, which only reads the catalog, see all that waits, and give back its locks: as ``run``.

        The client has been given the answer then, but for its ReadyForQuery.  What waits has been run in earnest, and waits no
        longer, if a lock was not to be had at once (who had to wait for it, and lets go of it, may wait for ever), or if
        the answer told numbers of objects: what is made again has others.
        """
        attempts, fields, failing = await self._begin(LEFT_OPEN)
        if fields:
            self.late.clear()
            return fields, failing
        answer = _Answer(self.voice.client)
        await self.own.forward(query, answer, reword, lambda tag: tag)
        if self.own.relay.status == b"T":
            keeps = attempts > 1 or answer.numbers
            if keeps:
                self.late.clear()
            await surely(lambda: self.own.run([(sql, ()) for sql in (KEPT if keeps else TAKEN_BACK)]))
        return {}, []

    async def _begin(self, ending: Sequence[str]) -> tuple[int, dict[str, str], list[Case]]:
        """How often it was tried; and as ``run``."""
        entries, step = list(self.late.entries), self.late.step
        last = entries[-1]
        runner = self.runner(replace(last.case), last.policy, True)
        self.own.on_notice = lambda body: None  # they were told when it was tried
        try:
            await self.own.sync()
            await run_inside(runner, step, savepoint=True, ending=ending)
            await self.own.sync()
        except (PlanFailed, ServerError) as failed:
            fields = failed.error if isinstance(failed, PlanFailed) else failed.fields
            failing = [replace(one.case, steps=runner.results, outcome="failed") for one in entries]
            for case in failing:
                case.sqlstate = fields.get("C", "")
            return 0, {key: value for key, value in fields.items() if key not in "Ppq"}, failing
        return runner.results[-1].attempts, {}, []


class _Answer:
    """The answer on its way to the client; ``numbers``: a column of it holds numbers of objects, or of their versions."""

    def __init__(self, client: Hears) -> None:
        self._client = client
        self.numbers = False

    def write(self, data: bytes) -> None:
        if data[:1] == ROW_DESCRIPTION:
            self.numbers = self.numbers or not NUMBERS.isdisjoint(messages.read_column_types(data[5:]))
        self._client.write(data)

    async def drain(self) -> None:
        await self._client.drain()


def _renames_constraint(case: Case) -> bool:
    actions = case.statement.node.actions if isinstance(case.statement.node, AlterTable) else ()
    return any(isinstance(action, OtherAction) and action.what == "RENAME CONSTRAINT" for action in actions)
