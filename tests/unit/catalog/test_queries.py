"""Our queries mean the same under every search_path: no name in them is left for it to resolve."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pglast
import pytest
from pglast import ast
from pglast.enums import A_Expr_Kind, JoinType, SubLinkType
from pglast.visitors import Visitor

from proxy.catalog import blockers, leftover, lookup, progress, request, routine_lookup
from proxy.run import job, jobs, store

QUERIES = {
    "lookup": lookup.SQL,
    "routines": routine_lookup.SQL,
    "blockers": blockers.SQL,
    "anyone": blockers.ANYONE,
    "snapshots": blockers.SNAPSHOTS,
    "leftover": leftover.SQL,
    "jobs: inspect": store.INSPECT,
    "jobs: is it there": store.THERE,
    "jobs: make, the lock": store.TRY,
    "jobs: of a session": jobs.OF_SESSION,
    "jobs: unfinished": jobs.UNFINISHED,
    "jobs: all": jobs.ALL,
    "jobs: one": jobs.ONE,
    "jobs: insert": f"/* interlock */ {jobs.INSERT}",
    "jobs: claim": jobs.CLAIM,
    "jobs: unclaim": jobs.UNCLAIM,
    "jobs: begin": jobs.BEGIN,
    "jobs: end": jobs.END,
    "jobs: remove": jobs.REMOVE,
    "jobs: prune": jobs.PRUNE,
    "job: settings": job.SETTINGS,
    "job: tables": job.TABLES,
    **{f"jobs: make {n}": f"/* interlock */ {sql}" for n, sql in enumerate(store.MAKE)},
    "progress": progress.SQL,
    "end idle": blockers.END_IDLE,
}
OURS = ("pg_catalog", "interlock")


class Unqualified(Visitor):
    """Collects whatever the search_path would resolve."""

    def __init__(self, ctes: frozenset[str]) -> None:
        self.ctes = ctes
        self.found: list[str] = []

    def _names(self, what: str, names: Any) -> None:
        words = [name.sval for name in names]
        if len(words) < 2 or words[0] not in OURS:
            self.found.append(f"{what} {'.'.join(words)}")

    def visit_FuncCall(self, _: Any, node: ast.FuncCall) -> None:
        self._names("function", node.funcname)

    def visit_TypeName(self, _: Any, node: ast.TypeName) -> None:
        self._names("type", node.names)

    def visit_A_Expr(self, _: Any, node: ast.A_Expr) -> None:
        plain = (A_Expr_Kind.AEXPR_OP, A_Expr_Kind.AEXPR_OP_ANY, A_Expr_Kind.AEXPR_OP_ALL)
        if node.kind not in plain:
            self.found.append(f"hidden operator {node.kind!r}")
        self._names("operator", node.name)

    def visit_SubLink(self, _: Any, node: ast.SubLink) -> None:
        if node.subLinkType not in (SubLinkType.EXISTS_SUBLINK, SubLinkType.EXPR_SUBLINK, SubLinkType.ARRAY_SUBLINK):
            self.found.append("IN (subquery)")

    def visit_CaseExpr(self, _: Any, node: ast.CaseExpr) -> None:
        if node.arg is not None:
            self.found.append("CASE x WHEN")

    def visit_JoinExpr(self, _: Any, node: ast.JoinExpr) -> None:
        if node.isNatural or node.usingClause or node.jointype not in (JoinType.JOIN_INNER, JoinType.JOIN_LEFT):
            self.found.append("JOIN USING")

    def visit_RangeVar(self, _: Any, node: ast.RangeVar) -> None:
        if node.schemaname not in OURS and not (node.schemaname is None and node.relname in self.ctes):
            self.found.append(f"relation {node.relname}")

    def visit_CollateClause(self, _: Any, node: ast.CollateClause) -> None:
        self._names("collation", node.collname)


def unqualified(sql: str) -> list[str]:
    (raw,) = pglast.parse_sql(sql)
    statement = raw.stmt
    with_clause = getattr(statement, "withClause", None)
    ctes = frozenset(cte.ctename for cte in with_clause.ctes) if with_clause else frozenset()
    visitor = Unqualified(ctes)
    visitor(statement)
    return visitor.found


@pytest.mark.parametrize("name", QUERIES)
def test_nothing_is_left_to_the_search_path(name: str) -> None:
    assert unqualified(QUERIES[name]) == []


@pytest.mark.parametrize("name", QUERIES)
def test_queries_are_ascii_and_say_whose_they_are(name: str) -> None:
    assert QUERIES[name].isascii()
    assert QUERIES[name].startswith("/* interlock */")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 = 1",
        "SELECT now()",
        "SELECT pg_catalog.now()::date",
        "SELECT 1 FROM pg_class",
        "SELECT 1 IN (1, 2)",
        "SELECT 1 IN (SELECT 1)",
        "SELECT 1 BETWEEN 1 AND 2",
        "SELECT 'a' LIKE 'b'",
        "SELECT 1 IS DISTINCT FROM 2",
        "SELECT NULLIF(1, 2)",
        "SELECT CASE 1 WHEN 1 THEN 1 END",
        "SELECT 1 FROM pg_catalog.pg_class a JOIN pg_catalog.pg_class b USING (oid)",
        "SELECT 1 FROM pg_catalog.pg_class a NATURAL JOIN pg_catalog.pg_class b",
        "SELECT (1, 2) = (1, 2)",
        "SELECT 'a' COLLATE x",
    ],
)
def test_the_check_sees_what_a_search_path_could_replace(sql: str) -> None:
    assert unqualified(sql)


def test_the_lookup_can_be_read_whatever_is_left_out_of_it() -> None:
    marks = re.findall(r"^ *-- (if|end) (\w+)$", lookup.SQL, re.MULTILINE)
    names = sorted({name for _, name in marks})
    assert len(names) > 5
    few = [frozenset(chosen) for size in (0, 1, 2) for chosen in itertools.combinations(names, size)]
    for wanted in (*few, *(frozenset(names) - chosen for chosen in few)):  # what a section needs is never two others
        text = request.sections(wanted)
        if "carried" not in wanted:  # then they stand in the text
            text = text.replace("/* names */", "VALUES (NULL)").replace("/* types */", "VALUES (0, NULL)")
        pglast.fingerprint(text)  # parses, and makes no tree here
