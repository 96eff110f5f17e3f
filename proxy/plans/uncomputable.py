"""Rows for which an expression of an index, or its predicate, fails: ``((payload ->> 'age')::int)`` where one says ``n/a``."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.plans.elements import keys, split
from proxy.plans.probe import Probe
from proxy.plans.target import Target
from proxy.sql.keywords import NOT_BARE
from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.statements import CreateIndex, Statement

# What gives a value, or NULL, whatever it is given; so a look at the rows is spared where nothing else stands in the expressions.
TOTAL_FUNCTIONS = frozenset({
    "lower", "upper", "coalesce", "nullif", "trim", "btrim", "ltrim", "rtrim", "md5", "length", "char_length", "left", "right",
    "greatest", "least", "date_trunc",
})  # fmt: skip
TOTAL_OPERATORS = frozenset({
    "(", ")", "[", "]", ",", ".", "=", "<>", "!=", "<", ">", "<=", ">=", "||", "->", "->>", "#>", "#>>", "@>", "<@", "?", "?|", "?&", "&&",
    "~~", "!~~", "~~*", "!~~*", "::",
})  # fmt: skip
TOTAL_CASTS = frozenset({"text", "varchar", "bpchar"})


def uncomputable(
    statement: Statement, node: CreateIndex, table: Target, *, whole: bool, restricted: bool
) -> Probe | None:
    """Evaluates what the index would; it finds no row, but fails as the build would.  ``whole``: partitions are read, too; ``restricted``: as for ``Probe``.

    None if nothing in them can fail, or the text cannot be taken apart.
    """
    where = node.where.of(statement.text) if node.where is not None else ""
    expressions = _expressions(statement, node)
    if expressions is None or not any(map(_may_fail, (*expressions, where))):
        return None
    listed = ", ".join(f"({expression}\n) AS k{n}" for n, expression in enumerate(expressions)) or "1 AS k0"
    some = f" WHERE ({where}\n) IS TRUE" if where else ""
    counted = (f"pg_catalog.count(k{n}) OPERATOR(pg_catalog.<) 0" for n in range(max(len(expressions), 1)))
    return Probe(
        "SELECT NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text"
        f" FROM (SELECT {listed} FROM {'' if whole else 'ONLY '}{table.sql}{some} OFFSET 0) q HAVING {' OR '.join(counted)}",
        "22000",
        ("",),
        evaluates=True,
        restricted=restricted,
    )


def _expressions(statement: Statement, node: CreateIndex) -> list[str] | None:
    """Those of the key, without collation, operator class and order."""
    parts = keys(statement, node)
    if parts is None or len(parts) != len(node.columns):
        return None
    base = node.relation.span.end
    found = [split(part, None)[0] for part, column in zip(parts, node.columns, strict=True) if column is None]
    return [statement.text[base + part[0].start : base + part[-1].end] for part in found if part]


def _may_fail(expression: str) -> bool:
    try:
        tokens = lex(expression)
    except LexError:
        return True
    return any(_fails(tokens, i) for i in range(len(tokens)))


def _fails(tokens: Sequence[Token], i: int) -> bool:
    token = tokens[i]
    behind = tokens[i + 1].value if i + 1 < len(tokens) else ""
    if token.kind == "op" and token.value == "::":
        constant = i > 0 and tokens[i - 1].kind == "string"  # which would have failed by itself
        return not constant and behind not in TOTAL_CASTS
    if token.kind == "op":
        return token.value not in TOTAL_OPERATORS
    if token.kind != "word":
        return token.kind == "quoted" and behind == "("
    called = behind == "(" and token.value not in TOTAL_FUNCTIONS
    return token.value in ("cast", "extract") or (called and token.value not in NOT_BARE)


__all__ = ["uncomputable"]
