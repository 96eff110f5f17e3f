"""What is asked about a statement, and how the answer is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from proxy.catalog import answer, lookup
from proxy.catalog.answer import UnreadableAnswer
from proxy.catalog.asked import Wanted
from proxy.catalog.facts import Facts, Relation
from proxy.catalog.request import Request
from proxy.sql.read import read

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def visible(*names: str) -> tuple[Wanted, ...]:
    return tuple(Wanted(tuple(name.split("."))) for name in names)


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("CREATE INDEX i ON s.t (a)", (*visible("s.t"), Wanted(("i",), "beside", ("s", "t")))),
        ("CREATE INDEX ON t (a)", visible("t")),
        ("DROP INDEX a, s.b", visible("a", "s.b")),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES s.p", visible("t", "s.p")),
        ("ALTER TABLE t ADD COLUMN a int REFERENCES p", visible("t", "p")),
        ("ALTER TABLE t ADD CONSTRAINT u UNIQUE (a)", (*visible("t"), Wanted(("u",), "beside", ("t",)))),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", visible("t")),
        (
            "ALTER TABLE s.t ADD CONSTRAINT u UNIQUE USING INDEX i",
            (*visible("s.t"), Wanted(("i",), "beside", ("s", "t")), Wanted(("u",), "beside", ("s", "t"))),
        ),
        ("ALTER TABLE p ATTACH PARTITION q DEFAULT", visible("p", "q")),
        ("ALTER TABLE p DETACH PARTITION q", visible("p", "q")),
        ("ALTER TABLE t INHERIT p", visible("t", "p")),
        ("CREATE TABLE n (a int REFERENCES p)", (Wanted(("n",), "create"), *visible("p"))),
        ("CREATE TABLE n PARTITION OF p DEFAULT", (Wanted(("n",), "create"), *visible("p"))),
        ("CREATE TABLE n AS SELECT 1", (Wanted(("n",), "create"),)),
        ("DROP TABLE a, b", visible("a", "b")),
        ("DROP TYPE a", ()),
        ("DROP TRIGGER x ON t", visible("t")),
        ("EXPLAIN CREATE INDEX ON t (a)", visible("t")),
        ("TRUNCATE a, b", visible("a", "b")),
        ("SELECT * FROM t", ()),
        ("BEGIN", ()),
        ("SET lock_timeout = 1", ()),
    ],
)
def test_the_names_that_are_looked_up(sql: str, wanted: tuple[Wanted, ...]) -> None:
    (statement,) = read(sql)
    assert lookup.request(statement).wanted == wanted


@pytest.mark.parametrize(
    ("sql", "taken"),
    [
        ("CREATE INDEX ON s.t (a)", ("s", "t")),
        ("ALTER TABLE t ADD CHECK (a > 0)", ("t",)),
        ("ALTER TABLE t ALTER a SET NOT NULL", ("t",)),
        ("ALTER TABLE t DROP COLUMN a", None),
        ("DROP INDEX i", None),
    ],
)
def test_taken_names_are_asked_for_where_a_name_is_to_be_chosen(sql: str, taken: tuple[str, ...] | None) -> None:
    (statement,) = read(sql)
    assert lookup.request(statement).taken == taken


@pytest.mark.parametrize(
    ("sql", "chosen"),
    [
        ("CREATE INDEX ON t (a)", True),
        ("CREATE INDEX i ON t (a)", False),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", False),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0), ADD CHECK (b > 0)", True),
        ("ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES o", False),
        ("ALTER TABLE t ADD CONSTRAINT c PRIMARY KEY (a)", True),  # a helper for NOT NULL
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0), ALTER a SET NOT NULL", True),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0), ADD b int UNIQUE", True),
    ],
)
def test_but_not_where_the_author_names_it_unless_it_has_partitions(sql: str, chosen: bool) -> None:
    request = lookup.request(read(sql)[0])
    assert request.chosen == chosen
    assert replace(request, again=True).chosen


@pytest.mark.parametrize(
    ("sql", "relations", "constraints"),
    [
        ("CREATE INDEX ON t (a)", True, False),
        ("ALTER TABLE t ADD CHECK (a > 0)", False, True),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o", False, True),
        ("ALTER TABLE t ALTER a SET NOT NULL", False, True),
        ("ALTER TABLE t ADD UNIQUE (a)", True, True),
        ("ALTER TABLE t ADD CHECK (a > 0), ADD EXCLUDE (a WITH =)", True, True),
        ("ALTER TABLE t ADD a serial", True, True),
    ],
)
def test_and_of_what_the_new_one_has_to_differ_from(sql: str, relations: bool, constraints: bool) -> None:
    request = lookup.request(read(sql)[0])
    assert (request.relation_names, request.constraint_names) == (relations, constraints)


@pytest.mark.parametrize("name", ["t", 'we"ird', "Näme", "名前", "x" * 63, "\\u0041", "a\nb", "'; --"])
def test_the_parameter_is_ascii_and_keeps_every_name(name: str) -> None:
    text = Request((Wanted((name,)),), taken=(name,)).parameter
    assert text.isascii()
    assert answer.decode(f"UTF8 {text}")["names"][0]["name"] == name


@pytest.mark.parametrize("text", ["", "UTF8 ", "UTF8 bm90IGpzb24=", "UTF8 W10=", "UTF8 e30=", "nonsense", "UTF8 x"])
def test_an_answer_that_cannot_be_read_is_an_error_and_no_facts(text: str) -> None:
    with pytest.raises(UnreadableAnswer):
        lookup.decode(text, Request(), now=NOW, in_transaction=False)


@pytest.mark.parametrize(
    ("sql", "asked_again"),
    [
        ("CREATE TABLE n () INHERITS (base)", False),
        ("CREATE TABLE n (b int REFERENCES base) INHERITS (base)", True),  # every part of it would be locked
        ("CREATE TABLE n PARTITION OF base DEFAULT", True),
        ("ALTER TABLE base ADD a int", True),
    ],
)
def test_one_more_heir_does_not_ask_about_all_the_others(sql: str, asked_again: bool) -> None:
    (statement,) = read(sql)
    request = lookup.request(statement)
    base = Relation(exists=True, oid=1, schema="public", name="base", kind="r", has_children=True)
    facts = Facts(server_version=180000, live=True, now=NOW, relations={("base",): base, ("public", "base"): base})
    assert (lookup.more(request, statement, facts) is not None) == asked_again
