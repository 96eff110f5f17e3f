"""Exceptions that are left out unasked are those that would have said no."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalog.facts import Facts
from proxy.policy.candidates import Candidates
from proxy.policy.model import ALL, SCHEMA_CHANGE, PolicyException
from proxy.policy.subject import Subject, matches

RULES = ("index-not-concurrent", "drop-table", ALL, SCHEMA_CHANGE)
PATTERNS = ("orders", "orders*", "app.orders", "a*.orders", "app.*", "[o]rders", "?rders", "a.b.c", "b.c", ".", "a.")
NAMES = ("orders", "orders_1", "b.c", "c", "", None)
FACTS = Facts.text_only(18, datetime(2026, 1, 1, tzinfo=UTC))

exceptions = st.builds(
    lambda table, rules: PolicyException.model_validate(
        {"match": table, "rules": tuple(rules), "action": "warn", "reason": "why"}
    ),
    st.sampled_from([*({"table": one} for one in PATTERNS), {"schema": "app"}, {"schema": "app", "table": "orders"}]),
    st.lists(st.sampled_from(RULES), min_size=1, max_size=2),
)
subjects = st.lists(st.builds(Subject, st.sampled_from(("app", "a", None)), st.sampled_from(NAMES)), max_size=3)


@given(
    st.lists(exceptions, max_size=8),
    subjects,
    st.sampled_from(("index-not-concurrent", "drop-table", "other", SCHEMA_CHANGE)),
)
def test_what_is_left_out_would_not_have_matched(
    every: Sequence[PolicyException], about: Sequence[Subject], rule: str
) -> None:
    found = list(Candidates(every).of(rule, about))
    assert [i for i, _ in found] == sorted({i for i, _ in found})
    assert all(every[i] is one for i, one in found)
    covering = {i for i, one in enumerate(every) if rule in one.rules or (ALL in one.rules and rule != SCHEMA_CHANGE)}
    assert {i for i, _ in found} <= covering
    asked = {i for i in covering if matches(every[i].match, about, FACTS) is not False}
    assert asked <= {i for i, _ in found}


@pytest.mark.parametrize(("table", "asked"), [("t_7", 1), ("t_5000", 0)])
def test_of_a_thousand_exceptions_for_tables_those_of_the_table_are_asked(table: str, asked: int) -> None:
    every = [
        PolicyException.model_validate(
            {"match": {"table": f"t_{i}"}, "rules": (ALL,), "action": "allow", "reason": "why"}
        )
        for i in range(1000)
    ]
    assert len(list(Candidates(every).of("index-not-concurrent", (Subject("app", table),)))) == asked
    assert len(list(Candidates(every).of("index-not-concurrent", (Subject("app", None),)))) == 1000
