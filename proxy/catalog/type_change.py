"""Whether ALTER COLUMN … TYPE leaves every value as it is stored.

Errs towards a rewrite: what is not known to be free is not free.
Source: ATColumnChangeRequiresRewrite (commands/tablecmds.c); varchar_support, numeric_support, varbit_support,
TemporalSimplify, interval_support (utils/adt).
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.catalog.facts import Column, Facts, Type
from proxy.catalog.type_names import Modifiers, head, modifiers, whole_seconds
from proxy.sql.cursor import Cursor, NotRead
from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.statements import AlterColumnType, Statement
from proxy.sql.types import type_name

TEMPORAL = frozenset({"time", "timetz", "timestamp", "timestamptz"})
FINEST = 6  # digits of a second

# Zones that have had no other offset than zero, ever.
UTC = frozenset(
    {
        "utc", "gmt", "etc/utc", "etc/gmt", "uct", "zulu", "universal", "greenwich", "gmt0", "gmt+0", "gmt-0", "etc/uct",
        "etc/zulu", "etc/universal", "etc/greenwich", "etc/gmt0", "etc/gmt+0", "etc/gmt-0", "<+00>+00", "<+00>-00",
    }
)  # fmt: skip

# Binary coercible types whose index order is the same too, and without a database all that is known to be coercible.
KIN = {"varchar": "text", "cidr": "inet", "regclass": "oid", "regtype": "oid", "regproc": "oid", "regprocedure": "oid"}
COERCIBLE = frozenset({("varchar", "text"), ("text", "varchar"), ("cidr", "inet"), ("xml", "text")})


@dataclass(frozen=True, slots=True)
class Shape:
    """What a type stores: its name below all domains, and its modifiers as text."""

    oid: int  # of the type itself; 0 if not known
    base_oid: int
    base: str  # ``character varying(20)``

    @property
    def name(self) -> str:
        return head(self.base)


def old(column: Column) -> Shape:
    return Shape(column.type_oid, column.base_oid, column.base or column.type)


def new(written: str, facts: Facts | None) -> tuple[Shape, bool] | None:
    """A type as written, and whether it is a domain that must be checked; None if it is not known."""
    known = facts.types.get(written) if facts is not None else None
    if known is None:
        return (Shape(0, 0, written), False) if head(written).removesuffix("[]") in BUILT_IN else None
    if head(written).endswith("[]"):  # what is known is the type of its elements
        return Shape(0, 0, written), False
    if not known.is_domain:
        return Shape(known.oid, known.base_oid, written), False
    return Shape(known.oid, known.base_oid, known.base), known.constrained


def missing(written: str, facts: Facts | None) -> bool:
    """Whether there is no such type, so that Postgres raises its own error."""
    known: Type | None = facts.types.get(written) if facts is not None else None
    return known is not None and not known.exists


def is_free(statement: Statement, action: AlterColumnType, column: Column, facts: Facts | None) -> bool:
    """Whether nothing is rewritten."""
    steps = _casts(action, column, statement)
    if steps is None:
        return False
    shape = old(column)
    for written in (*steps, action.type.span.of(statement.text)):
        found = new(written, facts)
        if found is None:
            return False
        after, checked = found
        if not _same(shape, after) and (checked or not _is_stored_alike(shape, after, facts)):
            return False
        shape = after
    return True


def is_same(statement: Statement, action: AlterColumnType, column: Column, facts: Facts | None) -> bool:
    """Whether the column has that very type already, and USING, if there is one, does nothing to it."""
    casts = _casts(action, column, statement)
    if casts is None:
        return False
    found = [new(written, facts) for written in (*casts, action.type.span.of(statement.text))]
    return all(one is not None and (_same(old(column), one[0]) or _called_alike(old(column), one[0])) for one in found)


def _called_alike(before: Shape, after: Shape) -> bool:
    """As ``_same``, where only names are known; of built-in types these say all."""
    if before.oid or after.oid or after.name.endswith("[]") or after.name == "interval":
        return False
    return before.name == after.name and modifiers(before.base) == modifiers(after.base)


def _same(before: Shape, after: Shape) -> bool:
    if not before.oid or before.oid != after.oid or after.name.endswith("[]"):
        return False
    return before.base == after.base or (after.name != "interval" and modifiers(before.base) == modifiers(after.base))


def _is_stored_alike(before: Shape, after: Shape, facts: Facts | None) -> bool:
    lengths = modifiers(before.base), modifiers(after.base)
    if lengths[0] is None or lengths[1] is None:
        return before.base == after.base and before.base_oid == after.base_oid
    one, other = before.name, after.name
    if one.endswith("[]") or other.endswith("[]"):
        return one == other and one != "" and (not lengths[1] or lengths[0] == lengths[1])
    if before.base_oid and after.base_oid:
        if before.base_oid == after.base_oid:
            # Out of a domain comes its base type without modifiers.
            return _keeps(before, after, () if before.oid != before.base_oid else lengths[0], lengths[1])
        coercible = (before.base_oid, after.base_oid) in (facts.free_casts if facts is not None else ())
    else:
        if one == other:
            return _keeps(before, after, lengths[0], lengths[1])
        coercible = (one, other) in COERCIBLE
    if {one, other} == {"timestamp", "timestamptz"}:
        coercible = facts is not None and is_utc(facts)
    return coercible and _keeps(after, after, (), lengths[1])


def is_utc(facts: Facts) -> bool:
    """Whether the session's TimeZone is UTC, as far as that is known."""
    setting = facts.settings.get("TimeZone")
    return setting is not None and setting.value.lower() in UTC


def _keeps(before: Shape, after: Shape, was: Modifiers, now: Modifiers) -> bool:
    """Whether no value of one base type changes with its modifiers."""
    match after.name:
        case "varchar" | "varbit":
            return not now or (bool(was) and now[0] >= was[0])
        case "numeric":
            return not now or (bool(was) and (*was, 0)[1] == (*now, 0)[1] and now[0] >= was[0])
        case name if name in TEMPORAL:
            return not now or now[0] >= FINEST or (bool(was) and now[0] >= was[0])
        case "interval":
            if before.base.lower() == after.base.lower():
                return True
            return whole_seconds(after.base) and (not now or now[0] >= FINEST or (bool(was) and now[0] >= was[0]))
        case _:
            return not now or was == now


def same_order(before: Shape, after: Shape) -> bool:
    """Whether an index on the one is an index on the other."""
    one, other = before.name, after.name
    return one == other or KIN.get(one, one) == KIN.get(other, other)


# ---------------------------------------------------------------- USING


def _casts(action: AlterColumnType, column: Column, statement: Statement) -> list[str] | None:
    """The types that USING casts the column to, one after the other; None if it does anything else."""
    if action.using is None:
        return []
    text = action.using.of(statement.text)
    try:
        return _cast_chain(lex(text), text, column.name)
    except (LexError, NotRead, IndexError):
        return None


def _cast_chain(tokens: list[Token], text: str, column: str) -> list[str] | None:
    cursor = Cursor(tokens)
    if cursor.take("cast", "("):
        end = _closing(tokens, 1)
        at = next((i for i in range(end - 1, 1, -1) if tokens[i].kind == "word" and tokens[i].value == "as"), None)
        if at is None:
            return None
        inner = _cast_chain(tokens[2:at], text, column)
        cursor.i = at + 1
        if inner is None:
            return None
        inner.append(type_name(cursor).span.of(text))
        cursor.need(")")
        return _more_casts(cursor, text, inner)
    if cursor.take("("):
        end = _closing(tokens, 0)
        inner = _cast_chain(tokens[1:end], text, column)
        cursor.i = end + 1
        return None if inner is None else _more_casts(cursor, text, inner)
    # ``t.c`` and ``s.t.c`` are the column, too: of no other table, or Postgres refuses it.
    return _more_casts(cursor, text, []) if cursor.path().parts[-1] == column else None


def _more_casts(cursor: Cursor, text: str, found: list[str]) -> list[str] | None:
    while cursor.take("::"):
        found.append(type_name(cursor).span.of(text))
    return found if cursor.done else None


def _closing(tokens: list[Token], opened: int) -> int:
    depth = 0
    for i in range(opened, len(tokens)):
        if tokens[i].kind == "op":
            depth += (tokens[i].value == "(") - (tokens[i].value == ")")
            if depth == 0:
                return i
    raise IndexError(opened)


def cast_types(statement: Statement, action: AlterColumnType) -> list[str]:
    """The types in USING's chain of casts, to be looked up."""
    if action.using is None:
        return []
    text = action.using.of(statement.text)
    try:
        return _cast_chain(lex(text), text, action.column) or []
    except (LexError, NotRead, IndexError):
        return []


# Types that are no domains, by the names that a text without a database can be trusted with.
BUILT_IN = frozenset(
    {
        "int2", "int4", "int8", "float4", "float8", "numeric", "bool", "text", "varchar", "bpchar", "char", "name", "bytea",
        "date", "time", "timetz", "timestamp", "timestamptz", "interval", "uuid", "json", "jsonb", "xml", "money", "bit",
        "varbit", "inet", "cidr", "macaddr", "macaddr8", "point", "line", "lseg", "box", "path", "polygon", "circle",
        "tsvector", "tsquery", "oid", "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange",
    }
)  # fmt: skip
