"""Whether a condition that the server prints is the one that a client wrote.  The printed texts are pg_get_constraintdef's."""

from __future__ import annotations

import pytest

from proxy.plans import reading

SAME = [
    ("total > 0", "(total > 0)"),
    ("TOTAL>0", "(total > 0)"),
    ("a > 0 AND b < -9 AND c", "((a > 0) AND (b < '-9'::integer) AND c)"),
    ("status <> ''", "(status <> ''::text)"),
    ("code <> ''", "((code)::text <> ''::text)"),
    ("status IN ('on', 'off')", "(status = ANY (ARRAY['on'::text, 'off'::text]))"),
    (
        "code IN ('on', 'off')",
        "((code)::text = ANY ((ARRAY['on'::character varying, 'off'::character varying])::text[]))",
    ),
    ("status IN ('on')", "(status = 'on'::text)"),
    ("a BETWEEN 1 AND 5", "((a >= 1) AND (a <= 5))"),
    ("orders.total > 0 AND public.orders.a < b", "((total > 0) AND (a < b))"),
    ('"A b" IS NOT NULL', '("A b" IS NOT NULL)'),
    ("coalesce(a, 1) > 0 OR lower(b) = 'x'", "((COALESCE(a, 1) > 0) OR (lower(b) = 'x'::text))"),
]
DIFFERENT = [
    ("total > 0", "(total > 1)"),
    ("total > 0", "(total >= 0)"),
    ("a AND (b OR c)", "((a AND b) OR c)"),
    ('"A" > 0', "(a > 0)"),
    ("status IN ('on', 'off')", "(status = ANY (ARRAY['on'::text]))"),
    ("status = 'on'", "(status <> 'on'::text)"),
    ("a > 0", "this is no expression"),
    ("a::int > 0", "(a > 0)"),
]


@pytest.mark.parametrize(("written", "printed"), SAME)
def test_same(written: str, printed: str) -> None:
    assert reading.same(written, printed)


@pytest.mark.parametrize(("written", "printed"), DIFFERENT)
def test_different(written: str, printed: str) -> None:
    assert not reading.same(written, printed)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("total > 0", ("total",)),
        ("A > 0 AND a < 9", ("a",)),
        ('"A" > 0 AND a < 9', ("A", "a")),
        ("lower(email) <> 'total'", ("email",)),
        ("t.total > 0", ("total",)),
        ("a > (SELECT max(b) FROM x)", None),
        ("a > ", None),
    ],
)
def test_columns(text: str, expected: tuple[str, ...] | None) -> None:
    assert reading.columns(text) == expected
