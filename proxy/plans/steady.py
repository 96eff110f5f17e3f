"""Whether an expression gives everybody the same for the same row, whoever asks and when."""

from __future__ import annotations

from proxy.catalog.facts import Facts
from proxy.catalog.volatility import calls, fits, is_volatile
from proxy.sql import lexer
from proxy.sql.statements import FunctionCall

# Not immutable, but only for settings.
SETTLED = frozenset(
    {"to_json", "to_jsonb", "concat", "concat_ws", "date_trunc", "to_timestamp", "to_date", "array_to_string"}
)
# What means something else to everybody, or at every time, without looking like a call.
PASSING_WORDS = frozenset(
    {
        "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user", "session_user",
        "user", "current_role", "current_catalog", "current_schema", "system_user",
    }
)  # fmt: skip
PASSING_DATES = frozenset({"now", "today", "tomorrow", "yesterday"})

# Volatile, and nothing is used up by computing one in vain.
FREE = frozenset({"clock_timestamp", "gen_random_uuid", "random", "random_normal", "timeofday", "uuidv4", "uuidv7"})


def passing(expression: str, facts: Facts) -> str:
    """What in it may not be the same for everybody under the same settings, in words; empty if there is nothing."""
    tokens = lexer.lex(expression)
    for token in tokens:
        if token.kind == "word" and token.value in PASSING_WORDS:
            return token.value
        if token.kind == "string" and token.value.strip("' ").lower() in PASSING_DATES:
            return token.value
    found = calls(expression)
    if found is None:
        return "something that cannot be read"
    if named := next((f"{call.name.name}()" for call in found if not _is_settled(call, facts)), ""):
        return named
    return "something volatile" if is_volatile(expression, facts)[0] else ""  # by an operator or a cast


def _is_settled(call: FunctionCall, facts: Facts) -> bool:
    found = facts.functions.get(call.name.quoted)
    if found is None:
        return False
    found = tuple(f for f in found if fits(f, call))  # none: a type with modifiers, or Postgres raises its own error
    return all(f.immutable or (f.builtin and call.name.name in SETTLED) for f in found)


def is_free(expression: str, facts: Facts) -> bool:
    """Whether it may be computed in vain: it calls nothing that keeps anything, such as the number that it gives."""
    found = calls(expression)
    if found is None or facts.volatile_operators or facts.volatile_casts:
        return False
    return all(_is_free(call, facts) for call in found)


def _is_free(call: FunctionCall, facts: Facts) -> bool:
    found = facts.functions.get(call.name.quoted)
    return found is not None and all(f.builtin and (not f.volatile or call.name.name in FREE) for f in found)
