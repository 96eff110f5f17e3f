"""When a rule says nothing, when it says what to do but has no plan, and what it says when little is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from proxy.catalog.facts import MISSING, Column, Constraint, Facts, Relation
from proxy.plans.plan import Lock
from proxy.rules.base import Finding, examine, rules
from proxy.sql.read import read
from tests.unit.rules.catalog import TABLES, facts

GUARDED = [
    "CREATE INDEX i ON orders (email)",
    "DROP INDEX orders_total_idx",
    "ALTER TABLE orders ADD CHECK (email <> '')",
    "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers",
    "ALTER TABLE orders ALTER email SET NOT NULL",
    "ALTER TABLE orders ADD UNIQUE (email)",
    "ALTER TABLE visits ADD PRIMARY KEY (id)",
]


def found(sql: str, change: Callable[[Facts], Facts] = lambda f: f, version: int = 18) -> list[Finding]:
    """What blocks: what may break the application, or costs later, is looked at elsewhere."""
    [statement] = read(sql)
    every = [finding for _, finding in examine(statement, change(facts(statement, version)))]
    return [finding for finding in every if rules()[finding.rule].harm == "blocks"]


def each(change: Callable[[Relation], Relation]) -> Callable[[Facts], Facts]:
    return lambda f: replace(f, relations={name: change(relation) for name, relation in f.relations.items()})


@pytest.mark.parametrize("sql", GUARDED)
def test_guarded(sql: str) -> None:
    [finding] = found(sql)
    assert finding.rewrite is not None
    assert finding.lock.rank >= Lock.SHARE.rank


@pytest.mark.parametrize("sql", GUARDED)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(each(lambda r: replace(r, is_new=True)), id="new"),
        pytest.param(each(lambda r: replace(r, persistence="t")), id="temporary"),
        pytest.param(each(lambda r: MISSING), id="missing"),
        pytest.param(lambda f: replace(f, in_recovery=True), id="standby"),
    ],
)
def test_nothing_to_protect(sql: str, change: Callable[[Facts], Facts]) -> None:
    assert not found(sql, change)


@pytest.mark.parametrize("sql", GUARDED)
def test_unknown_is_large(sql: str) -> None:
    """The database did not say: as for a large table, without its size; and no plan that hangs on what it would have said."""
    [finding] = found(sql, lambda f: replace(f, relations={}))
    assert "GB" not in finding.problem + finding.detail
    assert (finding.rewrite is None) == sql.startswith("ALTER")
    assert finding.remedy


@pytest.mark.parametrize("sql", GUARDED)
@pytest.mark.parametrize("version", [13, 17, 18])
def test_text_alone_gives_a_plan(sql: str, version: int) -> None:
    [statement] = read(sql)
    every = [f for _, f in examine(statement, Facts.text_only(version * 10000, datetime(2026, 1, 1, tzinfo=UTC)))]
    [finding] = [f for f in every if rules()[f.rule].harm == "blocks"]
    assert finding.rewrite is not None


def test_a_new_type_may_copy_the_table_where_the_old_one_is_not_known() -> None:
    sql = "ALTER TABLE orders ALTER email TYPE varchar(90){}"
    for live, using, would in ((False, "", "may"), (True, "", "may"), (False, " USING lower(email)", "would")):
        facts = replace(Facts.text_only(180000, datetime(2026, 1, 1, tzinfo=UTC)), live=live)
        [finding] = [f for _, f in examine(read(sql.format(using))[0], facts) if f.rule == "column-type-rewrite"]
        assert f'type of column "email" {would} block' in finding.problem
        assert ("interlock check --database URL" in finding.detail) == (would == "may" and not live)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY i ON orders (email)",
        "CREATE INDEX orders_total_idx ON orders (email)",  # the name is taken: 42P07
        "CREATE INDEX customers ON orders (email)",
        "DROP INDEX nothing_there, orders_total_idx",  # fails as a whole
        "DROP INDEX IF EXISTS nothing_there",
        "DROP INDEX orders",
        "DROP INDEX orders_total_idx, events_at_idx",
        "ALTER TABLE orders ADD CONSTRAINT total_given CHECK (email <> '')",  # 42710
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES nothing_there",
        "ALTER TABLE orders ALTER nothing_there SET NOT NULL",
        "ALTER TABLE orders ADD UNIQUE (nothing_there)",
        "ALTER TABLE ONLY events ALTER kind SET NOT NULL",
        "ALTER TABLE ONLY events ADD UNIQUE (id, at)",
        "ALTER VIEW orders ALTER email SET DEFAULT 1",
        "ALTER TABLE customers ADD PRIMARY KEY (code)",  # has one
        "ALTER TABLE orders RENAME TO o",
    ],
)
def test_no_finding(sql: str) -> None:
    assert not found(sql)


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("ALTER TABLE orders DROP CONSTRAINT total_given, ALTER total SET NOT NULL", "not-null-scan"),  # the proof goes first
        ("ALTER TABLE orders ALTER id DROP NOT NULL, ALTER id SET NOT NULL", "not-null-scan"),
        ("ALTER TABLE orders ADD COLUMN x int, ADD UNIQUE (x)", "unique-builds-index"),
        ("ALTER TABLE orders DROP CONSTRAINT total_given, ADD CONSTRAINT total_given CHECK (total > 0)", "check-validated"),
        ("CREATE INDEX orders_status_idx ON orders (status)", "index-not-concurrent"),  # invalid: a left-over
        ("DROP INDEX IF EXISTS nothing_there, orders_total_idx", "drop-index-not-concurrent"),
    ],
)  # fmt: skip
def test_finding(sql: str, rule: str) -> None:
    assert [finding.rule for finding in found(sql)] == [rule]


def test_own_check_is_no_proof_but_is_taken_up_again() -> None:
    """Left by an interrupted run: what is left of the plan removes it."""
    from proxy.plans.staged_not_null import helper_name

    name = helper_name("email")
    left = Constraint(name, "c", True, ("email",), "CHECK ((email IS NOT NULL))")
    orders = replace(TABLES["orders"], constraints={**TABLES["orders"].constraints, name: left})
    sql = "ALTER TABLE orders ALTER email SET NOT NULL"
    [finding] = found(sql, lambda f: replace(f, relations={("orders",): orders}), version=17)
    assert finding.rewrite is not None
    assert not finding.rewrite.steps
    assert finding.rewrite.action is None
    assert finding.rewrite.after == (f"DROP CONSTRAINT IF EXISTS {name}",)


def test_not_valid_not_null_is_only_validated() -> None:
    given = Constraint("given", "n", False, ("email",), "NOT NULL email NOT VALID")
    columns = {**TABLES["orders"].columns, "email": Column("email", "text", True, False)}
    orders = replace(TABLES["orders"], columns=columns, constraints={"given": given})
    sql = "ALTER TABLE orders ALTER email SET NOT NULL"
    [finding] = found(sql, lambda f: replace(f, relations={("orders",): orders}))
    assert finding.rewrite is not None
    assert [step.sql for step in finding.rewrite.steps] == ["ALTER TABLE public.orders VALIDATE CONSTRAINT given"]
    assert finding.rewrite.action is None


def test_a_build_that_runs_is_no_left_over() -> None:
    """An invalid index of that name is being built by another session now: it is not dropped."""
    orders = replace(TABLES["orders"], being_built=True)
    sql = "CREATE INDEX orders_status_idx ON orders (status)"
    [finding] = found(sql, lambda f: replace(f, relations={**f.relations, ("orders",): orders}))
    assert finding.rewrite is not None
    assert not any("DROP" in step.sql for step in finding.rewrite.steps)
