"""Which functions a session has made that change the schema, and the texts that may call one."""

from __future__ import annotations

import pytest

from proxy.session.made import Made
from proxy.sql.read import read
from proxy.sql.routine import created
from proxy.sql.statements import Name, Span


def made(*texts: str) -> Made:
    found = Made()
    for text in texts:
        for statement in read(text):
            for one in created(statement):
                found.note(one)
    return found


def function(name: str, body: str, language: str = "plpgsql") -> str:
    return f"CREATE FUNCTION {name}() RETURNS void LANGUAGE {language} AS $body$ {body} $body$"


def holds(found: Made, name: str) -> bool:
    return Name((name,), Span(0, 0)) in found


@pytest.mark.parametrize(
    ("body", "language", "expected"),
    [
        ("BEGIN DROP TABLE a; END", "plpgsql", True),
        ("BEGIN EXECUTE x; END", "plpgsql", True),
        ("BEGIN CALL p(); END", "plpgsql", True),
        ("BEGIN IF", "plpgsql", True),
        ("ALTER TABLE a ADD b int", "sql", True),
        ("x", "plpython3u", True),
        ("SELECT count(*) FROM a", "sql", False),
        ("BEGIN PERFORM 1; INSERT INTO a VALUES (1); SET LOCAL lock_timeout = 1; END", "plpgsql", False),
        ("x", "c", False),
    ],
)
def test_whose_body_changes_the_schema(body: str, language: str, expected: bool) -> None:
    assert holds(made(function("s.f", body, language)), "f") is expected


def test_those_that_call_one_are_of_them_too() -> None:
    texts = [
        function("g", "BEGIN PERFORM f(); END"),
        function("h", "SELECT 1 FROM s.g()", "sql"),
        function("i", "SELECT j()", "sql"),
    ]
    assert not any(holds(made(*texts), name) for name in "fghij")
    found = made(*texts, function("f", "BEGIN DROP TABLE a; END"), "CREATE FUNCTION k() RETURNS int RETURN h()")
    assert [name for name in "fghijk" if holds(found, name)] == ["f", "g", "h", "k"]


def test_once_is_enough() -> None:
    """Which of several of a name is called is the server's to say; and one that was replaced may be prepared still."""
    found = made(function("f", "BEGIN DROP TABLE a; END"), function("f", "BEGIN NULL; END"))
    assert holds(found, "f")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT f()", True),
        ('select S."f" ( )', True),
        ("SELECT F()", True),
        ('SELECT U&"\\0066"()', True),
        ("SELECT 'f'", True),  # errs so
        ("SELECT ff(), f1, _f", False),
        ("SELECT g()", False),
        ("SELECT " + "x" * 63 + "yz()", True),
        ("SELECT \"odd \"\"one\"\"\"()", True),
        ("SELECT odd", False),
        ("SELECT \u00e9t\u00e9()", True),
    ],
)  # fmt: skip
def test_texts_that_may_call_one(text: str, expected: bool) -> None:
    body = "BEGIN DROP TABLE a; END"
    found = made(function("f", body), function("x" * 63, body), function('"odd ""one"""', body))
    assert found.mentioned(text.encode()) is (expected and "\u00e9" not in text)
    found = made(*(function(name, body) for name in ("f", "x" * 63, '"odd ""one"""', "\u00e9t\u00e9")))
    assert found.mentioned(text.encode()) is expected


def test_a_session_that_makes_none_pays_nothing() -> None:
    assert not Made().mentioned(b"SELECT f()")
