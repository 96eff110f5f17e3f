"""A Query of several statements, with patience for the locks that it takes.

It is looked for those who are in the way before any of it runs, and while it runs each lock is waited for no longer than
``locks.timeout``.  What has failed for that is sent again, as long as the client has been told nothing that could not be
taken back, and nothing has run that should not run twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from proxy.catalog.facts import Setting
from proxy.plans.plan import Lock, Step
from proxy.run.connection import Connection, Hears, ServerError
from proxy.run.errors import is_lock_timeout, surely
from proxy.run.execute import Runner
from proxy.run.leap import StepResult, Waiting
from proxy.run.savepoint import RELEASE, ROLLBACK, SAVEPOINT
from proxy.run.settings import as_before, milliseconds
from proxy.session.case import Case, patient_step
from proxy.session.defer import InSteps
from proxy.sql.statements import SetVariable, Statement, Transaction

FINAL = frozenset({b"COMMIT", b"ROLLBACK", b"PREPARE TRANSACTION"})  # tags of what cannot be taken back
# First words of tags of what is taken back wholly and done again in no time; what changes rows, or runs the author's own code, is not.
AGAIN = frozenset(b"ALTER BEGIN COMMENT CREATE DROP GRANT LOCK RESET REVOKE SAVEPOINT SET START".split())
MOST_HELD = 64 * 1024  # bytes of notices and tags
TAKE_AWAY = frozenset({"RELEASE", "ROLLBACK TO"})  # perhaps our savepoint, with one that stands before it


def locks_of(case: Case) -> list[Step]:
    """The steps of a case that may make the application wait, as far as they run before COMMIT."""
    if case.verdict.plan is not None:
        return list(case.verdict.plan.now)
    step = patient_step(case)
    return [step] if step is not None else []


def _locked(case: Case, runner: Runner) -> Iterator[tuple[Lock, Sequence[tuple[str, str]]]]:
    if case.verdict.plan is not None:
        for step in case.verdict.plan.now:
            yield from runner.locks.wanted(step).items()
    elif patient_step(case) is not None:
        yield case.effect.lock, case.effect.relations
        if case.effect.known:
            yield from ((other.lock, (other.relation,)) for other in case.effect.others)


def sets_timeout(
    cases: Sequence[Case], statements: Sequence[Statement], setting: Setting | None, *, again: bool
) -> bool:
    """Whether ``lock_timeout`` is ours to set: not if the string itself says how long it would wait.

    What the client has set before bounds our patience; but what cannot be sent ``again`` waits for as long as that says.
    """
    if setting is None or (setting.by_client and milliseconds(setting.value) and not again):
        return False
    nodes = [s.node for s in statements]
    if any(isinstance(node, SetVariable) and node.name in (None, "lock_timeout") for node in nodes):
        return False
    return any(locks_of(case) for case in cases)


class Answer:
    """What the client is to hear; tags of what may be done again wait for something else to be told, and so do notices.

    Not those of a string that ``runs_code`` of the author's: it may say for minutes how far it is.
    """

    def __init__(self, client: Hears, *, runs_code: bool) -> None:
        self._client = client
        self._runs_code = runs_code
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.told = False
        self.ended = False  # the transaction that was open at first, and all its savepoints
        self.saved = False  # it has made a savepoint, which going back to ours, or releasing it, would take away

    def write(self, data: bytes) -> None:
        tag = data[5:-1] if data[:1] == b"C" else b""
        self.ended = self.ended or tag in FINAL
        self.saved = self.saved or tag == b"SAVEPOINT"
        holds = (data[:1] == b"N" and not self._runs_code) or tag.split(b" ", 1)[0] in AGAIN
        if holds and not self.told and self._held_bytes + len(data) <= MOST_HELD:
            self._held.append(data)
            self._held_bytes += len(data)
        elif data:
            self.tell()
            self._client.write(data)

    def tell(self) -> None:
        self._client.write(b"".join(self._held))
        self._held.clear()
        self.told = True

    async def drain(self) -> None:
        await self._client.drain()


class PatientString:
    """One string, with what was decided about its statements.

    ``runners`` are those of the cases.  ``string`` makes the text that is sent, anew for each time, given the
    ``lock_timeout`` in ms that it is to run under.  ``in_block``: the client's transaction is open.
    """

    def __init__(
        self,
        own: Connection,
        cases: Sequence[Case],
        statements: Sequence[Statement],
        runners: Sequence[Runner],
        string: Callable[[int | None], InSteps],
        *,
        in_block: bool,
    ) -> None:
        self.own = own
        self.cases = cases
        self.runner = runners[0]
        kinds = {s.node.kind for s in statements if isinstance(s.node, Transaction)}
        self.runs_code = not all(s.node.kind.split()[0].encode() in AGAIN for s in statements)
        self.savepoint = in_block and not kinds & TAKE_AWAY
        self.again = self.savepoint or not in_block
        self.step = self._step(runners)
        self.result = StepResult(";\n".join(case.statement.sql for case in cases), self.step.lock.value)
        ours = sets_timeout(cases, statements, runners[0].facts.settings.get("lock_timeout"), again=self.again)
        self.timeout_ms = self.runner.locks.patience().timeout_ms if ours else None
        self.string = string
        self.explain: Callable[[dict[str, str]], dict[str, str] | None] = lambda fields: None  # more to say of an error

    def _step(self, runners: Sequence[Runner]) -> Step:
        """All that the string locks, as one step to look for."""
        wanted: dict[Lock, dict[tuple[str, str], None]] = {}
        for case, runner in zip(self.cases, runners, strict=True):
            for lock, found in _locked(case, runner):
                wanted.setdefault(lock, {}).update(dict.fromkeys(found))
        strongest = max(wanted, key=lambda lock: lock.rank, default=Lock.NONE)
        relations = tuple(wanted.pop(strongest, ()))
        others = tuple((*relation, lock) for lock, rest in wanted.items() for relation in rest)
        return Step((), strongest, "as written", relations, others)

    async def send(self, client: Hears, encode: Callable[[str], bytes]) -> None:
        """Send it, and again if need be; what comes back is passed on, all but ReadyForQuery.

        Raises ServerError if that is still to be told: IL004, 40P01, 57014; ConnectionLost.
        """
        locks, result = self.runner.locks, self.result
        self.runner.results.append(result)
        patience = locks.patience()
        if not self.again:  # then it has one try, and who is there for longer than that waits is in the way
            patience = replace(patience, look_ms=min(patience.look_ms, patience.timeout_ms))
        waiting = Waiting(patience.give_up_after_ms)
        try:
            while True:
                if not (self.savepoint and locks.keeps_out(self.step)):
                    vacuumed = await locks.look(self.step, patience, waiting, result)
                    if vacuumed and self.again:
                        await locks.dislodge(vacuumed, waiting if self.savepoint else None)
                locks.check_cancelled()
                result.attempts += 1
                leapt = time.monotonic()
                answer = await self._sent(client, encode)
                result.took_ms = (time.monotonic() - leapt) * 1000
                if self.step.lock is not Lock.NONE:
                    result.blocked_ms = max(result.blocked_ms, result.took_ms)
                if answer is None:
                    break
                if waiting.over():
                    answer.tell()
                    raise ServerError(await locks.not_obtained(self.step, waiting, result.attempts))
                await locks.pause(patience.pause(result.attempts), waiting, result)
        except ServerError as error:
            result.outcome, result.sqlstate = "failed", error.sqlstate
            raise
        result.sqlstate = self.cases[0].sqlstate
        result.outcome = "failed" if result.sqlstate else "done"

    async def _sent(self, client: Hears, encode: Callable[[str], bytes]) -> Answer | None:
        """None if the client has been told how it ended; else a lock was not to be had, and this has not been told yet."""
        string, answer = self.string(self.timeout_ms), Answer(client, runs_code=self.runs_code)
        timed_out = False

        def reword(fields: dict[str, str]) -> dict[str, str] | None:
            nonlocal timed_out
            ours = self.timeout_ms is not None and is_lock_timeout(fields)
            timed_out = ours and self.again and not answer.told
            if timed_out:
                return None
            said = string.reword(fields)
            return self.explain(said) or said

        if self.savepoint:
            await self.own.run([(SAVEPOINT, ())])
        await self.own.forward(encode(string.text), answer, reword, string.retag)
        self.savepoint = self.savepoint and not answer.ended and (timed_out or not answer.saved)
        if self.own.relay.status == b"E" and (self.savepoint or timed_out):
            # All else would keep the locks of what has failed until ROLLBACK.
            back = [ROLLBACK, RELEASE] if self.savepoint else ["ROLLBACK"]  # of what the string itself has begun
            await surely(lambda: self.own.run([(sql, ()) for sql in back]))
            if not timed_out:
                await self.own.fail("the statement failed", simple=True)
        if timed_out:
            return answer
        answer.tell()
        return None

    async def put_back(self, setting: Setting | None) -> None:
        """Where a transaction goes on behind it: ``lock_timeout`` as it was, and our savepoint away."""
        if self.own.relay.status != b"T":
            return
        then: list[tuple[str, Sequence[str | bytes | None]]] = [(RELEASE, ())] if self.savepoint else []
        if self.timeout_ms is not None:
            shown = (await self.own.fetch("SHOW lock_timeout"))[0][0] or b""
            if milliseconds(shown.decode()) == self.timeout_ms:  # else the string itself has set it, by set_config
                then.append(as_before("lock_timeout", setting, local=True))
        if then:
            await self.own.run(then)
