"""No guarded statement runs unseen: each attempt of ``bypasses.py`` through the running proxy, under the strict policy.

Directly each takes effect; through Interlock nothing may change.  What is known to pass is in ``UNSEEN``, and in
docs/limits.md: it is held by this test to pass still, and to be stopped by the event trigger.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import psycopg
import pytest

from tests.live import bypasses
from tests.live.bypasses import Attempt
from tests.live.raw import Answer, Ended, Raw
from tests.proxies import Proxy
from tests.servers import Server, database_name

POLICY = "version: 1\nextends: strict\nsmall_tables: { under: 0kB }\nrules: { rename-table: reject, rename-column: reject }\n"
SEEN = bypasses.TEXTS | bypasses.SETTINGS | bypasses.CODE | bypasses.PROTOCOL
PASSES = bypasses.UNSEEN | bypasses.WITHOUT_RULE
RESET = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname = 'x' LOOP EXECUTE 'DROP EVENT TRIGGER ' || name; END LOOP;
END $$;
DROP EXTENSION IF EXISTS dblink, citext CASCADE;
DO $$ BEGIN CREATE ROLE leaver; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DROP SCHEMA IF EXISTS public, s, evil CASCADE;
CREATE SCHEMA public;
CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 100) g;
CREATE INDEX t_a ON t (a);
CREATE TABLE other (a int);
"""


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest) -> object:
    """One database for each server."""
    made: dict[int, tuple[Server, str]] = {}

    def get(server: Server) -> str:
        if server.version not in made:
            made[server.version] = (server, server.create_database())
        return server.url(made[server.version][1])

    yield get
    for server, name in made.values():
        server.drop_database(name)


@pytest.fixture
def target(postgres: Server, place: Callable[[Server], str]) -> str:
    return place(postgres)


def reset(database: str, attempt: Attempt) -> str:
    """A fresh table t, and all that the attempt finds there; returns what t is now."""
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("SET client_min_messages = error; SET session_replication_role = replica")
        session.execute(RESET)
        for text in attempt.before:
            session.execute(text)
    return state(database)


def state(database: str) -> str:
    """The table that was made as t, under whatever name: its columns, files and indexes; empty if it is gone."""
    with psycopg.connect(database, autocommit=True) as session:
        row = session.execute(
            "SELECT string_agg(concat_ws(' ', relname, pg_relation_filenode(oid), (SELECT string_agg(attname || atttypid, ','"
            " ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0)), '; ' ORDER BY relname)"
            " FROM pg_class c WHERE relkind IN ('r', 'i') AND relnamespace = to_regnamespace('public')"
            " AND (relname IN ('t', 'later', 't_a', 't_a_idx', 't_a_key') OR relname LIKE 'xxx%')"
        ).fetchone()
    assert row is not None
    return str(row[0])


def attempt_it(url: str, attempt: Attempt, database: str) -> list[str]:
    """Send it; return the SQLSTATEs of the errors that came."""
    said: list[Answer] = []
    try:
        with Raw(url, **attempt.startup) as raw:
            for flight in attempt.flights:
                if flight[:1] == b"F":
                    flight = called(flight[1:].decode(), database)
                raw.send(flight)
                said += raw.until(*("Z" * ends(flight)))
    except Ended as ended:
        said += ended.said
    return [sqlstate(body) for kind, body in said if kind == "E"]


def ends(flight: bytes) -> int:
    """How many ReadyForQuery will answer it."""
    at = found = 0
    while at < len(flight):
        found += flight[at] in b"QSF"
        at += 1 + int(struct.unpack_from(">I", flight, at + 1)[0])
    return found


def called(signature: str, database: str) -> bytes:
    with psycopg.connect(database) as session:
        row = session.execute("SELECT %s::regprocedure::oid", (signature,)).fetchone()
    assert row is not None
    body = struct.pack(">IHHH", row[0], 0, 0, 0)
    return b"F" + struct.pack(">I", len(body) + 4) + body


def sqlstate(body: bytes) -> str:
    return next(part[1:].decode() for part in body.split(b"\0") if part[:1] == b"C")


def applies(attempt: Attempt, server: Server) -> bool:
    return attempt.since <= server.version <= attempt.until


@pytest.mark.sampled(5)
@pytest.mark.parametrize("name", SEEN)
def test_seen(name: str, postgres: Server, target: str, share_proxy: Callable[[str], Proxy]) -> None:
    attempt = SEEN[name]
    before = reset(target, attempt)
    attempt_it(target, attempt, target)
    works = state(target) != before
    assert works == (not attempt.harmless and applies(attempt, postgres)), "is it an attempt at all?"
    before = reset(target, attempt)
    codes = attempt_it(share_proxy(POLICY).url(database_name(target)), attempt, target)
    assert state(target) == before, f"it got by; errors: {codes}"
    if works:
        assert {"IL001", "IL002"} & set(codes), f"it was stopped by chance: {codes}"


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", PASSES)
def test_what_passes(name: str, target: str, share_proxy: Callable[[str], Proxy]) -> None:
    """If one of these is stopped one day: move it, and strike it from docs/limits.md."""
    attempt = PASSES[name]
    before = reset(target, attempt)
    codes = attempt_it(share_proxy(POLICY).url(database_name(target)), attempt, target)
    assert state(target) != before, codes
