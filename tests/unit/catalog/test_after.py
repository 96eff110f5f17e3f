"""What earlier statements of a text leave of the facts: never more than is certain, whether they run or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.catalog.after import after, inside
from proxy.catalog.effect import effect
from proxy.catalog.facts import Column, Constraint, Facts, Index, Relation
from proxy.plans.plan import Lock
from proxy.sql.read import read
from tests.unit.rules.catalog import NOW

ORDERS = Relation(
    True,
    1,
    "public",
    "orders",
    size_bytes=2**30,
    columns={"id": Column("id", "bigint", True), "email": Column("email", "text", False)},
    constraints={
        "id_given": Constraint("id_given", "n", True, ("id",), "NOT NULL id"),
        "email_given": Constraint("email_given", "c", True, ("email",), "CHECK ((email IS NOT NULL))"),
    },
    indexes={"orders_i": Index(2, "public", "orders_i", 1, "public", "orders", True, False)},
)
MISSING = Relation(False)
FACTS = replace(
    Facts.text_only(180000, NOW),
    live=True,
    relations={("orders",): ORDERS, ("public", "orders"): ORDERS, ("new",): MISSING},
)


def left(sql: str, facts: Facts = FACTS) -> Facts:
    [statement] = read(sql)
    return after(statement, facts)


@pytest.mark.parametrize("sql", ["{}", "DO $$ BEGIN IF x THEN {}; END IF; END $$"])
@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ("ALTER TABLE orders ADD a int", {"id": True, "email": False, "a": False}),
        ("ALTER TABLE orders ADD a int NOT NULL", {"id": True, "email": False, "a": False}),  # it may not have run
        ("ALTER TABLE orders ADD COLUMN IF NOT EXISTS id int", {"id": True, "email": False}),
        ("ALTER TABLE orders ALTER id DROP NOT NULL", {"id": False, "email": False}),
        ("ALTER TABLE orders DROP COLUMN id", {"id": False, "email": False}),
        ("ALTER TABLE orders RENAME id TO a", {"id": True, "email": False, "a": False}),
        ("ALTER TABLE orders DROP CONSTRAINT id_given", {"id": False, "email": False}),
        ("ALTER TABLE orders ALTER email SET NOT NULL", {"id": True, "email": False}),
        ("SELECT 1", {"id": True, "email": False}),
    ],
)
def test_columns(sql: str, change: str, columns: dict[str, bool]) -> None:
    facts = left(sql.format(change))
    for parts in (("orders",), ("public", "orders")):
        assert {c.name: c.not_null for c in facts.relations[parts].columns.values()} == columns


@pytest.mark.parametrize(
    ("change", "constraints"),
    [
        ("ALTER TABLE orders DROP CONSTRAINT email_given", {"id_given"}),
        ("ALTER TABLE orders RENAME CONSTRAINT email_given TO a", {"id_given"}),
        ("ALTER TABLE orders ALTER email DROP NOT NULL", {"id_given"}),
        ("ALTER TABLE orders ADD CONSTRAINT a CHECK (id IS NOT NULL)", {"id_given", "email_given", "a"}),
    ],
)
def test_constraints(change: str, constraints: set[str]) -> None:
    after = left(change).relations[("orders",)].constraints
    assert set(after) == constraints
    assert "a" not in after or not after["a"].validated  # it proves nothing: perhaps it was never added


@pytest.mark.parametrize("change", ["DROP INDEX orders_i", "ALTER INDEX orders_i RENAME TO a"])
def test_an_index_that_may_be_gone_is_not_in_the_way(change: str) -> None:
    assert not left(change).relations[("orders",)].indexes


@pytest.mark.parametrize(
    "change",
    [
        "SET search_path = a",
        "RESET ALL",
        "SET ROLE a",
        "DO $$ BEGIN PERFORM set_config('search_path', 'a', true); END $$",
    ],
)
def test_a_path_that_may_be_another_leaves_qualified_names(change: str) -> None:
    assert set(left(change).relations) == {("public", "orders")}


@pytest.mark.parametrize(
    "change", ["ALTER TABLE orders RENAME TO new", "ALTER TABLE orders SET SCHEMA a", "ALTER SCHEMA public RENAME TO a"]
)
def test_under_a_name_that_was_free_there_may_be_anything(change: str) -> None:
    assert set(left(change).relations) == {("orders",), ("public", "orders")}


@pytest.mark.parametrize(
    ("change", "is_new"),
    [
        ("CREATE TABLE new (a int)", True),
        ("CREATE TABLE new AS SELECT 1 AS a", True),
        ("CREATE TABLE orders (a int)", False),
        ("CREATE TEMPORARY TABLE orders (a int)", False),
        ("CREATE TABLE IF NOT EXISTS orders (a int)", False),
        ("DROP TABLE orders; CREATE TABLE orders (a int)", False),
    ],
)
def test_tables_that_are_made(change: str, is_new: bool) -> None:
    facts = FACTS
    for statement in read(change):
        facts = after(statement, facts)
    name = ("new",) if "new" in change else ("orders",)
    assert facts.relations[name].is_new is is_new


def test_without_a_database_a_table_that_is_made_is_new() -> None:
    nothing = Facts.text_only(180000, NOW)
    assert left("CREATE TABLE new (a int)", nothing).relations[("new",)].is_new
    assert not left("CREATE TABLE IF NOT EXISTS new (a int)", nothing).relations


def test_each_statement_of_a_block_has_the_facts_of_those_before_it() -> None:
    [block] = read("DO $$ BEGIN CREATE TABLE new (a int); ALTER TABLE orders ADD a int; DROP TABLE new; END $$")
    seen = [(one.node.kind, facts) for one, facts in inside(block, FACTS)]
    assert [kind for kind, _ in seen] == ["CREATE TABLE", "ALTER TABLE", "DROP TABLE"]
    assert all(facts.in_transaction for _, facts in seen)
    assert [facts.relations[("new",)].is_new for _, facts in seen] == [False, True, True]
    assert ["a" in facts.relations[("orders",)].columns for _, facts in seen] == [False, False, True]


def test_a_block_takes_the_locks_of_its_statements() -> None:
    [block] = read(
        "DO $$ BEGIN CREATE TABLE new (a int); CREATE INDEX ON new (a); CREATE INDEX ON orders (email); END $$"
    )
    found = effect(block, FACTS)
    assert (found.lock, found.work, found.relations, found.known) == (
        Lock.SHARE,
        "build",
        (("public", "orders"),),
        False,
    )


@pytest.mark.parametrize(("end", "new"), [("", True), ("COMMIT;", False), ("ROLLBACK;", False)])
def test_behind_a_commit_in_a_body_a_new_table_is_everybodys(end: str, new: bool) -> None:
    known = left(f"DO $$ BEGIN CREATE TABLE new (a int); {end} END $$").relations[("new",)]
    assert (known.is_new, known.size_bytes) == (new, 0 if new else None)


@pytest.mark.parametrize(
    ("change", "free"),
    [
        ("ALTER TABLE orders DROP COLUMN id", {"id_given"}),
        ("ALTER TABLE orders DROP CONSTRAINT email_given", {"email_given"}),
        ("ALTER TABLE orders DROP CONSTRAINT IF EXISTS others_c", set()),  # it is another table's
        ("ALTER TABLE orders ALTER id DROP NOT NULL", {"id_given"}),  # the NOT NULL itself
        ("DROP INDEX orders_i", {"orders_i"}),
        ("DROP INDEX IF EXISTS others_c", set()),
        ("DO $$ BEGIN IF x THEN ALTER TABLE orders DROP COLUMN id; END IF; END $$", set()),
    ],
)
def test_names_that_are_free_again(change: str, free: set[str]) -> None:
    """So that a default name is what Postgres would choose: ``DROP COLUMN id`` takes ``orders_pkey`` with it."""
    taken = {"public": frozenset({"id_given", "email_given", "orders_i", "others_c"})}
    facts = left(change, replace(FACTS, taken_relations=taken, taken_constraints=taken))
    assert taken["public"] - facts.taken_relations["public"] == free
    assert taken["public"] - facts.taken_constraints["public"] == free
