"""A trigger that keeps a second column in step with the one that it will take the place of.

It fires after all other BEFORE triggers (they go by name), whatever session_replication_role says, and computes as the
role and under the settings of the session that made it, whoever writes.
"""

from __future__ import annotations

from proxy.catalog.column_state import same
from proxy.plans.done import EQ
from proxy.plans.target import Target, literal, own_name
from proxy.sql.statements import quote_identifier

LAST = "~"  # sorts behind all letters
# Of casts between these no setting changes the outcome.
PURE = frozenset({"int2", "int4", "int8", "numeric", "text", "varchar", "bpchar", "json", "jsonb"})
# What has a say in other casts, and in an expression.
SETTINGS = (
    "TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output", "array_nulls", "xmloption", "xmlbinary",
    "lc_monetary", "quote_all_identifiers",
)  # fmt: skip
# Of these what is equal is the same.
INTEGERS = frozenset({"int2", "int4", "int8"})
READING = ("standard_conforming_strings", "transform_null_equals", "lc_time", "lc_numeric")


def trigger_name(table: Target, column: str, sql: str) -> str:
    return LAST + own_name("sync", *table.key, column, sql)


def is_ours(trigger: str) -> bool:
    return trigger.startswith(f"{LAST}_interlock_sync_")


def function(
    table: Target, column: str, fresh: str, expression: str | None, sql: str, *, pure: bool
) -> tuple[str, ...]:
    """What makes it; ``expression`` is over the one column, and None for an assignment.

    It computes as the author, who may call what a writer of the table may not, and under the author's search_path as it
    is resolved now, with nobody's temporary types before it; nobody else may make a trigger of it.
    """
    name, into = quote_identifier(column), f"NEW.{quote_identifier(fresh)}"
    value = f"NEW.{name}"
    if expression is not None:
        value = f"(SELECT {expression} FROM (SELECT NEW.{name}) AS {quote_identifier(table.name)} ({name}))"
    body = f"#variable_conflict use_column\nBEGIN {into} := {value}; RETURN NEW; END"
    called, language = _function(table, column, sql), "RETURNS trigger LANGUAGE plpgsql"
    if pure:
        return (f"CREATE OR REPLACE FUNCTION {called}() {language} AS {literal(body)}",)
    settings = SETTINGS if expression is None else SETTINGS + READING
    pinned = "".join(f" SET {name} FROM CURRENT" for name in settings)
    path = (
        "BEGIN EXECUTE pg_catalog.concat("
        + literal(f"ALTER FUNCTION {called}() SET search_path TO ")
        + ", (SELECT pg_catalog.string_agg(pg_catalog.concat(pg_catalog.quote_ident(s.name), ', '), '' ORDER BY s.at)"
        " FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS s (name, at)"
        " WHERE s.name::pg_catalog.text OPERATOR(pg_catalog.!~) '^pg_temp'), 'pg_temp'); END"
    )
    return (
        f"CREATE OR REPLACE FUNCTION {called}() {language} SECURITY DEFINER{pinned} AS {literal(body)}",
        f"REVOKE ALL ON FUNCTION {called}() FROM PUBLIC",
        f"DO LANGUAGE plpgsql {literal(path)}",
    )


def trigger(table: Target, column: str, sql: str, unless: str = "") -> tuple[str, str]:
    """What makes it; it leaves a row alone of which ``unless`` is true."""
    name = quote_identifier(trigger_name(table, column, sql))
    when = f" WHEN (NOT {unless})" if unless else ""
    return (
        f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table.sql} FOR EACH ROW{when}"
        f" EXECUTE FUNCTION {_function(table, column, sql)}()",
        f"ALTER TABLE {table.sql} ENABLE ALWAYS TRIGGER {name}",
    )


def agree(column: str, fresh: str, types: frozenset[str]) -> str:
    """Whether a row's two columns say the same, which the server tells without calling a function; empty for most types.

    So neither the fill nor a writer of other columns pays for the trigger.  ``types`` are those of both, the second one's too.
    """
    if not types <= INTEGERS:
        return ""
    first, second = f"NEW.{quote_identifier(column)}", f"NEW.{quote_identifier(fresh)}"
    return f"COALESCE({second} {EQ} {first}, {second} IS NULL AND {first} IS NULL)"


def gone(table: Target, column: str, sql: str) -> tuple[str, str]:
    """What takes both away."""
    name = quote_identifier(trigger_name(table, column, sql))
    return (
        f"DROP TRIGGER IF EXISTS {name} ON {table.sql}",
        f"DROP FUNCTION IF EXISTS {_function(table, column, sql)}()",
    )


def insisted(table: Target, column: str, state: str, sql: str) -> str:
    """Fails if the trigger is not there any more, or does not always fire, or if the column is not what it was."""
    name = trigger_name(table, column, sql)
    there = (
        f"SELECT FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_class c ON c.oid {EQ} g.tgrelid"
        f" JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace WHERE n.nspname {EQ} {literal(table.schema)}"
        f" AND c.relname {EQ} {literal(table.name)} AND g.tgname {EQ} {literal(name)} AND g.tgenabled {EQ} 'A'"
    )
    missed = f'interlock: somebody has dropped or disabled the trigger "{name}", so rows may have been missed'
    other = f'interlock: somebody has changed column "{column}", or what hangs on it, meanwhile'
    known = same(literal(table.schema), literal(table.name), literal(column), literal(state))
    body = (
        f"BEGIN IF NOT EXISTS ({there}) THEN RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = {literal(missed)}; END IF;"
        f" IF NOT ({known}) THEN RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = {literal(other)}; END IF; END"
    )
    return f"DO LANGUAGE plpgsql {literal(body)}"


def _function(table: Target, column: str, sql: str) -> str:
    return table.sibling(own_name("sync", *table.key, column, sql)).sql
