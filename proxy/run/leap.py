"""Look, then leap: getting a lock without making the application queue behind us.

``patience`` says how long and how often; here it is done.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from proxy.catalog import blockers
from proxy.catalog.answer import UnreadableAnswer
from proxy.catalog.blockers import Blocker
from proxy.catalog.effect import effect
from proxy.catalog.facts import Facts
from proxy.plans.plan import Lock, Step
from proxy.run.asking import Asking
from proxy.run.connection import SET_CONFIG, ConnectionLost, Reply, ServerError
from proxy.run.errors import CANCELLED, DEADLOCK, is_lock_timeout
from proxy.run.patience import LOCK_NOT_AVAILABLE, Patience
from proxy.run.savepoint import RELEASE, ROLLBACK, SAVEPOINT
from proxy.run.settings import milliseconds
from proxy.run.words import describe, duration, names
from proxy.sql.read import read
from proxy.sql.statements import quote_identifier

log = logging.getLogger("interlock")

SAY_EVERY_S = 5.0
READ_BYTES = 32_000  # longer texts would keep the other clients waiting while they are read
AUTOVACUUM_TIMEOUT_MS = 15_000  # well above any deadlock_timeout in use


def _deadlock(step: Step, blocker: Blocker) -> dict[str, str]:
    """As the server's deadlock detector would say it, if we queued for as long as that takes."""
    return {
        "S": "ERROR",
        "V": "ERROR",
        "C": DEADLOCK,
        "M": "deadlock detected",
        "D": f"This transaction needs the {step.lock.sql} lock on {names(step, [blocker])}, which waits for a lock that this"
        f" transaction holds: {describe([blocker])}.",
        "H": "Run the migration again; a statement that needs a stronger lock on the same table should come first in it.",
    }


@dataclass(slots=True)
class StepResult:
    """What became of one step; as in the audit record.  Times in milliseconds."""

    sql: str
    lock: str
    waited_ms: float = 0.0
    took_ms: float = 0.0
    blocked_ms: float = 0.0  # the longest single wait for, and hold of, a lock that blocks the application
    attempts: int = 0
    outcome: str = "pending"  # done, tried (and given back), already, failed, undone, cancelled
    sqlstate: str = ""
    ended: list[str] = field(default_factory=list)  # sessions that were ended for it, in words


def tag_of(replies: Sequence[Reply]) -> bytes:
    """The last command tag."""
    return next((r.tag for r in reversed(replies) if r.tag), b"")


@dataclass(slots=True)
class Waiting:
    """How long we have waited, and for whom."""

    bound_ms: int
    begun: float = field(default_factory=time.monotonic)
    blockers: Sequence[Blocker] = ()
    said: float = 0.0
    seen: dict[str, float] = field(default_factory=dict)  # transaction -> when we met it first
    ended: set[str] = field(default_factory=set)  # transactions whose sessions we have ended

    def ages_ms(self, found: Sequence[Blocker]) -> dict[str, float]:
        """How old each one's transaction is, as Postgres says or as we have seen ourselves."""
        now = time.monotonic()
        for blocker in found:
            self.seen.setdefault(blocker.transaction, now)
        return {b.transaction: max(b.transaction_age_ms, (now - self.seen[b.transaction]) * 1000) for b in found}

    def elapsed_s(self) -> float:
        return time.monotonic() - self.begun

    def left_s(self) -> float:
        return self.bound_ms / 1000 - self.elapsed_s()

    def over(self) -> bool:
        return self.left_s() <= 0

    def should_say(self) -> bool:
        now = time.monotonic()
        if now - max(self.said, self.begun + 0.5 - SAY_EVERY_S) < SAY_EVERY_S:
            return False
        self.said = now
        return True


class Locks:
    """Gets locks for one client's plans; ``locks`` is the policy's patience.

    ``say`` and ``cancelled`` as for ``execute.Runner``.
    """

    def __init__(
        self, own: Asking, locks: Patience, facts: Facts, say: Callable[[str], None], cancelled: asyncio.Event
    ) -> None:
        self.own = own
        self.locks = locks
        self.facts = facts
        self.say = say
        self.cancelled = cancelled
        self._looked_at: tuple[Step, dict[Lock, list[tuple[str, str]]]] | None = None

    async def leap(self, step: Step, result: StepResult) -> bytes:
        """Run a step's statements in one transaction, once their locks can be had; the last tag.

        Raises ServerError: the server's own, IL004 if the bound is over, 57014 if the client cancels; ConnectionLost.
        """
        patience = self.patience()
        waiting = Waiting(patience.give_up_after_ms)
        while True:
            vacuumed = await self.look(step, patience, waiting, result)
            self.check_cancelled()
            result.attempts += 1
            timeout = (SET_CONFIG, ("lock_timeout", f"{patience.timeout(result.attempts)}ms", "true"))
            leapt = 0.0
            try:
                if vacuumed:
                    await self.dislodge(vacuumed)
                leapt = time.monotonic()
                return tag_of(await self.own.run([timeout, *((sql, ()) for sql in step.statements)]))
            except ServerError as error:
                if not is_lock_timeout(error.fields):
                    raise
            finally:
                if leapt:
                    result.blocked_ms = max(result.blocked_ms, (time.monotonic() - leapt) * 1000)
            if waiting.over():
                raise ServerError(await self.not_obtained(step, waiting, result.attempts))
            await self.pause(patience.pause(result.attempts), waiting, result)

    def patience(self) -> Patience:
        """The policy's, or what the client asked for itself by SET lock_timeout."""
        own = self.facts.settings.get("lock_timeout")
        if own is not None and own.by_client and (ms := milliseconds(own.value)):
            return self.locks.bounded(ms)
        return self.locks

    def keeps_out(self, step: Step) -> bool:
        """Whether the transaction keeps others out already of all that a step locks, so that they wait for it anyway."""
        held = {one.table for one in self.facts.locked}
        wanted = {relation for relations in self.wanted(step).values() for relation in relations}
        return bool(wanted) and wanted <= held

    async def look(self, step: Step, patience: Patience, waiting: Waiting, result: StepResult) -> list[Blocker]:
        """Wait, without queueing, while an old transaction is in the way; at most until the bound.

        Returns the autovacuum workers in the way, who need not be waited for.
        """
        again = False
        if not result.attempts and not await self._is_anyone(step, patience):
            return []
        while True:
            found = await self._blockers(step)
            ages = waiting.ages_ms(found)
            workers = [b for b in found if b.makes_way]
            old = [b for b in found if not b.makes_way and ages[b.transaction] >= patience.look_ms]
            # Of other roles' sessions Postgres may hide the age: then we look once more, and know.
            hidden = not again and any(not b.state and not b.makes_way and b not in old for b in found)
            waiting.blockers = old or waiting.blockers
            if self.own.doing is not None:
                self.own.doing.waits(old)
            if stuck := next((b for b in old if b.waits_for_us), None):
                raise ServerError(_deadlock(step, stuck))
            if await self._end_idle([b for b in old if b.transaction not in waiting.ended], patience, waiting, result):
                continue
            if waiting.over() or not (old or hidden):
                return workers
            again = True
            if old and waiting.should_say():
                self.say(f"waiting, without queueing, for a lock on {names(step, old)}: held by {describe(old)}")
            pause = patience.look_ms / 1000 if not old else 0.05 if waiting.elapsed_s() < 1 else 0.25
            await self.pause(pause, waiting, result)

    async def _end_idle(
        self, found: Sequence[Blocker], patience: Patience, waiting: Waiting, result: StepResult
    ) -> bool:
        """End the sessions that have been idle in a transaction for longer than the policy allows; whether there were any."""
        ended = False
        for blocker in found if patience.terminate_idle_ms else ():
            idle = blocker.state.startswith("idle in transaction")
            if not idle or not blocker.pid or blocker.state_age_ms < patience.terminate_idle_ms:
                continue
            limit = str(patience.terminate_idle_ms)
            rows = await self.own.fetch(blockers.END_IDLE, str(blocker.pid), blocker.transaction, limit)
            if rows and rows[0][0] == b"t":
                ended = True
                waiting.ended.add(blocker.transaction)
                result.ended.append(blockers.describe(replace(blocker, query="")))  # it may hold secrets
                words = blockers.describe(blocker)
                self.say(f"ended a session that held the lock, as locks.terminate_idle_in_transaction allows: {words}")
        return ended

    async def dislodge(self, workers: Sequence[Blocker], waiting: Waiting | None = None) -> None:
        """Make autovacuum give way: Postgres cancels it once somebody has queued for ``deadlock_timeout``.

        We queue in SHARE UPDATE EXCLUSIVE mode, behind which neither readers nor writers wait.  With ``waiting`` in the
        client's transaction, whose own locks others may wait for meanwhile: then no longer than is left of that.
        """
        locked = {b.relation for b in workers if b.relation is not None}
        begin, end, undo = "BEGIN", "COMMIT", ["ROLLBACK"]
        bound_ms = AUTOVACUUM_TIMEOUT_MS
        if waiting is not None:
            begin, end, undo = SAVEPOINT, RELEASE, [ROLLBACK, RELEASE]
            bound_ms = max(1, min(bound_ms, int(waiting.left_s() * 1000)))
        try:
            for schema, name in sorted(locked):
                table = f"{quote_identifier(schema, always=True)}.{quote_identifier(name, always=True)}"
                lock = f"LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE"
                timeout = (SET_CONFIG, ("lock_timeout", f"{bound_ms}ms", "true"))
                await self.own.run([(begin, ()), timeout, (lock, ()), (end, ())])
        except ServerError as error:
            await self.own.run([(sql, ()) for sql in undo])
            if error.sqlstate != LOCK_NOT_AVAILABLE:
                log.info("autovacuum was not asked to give way: %s", error)

    async def _is_anyone(self, step: Step, patience: Patience) -> bool:
        """Whether somebody may be in the way who is to be waited for, or to give way; cheaper than to ask who."""
        for lock, relations in self.wanted(step).items():
            parameters = blockers.anyone(relations, lock, patience.look_ms)
            if parameters is None or (await self.own.fetch(blockers.ANYONE, *parameters))[0][0] != b"f":
                return True
        return False

    async def _blockers(self, step: Step) -> tuple[Blocker, ...]:
        """Who is in the way now; nobody if that cannot be told: the leap is bounded all the same."""
        found: dict[str, Blocker] = {}
        for lock, relations in self.wanted(step).items():
            rows = await self.own.fetch(blockers.SQL, blockers.parameter(relations, lock))
            try:
                for blocker in blockers.decode((rows[0][0] or b"").decode()):
                    found.setdefault(blocker.transaction, blocker)
            except UnreadableAnswer as error:
                log.warning("cannot tell who holds the lock: %s", error)
        return tuple(found.values())

    def wanted(self, step: Step) -> dict[Lock, list[tuple[str, str]]]:
        """What a step locks: its own relations, and those that it locks more weakly, such as a foreign key's other table.

        While it waits for one of those it would hold the strong locks.
        """
        if not step.relations or step.lock is Lock.NONE:
            return {}
        if self._looked_at is not None and self._looked_at[0] is step:
            return self._looked_at[1]
        wanted: dict[Lock, list[tuple[str, str]]] = {step.lock: list(step.relations)}
        for schema, name, lock in step.others:
            wanted.setdefault(lock, []).append((schema, name))
        for statement in (s for sql in step.statements if len(sql) <= READ_BYTES for s in read(sql)):
            foretold = effect(statement, self.facts)
            for other in foretold.others if foretold.known else ():
                if other.relation not in step.relations:
                    wanted.setdefault(other.lock, []).append(other.relation)
        self._looked_at = (step, wanted)
        return wanted

    async def pause(self, seconds: float, waiting: Waiting, result: StepResult) -> None:
        """Sleep, but no longer than the bound, and wake at once when the client cancels."""
        begun = time.monotonic()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.cancelled.wait(), max(0.0, min(seconds, waiting.left_s())))
        result.waited_ms += (time.monotonic() - begun) * 1000
        self.check_cancelled()

    async def not_obtained(self, step: Step, waiting: Waiting, attempts: int) -> dict[str, str]:
        """The error that says for whom it has been waited in vain."""
        found = await self._blockers(step) or waiting.blockers
        seconds = waiting.elapsed_s()
        held = f": held by {describe(found)}" if found else ""
        return {
            "S": "ERROR",
            "V": "ERROR",
            "C": "IL004",
            "M": f"could not get the {step.lock.sql} lock on {names(step, found)} within {duration(seconds)}{held}",
            "D": f"Interlock tried {attempts} {'time' if attempts == 1 else 'times'} without making the application wait;"
            " nothing was changed.",
            "H": "Run the migration again when the transactions named above have ended,"
            " or allow more time with locks.give_up_after in the policy.",
        }

    def check_cancelled(self) -> None:
        if self.own.is_lost:
            raise ConnectionLost
        if self.cancelled.is_set():
            raise ServerError(CANCELLED)
