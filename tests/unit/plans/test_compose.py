"""One plan for an ALTER TABLE with several actions: what goes where, and how places map back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalog.facts import Facts
from proxy.plans.compose import compose
from proxy.plans.early import irreversible
from proxy.plans.plan import Lock, Plan
from proxy.rules.base import examine
from proxy.sql import edit
from proxy.sql.read import read
from proxy.sql.statements import AlterTable, Statement
from tests.unit.rules.catalog import facts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def planned(sql: str, version: int = 18, *, only: set[str] | None = None) -> tuple[Statement, Plan]:
    """The plan from text alone; ``only``: the rules whose findings are rewritten."""
    [statement] = read(sql)
    found = examine(statement, Facts.text_only(version * 10000, NOW))
    rewrites = [(node, f.rewrite) for node, f in found if f.rewrite and (only is None or f.rule in only)]
    return statement, compose(statement, rewrites)


def steps(sql: str, version: int = 18, *, only: set[str] | None = None) -> list[str]:
    return [step.sql for step in planned(sql, version, only=only)[1].steps]


NOT_NULL_A = "_interlock_nn_ca978112ca1b"

TABLE = [
    # unguarded actions last
    (
        "ALTER TABLE t ALTER b SET DEFAULT 1, ADD CONSTRAINT c CHECK (a > 0)",
        [
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT c",
            "ALTER TABLE t ALTER b SET DEFAULT 1",
        ],
    ),
    # but first if the constraint is about a column that they make
    (
        "ALTER TABLE t ADD COLUMN a int, ADD CONSTRAINT c CHECK (a > 0)",
        [
            "ALTER TABLE t ADD COLUMN a int, ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT c",
        ],
    ),
    (
        'ALTER TABLE t ADD COLUMN "A" int, ADD CONSTRAINT c CHECK (a > 0)',
        [
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT c",
            'ALTER TABLE t ADD COLUMN "A" int',
        ],
    ),
    # a whole row may hold any column
    (
        "ALTER TABLE t DROP COLUMN a, ADD CONSTRAINT c CHECK (f(t))",
        [
            "ALTER TABLE t DROP COLUMN a, ADD CONSTRAINT c CHECK (f(t)) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT c",
        ],
    ),
    # or takes a name that they free
    (
        "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0)",
        [
            "ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT c",
        ],
    ),
    # a foreign key has its own weaker lock, so its own step
    (
        "ALTER TABLE IF EXISTS ONLY s.t ADD CONSTRAINT c CHECK (a > 0), ADD FOREIGN KEY (b) REFERENCES p",
        [
            "ALTER TABLE IF EXISTS ONLY s.t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
            "ALTER TABLE IF EXISTS ONLY s.t ADD CONSTRAINT t_b_fkey FOREIGN KEY (b) REFERENCES p NOT VALID",
            "ALTER TABLE IF EXISTS s.t VALIDATE CONSTRAINT c;\nALTER TABLE IF EXISTS s.t VALIDATE CONSTRAINT t_b_fkey",
        ],
    ),
    # the old key goes in the moment in which the new one comes
    (
        "ALTER TABLE t DROP CONSTRAINT old, ADD CONSTRAINT new UNIQUE (a)",
        [
            "CREATE UNIQUE INDEX CONCURRENTLY new ON t (a)",
            "ALTER TABLE t DROP CONSTRAINT old, ADD CONSTRAINT new UNIQUE USING INDEX new",
        ],
    ),
    # a key to the table itself comes after the index that it may need
    (
        "ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES t (a), ADD CONSTRAINT u UNIQUE (a), SET (fillfactor = 70)",
        [
            "CREATE UNIQUE INDEX CONCURRENTLY u ON t (a)",
            "ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX u",
            "ALTER TABLE t ADD CONSTRAINT t_b_fkey FOREIGN KEY (b) REFERENCES t (a) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT t_b_fkey",
            "ALTER TABLE t SET (fillfactor = 70)",
        ],
    ),
    # comments stay with the actions that are beside each other, and none swallows what follows
    (
        "ALTER TABLE t -- why\n ADD CONSTRAINT c CHECK (a > 0) -- positive\n, ADD CONSTRAINT d CHECK (b > 0), ALTER b SET DEFAULT 1",
        [
            "ALTER TABLE t -- why\n ADD CONSTRAINT c CHECK (a > 0) NOT VALID -- positive\n, ADD CONSTRAINT d CHECK (b > 0) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT c;\nALTER TABLE t VALIDATE CONSTRAINT d",
            "ALTER TABLE t -- why\n ALTER b SET DEFAULT 1",
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), TABLE, ids=[sql[:60] for sql, _ in TABLE])
def test_order(sql: str, expected: list[str]) -> None:
    assert steps(sql) == expected


def test_not_null_before_18_ends_with_the_clause_itself() -> None:
    assert steps("ALTER TABLE t ALTER a SET NOT NULL, ALTER a SET DEFAULT 1", 17) == [
        f"ALTER TABLE t ADD CONSTRAINT {NOT_NULL_A} CHECK (a IS NOT NULL) NOT VALID",
        f"ALTER TABLE t VALIDATE CONSTRAINT {NOT_NULL_A}",
        f"ALTER TABLE t ALTER a SET NOT NULL, ALTER a SET DEFAULT 1;\nALTER TABLE t DROP CONSTRAINT IF EXISTS {NOT_NULL_A}",
    ]


def test_what_policy_allows_stays_as_written() -> None:
    sql = "ALTER TABLE t ADD UNIQUE (a), ADD CONSTRAINT c CHECK (a > 0)"
    assert steps(sql, only={"check-validated"}) == [
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT c",
        "ALTER TABLE t ADD UNIQUE (a)",
    ]


ACTIONS = [
    "ADD COLUMN z int",
    "ADD CONSTRAINT c CHECK (a > 0)",
    "ALTER b SET NOT NULL",
    "ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES p ON DELETE CASCADE",
    "ADD CONSTRAINT u UNIQUE (a, z)",
    "ALTER x SET DEFAULT 'a, b'",
    "ADD CHECK (z > a) NO INHERIT",
    "DROP COLUMN y",
    "ADD FOREIGN KEY (a) REFERENCES t (b)",
    "SET (fillfactor = 70)",
    "ADD PRIMARY KEY (b)",
]


@given(
    st.lists(st.sampled_from(ACTIONS), min_size=1, unique=True),
    st.sampled_from([13, 17, 18]),
    st.sampled_from(["ALTER TABLE t ", 'alter table if exists only "T" ', "/* c */ ALTER TABLE s.t /* , */ "]),
    st.sampled_from([", ", ",", " /* , */ , "]),
)
def test_every_step_can_be_read_and_no_action_is_lost(actions: list[str], version: int, head: str, comma: str) -> None:
    """Each step is a statement that our reader takes; each unguarded action stands in exactly one of them, verbatim;
    and a place in an edited step maps to the same character of the client's statement, or to none."""
    statement, plan = planned(head + comma.join(actions), version)
    assert isinstance(statement.node, AlterTable)
    texts = [sql for step in plan.steps for sql in step.statements]
    for text in texts:
        assert len(read(text)) == 1
        assert read(text)[0].node.kind != "unreadable", text
    for action in ("ADD COLUMN z int", "DROP COLUMN y", "SET (fillfactor = 70)", "ALTER x SET DEFAULT 'a, b'"):
        assert sum(action in text for text in texts) == (action in actions)
    for step in plan.steps:
        if not step.edits:
            continue
        sent = step.statements[0]
        assert edit.apply(statement.sql, step.edits) == sent
        for position, character in enumerate(sent, 1):
            original = edit.original_position(position, step.edits)
            assert original is None or statement.sql[original - 1] == character


@given(st.lists(st.sampled_from(ACTIONS), min_size=1, unique=True), st.sampled_from([13, 18]))
def test_only_the_last_step_cannot_be_taken_back(actions: list[str], version: int) -> None:
    """Whatever fails, all before it is undone: each step before the last has an undo, or only checks rows."""
    undoable = [a for a in actions if a != "DROP COLUMN y"]  # what is dropped is gone
    if not undoable:
        return
    _, plan = planned("ALTER TABLE t " + ", ".join(undoable), version)
    for step in plan.steps[:-1]:
        checks = all("VALIDATE" in sql for sql in step.statements)
        rest = {"SET (fillfactor = 70)", "ALTER x SET DEFAULT 'a, b'"} & set(undoable)
        assert step.undo or checks or rest, step.sql
        if checks:
            assert step.lock is Lock.SHARE_UPDATE_EXCLUSIVE


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("ALTER TABLE orders ALTER id DROP NOT NULL, ALTER id SET NOT NULL", True),  # nobody could set it again
        ("ALTER TABLE orders ALTER email DROP NOT NULL, ALTER email SET NOT NULL", False),  # it does nothing
        ("ALTER TABLE orders DROP COLUMN email, ADD COLUMN email int, ADD UNIQUE (email)", True),
        ("ALTER TABLE orders ADD COLUMN x int, ADD UNIQUE (x)", False),
        ("ALTER TABLE orders DROP CONSTRAINT total_given, ADD CONSTRAINT total_given CHECK (total > 0)", False),
        ("ALTER TABLE orders DROP COLUMN status, ADD UNIQUE (email)", False),  # it comes last
    ],
)
def test_what_could_not_be_taken_back_is_known(sql: str, expected: bool) -> None:
    [statement] = read(sql)
    known = facts(statement, 18)
    rewrites = [(node, f.rewrite) for node, f in examine(statement, known) if f.rewrite]
    assert rewrites
    assert (irreversible(statement, rewrites, known) is not None) == expected
