"""The table ``interlock.jobs``: made on first need, and used only as long as it is as we made it.

Jobs are SQL that somebody's session will run, so whoever can write one, or put a trigger on the table, acts as
whoever runs it.  Therefore:

* A session runs only jobs of its own login.  Row security keeps others from writing, changing and seeing such rows.
* Nor may code that is called in a login's session write them under another role: a SECURITY DEFINER function, or
  what runs as a table's owner (an index expression in ANALYZE).  There current_user is not the role that was SET.
* The table's owner is above row security.  So he must be one whom this login trusts anyway: a superuser, and for
  logins that are none themselves also a role that they belong to, or the database's owner.
* A trigger, a rule, a default or an index with somebody's function in it, and the table is not used at all.

Qualified throughout and ASCII, as ``catalog.lookup`` is.  Postgres docs: "Row Security Policies" (5.9).
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

from proxy.run.asking import Asking, hexed, unhexed
from proxy.run.connection import SET_CONFIG
from proxy.sql.statements import quote_identifier
from proxy.wire.errors import ServerProtocolError

VERSION = 1
MAKING = 0x494E544D  # "INTM": held while the table is made
MAKING_S = 10.0
PAUSE_S = 0.1

# Name, type, the rest of its definition.
COLUMNS = (
    ("id", "int8", "GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    ("state", "text", "NOT NULL DEFAULT 'waiting'"),
    ("login", "name", "NOT NULL DEFAULT session_user"),
    ("role", "name", "NOT NULL DEFAULT current_user"),
    ("session", "text", "NOT NULL"),
    ("kind", "text", "NOT NULL"),
    ("statement", "text", "NOT NULL"),
    ("relations", "text", "NOT NULL"),
    ("tables", "text", "NOT NULL"),
    ("plan", "text", "NOT NULL"),
    ("give_up", "text", "NOT NULL"),
    ("settings", "text", "NOT NULL"),
    ("client", "text", "NOT NULL"),
    ("application", "text", "NOT NULL"),
    ("tool", "text", "NOT NULL"),
    ("migration", "text", "NOT NULL"),  # empty so far: tools say which it is only when the migration has run
    ("attempts", "int4", "NOT NULL DEFAULT 0"),
    ("error", "text", ""),
    ("created_at", "timestamptz", "NOT NULL DEFAULT pg_catalog.now()"),
    ("started_at", "timestamptz", ""),
    ("finished_at", "timestamptz", ""),
)
WRITTEN = (
    "session", "kind", "statement", "relations", "tables", "plan", "give_up", "client", "application", "tool", "migration",
)  # fmt: skip
CHANGED = ("state", "attempts", "error", "started_at", "finished_at")
NEEDED = tuple(name for name, _, rest in COLUMNS if rest.startswith("NOT NULL"))

EQ = "OPERATOR(pg_catalog.=)"
_OWN = (
    f"login {EQ} session_user AND current_user {EQ} CASE WHEN pg_catalog.current_setting('role') {EQ} 'none'"
    " THEN session_user ELSE pg_catalog.current_setting('role')::pg_catalog.name END"
)
_DEFINITIONS = ", ".join(f"{name} pg_catalog.{kind} {rest}".rstrip() for name, kind, rest in COLUMNS)
MAKE = (
    "CREATE SCHEMA IF NOT EXISTS interlock",
    f"CREATE TABLE interlock.jobs ({_DEFINITIONS}) USING heap",  # whatever default_table_access_method says
    f"COMMENT ON TABLE interlock.jobs IS 'version {VERSION}: what Interlock does after a migration''s COMMIT'",
    "ALTER TABLE interlock.jobs ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY written ON interlock.jobs FOR INSERT WITH CHECK ({_OWN} AND role {EQ} current_user)",
    f"CREATE POLICY seen ON interlock.jobs FOR SELECT USING ({_OWN})",
    f"CREATE POLICY changed ON interlock.jobs FOR UPDATE USING ({_OWN})",
    f"CREATE POLICY removed ON interlock.jobs FOR DELETE USING ({_OWN})",
    "GRANT USAGE ON SCHEMA interlock TO PUBLIC",
    "GRANT SELECT, DELETE ON interlock.jobs TO PUBLIC",
    f"GRANT INSERT ({', '.join((*WRITTEN, 'settings'))}) ON interlock.jobs TO PUBLIC",
    f"GRANT UPDATE ({', '.join(CHANGED)}) ON interlock.jobs TO PUBLIC",
)


def _trusted(owner: str) -> str:
    return (
        f"EXISTS (SELECT FROM pg_catalog.pg_roles o WHERE o.oid {EQ} {owner} AND (o.rolsuper OR NOT login.rolsuper"
        f" AND (o.oid {EQ} d.datdba OR pg_catalog.pg_has_role(session_user, o.oid, 'MEMBER'))))"
    )


_WANTED = ", ".join(f"('{name}', '{kind}', {name in (*NEEDED, 'id')})" for name, kind, _ in COLUMNS)
_CATALOG = f"(SELECT n2.oid FROM pg_catalog.pg_namespace n2 WHERE n2.nspname {EQ} 'pg_catalog')"
_SOUND = f"""c.relkind {EQ} 'r' AND c.relpersistence {EQ} 'p' AND c.relrowsecurity
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class {EQ} c.oid)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid {EQ} c.oid)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid {EQ} c.oid OR i.inhparent {EQ} c.oid)
    AND {len(COLUMNS)} {EQ} (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid {EQ} c.oid AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped)
    AND {len(COLUMNS)} {EQ} (SELECT pg_catalog.count(*) FROM (VALUES {_WANTED}) AS w(name, kind, needed)
        JOIN pg_catalog.pg_attribute a ON a.attrelid {EQ} c.oid AND a.attname {EQ} w.name::pg_catalog.name
        JOIN pg_catalog.pg_type y ON y.oid {EQ} a.atttypid AND y.typname {EQ} w.kind::pg_catalog.name
        WHERE y.typnamespace {EQ} {_CATALOG} AND a.attgenerated {EQ} '' AND a.attnotnull {EQ} w.needed
        AND (a.attidentity {EQ} '') {EQ} (w.name OPERATOR(pg_catalog.<>) 'id'))
    AND 1 {EQ} (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index x WHERE x.indrelid {EQ} c.oid)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_index x
        WHERE x.indrelid {EQ} c.oid AND NOT (x.indisprimary AND x.indisvalid))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid {EQ} c.oid
        AND k.contype OPERATOR(pg_catalog.<>) 'p' AND k.contype OPERATOR(pg_catalog.<>) 'n')
    AND 4 {EQ} (SELECT pg_catalog.count(*) FROM pg_catalog.pg_policy p WHERE p.polrelid {EQ} c.oid
        AND p.polname {EQ} ANY (ARRAY['written', 'seen', 'changed', 'removed']::pg_catalog.name[]))
    AND 4 {EQ} (SELECT pg_catalog.count(*) FROM pg_catalog.pg_policy p WHERE p.polrelid {EQ} c.oid)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e LEFT JOIN pg_catalog.pg_attrdef f ON f.oid {EQ} e.objid
        LEFT JOIN pg_catalog.pg_policy p ON p.oid {EQ} e.objid
        WHERE (e.classid {EQ} 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND f.adrelid {EQ} c.oid
            OR e.classid {EQ} 'pg_catalog.pg_policy'::pg_catalog.regclass AND p.polrelid {EQ} c.oid)
            AND NOT (e.refclassid {EQ} 'pg_catalog.pg_class'::pg_catalog.regclass AND e.refobjid {EQ} c.oid))"""
_PRIVILEGED = f"""pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
    AND pg_catalog.has_table_privilege(c.oid, 'DELETE')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid {EQ} c.oid
        AND (a.attname {EQ} ANY (ARRAY[{", ".join(f"'{name}'" for name in (*WRITTEN, "settings"))}]::pg_catalog.name[])
            AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'INSERT')
            OR a.attname {EQ} ANY (ARRAY[{", ".join(f"'{name}'" for name in CHANGED)}]::pg_catalog.name[])
            AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'UPDATE')))"""

_FOUND = f"""pg_catalog.json_build_object(
    'there', c.oid IS NOT NULL, 'schema', n.oid IS NOT NULL,
    'hidden', n.oid IS NULL AND pg_catalog.to_regnamespace('interlock') IS NOT NULL
        AND pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) 'read committed',
    'read_only', pg_catalog.pg_is_in_recovery()
        OR pg_catalog.current_setting('transaction_read_only') {EQ} 'on',
    'trusted', (n.oid IS NULL OR {_trusted("n.nspowner")}) AND (c.oid IS NULL OR {_trusted("c.relowner")}),
    'owner', pg_catalog.pg_get_userbyid(COALESCE(c.relowner, n.nspowner)),
    'comment', COALESCE((SELECT t.description FROM pg_catalog.pg_description t WHERE t.objoid {EQ} c.oid
        AND t.classoid {EQ} 'pg_catalog.pg_class'::pg_catalog.regclass AND t.objsubid {EQ} 0), ''),
    'sound', {_SOUND},
    'privileged', {_PRIVILEGED},
    'unseen', pg_catalog.current_setting('row_security') {EQ} 'off' AND pg_catalog.row_security_active(c.oid),
    'may_create', login.rolsuper OR CASE WHEN n.oid IS NULL THEN pg_catalog.has_database_privilege(d.oid, 'CREATE')
        ELSE pg_catalog.has_schema_privilege(n.oid, 'CREATE') END,
    'by_login', login.rolsuper AND NOT me.rolsuper, 'role', pg_catalog.current_setting('role'),
    'user', me.rolname, 'login', login.rolname, 'database', d.datname)::pg_catalog.text"""
INSPECT = f"""/* interlock */ SELECT {hexed(_FOUND)}
    FROM pg_catalog.pg_database d
    JOIN pg_catalog.pg_roles me ON me.rolname {EQ} current_user
    JOIN pg_catalog.pg_roles login ON login.rolname {EQ} session_user
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname {EQ} 'interlock'
    LEFT JOIN pg_catalog.pg_class c ON c.relnamespace {EQ} n.oid AND c.relname {EQ} 'jobs'
    WHERE d.datname {EQ} pg_catalog.current_database()"""
THERE = f"""/* interlock */ SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n
    JOIN pg_catalog.pg_class c ON c.relnamespace {EQ} n.oid AND c.relname {EQ} 'jobs' WHERE n.nspname {EQ} 'interlock')"""
"""What to ask first: where there is none, the rest of ``INSPECT`` need not be planned, which takes ten times as long."""
TRY = "/* interlock */ SELECT pg_catalog.pg_try_advisory_xact_lock($1::pg_catalog.int4, 0)"
SCHEMA = f"""/* interlock */ SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname {EQ} 'interlock')
    OR pg_catalog.to_regnamespace('interlock') IS NOT NULL"""
"""Whether anything can have come with a lock: the table is read for the newest cache, which REPEATABLE READ has, too."""
INSTALL = "interlock jobs install --database URL"

READ_ONLY = (
    "nothing can be written here: the server is a standby, or the transaction is READ ONLY",
    "Do it on the primary, in a transaction that may write.",
)


class JobsUnusable(Exception):
    """Nothing can be written down, or done; the message says why, ``hint`` what to do about it."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint
        self.read_only = reason == READ_ONLY[0]


async def exists(own: Asking) -> bool:
    """Whether the table is there, and may be used.  Raises JobsUnusable, ServerError, ConnectionLost."""
    return await is_there(own) and _usable(await _inspect(own))


async def pending(own: Asking) -> bool:
    """Whether the table is there and something of it could be done here: not on a standby.  Raises as ``exists``."""
    if not await is_there(own):
        return False
    found = await _inspect(own)
    return _usable(found) and not found["read_only"]


async def prepare(own: Asking, cancelled: asyncio.Event | None = None) -> bool:
    """Make the table if it is not there, in the transaction that is open; whether it has been made.

    Raises JobsUnusable, ServerError; ConnectionLost.  Another transaction that makes it at this moment is waited
    for without joining a queue, for ``MAKING_S`` at most.
    """
    deadline = time.monotonic() + MAKING_S
    while True:
        found = await _inspect(own)
        if found["read_only"]:
            raise JobsUnusable(*READ_ONLY)
        if _usable(found):
            return False
        _may_be_made(found)
        locked, schema = await own.run([(TRY, (str(MAKING),)), (SCHEMA, ())], notices=False)
        if locked.rows[0][0] == b"t":
            if schema.rows[0][0] == b"t":
                found = await _inspect(own)  # it may have come with the lock
            if _usable(found):
                return False
            _may_be_made(found)
            await _make(own, found)
            return True
        if time.monotonic() > deadline or (cancelled is not None and cancelled.is_set()):
            raise JobsUnusable(
                "another transaction is just making the schema interlock, and does not end",
                f"Make it beforehand: {INSTALL}",
            )
        await asyncio.sleep(PAUSE_S)


async def is_there(own: Asking) -> bool:
    """Whether there is a table of that name.  Raises ServerError, ConnectionLost."""
    rows = await own.fetch(THERE)
    return bool(rows) and rows[0][0] != b"f"


async def _inspect(own: Asking) -> dict[str, Any]:
    rows = await own.fetch(INSPECT)
    if not rows:
        raise ServerProtocolError("a query of Interlock's own was answered by something else")
    answer: dict[str, Any] = json.loads(unhexed(rows[0][0]))
    return answer


def _usable(found: dict[str, Any]) -> bool:
    """Whether the table is there; raises JobsUnusable if it is there and must not be used."""
    if not found["there"]:
        return False
    if not found["trusted"]:
        raise _untrusted(found)
    version = str(found["comment"]).removeprefix("version ").split(":")[0]
    if re.fullmatch("[0-9]{1,9}", version) and int(version) > VERSION:
        raise JobsUnusable(
            f"interlock.jobs is of version {version}, and this Interlock knows version {VERSION}",
            "Use the newer Interlock, by which it was made.",
        )
    if not found["sound"] or version != str(VERSION):
        raise JobsUnusable(
            "interlock.jobs is not as Interlock made it",
            "Somebody has changed its columns, defaults or policies, put a trigger, rule or index on it, or turned its row"
            " security off. Put it back, or out of the way (what waits in it is then not done):\n"
            "  ALTER SCHEMA interlock RENAME TO interlock_changed;",
        )
    user = quote_identifier(found["user"])
    if not found["privileged"]:
        raise JobsUnusable(
            f"{user} has not the rights on interlock.jobs that everybody is to have",
            "\n".join(("What Interlock has granted was revoked; its owner grants it again:", *_grants())),
        )
    if found["unseen"]:
        raise JobsUnusable(
            "row_security is off, so that nothing of interlock.jobs can be seen", "SET row_security = on;"
        )
    return True


def _may_be_made(found: dict[str, Any]) -> None:
    """Raises JobsUnusable if the table cannot be made."""
    user, database = quote_identifier(found["user"]), quote_identifier(found["database"])
    if found["hidden"]:
        raise JobsUnusable(
            "the schema interlock was made after this transaction had begun, which therefore cannot see it",
            "Run the migration again.",
        )
    if found["schema"] and not found["trusted"]:
        raise _untrusted(found)
    if not found["may_create"]:
        where = "SCHEMA interlock" if found["schema"] else f"DATABASE {database}"
        made = "a table in the schema interlock" if found["schema"] else "the schema interlock"
        raise JobsUnusable(
            f"{user} may not make {made}, where what waits for COMMIT is written down",
            f"Have somebody run, who may:\n  {INSTALL}\nor:\n  GRANT CREATE ON {where} TO {user};",
        )


def _untrusted(found: dict[str, Any]) -> JobsUnusable:
    owner, login = quote_identifier(found["owner"]), quote_identifier(found["login"])
    return JobsUnusable(
        f"interlock.jobs belongs to {owner}, who could have {login} run whatever he likes",
        f"A superuser should own it. What is in it now {owner} may have written; so look at that first:\n"
        "  SELECT id, login, role, state, statement, plan FROM interlock.jobs;\n"
        "  ALTER SCHEMA interlock OWNER TO CURRENT_USER;\n"
        "  ALTER TABLE interlock.jobs OWNER TO CURRENT_USER;",
    )


def _grants() -> list[str]:
    return [f"  {sql};" for sql in MAKE if sql.startswith("GRANT")]


async def _make(own: Asking, found: dict[str, Any]) -> None:
    """A superuser's is made as his, whatever role he has on: what others own he cannot trust."""
    made: list[tuple[str, tuple[str, ...]]] = [(sql, ()) for sql in MAKE]
    if found["by_login"]:
        off, on = [(SET_CONFIG, ("role", role, "true")) for role in ("none", found["role"])]
        made = [off, *made, on]
    await own.run(made, notices=False)


__all__ = ["JobsUnusable", "exists", "is_there", "pending", "prepare"]
