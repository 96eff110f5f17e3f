"""One table for each SHOW: the one source of the console, the page, the metrics and ``interlock status``.

Where pgbouncer's admin console has a column of the same meaning, its name is used.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from proxy import __version__
from proxy.admin import parts
from proxy.admin.databases import Look, NotDone
from proxy.admin.job_row import JOBS, of_job, of_running, one_line, shown, utc
from proxy.admin.source import Source
from proxy.admin.table import Table, Value, columns, table
from proxy.audit.redact import redact_line
from proxy.plans.plan import Lock
from proxy.rules.base import rules
from proxy.session.session import Session
from proxy.session.tally import Decision, Tally

STATES = ("login", "idle", "active", "transaction", "held")
JOB_STATES = ("waiting", "running", "failed", "done", "cancelled")
ACTIONS = ("allow", "warn", "rewrite", "defer", "reject")

CLIENTS = columns(
    "type, user, database, state, addr, port int8, connect_time, state_s float8, tls, application_name, tool, remote_pid int8"
)
JOB = columns("key, value")
WAITS = columns(
    "database, job int8, user, statement, lock, relations, wait_s float8, blocker_pid int8, blocker_user,"
    " blocker_application_name, blocker_state, blocker_state_s float8"
)
STATS = columns(
    "database, total_statements int8, total_allow int8, total_warn int8, total_rewrite int8, total_defer int8,"
    " total_reject int8, total_failed int8, total_lock_timeouts int8, total_wait_time float8, total_blocked_time float8,"
    " avg_statement_time float8"
)
DECISIONS = columns(
    "number int8, time, database, user, tool, kind, relations, action, rule, policy, outcome, sqlstate, took_ms float8,"
    " blocked_ms float8, job int8, statement"
)
POLICY = columns("key, value, source")
RULES = columns("rule, action, source, total int8, summary")
CONFIG = columns("key, value, default, changeable")
VERSION = columns("version")
HELP = columns("command, what")


# ---------------------------------------------------------------- clients


def state(session: Session) -> str:
    """``login``, ``idle``, ``active``, ``transaction`` (idle in one), ``held`` (something of it is decided about or done here)."""
    if not session.relay.status:
        return "login"
    if session.is_held:
        return "held"
    if session.idle_in_transaction:
        return "transaction"
    return "idle" if session.idle else "active"


async def clients(source: Source) -> Table:
    rows = [row for part in await source.gather("clients", clients_here(source)) for row in part]
    return table("clients", CLIENTS, sorted(rows, key=lambda row: str(row[6])))


def clients_here(source: Source) -> list[Sequence[Value]]:
    now = time.monotonic()
    rows: list[Sequence[Value]] = []
    for one in sorted(source.server.sessions, key=lambda session: session.who.since):
        addr, _, port = one.who.client.rpartition(":")
        number = int(port) if port.isdigit() else None
        key = one.relay.backend_key
        pid = key[0] if key else None
        rows.append(
            (
                "C", one.who.user, one.who.database, state(one), addr.strip("[]") or one.who.client, number, utc(one.who.since),
                round(now - one.since, 1), one.who.tls, one.who.application_name, one.who.tool or "", pid,
            )
        )  # fmt: skip
    return rows


# ---------------------------------------------------------------- jobs


async def looks(source: Source) -> list[Look]:
    return [await database.look() for database in source.databases]


async def jobs(source: Source, found: Sequence[Look] | None = None) -> Table:
    """What runs, then what waits or has failed, then what was done lately."""
    found = await looks(source) if found is None else found
    running = [tuple(row) for part in await source.gather("running", running_here(source)) for row in part]
    here = {row[:2]: row for row in running if row[1] is not None}
    rows: list[Sequence[Value]] = []
    known: set[tuple[Value, ...]] = set()
    for look in found:
        known |= {(look.database, job.id) for job in look.jobs}
        rows += [of_job(look, job, here.get((look.database, job.id))) for job in shown(look.jobs)]
    rows = [row for row in running if row[:2] not in known] + rows
    rank = {name: place for place, name in enumerate(("running", "failed", "waiting", "done", "cancelled"))}
    return table("jobs", JOBS, sorted(rows, key=lambda row: rank.get(str(row[2]), 9)))


def running_here(source: Source) -> list[Sequence[Value]]:
    return [of_running(one) for one in source.running()]


async def job(source: Source, target: str) -> Table:
    """All about one job.  Raises NotDone if there is none."""
    from proxy.render.jobs import lines

    database, number = source.database(target)
    look = await database.look()
    if look.trouble:
        raise NotDone(f"jobs of {database.name} cannot be seen: {look.trouble}")
    found = next((one for one in look.jobs if one.id == number), None)
    if found is None:
        raise NotDone(f"there is no job {number} in {database.name}")
    running = [row for part in await source.gather("running", running_here(source)) for row in part]
    here = next((row for row in running if tuple(row[:2]) == (database.name, number)), None)
    row = table("job", JOBS, [of_job(look, found, here)])
    values = [(key, _text(value)) for key, value in next(row.dicts()).items() if value not in (None, "")]
    values[-1] = ("statement", redact_line(found.statement))
    values += [(f"step {n}", one_line(sql)) for n, step in enumerate(found.steps, 1) for sql in step.statements]
    values += [
        (name, found.error[key])
        for key, name in (("C", "sqlstate"), ("D", "detail"), ("H", "hint"))
        if key in found.error
    ]
    values += [("settings", f"{name} = {value}") for name, value in sorted(found.settings.items())]
    told = [line for line in lines(found, look.progress.get(number)) if line.startswith(("when the cause", "to "))]
    return table("job", JOB, [*values, *(("what to do", line) for line in told)])


# ---------------------------------------------------------------- waits


async def waits(source: Source) -> Table:
    """Who of those that run waits for whom, one row for each blocker."""
    return table("waits", WAITS, [row for part in await source.gather("waits", waits_here(source)) for row in part])


def waits_here(source: Source) -> list[Sequence[Value]]:
    now = time.monotonic()
    rows: list[Sequence[Value]] = []
    for one in source.running():
        for blocker in one.doing.waits_for:
            relations = ".".join(blocker.relation) if blocker.relation else ""
            lock = one.doing.results[-1].lock if one.doing.results else Lock.NONE.value
            rows.append(
                (
                    one.database, one.doing.job, one.user, one_line(one.doing.sql), lock, relations,
                    round(now - one.doing.waits_since, 1), blocker.pid, blocker.user, blocker.application_name,
                    blocker.state, round(blocker.state_age_ms / 1000, 1),
                )
            )  # fmt: skip
    return rows


# ---------------------------------------------------------------- what was decided


async def tally(source: Source) -> Tally:
    """The sums of all workers."""
    if source.peers is None:
        return source.tally
    return parts.tally_of(await source.gather("tally", parts.of_tally(source.tally)))


async def stats(source: Source) -> Table:
    """A row for each database.  Times in microseconds, as pgbouncer's."""
    rows: list[Sequence[Value]] = []
    for name, sums in sorted((await tally(source)).databases.items()):
        total = sums.actions.total()
        rows.append(
            (
                name, total, *(sums.actions[action] for action in ACTIONS), sums.failed, sums.lock_timeouts,
                round(sums.waited_ms * 1000), round(sums.blocked_ms * 1000), round(sums.took_ms * 1000 / max(1, total)),
            )
        )  # fmt: skip
    return table("stats", STATS, rows)


def decision(one: Decision) -> Sequence[Value]:
    return (
        one.number, one.time, one.session["database"], one.session["user"],
        one.session["tool"] or one.session["application_name"], one.kind, ", ".join(one.relations), one.action, one.rule,
        one.policy, one.outcome, one.sqlstate, round(one.took_ms, 1), round(one.blocked_ms, 1), one.job, one_line(one.sql),
    )  # fmt: skip


async def newest(source: Source) -> list[Decision]:
    """The newest first, as many as are kept in memory, or as several workers tell each other."""
    own = list(reversed(source.tally.decisions))
    if source.peers is None:
        return own
    others = (await source.gather("decisions", []))[1:]
    told = [parts.decision_of(one) for part in others for one in part]
    return sorted([*own, *told], key=lambda one: -one.at)


async def decisions(source: Source) -> Table:
    return table("decisions", DECISIONS, [decision(one) for one in await newest(source)])


# ---------------------------------------------------------------- policy, rules, configuration


def _text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{key}: {_text(below)}" for key, below in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_text, value)) + "]"
    return str(value)


def policy(source: Source) -> Table:
    """Every effective value, and the line that it comes from."""
    found = source.policy()
    head: list[Sequence[Value]] = [("name", found.name, ", ".join(found.files)), ("sha", found.sha, "")]
    values = [(".".join(map(str, path)), _text(value), str(where)) for path, value, where in found.values()]
    expired = [
        ("expired exception", f"until {one.until}: {one.reason}", str(where))
        for where, one in found.expired(datetime.now(UTC))
    ]
    return table("policy", POLICY, [*head, *values, *expired])


async def all_rules(source: Source) -> Table:
    """Every rule, what is done about it, and how often it has settled a statement since the proxy began."""
    found = source.policy()
    counted: Counter[str] = Counter()
    for (_, name), count in (await tally(source)).statements.items():
        counted[name] += count
    rows: list[Sequence[Value]] = [
        (
            rule.name,
            found.rule(rule.name).action.value,
            str(found.source("rules", rule.name)),
            counted[rule.name],
            rule.summary,
        )
        for rule in rules().values()
    ]
    return table("rules", RULES, rows)


def config(source: Source) -> Table:
    return table("config", CONFIG, [(one.key, one.value, one.default, "no") for one in source.settings])


def version(source: Source) -> Table:
    return table("version", VERSION, [(f"Interlock {__version__}",)])


async def everything(source: Source, found: Sequence[Look]) -> dict[str, Any]:
    """All tables as one document; it only ever grows."""
    tables = (
        await clients(source), await jobs(source, found), await waits(source), await stats(source), await decisions(source),
        await all_rules(source), policy(source), config(source),
    )  # fmt: skip
    head = {"version": 1, "interlock": __version__, "at": utc(time.time()), "paused": source.paused}
    return head | {one.name: one.document() for one in tables}


def part(source: Source, name: str) -> Any:
    """What another worker asks this one for."""
    match name:
        case "clients":
            return parts.cut(clients_here(source))
        case "running":
            return parts.cut(running_here(source))
        case "waits":
            return parts.cut(waits_here(source))
        case "tally":
            return parts.of_tally(source.tally)
        case "decisions":
            return parts.of_decisions(reversed(source.tally.decisions))
    return None
