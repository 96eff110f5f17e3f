"""Acting inside a transaction where a part waits for its COMMIT, and a whole string of statements at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

from proxy.net import Peer
from proxy.plans.plan import Step
from proxy.policy.load import Policy
from proxy.policy.verdict import Action
from proxy.run import jobs
from proxy.run.asking import Asking
from proxy.run.bounded import reason
from proxy.run.connection import SET_CONFIG, Connection, Reply, ServerError
from proxy.run.errors import PlanFailed, is_lock_timeout
from proxy.run.execute import Runner
from proxy.run.inside import run_inside
from proxy.run.jobs import Job, JobsUnusable, NewJob
from proxy.run.savepoint import TAKEN_BACK
from proxy.run.settings import as_before
from proxy.session import answers
from proxy.session.absent import explained
from proxy.session.at_end import AtEnd
from proxy.session.case import Case, moved
from proxy.session.defer import (
    BEHIND_DROP,
    BEHIND_READ_ONLY,
    BEHIND_ROLLBACK,
    BEHIND_TEMPORARY,
    BESIDE_COPY,
    BESIDE_EXECUTE,
    TAKEN_BACK_BEFORE,
    InSteps,
    as_raised,
    looks,
    new_job,
    own_ms,
    puts_off,
    rehearsed,
    waits,
    writing_ms,
)
from proxy.session.dependents import GivesUp
from proxy.session.gone import Fails
from proxy.session.late import goes_back
from proxy.session.ledger import Who
from proxy.session.noted import Noted
from proxy.session.patient_string import PatientString, locks_of
from proxy.session.pending import Pending
from proxy.session.reading import Reading
from proxy.session.voice import Voice
from proxy.sql.statements import AlterTable, Statement
from proxy.wire import messages

KEEP = "surrogateescape"  # bytes that an encoding has no letters for


log = logging.getLogger("interlock")


class Deferral:
    """What one session puts off till after COMMIT.

    ``on_deferred`` is told when something has been; ``has_deferred`` says whether it has in the open transaction,
    ``has_left`` whether jobs of earlier ones wait still, and ``left_here`` those that this session has put off, when they were last looked for.
    ``runner`` makes one for a case, with the patience that there is inside a transaction, or outside.
    ``True`` as the answer of a method: the client has been answered; ``False``: nothing was done.
    """

    left_here: Sequence[Job] = ()
    _left: Sequence[Pending] = ()  # jobs of earlier transactions, when they were last asked for

    def __init__(
        self,
        own: Connection,
        client: Peer,
        who: Who,
        voice: Voice,
        runner: Callable[[Case, Policy, bool], Runner],
        cancelled: asyncio.Event,
    ) -> None:
        self.own = own
        self.client = client
        self.who = who
        self.voice = voice
        self.runner = runner
        self.cancelled = cancelled
        self.on_deferred: Callable[[], None] = lambda: None
        self.has_deferred: Callable[[], bool] = lambda: False
        self.has_left: Callable[[], bool] = lambda: False
        self.looking: Callable[[], Asking] = lambda: own  # where nobody is waited for long
        self._earlier: set[int | None] = set()  # jobs that were there when the open transaction had put off nothing yet
        self.noted = Noted()
        self.at_end = AtEnd(own, voice, runner, self.explained)
        # The (sub)transaction that has written down each job, for ``jobs.is_committed``.
        self.written_by: dict[int, str] = {}
        self._put_off: list[
            Pending
        ] = []  # since the transaction began, for messages: also what ROLLBACK TO has taken back

    @property
    def put_off(self) -> Sequence[Pending]:
        """What the transaction that is open, or has ended last, has put off, with what it has taken back; see ``written_by``."""
        return self._put_off

    def unfilled(self) -> frozenset[bytes]:
        """In lower case, columns that this session has made and that are not filled yet; also those that a ROLLBACK TO has taken back."""
        waits = [Pending(job.statement, job.steps) for job in self.left_here] if self.has_left() else []
        waits += self._put_off if self.has_deferred() else []
        return frozenset(name.lower().encode(errors="replace") for one in waits for name in one.fills)

    @cached_property
    def token(self) -> str:
        """Of this session, in the jobs that it writes down."""
        return secrets.token_hex(16)

    async def pending(self) -> list[Pending]:
        """What waits for the COMMIT of the transaction that is open, behind what is left of those before it."""
        left = await self._of_earlier() if self.has_left() else []
        self._left = left
        if not self.has_deferred():
            self._earlier = {one.job for one in left}
            return left
        left = [one for one in left if one.job in self._earlier]
        if (known := self.noted.known) is not None:
            return [*left, *known]
        if not await jobs.exists(self.own):  # ROLLBACK TO may have taken the table, too
            self.noted.found([])
            return left
        found = await jobs.of_session(self.own, self.token)
        pending = [
            Pending(job.statement, job.steps, job.tables, job.give_up, job.id)
            for job in found
            if job.id not in self._earlier
        ]
        self.noted.found(pending)
        return [*left, *pending]

    async def _of_earlier(self) -> list[Pending]:
        """Jobs of transactions that have been committed; they may have been begun, so what takes one back comes behind it.

        A tool that holds its lock in a transaction on another connection commits one migration after the other meanwhile.
        """
        try:
            found = await jobs.of_earlier(self.looking())
        except JobsUnusable as error:
            log.warning("%s: jobs that were left cannot be read: %s", self.who.label, error)
            return []
        except ServerError as error:
            if not is_lock_timeout(error.fields):
                raise
            log.warning("%s: jobs that were left cannot be read: %s", self.who.label, reason(error))
            return list(self._left)
        known = {one.job: one for one in self._left}  # with what has been read of it
        left = [
            Pending(
                job.statement, job.steps, job.tables, job.give_up, job.id, left=True, here=job.session == self.token
            )
            for job in found
        ]
        return [earlier if (earlier := known.get(one.job)) == one else one for one in left]

    async def one(self, case: Case, policy: Policy, *, simple: bool, in_block: bool) -> bool:
        """One statement in the client's transaction: what is short now, and a note of what is to come after COMMIT."""
        assert case.verdict.plan is not None
        runner = self.runner(case, policy, True)
        *steps, last = case.verdict.plan.now or (None,)
        late = self.at_end.step(case, runner) if in_block else None
        job = new_job(case, self.who, self.token) if puts_off(case) else None
        try:
            if in_block:
                await self.own.sync()  # ends nothing in a block, and an error of ours does not make the server skip
            if job is not None and not self.noted.is_usable:
                if await jobs.prepare(self.own, self.cancelled):
                    self.noted.made()
            elif job is not None:
                job = replace(job, like=self.noted.last)
            first = looks(case, policy)
            for step in steps:
                await run_inside(runner, step, savepoint=in_block, first=first)
                first = ()
            tried = rehearsed(case)
            then = [*((sql, ()) for sql in tried), *([job.insertion] if job is not None else [])]
            if case.comes_late and late is None:
                trial = self.at_end.late.rehearsing(tried)
                replies = await run_inside(runner, trial, savepoint=True, then=then[len(tried) :], ending=TAKEN_BACK)
            elif late is not None:
                replies = await run_inside(
                    runner, self.at_end.late.trial(late), savepoint=True, first=first, then=then, ending=TAKEN_BACK
                )
                self.at_end.late.add(case, late, policy)
            elif last is not None:
                replies = await run_inside(runner, last, savepoint=in_block, first=first, then=then)
            else:
                setting = case.facts.settings.get("lock_timeout")
                restore = as_before("lock_timeout", setting, local=True, in_block=in_block)
                timeout = (SET_CONFIG, ("lock_timeout", f"{writing_ms(case, policy)}ms", "true"))
                ahead = [*((sql, ()) for sql in first), *then[:-1]]
                replies = (await self.own.run([*ahead, timeout, then[-1], restore]))[:-1]
            if job is not None:
                self._note(job, replies[len(replies) - 1], case.statement)
            if simple:
                await self.own.sync()  # a Query commits what was executed before it without a Sync
        except JobsUnusable as error:
            return await self.refuse(case, error, policy, simple=simple)
        except (PlanFailed, ServerError) as failed:
            fields = failed.error if isinstance(failed, PlanFailed) else failed.fields
            if case.comes_late or not isinstance(failed, PlanFailed):
                fields = as_raised(fields, case)
            if job is not None and is_lock_timeout(fields) and not own_ms(case):
                fields = answers.jobs_locked()
            case.outcome, case.sqlstate = "failed", fields.get("C", "")
            await self.voice.fail(moved(fields, case.statement), simple=simple)
            return True
        case.outcome = "done"
        notice = ""
        if puts_off(case):
            case.outcome = "deferred"
            self.on_deferred()
            notice = waits(case, late=late is not None)
        await self.voice.done(case.statement.node.kind.encode(), simple=simple, notice=notice)
        return True

    async def prepare(self, case: Case) -> None:
        """Before a lock is taken for which others will wait: make what is put off writable, where that takes making the table.

        Why it cannot be, the statement itself is told.  Raises ServerError, ConnectionLost.
        """
        if case.verdict.action is not Action.DEFER or not puts_off(case) or self.noted.is_usable:
            return
        with contextlib.suppress(JobsUnusable):
            await self.own.sync()
            if not await jobs.is_there(self.own) and await jobs.prepare(self.own, self.cancelled):
                self.noted.made()

    def _note(self, job: NewJob, reply: Reply, statement: Statement) -> None:
        """It has been written down."""
        number = jobs.number(reply)
        pending = Pending(job.statement, job.steps, job.tables, job.give_up, number, known=statement)
        self._remember([pending])
        self.written_by[number] = jobs.written_by(reply)
        self.noted.add(pending, first=not self.has_deferred())

    def _remember(self, pending: Sequence[Pending]) -> None:
        """To be called before ``on_deferred``: what an earlier transaction has put off is forgotten."""
        if not self.has_deferred():
            self._put_off.clear()
            self.written_by.clear()
        self._put_off += pending

    def explained(self, fields: dict[str, str]) -> dict[str, str] | None:
        """An error of the server's with the reason why something is not there; None: it is about something else."""
        left = self._left if self.has_left() else ()
        if not self.has_deferred() and not left:
            return None
        codec = Reading.of(self.own.relay.parameters).codec
        told = {code: value.encode("utf-8", KEEP).decode(codec, KEEP) for code, value in fields.items()}
        known = self.noted.known  # since the statement that the error is about, if that was one to look for it
        still = None if known is None else {one.sql for one in known}
        own = self._put_off if self.has_deferred() else []
        more = explained(told, [*left, *(one for one in own if still is None or one.sql in still)])
        return more and {code: value.encode(codec, KEEP).decode("utf-8", KEEP) for code, value in more.items()}

    async def as_foreseen(self, case: Case, *, simple: bool) -> bool:
        """The server's answer to a statement about a name that is taken or gone after COMMIT only."""
        if isinstance(case.foreseen, Fails):
            case.outcome, case.sqlstate = "failed", case.foreseen.sqlstate
            await self.voice.fail(moved(case.foreseen.fields, case.statement), simple=simple)
            return True
        if simple:
            await self.own.sync()
        case.outcome = "done"
        await self.voice.done(case.statement.node.kind.encode(), simple=simple)
        return True

    async def give_up(
        self, cases: list[Case], statements: Sequence[Statement], *, simple: bool, in_block: bool
    ) -> bool:
        """A statement that takes back what waits."""
        case = next(c for c in cases if isinstance(c.dependent, GivesUp))
        given = case.dependent
        assert isinstance(given, GivesUp)
        self.noted.forget()
        if len(statements) > 1:
            return await self.refuse_dependent(case, cases, simple=simple)
        try:
            if in_block:
                await self.own.sync()
            for job in given.jobs:
                await jobs.remove(self.own, job)
                self.written_by.pop(job, None)
            for sql in (*given.run, *((case.statement.sql,) if given.as_written else ())):
                await self.own.run([(sql, ())], notices=False)
            if simple:
                await self.own.sync()
        except ServerError as error:
            case.outcome, case.sqlstate = "failed", error.sqlstate
            await self.voice.fail(moved(error.fields, case.statement), simple=simple)
            return True
        case.outcome = "done"
        self.voice.say("taken back: what it is about had been waiting for COMMIT")
        await self.voice.done(case.statement.node.kind.encode(), simple=simple)
        return True

    async def refuse_dependent(self, case: Case, cases: list[Case], *, simple: bool) -> bool:
        fields = answers.dependent(case.statement, case.dependent)
        for other in cases:
            other.outcome = "rejected" if other is case else "not run"
        case.sqlstate = fields["C"]
        await self.voice.fail(fields, simple=simple, reason="it is about what waits for COMMIT")
        return True

    async def string(
        self,
        cases: list[Case],
        statements: Sequence[Statement],
        policy: Policy,
        text: str,
        *,
        in_block: bool,
        failed: bool,
    ) -> bool:
        """A Query of several statements, as it is but for those of which something is deferred.

        No lock in it waits in a queue for longer than the policy says, as far as that can be seen to.
        """
        deferred = [case for case in cases if case.verdict.action is Action.DEFER]
        # A COPY wants to talk to the client.
        talks = any(s.node.kind == "COPY" for s in statements)
        elsewhere = any(s.text != text for s in statements)  # what EXECUTE runs stands in another text
        foreseen = any(case.foreseen is not None for case in cases)
        if deferred and (talks or elsewhere or failed):
            why = JobsUnusable(*(BESIDE_COPY if talks else BESIDE_EXECUTE if elsewhere else BEHIND_ROLLBACK))
            return await self.refuse(deferred[0], why, policy, simple=True)
        if (hidden := next((case for case in deferred if case.hidden), None)) is not None:
            return await self.refuse(hidden, JobsUnusable(*BEHIND_TEMPORARY), policy, simple=True)
        if (lenient := next((case for case in deferred if case.made_anew and _is_lenient(case)), None)) is not None:
            return await self.refuse(lenient, JobsUnusable(*BEHIND_DROP), policy, simple=True)
        if foreseen and (talks or elsewhere):  # its answer could not be put in the place of what stands there
            return await self.refuse_dependent(next(c for c in cases if c.foreseen is not None), cases, simple=True)
        # Nor can it be looked for those in the way while the transaction has failed.
        if not (deferred or foreseen) and (talks or elsewhere or failed or not any(locks_of(case) for case in cases)):
            return False
        self.noted.forget()
        string = PatientString(
            self.own,
            cases,
            statements,
            [self.runner(case, policy, in_block) for case in cases],
            lambda timeout_ms: InSteps(cases, statements, self.who, self.token, policy, timeout_ms),
            in_block=in_block,
        )
        string.explain = self.explained
        waiting = [case for case in deferred if puts_off(case)]
        before = len(self._put_off) if self.has_deferred() else 0
        try:
            if waiting:
                if in_block and _behind_rollback(statements, waiting) and not await jobs.exists(self.own):
                    raise JobsUnusable(*TAKEN_BACK_BEFORE)
                await self._prepare_jobs(in_block=in_block)
                self._remember([Pending(case.statement.sql, _later(case)) for case in waiting])
                self.on_deferred()
        except JobsUnusable as error:
            behind = error.read_only and not deferred[0].facts.read_only
            why = JobsUnusable(*BEHIND_READ_ONLY) if behind else error
            return await self.refuse(deferred[0], why, policy, simple=True)
        except ServerError as error:
            await self.voice.fail(error.fields, simple=True)
            return True
        reading = Reading.of(self.own.relay.parameters)
        try:
            await string.send(self.client, lambda sql: messages.query(reading.encode(sql)))
            if not cases[0].sqlstate:
                await string.put_back(cases[0].facts.settings.get("lock_timeout"))
        except ServerError as error:
            for case in cases:
                case.outcome, case.sqlstate = "failed", error.sqlstate
            await self.voice.fail(error.fields, simple=True)
            return True
        finally:
            if cases[0].sqlstate:
                del self._put_off[before:]
        for case in cases:
            case.outcome = "failed" if case.sqlstate else "deferred" if case in waiting else "done"
        for case in waiting:
            if not case.sqlstate and self.own.relay.status != b"E":
                self.voice.say(waits(case))
        await self.voice.ready()
        return True

    async def _prepare_jobs(self, *, in_block: bool) -> None:
        """Before a Query of several statements: outside a transaction block in a transaction of its own."""
        if in_block or await jobs.exists(self.own):
            await jobs.prepare(self.own, self.cancelled)
            return
        await self.own.run([("BEGIN", ())])
        try:
            await jobs.prepare(self.own, self.cancelled)
        finally:
            await self.own.run([("COMMIT", ())])

    async def refuse(self, case: Case, error: JobsUnusable, policy: Policy, *, simple: bool) -> bool:
        """What must wait for COMMIT cannot be written down."""
        case.outcome, case.sqlstate = "rejected", answers.REJECTED
        if case.verdict.decided:
            fields = answers.unwritten(case.verdict, error, way_out=answers.way_out(case.verdict, case.facts, policy))
        else:
            fields = answers.unwritten_too(case.statement, error)
        await self.voice.fail(fields, simple=simple, reason=f"rejected by rule {fields['R']}")
        return True


def _later(case: Case) -> tuple[Step, ...]:
    return case.verdict.plan.later if case.verdict.plan is not None else ()


def _is_lenient(case: Case) -> bool:
    return isinstance(case.statement.node, AlterTable) and case.statement.node.if_exists


def _behind_rollback(statements: Sequence[Statement], waiting: Sequence[Case]) -> bool:
    """Whether something is to be written down behind a ROLLBACK, or ROLLBACK TO, of what was there before the string."""
    last = max(statements.index(case.statement) for case in waiting)
    return any(goes_back((statement,)) for statement in statements[:last])
