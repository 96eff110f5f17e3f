"""Runs a plan on the client's connection: each step in order, and back if one fails.

Steps whose budget is ``locks`` look and leap (``patience``); steps whose budget is ``builds`` run without
lock_timeout, since their waiting blocks nobody.  After a failure the step and those before it are undone,
last first, also when the client cancelled or is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from proxy.catalog import blockers, leftover
from proxy.catalog.answer import UnreadableAnswer
from proxy.catalog.blockers import Blocker
from proxy.catalog.facts import Facts, Setting
from proxy.plans.plan import Lock, Plan, Step
from proxy.run.connection import SET_CONFIG, Connection, ConnectionLost, ServerError
from proxy.run.patience import LOCK_NOT_AVAILABLE, Patience
from proxy.sql import edit, read
from proxy.sql.statements import CreateIndex, DropIndex, quote_identifier

log = logging.getLogger("interlock")

QUERY_CANCELED = "57014"
DUPLICATE = ("42P07", "42710")  # duplicate_table (indexes too), duplicate_object: what is there was there before
SAY_EVERY_S = 5.0
LATE_CANCELS = 5  # how many cancel requests cannot stop the way back
T = TypeVar("T")
AUTOVACUUM_TIMEOUT = "15s"  # well above any deadlock_timeout in use
CANCELLED = {
    "S": "ERROR",
    "V": "ERROR",
    "C": QUERY_CANCELED,
    "M": "canceling statement due to user request",
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
    outcome: str = "pending"  # done, already, failed, undone, cancelled
    sqlstate: str = ""


@dataclass(slots=True)
class PlanFailed(Exception):
    """A plan stopped.  ``error`` is for the client; ``left`` says what could not be undone."""

    error: dict[str, str]
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Budget:
    locks: Patience
    builds_timeout_ms: int


class Runner:
    """Runs plans for one client.

    ``say`` is told, in one line, what the client and the log should hear.  ``cancelled`` is set when the
    client asked to cancel, or is gone.
    """

    def __init__(
        self,
        own: Connection,
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
        self.results: list[StepResult] = []
        self.tag = b""

    # ------------------------------------------------ a plan in autocommit

    async def run(self, plan: Plan, *, as_written: bool = False) -> None:
        """Every step, each committed by itself.  Raises PlanFailed, ConnectionLost.

        ``as_written``: the plan is the client's own statement, so positions in errors are the client's.
        """
        ours: list[Step] = []  # what is to be taken back: steps that were there already are not ours
        for number, step in enumerate(plan.steps, 1):
            result = StepResult(step.sql, step.lock.value)
            self.results.append(result)
            if not as_written:
                self.say(f"{number}/{len(plan.steps)} {one_line(step.sql)}")
            try:
                await self._step(step, result)
            except ServerError as error:
                result.outcome, result.sqlstate = "failed", error.sqlstate
                placed = as_written or step.edits
                fields = place(error.fields, step) if placed else unplaced(error.fields)
                fields = as_the_authors(fields, step)
                if await self._left_something(step, error):
                    ours.append(step)
                left = await self._undo(ours)
                if plan.title == DropIndex.kind and ours:  # nothing brings a dropped index back; finishing does no harm
                    left += [sql for later in plan.steps[number - 1 :] for sql in later.statements]
                raise PlanFailed(fields, left) from None
            if result.outcome == "done":
                ours.append(step)

    async def _step(self, step: Step, result: StepResult) -> None:
        if step.done is not None and (await self.own.fetch(step.done))[0][0] == b"t":
            result.outcome = "already"
            return
        self._check_cancelled()
        begun = time.monotonic()
        if step.budget == "builds":
            result.attempts = 1
            await self._build(step)
        else:
            await self._leap(step, result)
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
        """What would end a build early, and its value meanwhile; what the client itself has set stays, but for lock_timeout."""
        bound = str(self.budget.builds_timeout_ms)
        settings = self.facts.settings
        return {
            name: value
            for name, value in (("lock_timeout", "0"), ("statement_timeout", bound), ("transaction_timeout", "0"))
            if name in settings and (name == "lock_timeout" or not settings[name].by_client)
        }

    async def _run(self, statements: Sequence[tuple[str, Sequence[str | None]]]) -> None:
        replies = await self.own.run(statements)
        tags = [r.tag for r in replies if r.tag]
        self.tag = tags[-1] if tags else b""

    # ------------------------------------------------ locks: look, then leap

    async def _leap(self, step: Step, result: StepResult) -> None:
        patience = self._patience()
        waiting = Waiting(patience.give_up_after_ms)
        while True:
            vacuumed = await self._look(step, patience, waiting, result)
            self._check_cancelled()
            result.attempts += 1
            timeout = (SET_CONFIG, ("lock_timeout", f"{patience.timeout(result.attempts)}ms", "true"))
            leapt = 0.0
            try:
                if vacuumed:
                    await self._dislodge(vacuumed)
                leapt = time.monotonic()
                await self._run([timeout, *((sql, ()) for sql in step.statements)])
                return
            except ServerError as error:
                if not is_lock_timeout(error.fields):
                    raise
            finally:
                if leapt:
                    result.blocked_ms = max(result.blocked_ms, (time.monotonic() - leapt) * 1000)
            if waiting.over():
                raise ServerError(await self._not_obtained(step, waiting, result.attempts))
            await self._pause(patience.pause(result.attempts), waiting, result)

    def _patience(self) -> Patience:
        """The policy's, or what the client asked for itself by SET lock_timeout."""
        own = self.facts.settings.get("lock_timeout")
        if own is not None and own.by_client and (ms := milliseconds(own.value)):
            return self.budget.locks.bounded(ms)
        return self.budget.locks

    async def _look(self, step: Step, patience: Patience, waiting: Waiting, result: StepResult) -> list[Blocker]:
        """Wait, without queueing, while an old transaction is in the way; at most until the bound.

        Returns the autovacuum workers in the way, who need not be waited for.
        """
        again = False
        while True:
            found = await self._blockers(step)
            ages = waiting.ages_ms(found)
            workers = [b for b in found if b.makes_way]
            old = [b for b in found if not b.makes_way and ages[b.transaction] >= patience.look_ms]
            # Of other roles' sessions Postgres may hide the age: then we look once more, and know.
            hidden = not again and any(not b.state and not b.makes_way and b not in old for b in found)
            waiting.blockers = old or waiting.blockers
            if waiting.over() or not (old or hidden):
                return workers
            again = True
            if old and waiting.should_say():
                self.say(f"waiting, without queueing, for a lock on {names(step)}: held by {describe(old)}")
            pause = patience.look_ms / 1000 if not old else 0.05 if waiting.elapsed_s() < 1 else 0.25
            await self._pause(pause, waiting, result)

    async def _dislodge(self, workers: Sequence[Blocker]) -> None:
        """Make autovacuum give way: Postgres cancels it once somebody has queued for ``deadlock_timeout``.

        We queue in SHARE UPDATE EXCLUSIVE mode, behind which neither readers nor writers wait.
        """
        locked = {b.relation for b in workers if b.relation is not None}
        try:
            for schema, name in sorted(locked):
                table = f"{quote_identifier(schema, always=True)}.{quote_identifier(name, always=True)}"
                lock = f"LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE"
                timeout = (SET_CONFIG, ("lock_timeout", AUTOVACUUM_TIMEOUT, "true"))
                await self.own.run([("BEGIN", ()), timeout, (lock, ()), ("COMMIT", ())])
        except ServerError as error:
            await self.own.run([("ROLLBACK", ())])
            if error.sqlstate != LOCK_NOT_AVAILABLE:
                log.info("autovacuum was not asked to give way: %s", error)

    async def _blockers(self, step: Step) -> tuple[Blocker, ...]:
        """Who is in the way now; nobody if that cannot be told: the leap is bounded all the same."""
        if not step.relations or step.lock is Lock.NONE:
            return ()
        rows = await self.own.fetch(blockers.SQL, blockers.parameter(step.relations, step.lock))
        try:
            return blockers.decode((rows[0][0] or b"").decode())
        except UnreadableAnswer as error:
            log.warning("cannot tell who holds the lock: %s", error)
            return ()

    async def _pause(self, seconds: float, waiting: Waiting, result: StepResult) -> None:
        """Sleep, but no longer than the bound, and wake at once when the client cancels."""
        begun = time.monotonic()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.cancelled.wait(), max(0.0, min(seconds, waiting.left_s())))
        result.waited_ms += (time.monotonic() - begun) * 1000
        self._check_cancelled()

    async def _not_obtained(self, step: Step, waiting: Waiting, attempts: int) -> dict[str, str]:
        found = await self._blockers(step) or waiting.blockers
        seconds = waiting.elapsed_s()
        held = f": held by {describe(found)}" if found else ""
        return {
            "S": "ERROR",
            "V": "ERROR",
            "C": "IL004",
            "M": f"could not get the {step.lock.sql} lock on {names(step)} within {duration(seconds)}{held}",
            "D": f"Interlock tried {attempts} {'time' if attempts == 1 else 'times'} without making the application wait;"
            " nothing was changed.",
            "H": "Run the migration again when the transactions named above have ended,"
            " or allow more time with locks.give_up_after in the policy.",
        }

    def _check_cancelled(self) -> None:
        if self.own.is_lost:
            raise ConnectionLost
        if self.cancelled.is_set():
            raise ServerError(CANCELLED)

    # ------------------------------------------------ inside the client's transaction

    async def run_in_transaction(self, step: Step, *, savepoint: bool) -> None:
        """One short statement with little patience, in the transaction that the client has open.

        With ``savepoint`` a lock that is not free is tried for again; without (a pipeline outside a
        transaction block has none) once.  Raises PlanFailed: the transaction is then in the failed state.
        """
        result = StepResult(step.sql, step.lock.value)
        self.results.append(result)
        patience = self._patience()
        waiting = Waiting(patience.give_up_after_ms)
        restore = as_before("lock_timeout", self.facts.settings.get("lock_timeout"), local=True)
        begun = time.monotonic()
        try:
            while True:
                await self._look(step, patience, waiting, result)
                result.attempts += 1
                ms = patience.timeout(result.attempts) if savepoint else patience.timeout_ms
                timeout = (SET_CONFIG, ("lock_timeout", f"{ms}ms", "true"))
                if savepoint:
                    await self.own.run([("SAVEPOINT _interlock", ()), timeout])
                else:
                    await self.own.run([timeout])
                try:
                    await self._run([(sql, ()) for sql in step.statements])
                    break
                except ServerError as error:
                    if not is_lock_timeout(error.fields):
                        raise
                if waiting.over() or not savepoint or self.relay_skips():
                    raise ServerError(await self._gave_up_inside(step, waiting, result.attempts))
                await self.own.run([("ROLLBACK TO SAVEPOINT _interlock", ()), ("RELEASE SAVEPOINT _interlock", ())])
                await self._pause(patience.pause(result.attempts), waiting, result)
            tag = self.tag
            await self.own.run([restore, *([("RELEASE SAVEPOINT _interlock", ())] if savepoint else [])])
            self.tag = tag
        except ServerError as error:
            result.outcome, result.sqlstate = "failed", error.sqlstate
            raise PlanFailed(error.fields) from None
        result.took_ms = (time.monotonic() - begun) * 1000 - result.waited_ms
        result.outcome = "done"

    def relay_skips(self) -> bool:
        return self.own.relay.skipping

    async def _gave_up_inside(self, step: Step, waiting: Waiting, attempts: int) -> dict[str, str]:
        """As ``_not_obtained``, but the transaction has failed and nothing can be asked any more."""
        held = f": held by {describe(waiting.blockers)}" if waiting.blockers else ""
        return {
            "S": "ERROR",
            "V": "ERROR",
            "C": "IL004",
            "M": f"could not get the {step.lock.sql} lock on {names(step)} within {duration(waiting.elapsed_s())}{held}",
            "D": f"Interlock tried {attempts} {'time' if attempts == 1 else 'times'}; inside a transaction it waits little,"
            " since the locks that the transaction holds already keep the application waiting.",
            "H": "Run the migration again, or allow more time with locks.in_transaction.give_up_after in the policy.",
        }

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

    async def _undo(self, ours: list[Step]) -> list[str]:
        """Take back what was done, last first; what could not be is returned, as SQL to run by hand."""
        left: list[str] = []
        for step in reversed(ours):
            for sql in step.undo:
                try:
                    await surely(lambda sql=sql, step=step: self._undo_one(sql, step))  # type: ignore[misc]
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
        cancelled, self.cancelled = (
            self.cancelled,
            asyncio.Event(),
        )  # the client's wish to stop does not stop the way back
        try:
            if concurrently:
                await self._build(back)
            else:
                await self._leap(back, result)
            result.outcome = "undone"
        finally:
            self.cancelled = cancelled


async def surely(attempt: Callable[[], Awaitable[T]]) -> T:
    """Again if a cancel request that came late, or once more from somebody impatient, hit it."""
    for _ in range(LATE_CANCELS):
        try:
            return await attempt()
        except ServerError as error:
            if error.sqlstate != QUERY_CANCELED:
                raise
    return await attempt()


@dataclass(slots=True)
class Waiting:
    """How long we have waited, and for whom."""

    bound_ms: int
    begun: float = field(default_factory=time.monotonic)
    blockers: Sequence[Blocker] = ()
    said: float = 0.0
    seen: dict[str, float] = field(default_factory=dict)  # transaction -> when we met it first

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


# ---------------------------------------------------------------- words


def one_line(sql: str) -> str:
    """SQL for one line of talk: white space folded, at most 200 characters."""
    line = " ".join(sql.split())
    return line if len(line) <= 200 else line[:197] + "…"


def names(step: Step) -> str:
    return ", ".join(f'"{name}"' for _, name in step.relations)


def describe(found: Sequence[Blocker]) -> str:
    first = blockers.describe(found[0])
    return first if len(found) == 1 else f"{first} (and {len(found) - 1} more)"


def duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def milliseconds(setting: str) -> int:
    """A time parameter as SHOW prints it (``0``, ``500ms``, ``2s``, ``1min``, ``1h``, ``1d``) in milliseconds."""
    match = re.fullmatch(r"(\d+)(ms|s|min|h|d)?", setting)
    if match is None:
        return 0
    unit = {None: 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
    return int(match[1]) * unit[match[2]]


def as_before(name: str, setting: Setting | None, *, local: bool = False) -> tuple[str, tuple[str, ...]]:
    """The statement that gives a parameter its value back, and its source: else the client seemed to have set it."""
    if setting is not None and setting.source == "session":
        return SET_CONFIG, (name, setting.value, "true" if local else "false")
    return f"SET {'LOCAL ' if local else ''}{name} TO DEFAULT", ()


def is_lock_timeout(fields: Mapping[str, str]) -> bool:
    """Whether our lock_timeout ran out; NOWAIT in the statement, or in a trigger, has the same SQLSTATE."""
    return fields.get("C") == LOCK_NOT_AVAILABLE and fields.get("R") == "ProcessInterrupts"


def as_the_authors(fields: dict[str, str], step: Step) -> dict[str, str]:
    """An error about a passing object of ours in the words that the author's own statement would have met."""
    for failure in step.hides:
        if (fields.get("C"), fields.get("n")) == (failure.sqlstate, failure.constraint):
            kept = {k: v for k, v in fields.items() if k != "n"}
            named = {"n": failure.name} if failure.name else {}
            column = {"c": failure.column} if failure.column else {}
            return {**kept, "C": failure.instead, "M": failure.message(fields.get("t", "")), **named, **column}
    return fields


def unplaced(fields: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in fields.items() if k not in "P"}


def place(fields: dict[str, str], step: Step) -> dict[str, str]:
    """An error's position, which counts in the text that we sent, put where it belongs in the client's."""
    if "P" not in fields:
        return fields
    position = edit.original_position(int(fields["P"]), step.edits) if fields["P"].isdigit() else None
    return {**unplaced(fields), **({"P": str(position)} if position else {})}


__all__ = ["Budget", "ConnectionLost", "PlanFailed", "Runner", "StepResult"]
