"""One guarded text: read it, ask for the facts, decide, do it, record it.

The session hands over with the relay quiet: the server has answered everything that the client sent before.
What comes back is either ``PASS`` (the client's own message goes on, untouched), or the client has been
answered as the server would have, and the server is in the state that the client believes it to be in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from enum import Enum, auto

from proxy.catalog.facts import Facts
from proxy.net import Peer
from proxy.policy.decide import decide
from proxy.policy.load import Policy
from proxy.policy.verdict import Action
from proxy.run import jobs
from proxy.run.bounded import bounded, reason
from proxy.run.connection import Connection, ConnectionLost, ServerError
from proxy.run.errors import is_lock_timeout
from proxy.run.jobs import Job, JobsUnusable
from proxy.run.store import READ_ONLY
from proxy.session import answers
from proxy.session.anyway import refused_anyway, unreadable_for_all
from proxy.session.case import (
    Case,
    builds,
    is_refused_read_only,
    moved,
    patient_plan,
    patient_step,
)
from proxy.session.defer import IN_WALSENDER
from proxy.session.deferral import Deferral
from proxy.session.dependents import Refused
from proxy.session.examine import Examiner
from proxy.session.late import ends, goes_back
from proxy.session.ledger import Ledger, Who
from proxy.session.one import OneStatement
from proxy.session.reading import Reading
from proxy.session.voice import Voice
from proxy.sql.interest import stands_alone
from proxy.sql.statements import (
    Query,
    Span,
    Statement,
    Transaction,
    Unreadable,
)
from proxy.tools import whose
from proxy.wire import messages

log = logging.getLogger("interlock")


async def _no_snapshots() -> None:
    return None


class Outcome(Enum):
    PASS = auto()  # nothing was done: the client's message goes on
    ANSWERED = auto()


def _answered(answered: bool) -> Outcome:
    return Outcome.ANSWERED if answered else Outcome.PASS


class Guard:
    """Decides and acts for one client.

    ``policy`` gives the policy in force now; ``cancelled`` is set when the client cancels or is gone.
    """

    def __init__(
        self,
        own: Connection,
        client: Peer,
        who: Who,
        ledger: Ledger,
        policy: Callable[[], Policy],
        cancelled: asyncio.Event,
    ) -> None:
        self.own = own
        self.client = client
        self.who = who
        self.ledger = ledger
        self.policy = policy
        self.cancelled = cancelled
        self.voice = Voice(own, client, who)
        self.deferral = Deferral(
            own,
            client,
            who,
            self.voice,
            lambda case, policy, inside: self.one.runner(case, policy, inside=inside),
            cancelled,
        )
        self.deferral.looking = lambda: bounded(own, policy().locks.timeout.ms)
        self.at_end = self.deferral.at_end
        self.let_go: Callable[[], Awaitable[None]] = _no_snapshots
        self.building: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext
        self.attend: Callable[[], None] = lambda: (
            None
        )  # so that the end of the transaction is told here first, if need be
        self.spoken: Callable[[], str | None] = lambda: None  # the tool that another connection of the client shows
        self.has_asked = False  # for jobs that have failed
        self.examiner = Examiner(own, who, self.voice, policy, self.deferral.pending)
        self.examiner.waits = lambda: self.deferral.has_deferred()
        self.one = OneStatement(own, client, self.voice, self.examiner, self.deferral.noted, cancelled)
        self.one.explain = self.deferral.explained

    # ------------------------------------------------ the whole of it

    async def settle(self, text: str, *, readable: bool, simple: bool, alone: bool, prepared: bool) -> Outcome:
        """Decide about a text that the client wants run, and do what was decided.

        ``readable``: it could be decoded.  ``simple``: it came in a Query, and the answer ends in
        ReadyForQuery.  ``alone``: nothing else of the client's shares its implicit transaction.
        ``prepared``: there are protocol-level statements that SQL's EXECUTE may run.
        """
        relay = self.own.relay
        in_block = relay.status == b"T" and not relay.executes  # what was executed since may have ended it
        self._since_then(in_block=in_block)
        self.own.settles(simple=simple)
        try:
            outcome = await self._settle(
                text, readable=readable, simple=simple, alone=alone, prepared=prepared, in_block=in_block
            )
        finally:
            self.own.settles(simple=False)
            self.examiner.unfilled = self.deferral.unfilled()
        if relay.status != b"T":
            await self.put_away()
        self.attend()
        return outcome

    def reworded(self, body: bytes) -> bytes | None:
        """Another ErrorResponse in the place of the server's, which has nothing but more to say; None: it goes on as it is."""
        more = self.deferral.explained(messages.read_fields(body))
        return messages.error_response(more) if more is not None else None

    def _since_then(self, *, in_block: bool) -> None:
        """What the statement before has learnt holds only if nothing of the client's own has run since that could change it.

        Each CommandComplete that is passed to it tells so, a FunctionCall, and a portal that has more rows.  Errors need
        not: they fail the transaction, and only a ROLLBACK leads on.
        """
        relay = self.own.relay
        self.examiner.keeps = in_block
        if relay.disturbed or relay.suspended or not in_block:
            self.deferral.noted.forget()
            self.examiner.kept.doubt()
        elif relay.last_tag:
            self.deferral.noted.rows_passed()
            self.examiner.kept.rows_passed()
        relay.last_tag, relay.disturbed = b"", False

    async def put_away(self) -> None:
        """The transaction is over: nothing of ours stays with the server.  Raises ConnectionLost."""
        if self.examiner.kept.any and not (self.own.is_lost or self.own.skipping):
            with contextlib.suppress(ServerError):
                await self.examiner.kept.close()
            self.attend()

    async def _settle(
        self, text: str, *, readable: bool, simple: bool, alone: bool, prepared: bool, in_block: bool
    ) -> Outcome:
        relay = self.own.relay
        begun = time.monotonic()
        policy = self.policy()
        try:
            if readable:
                statements = await self.examiner.resolved(text, prepared)
            else:
                encoding = Reading.of(relay.parameters).client_encoding
                statements = (Statement(text, Span(0, len(text)), Unreadable(0, f"text in {encoding}")),)
            in_transaction = relay.status != b"I" or not alone or len(statements) > 1 or self.examiner.walsender
            begins = relay.status == b"I" and not relay.executes and len(statements) == 1
            by_itself = begins and stands_alone(
                statements[0].node
            )  # it commits, and what follows is another transaction
            asked = in_transaction and not by_itself
            cases = await self._examined(statements, policy, in_transaction=asked, in_block=in_block, simple=simple)
            if cases is None:
                return Outcome.ANSWERED
            alone = not (in_transaction or any(case.facts.in_transaction for case in cases))
        except ServerError as error:  # only where the client's transaction failed with it
            await self.voice.fail(error.fields, simple=simple)
            return Outcome.ANSWERED
        except JobsUnusable as error:
            return await self._refuse(answers.unseen(error), simple=simple)
        cases = [
            c
            for c in cases
            if not (isinstance(c.statement.node, Query) and c.verdict.action is Action.ALLOW and c.dependent is None)
        ]
        if not cases:
            return Outcome.PASS
        if not cases[0].facts.locked:
            self.own.catch_up()
        if reason := self.ledger.refuses(policy):
            return await self._refuse(answers.unaudited(reason), simple=simple)
        self.ledger.tally.decided(time.monotonic() - begun)
        try:
            return await self._act(cases, statements, policy, text, simple=simple, in_block=in_block, alone=alone)
        except BaseException as error:
            sqlstate = self.own.last_words.get("C", "08006") if isinstance(error, ConnectionLost) else "XX000"
            for case in cases:
                if case.outcome == "passed":
                    case.outcome, case.sqlstate = "failed", sqlstate
            raise
        finally:
            for case in cases:
                case.took_ms = (time.monotonic() - begun) * 1000
            self._record(cases, policy)

    async def _examined(
        self, statements: Sequence[Statement], policy: Policy, *, in_transaction: bool, in_block: bool, simple: bool
    ) -> list[Case] | None:
        """A case each, behind what waits for the end of the transaction unless nothing can tell that it does.

        None: that could not be run, or was shown to a question about the catalog, and the client has been told.
        """
        late = self.at_end.late
        if late and (self.own.relay.status != b"T" or goes_back(statements)):
            late.clear()
        await self.at_end.look_at_note(statements)
        if late and late.passes(statements):
            return []
        if late and simple and in_block and late.is_shown_to(statements):
            await self._show_late(statements, policy)
            return None
        if late and not late.may_go_with(statements) and not await self._run_late(statements, policy, simple=simple):
            return None
        behind = late.behind if late and late.is_told(statements) else None
        cases = await self._asked(statements, policy, behind, in_transaction=in_transaction, in_block=in_block)
        if not late or (len(cases) == 1 and self.at_end.goes_with(cases[0], policy, in_block=in_block)):
            for case in cases:
                late.passed_by(case)
            return cases
        if not await self._run_late(statements, policy, simple=simple, ahead_of=cases):
            return None
        return await self._asked(statements, policy, in_transaction=in_transaction, in_block=in_block)

    async def _behind_left(self, statements: Sequence[Statement], policy: Policy) -> list[Case] | None:
        """A statement by itself that is about what earlier transactions have left: as if it were one in a transaction; None: it is not."""
        wanted = policy.mode == "enforce" and len(statements) == 1 and not self.examiner.cannot_ask
        if not (wanted and self.deferral.has_left()):
            return None
        cases = await self.examiner.examine(statements, True, policy)
        if not cases:
            return None
        case = cases[0]
        if case.foreseen is not None or case.dependent is not None:
            return cases
        if not case.beside or case.verdict.action is Action.DEFER:
            return cases if case.beside else None
        # As it is, or not at all: so by itself, too, unless that was for the transaction's sake.
        by_itself = replace(case.facts, in_transaction=False)
        verdict = decide(case.statement, by_itself, policy)
        if verdict.action is not case.verdict.action:
            return None
        case.facts, case.verdict = by_itself, verdict
        return cases

    async def _asked(
        self,
        statements: Sequence[Statement],
        policy: Policy,
        behind: Callable[[Facts], Facts] | None = None,
        *,
        in_transaction: bool,
        in_block: bool,
    ) -> list[Case]:
        cases = None if in_transaction else await self._behind_left(statements, policy)
        if cases is None:
            cases = await self.examiner.examine(statements, in_transaction, policy, behind)
        if in_block and len(cases) == 1 and policy.mode == "enforce":  # else nothing waits for the end
            await self.at_end.look(cases[0], policy)
        return cases

    async def reads_ahead(self, sql: bytes, *, simple: bool) -> bool:
        """Before the server reads a text of the client's without running it, or begins to run one that only it knows.

        False: what was put off to the end of the transaction could not be run, and the client has been told.
        """
        late = self.at_end.late
        text = Reading.of(self.own.relay.parameters).decode(sql)
        statements = await self.examiner.resolved(text, prepared=False) if text is not None else ()
        if late and self.own.relay.status != b"T":
            late.clear()
        try:
            await self.at_end.look_at_note(statements)
        except ServerError as error:  # cancelled, say
            await self.voice.fail(error.fields, simple=simple)
            return False
        if not late or (statements and late.is_parsed(statements)):
            return True
        return await self._run_late(statements, self.policy(), simple=simple)

    async def _run_late(
        self, statements: Sequence[Statement], policy: Policy, *, simple: bool, ahead_of: Sequence[Case] = ()
    ) -> bool:
        """Run what was put off to the end of the transaction; false if that failed, and the client has been told.

        ``ahead_of``: what comes next, as it was without that.
        """
        try:
            if not self.at_end.late.entries[-1].case.facts.locked:  # nobody waits for us yet
                self.own.catch_up()
                if len(ahead_of) == 1 and policy.mode == "enforce":
                    await self.deferral.prepare(ahead_of[0])
                if not ends(statements):  # behind CREATE SCHEMA nothing is planned any more
                    await self.examiner.foresee()
            fields, failing = await self.at_end.run()
        except ServerError as error:  # cancelled, say
            fields, failing = error.fields, []
        if not fields:
            return True
        self._record(failing, policy)
        with contextlib.suppress(ServerError):
            if ends(statements):  # a transaction that fails to commit is over
                await self.own.run([("ROLLBACK", ())])
                await self.own.sync()
        await self.voice.fail(fields, simple=simple)
        return False

    async def _show_late(self, statements: Sequence[Statement], policy: Policy) -> None:
        """Have a question about the catalog see what was put off to the end of the transaction, and answer it."""
        query = messages.query(self.own.encode(statements[0].text))
        fields, failing = await self.at_end.show(query, lambda fields: self.deferral.explained(fields) or fields)
        if fields:
            self._record(failing, policy)
            await self.voice.fail(fields, simple=True)
        else:
            await self.voice.ready()

    def _record(self, cases: Sequence[Case], policy: Policy) -> None:
        """At once; but in a transaction that goes on, and may keep others out, afterwards."""

        told = [replace(case) for case in cases]

        def record() -> None:
            self.ledger.owed -= len(told)
            for case in told:
                self.ledger.record(self.who, case, policy)

        self.ledger.owed += len(told)
        self.own.afterwards(record)
        if policy.audit.fsync == "always" or self.own.relay.status != b"T":
            self.own.catch_up()

    async def _failed_jobs(self, policy: Policy) -> list[Job]:
        """Jobs of earlier migrations that have failed; asked once, unless they are in the way."""
        asked = self.has_asked and policy.jobs.on_failed_job is not Action.REJECT
        if asked or policy.jobs.on_failed_job is Action.ALLOW or self.examiner.cannot_ask:
            return []
        self.has_asked = True
        try:
            found = await jobs.unfinished(bounded(self.own, policy.locks.timeout.ms))
            return [job for job in found if job.state == "failed"]
        except JobsUnusable as error:
            log.warning("%s: jobs cannot be read: %s", self.who.label, error)
            return []
        except ServerError as error:
            if not is_lock_timeout(error.fields):
                raise
            self.has_asked = False
            log.warning("%s: whether jobs have failed was not looked for: %s", self.who.label, reason(error))
            return []

    # ------------------------------------------------ acting

    async def _act(
        self,
        cases: list[Case],
        statements: Sequence[Statement],
        policy: Policy,
        text: str,
        *,
        simple: bool,
        in_block: bool,
        alone: bool,
    ) -> Outcome:
        if (
            self.examiner.cannot_ask
            and not self.examiner.walsender
            and not isinstance(statements[0].node, Transaction | Unreadable)
        ):
            return Outcome.PASS  # in a failed transaction the server takes nothing but its end in front
        rejected = next((c for c in cases if c.verdict.action is Action.REJECT), None)
        doubtful = rejected or next((c for c in cases if c.verdict.action is Action.WARN), None)
        asks = simple and not self.examiner.walsender
        if doubtful is not None and asks and (syntax := await unreadable_for_all(self.own, doubtful)):
            return await self._server_error(doubtful, syntax, simple=simple)
        about_what_waits = any(c.foreseen is not None or c.dependent is not None for c in cases)
        if about_what_waits and all(c.facts.read_only and is_refused_read_only(c.statement) for c in cases):
            return Outcome.PASS  # Postgres refuses it, whatever waits
        if refused := next((c for c in cases if isinstance(c.dependent, Refused)), None):
            return _answered(await self.deferral.refuse_dependent(refused, cases, simple=simple))
        if rejected is not None:
            is_first = rejected.statement is statements[0]
            if is_first and not self.examiner.cannot_ask and (error := await refused_anyway(self.own, rejected)):
                return await self._server_error(rejected, error, simple=simple)
            return await self._reject(rejected, cases, len(statements), simple=simple)
        try:
            failed = await self._failed_jobs(policy) if policy.mode == "enforce" else []
        except ServerError as error:  # the client's own cancel request, say: nothing of its text has run
            self.has_asked = False
            for one in cases:
                one.outcome, one.sqlstate = "failed", error.sqlstate
            await self.voice.fail(error.fields, simple=simple)
            return Outcome.ANSWERED
        if failed:
            if policy.jobs.on_failed_job is Action.REJECT:
                return await self._refuse(answers.unfinished(failed, severity="ERROR"), simple=simple)
            self.voice.tell(answers.unfinished(failed, severity="WARNING"))
        case = cases[0]
        alone = alone and len(cases) == 1
        if len(statements) == 1 and case.foreseen is not None:
            return _answered(await self.deferral.as_foreseen(case, simple=simple))
        if any(c.dependent is not None for c in cases):
            return _answered(await self.deferral.give_up(cases, statements, simple=simple, in_block=in_block))
        deferred = [c for c in cases if c.verdict.action is Action.DEFER]
        if deferred and all(c.facts.read_only and is_refused_read_only(c.statement) for c in deferred):
            return Outcome.PASS  # Postgres refuses it
        if deferred and self.examiner.walsender:
            return _answered(
                await self.deferral.refuse(deferred[0], JobsUnusable(*IN_WALSENDER), policy, simple=simple)
            )
        # What Postgres refuses after another statement of the same pipeline: ours, that asked for the facts.
        by_itself = alone and self.own.relay.pipeline_open and stands_alone(case.statement.node)
        if policy.mode == "observe":
            return await self._let_pass(case, by_itself=by_itself, simple=simple)
        for warned in cases:
            for warning in answers.warnings(warned.verdict):
                self.voice.tell(warning)
        if policy.mode == "warn" or self.examiner.walsender:
            return await self._let_pass(case, by_itself=by_itself, simple=simple)
        unwritable = next((c for c in deferred if c.facts.read_only and not is_refused_read_only(c.statement)), None)
        if unwritable is not None and not unwritable.facts.in_recovery:
            return _answered(await self.deferral.refuse(unwritable, JobsUnusable(*READ_ONLY), policy, simple=simple))
        if alone and builds(case):
            await self.let_go()
        if alone:
            plan = case.verdict.plan if case.verdict.action is Action.REWRITE else patient_plan(case)
            if plan is None:
                return await self._let_pass(case, by_itself=by_itself, simple=simple)
            async with self.building() if builds(case) else contextlib.nullcontext():
                answered = await self.one.planned(case, plan, policy, simple=simple)
            return Outcome.ANSWERED if answered else await self._reject(case, cases, 1, simple=simple)
        if deferred and len(statements) == 1:
            if not in_block:
                await self.own.begin_pipeline()  # what is done now, and that the rest is put off, is one transaction
            return _answered(await self.deferral.one(case, policy, simple=simple, in_block=in_block))
        if len(statements) == 1:
            step = patient_step(case)
            if step is None:
                return Outcome.PASS
            if in_block and await self.at_end.as_written(case, policy, simple=simple):
                return Outcome.ANSWERED
            await self.one.inside(case, step, policy, simple=simple, in_block=in_block)
            return Outcome.ANSWERED
        failed_before = self.examiner.cannot_ask
        return _answered(
            await self.deferral.string(cases, statements, policy, text, in_block=in_block, failed=failed_before)
        )

    async def _let_pass(self, case: Case, *, by_itself: bool, simple: bool) -> Outcome:
        if not by_itself:
            return Outcome.PASS
        await self.one.as_it_is(case, simple=simple)
        return Outcome.ANSWERED

    # ------------------------------------------------ refusing

    async def _server_error(self, case: Case, fields: dict[str, str], *, simple: bool) -> Outcome:
        case.outcome, case.sqlstate = "failed", fields.get("C", "")
        await self.voice.fail(moved(fields, case.statement), simple=simple)
        return Outcome.ANSWERED

    async def _reject(self, case: Case, cases: list[Case], of: int, *, simple: bool) -> Outcome:
        outside = decide(case.statement, replace(case.facts, in_transaction=False), self.policy())
        fields = answers.rejection(
            case.statement,
            case.verdict,
            tool=whose(self.who.tool, self.spoken()),
            in_transaction=case.facts.in_transaction and not self.examiner.walsender,
            rewrites=outside.action is Action.REWRITE,
            of=of,
            way_out=answers.way_out(case.verdict, case.facts, self.policy()),
        )
        for other in cases:
            other.outcome = "rejected" if other is case else "not run"
        case.sqlstate = fields["C"]
        return await self._refuse(fields, simple=simple)

    async def _refuse(self, fields: dict[str, str], *, simple: bool) -> Outcome:
        """Nothing of the client's text runs; where a transaction or pipeline is open it fails, and truly."""
        await self.voice.fail(fields, simple=simple, reason=f"rejected by rule {fields['R']}")
        return Outcome.ANSWERED


__all__ = ["ConnectionLost", "Guard", "Outcome"]
