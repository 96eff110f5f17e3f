"""What a COMMIT has set free, and its client has not heard of: it hears of it even where interlock.jobs says nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from proxy.run import jobs
from proxy.run.asking import Asking
from proxy.run.bounded import reason
from proxy.run.connection import ServerError
from proxy.run.errors import QUERY_CANCELED, surely
from proxy.run.jobs import Job, JobsUnusable
from proxy.run.words import one_line
from proxy.session import answers

if TYPE_CHECKING:
    from proxy.session.guard import Guard

log = logging.getLogger("interlock")

RUN = "It is done by a later session of this login, or by: interlock jobs run"
GONE = (
    "it is not in interlock.jobs any more, where somebody must have removed it",
    "Run it by hand, outside a transaction.",
)
OTHERS = (
    "this session's login is {} now, and a session does only jobs of its own, which was {} when they were written down",
    "They are done by the next session of that login, or as it by: interlock jobs run",
)
NOTHING_FREE = (b"ROLLBACK", b"PREPARE TRANSACTION")


class Owed:
    """Jobs of one session's last transaction, by number (None: not known) and title, from its end until the client heard of them."""

    _is_sure = True  # that all of them were committed

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._are: list[tuple[int | None, str]] = []

    def nothing(self) -> None:
        """The client is owed nothing, so far."""
        self._are, self._is_sure = [], True

    def put_off(self, tag: bytes) -> None:
        """The transaction has ended with this tag: what it has put off, of which the table has not been asked yet."""
        put_off = [p for p in self._guard.deferral.put_off if p.job is not None or tag not in NOTHING_FREE]
        self._are, self._is_sure = [(one.job, one_line(one.sql)) for one in put_off], False

    def found(self, mine: list[Job]) -> None:
        """These stand in the table, so they were committed."""
        self._are, self._is_sure = [(job.id, job.title) for job in mine], True

    def heard(self, *of: Job) -> None:
        """The client has heard what became of them."""
        heard = {job.id for job in of}
        self._are = [one for one in self._are if one[0] not in heard]

    async def tell_of_gone(self, own: Asking, there: set[int]) -> None:
        """What was committed, and is not in the table any more, or not as this session's; ``there``: the numbers of what is.

        Raises ServerError, JobsUnusable, ConnectionLost.
        """
        others = [(job, title) for job, title in self._are if job not in there]
        if not others:
            return
        hidden: list[Job] = []
        if await jobs.is_there(own):
            hidden = await surely(lambda: jobs.of_other_login(own, self._guard.deferral.token))
        if hidden:
            why = OTHERS[0].format(await jobs.login(own), hidden[0].login)
            self._not_ours([job.title for job in hidden], why, OTHERS[1])
        numbered = [(job, title) for job, title in others if job is not None and job not in {one.id for one in hidden}]
        gone = [one for one in numbered if await self._is_committed(one[0]) and await jobs.find(own, one[0]) is None]
        if not gone:
            return
        now = await jobs.login(own)
        why, hint = GONE if now == self._guard.who.user else (OTHERS[0].format(now, "another login"), OTHERS[1])
        self._not_ours([title for _, title in gone], why, hint)

    def _not_ours(self, titles: list[str], why: str, hint: str) -> None:
        log.error("%s: %s: %s", self._guard.who.label, "; ".join(titles), why)
        self._guard.voice.tell(answers.not_looked_for(titles, why, hint, committed=True))

    async def broke_off(self, error: JobsUnusable | ServerError) -> bytes:
        """The jobs could not be looked for, begun or noted: whoever has put something off hears of it.

        Returns the error that the client is to hear before ReadyForQuery, if it has cancelled the look itself.
        Raises ConnectionLost.
        """
        if not self._is_sure:
            await self._make_sure()
        if not self._are:
            return b""
        sqlstate = error.sqlstate if isinstance(error, ServerError) else ""
        cancelled = sqlstate == QUERY_CANCELED and self._guard.cancelled.is_set()  # by the client itself
        hint = f"{error.hint}\n{RUN}" if isinstance(error, JobsUnusable) else RUN
        titles = [title for _, title in self._are]
        fields = answers.not_looked_for(titles, reason(error), hint, committed=self._is_sure, cancelled=cancelled)
        if cancelled:
            return self._guard.voice.error(fields)
        self._guard.voice.tell(fields)
        return b""

    async def _make_sure(self) -> None:
        """Of what was put off, keep what was committed, as far as the server can tell.

        It does not know the jobs of a query string of several statements by their numbers.
        """
        try:
            self._are = [one for one in self._are if one[0] is None or await self._is_committed(one[0])]
        except ServerError as error:
            log.warning("%s: cannot tell what was committed: %s", self._guard.who.label, error)
            return
        is_committed = self._guard.own.relay.last_tag == b"COMMIT"
        self._is_sure = is_committed or all(number is not None for number, _ in self._are)

    async def _is_committed(self, job: int) -> bool:
        """Whether a job that the last transaction has written down was committed; not if that has taken it back."""
        writer = self._guard.deferral.written_by.get(job)
        return writer is not None and await surely(lambda: jobs.is_committed(self._guard.own, writer))
