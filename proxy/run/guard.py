"""Putting the event triggers of ``guard.sql`` into a database, and taking them out again."""

from __future__ import annotations

from importlib.resources import files
from typing import Final, Literal

import psycopg

Mode = Literal["stop", "report"]
VIA: Final = "interlock.via"
"""The setting by which a session is known to come through Interlock."""
_TAGS: Final = (
    "ALTER TABLE", "ALTER INDEX", "ALTER VIEW", "ALTER MATERIALIZED VIEW", "ALTER FOREIGN TABLE", "CREATE INDEX",
    "REFRESH MATERIALIZED VIEW",
)  # fmt: skip
_TAGS_17: Final = ("REINDEX",)
_REMOVE: Final = """
DROP EVENT TRIGGER IF EXISTS interlock_guard_end;
DROP EVENT TRIGGER IF EXISTS interlock_guard_drop;
DROP EVENT TRIGGER IF EXISTS interlock_guard_rewrite;
DROP FUNCTION IF EXISTS interlock_guard.check();
DROP FUNCTION IF EXISTS interlock_guard.decide(text, text);
DROP FUNCTION IF EXISTS interlock_guard.is_new(oid);
DROP SCHEMA IF EXISTS interlock_guard;
"""


def install(connection: psycopg.Connection, mode: Mode) -> None:
    """In one transaction, in place of what was there.  Raises psycopg.Error: it takes a superuser."""
    with connection.transaction():
        _allow(connection)
        tags = _TAGS + (_TAGS_17 if connection.info.server_version >= 170000 else ())
        text = files("proxy.run").joinpath("guard.sql").read_text(encoding="utf-8")
        text = text.replace("{stop}", str(mode == "stop").lower())
        connection.execute(_REMOVE)
        connection.execute(text.replace("{tags}", ", ".join(f"'{tag}'" for tag in tags)).encode())


def remove(connection: psycopg.Connection) -> None:
    """Raises psycopg.Error.  Nothing is left behind."""
    with connection.transaction():
        _allow(connection)
        connection.execute(_REMOVE)


def installed(connection: psycopg.Connection) -> Mode | None:
    """How it is installed; None if it is not, or not enabled."""
    row = connection.execute(
        "SELECT p.prosrc LIKE '%stop CONSTANT boolean := true;%' FROM pg_catalog.pg_event_trigger t"
        " JOIN pg_catalog.pg_proc e ON e.oid = t.evtfoid"
        " JOIN pg_catalog.pg_proc p ON p.pronamespace = e.pronamespace AND p.proname = 'decide' WHERE t.evtname = 'interlock_guard_end' AND t.evtenabled <> 'D'"
    ).fetchone()
    return None if row is None else "stop" if row[0] else "report"


def _allow(connection: psycopg.Connection) -> None:
    connection.execute("SET LOCAL interlock.allow = 'guard: itself'; SET LOCAL client_min_messages = warning")
