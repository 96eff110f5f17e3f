"""What is said about expressions is right, and nothing is said where sqlglot reads something else."""

from __future__ import annotations

import psycopg
import pytest

from proxy.sql.expression import mentioned_columns, parse_expression, proves_not_null
from tests.servers import Server


@pytest.mark.parametrize(
    "text", ["a > 0", "now()", "a::bigint + 1", "'x;y'", "date '2020-01-01' < d", "x IS NOT DISTINCT FROM 1"]
)
def test_expressions_have_a_tree(text: str) -> None:
    assert parse_expression(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "/*/*/ ' */ */ 1 --'",
        "a b c d",
        "1_0$$",
        "'open",
        "",
        "(" * 100_000 + "1" + ")" * 100_000,
    ],
)
def test_what_is_read_differently_has_none(text: str) -> None:
    assert parse_expression(text) is None


def test_a_unicode_space_is_a_letter_or_not_read_at_all() -> None:
    """The tokenizer in Rust that sqlglot had until 29 knows that, the others do not."""
    assert mentioned_columns("\u00a0$$ + 1 + \u00a0$$", {"\u00a0$$"}) in (None, ("\u00a0$$",))


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a > 0", ("a",)),
        ("A > 0 AND a < b", ("a", "b")),
        ("\"B\" <> 'b'", ("B",)),
        ("t.a > 0", ("a",)),
        ("now() > d", ("d",)),
        ("true", ()),
        ("lower(b) = 'a'", ("b",)),
        ("unknown > 0", None),
        ("a IN (SELECT b FROM u)", None),
    ],
)
def test_mentioned_columns(text: str, columns: tuple[str, ...] | None) -> None:
    assert mentioned_columns(text, {"a", "b", "B", "d"}) == columns


# Conditions, and whether they imply that a is not null.
CONDITIONS = [
    ("a IS NOT NULL", True),
    ("a IS NOT NULL AND b > 0", True),
    ("b > 0 AND (b < 9 AND a IS NOT NULL)", True),
    ("b BETWEEN 1 AND 9 AND a IS NOT NULL", True),
    ("a IS NOT NULL OR b > 0", False),
    ("(a IS NOT NULL OR b > 0) AND b < 9", False),
    ("NOT (a IS NOT NULL)", False),
    ("a IS NULL", False),
    ("b IS NOT NULL", False),
    ('"A" IS NOT NULL', False),
    ("(a IS NOT NULL) IS NOT NULL", False),
    ("CASE WHEN b > 0 THEN a IS NOT NULL ELSE true END", False),
    ("a > 0", False),
    ("b = ANY (ARRAY[1, 2]) AND a IS NOT NULL", True),
    ("'a IS NOT NULL' <> b::text", False),
]


@pytest.mark.parametrize(("condition", "proven"), CONDITIONS, ids=[c[0] for c in CONDITIONS])
def test_proves_not_null_as_the_server_prints_it(postgres: Server, database: str, condition: str, proven: bool) -> None:
    """Said of a valid CHECK if and only if SET NOT NULL then skips its scan."""
    with psycopg.connect(database, autocommit=True) as session:
        messages: list[str] = []
        session.add_notice_handler(lambda n: messages.append(n.message_primary or ""))
        session.execute('CREATE TABLE t (a int, b int, "A" int)')
        session.execute(f"ALTER TABLE t ADD CONSTRAINT c CHECK ({condition})")
        [(definition,)] = session.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'c'")
        session.execute("SET client_min_messages = debug1")
        session.execute("ALTER TABLE t ALTER a SET NOT NULL")
    assert proves_not_null(definition, "a") == proven
    assert any("are sufficient to prove" in message for message in messages) == proven


@pytest.mark.parametrize(
    "definition",
    [
        "CHECK ((a IS NOT NULL)) NOT VALID",
        "CHECK ((a IS NOT NULL)) NOT ENFORCED",
        "CHECK ((a IS NOT NULL)",
        "FOREIGN KEY (a) REFERENCES o(id)",
        "CHECK (('a IS NOT NULL",
        "",
    ],
)
def test_nothing_is_proven_when_unsure(definition: str) -> None:
    assert not proves_not_null(definition, "a")


def test_proof_is_bounded() -> None:
    assert proves_not_null("CHECK " + "(" * 50_000 + "a IS NOT NULL" + ")" * 50_000, "a")
