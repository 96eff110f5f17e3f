"""Which of the jobs that wait may be begun now: whoever would be waited for may be waiting for our answer.

A concurrent build waits for the snapshots of all others, so no session of the client may be in a transaction.  Every
job waits for those that have its tables locked against it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from proxy.catalog import blockers
from proxy.catalog.answer import UnreadableAnswer
from proxy.catalog.blockers import Blocker
from proxy.plans.plan import Lock
from proxy.run import jobs
from proxy.run.errors import surely
from proxy.run.jobs import Job
from proxy.session.group import Group, Groups, Member
from proxy.session.pending import Pending

if TYPE_CHECKING:
    from proxy.session.guard import Guard

log = logging.getLogger("interlock")

PAUSE_S = 0.1


class Moment:
    """The end of one transaction of one session's client, as a moment to begin jobs.

    ``own``: some of them are that transaction's own; its answer may wait for them longer than those that come later.
    ``paused``: a session that is none of the group's was in the way, and it was waited for.
    ``holders``: who keeps a job from its tables, by the job's number.
    """

    paused = False

    def __init__(self, guard: Guard, member: Member, groups: Groups, group: Group, *, own: bool) -> None:
        self.guard = guard
        self.member = member
        self.groups = groups
        self.group = group
        self.own = own
        self.holders: dict[int, Blocker] = {}
        self._bound = (time.monotonic() if own else group.since) + self._patience

    @property
    def _patience(self) -> float:
        return self.guard.policy().jobs.wait_for_group.ms / 1000

    async def kept(self, waiting: list[Job]) -> list[Job]:
        """Those that are not to be begun now, in order.  Who is in the way of them has been waited for a little.

        Raises ServerError, ConnectionLost.
        """
        # Steady traffic has no moment without a transaction; but who waits for us began before us.
        since = self.group.since if self.group.waited_s() > self._patience else None
        builds = [job for job in waiting if job.waits_for_others]
        kept = [] if not builds or await self._is_free(since) else builds
        kept += await self._kept_out([job for job in waiting if job not in kept], since)
        return _with_dependents(kept, waiting) if kept else []

    async def _is_free(self, since: float | None) -> bool:
        """Whether no session of the client is in a transaction, here or through another proxy."""
        if not await self._at_rest(since):
            return False  # theirs is the moment: when the last of them ends, it is the one to wait
        while holders := await self._idle(blockers.SNAPSHOTS, blockers.builder()):
            if not await self._may_go(holders, since):
                return False
        return True

    async def _kept_out(self, of: list[Job], since: float | None) -> list[Job]:
        """Those that one transaction of the client's that is idle, or prepared, has kept from their tables all the while."""
        if not await self._in_the_way(of, Lock.ACCESS_EXCLUSIVE):
            return []
        found = [(job, await self._in_the_way([job], job.lock)) for job in of]
        while True:
            kept = [(job, holders) for job, holders in found if holders]
            holders = [holder for _, some in kept for holder in some]
            if not holders or self._prepared(holders) or not await self._may_go(holders, since):
                self.holders = {job.id: some[0] for job, some in kept}
                return [job for job, _ in kept]
            found = [(job, _still(some, await self._in_the_way([job], job.lock))) for job, some in kept]

    async def _at_rest(self, since: float | None) -> bool:
        return self.group.at_rest(self.member, since=since) and await self.groups.at_rest_elsewhere(
            self.group, since=since
        )

    async def _may_go(self, holders: list[Blocker], since: float | None) -> bool:
        """Whether to look again, after a pause: they may go without an answer of ours."""
        if any(holder.wait_event == "advisory" for holder in holders):
            return False  # another node, which waits for the migration lock of this very session
        late = time.monotonic() > self._bound and self.paused  # a second look tells who passes from who stays
        if late or self.guard.cancelled.is_set() or not await self._at_rest(since):
            return False
        if not self.paused:
            self.paused = True
            self.guard.voice.say(f"waiting for another session of this client's: {blockers.describe(holders[0])}")
        await asyncio.sleep(PAUSE_S)
        return True

    async def _in_the_way(self, of: Iterable[Job], lock: Lock) -> list[Blocker]:
        """Who keeps others from such a lock on tables of jobs', or on partitions of them."""
        relations = sorted({relation for job in of for relation in job.relations})
        return await self._idle(blockers.SQL, blockers.parameter(relations, lock)) if relations else []

    async def _idle(self, sql: str, parameter: str) -> list[Blocker]:
        """Of who is in the way, transactions of the same user's that are idle, and prepared ones.

        One that is not ours to see has hidden its state.
        """
        row = await surely(lambda: self.guard.own.fetch_row(sql, parameter))
        try:
            found = blockers.decode((row[0] or b"").decode())
        except UnreadableAnswer as error:
            log.warning("cannot tell who is in the way: %s", error)
            return []
        mine = [b for b in found if b.user == self.guard.who.user]
        return [b for b in mine if b.gid or b.state.startswith("idle in") or b.wait_event == "advisory"]

    def _prepared(self, holders: list[Blocker]) -> bool:
        """Whether one is prepared: who is to end it may be waiting for our answer."""
        gid = next((holder.gid for holder in holders if holder.gid), None)
        if gid is not None and self.own:
            self.guard.voice.say(f"the prepared transaction {gid} is in the way; not waiting for it")
        return gid is not None


def _still(before: list[Blocker], now: list[Blocker]) -> list[Blocker]:
    transactions = {holder.transaction for holder in before}
    return [holder for holder in now if holder.transaction in transactions]


def _with_dependents(kept: list[Job], waiting: list[Job]) -> list[Job]:
    """Those that are kept waiting, those about what such are to make, and what fills behind what fills."""
    found: list[Job] = []
    made: set[str] = set()
    for job in waiting:
        as_pending = Pending(job.statement, job.steps)
        fills_behind = job.fills and any(one.fills and jobs.follows(job, one) for one in found)
        if job in kept or fills_behind or not made.isdisjoint(as_pending.later_words):
            found.append(job)
            made |= as_pending.made
    return found


__all__ = ["Moment"]
