"""The words that the client gets for a verdict.

Most tools show nothing but MESSAGE, and nearly all show both lines of it: the first says what would be
blocked and by which rule, the second what to do.  SQLSTATEs are of a private class (IL…), since tools
retry or misread the usual ones.

Source: Postgres docs, "Error and Notice Message Fields" (53.8); "Error Message Style Guide" (54.3).
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy import tools
from proxy.catalog.facts import Facts
from proxy.policy import allow
from proxy.policy.decide import NOT_IN_TRANSACTION
from proxy.policy.load import Policy
from proxy.policy.verdict import Action, Decided, Verdict
from proxy.run.bounded import IS_LOCKED
from proxy.run.errors import PlanFailed
from proxy.run.jobs import Job, JobsUnusable
from proxy.session.dependents import GivesUp, Refused
from proxy.sql.statements import Statement, Unreadable

REJECTED = "IL001"
UNREADABLE = "IL002"
JOB_FAILED = "IL003"
LOCKED = "IL004"
LONGEST = 400  # letters of a hint that stand in MESSAGE, too

SEVERITIES = ("debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "info", "notice", "warning", "error")


def notice(text: str, *, severity: str = "NOTICE", detail: str = "", hint: str = "") -> dict[str, str]:
    """The fields of a notice of ours."""
    fields = {
        "S": severity,
        "V": severity,
        "C": "01000" if severity == "WARNING" else "00000",
        "M": f"interlock: {text}",
    }
    if detail:
        fields["D"] = detail
    if hint:
        fields["H"] = hint
    return fields


def hears(client_min_messages: str, severity: str) -> bool:
    """Whether a client with that setting wants to hear NOTICE or WARNING."""
    if client_min_messages not in SEVERITIES:
        return True
    return SEVERITIES.index(severity.lower()) >= SEVERITIES.index(client_min_messages)


def rejection(
    statement: Statement,
    verdict: Verdict,
    *,
    tool: str | None,
    in_transaction: bool,
    rewrites: bool,
    of: int,
    way_out: str,
) -> dict[str, str]:
    """The fields of the ErrorResponse for a rejected statement; ``of`` statements in the client's string.

    ``rewrites``: outside a transaction the policy would have it rewritten.  ``way_out``: how it may run as it is written.
    """
    decided = worst(verdict)
    finding = decided.finding
    could_rewrite = finding.rewrite is not None and in_transaction and decided.action is Action.REJECT
    first = f"{finding.problem} [{finding.rule}]"
    details = [finding.detail] if finding.detail else []
    hints: list[str] = []
    if isinstance(statement.node, Unreadable):
        second = "Nothing was run; write it so that Interlock can read it, or allow it with a reason."
    elif could_rewrite:
        if rewrites:
            second = f"Run it outside a transaction and Interlock does it without blocking: {tools.remedy(tool)}"
        else:
            second = f"{one_line_of(finding.remedy)} Outside a transaction: {tools.remedy(tool)}".lstrip()
        details.append("Inside a transaction it cannot be done without blocking: the lock would be held until COMMIT.")
    else:
        second = one_line_of(finding.remedy) or "Run it when nobody uses the table, or allow it with a reason."
    if finding.remedy:
        hints.append("Use instead:\n" + finding.remedy)
    if of > 1:
        details.append(f"Nothing of the {of} statements in this query string was run.")
    # That it is in a transaction has been said; why an override or an exception does not count has not.
    notes = [note for note in decided.note.split("; ") if note and not (could_rewrite and note == NOT_IN_TRANSACTION)]
    if notes:
        note = "; ".join(notes)
        details.append(note + "." if note.startswith(allow.SETTING) else f"{note[0].upper()}{note[1:]}.")
    hints.append(way_out)
    hints.append(f"More: interlock rules {finding.rule}")
    return {
        "S": "ERROR",
        "V": "ERROR",
        "C": UNREADABLE if isinstance(statement.node, Unreadable) else REJECTED,
        "M": f"{first}\n{second}",
        "D": " ".join(details),
        "H": "\n".join(hints),
        "P": str(finding.at.start + 1),
        "F": decided.because.file,
        "L": str(decided.because.line),
        "R": finding.rule,
    }


def unaudited(reason: str) -> dict[str, str]:
    """Refusal of everything guarded while the audit log cannot be written."""
    return {
        "S": "ERROR",
        "V": "ERROR",
        "C": REJECTED,
        "M": "schema changes are refused while the audit log cannot be written [audit]\n"
        "Nothing was run; they go on when it can be written again, or with audit.on_failure: open in the policy.",
        "D": reason,
        "R": "audit",
    }


def unseen(error: JobsUnusable) -> dict[str, str]:
    """Refusal of everything guarded while it cannot be told what waits for the COMMIT of the open transaction."""
    return {
        "S": "ERROR",
        "V": "ERROR",
        "C": REJECTED,
        "M": f"schema changes are refused while it cannot be seen what waits for COMMIT [jobs]\n{error}.",
        "D": "Something of this transaction was written down in interlock.jobs. Nothing of the statement was run.",
        "H": error.hint,
        "R": "jobs",
    }


def unwritten(verdict: Verdict, error: JobsUnusable, *, way_out: str) -> dict[str, str]:
    """Refusal of what must wait for COMMIT while that cannot be written down."""
    decided = worst(verdict)
    return {
        "S": "ERROR",
        "V": "ERROR",
        "C": REJECTED,
        "M": f"{decided.finding.problem} [{decided.finding.rule}]\n"
        f"In a transaction it waits for COMMIT, which it cannot here: {error}.",
        "D": f"{decided.finding.detail} Nothing was run.",
        "H": f"{error.hint}\n{way_out}",
        "F": decided.because.file,
        "L": str(decided.because.line),
        "R": decided.finding.rule,
    }


def jobs_locked() -> dict[str, str]:
    """What must wait for COMMIT could not be written down in time."""
    return {
        "S": "ERROR",
        "V": "ERROR",
        "C": LOCKED,
        "M": f"what has to wait for COMMIT cannot be written down: {IS_LOCKED}",
        "D": "Interlock does not wait for it while the locks of this transaction may keep the application waiting.",
        "H": "Run the migration again when that session has ended its transaction.",
        "R": "jobs",
    }


def unwritten_too(statement: Statement, error: JobsUnusable) -> dict[str, str]:
    """Refusal of what is only about what waits for COMMIT, and so would have to wait, too, while that cannot be written down."""
    return {
        "S": "ERROR",
        "V": "ERROR",
        "C": REJECTED,
        "M": f"{statement.node.kind} has to wait for COMMIT, as does what it is about, which it cannot here [jobs]\n"
        f"{error.hint}",
        "D": f"The reason: {error}. Nothing was run.",
        "P": str(statement.span.start + 1),
        "R": "jobs",
    }


def dependent(statement: Statement, why: GivesUp | Refused | None) -> dict[str, str]:
    """Refusal of a statement because of what waits for COMMIT."""
    kind = statement.node.kind
    remedy = "Put it into a migration of its own, before or after this one."
    match why:
        case Refused(name=name, what=what, left=True):
            detail = (
                f"{' '.join(what.split())} of an earlier transaction waits until no session of this client is in one."
            )
            subject, remedy = f'"{name}"', "Run the migration again: by then that is done."
        case Refused(itself=True):
            detail = "The index is built after COMMIT, and the foreign key of the column would need it at once."
            subject, remedy = "its own key", "Add the column by a statement of its own, in a migration after this one."
        case Refused(name=name, what=what, unfilled=True):
            detail = f"{' '.join(what.split())} gives the rows their values after COMMIT; until then they hold NULL."
            subject = f'"{name}"'
        case Refused(name=name, what=what):
            detail = f"{' '.join(what.split())} waits for COMMIT, and does not find what it means behind this {kind}."
            subject = f'"{name}"'
        case _:
            detail, subject = "It stands in one query string with other statements.", "something that it is about"
            remedy = "Send the statements one by one."
    return {
        "S": "ERROR",
        "V": "ERROR",
        "C": REJECTED,
        "M": f"{kind} cannot be done while {subject} waits for COMMIT [jobs]\n{remedy}",
        "D": detail,
        "H": "Or have that one run as it is written, by an exception in the policy or SET interlock.allow before it; then nothing waits.",
        "P": str(statement.span.start + 1),
        "R": "jobs",
    }


def job_failed(job: Job, failed: PlanFailed) -> dict[str, str]:
    """What is left undone of a migration that is committed."""
    error = failed.error
    detail = [f"{error.get('M', 'error')} (SQLSTATE {error.get('C', '')}).", error.get("D", "")]
    left = [f"  {sql};" for sql in failed.left]
    if failed.again:
        return {
            "S": "ERROR",
            "V": "ERROR",
            "C": JOB_FAILED,
            "M": f"the migration is committed, but not finished: {job.title} was cancelled\n"
            "It is begun again by the next session, or by: interlock jobs run",
            "D": " ".join(part for part in detail if part),
            "H": "Do not run the migration again: it is recorded as done."
            f" interlock jobs show {job.id} says what is missing, interlock jobs cancel {job.id} gives it up.",
            "R": "jobs",
        }
    return {
        "S": "ERROR",
        "V": "ERROR",
        "C": JOB_FAILED,
        "M": f"the migration is committed, but not finished: {job.title} failed: {error.get('M', 'error')}\n"
        f"When the cause is mended: interlock jobs retry {job.id}",
        "D": " ".join(part for part in detail if part),
        "H": "\n".join(
            [
                "Do not run the migration again: it is recorded as done."
                f" interlock jobs show {job.id} says what is missing, interlock jobs cancel {job.id} gives it up.",
                *(["Interlock could not take everything back; run by hand:", *left] if left else []),
            ]
        ),
        **{key: error[key] for key in "stcn" if key in error},
        "R": "jobs",
    }


def not_looked_for(
    owed: Sequence[str], reason: str, hint: str, *, committed: bool, cancelled: bool = False
) -> dict[str, str]:
    """What a COMMIT has set free, and was not begun or is not known to be done; ``cancelled``: the client did not wait.

    Not ``committed``: it is not known whether the transaction was.
    """
    first = owed[0] + (f" (and {len(owed) - 1} more)" if len(owed) > 1 else "")
    detail = f"It put off until COMMIT: {'; '.join(owed)}."
    if cancelled:
        return {
            "S": "ERROR",
            "V": "ERROR",
            "C": JOB_FAILED,
            "M": f"the migration is committed, but not finished: {first} was cancelled\n"
            "It is begun again by the next session, or by: interlock jobs run",
            "D": f"{reason}. {detail}",
            "H": "Do not run the migration again: it is recorded as done. interlock jobs list says what is missing.",
            "R": "jobs",
        }
    what = "committed, but not finished" if committed else "not finished, if the transaction was committed"
    return notice(f"{what}: {first}: {reason} [jobs]", severity="WARNING", detail=detail, hint=hint)


def not_noted(job: Job, reason: str) -> dict[str, str]:
    """A job is done, and the table says that it is not."""
    return notice(
        f"job {job.id} is done, but that could not be written down: {reason}: {job.title} [jobs]",
        severity="WARNING",
        hint="The next session of this login looks at it again, or: interlock jobs run",
    )


def unfinished(failed: Sequence[Job], *, severity: str) -> dict[str, str]:
    """What is said to who changes the schema while a job of an earlier migration has failed."""
    first = failed[0]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return {
        "S": severity,
        "V": severity,
        "C": REJECTED if severity == "ERROR" else "01000",
        "M": ("" if severity == "ERROR" else "interlock: ")
        + f"an earlier migration is not finished: job {first.id}{more}: {first.title} [jobs]\n"
        f"Mend the cause, then: interlock jobs retry {first.id}",
        "D": f"It failed: {first.error.get('M', 'no reason is known')}",
        "H": f"interlock jobs show {first.id} says what is missing, interlock jobs cancel {first.id} gives it up.",
        "R": "jobs",
    }


def way_out(verdict: Verdict, facts: Facts, policy: Policy) -> str:
    """How what is rejected may run as it is written."""
    return allow.way_out(worst(verdict).finding.rule, policy.overrides, facts)


def worst(verdict: Verdict) -> Decided:
    """The finding that the verdict's action comes from."""
    return max(verdict.decided, key=lambda d: d.action.rank)


def warnings(verdict: Verdict) -> list[dict[str, str]]:
    """A WARNING for each finding that the policy only warns about."""
    return [
        notice(
            f"{d.finding.problem} [{d.finding.rule}]",
            severity="WARNING",
            detail=d.finding.detail,
            hint=d.finding.remedy,
        )
        for d in verdict.decided
        if d.action is Action.WARN
    ]


def one_line_of(hint: str) -> str:
    """A hint for those who see nothing but MESSAGE: all of it, or how it begins."""
    lines = [line.strip() for line in hint.splitlines() if line.strip()]
    if sum(map(len, lines)) <= LONGEST:
        return "Use instead: " + " ".join(lines) if lines else ""
    return f"Use instead: {lines[0]} …" if lines[0].endswith(";") else lines[0]
