"""Whether an expression calls a volatile function, by what the functions in it are resolved to.

Source: contain_mutable_functions and contain_volatile_functions (optimizer/util/clauses.c).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from proxy.catalog.facts import Facts, Function
from proxy.sql.calls import calls as found_in
from proxy.sql.lexer import LexError, lex
from proxy.sql.statements import FunctionCall

# Words with parentheses after them that may be a function's name, and in an expression nearly always are syntax.
SYNTAX = frozenset(
    (word,) for word in ("filter", "is", "like", "operator", "over", "overlay", "substring", "within", "zone")
)

# What text alone may take for not volatile.
HARMLESS = frozenset(
    {
        "abs", "ceil", "char", "concat", "date_trunc", "decimal", "floor", "format", "json_build_array", "json_build_object",
        "jsonb_build_array", "jsonb_build_object", "length", "lower", "make_date", "make_interval", "make_timestamp",
        "make_timestamptz", "md5", "now", "numeric", "round", "statement_timestamp", "time", "timestamp", "timezone",
        "to_char", "to_json", "to_jsonb", "to_timestamp", "transaction_timestamp", "upper", "varchar", "bit", "character",
    }
)  # fmt: skip
VOLATILE = frozenset(
    {"random", "nextval", "gen_random_uuid", "clock_timestamp", "timeofday", "uuid_generate_v4", "uuidv7"}
)


SHORT = 400  # code points; longer ones are not kept


def calls(expression: str) -> tuple[FunctionCall, ...] | None:
    """What is a call of a function, by its looks; None if the expression cannot be read."""
    return _calls(expression) if len(expression) > SHORT else _kept_calls(expression)


def _calls(expression: str) -> tuple[FunctionCall, ...] | None:
    try:
        tokens = lex(expression)
    except LexError:
        return None
    return tuple(call for call in found_in(tokens) if call.name.parts not in SYNTAX)


_kept_calls = lru_cache(maxsize=64)(_calls)  # facts, rules and plans ask about the same default


def _by_no_name(expression: str, into: str, facts: Facts) -> bool:
    """Whether it may call a volatile function through an operator or a cast: which one it is, only the types tell."""
    tokens = lex(expression)
    if any(token.kind == "op" and token.value in facts.volatile_operators for token in tokens):
        return True
    if not facts.volatile_casts:
        return False
    words = {token.value for token in (*tokens, *lex(into)) if token.kind != "op"}
    own = any(f.gives_own for call in calls(expression) or () for f in facts.functions.get(call.name.quoted, ()))
    return own or not facts.volatile_casts.isdisjoint(words | {""})


def is_volatile(expression: str, facts: Facts, into: str = "") -> tuple[bool, bool]:
    """Whether it is, and whether that is known rather than assumed; ``into``: the type that it is made fit for."""
    found = calls(expression)
    if found is None:
        return True, False
    verdicts = [
        _verdict(call, facts)
        for call in found
        if not (facts.live and facts.major < 15 and _is_of_timestamps(call, found, expression))
    ]
    if (True, True) in verdicts:
        return True, True
    if _by_no_name(expression, into, facts):
        return True, False
    return (True, False) if (True, False) in verdicts else (False, all(known for _, known in verdicts))


# Words without which, and without a function that may give one, there is no time with time zone.
TIMETZ = frozenset({"timetz", "time", "current_time"})


def _is_of_timestamps(call: FunctionCall, found: Sequence[FunctionCall], expression: str) -> bool:
    """Whether it is ``timezone('utc', now())`` or the like: of its overloads, 13 and 14 call that of a timetz volatile."""
    if call.name.parts[-1] != "timezone" or call.name.schema not in (None, "pg_catalog"):
        return False
    others = all(one.name.name in HARMLESS for one in found)
    return others and TIMETZ.isdisjoint(token.value for token in lex(expression) if token.kind == "word")


def _verdict(call: FunctionCall, facts: Facts) -> tuple[bool, bool]:
    if not facts.live:
        if call.name.name in VOLATILE:
            return True, True
        return call.name.schema is not None or call.name.name not in HARMLESS, call.name.name in HARMLESS
    candidates = facts.functions.get(call.name.quoted)
    if candidates is None:
        return True, False
    fitting = {f.volatile for f in candidates if fits(f, call)}
    if not fitting:
        return False, True  # a type with modifiers, or Postgres raises its own error
    return True in fitting, len(fitting) == 1


def fits(function: Function, call: FunctionCall) -> bool:
    """Whether it can be called with so many arguments."""
    return function.least <= call.arguments and (function.most is None or call.arguments <= function.most)
