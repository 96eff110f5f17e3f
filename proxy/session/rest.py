"""When a client's transaction is over: the jobs that its COMMIT has set free, before it hears of the COMMIT.

A job waits until no session of the client's group is in a transaction (``group``); so it is done either here,
by the session whose transaction was the last to end, or, where such a moment does not come soon, later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from proxy.catalog.blockers import Blocker, describe
from proxy.run import jobs
from proxy.run.asking import Asking
from proxy.run.bounded import Bounded, reason
from proxy.run.connection import ConnectionLost, ServerError
from proxy.run.errors import DEADLOCK, QUERY_CANCELED, PlanFailed, surely
from proxy.run.job import NotNoted, run_job
from proxy.run.jobs import Job, JobsUnusable
from proxy.run.patience import LOCK_NOT_AVAILABLE
from proxy.run.unbound import unbound
from proxy.session import answers
from proxy.session.case import budget, of_job
from proxy.session.group import Group, Groups, Member
from proxy.session.moment import PAUSE_S, Moment
from proxy.session.owed import Owed
from proxy.wire import messages

if TYPE_CHECKING:
    from proxy.session.guard import Guard

log = logging.getLogger("interlock")

UNTIL_REST = ("no session of this client is in a transaction", "at the first such moment")
SAY_AFTER_S = 1.0
LOOK_AGAIN_S = 1.0  # somebody has waited for a look that came to nothing; not each transaction is to
PASSING = (LOCK_NOT_AVAILABLE, QUERY_CANCELED, DEADLOCK)  # with these the next look may find what this one has not
PAUSED = ("somebody says RESUME, since jobs are paused", "at the next COMMIT after that")
ENDS_PREPARED = (b"COMMIT PREPARED", b"ROLLBACK PREPARED")


class _Taken(Exception):
    """Who has taken the lock that claims a job, and does not do it: that may last for ever."""


class Rest:
    """One session's part in the jobs of its group.

    ``resting``  jobs are being done, on this session's connection; its client waits
    """

    resting = False
    left: list[Job] | None = None  # of its own those that are not done; None: not looked for since it ``began``
    _pending = False
    _began = False  # there may be jobs, and whether they are done is not known
    _failures = b""

    def __init__(self, guard: Guard, member: Member, groups: Groups) -> None:
        self.groups = groups
        self.guard = guard
        self.member = member
        self.group: Group | None = None
        self._told: set[tuple[int, object]] = set()  # jobs whose failure the client has heard of: ``_known_as``
        self._said: set[tuple[int, object]] = set()  # jobs of which the client has heard that they are left
        self._owed = Owed(guard)

    @property
    def pending(self) -> bool:
        """Whether jobs were written down in the transaction that is open, or one before it of which nothing is known."""
        return self._pending

    @property
    def began(self) -> bool:
        """Whether the transaction that wrote jobs down is over, and what has become of them is not known."""
        return self._began

    @property
    def has_left(self) -> bool:
        """Whether jobs of the group are known to wait, of transactions that have been committed."""
        return self.group is not None and self.group.has_jobs

    def begin(self) -> None:
        """A job has been written down in the transaction that is open."""
        self._pending = True
        self.member.attend()

    @property
    def wanted(self) -> bool:
        """Whether the end of the client's transaction is to be told here before the client hears of it."""
        group = self.group
        return group is not None and (self._pending or group.waits_for(self.member) or group.prepared > 0)

    @property
    def due(self) -> bool:
        """Whether there are jobs, or may be when the transaction is over: reason enough to stay without the client."""
        return self.group is not None and (self._pending or self.group.has_jobs)

    def ended(self) -> None:
        """The session is over.  What it may have committed, and has not done, is for the next of the group to look for."""
        if self.group is not None and (self._pending or self._began):
            self.group.waiting = True

    async def let_go(self) -> None:
        """Have the other sessions of this client give up the snapshots that they do not need."""
        if self.group is not None:
            await self.groups.let_go(self.group, self.member)

    async def moment(self) -> bytes:
        """Do what may be done now that the client is in no transaction.

        Returns what the client is to hear before ReadyForQuery: an error, if what it has just committed was not
        finished.  Notices are sent as they come.  Raises ConnectionLost.
        """
        group = self.group
        if group is None or not self.wanted or self.guard.policy().mode != "enforce":
            return b""
        self.resting = True
        self._owed.nothing()
        self._failures = b""
        relay = self.guard.own.relay
        parameters = dict(relay.parameters)
        relay.muted = True  # a job's settings are none of the client's, and are given back
        try:
            if self._may_come(group):
                async with unbound(self.guard.own):
                    await self._moment(group)
            self._began = False
        except (JobsUnusable, ServerError) as error:
            await self._broke_off(group, error)
        finally:
            self.resting = relay.muted = False
            for name, value in relay.parameters.items():
                if parameters.get(name) != value:
                    self.guard.client.write(messages.parameter_status(name, value))
        return self._failures

    @property
    def _own(self) -> Asking:
        """For what stands in the table of jobs."""
        return Bounded(self.guard.own, self.guard.policy().locks.timeout.ms)

    async def _broke_off(self, group: Group, error: JobsUnusable | ServerError) -> None:
        """The jobs could not be looked for, begun or noted.  Raises ConnectionLost."""
        log.error("%s: looking after interlock.jobs was broken off: %s", self.guard.who.label, reason(error))
        passes = isinstance(error, ServerError) and error.sqlstate in PASSING
        if passes:
            group.look_again = time.monotonic() + LOOK_AGAIN_S
        group.waiting = passes
        self._failures += await self._owed.broke_off(error)

    def _may_come(self, group: Group) -> bool:
        """Whether the end of this transaction may be the moment of something."""
        if self._pending or (group.prepared and self.guard.own.relay.last_tag in ENDS_PREPARED):
            return True
        return group.waits_for(self.member) and time.monotonic() >= group.look_again

    async def _moment(self, group: Group) -> None:
        own = self._own
        tag = self.guard.own.relay.last_tag
        mine: list[Job] = []
        has_committed = self._pending
        if self._pending:
            if tag == b"PREPARE TRANSACTION":
                group.prepared += 1
                group.tell(group)
            self._pending, self._began, self.left = False, True, None
            self.member.attend()
            self._owed.put_off(tag)
            # A cancel request that was meant for what ran before, and comes late, ends no look.
            found = await surely(lambda: jobs.unfinished(own))
            written = [job for job in found if job.session == self.guard.deferral.token]
            mine = [
                job for job in written if _known_as(job) not in self._told
            ]  # another session may have begun them already
            await self._owed.tell_of_gone(own, {job.id for job in written})
            self._owed.found(mine)
            self.left = self.guard.deferral.left_here = mine
            if mine:
                group.begin()
        if group.prepared and tag in ENDS_PREPARED:
            group.prepared -= 1
            group.waiting = True
        if not group.waits_for(self.member) or (not has_committed and time.monotonic() < group.look_again):
            return
        waiting = await surely(lambda: jobs.waiting(own))
        ended = [job for job in mine if job.id not in {one.id for one in waiting}]
        self._failures += await self._failed_elsewhere(ended)
        self._owed.heard(*ended)
        if not waiting:
            group.waiting = False
            self._said.clear()
            return
        if not group.waiting:  # another proxy has left them
            group.waiting = True
        if self.groups.paused:
            self._say_left([job for job in waiting if any(job.id == one.id for one in mine)], PAUSED)
            return
        moment = Moment(self.guard, self.member, self.groups, group, own=has_committed)
        left = await moment.kept(waiting)
        if left and moment.paused and not has_committed:
            group.look_again = time.monotonic() + LOOK_AGAIN_S
        free = [job for job in waiting if job not in left]
        busy: list[Job] = []  # other sessions have them, or they come behind such
        for job in free:
            is_mine = any(job.id == one.id for one in mine)
            before = [one for one in busy if jobs.follows(job, one)]
            if before and not is_mine:
                busy.append(job)
                continue
            try:
                for one in before:
                    await self._end_of(one)
                if await surely(partial(jobs.claim, own, job.id)):
                    self._failures += await self._do(group, job, mine=is_mine)
                    self._owed.heard(job)
                elif is_mine or await self.groups.leaves(group):  # then perhaps nobody else waits for its end
                    self._failures += await self._done_by_another(group, job)
                    self._owed.heard(job)
                else:
                    busy.append(job)
            except _Taken as taken:
                busy.append(job)
                self._say_left(
                    [job], (f"{taken} gives back the advisory lock of a job", "by a later session of this login")
                )
        if left:
            for job in left:
                self._say_left([job], _until_gone(moment.holders.get(job.id)))
        else:
            group.waiting = bool(await surely(lambda: jobs.waiting(own)))

    async def _watch(self, group: Group) -> None:
        """While a job is done: stop it when another session of the client's stays idle in a transaction begun since.

        It may be waiting for the answer that we hold back, and the build for its snapshot.
        """
        begun = time.monotonic()
        patience = self.guard.policy().jobs.wait_for_group.ms / 1000
        while True:
            await asyncio.sleep(min(1.0, patience))
            now = time.monotonic()
            here = [
                (False, member.idle_in_transaction, member.since)
                for member in group.members
                if member is not self.member
            ]
            for _, idle, since in (*here, *await self.groups.elsewhere(group)):
                if idle and since > begun and now - since > patience:
                    self.member.stop_build()
                    return

    def _say_left(self, left: list[Job], until: tuple[str, str] = UNTIL_REST) -> None:
        self._owed.heard(*left)
        for job in left:
            if _known_as(job) in self._said:
                continue
            self._said.add(_known_as(job))
            log.warning("%s: job %d is left for later: %s", self.guard.who.label, job.id, job.title)
            said = answers.notice(
                f"committed, but not finished yet: job {job.id} waits until {until[0]}: {job.title}",
                severity="WARNING",
                hint=f"It is done {until[1]}, or by: interlock jobs run",
            )
            self.guard.voice.tell(said)

    # ------------------------------------------------ doing

    async def _end_of(self, job: Job) -> Job | None:
        """A job once no other session has it any more, or as it is when the client cancels; None if it is gone.

        Raises _Taken.
        """
        begun, said = time.monotonic(), False
        while True:
            found = await jobs.find(self._own, job.id)
            if found is None or found.state not in ("waiting", "running") or self.guard.cancelled.is_set():
                return found
            if await jobs.claim(self._own, job.id):  # who had it is gone, or has put it back
                await jobs.end(self._own, job.id, "waiting")
                return found
            who, may = await jobs.claimant(self.guard.own, job.id) or ("", True)
            if not may:
                raise _Taken(who)
            if who and not said and time.monotonic() - begun > SAY_AFTER_S:
                said = True
                self.guard.voice.say(f"waiting for another session that does job {job.id}: {who}")
            await asyncio.sleep(PAUSE_S)

    async def _failed_elsewhere(self, ended: list[Job]) -> bytes:
        """What became of jobs of this client's that another session has ended before they were looked for here."""
        found = [await surely(partial(jobs.find, self._own, job.id)) for job in ended]
        failed = [job for job in found if job is not None and job.state == "failed"]
        return b"".join(self._failed(job, PlanFailed(job.error), mine=True) for job in failed)

    async def _done_by_another(self, group: Group, job: Job) -> bytes:
        """A job of this client's that another session has begun: the client hears of its end, as if it were done here."""
        found = await self._end_of(job)
        if found is None or found.state not in ("waiting", "running", "failed"):
            return b""
        if found.state == "failed":
            return self._failed(found, PlanFailed(found.error), mine=True)
        if self.guard.cancelled.is_set():
            said = {"S": "ERROR", "C": QUERY_CANCELED, "M": "canceling statement due to user request"}
            return self._failed(job, PlanFailed(said, again=True), mine=True)
        return await self._do(group, job, mine=True) if await jobs.claim(self._own, job.id) else b""

    async def _do(self, group: Group, job: Job, *, mine: bool) -> bytes:
        """One claimed job; what went wrong as an error for the client, or, where it is none of its own, as a warning."""
        guard = self.guard
        begun = time.monotonic()
        policy = guard.policy()
        self._said.discard(_known_as(job))
        await self.let_go()
        guard.voice.say(f"committed; now job {job.id}: {job.title}")
        case = of_job(job)
        try:
            patience = budget(policy, inside=False)
            watch = asyncio.create_task(self._watch(group))
            try:
                async with self.groups.building(guard.who.database):
                    await run_job(guard.own, job, patience, guard.voice.say, guard.cancelled, case.steps)
            finally:
                watch.cancel()
            case.outcome = "done"
            self.left = [one for one in self.left or () if one.id != job.id]
        except ConnectionLost:
            case.outcome, case.sqlstate = "failed", guard.own.last_words.get("C", "08006")
            raise
        except NotNoted as error:
            case.outcome = "done"
            self.left = [one for one in self.left or () if one.id != job.id]
            log.error(
                "%s: job %d is done, but that could not be written down: %s", guard.who.label, job.id, reason(error)
            )
            guard.voice.tell(answers.not_noted(job, reason(error)))
            return b""
        except PlanFailed as failed:
            case.outcome, case.sqlstate = "failed", failed.error.get("C", "")
            if watch.done() and not watch.cancelled():
                guard.cancelled.clear()
                self._say_left([job])
                return b""
            return self._failed(job, failed, mine=mine or await self._is_ours(job))
        finally:
            case.took_ms = (time.monotonic() - begun) * 1000
            guard.ledger.record(guard.who, case, policy)
        guard.voice.say_done(time.monotonic() - begun, max((r.blocked_ms for r in case.steps), default=0.0))
        return b""

    def _failed(self, job: Job, failed: PlanFailed, *, mine: bool) -> bytes:
        fields = answers.job_failed(job, failed)
        log.error("%s: job %d: %s", self.guard.who.label, job.id, fields["M"])
        if failed.error.get("C") == DEADLOCK:
            self.guard.voice.say(
                f"job {job.id} was in the way of another session, and waits for a better moment: {job.title}"
            )
            return b""
        self._told.add(_known_as(job))
        if mine:
            return self.guard.voice.error(fields)
        said = answers.notice(fields["M"], severity="WARNING", detail=fields.get("D", ""), hint=fields.get("H", ""))
        return self.guard.voice.notice(said)

    async def _is_ours(self, job: Job) -> bool:
        """Whether it was written down by a session of this client's that is still there."""
        return self.group is not None and await self.groups.has_member(self.group, job.session)


def _until_gone(holder: Blocker | None) -> tuple[str, str]:
    """Until when a job is left that one transaction keeps from its table."""
    if holder is None:
        return UNTIL_REST
    return f"who keeps it from its table has ended ({describe(holder)})", "at the first moment after that"


def _known_as(job: Job) -> tuple[int, object]:
    """What tells a job from one of the same number, in a table that has been made anew since."""
    try:
        return job.id, datetime.fromisoformat(job.created_at)  # its text depends on the session's time zone
    except ValueError:
        return job.id, job.created_at


__all__ = ["ConnectionLost", "Rest"]
