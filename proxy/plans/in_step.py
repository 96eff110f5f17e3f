"""A trigger that keeps a second column in step with the one that it will take the place of.

It fires after all other BEFORE triggers (they go by name), whatever session_replication_role says, and computes under
the settings of the session that made it, for whoever writes.
"""

from __future__ import annotations

from proxy.plans.done import EQ
from proxy.plans.target import Target, literal, own_name
from proxy.sql.statements import quote_identifier

LAST = "~"  # sorts behind all letters
# Of casts between these no setting changes the outcome.
PURE = frozenset({"int2", "int4", "int8", "numeric", "text", "varchar", "bpchar", "json", "jsonb"})
SETTINGS = ("search_path", "TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output")


def trigger_name(table: Target, column: str, sql: str) -> str:
    return LAST + own_name("sync", *table.key, column, sql)


def is_ours(trigger: str) -> bool:
    return trigger.startswith(f"{LAST}_interlock_sync_")


def function(table: Target, column: str, fresh: str, expression: str | None, sql: str, *, pure: bool) -> str:
    """CREATE FUNCTION; ``expression`` is over the one column, and None for an assignment."""
    name, into = quote_identifier(column), f"NEW.{quote_identifier(fresh)}"
    value = f"NEW.{name}"
    if expression is not None:
        value = f"(SELECT {expression} FROM (SELECT NEW.{name}) AS {quote_identifier(table.name)} ({name}))"
    body = f"#variable_conflict use_column\nBEGIN {into} := {value}; RETURN NEW; END"
    pinned = "" if pure else "".join(f" SET {name} FROM CURRENT" for name in SETTINGS)
    called = _function(table, column, sql)
    return f"CREATE OR REPLACE FUNCTION {called}() RETURNS trigger LANGUAGE plpgsql{pinned} AS {literal(body)}"


def trigger(table: Target, column: str, sql: str) -> tuple[str, str]:
    name = quote_identifier(trigger_name(table, column, sql))
    return (
        f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table.sql} FOR EACH ROW"
        f" EXECUTE FUNCTION {_function(table, column, sql)}()",
        f"ALTER TABLE {table.sql} ENABLE ALWAYS TRIGGER {name}",
    )


def gone(table: Target, column: str, sql: str) -> tuple[str, str]:
    """What takes both away."""
    name = quote_identifier(trigger_name(table, column, sql))
    return (
        f"DROP TRIGGER IF EXISTS {name} ON {table.sql}",
        f"DROP FUNCTION IF EXISTS {_function(table, column, sql)}()",
    )


def insisted(table: Target, column: str, sql: str) -> str:
    """Fails if the trigger is not there any more, or does not always fire: then values may differ."""
    name = trigger_name(table, column, sql)
    there = (
        f"SELECT FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid {EQ} g.tgrelid"
        f" JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace WHERE n.nspname {EQ} {literal(table.schema)}"
        f" AND c.relname {EQ} {literal(table.name)} AND g.tgname {EQ} {literal(name)} AND g.tgenabled {EQ} 'A'"
    )
    words = literal(f'interlock: somebody has dropped or disabled the trigger "{name}", so rows may have been missed')
    body = f"BEGIN IF NOT EXISTS ({there}) THEN RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = {words}; END IF; END"
    return f"DO LANGUAGE plpgsql {literal(body)}"


def _function(table: Target, column: str, sql: str) -> str:
    return table.sibling(own_name("sync", *table.key, column, sql)).sql
