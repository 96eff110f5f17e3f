"""Whether the index that a CREATE INDEX wants is there: another may have got its name since the statement was decided about.

What the server prints of an expression is not what the author wrote; that it names the same columns and functions is asked.
"""

from __future__ import annotations

from proxy.plans import done, reading
from proxy.plans.done import EQ
from proxy.plans.elements import keys, split
from proxy.plans.target import Target, literal
from proxy.sql.calls import calls
from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.statements import CreateIndex, Statement

DESC, NULLS_FIRST = 1, 2  # bits of indoption (access/nbtree.h: INDOPTION_DESC, INDOPTION_NULLS_FIRST)


def index_built(index: Target, table: Target, statement: Statement, node: CreateIndex, included: int) -> str | None:
    """Whether a valid index of that name on ``table`` is what ``node`` says, as far as the catalog's own columns and names tell.

    ``included`` is how many columns it INCLUDEs.
    """
    parts = keys(statement, node) or []
    conditions = [
        "i.indisvalid",
        f"i.indisunique {EQ} {str(node.unique).lower()}",
        f"(i.indpred IS NULL) {EQ} {str(node.where is None).lower()}",
        f"i.indnkeyatts {EQ} {len(node.columns)}",
        f"i.indnatts {EQ} {len(node.columns) + included}",
        f"m.amname {EQ} {literal(node.method)}",
        f"t.relname {EQ} {literal(table.name)}",
        f"t.relnamespace {EQ} c.relnamespace",
    ]
    for n, (name, part) in enumerate(zip(node.columns, parts, strict=False)):
        key, _, order = split(part, name)
        if name is not None:
            column = f"a.attrelid {EQ} i.indrelid AND a.attnum {EQ} i.indkey[{n}]"
            conditions.append(f"(SELECT a.attname FROM pg_catalog.pg_attribute a WHERE {column}) {EQ} {literal(name)}")
        elif key:
            text = _text(statement, node, key)
            conditions += _says(f"pg_catalog.pg_get_indexdef(i.indexrelid, {n + 1}, true)", text, table)
        if node.method == "btree":
            conditions.append(f"i.indoption[{n}] {EQ} {_order(order)}")
    if node.where is not None:
        conditions += _says("pg_catalog.pg_get_expr(i.indpred, i.indrelid)", node.where.of(statement.text), table)
    return done.index(
        index,
        f"JOIN pg_catalog.pg_class t ON t.oid {EQ} i.indrelid JOIN pg_catalog.pg_am m ON m.oid {EQ} c.relam",
        " AND ".join(conditions),
    )


def _text(statement: Statement, node: CreateIndex, key: list[Token]) -> str:
    base = node.relation.span.end
    return statement.text[base + key[0].start : base + key[-1].end]


def _order(order: list[Token]) -> int:
    words = {token.value for token in order}
    descending = "desc" in words
    first = "first" in words or (descending and "last" not in words)
    return (DESC if descending else 0) | (NULLS_FIRST if first else 0)


def _says(printed: str, text: str, table: Target) -> list[str]:
    """That ``printed`` has the names in it that ``text`` has, in whatever case and quotes; but for the table's, which is left out."""
    names = dict.fromkeys((*(reading.columns(text) or ()), *_functions(text)))
    return [
        f"pg_catalog.strpos(pg_catalog.lower({printed}), {literal(name.lower())}) OPERATOR(pg_catalog.>) 0"
        for name in names
        if '"' not in name and name != table.name
    ]


def _functions(text: str) -> list[str]:
    """What it calls, but for types with a modifier: ``x::varchar(20)`` is printed by another name."""
    try:
        tokens = lex(text)
    except LexError:
        return []
    types = {tokens[i + 1].value for i in range(len(tokens) - 1) if tokens[i].value in ("::", "as")}
    return [one.name.name for one in calls(tokens) if one.name.name not in types]


__all__ = ["index_built"]
