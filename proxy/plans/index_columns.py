"""The names of an index's own columns, as they go into the default names of the indexes of partitions.

Source: FigureIndexColname (parser/parse_target.c), ChooseIndexColumnNames (commands/indexcmds.c).
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.plans.build_index import distinct, include_list
from proxy.plans.elements import keys
from proxy.sql.lexer import Token
from proxy.sql.names import clip
from proxy.sql.statements import CreateIndex, Statement

NAMELESS = "expr"
# What the server calls the types that SQL has words of its own for.
TYPES = {
    "int": "int4", "integer": "int4", "bigint": "int8", "smallint": "int2", "real": "float4", "float": "float8",
    "decimal": "numeric", "dec": "numeric", "boolean": "bool", "char": "bpchar", "character": "bpchar",
}  # fmt: skip
PLAIN_TYPES = frozenset({
    "bool", "bytea", "date", "float4", "float8", "int2", "int4", "int8", "json", "jsonb", "name", "numeric", "oid", "text",
    "uuid", "varchar", "inet", "cidr", "money", "xml",
})  # fmt: skip
# Functions whose arguments have a grammar of their own, and a name all the same.
CALLED = frozenset({"coalesce", "greatest", "least", "nullif", "position", "overlay", "substring"})
OTHERS = frozenset({
    "array", "between", "case", "cast", "collation", "exists", "extract", "grouping", "normalize", "row", "treat", "trim",
    "interval", "not", "some", "any", "all", "merge_action",
})  # fmt: skip


def names(statement: Statement, node: CreateIndex) -> list[str] | None:
    """In order, with those of INCLUDE; None if one hangs on what is not read here."""
    parts = keys(statement, node)
    if parts is None or len(parts) != len(node.columns):
        return None
    found: list[str] = []
    for column, tokens in zip(node.columns, parts, strict=True):
        name = column if column is not None else _of_element(tokens)
        if name is None:
            return None
        found.append(name or NAMELESS)
    return distinct([*found, *include_list(statement)])


def _of_element(tokens: Sequence[Token]) -> str | None:
    """Of ``(expression)`` or ``function(…)``, with whatever follows it: an operator class, an order."""
    end = _closing(tokens, next((i for i, token in enumerate(tokens) if _is(token, "(")), len(tokens)))
    return _named(tokens[: end + 1]) if end is not None else None


def _named(tokens: Sequence[Token]) -> str | None:
    """Empty: it has none; None: not read here."""
    while tokens and _is(tokens[0], "(") and _closing(tokens, 0) == len(tokens) - 1:
        tokens = tokens[1:-1]
    if (cast := _last_cast(tokens)) is not None:
        return _cast(tokens[:cast], tokens[cast + 1 :])
    if (plain := _column(tokens)) is not None:
        return plain
    if (call := _call(tokens)) is not None:
        return call or None
    return _operation(tokens) if tokens else None


def _cast(value: Sequence[Token], type_: Sequence[Token]) -> str | None:
    if (name := _named(value)) != "":
        return name
    if type_ and len(type_) > 1 and _is(type_[1], "(") and _closing(type_, 1) == len(type_) - 1:
        type_ = type_[:1]  # without its modifiers
    if len(type_) != 1 or type_[0].kind != "word":
        return None
    word = TYPES.get(type_[0].value, type_[0].value)
    return word if word in PLAIN_TYPES or word in TYPES.values() else None


def _column(tokens: Sequence[Token]) -> str | None:
    """The last part of a dotted name."""
    names, dots = tokens[::2], tokens[1::2]
    if (
        len(tokens) % 2 == 0
        or not all(_is_name(token) for token in names)
        or not all(_is(token, ".") for token in dots)
    ):
        return None
    return _text(names[-1]) if len(names) > 1 or names[0].value not in OTHERS or names[0].kind != "word" else None


def _call(tokens: Sequence[Token]) -> str | None:
    """The name of a function that is called, and nothing else; empty: a form of its own; None: it is no call."""
    start = next((i for i, token in enumerate(tokens) if _is(token, "(")), 0)
    if not start or _closing(tokens, start) != len(tokens) - 1:
        return None
    if len(tokens[:start]) == 1 and tokens[0].kind == "word" and tokens[0].value in OTHERS:
        return ""
    return _column(tokens[:start])


def _operation(tokens: Sequence[Token]) -> str | None:
    """Empty if an operator stands outside all brackets, in signs or in words, and binds least; None: it may be else."""
    outside = _outside(tokens)
    words = {token.value for token in outside if token.kind == "word"}
    if "case" in words:
        return None
    if words & LOOSE or (outside[0].kind == "word" and outside[0].value == "not"):
        return ""
    signs = any(token.kind == "op" and token.value not in (".", ",", "::", "(", "[") for token in outside)
    zone = next((i for i in range(len(outside)) if [t.value for t in outside[i : i + 3]] == ["at", "time", "zone"]), 0)
    if zone and not signs:
        return "timezone"
    rest = outside if not zone else [*outside[:zone], *outside[zone + 3 :]]
    stray = any(
        token.kind == "word" and ((token.value in OTHERS and not _is(_at(rest, i + 1), "(")) or token.value in TIGHT)
        for i, token in enumerate(rest)
    )
    return "" if signs and not stray else None


# Operators in words that bind less than all that is written in signs.
LOOSE = frozenset({"and", "or", "is", "isnull", "notnull", "in", "like", "ilike", "similar", "between", "overlaps"})
TIGHT = frozenset({"collate", "operator", "at"})


def _outside(tokens: Sequence[Token]) -> list[Token]:
    """What stands outside all brackets, and each bracket that opens there."""
    depth, found = 0, []
    for token in tokens:
        closes = token.kind == "op" and token.value in ")]"
        depth -= closes
        if depth == 0 and not closes:
            found.append(token)
        depth += token.kind == "op" and token.value in "(["
    return found


def _last_cast(tokens: Sequence[Token]) -> int | None:
    """Where the outermost ``::`` stands, if no operator stands beside it."""
    depth, found = 0, None
    for i, token in enumerate(tokens):
        if token.kind != "op":
            continue
        if token.value in "([":
            depth += 1
        elif token.value in ")]":
            depth -= 1
        elif depth == 0 and token.value == "::":
            found = i
        elif depth == 0 and token.value not in (".", ","):
            return None
    return found


def _closing(tokens: Sequence[Token], start: int) -> int | None:
    """Where the bracket that opens at ``start`` closes."""
    depth = 0
    for i in range(start, len(tokens)):
        depth += _is(tokens[i], "(") - _is(tokens[i], ")")
        if depth == 0 and _is(tokens[i], ")"):
            return i
    return None


def _at(tokens: Sequence[Token], i: int) -> Token | None:
    return tokens[i] if i < len(tokens) else None


def _is_name(token: Token) -> bool:
    return token.kind in ("word", "quoted")


def _text(token: Token) -> str:
    return clip(token.value)


def _is(token: Token | None, value: str) -> bool:
    return token is not None and token.kind == "op" and token.value == value
