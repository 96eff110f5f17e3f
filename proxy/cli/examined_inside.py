"""What ``interlock doctor`` looks at in the database, one function for each; they only look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from proxy.cli.examined import Found, Patient

if TYPE_CHECKING:
    from proxy.run.side import Side

OLDEST, NEWEST = 13, 18
CLOCK_S = 2.0
CONNECT_S = 10
ASK = "/* interlock */ SELECT "
GRANT_STATS = 'GRANT pg_read_all_stats TO "{role}";'


async def inside(patient: Patient) -> AsyncIterator[Found]:
    import psycopg

    from proxy.run.connection import ConnectionLost, ServerError
    from proxy.run.side import Side

    try:
        own = await Side.connect(patient.upstream, lambda text: None, timeout_s=CONNECT_S)
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        yield Found(
            "login",
            "fail",
            said,
            "Give the login that migrates: postgresql://USER@…, with PGPASSWORD or a .pgpass file.",
        )
        return
    try:
        for look in (_server, _login, _rights, _jobs, _leftovers, _settings, _clock, _guard, _pooler):
            try:
                async for one in look(own):
                    yield one
            except ServerError as error:
                yield Found(
                    look.__name__.strip("_"), "warn", f"could not be looked at: {error} (SQLSTATE {error.sqlstate})"
                )
        async for one in _monitor(own, patient.monitor):
            yield one
    except ConnectionLost as error:
        yield Found(
            "login", "fail", f"the connection was lost: {error}", "Does the server end sessions, or something between?"
        )
    finally:
        await own.close()


async def _row(own: Side, sql: str) -> list[str]:
    return [(value or b"").decode("utf-8", "replace") for value in (await own.fetch(ASK + sql))[0]]


async def _server(own: Side) -> AsyncIterator[Found]:
    number, text, standby, read_only = await _row(
        own,
        "pg_catalog.current_setting('server_version_num'), pg_catalog.version(), pg_catalog.pg_is_in_recovery()::text,"
        " pg_catalog.current_setting('transaction_read_only')",
    )
    major = int(number) // 10000
    if not text.startswith("PostgreSQL"):
        yield Found(
            "server",
            "fail",
            f"{text[:60]}: this is no PostgreSQL",
            "Interlock knows the locks of PostgreSQL itself, of no other server.",
        )
    elif not OLDEST <= major <= NEWEST:
        yield Found("server", "fail", f"PostgreSQL {major}", f"Interlock is tested with {OLDEST} to {NEWEST}.")
    else:
        yield Found("server", "ok", text.split(" on ")[0])
    if standby == "true" or read_only == "on":
        yield Found(
            "primary",
            "fail",
            "a standby, or read only: nothing can be changed here",
            "target_session_attrs=read-write with all hosts in --upstream",
        )
    managed = await own.fetch(
        ASK + "pg_catalog.string_agg(DISTINCT pg_catalog.split_part(name, '.', 1), ',') FROM pg_catalog.pg_settings"
        " WHERE pg_catalog.split_part(name, '.', 1) IN ('rds', 'cloudsql', 'neon', 'azure', 'apg_plan_mgmt')"
    )
    if managed and managed[0][0]:
        yield Found(
            "managed",
            "note",
            f"settings of {managed[0][0].decode()} are there",
            "docs/deployment.md says what is different there.",
        )


async def _login(own: Side) -> AsyncIterator[Found]:
    user, superuser, database = await _row(
        own,
        "session_user, (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.rolname = session_user)::text, pg_catalog.current_database()",
    )
    yield Found("login", "ok", f"{user}{' (a superuser)' if superuser == 'true' else ''}, database {database}")


async def _rights(own: Side) -> AsyncIterator[Found]:
    from proxy.run import jobs
    from proxy.run.jobs import JobsUnusable

    user, database, create, stats = await _row(
        own,
        "session_user, pg_catalog.current_database(), pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')::text,"
        " pg_catalog.pg_has_role(session_user, 'pg_read_all_stats', 'USAGE')::text",
    )
    try:
        there = await jobs.exists(own)
    except JobsUnusable as error:
        yield Found("interlock.jobs", "fail", str(error), error.hint)
    else:
        if there:
            yield Found("interlock.jobs", "ok", "there, and as Interlock made it")
        elif create == "true":
            yield Found("interlock.jobs", "ok", f"not there yet; {user} may make it when it is needed")
        else:
            remedy = f'interlock jobs install --database …    as a superuser, or:\nGRANT CREATE ON DATABASE "{database}" TO "{user}";'
            yield Found(
                "interlock.jobs",
                "warn",
                f"not there, and {user} may not make it: migrations in a transaction would be rejected",
                remedy,
            )
    if stats == "true":
        yield Found("statistics", "ok", "what other sessions do can be seen: who holds a lock is named")
    else:
        remedy = GRANT_STATS.format(role=user)
        yield Found(
            "statistics",
            "note",
            f"{user} sees of other roles' sessions their pid only: who holds a lock is named without what it does",
            remedy,
        )


async def _jobs(own: Side) -> AsyncIterator[Found]:
    from proxy.run import jobs
    from proxy.run.jobs import JobsUnusable

    try:
        found = await jobs.unfinished(own)
    except JobsUnusable:
        return  # said above
    failed = [str(job.id) for job in found if job.state == "failed"]
    if failed:
        yield Found(
            "jobs",
            "warn",
            f"failed: {', '.join(failed)}",
            f"interlock jobs show {failed[0]}\ninterlock jobs retry {failed[0]}    when the cause is mended",
        )
    elif found:
        yield Found("jobs", "warn", f"{len(found)} wait", "interlock jobs run --wait")
    else:
        yield Found("jobs", "ok", "none waits, none has failed")


async def _leftovers(own: Side) -> AsyncIterator[Found]:
    invalid, unvalidated = await _row(
        own,
        "(SELECT pg_catalog.count(*) FROM pg_catalog.pg_index i WHERE NOT i.indisvalid)::text,"
        " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_constraint c WHERE NOT c.convalidated AND c.contype <> 'n')::text",
    )
    said = [f"{invalid} invalid indexes"] if invalid != "0" else []
    said += [f"{unvalidated} constraints NOT VALID"] if unvalidated != "0" else []
    if said:
        yield Found(
            "leftovers", "warn", ", ".join(said), "interlock unfinished --database …    lists them, with what to do"
        )


async def _settings(own: Side) -> AsyncIterator[Found]:
    rows = await own.fetch(
        ASK
        + "s.name, s.setting, s.source FROM pg_catalog.pg_settings s WHERE s.name IN ('statement_timeout', 'lock_timeout',"
        " 'idle_in_transaction_session_timeout', 'deadlock_timeout', 'track_activities', 'max_connections')"
    )
    found = {(n or b"").decode(): ((v or b"").decode(), (s or b"").decode()) for n, v, s in rows}
    for name in ("statement_timeout", "lock_timeout"):
        value, source = found[name]
        if value != "0" and source in ("user", "database", "database user", "configuration file", "global"):
            yield Found(name, "note", f"{value} ms by the {source}; Interlock lifts it for builds, and only for those")
    if found["idle_in_transaction_session_timeout"][0] == "0":
        yield Found(
            "idle sessions", "note", "a transaction that was forgotten open holds up every lock and every build for ever",
            "idle_in_transaction_session_timeout at the server, or locks.terminate_idle_in_transaction in the policy",
        )  # fmt: skip
    if found["track_activities"][0] == "off":
        yield Found(
            "activity",
            "warn",
            "track_activities is off: nobody can tell what a session that is in the way does",
            "track_activities = on",
        )


async def _clock(own: Side) -> AsyncIterator[Found]:
    before = time.time()
    (theirs,) = await _row(own, "pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::text")
    after = time.time()
    off = float(theirs) - (before + after) / 2
    if abs(off) > CLOCK_S + (after - before):
        ahead = "ahead of" if off > 0 else "behind"
        yield Found(
            "clock",
            "warn",
            f"the server's is {abs(off):.0f} s {ahead} this machine's",
            "Until they agree, times in the audit log and freezes of the policy are this machine's. Run NTP on both.",
        )
    else:
        yield Found("clock", "ok", "the server's agrees with this machine's")


async def _guard(own: Side) -> AsyncIterator[Found]:
    rows = await own.fetch(
        ASK
        + "t.evtname, t.evtenabled::text FROM pg_catalog.pg_event_trigger t WHERE pg_catalog.left(t.evtname::text, 9) = 'interlock'"
    )
    names = [(name or b"").decode() for name, enabled in rows if enabled != b"D"]
    if names:
        yield Found("event trigger", "ok", f"{', '.join(names)}: DDL that goes around Interlock is noticed")
    else:
        yield Found(
            "event trigger",
            "note",
            "none of Interlock's: who connects to the server directly goes around it",
            "Let only Interlock's address log in as the roles that migrate (pg_hba.conf): docs/deployment.md",
        )


async def _pooler(own: Side) -> AsyncIterator[Found]:
    """A pooler that gives each transaction another server connection loses what a session has."""
    pids = {(await _row(own, "pg_catalog.pg_backend_pid()::text"))[0] for _ in range(5)}
    others = await asyncio.gather(*(_pid_of_another(own) for _ in range(2)))
    mixed = pids & {pid for pid in others if pid}
    if len(pids) > 1 or mixed:
        yield Found(
            "pooler",
            "fail",
            "something between pools by transaction: locks and settings of a session do not stay with it",
            "Let --upstream lead to the server itself, or to a pool in session mode.",
        )


async def _pid_of_another(own: Side) -> str:
    import psycopg

    try:
        async with await psycopg.AsyncConnection.connect(
            own.connection.info.dsn,
            password=own.connection.info.password or None,
            autocommit=True,
            connect_timeout=CONNECT_S,
        ) as other:
            row = await (await other.execute("SELECT pg_catalog.pg_backend_pid()::text")).fetchone()
            return str(row[0]) if row else ""
    except psycopg.Error:
        return ""


async def _monitor(own: Side, url: str) -> AsyncIterator[Found]:
    from proxy.run.monitor import SERVER, Monitor

    if not url:
        yield Found(
            "monitor",
            "note",
            "none: clients hear how long a build has run, but not how far it is",
            "--monitor URL, with a role that has pg_read_all_stats",
        )
        return
    monitor = Monitor(url)
    try:
        server = ((await own.fetch(SERVER))[0][0] or b"").decode()
        if await monitor.sees(server):
            yield Found("monitor", "ok", "it is connected, to the same server")
        elif monitor.server:
            yield Found(
                "monitor",
                "fail",
                "it is connected to another server than --upstream",
                "Let both lead to the same server.",
            )
        else:
            yield Found("monitor", "fail", "it cannot connect", f"psql '{_without_password(url)}'    says why")
    finally:
        await monitor.close()


def _without_password(url: str) -> str:
    from proxy.cli.beside import redacted

    return redacted(url)


__all__ = ["inside"]
