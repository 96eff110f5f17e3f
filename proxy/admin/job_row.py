"""One job, or one plan that runs, as a row of SHOW JOBS."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from proxy.admin.databases import Look
from proxy.admin.source import Running
from proxy.admin.table import Value, columns
from proxy.audit.redact import redact_line
from proxy.catalog.blockers import Blocker
from proxy.run import words
from proxy.run.doing import Doing
from proxy.run.jobs import Job
from proxy.run.progress import Progress

DONE_SHOWN = 20  # jobs of a database that are over
JOBS = columns(
    "database, job int8, state, kind, relations, user, step int8, steps int8, lock, phase, progress float8, eta_s float8,"
    " waits_for, waits_s float8, running_s float8, attempts int8, created_at, started_at, finished_at, tool, error, statement"
)
NOW = slice(6, 15)  # of JOBS: from step to running_s


def one_line(sql: str) -> str:
    """SQL, or an error that quotes it, without secrets: who may look at a page may not know them."""
    return words.one_line(redact_line(sql))


def utc(seconds: float) -> str:
    """A Unix time as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def waiting_for(found: Sequence[Blocker]) -> str:
    """The first of them in words, without its query, which may hold secrets."""
    if not found:
        return ""
    one = found[0]
    who = f'prepared transaction "{one.gid}"' if one.gid or not one.pid else f"pid {one.pid}"
    named = ", ".join(part for part in (one.user, one.application_name) if part)
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    return who + (f" ({named})" if named else "") + (f", {one.state}" if one.state else "") + more


def shown(found: Iterable[Job]) -> list[Job]:
    """What is not over, and the newest of what is."""
    found = list(found)
    over = [job for job in found if job.state in ("done", "cancelled")]
    return [job for job in found if job not in over] + over[-DONE_SHOWN:][::-1]


def _now(doing: Doing) -> tuple[Value, ...]:
    """From ``step`` to ``running_s``."""
    now = time.monotonic()
    lock = doing.results[-1].lock if doing.results else ""
    return (
        doing.step, doing.steps, lock, doing.phase,
        round(doing.share, 3) if doing.share is not None else None,
        round(doing.left_s, 1) if doing.left_s is not None else None,
        waiting_for(doing.waits_for), round(now - doing.waits_since, 1) if doing.waits_for else None,
        round(now - doing.since, 1),
    )  # fmt: skip


def of_running(one: Running) -> Sequence[Value]:
    doing = one.doing
    relations = ", ".join(".".join(part for part in pair if part) for pair in doing.relations)
    begun = utc(time.time() - (time.monotonic() - doing.since))
    return (
        one.database, doing.job, "running", doing.title, relations, one.user, *_now(doing), 1, begun, begun, "",
        one.tool or one.application_name, "", one_line(doing.sql),
    )  # fmt: skip


def of_job(look: Look, job: Job, here: Sequence[Value] | None) -> Sequence[Value]:
    """``here``: its row among those that run, if a worker of this Interlock does it."""
    relations = ", ".join(".".join(part for part in pair if part) for pair in job.relations)
    now = tuple(here[NOW]) if here is not None else _elsewhere(job, look.progress.get(job.id))
    error = job.obstacle or job.error.get("M", "")
    return (
        look.database, job.id, job.state, job.kind, relations, job.login, *now, job.attempts, iso(job.created_at),
        iso(job.started_at), iso(job.finished_at), job.tool or job.application, one_line(error), one_line(job.statement),
    )  # fmt: skip


def _elsewhere(job: Job, how: Progress | None) -> tuple[Value, ...]:
    """Of a job that another process does, as far as the database tells; of one that nobody does nothing."""
    if how is None:
        phase = "interrupted; whoever comes next does it" if job.state == "running" else ""
        return (None, len(job.steps), "", phase, None, None, "", None, None)
    share = round(how.percent / 100, 3) if how.percent is not None else None
    waits = f"pid {how.waits_for}" if how.waits_for else ""
    return (None, len(job.steps), "", how.phase or f"in process {how.pid}", share, None, waits, None, None)


def iso(text: str) -> str:
    """As ``utc``, of what Postgres says; empty stays empty."""
    try:
        return utc(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        return text
