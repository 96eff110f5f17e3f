"""Jobs for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from proxy.audit.redact import redact_line
from proxy.render.text import printable
from proxy.run.jobs import Job
from proxy.run.progress import Progress
from proxy.run.words import one_line
from proxy.sql.statements import quote_identifier

WAITING = ("waiting", "running")


def document(job: Job, progress: Progress | None) -> dict[str, Any]:
    """For ``--format json``; fields only ever grow."""
    return {
        "id": job.id,
        "state": job.state,
        "kind": job.kind,
        "statement": redact_line(job.statement),
        "relations": [".".join(relation) for relation in job.relations],
        "login": job.login,
        "role": job.role,
        "steps": [
            {"sql": redact_line(s.sql), "lock": s.lock.value, "transaction": s.transaction, "why": s.why}
            for s in job.steps
        ],
        "give_up": [redact_line(sql) for sql in job.give_up],
        "settings": job.settings,
        "attempts": job.attempts,
        "error": {
            name: job.error[letter]
            for letter, name in (("C", "sqlstate"), ("M", "message"), ("D", "detail"), ("H", "hint"))
            if letter in job.error
        },
        "unreadable": job.unreadable,
        "gone": job.gone,
        "client": job.client,
        "application": job.application,
        "tool": job.tool,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "progress": None
        if progress is None
        else {"pid": progress.pid, "phase": progress.phase, "percent": progress.percent},
    }


def note(job: Job, progress: Progress | None) -> str:
    """What there is to say of its state, in some words."""
    if job.unreadable:
        return printable(job.obstacle)
    return printable("; ".join(part for part in (_state(job, progress), job.obstacle) if part))


def _state(job: Job, progress: Progress | None) -> str:
    match job.state:
        case "running":
            return progress.text if progress else "interrupted; whoever comes next does it"
        case "failed":
            return one_line(job.error.get("M", ""))
        case _:
            return ""


def when(job: Job) -> str:
    """The moment of its last change, to the minute."""
    text = job.finished_at or job.started_at or job.created_at
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return text


def lines(job: Job, progress: Progress | None) -> Iterator[str]:
    """All about one job, line by line, and what can be done about it."""
    said = note(job, progress)
    yield f"job {job.id}: {job.state}" + (f": {said}" if said else "")
    for line in redact_line(job.statement).splitlines():
        yield f"  {printable(line)}"
    facts = {
        "tables": ", ".join(".".join(relation) for relation in job.relations),
        "role": job.role if job.role == job.login else f"{job.role} (logged in as {job.login})",
        "from": ", ".join(part for part in (job.tool, job.application, job.client) if part),
        "written": job.created_at,
        "begun": f"{job.started_at} (attempt {job.attempts})" if job.started_at else "",
        "ended": job.finished_at,
        "settings": ", ".join(f"{name} = {value}" for name, value in sorted(job.settings.items())),
    }
    for name, value in facts.items():
        if value:
            yield f"{name + ':':10}{printable(value)}"
    for letter, name in (("C", "SQLSTATE"), ("D", "detail"), ("H", "hint")):
        if letter in job.error:
            yield from _block(f"{name}: {job.error[letter]}")
    if job.steps:
        yield "steps:" if job.state in WAITING else "steps that it is made of:"
    for number, step in enumerate(job.steps, 1):
        for sql in step.statements:
            yield f"  {number}. {printable(one_line(redact_line(sql)))}"
    yield from _ways(job)


def _block(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield printable(line)


def _ways(job: Job) -> Iterator[str]:
    if job.obstacle:
        yield from _ways_out(job)
        return
    if job.state == "failed":
        yield f"when the cause is mended:  interlock jobs retry {job.id}"
    if job.state == "waiting":
        yield f"to do it now:  interlock jobs run {job.id}"
    if job.state in ("failed", "waiting"):
        if job.give_up:
            yield f"to give it up:  interlock jobs cancel {job.id}, which runs"
            yield from (f"  {printable(one_line(redact_line(sql)))}" for sql in job.give_up)
        else:
            yield f"to give it up:  interlock jobs cancel {job.id}"


def _ways_out(job: Job) -> Iterator[str]:
    """Of what nobody can do as it stands."""
    if job.later:
        yield f"to do it:  the later Interlock's own  interlock jobs run {job.id}"
    elif not job.unreadable:
        name = printable(quote_identifier(job.login if job.gone == "login" else job.role))
        can = " LOGIN" if job.gone == "login" else ""
        verb = "retry" if job.state == "failed" else "run"
        again = f"CREATE ROLE {name}{can}; (or rename it back), give it its rights, and then"
        yield f"to have it done:  {again}, logged in as {printable(job.login)}:  interlock jobs {verb} {job.id}"
    yield f"to forget it, and take nothing back:  {forgetting(job)}"


def of_another(job: Job) -> str:
    """Why it is neither done nor given up by who asks for it."""
    if job.gone == "login":
        said = f"job {job.id} is one of {job.login}'s, a login that no longer exists; interlock jobs show {job.id}"
        return printable(f"{said} says what to do. To forget it: {forgetting(job)}")
    return printable(f"job {job.id} is one of {job.login}'s, and only that login does it or gives it up")


def forgetting(job: Job) -> str:
    return f"DELETE FROM interlock.jobs WHERE id = {job.id};"
