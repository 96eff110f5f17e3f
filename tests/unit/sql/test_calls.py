"""Calls in a text, held against libpg_query: every function that a statement names is seen, with its arguments."""

from __future__ import annotations

import time

import pglast
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pglast import ast
from pglast.enums import CoercionForm
from pglast.visitors import Visitor

from proxy.sql.calls import called, calls, only_calls
from proxy.sql.gate import may_matter, may_only_call
from proxy.sql.lexer import lex
from proxy.sql.read import read
from proxy.sql.statements import Call
from tests.unit.sql.test_against_pglast import statements

# By the standard's own syntax: these are functions of pg_catalog whatever the search_path is.
OWN_SYNTAX = frozenset({"extract", "normalize", "position", "trim"})


class Named(Visitor):
    def __init__(self) -> None:
        self.found: set[tuple[tuple[str, ...], int]] = set()

    def visit_FuncCall(self, _: object, node: ast.FuncCall) -> None:
        if node.funcformat == CoercionForm.COERCE_EXPLICIT_CALL:
            self.found.add((tuple(name.sval for name in node.funcname), len(node.args or ())))


def theirs(sql: str) -> set[tuple[tuple[str, ...], int]]:
    visitor = Named()
    for raw in pglast.parse_sql(sql):
        visitor(raw.stmt)
    return {one for one in visitor.found if one[0][0] != "pg_catalog"}


def ours(sql: str) -> set[tuple[tuple[str, ...], int]]:
    return {(call.name.parts, call.arguments) for call in calls(lex(sql))}


def test_every_call_of_the_corpus_is_seen() -> None:
    missed = [(sql, left) for sql in statements() if (left := theirs(sql) - ours(sql))]
    assert [one for one in missed if not all(parts[-1] in OWN_SYNTAX for parts, _ in one[1])] == []
    assert sum(len(theirs(sql)) for sql in statements()) > 10


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('SELECT f(), s.f(1), "F"(1, (2, 3)), U&"\\0066"(ARRAY[1, 2], \'(\')', ["f/0", "s.f/1", "F/2", "f/2"]),
        ("SELECT U&\"!0066\" UESCAPE '!' (1)", ["f/1"]),
        ("SELECT count(*), f(DISTINCT a, b ORDER BY c, d), g(VARIADIC a)", ["count/0", "f/2", "g/1"]),
        ("SELECT f(g(1), h(2, i()))", ["f/2", "g/1", "h/2", "i/0"]),
        ("SELECT a IN (1), filter(1), x.order(1, 2) FROM t", ["filter/1", "x.order/2"]),
        ("SELECT f(a.order, b)", ["f/2"]),
        ("INSERT INTO t (a) VALUES (f())", ["t/1", "f/0"]),  # too many do no harm
    ],
)
def test_names_and_arguments(sql: str, expected: list[str]) -> None:
    assert [f"{'.'.join(call.name.parts)}/{call.arguments}" for call in calls(lex(sql))] == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1; SELECT f(g())", ["f", "g"]),
        ("SELECT 1; CALL p(f())", ["f"]),
        ("SELECT 1; COPY (SELECT f()) TO STDOUT", ["copy", "f"]),
        ("SELECT 1; EXPLAIN ANALYZE SELECT f()", ["f"]),
        ("SELECT 1; EXPLAIN SELECT f()", []),  # only planned
        ("SELECT 1; CREATE VIEW v AS SELECT f()", []),  # only kept
        ("SELECT 1; CREATE TABLE t AS SELECT f()", ["f"]),
        ("SELECT 1; DO $$ BEGIN x := f(1); EXECUTE 'SELECT g()'; DO 'BEGIN PERFORM h(); PERFORM h(); END'; END $$", ["f", "g", "h"]),
    ],
)  # fmt: skip
def test_what_runs_when_a_statement_runs(sql: str, expected: list[str]) -> None:
    found = called(read(sql)[1])
    assert [call.name.name for call in found] == expected
    assert all(call.name.span.of(sql).lower() == call.name.name for call in found)


@pytest.mark.parametrize(
    ("sql", "name", "arguments"),
    [("CALL p()", "p", 0), ('CALL "S".p(1, f(2, 3))', "S.p", 2), ("CALL p(a => 1, VARIADIC b)", "p", 2)],
)
def test_call(sql: str, name: str, arguments: int) -> None:
    (statement,) = read(sql)
    assert isinstance(statement.node, Call)
    assert (".".join(statement.node.procedure.parts), statement.node.arguments) == (name, arguments)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT f()", True),
        ("/* x */ SELECT s.f(1), now()", True),
        ("SELECT * FROM f(1) AS x", True),
        ("SELECT a FROM LATERAL f()", True),
        ("SELECT (SELECT f() FROM t)", True),
        ("SELECT f(a) FROM t", False),
        ("SELECT 1", False),
        ("SELECT a FROM (SELECT f()) x", False),
        ("INSERT INTO t SELECT f()", False),
    ],
)
def test_only_calls(sql: str, expected: bool) -> None:
    assert only_calls(lex(sql)) is expected
    assert not expected or may_only_call(sql.encode())


@given(
    st.lists(
        st.sampled_from(
            ["select", "SELECT", "f()", "(", ")", ",", "from", "t", "s.f(1)", "/* x */", "\n", "1", "with", "--x\n"]
        ),
        max_size=6,
    )
)
def test_the_gate_lets_no_such_text_past(words: list[str]) -> None:  # fmt: skip
    sql = " ".join(words)
    if only_calls(lex(sql)):
        assert may_only_call(sql.encode()) or may_matter(sql.encode())


@pytest.mark.parametrize(
    "text", ["f(" * 100_000, "f(a," * 50_000 + ")" * 50_000, "a." * 100_000 + "f()", "f()," * 50_000]
)
def test_hostile_texts_end_in_time(text: str) -> None:
    begun = time.process_time()
    calls(lex(text))
    assert time.process_time() - begun < 5
