"""A sample of ``make sql-oracle`` with a fixed budget: the statements kept in this repository, and what is made of them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.sql import statements as sql
from proxy.sql.read import read
from tests.oracle import lexing, scripts
from tests.oracle.mutants import Mutants
from tests.oracle.places import misplaced, trees
from tests.oracle.verdict import Verdict, judge, split_alike
from tests.servers import Server
from tests.unit.sql.test_against_pglast import CORPUS, statements

seeds = st.integers(min_value=0, max_value=2**62)


def test_every_part_of_every_statement_is_where_we_say() -> None:
    wrong = [judged for judged in map(judge, statements()) if judged.verdict is not Verdict.AGREED]
    assert wrong == []


@pytest.mark.parametrize("path", CORPUS, ids=[path.name for path in CORPUS])
def test_scripts_are_cut_alike(path: Path) -> None:
    assert split_alike(path.read_text())


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_mutants_are_read_alike_or_refused(seed: int) -> None:
    """What the grammar accepts is read the same, and every part of it stands where we say; or it is unreadable."""
    mutants = Mutants(statements(), seed)
    for _ in range(50):
        judged = judge(mutants.one())
        assert judged.verdict is not Verdict.WRONG, judged


def test_backslashes_as_the_server_reads_them(postgres: Server) -> None:
    """Without standard_conforming_strings the server finds its tokens where we find them."""
    rng = random.Random(postgres.version)
    with postgres.connect() as session:
        scanner = lexing.Scanner(session)
        texts = ["".join(lexing.literals_of(rng)) for _ in range(3000)]
        answers = [scanner.same(text) for text in texts]
    assert [text for text, same in zip(texts, answers, strict=True) if same is False] == []
    assert answers.count(True) > 2500


def test_that_server_would_notice(postgres: Server) -> None:
    """With the setting that it does not have, our tokens are not its own: else the test above would say nothing."""
    with postgres.connect() as session:
        scanner = lexing.Scanner(session)
        session.execute("SET standard_conforming_strings = on")
        assert scanner.same(r"SELECT 'a\', 'b'") is False
        assert scanner.same(r"SELECT 'a\'', 'b") is False


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("ALTER TABLE t ADD a int NOT NULL DEFAULT 1", "column.span"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID", "constraint.expression"),
        ("ALTER TABLE t ADD CONSTRAINT c UNIQUE (a) INCLUDE (b)", "constraint.include"),
        ("ALTER TABLE t ALTER a TYPE bigint USING a::bigint", "using"),
        ("ALTER TABLE t ADD UNIQUE (a)", "span"),
    ],
)
def test_a_wrong_place_would_be_noticed(text: str, part: str) -> None:
    """A span that is one character short at either end is not the same SQL."""
    (statement,) = read(text)
    ((kind, tree),) = trees(text)
    assert misplaced(statement, kind, tree) == []
    for first, last in ((1, 0), (0, 1)):
        (statement,) = read(text)
        assert isinstance(statement.node, sql.AlterTable)
        *path, leaf = ("actions", *part.split("."))
        owner: object = statement.node.actions[0]
        for step in path[1:]:
            owner = getattr(owner, step)
        span = getattr(owner, leaf)
        object.__setattr__(owner, leaf, sql.Span(span.start + first, span.end - last))
        assert misplaced(statement, kind, tree), (first, last)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1;", " SELECT 2"]),
        ("\\set x 1\nSELECT 1 \\gset\nSELECT 2;", ["SELECT 1 ;", "\nSELECT 2;"]),
        ("COPY t FROM stdin;\n1;\n\\.\nSELECT 1;", ["COPY t FROM stdin;", "\nSELECT 1;"]),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END; SELECT 1;",
         ["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;", " SELECT 1;"]),
        ("SELECT $a$;$a$; SELECT ';'", ["SELECT $a$;$a$;", " SELECT ';'"]),
    ],
)  # fmt: skip
def test_psql_scripts(text: str, expected: list[str]) -> None:
    assert [chunk.lstrip("\n") for chunk in scripts.statements(text)] == [chunk.lstrip("\n") for chunk in expected]
