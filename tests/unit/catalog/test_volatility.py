"""Which calls are seen in an expression, and what they make of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from proxy.catalog.facts import Facts, Function
from proxy.catalog.volatility import calls, is_volatile

TEXT_ONLY = Facts.text_only(180000, datetime(2026, 1, 1, tzinfo=UTC))
FUNCTIONS = {
    '"f"': (Function(True, 0, 0), Function(False, 1, 2)),
    '"s"."f"': (Function(True, 0, None),),
    '"both"': (Function(True, 1, 1), Function(False, 1, 1)),
    '"varchar"': (),
}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("now()", [("now", 0)]),
        ("coalesce(f(1, (2)), s.f(ARRAY[1, 2], 3))", [("f", 2), ("s.f", 2)]),
        ('"F"(1)', [('"F"', 1)]),
        ("'f()' || $$g()$$", []),
        ("CASE WHEN (true) THEN (1) END", []),
        ("x::varchar(10)", [('"varchar"', 1)]),
    ],
)
def test_calls(expression: str, found: list[tuple[str, int]]) -> None:
    assert [(str(call.name), call.arguments) for call in calls(expression) or ()] == found


@pytest.mark.parametrize(
    ("expression", "volatile", "known"),
    [
        ("f()", True, True),
        ("f(1)", False, True),
        ("s.f(1, 2, 3)", True, True),
        ("both(1)", True, False),
        ("f(1) + both(1)", True, False),
        ("both(1) + f()", True, True),
        ("'x'::varchar(3)", False, True),
        ("never_asked()", True, False),
        ("1 + 1", False, True),
    ],
)
def test_by_what_the_database_says(expression: str, volatile: bool, known: bool) -> None:
    assert is_volatile(expression, replace(TEXT_ONLY, live=True, functions=FUNCTIONS)) == (volatile, known)


@pytest.mark.parametrize(
    ("expression", "volatile", "known"),
    [("random()", True, True), ("now()", False, True), ("mine()", True, False), ("s.now()", True, False)],
)
def test_by_text_alone(expression: str, volatile: bool, known: bool) -> None:
    found, sure = is_volatile(expression, TEXT_ONLY)
    assert (found, sure or not known) == (volatile, True)
