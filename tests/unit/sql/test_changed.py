"""UPDATE and DELETE taken apart: what is before WHERE, what is set, and what is not understood."""

from __future__ import annotations

import pytest

from proxy.sql.changed import changed
from proxy.sql.read import read


@pytest.mark.parametrize(
    ("sql", "called", "sets", "where"),
    [
        ("UPDATE t SET a = 1", "t", {"a": "1"}, ""),
        (
            'UPDATE ONLY s."T" AS x SET "A" = f(b, c), d = (1 + 2) WHERE x.a = 1 -- end',
            "x",
            {"A": "f(b, c)", "d": "(1 + 2)"},
            "x.a = 1",
        ),
        ("UPDATE t * x SET a = b IS DISTINCT FROM c", "x", {"a": "b IS DISTINCT FROM c"}, ""),
        ("UPDATE t SET a = extract(day FROM b) WHERE a IS DISTINCT FROM b", "t", {"a": "extract(day FROM b)"}, "a IS DISTINCT FROM b"),
        ("DELETE FROM s.t x WHERE x.\"where\" = 'where'", "x", {}, "x.\"where\" = 'where'"),
        ("DELETE FROM ONLY t", "t", {}, ""),
    ],
)  # fmt: skip
def test_parts(sql: str, called: str, sets: dict[str, str], where: str) -> None:
    [statement] = read(sql)
    parts = changed(statement)
    assert not isinstance(parts, str)
    assert parts.called == called
    assert {one.column: one.value.of(sql) for one in parts.sets} == sets
    assert (parts.where.of(sql) if parts.where else "") == where
    assert sql.startswith(parts.head.of(sql))


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE t SET a = 1 FROM u", "it has FROM"),
        ("DELETE FROM t USING u", "it has USING"),
        ("DELETE FROM t WHERE a = 1 RETURNING *", "it has RETURNING"),
        ("UPDATE t SET (a, b) = (1, 2)", "it sets something else than columns, one by one"),
        ("UPDATE t SET a[1] = 2", "it sets something else than columns, one by one"),
        ("UPDATE t SET a.b = 2", "it sets something else than columns, one by one"),
        ("UPDATE t SET a = (SELECT 1)", "there is a query in it"),
        ("DELETE FROM t WHERE a IN (VALUES (1))", "there is a query in it"),
        ("DELETE FROM t WHERE a = $1", "it has parameters"),
        ("DELETE FROM t WHERE CURRENT OF c", "it is about the row of a cursor"),
        ("WITH x AS (SELECT 1) DELETE FROM t", "it is neither UPDATE nor DELETE"),
        ("INSERT INTO t VALUES (1)", "it is neither UPDATE nor DELETE"),
    ],
)
def test_what_is_not_understood(sql: str, why: str) -> None:
    [statement] = read(sql)
    assert changed(statement) == why


def test_changed_spans_belong_to_the_statement() -> None:
    """Of several statements in a text each counts from its own beginning."""
    _, second = read("SELECT 1; UPDATE t SET a = 2 WHERE b")
    parts = changed(second)
    assert not isinstance(parts, str)
    assert parts.where is not None
    assert parts.where.of(second.sql) == "b"
    assert parts.relation.span.of(second.text) == "t"
