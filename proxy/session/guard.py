"""One guarded text: read it, ask for the facts, decide, do it, record it.

The session hands over with the relay quiet: the server has answered everything that the client sent before.
What comes back is either ``PASS`` (the client's own message goes on, untouched), or the client has been
answered as the server would have, and the server is in the state that the client believes it to be in.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum, auto

from proxy.audit.redact import redact
from proxy.catalog import lookup
from proxy.catalog.after import after
from proxy.catalog.answer import UnreadableAnswer
from proxy.catalog.effect import effect
from proxy.catalog.facts import Facts, Held
from proxy.catalog.held import holding
from proxy.net import Peer
from proxy.plans.plan import Plan, Step
from proxy.plans.rehearsal import rehearsals
from proxy.policy.decide import decide
from proxy.policy.load import Policy
from proxy.policy.verdict import Action, Verdict
from proxy.run import jobs
from proxy.run.connection import Connection, ConnectionLost, ServerError
from proxy.run.errors import QUERY_CANCELED, PlanFailed
from proxy.run.execute import Runner
from proxy.run.inside import run_inside
from proxy.run.jobs import Job, JobsUnusable
from proxy.run.settings import as_before
from proxy.run.turn import turn
from proxy.session import answers, aside
from proxy.session.case import (
    Case,
    as_it_is,
    budget,
    builds,
    changed_tables,
    moved,
    patient_plan,
    patient_step,
    readable,
    version_number,
)
from proxy.session.defer import (
    BEHIND_ROLLBACK,
    BESIDE_COPY,
    BESIDE_EXECUTE,
    IN_WALSENDER,
    InSteps,
    as_raised,
    looks,
    new_job,
    waits,
)
from proxy.session.dependents import GivesUp, Pending, Refused, Taken, dependent, taken, with_pending, words
from proxy.session.ledger import Ledger, Who
from proxy.session.reading import Reading
from proxy.sql.interest import matters, stands_alone
from proxy.sql.opinion import disagreement
from proxy.sql.statements import (
    ExecutePrepared,
    SetVariable,
    Span,
    Statement,
    Transaction,
    Unreadable,
)
from proxy.wire import messages
from proxy.wire.messages import Message

log = logging.getLogger("interlock")
opinions = logging.getLogger("interlock.opinion")
if opinions.level == logging.NOTSET:  # serve --cross-check has not turned it on
    opinions.setLevel(logging.CRITICAL)


async def _nothing() -> bytes:
    return b""


async def _no_snapshots() -> None:
    return None


class Outcome(Enum):
    PASS = auto()  # nothing was done: the client's message goes on
    ANSWERED = auto()


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
        self.token = secrets.token_hex(16)  # of this session, in the jobs that it writes down
        self.at_rest: Callable[[], Awaitable[bytes]] = _nothing  # to be told when the client's transaction is over
        self.on_deferred: Callable[[], None] = lambda: None
        self.let_go: Callable[[], Awaitable[None]] = _no_snapshots
        self.has_deferred: Callable[[], bool] = lambda: False
        self.has_asked = False  # for jobs that have failed
        self.client_min_messages = "notice"
        self.walsender = False  # there the server takes no extended protocol: nothing can be asked, nothing rewritten

    # ------------------------------------------------ the whole of it

    async def settle(self, text: str, *, readable: bool, simple: bool, alone: bool, prepared: bool) -> Outcome:
        """Decide about a text that the client wants run, and do what was decided.

        ``readable``: it could be decoded.  ``simple``: it came in a Query, and the answer ends in
        ReadyForQuery.  ``alone``: nothing else of the client's shares its implicit transaction.
        ``prepared``: there are protocol-level statements that SQL's EXECUTE may run.
        """
        relay = self.own.relay
        in_block = relay.status == b"T" and not relay.executes  # what was executed since may have ended it
        begun = time.monotonic()
        policy = self.policy()
        try:
            if readable:
                statements = await self._resolved(text, prepared)
            else:
                encoding = Reading.of(relay.parameters).client_encoding
                statements = (Statement(text, Span(0, len(text)), Unreadable(0, f"text in {encoding}")),)
            in_transaction = relay.status != b"I" or not alone or len(statements) > 1 or self.walsender
            cases = await self._examine(statements, in_transaction, policy)
        except ServerError as error:  # only where the client's transaction failed with it
            await self.fail(error.fields, simple=simple)
            return Outcome.ANSWERED
        if not cases:
            return Outcome.PASS
        if reason := self.ledger.refuses(policy):
            return await self._refuse(answers.unaudited(reason), simple=simple)
        try:
            return await self._act(
                cases, statements, policy, text, simple=simple, in_block=in_block, alone=not in_transaction
            )
        except BaseException as error:
            sqlstate = self.own.last_words.get("C", "08006") if isinstance(error, ConnectionLost) else "XX000"
            for case in cases:
                if case.outcome == "passed":
                    case.outcome, case.sqlstate = "failed", sqlstate
            raise
        finally:
            for case in cases:
                case.took_ms = (time.monotonic() - begun) * 1000
                self.ledger.record(self.who, case, policy)

    async def _resolved(self, text: str, prepared: bool) -> tuple[Statement, ...]:
        """The statements of a text; EXECUTE of a protocol-level statement gives way to what it runs.

        What PREPARE in the same text prepares is no DDL: only a protocol-level Parse takes that.
        """
        reading = Reading.of(self.own.relay.parameters)
        found: list[Statement] = []
        for statement in await aside.statements(text, reading):
            if not isinstance(statement.node, ExecutePrepared):
                found.append(statement)
            elif prepared and not self._cannot_ask:
                sql = await self.own.prepared(reading.encode(statement.node.name))
                inner = reading.decode(sql) if sql is not None else None
                found += await aside.statements(inner, reading) if inner is not None else (statement,)
            else:
                found.append(statement)
        return tuple(found)

    @property
    def _cannot_ask(self) -> bool:
        """The client's transaction has failed and the server answers nothing until it is ended; or it is a walsender."""
        return self.walsender or (self.own.relay.status == b"E" and not self.own.relay.executes)

    async def explain(self, text: str, target: Span) -> list[str]:
        """The lines that ``EXPLAIN <ddl>`` answers: what would be done about the statement at ``target``."""
        from proxy.render.plans import plan_lines

        relay = self.own.relay
        in_transaction = relay.status == b"T"
        policy = self.policy()
        lines: list[str] = []
        for statement in await aside.statements(target.of(text), Reading.of(relay.parameters)):
            facts = await self._facts(statement, in_transaction)
            verdict = decide(statement, facts, policy)
            lines += plan_lines(statement, verdict, effect(statement, facts))
        return lines

    # ------------------------------------------------ facts and verdicts

    async def _examine(self, statements: Sequence[Statement], in_transaction: bool, policy: Policy) -> list[Case]:
        cases: list[Case] = []
        earlier: list[Statement] = []  # those of this text that change what names mean: they have not run yet
        held: tuple[Held, ...] | None = None  # by the transaction once the text has come so far; None: as asked
        pending = await self._pending() if any(matters(s.node) for s in statements) else []
        for statement in statements:
            if not matters(statement.node):
                if isinstance(statement.node, SetVariable):
                    earlier.append(statement)
                if isinstance(statement.node, Transaction) and statement.node.kind in ("COMMIT", "ROLLBACK"):
                    held = ()
                continue
            if opinions.isEnabledFor(logging.WARNING) and (other := disagreement(statement)) is not None:
                opinions.warning("%s: %s: %s", self.who.label, other, redact(statement.sql, literals=True))
            facts = await self._facts(statement, in_transaction)
            for one in earlier:
                facts = after(one, facts)
            earlier.append(statement)
            if held is not None:
                facts = replace(facts, held=held)
            length = statement.span.end - statement.span.start
            facts = with_pending(facts, pending)
            verdict = await aside.call(length, decide, statement, facts, policy)
            found = await aside.call(length, effect, statement, facts)
            scs = Reading.of(self.own.relay.parameters).standard_conforming_strings
            case = Case(statement, facts, verdict, found, standard_conforming_strings=scs)
            cases.append(case)
            if pending:
                self._depend(case, pending)
            deferred = case.verdict.plan if case.verdict.action is Action.DEFER else None
            held = holding(statement, facts, deferred) if len(statements) > 1 else None
            if case.verdict.action is Action.DEFER and case.verdict.plan is not None:
                tables = tuple(changed_tables(case))
                pending.append(Pending(statement.sql, case.verdict.plan.later, tables, case.verdict.plan.give_up))
        return cases

    async def _failed_jobs(self, policy: Policy) -> list[Job]:
        """Jobs of earlier migrations that have failed; asked once, unless they are in the way."""
        asked = self.has_asked and policy.jobs.on_failed_job is not Action.REJECT
        if asked or policy.jobs.on_failed_job is Action.ALLOW or self._cannot_ask:
            return []
        self.has_asked = True
        try:
            return [job for job in await jobs.unfinished(self.own) if job.state == "failed"]
        except JobsUnusable as error:
            log.warning("%s: jobs cannot be read: %s", self.who.label, error)
            return []

    async def _pending(self) -> list[Pending]:
        """What waits for the COMMIT of the transaction that is open."""
        if not self.has_deferred() or self._cannot_ask:
            return []
        found = await jobs.of_session(self.own, self.token)
        return [Pending(job.statement, job.steps, job.tables, job.give_up, job.id) for job in found]

    def _depend(self, case: Case, pending: list[Pending]) -> None:
        """What becomes of a case while something waits that it may be about."""
        match dependent(case.statement, case.facts, case.verdict, pending):
            case Verdict() as verdict:
                case.verdict = verdict
            case GivesUp() | Refused() as answer:
                case.dependent = answer
            case None:
                pass
        if name := taken(case.statement, pending):
            case.dependent = Taken(name)
        drops = {name for one in pending for name in one.drops}
        case.freed = bool(drops & words(case.statement.sql))

    async def _facts(self, statement: Statement, in_transaction: bool) -> Facts:
        """Raises ServerError if asking failed inside the client's transaction, which is then in the failed state."""
        request = lookup.request(statement, in_transaction=in_transaction)
        now = datetime.now(UTC)
        version = version_number(self.own.relay.parameters.get("server_version", ""))
        tool = self.who.tool or ""
        unknown = Facts(server_version=version, live=True, now=now, tool=tool, in_transaction=in_transaction)
        if self._cannot_ask:
            return unknown
        try:
            rows = await self.own.fetch(request.sql, request.parameter)
            facts = lookup.decode((rows[0][0] or b"").decode(), request, now=now, in_transaction=in_transaction)
            facts = replace(facts, tool=tool)
        except (ServerError, UnreadableAnswer) as error:
            if self.own.relay.skipping or self.own.relay.status == b"E":
                raise
            if isinstance(error, ServerError) and error.sqlstate == QUERY_CANCELED:
                raise  # the client's own cancel request, or its statement_timeout
            log.warning("facts could not be read (%s); nothing is taken for safe", error)
            facts = unknown
        self.client_min_messages = (
            facts.settings["client_min_messages"].value if "client_min_messages" in facts.settings else "notice"
        )
        return facts

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
        rejected = next((c for c in cases if c.verdict.action is Action.REJECT), None)
        doubtful = rejected or next((c for c in cases if c.verdict.action is Action.WARN), None)
        if doubtful is not None and (syntax := await self._unreadable_for_all(doubtful, simple=simple)) is not None:
            return await self._syntax_error(doubtful, syntax)
        if refused := next((c for c in cases if isinstance(c.dependent, Refused | Taken)), None):
            return await self._refuse_dependent(refused, cases, simple=simple)
        if rejected is not None:
            return await self._reject(rejected, cases, len(statements), simple=simple)
        if policy.mode == "enforce" and (failed := await self._failed_jobs(policy)):
            if policy.jobs.on_failed_job is Action.REJECT:
                return await self._refuse(answers.unfinished(failed, severity="ERROR"), simple=simple)
            self._tell(answers.unfinished_notice(failed), "warning")
        case = cases[0]
        alone = alone and len(cases) == 1
        if any(c.dependent is not None for c in cases):
            return await self._give_up(cases, statements, simple=simple, in_block=in_block)
        deferred = [c for c in cases if c.verdict.action is Action.DEFER]
        if deferred and case.facts.read_only:
            return Outcome.PASS  # Postgres refuses it
        if deferred and self.walsender:
            return await self._reject_unwritten(deferred[0], JobsUnusable(*IN_WALSENDER), simple=simple)
        if policy.mode == "observe":
            return await self._let_pass(case, alone=alone, simple=simple)
        for warned in cases:
            for warning in answers.warnings(warned.verdict):
                self._tell(warning, "warning")
        if policy.mode == "warn" or self.walsender:
            return await self._let_pass(case, alone=alone, simple=simple)
        if alone and builds(case):
            await self.let_go()
        if alone:
            plan = case.verdict.plan if case.verdict.action is Action.REWRITE else patient_plan(case)
            if plan is None:
                return await self._let_pass(case, alone=alone, simple=simple)
            return await self._run(case, plan, policy, simple=simple)
        if deferred and len(statements) == 1:
            return await self._defer(case, policy, simple=simple, in_block=in_block)
        if len(statements) == 1:
            step = patient_step(case)
            if step is None:
                return Outcome.PASS
            return await self._run_inside(case, step, policy, simple=simple, in_block=in_block)
        return await self._forward(cases, statements, policy, text, in_block=in_block)

    async def _let_pass(self, case: Case, *, alone: bool, simple: bool) -> Outcome:
        """PASS, but for what Postgres refuses after another statement of the same pipeline: ours, that asked for the facts.

        Such a statement is run here, after the end of that pipeline, and as it would have been: settings are the client's.
        """
        if not (alone and self.own.relay.pipeline_open and stands_alone(case.statement.node)):
            return Outcome.PASS
        self.own.on_notice = lambda body: self.client.write(Message(ord("N"), body).raw)
        try:
            await self.own.sync()
            reply = (await self.own.run([(case.statement.sql, ())]))[0]
        except ServerError as error:
            case.outcome, case.sqlstate = "failed", error.sqlstate
            await self.fail(moved(error.fields, case.statement), simple=simple)
            return Outcome.ANSWERED
        case.outcome = "done"
        await self._answer_done(reply.tag, simple)
        return Outcome.ANSWERED

    async def _run(self, case: Case, plan: Plan, policy: Policy, *, simple: bool) -> Outcome:
        """A plan in autocommit.  A pipeline that has executed nothing yet is ended first: nothing of it is lost."""
        rewritten = case.verdict.action is Action.REWRITE
        begun = time.monotonic()
        try:
            await self.own.sync()
            if rewritten:
                async with turn(self.own, changed_tables(case), self.cancelled, self.say):
                    runner = await self._run_in_turn(case, policy)
            else:
                runner = self._runner(case, policy)
                await runner.run(plan, as_written=True)
        except (PlanFailed, ServerError) as failed:
            fields = failed.error if isinstance(failed, PlanFailed) else failed.fields
            case.outcome, case.sqlstate = "failed", fields.get("C", "")
            if isinstance(failed, PlanFailed) and failed.left:
                fields["H"] = "\n".join(
                    ["Interlock could not take everything back; run by hand:", *(f"  {sql};" for sql in failed.left)]
                )
            await self.fail(moved(fields, case.statement), simple=simple)
            return Outcome.ANSWERED
        if case.verdict.action is Action.REJECT:
            return await self._reject(case, [case], 1, simple=simple)
        case.outcome = "done"
        if case.verdict.action is Action.REWRITE:
            self.say_done(time.monotonic() - begun, max((r.blocked_ms for r in runner.results), default=0.0))
            await self._answer_done(case.statement.node.kind.encode(), simple)
        else:
            await self._answer_done(runner.tag, simple)
        return Outcome.ANSWERED

    async def _run_in_turn(self, case: Case, policy: Policy) -> Runner:
        """The plan for what the table is like now, since another session may have had its turn in between."""
        again = (await self._examine([case.statement], False, policy))[0]
        case.facts, case.verdict, case.effect = again.facts, again.verdict, again.effect
        runner = self._runner(case, policy)
        if case.verdict.plan is not None:
            await runner.run(case.verdict.plan)
        elif case.verdict.action is not Action.REJECT:
            await runner.run(patient_plan(case) or as_it_is(case), as_written=True)
        return runner

    async def _run_inside(self, case: Case, step: Step, policy: Policy, *, simple: bool, in_block: bool) -> Outcome:
        """One statement in the client's transaction, with little patience for its lock."""
        runner = self._runner(case, policy, inside=True)
        try:
            if in_block:
                await self.own.sync()  # ends nothing in a block, and an error of ours does not make the server skip
            await run_inside(runner, step, savepoint=in_block)
            if simple:
                await self.own.sync()  # a Query commits what was executed before it without a Sync
        except (PlanFailed, ServerError) as failed:
            fields = failed.error if isinstance(failed, PlanFailed) else failed.fields
            case.outcome, case.sqlstate = "failed", fields.get("C", "")
            await self.fail(moved(fields, case.statement), simple=simple)
            return Outcome.ANSWERED
        case.outcome = "done"
        await self._answer_done(runner.tag, simple)
        return Outcome.ANSWERED

    async def _defer(self, case: Case, policy: Policy, *, simple: bool, in_block: bool) -> Outcome:
        """One statement in the client's transaction: what is short now, and a note of what is to come after COMMIT."""
        assert case.verdict.plan is not None
        runner = self._runner(case, policy, inside=True)
        try:
            if in_block:
                await self.own.sync()  # ends nothing in a block, and an error of ours does not make the server skip
            await jobs.prepare(self.own, self.cancelled)
            for sql in looks(case, policy):
                await self.own.run([(sql, ())])
            for step in case.verdict.plan.now:
                await run_inside(runner, step, savepoint=in_block)
            for sql in () if case.freed else rehearsals(case.statement, case.facts):
                await self.own.run([(sql, ())])
            await jobs.add(self.own, new_job(case, self.who, self.token))
            if simple:
                await self.own.sync()  # a Query commits what was executed before it without a Sync
        except JobsUnusable as error:
            return await self._reject_unwritten(case, error, simple=simple)
        except (PlanFailed, ServerError) as failed:
            fields = failed.error if isinstance(failed, PlanFailed) else as_raised(failed.fields, case)
            case.outcome, case.sqlstate = "failed", fields.get("C", "")
            await self.fail(moved(fields, case.statement), simple=simple)
            return Outcome.ANSWERED
        case.outcome = "deferred"
        self.on_deferred()
        self.say(waits(case))
        await self._answer_done(case.statement.node.kind.encode(), simple)
        return Outcome.ANSWERED

    async def _give_up(
        self, cases: list[Case], statements: Sequence[Statement], *, simple: bool, in_block: bool
    ) -> Outcome:
        """A statement that takes back what waits."""
        case = next(c for c in cases if isinstance(c.dependent, GivesUp))
        given = case.dependent
        assert isinstance(given, GivesUp)
        if len(statements) > 1:
            return await self._refuse_dependent(case, cases, simple=simple)
        try:
            if in_block:
                await self.own.sync()
            for job in given.jobs:
                await jobs.remove(self.own, job)
            for sql in (*given.run, *((case.statement.sql,) if given.as_written else ())):
                await self.own.run([(sql, ())], notices=False)
            if simple:
                await self.own.sync()
        except ServerError as error:
            case.outcome, case.sqlstate = "failed", error.sqlstate
            await self.fail(moved(error.fields, case.statement), simple=simple)
            return Outcome.ANSWERED
        case.outcome = "done"
        self.say("taken back: what it is about had been waiting for COMMIT")
        await self._answer_done(case.statement.node.kind.encode(), simple)
        return Outcome.ANSWERED

    async def _refuse_dependent(self, case: Case, cases: list[Case], *, simple: bool) -> Outcome:
        fields = answers.dependent(case.statement, case.dependent)
        for other in cases:
            other.outcome = "rejected" if other is case else "not run"
        case.sqlstate = fields["C"]
        await self.fail(fields, simple=simple, reason="it is about what waits for COMMIT")
        return Outcome.ANSWERED

    async def _forward(
        self, cases: list[Case], statements: Sequence[Statement], policy: Policy, text: str, *, in_block: bool
    ) -> Outcome:
        """A Query of several statements, as it is but for those of which something is deferred.

        No lock in it waits in a queue for longer than the policy says, as far as that can be seen to.
        """
        deferred = [case for case in cases if case.verdict.action is Action.DEFER]
        # A COPY wants to talk to the client; what a BEGIN or SET in it leaves behind we could not put back.
        talks = any(s.node.kind == "COPY" for s in statements)
        elsewhere = any(s.text != text for s in statements)  # what EXECUTE runs stands in another text
        if deferred and (talks or elsewhere or self._cannot_ask):
            why = JobsUnusable(*(BESIDE_COPY if talks else BESIDE_EXECUTE if elsewhere else BEHIND_ROLLBACK))
            return await self._reject_unwritten(deferred[0], why, simple=True)
        setting = cases[0].facts.settings.get("lock_timeout")
        patient = not (
            talks
            or elsewhere
            or any(isinstance(s.node, SetVariable | Transaction) for s in statements)
            or all(patient_step(case) is None and case.verdict.plan is None for case in cases)
            or setting is None
            or (setting.by_client and setting.value != "0")
        )
        if not (patient or deferred):
            return Outcome.PASS
        string = InSteps(cases, statements, self.who, self.token, policy)
        try:
            if deferred:
                await self._prepare_jobs(in_block=in_block)
                self.on_deferred()
        except JobsUnusable as error:
            return await self._reject_unwritten(deferred[0], error, simple=True)
        except ServerError as error:
            await self.fail(error.fields, simple=True)
            return Outcome.ANSWERED
        ours: list[list[bytes | None]] = []
        if patient:
            await self.own.set("lock_timeout", f"{policy.locks.timeout.ms}ms", local=in_block)
            ours = await self.own.fetch("SHOW lock_timeout")
        raw = messages.query(Reading.of(self.own.relay.parameters).encode(string.text))
        await self.own.forward(raw, self.client, string.reword, string.retag)
        for case in cases:
            case.outcome = "failed" if case.sqlstate else "deferred" if case in deferred else "done"
        # What is no longer ours the string itself has set, by set_config.
        if patient and self.own.relay.status != b"E" and await self.own.fetch("SHOW lock_timeout") == ours:
            local = in_block and self.own.relay.status == b"T"
            await self.own.run([as_before("lock_timeout", setting, local=local)])
        for case in deferred:
            if not case.sqlstate and self.own.relay.status != b"E":
                self.say(waits(case))
        await self._ready()
        return Outcome.ANSWERED

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

    async def _reject_unwritten(self, case: Case, error: JobsUnusable, *, simple: bool) -> Outcome:
        """What must wait for COMMIT cannot be written down."""
        case.outcome, case.sqlstate = "rejected", answers.REJECTED
        return await self._refuse(answers.unwritten(case.verdict, error), simple=simple)

    def _runner(self, case: Case, policy: Policy, *, inside: bool = False) -> Runner:
        self.own.on_notice = lambda body: self.client.write(Message(ord("N"), body).raw)
        runner = Runner(self.own, budget(policy, inside=inside), case.facts, self.say, self.cancelled)
        case.steps = runner.results
        return runner

    # ------------------------------------------------ refusing

    async def _unreadable_for_all(self, case: Case, *, simple: bool) -> dict[str, str] | None:
        """The server's own error, if it cannot read either what we cannot: a typing error, and no way around us.

        The server's raw parser is asked by a Parse of our own.  A transaction fails with that, as it would have.
        """
        if not isinstance(case.statement.node, Unreadable) or not simple or self.walsender:
            return None  # in the extended protocol the client's own Parse has let it pass
        try:
            await self.own.parse_only(case.statement.sql)
        except ServerError as error:
            # Several commands in one Parse give the same SQLSTATE, but that the server could read them.
            return error.fields if error.fields.get("R") != "exec_parse_message" else None
        return None

    async def _syntax_error(self, case: Case, fields: dict[str, str]) -> Outcome:
        case.outcome, case.sqlstate = "failed", fields.get("C", "")
        await self.fail(moved(fields, case.statement), simple=True)
        return Outcome.ANSWERED

    async def _reject(self, case: Case, cases: list[Case], of: int, *, simple: bool) -> Outcome:
        fields = answers.rejection(
            case.statement,
            case.verdict,
            tool=self.who.tool,
            in_transaction=case.facts.in_transaction and not self.walsender,
            of=of,
        )
        for other in cases:
            other.outcome = "rejected" if other is case else "not run"
        case.sqlstate = fields["C"]
        return await self._refuse(fields, simple=simple)

    async def _refuse(self, fields: dict[str, str], *, simple: bool) -> Outcome:
        """Nothing of the client's text runs; where a transaction or pipeline is open it fails, and truly."""
        await self.fail(fields, simple=simple, reason=f"rejected by rule {fields['R']}")
        return Outcome.ANSWERED

    # ------------------------------------------------ answering

    def say(self, text: str) -> None:
        log.info("%s: %s", self.who.label, text)
        self._tell(answers.notice(text), "notice")

    def _tell(self, notice: bytes, severity: str) -> None:
        if answers.hears(self.client_min_messages, severity):
            self.client.write(notice)

    def say_done(self, seconds: float, blocked_ms: float) -> None:
        blocked = (
            f"the application was blocked for at most {blocked_ms:.0f} ms" if blocked_ms else "nothing was blocked"
        )
        self.say(f"done in {readable(seconds)}; {blocked}")

    async def _answer_done(self, tag: bytes, simple: bool) -> None:
        self.client.write(messages.command_complete(tag))
        if simple:
            await self._ready()

    async def _answer_error(self, fields: dict[str, str], simple: bool) -> None:
        self.client.write(messages.error_response(fields))
        if simple:
            await self._ready()

    async def _ready(self) -> None:
        """The answer to a Query is complete."""
        if self.own.relay.status == b"I":
            self.client.write(await self.at_rest())
        self.client.write(messages.ready_for_query(self.own.relay.status))

    async def fail(self, fields: dict[str, str], *, simple: bool, reason: str = "the statement failed") -> None:
        """Answer with an error, and bring the server, whatever it knows of it, into the state that follows one.

        A transaction or pipeline that is open has failed; in the extended protocol it skips to Sync, after a Query not.
        """
        relay = self.own.relay
        if simple and relay.skipping:
            await self.own.sync()
        elif (relay.status == b"T" or relay.executes) if simple else not relay.skipping:
            await self.own.fail(reason, simple=simple)
        await self._answer_error(fields, simple)


__all__ = ["ConnectionLost", "Guard", "Outcome"]
