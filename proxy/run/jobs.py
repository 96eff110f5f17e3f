"""What waits for a COMMIT, written down in the database that it is about: the table ``interlock.jobs``.

A job is inserted in the client's own transaction, so it is there if and only if that was committed, whatever
dies in between.  Any session of the login that asked may do it, through any proxy, after it has claimed it.

Who may see and change it.  Jobs are SQL that somebody's session will run, so a session runs only those of its
own login, row security keeps others from writing such rows, and a table that belongs to somebody who could
not be trusted with that (he could put a trigger on it) is not used at all.

Queries are qualified throughout and ASCII, as in ``catalog.lookup``.  Postgres docs: "Row Security Policies"
(5.9), "Advisory Locks" (13.3.5).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.plans import stored
from proxy.plans.plan import Step
from proxy.plans.target import literal
from proxy.run.connection import Connection, ServerError
from proxy.sql import read
from proxy.sql.statements import AlterTable, DropIndex, ValidateConstraint

VERSION = 1
SPACE = 0x494E544A  # "INTJ": the first key of a claim; the second is the job
MAKING = 0x494E544D  # "INTM": held while the table is made
MAKING_S = 10.0
KEPT = "30 days"  # how long a job that is done stays in the table

COLUMNS = (
    ("id", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    ("state", "text NOT NULL DEFAULT 'waiting'"),
    ("login", "name NOT NULL DEFAULT session_user"),
    ("role", "name NOT NULL DEFAULT current_user"),
    ("session", "text NOT NULL"),
    ("kind", "text NOT NULL"),
    ("statement", "text NOT NULL"),
    ("tables", "text NOT NULL"),
    ("plan", "text NOT NULL"),
    ("give_up", "text NOT NULL"),
    ("settings", "text NOT NULL"),
    ("client", "text NOT NULL"),
    ("application", "text NOT NULL"),
    ("tool", "text NOT NULL"),
    ("attempts", "integer NOT NULL DEFAULT 0"),
    ("error", "text"),
    ("created_at", "timestamptz NOT NULL DEFAULT pg_catalog.now()"),
    ("started_at", "timestamptz"),
    ("finished_at", "timestamptz"),
)

MAKE = (
    "CREATE SCHEMA IF NOT EXISTS interlock",
    "CREATE TABLE interlock.jobs (" + ", ".join(f"{name} {definition}" for name, definition in COLUMNS) + ")",
    f"COMMENT ON TABLE interlock.jobs IS 'version {VERSION}: what Interlock does after a migration''s COMMIT'",
    "ALTER TABLE interlock.jobs ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY written ON interlock.jobs FOR INSERT WITH CHECK (login OPERATOR(pg_catalog.=) session_user"
    " AND role OPERATOR(pg_catalog.=) current_user)",
    "CREATE POLICY seen ON interlock.jobs FOR SELECT USING (login OPERATOR(pg_catalog.=) session_user)",
    "CREATE POLICY changed ON interlock.jobs FOR UPDATE USING (login OPERATOR(pg_catalog.=) session_user)",
    "CREATE POLICY removed ON interlock.jobs FOR DELETE USING (login OPERATOR(pg_catalog.=) session_user)",
    "GRANT USAGE ON SCHEMA interlock TO PUBLIC",
    "GRANT SELECT, INSERT, DELETE ON interlock.jobs TO PUBLIC",
    "GRANT UPDATE (state, attempts, error, started_at, finished_at) ON interlock.jobs TO PUBLIC",
)

_NAMES = ", ".join("'" + name + "'" for name, _ in COLUMNS)
INSPECT = f"""/* interlock */ SELECT c.oid IS NOT NULL,
    COALESCE(o.rolsuper OR o.rolname OPERATOR(pg_catalog.=) current_user
        OR o.rolname OPERATOR(pg_catalog.=) session_user
        OR (NOT me.rolsuper AND o.oid OPERATOR(pg_catalog.=) d.datdba), false),
    COALESCE(o.rolname, ''),
    COALESCE(pg_catalog.obj_description(c.oid, 'pg_class'), ''),
    COALESCE(c.relkind OPERATOR(pg_catalog.=) 'r' AND c.relrowsecurity AND NOT c.relhasrules
        AND n.nspowner OPERATOR(pg_catalog.=) c.relowner
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid OPERATOR(pg_catalog.=) c.oid)
        AND {len(COLUMNS)} OPERATOR(pg_catalog.=) (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a
            WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
            AND a.attname OPERATOR(pg_catalog.=) ANY (ARRAY[{_NAMES}]::pg_catalog.name[])), false),
    pg_catalog.has_database_privilege(d.oid, 'CREATE'), n.oid IS NOT NULL,
    COALESCE(pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT')
        AND pg_catalog.has_table_privilege(c.oid, 'DELETE')
        AND pg_catalog.has_column_privilege(c.oid, 'state', 'UPDATE'), false)
    FROM pg_catalog.pg_database d
    JOIN pg_catalog.pg_roles me ON me.rolname OPERATOR(pg_catalog.=) current_user
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) 'interlock'
    LEFT JOIN pg_catalog.pg_class c ON c.relnamespace OPERATOR(pg_catalog.=) n.oid
        AND c.relname OPERATOR(pg_catalog.=) 'jobs'
    LEFT JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) c.relowner
    WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()"""

# Settings that change what DDL means or what it makes.  Of these, a job keeps those that the session had changed.
MEANING = (
    "search_path", "standard_conforming_strings", "escape_string_warning", "backslash_quote", "DateStyle", "IntervalStyle",
    "TimeZone", "lc_monetary", "lc_numeric", "lc_time", "bytea_output", "xmloption", "xmlbinary", "extra_float_digits",
    "default_tablespace", "default_table_access_method", "default_toast_compression", "check_function_bodies", "row_security",
    "default_text_search_config", "gin_pending_list_limit", "maintenance_work_mem", "max_parallel_maintenance_workers",
    "array_nulls", "transform_null_equals", "quote_all_identifiers",
)  # fmt: skip
_MEANING = ", ".join("'" + name + "'" for name in MEANING)
_SETTINGS = f"""(SELECT pg_catalog.json_object_agg(s.name, s.setting)::pg_catalog.text FROM (
    SELECT p.name, pg_catalog.current_setting(p.name) AS setting FROM pg_catalog.pg_settings p WHERE p.source OPERATOR(pg_catalog.=) 'session'
        AND p.name OPERATOR(pg_catalog.=) ANY (ARRAY[{_MEANING}]::pg_catalog.text[])
        AND p.name OPERATOR(pg_catalog.<>) 'search_path'
    UNION ALL SELECT 'search_path', pg_catalog.current_setting('search_path')) s)"""

_VALUES = ("session", "kind", "statement", "tables", "plan", "give_up", "client", "application", "tool")
INSERT = (
    f"INSERT INTO interlock.jobs ({', '.join(_VALUES)}, settings) VALUES ("
    + ", ".join(f"${n}::pg_catalog.text" for n in range(1, len(_VALUES) + 1))
    + f", {_SETTINGS})"
)

_READ = (
    "SELECT id, state, role, session, kind, statement, tables, plan, give_up, settings, attempts, error,"
    " login, client, application, tool, created_at, started_at, finished_at FROM interlock.jobs"
)
OF_SESSION = (
    f"/* interlock */ {_READ} WHERE session OPERATOR(pg_catalog.=) $1::pg_catalog.text"
    " AND state OPERATOR(pg_catalog.=) 'waiting' ORDER BY id"
)
UNFINISHED = (
    f"/* interlock */ {_READ} WHERE login OPERATOR(pg_catalog.=) session_user"
    " AND state OPERATOR(pg_catalog.=) ANY (ARRAY['waiting', 'running', 'failed']::pg_catalog.text[]) ORDER BY id"
)
CLAIM = "/* interlock */ SELECT pg_catalog.pg_try_advisory_lock($1::pg_catalog.int4, $2::pg_catalog.int4)"
UNCLAIM = "/* interlock */ SELECT pg_catalog.pg_advisory_unlock($1::pg_catalog.int4, $2::pg_catalog.int4)"
BEGIN = (
    "/* interlock */ UPDATE interlock.jobs SET state = 'running', attempts = attempts OPERATOR(pg_catalog.+) 1,"
    " started_at = pg_catalog.now() WHERE id OPERATOR(pg_catalog.=) $1::pg_catalog.int8"
    " AND state OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.text[]) RETURNING id"
)
END = (
    "/* interlock */ UPDATE interlock.jobs SET state = $2::pg_catalog.text, error = $3::pg_catalog.text,"
    " finished_at = CASE WHEN $2::pg_catalog.text OPERATOR(pg_catalog.=) 'waiting' THEN NULL ELSE pg_catalog.now() END"
    " WHERE id OPERATOR(pg_catalog.=) $1::pg_catalog.int8"
)
REMOVE = "/* interlock */ DELETE FROM interlock.jobs WHERE id OPERATOR(pg_catalog.=) $1::pg_catalog.int8"
PRUNE = (
    "/* interlock */ DELETE FROM interlock.jobs WHERE state OPERATOR(pg_catalog.=) 'done'"
    f" AND finished_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) '{KEPT}'::pg_catalog.interval)"
)


class JobsUnusable(Exception):
    """Nothing can be written down, or done; the message says why, ``hint`` what to do about it."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be written down.  ``tables`` are OIDs of the tables that it changes."""

    session: str  # a token of the proxy's session
    kind: str  # of the statement: CREATE INDEX
    statement: str
    steps: tuple[Step, ...]
    tables: tuple[int, ...] = ()
    give_up: tuple[str, ...] = ()
    client: str = ""
    application: str = ""
    tool: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Of ``INSERT``."""
        plan, tables, give_up = stored.encode(self.steps), json.dumps(self.tables), json.dumps(self.give_up)
        return (
            self.session, self.kind, self.statement, tables, plan, give_up, self.client, self.application, self.tool,
        )  # fmt: skip

    @property
    def sql(self) -> str:
        """The insertion as a statement without parameters."""
        sql = INSERT
        for n, value in reversed(list(enumerate(self.parameters, 1))):
            before, _, behind = sql.partition(f"${n}::")
            sql = f"{before}{literal(value)}::{behind}"
        return sql


@dataclass(frozen=True, slots=True)
class Job:
    """One as it stands in the table."""

    id: int
    state: str  # waiting, running, done, failed, cancelled
    role: str
    session: str
    kind: str
    statement: str
    tables: tuple[int, ...]
    steps: tuple[Step, ...]
    give_up: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    attempts: int = 0
    error: dict[str, str] = field(default_factory=dict)
    login: str = ""
    client: str = ""
    application: str = ""
    tool: str = ""
    created_at: str = ""
    started_at: str = ""
    finished_at: str = ""

    @property
    def title(self) -> str:
        line = " ".join(self.statement.split())
        return line if len(line) <= 120 else line[:119] + "…"

    @property
    def waits_for_others(self) -> bool:
        """Whether a step of it waits for other sessions' transactions; VALIDATE and DROP INDEX CONCURRENTLY do not."""
        return not all(_passes(sql) for step in self.steps for sql in step.statements)


def _passes(sql: str) -> bool:
    for statement in read.read(sql):
        match statement.node:
            case AlterTable(actions=actions) if all(isinstance(a, ValidateConstraint) for a in actions):
                continue
            case DropIndex(concurrently=True):
                continue
            case _:
                return False
    return True


# ---------------------------------------------------------------- the table


async def exists(own: Connection) -> bool:
    """Whether the table is there, and may be used.  Raises JobsUnusable, ServerError."""
    row = (await own.fetch(INSPECT))[0]
    there, trusted, owner, comment, sound, may_create, has_schema, may_use = (
        column == b"t" if column in (b"t", b"f") else (column or b"").decode("utf-8", "replace") for column in row
    )
    if not there:
        if not may_create and not has_schema:
            raise JobsUnusable(
                "this role may not create the schema interlock, in which what waits for COMMIT is written down",
                "GRANT CREATE ON DATABASE … TO this role, or have somebody who may run:\n"
                "  interlock jobs install --database URL",
            )
        return False
    if not trusted:
        raise JobsUnusable(
            f'interlock.jobs belongs to "{owner}", whom this role need not trust',
            "ALTER SCHEMA interlock OWNER TO …; ALTER TABLE interlock.jobs OWNER TO …; with a superuser,"
            " this role or the database's owner.",
        )
    version = str(comment).removeprefix("version ").split(":")[0]
    if version.isdigit() and int(version) > VERSION:
        raise JobsUnusable(
            f"interlock.jobs is of version {version}, and this Interlock knows version {VERSION}",
            "Use the newer Interlock, by which it was made.",
        )
    if not may_use:
        raise JobsUnusable(
            "this role may not use interlock.jobs, in which what waits for COMMIT is written down",
            "GRANT USAGE ON SCHEMA interlock TO PUBLIC; GRANT SELECT, INSERT, DELETE ON interlock.jobs TO PUBLIC;"
            " GRANT UPDATE (state, attempts, error, started_at, finished_at) ON interlock.jobs TO PUBLIC;",
        )
    if not sound:
        raise JobsUnusable(
            "interlock.jobs is not as Interlock made it",
            "Somebody has changed its columns, put a trigger or a rule on it, or turned its row security off."
            " Put it back, or move it out of the way: ALTER SCHEMA interlock RENAME TO …;",
        )
    return True


async def prepare(own: Connection, cancelled: asyncio.Event) -> None:
    """Make the table if it is not there, in the transaction that is open.

    Raises JobsUnusable, ServerError; ConnectionLost.  Another transaction that makes it at this moment is waited
    for without joining a queue, for ``MAKING_S`` at most.
    """
    deadline = time.monotonic() + MAKING_S
    while not await exists(own):
        sql = "/* interlock */ SELECT pg_catalog.pg_try_advisory_xact_lock($1::pg_catalog.int4, 0)"
        if (await own.fetch(sql, str(MAKING)))[0][0] == b"t":
            if not await exists(own):  # it may have come with the lock
                await own.run([(statement, ()) for statement in MAKE], notices=False)
            return
        if time.monotonic() > deadline or cancelled.is_set():
            raise JobsUnusable(
                "another transaction is just making the schema interlock, and does not end",
                "Make it beforehand: interlock jobs install --database URL",
            )
        await asyncio.sleep(0.1)


async def add(own: Connection, job: NewJob) -> None:
    """Write a job down, in the transaction that is open.  ``prepare`` must have run.  Raises ServerError."""
    await own.run([(f"/* interlock */ {INSERT}", job.parameters)])


# ---------------------------------------------------------------- what is in it


async def of_session(own: Connection, session: str) -> list[Job]:
    """What a session has written down and nobody has begun, as far as it is visible now.  ``exists`` must hold."""
    return _jobs(await own.fetch(OF_SESSION, session))


async def unfinished(own: Connection) -> list[Job]:
    """All of this login's that wait, are claimed, or have failed, oldest first; [] if there is no table.

    Raises JobsUnusable, ServerError.
    """
    return _jobs(await own.fetch(UNFINISHED)) if await exists(own) else []


async def waiting(own: Connection) -> list[Job]:
    """Those of ``unfinished`` that are still to be done, or whose claim may be gone."""
    return [job for job in await unfinished(own) if job.state != "failed"]


def _jobs(rows: Sequence[Sequence[bytes | None]]) -> list[Job]:
    return [_job([None if column is None else column.decode("utf-8", "replace") for column in row]) for row in rows]


def _job(row: list[str | None]) -> Job:
    texts = [column or "" for column in row]
    (
        id_, state, role, session, kind, statement, tables, plan, give_up, settings, attempts, error,
        login, client, application, tool, created_at, started_at, finished_at,
    ) = texts  # fmt: skip
    try:
        steps = stored.decode(plan)
    except stored.UnreadablePlan as problem:
        raise JobsUnusable(
            f"job {id_} in interlock.jobs cannot be read: {problem}",
            f"Use the Interlock that wrote it, or give it up: DELETE FROM interlock.jobs WHERE id = {id_};",
        ) from problem
    return Job(
        int(id_), state, role, session, kind, statement,
        tuple(int(oid) for oid in _json(tables, [])), steps, tuple(str(sql) for sql in _json(give_up, [])),
        {str(k): str(v) for k, v in _json(settings, {}).items()}, int(attempts),
        {str(k): str(v) for k, v in _json(error, {}).items()}, login, client, application, tool,
        created_at, started_at, finished_at,
    )  # fmt: skip


def _json(text: str, empty: Any) -> Any:
    if not text:
        return empty
    value = json.loads(text)
    return value if isinstance(value, type(empty)) else empty


# ---------------------------------------------------------------- doing one


async def claim(own: Connection, job: int, *, states: Sequence[str] = ("waiting", "running")) -> bool:
    """Take a job for this session; False if another has it, or if it is in none of ``states`` any more."""
    if (await own.fetch(CLAIM, str(SPACE), _key(job)))[0][0] != b"t":
        return False
    if await own.fetch(BEGIN, str(job), "{" + ",".join(states) + "}"):
        return True
    await unclaim(own, job)
    return False


async def remove(own: Connection, job: int) -> None:
    """Take back a job, in the transaction that wrote it down."""
    await own.fetch(REMOVE, str(job))


async def unclaim(own: Connection, job: int) -> None:
    await own.fetch(UNCLAIM, str(SPACE), _key(job))


async def end(own: Connection, job: int, state: str, error: dict[str, str] | None = None) -> None:
    """Note what became of a claimed job (done, failed, cancelled; waiting: it is to be done again), and let it go."""
    try:
        text = json.dumps(error) if error else None
        await own.fetch(END, str(job), state, text)
        if state == "done":
            await own.fetch(PRUNE)
    finally:
        await unclaim(own, job)


def _key(job: int) -> str:
    """A job's number as an int4, cut to its lower bits: two that meet in it are done one after the other."""
    low = job & 0xFFFFFFFF
    return str(low - (1 << 32) if low >= 1 << 31 else low)


__all__ = ["Job", "JobsUnusable", "NewJob", "ServerError"]
