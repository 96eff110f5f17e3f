"""What CREATE FUNCTION and CREATE PROCEDURE say, held against libpg_query; and what their bodies run."""

from __future__ import annotations

import pglast
import pytest
from pglast import ast

from proxy.sql.inside import run_by_routine
from proxy.sql.read import read
from proxy.sql.routine import Created, created
from proxy.sql.statements import Opaque
from tests.unit.sql.test_against_pglast import statements

TEXTS = [
    "CREATE OR REPLACE FUNCTION s.f(a int DEFAULT 1, b text[]) RETURNS TABLE (x int, language text) LANGUAGE plpgsql AS $$ BEGIN END $$",
    "CREATE FUNCTION f() RETURNS language LANGUAGE 'sql' AS 'SELECT ''a'''",
    "CREATE FUNCTION f() RETURNS int AS $x$ SELECT 1 $x$ LANGUAGE SQL SET search_path = a, b IMMUTABLE",
    "CREATE FUNCTION f(a int, OUT b int) AS E'BEGIN\\n\\tb := \\'1\\'; END' LANGUAGE plpgsql",
    "CREATE PROCEDURE \"P\"() LANGUAGE \"plpgsql\" AS 'BEGIN '\n'END'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'obj', 'link'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE U&\"pl!0070gsql\" UESCAPE '!' AS 'BEGIN END'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE E'pl\\x70gsql' AS 'BEGIN END'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET a TO language, b COST 1 PARALLEL safe SET TIME ZONE 'UTC' AS 'SELECT 1'",
    "CREATE FUNCTION f(language int) RETURNS language LANGUAGE plpgsql TRANSFORM FOR TYPE language AS 'BEGIN END'",
]


def theirs(sql: str) -> tuple[tuple[str, ...], str, str]:
    statement = pglast.parse_sql(sql)[0].stmt
    assert isinstance(statement, ast.CreateFunctionStmt)
    options = {option.defname: option.arg for option in statement.options or ()}
    language = options["language"].sval if "language" in options else "sql"
    return tuple(n.sval for n in statement.funcname), language, options["as"][0].sval if "as" in options else ""


def ours(sql: str) -> tuple[tuple[str, ...], str, str | None]:
    made = one(sql)
    return made.name.parts, made.language, made.source


def one(sql: str) -> Created:
    (statement,) = read(sql)
    (made,) = created(statement)
    return made


def test_names_languages_and_bodies_are_libpg_querys() -> None:
    corpus = [sql for sql in statements() if read(sql)[0].node.kind in ("CREATE FUNCTION", "CREATE PROCEDURE")]
    assert len(corpus) > 5
    for sql in (*TEXTS, *corpus):
        assert ours(sql) == theirs(sql), sql


def test_what_else_is_told() -> None:
    assert one(TEXTS[2]).sets_path
    assert not one(TEXTS[0]).sets_path
    assert one("CREATE FUNCTION f() RETURNS int SET SCHEMA 'x' LANGUAGE sql AS ''").sets_path
    assert one("CREATE FUNCTION f() RETURNS int AS U&'SELECT 1' LANGUAGE sql").source is None
    atomic = one("CREATE PROCEDURE p(a int DEFAULT g()) BEGIN ATOMIC SELECT f(1); END")
    assert (atomic.source, [call.name.name for call in atomic.called]) == ("", ["f"])
    assert one("CREATE FUNCTION f() RETURNS int RETURN s.g(1)").called[0].name.parts == ("s", "g")
    (block,) = read(
        "DO $$ BEGIN CREATE FUNCTION a() RETURNS int LANGUAGE sql AS 'SELECT ''x'''; CREATE TABLE t (); END $$"
    )
    assert [(made.name.name, made.source) for made in created(block)] == [("a", "SELECT 'x'")]


@pytest.mark.parametrize(
    ("source", "language", "inner", "called"),
    [
        ("BEGIN DROP TABLE a; PERFORM f(1); COMMIT; END", "plpgsql", ["DROP TABLE a", "COMMIT"], ["f"]),
        ("DROP TABLE a; SELECT f(); DO 'BEGIN DROP TABLE b; END'", "sql", ["DROP TABLE a", "DROP TABLE b"], ["f"]),
        ("SELECT set_config('search_path', 'x', true); DROP TABLE a", "sql", ["SELECT set_config('search_path', 'x', true)", "DROP TABLE a"], ["set_config"]),
        ("BEGIN EXECUTE x; END", "plpgsql", [Opaque], []),
        ("BEGIN DROP TABLE a", "plpgsql", [Opaque], []),
        ("DROP TABEL a", "sql", [Opaque], []),
        ("SELECT 'a", "sql", [Opaque], []),
        ("", "plpgsql", [Opaque], []),
        ("", "sql", [], []),
    ],
)  # fmt: skip
def test_bodies(source: str, language: str, inner: list[object], called: list[str]) -> None:
    ran = run_by_routine(source, language)
    assert [Opaque if isinstance(s.node, Opaque) else s.sql for s in ran.inner] == inner
    assert [call.name.name for call in ran.called] == called


def test_comments_and_backslashes() -> None:
    assert run_by_routine("BEGIN /* interlock: allow x: y */ END", "plpgsql").comments == ("interlock: allow x: y",)
    source = r"SELECT 'a\''; DROP TABLE t; --'"
    assert [s.sql for s in run_by_routine(source, "sql").inner] == []
    assert [s.sql for s in run_by_routine(source, "sql", False).inner] == ["DROP TABLE t"]
