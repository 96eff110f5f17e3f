"""Whether an expression calls a volatile function, by what the functions in it are resolved to.

Source: contain_mutable_functions and contain_volatile_functions (optimizer/util/clauses.c).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.catalog.facts import Facts, Function
from proxy.sql.cursor import NAMES
from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.names import clip
from proxy.sql.statements import Name, Span

# Words with parentheses after them that are syntax, and not the name of a function that could be volatile.
SYNTAX = frozenset(
    {
        "all", "and", "any", "array", "as", "between", "case", "cast", "check", "coalesce", "collate", "current_date",
        "current_time", "current_timestamp", "distinct", "else", "exists", "extract", "filter", "from", "greatest",
        "grouping", "in", "is", "json_array", "json_object", "json_scalar", "least", "like", "localtime",
        "localtimestamp", "normalize", "not", "nullif", "on", "operator", "or", "over", "overlay", "position", "row",
        "some", "substring", "then", "treat", "trim", "values", "variadic", "when", "within", "xmlconcat", "xmlelement",
        "xmlexists", "xmlforest", "xmlparse", "xmlpi", "xmlroot", "xmlserialize", "zone",
    }
)  # fmt: skip

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
OPENING, CLOSING = frozenset({"(", "["}), frozenset({")", "]"})


@dataclass(frozen=True, slots=True)
class Call:
    name: Name
    arguments: int


def calls(expression: str) -> list[Call] | None:
    """What looks like a call of a function; None if the expression cannot be read."""
    try:
        tokens = lex(expression)
    except LexError:
        return None
    return list(_calls(tokens))


def _calls(tokens: list[Token]) -> Iterator[Call]:
    for i, token in enumerate(tokens):
        if not (token.kind == "op" and token.value == "(" and i > 0):
            continue
        last = i - 1
        if tokens[last].kind not in NAMES or (tokens[last].kind == "word" and tokens[last].value in SYNTAX):
            continue
        first = last
        while first >= 2 and tokens[first - 1].value == "." and tokens[first - 2].kind in NAMES:
            first -= 2
        named = tuple(clip(t.value) for t in tokens[first : last + 1 : 2])
        yield Call(Name(named, Span(tokens[first].start, tokens[last].end)), _arguments(tokens, i))


def _arguments(tokens: list[Token], opened: int) -> int:
    """How many arguments stand in the parentheses that token ``opened`` opens."""
    depth, commas = 0, 0
    for i in range(opened, len(tokens)):
        token = tokens[i]
        if token.kind != "op":
            continue
        depth += (token.value in OPENING) - (token.value in CLOSING)
        commas += depth == 1 and token.value == ","
        if depth == 0:
            return commas + 1 if i > opened + 1 else 0
    return 0


def is_volatile(expression: str, facts: Facts) -> tuple[bool, bool]:
    """Whether it is, and whether that is known rather than assumed."""
    found = calls(expression)
    if found is None:
        return True, False
    verdicts = [_verdict(call, facts) for call in found]
    if (True, True) in verdicts:
        return True, True
    return (True, False) if (True, False) in verdicts else (False, all(known for _, known in verdicts))


def _verdict(call: Call, facts: Facts) -> tuple[bool, bool]:
    if not facts.live:
        if call.name.name in VOLATILE:
            return True, True
        return call.name.schema is not None or call.name.name not in HARMLESS, call.name.name in HARMLESS
    candidates = facts.functions.get(call.name.quoted)
    if candidates is None:
        return True, False
    fitting = {f.volatile for f in candidates if _fits(f, call)}
    if not fitting:
        return False, True  # a type with modifiers, or Postgres raises its own error
    return True in fitting, len(fitting) == 1


def _fits(function: Function, call: Call) -> bool:
    return function.least <= call.arguments and (function.most is None or call.arguments <= function.most)
