"""The databases whose jobs are shown, tried again and given up: logins of the operator's, ``serve --jobs URL``.

Clients' logins are not ours to use, so without a URL nothing is known of a database's jobs but those that run here now.
A connection is made when somebody looks, and kept for a moment in case that they go on looking; not longer, since it would be in
the way of a DROP DATABASE.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import psycopg
from psycopg.conninfo import conninfo_to_dict

from proxy.audit.record import ByHand
from proxy.policy.load import Policy
from proxy.render.jobs import forgetting, of_another
from proxy.run import job as doing
from proxy.run import jobs, progress
from proxy.run.attempt import Attempt, attempt
from proxy.run.bounded import Bounded, reason
from proxy.run.connection import ConnectionLost, ServerError
from proxy.run.drain import drain
from proxy.run.errors import PlanFailed
from proxy.run.execute import Budget
from proxy.run.jobs import Job, JobsUnusable
from proxy.run.monitor import Monitor
from proxy.run.progress import Progress
from proxy.run.side import Side
from proxy.run.words import one_line
from proxy.session.case import budget
from proxy.session.ledger import Ledger, Who

log = logging.getLogger("interlock")

CONNECT_S = 5
AGAIN_S = 5.0  # after a failure, before the next attempt to look
KEPT_S = 2.0  # for which a connection is kept after a look


class NotDone(Exception):
    """What was asked for was not done; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found in one database; ``trouble`` says why nothing was."""

    database: str
    jobs: tuple[Job, ...] = ()
    progress: dict[int, Progress] = field(default_factory=dict)
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Teller:
    """Who has told us to do something, and from where."""

    through: str  # console, page
    user: str
    client: str  # address
    application_name: str = ""


class Database:
    """One of them.  ``policy`` gives the patience for what is done here; it is written down in ``ledger``."""

    def __init__(self, url: str, policy: Callable[[], Policy], ledger: Ledger) -> None:
        """Raises psycopg.ProgrammingError if the URL is none."""
        parts = conninfo_to_dict(url)
        self.name = str(parts.get("dbname") or parts.get("user") or "postgres")
        self._url = url
        self._policy = policy
        self._ledger = ledger
        self._own: Side | None = None
        self._lock = asyncio.Lock()
        self._looked: tuple[float, Look] = (float("-inf"), Look(self.name))
        self._dropping: asyncio.Task[None] | None = None
        self._busy = False
        self.working: Side | None = None  # a job is being done here, on a connection of its own

    async def look(self) -> Look:
        """What waits, runs or has failed, and what was done lately.  Never raises."""
        async with self._lock:
            at, found = self._looked
            if found.trouble and time.monotonic() - at < AGAIN_S:
                return found
            found = await self._look()
            self._looked = (time.monotonic(), found)
            self._drop_later()
            return found

    def _drop_later(self) -> None:
        if self._dropping is not None:
            self._dropping.cancel()
        self._dropping = asyncio.get_running_loop().create_task(self._drop_unused())

    async def _drop_unused(self) -> None:
        await asyncio.sleep(KEPT_S)
        async with self._lock:
            await self._drop()

    async def _look(self) -> Look:
        try:
            async with asyncio.timeout(2 * CONNECT_S):
                if self._own is None or self._own.is_lost:
                    self._own = await Side.connect(self._url, lambda text: None, timeout_s=CONNECT_S)
                found = await jobs.everything(Bounded(self._own, CONNECT_S * 1000))
                now = await progress.progress(self._own) if any(job.state == "running" for job in found) else {}
        except (psycopg.Error, OSError, TimeoutError, ConnectionLost) as error:
            await self._drop()
            trouble = " ".join(str(error).split()) or "it did not answer in time"
        except JobsUnusable as error:
            trouble = str(error)
        except ServerError as error:
            trouble = f"{reason(error)} (SQLSTATE {error.sqlstate})"
        else:
            how = {job.id: one for job in found if (one := progress.of(job, now)) is not None}
            return Look(self.name, tuple(found), how)
        log.warning("jobs of %s cannot be seen: %s", self.name, trouble)
        return Look(self.name, trouble=trouble)

    async def _drop(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            with contextlib.suppress(psycopg.Error, OSError):
                await own.close()

    async def close(self) -> None:
        if self._dropping is not None:
            self._dropping.cancel()
        await self._drop()

    # ------------------------------------------------ doing

    async def retry(self, number: int, say: Callable[[str], None], teller: Teller) -> str:
        """Do a job that has failed, or waits; what became of it.  Raises NotDone."""
        async with self._at_work(say) as own:
            await self._mine(own, number)
            outcome = await drain(
                own,
                self._budget(),
                say,
                asyncio.Event(),
                only=(number,),
                again=True,
                ended=self._noting(teller, "retry"),
            )
        if outcome.failed:
            why = outcome.failed[0].error.get("M")
            raise NotDone(f"job {number} has failed" + (f": {one_line(why)}" if why else ""))
        if outcome.left and outcome.left[0].unreadable:
            raise NotDone(f"job {number} is not done: {outcome.left[0].obstacle}")
        if outcome.left:
            raise NotDone(f"job {number} is left: another session is doing it, or one before it")
        return f"job {number} is done"

    async def cancel(self, number: int, say: Callable[[str], None], teller: Teller) -> str:
        """Give a job up, and take back what its migration did for it.  Raises NotDone."""
        async with self._at_work(say) as own:
            job = await self._mine(own, number)
            if job.unreadable:  # what there is to take back cannot be known
                raise NotDone(f"job {number} is not given up: {job.obstacle}. To forget it: {forgetting(job)}")
            if not await jobs.claim(self._table(own), number, states=("waiting", "running", "failed")):
                raise NotDone(
                    f"job {number} is {job.state}: it is not given up"
                    + ("; cancel its query first (pg_cancel_backend)" if job.state == "running" else "")
                )
            try:
                with attempt(job, self._noting(teller, "cancel"), well="given up") as one:
                    await doing.give_up(own, job, self._budget(), say, asyncio.Event(), one.results)
            except PlanFailed as failed:
                raise NotDone(f"job {number} is not given up: {one_line(failed.error.get('M', 'error'))}") from None
        return f"job {number} is given up"

    def _noting(self, teller: Teller, what: str) -> Callable[[Attempt], None]:
        who = Who(teller.client, teller.user, self.name, teller.application_name)
        return lambda one: self._ledger.attempted(who, one, self._policy(), ByHand(what, teller.through))

    def _budget(self) -> Budget:
        return budget(self._policy(), inside=False)

    def _table(self, own: Side) -> Bounded:
        return Bounded(own, self._budget().locks.timeout_ms)

    @contextlib.asynccontextmanager
    async def _at_work(self, say: Callable[[str], None]) -> AsyncIterator[Side]:
        """A connection of its own for one piece of work; one at a time.  Raises NotDone for what goes wrong with it."""
        if refused := self._ledger.refuses(self._policy()):
            raise NotDone(f"it could not be written down, and the policy's audit.on_failure is closed: {refused}")
        if self._busy:
            raise NotDone(f"a job of {self.name} is being done from here just now; wait for its end")
        self._busy = True
        try:
            async with self._connected(say) as own:
                yield own
        except JobsUnusable as error:
            raise NotDone(f"{error}. {error.hint}") from None
        except ServerError as error:
            raise NotDone(f"the server says: {reason(error)} (SQLSTATE {error.sqlstate})") from None
        except ConnectionLost as error:
            raise NotDone(f"the connection was lost; what was begun waits in interlock.jobs: {error}") from None
        finally:
            self._busy = False
            self._looked = (float("-inf"), self._looked[1])

    @contextlib.asynccontextmanager
    async def _connected(self, say: Callable[[str], None]) -> AsyncIterator[Side]:
        try:
            own = await Side.connect(self._url, say, timeout_s=CONNECT_S)
            await own.let_write()
        except psycopg.Error as error:
            raise NotDone(f"{self.name} cannot be reached: {' '.join(str(error).split())}") from None
        monitor = own.monitor = Monitor(self._url)
        self.working = own
        try:
            yield own
        finally:
            self.working = None
            await monitor.close()
            with contextlib.suppress(psycopg.Error, OSError):
                await own.close()

    async def _mine(self, own: Side, number: int) -> Job:
        [[login]] = await own.fetch("SELECT session_user")
        job = await jobs.find(self._table(own), number)
        if job is None:
            raise NotDone(f"there is no job {number} in {self.name}")
        if job.login != (login or b"").decode():
            raise NotDone(of_another(job))
        return job


__all__ = ["Database", "Look", "NotDone", "Teller"]
