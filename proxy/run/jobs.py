"""What waits for a COMMIT, written down in the database that it is about, in the table that ``store`` keeps.

A job is inserted in the client's own transaction, so it is there if and only if that was committed, whatever
dies in between.  Any session of the login that asked may do it, through any proxy, after it has claimed it.
Who may see and change what: ``store``.

Queries are qualified throughout and ASCII, as in ``catalog.lookup``.  Postgres docs: "Advisory Locks" (13.3.5).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.plans import stored
from proxy.plans.plan import Step
from proxy.plans.target import literal
from proxy.run.advisory import holder
from proxy.run.asking import Asking, hexed, unhexed
from proxy.run.connection import Reply, ServerError
from proxy.run.store import EQ, VERSION, WRITTEN, JobsUnusable, exists, is_there, pending, prepare
from proxy.run.stored_job import MEANING, OVER, Job, job_of

log = logging.getLogger("interlock")

SPACE = 0x494E544A  # "INTJ": the first key of a claim; the second is the job
KEPT = "30 days"  # how long a job that is done stays in the table
DROPPED = ("42P01", "3F000")  # undefined_table, invalid_schema_name

_SETTINGS = f"""(SELECT pg_catalog.json_object_agg(s.name, s.setting)::pg_catalog.text FROM (
    SELECT p.name, pg_catalog.current_setting(p.name) AS setting FROM pg_catalog.pg_settings p
        WHERE p.name OPERATOR(pg_catalog.<>) 'search_path'
        AND p.source {EQ} ANY (ARRAY['session', 'client']::pg_catalog.text[])
        AND p.name {EQ} ANY (ARRAY[{", ".join(f"'{name}'" for name in sorted(MEANING))}]::pg_catalog.text[])
    UNION ALL SELECT 'search_path', pg_catalog.current_setting('search_path')) s)"""

INSERT = (
    f"INSERT INTO interlock.jobs ({', '.join(WRITTEN)}, settings) VALUES ("
    + ", ".join(f"${n}::pg_catalog.text" for n in range(1, len(WRITTEN) + 1))
    + f", {_SETTINGS})"
)

# Those of a job that was written down a moment ago, if nothing can have changed them since: to look through all settings takes
# the server half a millisecond, in which others may be waiting.
_SETTINGS_OF = f"COALESCE((SELECT b.settings FROM interlock.jobs b WHERE b.id {EQ} {{}}), {_SETTINGS})"

_ROW = f"/* interlock */ SELECT {hexed('pg_catalog.row_to_json(j)::pg_catalog.text')}"
_READ = f"{_ROW} FROM interlock.jobs j"
_IS_OVER = f"(j.state {EQ} ANY ('{{{','.join(OVER)}}}'::pg_catalog.text[])) IS TRUE"  # NULL is not
_GONE = " ".join(
    f"WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname {EQ} j.{name}) THEN '{name}'"
    for name in ("login", "role")
)
_READ_BY_OTHERS = f"{_ROW}, CASE WHEN {_IS_OVER} THEN '' {_GONE} ELSE '' END FROM interlock.jobs j"
_MINE = f"j.login {EQ} session_user"  # said again, for a superuser sees everybody's
# Whether a table is left that it is about: another one may have taken the names since, in the same transaction.
_LEFT = (
    "(CASE WHEN j.tables OPERATOR(pg_catalog.~) '^\\[[0-9]{1,18}(, [0-9]{1,18})*\\]$' THEN EXISTS (SELECT FROM pg_catalog.pg_class c"
    f" WHERE c.oid::pg_catalog.int8 {EQ} ANY (pg_catalog.translate(j.tables, '[]', '{{}}')::pg_catalog.int8[])) ELSE true END)"
)
OF_SESSION = (
    f"{_READ} WHERE j.session {EQ} $1::pg_catalog.text AND {_MINE} AND {_LEFT}"
    f" AND j.state {EQ} 'waiting' ORDER BY j.id USING OPERATOR(pg_catalog.<)"
)
OF_OTHER_LOGIN = (
    f"{_READ} WHERE j.session {EQ} $1::pg_catalog.text AND NOT ({_MINE})"
    f" AND j.state {EQ} 'waiting' ORDER BY j.id USING OPERATOR(pg_catalog.<)"
)
OF_EARLIER = (
    f"{_READ} WHERE {_MINE} AND {_LEFT} AND j.state {EQ} ANY (ARRAY['waiting', 'running']::pg_catalog.text[])"
    " ORDER BY j.id USING OPERATOR(pg_catalog.<)"
)
UNFINISHED = (
    f"{_READ} WHERE {_MINE} AND NOT ({_IS_OVER})"  # a state that is none of ours is not over
    " ORDER BY j.id USING OPERATOR(pg_catalog.<)"
)
ALL = f"{_READ_BY_OTHERS} ORDER BY j.id USING OPERATOR(pg_catalog.<)"
ONE = f"{_READ_BY_OTHERS} WHERE j.id {EQ} $1::pg_catalog.int8"
CLAIM = "/* interlock */ SELECT pg_catalog.pg_try_advisory_lock($1::pg_catalog.int4, $2::pg_catalog.int4)"
UNCLAIM = "/* interlock */ SELECT pg_catalog.pg_advisory_unlock($1::pg_catalog.int4, $2::pg_catalog.int4)"
BEGIN = (
    "/* interlock */ UPDATE interlock.jobs AS j SET state = 'running',"
    " attempts = LEAST(j.attempts, 2147483646) OPERATOR(pg_catalog.+) 1, started_at = pg_catalog.now(), finished_at = NULL"
    f" WHERE j.id {EQ} $1::pg_catalog.int8 AND {_MINE} AND j.state {EQ} ANY ($2::pg_catalog.text[]) RETURNING j.id"
)
END = (
    "/* interlock */ UPDATE interlock.jobs AS j SET state = $2::pg_catalog.text, error = $3::pg_catalog.text,"
    f" finished_at = CASE WHEN $2::pg_catalog.text OPERATOR(pg_catalog.<>) 'waiting' THEN pg_catalog.now() END"
    f" WHERE j.id {EQ} $1::pg_catalog.int8 AND {_MINE}"
)
REMOVE = f"/* interlock */ DELETE FROM interlock.jobs AS j WHERE j.id {EQ} $1::pg_catalog.int8 AND {_MINE}"
# Whether what stands in a row's xmin, of a (sub)transaction of a moment ago, was committed; it does not look at the table.
COMMITTED = (
    "/* interlock */ SELECT pg_catalog.txid_status(s.next OPERATOR(pg_catalog.-) ((s.next OPERATOR(pg_catalog.-)"
    " $1::pg_catalog.int8) OPERATOR(pg_catalog.&) 4294967295::pg_catalog.int8)) FROM (SELECT"
    " pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) AS next) s"
)
PRUNE = (
    f"/* interlock */ DELETE FROM interlock.jobs AS j WHERE {_MINE} AND j.state {EQ} 'done'"
    f" AND j.finished_at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) '{KEPT}'::pg_catalog.interval)"
)


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
    migration: str = ""  # its version, as the tool counts
    like: int | None = None  # a job of the same transaction with the same settings

    @property
    def parameters(self) -> tuple[str, ...]:
        """Of ``INSERT``."""
        plan, tables, give_up = stored.encode(self.steps), json.dumps(self.tables), json.dumps(self.give_up)
        relations = json.dumps(list(dict.fromkeys(relation for step in self.steps for relation in step.relations)))
        return (
            self.session, self.kind, self.statement, relations, tables, plan, give_up, self.client, self.application,
            self.tool, self.migration,
        )  # fmt: skip

    @property
    def insertion(self) -> tuple[str, tuple[str, ...]]:
        """The statement that writes it down, and its parameters; its one row is the number, and who wrote it (``COMMITTED``)."""
        sql = INSERT if self.like is None else INSERT.replace(_SETTINGS, _SETTINGS_OF.format(self.like))
        return f"/* interlock */ {sql} RETURNING id, xmin", self.parameters

    @property
    def sql(self) -> str:
        """The insertion as a statement without parameters."""
        sql = INSERT
        for n, value in reversed(list(enumerate(self.parameters, 1))):
            before, _, behind = sql.partition(f"${n}::")
            sql = f"{before}{literal(value)}::{behind}"
        return sql


def follows(job: Job, earlier: Job) -> bool:
    """Whether a job must not be done before an earlier one: they are about one table, or may be."""
    if earlier.id >= job.id:
        return False
    if not set(earlier.tables).isdisjoint(job.tables):
        return True
    # A key to what will be unique locks both tables; COMMENT ON INDEX says none.
    unknown = not (earlier.tables and job.tables)
    return earlier.session == job.session and (unknown or not set(earlier.relations).isdisjoint(job.relations))


# ---------------------------------------------------------------- what is in it


async def add(own: Asking, job: NewJob) -> int:
    """Write a job down, in the transaction that is open; its number.  ``prepare`` must have run.  Raises ServerError."""
    return number((await own.run([job.insertion], notices=False))[0])


def number(reply: Reply) -> int:
    """Of the job that was written down, from the answer to its ``insertion``."""
    return int(reply.rows[0][0] or b"0")


def written_by(reply: Reply) -> str:
    """The (sub)transaction that wrote it down, for ``is_committed``."""
    return (reply.rows[0][1] or b"").decode("ascii")


async def is_committed(own: Asking, writer: str) -> bool:
    """Whether what that transaction has written down was committed, whatever has become of it since.  Raises ServerError."""
    return (await own.fetch(COMMITTED, writer))[0][0] == b"committed"


async def of_session(own: Asking, session: str) -> list[Job]:
    """What a session has written down and nobody has begun, as far as it is visible now, and is not without its table.

    ``exists`` must hold.
    """
    return _jobs(await own.fetch(OF_SESSION, session))


async def of_other_login(own: Asking, session: str) -> list[Job]:
    """What a session has written down under a login that it has no more, as far as it may see that.  ``exists`` must hold."""
    return _jobs(await own.fetch(OF_OTHER_LOGIN, session))


async def login(own: Asking) -> str:
    """Whose jobs this session does."""
    return ((await own.fetch("/* interlock */ SELECT session_user"))[0][0] or b"").decode()


async def unfinished(own: Asking) -> list[Job]:
    """All of this login's that are not over, whatever their state says, oldest first; [] if there is no table.

    Raises JobsUnusable, ServerError.
    """
    return await _look(own, UNFINISHED) if await exists(own) else []


async def of_earlier(own: Asking) -> list[Job]:
    """What waits or is being done, of any session of this login's, and is not without its table."""
    if not await pending(own):
        return []
    return [job for job in _jobs(await own.fetch(OF_EARLIER)) if not job.unreadable]


async def waiting(own: Asking) -> list[Job]:
    """Those of ``unfinished`` that could be done here: they wait, or their claim may be gone.

    What cannot be read is left to the Interlock that wrote it.  Nothing can be done on a standby.
    """
    if not await pending(own):
        return []
    found = [job for job in await _look(own, UNFINISHED) if job.state != "failed"]
    for job in found:
        if job.unreadable:
            log.warning("job %d in interlock.jobs is left alone: %s", job.id, job.unreadable)
    return [job for job in found if not job.unreadable]


async def everything(own: Asking) -> list[Job]:
    """All that may be seen: a superuser, and the table's owner, see everybody's.  Raises as ``unfinished``."""
    return await _look(own, ALL) if await exists(own) else []


async def orphans(own: Asking) -> list[Job]:
    """What nobody will do, for its login no longer exists, as far as it may be seen.  Raises as ``unfinished``."""
    return [job for job in await everything(own) if job.gone == "login"]


async def find(own: Asking, job: int) -> Job | None:
    """One by its number, as far as it may be seen.  Raises as ``unfinished``."""
    found = await _look(own, ONE, str(job)) if await exists(own) else []
    return found[0] if found else None


async def _look(own: Asking, sql: str, *parameters: str) -> list[Job]:
    """[] if the table has been dropped since it was asked whether there is one.  Raises ServerError."""
    try:
        return _jobs(await own.fetch(sql, *parameters))
    except ServerError as error:
        if error.sqlstate not in DROPPED or await is_there(own):
            raise
        return []


def _jobs(rows: Sequence[Sequence[bytes | None]]) -> list[Job]:
    return [job_of(json.loads(unhexed(row[0])), *((gone or b"").decode() for gone in row[1:])) for row in rows]


# ---------------------------------------------------------------- doing one


async def claim(own: Asking, job: int, *, states: Sequence[str] = ("waiting", "running")) -> bool:
    """Take a job for this session; False if another has it, or if it is in none of ``states`` any more."""
    if (await own.fetch(CLAIM, str(SPACE), key(job)))[0][0] != b"t":
        return False
    try:
        taken = bool(await own.fetch(BEGIN, str(job), "{" + ",".join(states) + "}"))
    except ServerError:
        await unclaim(own, job)
        raise
    if not taken:
        await unclaim(own, job)
    return taken


async def claimant(own: Asking, job: int) -> tuple[str, bool] | None:
    """Who has a job's claim, in words, and whether that can be a session that does it; None if nobody has."""
    return await holder(own, SPACE, job)


async def remove(own: Asking, job: int) -> None:
    """Take back a job, in the transaction that wrote it down."""
    await own.fetch(REMOVE, str(job))


async def unclaim(own: Asking, job: int) -> None:
    await own.fetch(UNCLAIM, str(SPACE), key(job))


async def end(own: Asking, job: int, state: str, error: dict[str, str] | None = None) -> None:
    """Note what became of a claimed job (done, failed, cancelled; waiting: it is to be done again), and let it go."""
    try:
        text = json.dumps(error) if error else None
        await own.fetch(END, str(job), state, text)
        if state == "done":
            await own.fetch(PRUNE)
    finally:
        await unclaim(own, job)


def key(job: int) -> str:
    """A job's number as an int4, cut to its lower bits: two that meet in it are done one after the other."""
    low = job & 0xFFFFFFFF
    return str(low - (1 << 32) if low >= 1 << 31 else low)


__all__ = [
    "OVER", "VERSION", "Job", "JobsUnusable", "NewJob", "ServerError", "add", "claim", "claimant", "end", "everything", "exists", "find",
    "follows", "is_there", "login", "number", "of_other_login", "of_session", "orphans", "prepare", "remove", "unclaim", "unfinished", "waiting",
]  # fmt: skip
