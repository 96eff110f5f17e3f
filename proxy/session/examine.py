"""What a text is about and what is to become of it: its statements, the facts of each, the verdict."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from proxy.audit.redact import redact
from proxy.catalog import lookup
from proxy.catalog.after import after
from proxy.catalog.answer import UnreadableAnswer
from proxy.catalog.effect import effect
from proxy.catalog.facts import Facts, Held, Setting
from proxy.catalog.held import holding
from proxy.plans.default_names import spelt_out
from proxy.policy.decide import decide
from proxy.policy.load import Policy
from proxy.policy.said import Said
from proxy.policy.verdict import Action, Verdict
from proxy.run.connection import Connection, ServerError
from proxy.run.errors import QUERY_CANCELED
from proxy.run.kept import Kept
from proxy.session import aside, many
from proxy.session.case import Case, changed_tables, is_refused_read_only, version_number
from proxy.session.dependents import GivesUp, Refused, dependent, needs_own_key
from proxy.session.gone import SET_CONSTRAINTS, coming, foreseen, renames_tables, without
from proxy.session.ledger import Who
from proxy.session.pending import Pending
from proxy.session.reading import Reading
from proxy.session.rehearsing import rehearse
from proxy.session.routines import Functions, Routines
from proxy.session.unfilled import reads_unfilled
from proxy.session.voice import Voice
from proxy.session.with_pending import with_pending
from proxy.sql.gate import may_change_many
from proxy.sql.inside import moves_path
from proxy.sql.interest import is_decided_about, matters
from proxy.sql.opinion import disagreement
from proxy.sql.statements import (
    AlterTable,
    CreateIndex,
    CreateTable,
    CreateTableAs,
    ExecutePrepared,
    SetVariable,
    Span,
    Statement,
    Transaction,
)

log = logging.getLogger("interlock")
opinions = logging.getLogger("interlock.opinion")
if opinions.level == logging.NOTSET:  # serve --cross-check has not turned it on
    opinions.setLevel(logging.CRITICAL)


class Examiner:
    """Examines for one client.  ``pending`` gives what waits for the COMMIT of its transaction.

    ``walsender``: there the server takes no extended protocol, so that nothing can be asked.
    """

    def __init__(
        self,
        own: Connection,
        who: Who,
        voice: Voice,
        policy: Callable[[], Policy],
        pending: Callable[[], Awaitable[list[Pending]]],
    ) -> None:
        self.own = own
        self.who = who
        self.voice = voice
        self.policy = policy
        self.pending = pending
        self.kept = Kept(own)
        self.keeps = False  # a transaction block is open: the next statement may be one of ours, too
        self.routines = Routines(own, policy, lambda: self.cannot_ask)
        self.walsender = False
        self.waits: Callable[[], bool] = lambda: False  # whether anything may wait for COMMIT
        self.unfilled: frozenset[bytes] = frozenset()  # in lower case, columns that have no values before COMMIT
        self._known: Policy | None = None  # of which the next two are
        self._functions: Functions = "session"
        self._batches = False

    def mentioned(self, sql: bytes) -> bool:
        """Whether a text that the gate lets past must be read.  Asked about every one, so what the policy says is looked up once."""
        policy = self.policy()
        if policy is not self._known:
            self._known, self._functions, self._batches = policy, policy.routines.functions, many.wanted(policy)
        if self.unfilled and any(name in sql.lower() for name in self.unfilled):
            return True
        return self.routines.mentioned(sql, self._functions) or (self._batches and may_change_many(sql))

    def awaited(self, sql: bytes) -> bool:
        """Whether a text that is no DDL may be about what waits for COMMIT."""
        return self.waits() and b"constraints" in sql.lower()

    async def resolved(self, text: str, prepared: bool) -> tuple[Statement, ...]:
        """The statements of a text; EXECUTE of a protocol-level statement gives way to what it runs.

        What PREPARE in the same text prepares is no DDL: only a protocol-level Parse takes that.
        """
        reading = Reading.of(self.own.relay.parameters)
        found: list[Statement] = []
        for statement in await aside.statements(text, reading):
            if not isinstance(statement.node, ExecutePrepared):
                found.append(statement)
            elif prepared and not self.cannot_ask:
                sql = await self.own.prepared(reading.encode(statement.node.name))
                inner = reading.decode(sql) if sql is not None else None
                found += await aside.statements(inner, reading) if inner is not None else (statement,)
            else:
                found.append(statement)
        return tuple(found)

    @property
    def cannot_ask(self) -> bool:
        """The client's transaction has failed and the server answers nothing until it is ended; or it is a walsender."""
        return self.walsender or (self.own.relay.status == b"E" and not self.own.relay.executes)

    async def explain(self, text: str, target: Span) -> list[str]:
        """The lines that ``EXPLAIN <ddl>`` answers: what would be done about the statement at ``target``."""
        from proxy.render.plans import plan_lines

        relay = self.own.relay
        in_transaction = relay.status == b"T"
        policy = self.policy()
        lines: list[str] = []
        read = await aside.statements(target.of(text), Reading.of(relay.parameters))
        for statement, routines in await self.routines.opened(read):
            facts = replace(await self._facts(statement, in_transaction, policy), routines=routines)
            verdict = decide(statement, facts, policy)
            lines += plan_lines(statement, verdict, effect(statement, facts))
        return lines

    async def examine(
        self,
        statements: Sequence[Statement],
        in_transaction: bool,
        policy: Policy,
        behind: Callable[[Facts], Facts] | None = None,
    ) -> list[Case]:
        """A case for each statement of a text that is decided about, as it will meet what those before it have changed.

        ``behind``: the facts as something leaves them that will have been run before it.  Raises ServerError if asking failed inside the client's transaction, which is then in the failed state.
        """
        cases: list[Case] = []
        earlier: list[Statement] = []  # those of this text that change what names mean: they have not run yet
        held: tuple[Held, ...] | None = None  # by the transaction once the text has come so far; None: as asked
        may = any(matters(s.node) or s.node.kind == SET_CONSTRAINTS for s in statements) or bool(self.unfilled)
        ask = may and not self.cannot_ask
        pending = await self.pending() if ask and in_transaction else []
        in_block = self.own.relay.status != b"I"
        passed: list[Statement] = []  # those of this text before
        temporary: set[str] = set()  # tables that the text makes
        read_only = False  # the text has just begun such a transaction
        made_anew = False  # what a table's name means may have changed since the facts were asked
        for statement, routines in await self.routines.opened(statements):
            passed.append(statement)
            batched = not in_transaction and many.wanted(policy) and many.change(statement) is not None
            unfilled = reads_unfilled(statement, pending)
            if not (batched or unfilled or coming(statement, pending) or is_decided_about(statement)):
                if isinstance(statement.node, SetVariable):
                    earlier.append(statement)
                elif moves_path(statement):
                    earlier.append(replace(statement, node=SetVariable("search_path")))
                elif statement.node.kind in ("CREATE VIEW", "CREATE SEQUENCE"):  # the name is taken from then on
                    earlier.append(statement)
                if isinstance(statement.node, Transaction) and statement.node.kind in ("COMMIT", "ROLLBACK"):
                    held = ()
                read_only = _is_read_only(statement, before=read_only)
                continue
            if opinions.isEnabledFor(logging.WARNING) and (other := disagreement(statement)) is not None:
                opinions.warning("%s: %s: %s", self.who.label, other, redact(statement.sql, literals=True))
            facts = replace(await self._facts(statement, in_transaction, policy, keep=self.keeps), routines=routines)
            if batched and not self.cannot_ask:
                facts = await many.estimated(self.own, statement, facts)
            now = facts.held
            if behind is not None:
                facts = behind(facts)
            for one in earlier:
                facts = after(one, facts)
            if len(passed) > 1:
                facts = replace(facts, allow=_said(passed[:-1], facts, in_block=in_block))
            if held is not None:
                facts = replace(facts, held=held)
            length = statement.span.end - statement.span.start
            facts = with_pending(facts, pending)
            earlier.append(spelt_out(statement, facts) if len(statements) > 1 else statement)
            if read_only or any(map(_may_end_read_only, passed[:-1])):  # not as it was when the facts were asked
                mode = Setting("on" if read_only else "off", "session")
                facts = replace(facts, settings={**facts.settings, "transaction_read_only": mode})
            verdict = await aside.call(length, decide, statement, facts, policy)
            found = await aside.call(length, effect, statement, facts)
            scs = Reading.of(self.own.relay.parameters).standard_conforming_strings
            case = Case(statement, facts, verdict, found, standard_conforming_strings=scs)
            case.made_anew = made_anew
            case.held = now if behind is not None else None
            if read_only and verdict.action is Action.DEFER and is_refused_read_only(statement):
                case.verdict = replace(verdict, action=Action.ALLOW, plan=None)
            read_only = False
            match statement.node:
                case CreateTable(relation=name, temporary=True) | CreateTableAs(relation=name, temporary=True):
                    temporary.add(name.name)
                case AlterTable(relation=name) | CreateIndex(relation=name):
                    case.hidden = name.schema is None and name.name in temporary
                case _:
                    pass
            cases.append(case)
            if pending:
                self._depend(case, pending)
            case.dependent = case.dependent or unfilled or needs_own_key(statement, facts, case.verdict)
            rehearse(case, pending)
            pending = without(pending, statement, facts)
            deferred = case.verdict.plan if case.verdict.action is Action.DEFER else None
            made_anew = made_anew or (deferred is None and renames_tables(statement))  # an index that waits is none
            held = holding(statement, facts, deferred) if len(statements) > 1 else None
            if case.verdict.action is Action.DEFER and case.verdict.plan is not None and case.verdict.plan.later:
                tables = tuple(changed_tables(case))
                pending.append(Pending(statement.sql, case.verdict.plan.later, tables, case.verdict.plan.give_up))
        return cases

    def _depend(self, case: Case, pending: list[Pending]) -> None:
        """What becomes of a case while something waits that it may be about."""
        if case.verdict.action is Action.REJECT or any(one.left for one in pending):
            case.beside = any(one.touches(case.statement, case.facts) for one in pending)
        case.foreseen = foreseen(case.statement, case.facts, pending)
        if case.foreseen is not None:
            case.verdict = replace(case.verdict, action=Action.ALLOW, plan=None)
            return
        match dependent(case.statement, case.facts, case.verdict, pending):
            case Verdict() as verdict:
                case.verdict, case.beside = verdict, True
            case GivesUp() | Refused() as answer:
                case.dependent = answer
            case None:
                pass

    async def foresee(self) -> None:
        """Before a lock is taken for which others will wait: have planned what will be asked behind it.  Raises as ``_facts``."""
        if self.keeps and not self.cannot_ask:
            await self.kept.plan(*(question.sql for question in lookup.LIKELY))

    async def _facts(self, statement: Statement, in_transaction: bool, policy: Policy, *, keep: bool = False) -> Facts:
        """``keep`` how to ask.  Raises ServerError if asking failed inside the client's transaction, which is then in the failed state."""
        asked = lookup.request(statement, in_transaction=in_transaction, roles=policy.asks_roles)
        if keep:
            asked = asked.kept(written=self.kept.has(lookup.LIKELY[1].sql))
        now = datetime.now(UTC)
        version = version_number(self.own.relay.parameters.get("server_version", ""))
        tool = self.who.tool or ""
        unknown = Facts(server_version=version, live=True, now=now, tool=tool, in_transaction=in_transaction)
        if self.cannot_ask:
            return unknown
        try:
            further: lookup.Request | None = asked
            while further is not None:
                if keep:
                    row = await self.kept.fetch_row(further.sql, further.parameter)
                else:
                    row = await self.own.ask(further)
                facts = lookup.decode((row[0] or b"").decode(), further, now=now, in_transaction=in_transaction)
                further = lookup.more(further, statement, facts)
            facts = replace(facts, tool=tool)
        except (ServerError, UnreadableAnswer) as error:
            if self.own.relay.skipping or self.own.relay.status == b"E":
                raise
            if isinstance(error, ServerError) and error.sqlstate == QUERY_CANCELED:
                raise  # the client's own cancel request, or its statement_timeout
            log.warning("facts could not be read (%s); nothing is taken for safe", error)
            facts = unknown
        self.voice.client_min_messages = (
            facts.settings["client_min_messages"].value if "client_min_messages" in facts.settings else "notice"
        )
        return facts


def _said(passed: Sequence[Statement], facts: Facts, *, in_block: bool) -> str:
    """``interlock.allow`` behind these statements, which have not run yet when it is asked for."""
    said = Said.when(facts.allow, in_block=in_block)
    for statement in passed:
        said.follow(statement)
    return said.now


def _may_end_read_only(statement: Statement) -> bool:
    """Whether another transaction may be open behind it, or the same one as it was at a savepoint."""
    return isinstance(statement.node, Transaction) and statement.node.kind not in ("BEGIN", "SAVEPOINT", "RELEASE")


def _is_read_only(statement: Statement, *, before: bool) -> bool:
    """Whether a text has begun a read-only transaction and nothing since could have made another of it: SET TRANSACTION, a function."""
    node = statement.node
    if not isinstance(node, Transaction):
        return False
    return bool(node.read_only) if node.kind == "BEGIN" else before and node.kind == "SAVEPOINT"
