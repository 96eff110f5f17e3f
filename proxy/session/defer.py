"""Statements in a transaction of which a part waits for COMMIT: what is written down, and what the client hears."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.plans.plan import Edit
from proxy.plans.probe import UNDER_LOCK
from proxy.plans.probes import probes
from proxy.plans.rehearsal import position, rehearsals, renamed
from proxy.plans.target import literal
from proxy.policy.load import Policy
from proxy.policy.verdict import Action
from proxy.rules.transaction import BOOKKEEPING
from proxy.run.errors import as_the_authors, is_lock_timeout
from proxy.run.jobs import JobsUnusable, NewJob
from proxy.run.settings import milliseconds, text_as_before
from proxy.run.store import READ_ONLY as CANNOT_WRITE
from proxy.run.words import one_line
from proxy.session import answers
from proxy.session.case import Case, changed_tables, is_refused_read_only, moved
from proxy.session.gone import Fails
from proxy.session.ledger import Who
from proxy.sql import edit
from proxy.sql.statements import Statement, Transaction
from proxy.wire import messages

BESIDE_COPY = (
    "it stands in one query string with a COPY, which talks to the client meanwhile",
    "Send the statements one by one.",
)
IN_WALSENDER = (
    "on a replication connection nothing can be asked or written down",
    "Send it on a connection of the usual kind.",
)
BEHIND_ROLLBACK = (
    "the transaction has failed, and until it is rolled back the server answers nothing",
    "Send ROLLBACK by itself.",
)
BEHIND_READ_ONLY = (
    "the transaction in front of it is READ ONLY, and nothing can be written down before that is over",
    "Send what ends that transaction by itself.",
)
TAKEN_BACK_BEFORE = (
    "interlock.jobs is not there yet, and the ROLLBACK in front of it in the same query string would take it away again",
    "Send the ROLLBACK by itself, or run interlock jobs install once.",
)
BESIDE_EXECUTE = (
    "it stands in one query string with other statements, and is run by EXECUTE",
    "Send the statements one by one.",
)
BEHIND_TEMPORARY = (
    "a temporary table of the same query string has the name of its table",
    "Send the statements one by one, or name the schema.",
)
BEHIND_DROP = (
    "an earlier statement of the same query string drops or renames a table, and IF EXISTS leaves open whether this is about it",
    "Send the statements one by one.",
)


# Behind these the settings are others.
ENDS = frozenset({"COMMIT", "ROLLBACK", "PREPARE TRANSACTION", "SAVEPOINT", "ROLLBACK TO"})
READ_ONLY = "25006"
QUICK_BYTES = 4 << 20  # of a table that is read in some 50 ms
# What it may take at the very most.  On a server whose processors are taken a look needs longer to begin than to read, and one
# that is cancelled while it begins fails, and the migration with it.
QUICKLY_MS = 250
_SAYS = f"BEGIN RAISE NOTICE {literal(UNDER_LOCK)}; END"
_NOT_LOOKED = f"DO LANGUAGE plpgsql {literal(_SAYS)}"
_IS_READ_ONLY = "pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool"
_REFUSES = f"BEGIN IF {_IS_READ_ONLY} THEN RAISE EXCEPTION USING ERRCODE = '{READ_ONLY}'; END IF; END"
_REFUSED_READ_ONLY = f"DO LANGUAGE plpgsql {literal(_REFUSES)}"


def new_job(case: Case, who: Who, token: str) -> NewJob:
    """What is to be written down of a case whose verdict is DEFER."""
    plan = case.verdict.plan
    assert plan is not None
    return NewJob(
        session=token,
        kind=plan.title,
        statement=case.statement.sql,
        steps=plan.later,
        tables=tuple(sorted(changed_tables(case))),
        give_up=plan.give_up,
        client=who.client,
        application=case.facts.application_name,
        tool=who.tool or "",
    )


def puts_off(case: Case) -> bool:
    """Whether a part of it waits for COMMIT: some steps may be taken in the client's transaction one and all."""
    return case.verdict.plan is not None and bool(case.verdict.plan.later)


def writing_ms(case: Case, policy: Policy) -> int:
    """How long a lock on the table of jobs may be waited for: where others wait for this very transaction, not long."""
    keeps_out = any(held.table[1] not in BOOKKEEPING for held in case.facts.locked)
    ours = (policy.locks.timeout if keeps_out else policy.locks.in_transaction.give_up_after).ms
    return min(ours, own_ms(case) or ours)


def own_ms(case: Case) -> int:
    """How long the client has set itself that it waits for a lock; 0 if it has not."""
    setting = case.facts.settings.get("lock_timeout")
    return milliseconds(setting.value) if setting is not None and setting.by_client else 0


def waits(case: Case, *, late: bool = False) -> str:
    """For the client's ears: what comes after COMMIT; ``late``: its short part just before that."""
    plan = case.verdict.plan
    assert plan is not None
    now = "; ".join(one_line(step.sql) for step in plan.now)
    later = "; ".join(one_line(step.sql) for step in plan.later)
    when = "just before COMMIT" if late else "now"
    return f"{when} {now}; after COMMIT {later}" if now else f"after COMMIT {later}"


def looks(case: Case, policy: Policy) -> tuple[str, ...]:
    """Statements that fail if rows are in the way of what waits for COMMIT; they only read, and take no lock that matters.

    But the transaction may keep others out already, and does while they read: then they have no longer than a lock has.
    """
    if policy.jobs.preflight == "off" or case.comes_late:
        return ()
    now = case.verdict.plan is not None and bool(case.verdict.plan.now)
    found = probes(case.statement, case.facts, now=now)
    bound = policy.jobs.preflight_timeout.ms
    if found and any(held.table[1] not in BOOKKEEPING for held in case.facts.locked):
        bound = min(bound, max(QUICKLY_MS, policy.locks.timeout.ms))
        if any(
            r.size_bytes is None or r.size_bytes > QUICK_BYTES
            for r in case.facts.relations.values()
            if r.exists and r.kind in "rp"
        ):
            return (_NOT_LOOKED,)  # it would only add to what the application waits, and find nothing out
    setting = case.facts.settings.get("statement_timeout")
    own = (milliseconds(setting.value) or 0) if setting is not None and setting.by_client else 0
    after = setting.value if setting is not None else "0"
    return tuple(sql for probe in found for sql in probe.within(min(bound, own or bound), after))


def as_raised(fields: dict[str, str], case: Case) -> dict[str, str]:
    """An error of a probe's or a rehearsal's, as the author's own statement would have met it."""
    if "W" not in fields or "inline_code_block" not in fields["W"]:
        return fields
    place = case.behind.position(fields) if case.behind else position(fields, case.statement, case.facts)
    kept = {key: renamed(value, case.facts) for key, value in fields.items() if key not in "pqW"}
    return kept | ({"P": place} if place else {})


def commands(case: Case, who: Who, token: str, policy: Policy) -> tuple[str, ...]:
    """All that is run in the client's transaction for a case whose verdict is DEFER."""
    plan = case.verdict.plan
    assert plan is not None
    now = [sql for step in plan.now for sql in step.statements]
    job = (new_job(case, who, token).sql,) if puts_off(case) else ()
    looked, tried = looks(case, policy), rehearsed(case)
    # What stands in front of it in the string may have made the transaction READ ONLY: Postgres says so before it looks at anything.
    first = (_REFUSED_READ_ONLY,) if (looked or tried) and is_refused_read_only(case.statement) else ()
    return (*first, *looked, *now, *tried, *job)


def rehearsed(case: Case) -> tuple[str, ...]:
    """What fails where the author's statement would fail at once."""
    if case.behind is not None:
        own: tuple[str, ...] = (case.behind.sql,)
    else:
        own = () if case.freed else rehearsals(case.statement, case.facts, case.awaited)
    return (*own, case.keys) if case.keys else own


class InSteps:
    """A query string of several statements, with the deferred ones replaced by what runs now and the note of a job.

    ``text`` is what is sent; every transaction in it waits for a lock no longer than ``timeout_ms``, if that is given.  One Query stays one Query: its implicit transaction, its BEGIN and COMMIT are the server's.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        statements: Sequence[Statement],
        who: Who,
        token: str,
        policy: Policy,
        timeout_ms: int | None = None,
    ) -> None:
        self._cases = cases
        self._timeout_ms = timeout_ms
        self._policy = policy
        self._counts: list[tuple[int, str | None]] = []  # of each statement: commands that are sent for it, and its tag
        self._instead: dict[Edit, Case] = {}  # what is sent in the place of which statement
        edits: list[Edit] = []
        replaced = {
            case.statement.span: case
            for case in cases
            if case.verdict.action is Action.DEFER or case.foreseen is not None
        }
        timed = timeout_ms is None  # whether what comes next waits for no longer than that
        for statement in statements:
            case = replaced.get(statement.span)
            node = statement.node
            ahead = 0
            at = statement.span.start
            if isinstance(node, Transaction):
                if (
                    timeout_ms is not None and timed and node.kind == "SAVEPOINT"
                ):  # who goes back to it has none of ours
                    before = text_as_before("lock_timeout", cases[0].facts.settings.get("lock_timeout"))
                    edits.append(Edit(at, at, f"{before};"))
                    ahead = 1
                timed = timed and (timeout_ms is None or node.kind not in ENDS)
            elif not timed:
                timed, ahead = True, 1
                edits.append(Edit(at, at, f"SET LOCAL lock_timeout TO {timeout_ms};"))
            if case is None or (case.verdict.plan is None and case.foreseen is None):
                self._counts.append((1 + ahead, None))
                continue
            parts = (case.foreseen.sql,) if case.foreseen is not None else commands(case, who, token, policy)
            edits.append(Edit(statement.span.start, statement.span.end, "\n;".join(parts) + "\n"))
            self._instead[edits[-1]] = case
            self._counts.append((len(parts) + ahead, case.statement.node.kind))
        self._edits = tuple(edits)
        self.text = edit.apply(statements[0].text, edits)

    def retag(self, raw: bytes) -> bytes:
        """What the client gets for a CommandComplete: the author's own tag once all that was sent for it is done."""
        if not self._counts:
            return raw
        left, tag = self._counts[0]
        if left > 1:
            self._counts[0] = (left - 1, tag)
            return b""
        del self._counts[0]
        return raw if tag is None else messages.command_complete(tag.encode())

    def reword(self, fields: dict[str, str]) -> dict[str, str]:
        for case in self._cases:
            case.outcome, case.sqlstate = "failed", fields.get("C", "")
        if fields.get("C") == READ_ONLY and self._counts and (kind := self._counts[0][1]) is not None:
            allowed = [
                c for c in self._cases if c.statement.node.kind == kind and not is_refused_read_only(c.statement)
            ]
            if allowed:  # Postgres runs it there; what cannot be written is our note of it
                error, verdict = JobsUnusable(*CANNOT_WRITE), allowed[0].verdict
                return answers.unwritten(
                    verdict, error, way_out=answers.way_out(verdict, allowed[0].facts, self._policy)
                )
            return {
                "S": fields["S"],
                "V": "ERROR",
                "C": READ_ONLY,
                "M": f"cannot execute {kind} in a read-only transaction",
            }
        if (foretold := self._foreseen(fields)) is not None:
            return foretold
        fields = self._as_raised(fields)
        for step in (step for case in self._cases if case.verdict.plan is not None for step in case.verdict.plan.now):
            fields = as_the_authors(fields, step)
        if fields.get("P", "").isdigit() and self._edits:
            place = edit.original_position(int(fields["P"]), self._edits) or self._in_a_step(int(fields["P"]))
            fields = {k: v for k, v in fields.items() if k != "P"} | ({"P": str(place)} if place else {})
        if "p" in fields:  # counted in the author's text already
            fields = {**fields, "P": fields["p"]}
            del fields["p"]
        if self._timeout_ms is None or not is_lock_timeout(fields):
            return fields
        return {
            **fields,
            "C": "IL004",
            "H": "Interlock sends a query of several statements again, but not once a part of it has been committed, has"
            f" changed rows or was answered: then it queues for a lock no longer than locks.timeout ({self._policy.locks.timeout})."
            " Send the statements one by one and it waits patiently for each.",
        }

    def _in_a_step(self, position: int) -> int | None:
        """Where the author wrote what stands at ``position``, in the text of a step that is run in the place of a statement."""
        shift = 0  # how much longer the text is, up to here
        for one in self._edits:
            offset = position - 1 - one.start - shift
            case = self._instead.get(one)
            plan = case.verdict.plan if case is not None else None
            for step in plan.now if plan is not None else ():
                at = one.text.find(step.sql)
                if case is not None and 0 <= at <= offset < at + len(step.sql):
                    place = edit.original_position(offset - at + 1, step.edits)
                    return None if place is None else place + case.statement.span.start
            shift += len(one.text) - (one.end - one.start)
        return None

    def _foreseen(self, fields: dict[str, str]) -> dict[str, str] | None:
        """The error of a statement that was replaced by one that fails as it would have."""
        for case in self._cases:
            if isinstance(case.foreseen, Fails) and case.foreseen.message == fields.get("M"):
                return moved({**fields, **case.foreseen.fields}, case.statement)
        return None

    def _as_raised(self, fields: dict[str, str]) -> dict[str, str]:
        """The error of a rehearsal of one of them: which, the text of its query tells."""
        for case in self._cases:
            raised = as_raised(fields, case)
            if "P" in raised and "P" not in fields:
                place = int(raised["P"]) + case.statement.span.start
                return {key: value for key, value in raised.items() if key != "P"} | {"p": str(place)}
        return as_raised(fields, self._cases[0])
