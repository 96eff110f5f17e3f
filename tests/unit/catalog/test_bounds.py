"""What valid CHECKs prove about a partition bound."""

from __future__ import annotations

import pytest

from proxy.catalog.bounds import bound, key_column, outside, within
from proxy.catalog.facts import Column, Constraint, Relation


def table(*checks: str, not_null: bool = True) -> Relation:
    constraints = {str(i): Constraint(str(i), "c", True, ("k",), f"CHECK ({text})") for i, text in enumerate(checks)}
    return Relation(True, columns={"k": Column("k", "integer", not_null=not_null)}, constraints=constraints)


@pytest.mark.parametrize(
    ("check", "values", "proven"),
    [
        ("((k >= 500) AND (k < 600))", "FROM (500) TO (600)", True),
        ("((k >= 510) AND (k <= 599))", "FROM (500) TO (600)", True),
        ("((k > 499) AND (k < 600))", "FROM (500) TO (600)", False),  # nothing is known of the steps of a type
        ("((k >= 500) AND (k <= 600))", "FROM (500) TO (600)", False),
        ("((k >= 499) AND (k < 600))", "FROM (500) TO (600)", False),
        ("(k >= 500)", "FROM (500) TO (MAXVALUE)", True),
        ("(k < 5)", "FROM (MINVALUE) TO (5)", True),
        ("((k >= '-5'::integer) AND (k < 5))", "FROM (-5) TO (5)", True),
        ("((k >= 500) OR (k < 600))", "FROM (500) TO (600)", False),
        ("((k >= '2024-02-01'::date) AND (k < '2024-03-01'::date))", "FROM ('2024-01-01') TO ('2024-04-01')", True),
        ("((k >= '9'::text) AND (k < 'z'::text))", "FROM ('10') TO ('z')", False),
        ("(k = 1)", "IN (1, 2)", True),
        ("(k = ANY (ARRAY[1, 2]))", "IN (1, 2, 3)", True),
        ("(k = ANY (ARRAY[1, 4]))", "IN (1, 2, 3)", False),
        ("((k >= 500) AND (k < 600))", "WITH (MODULUS 4, REMAINDER 1)", False),
        ("((k >= 500) AND (k < 600))", "FROM (500, 1) TO (600, 1)", False),
        ("((k >= 500) AND (k < 600))", "FROM (400 + 100) TO (600)", False),
    ],
)
def test_rows_within_a_bound(check: str, values: str, proven: bool) -> None:
    wanted = bound(f"ATTACH PARTITION p FOR VALUES {values}")
    assert (wanted is not None and within(table(check), "k", wanted)) is proven


def test_a_null_is_in_no_range() -> None:
    wanted = bound("FOR VALUES FROM (1) TO (9)")
    assert wanted is not None
    assert not within(table("((k >= 1) AND (k < 9))", not_null=False), "k", wanted)
    assert within(table("((k IS NOT NULL) AND (k >= 1) AND (k < 9))", not_null=False), "k", wanted)
    for absent in ("(k IS NULL)", "(NOT (k IS NOT NULL))"):
        assert not within(table(f"({absent} AND (k >= 1) AND (k < 9))", not_null=False), "k", wanted)


@pytest.mark.parametrize(
    ("check", "proven"),
    [
        ("(NOT ((k >= 1) AND (k < 9)))", True),
        ("(NOT ((k >= 1) AND (k < 8)))", False),
        ("((k >= 1) AND (k < 9))", False),
    ],
)
def test_rows_outside_a_bound(check: str, proven: bool) -> None:
    wanted = bound("FOR VALUES FROM (1) TO (9)")
    assert wanted is not None
    assert outside(table(check), "k", wanted) is proven


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("RANGE (k)", "k"),
        ('LIST ("K k")', "K k"),
        ("RANGE (k, j)", None),
        ("RANGE (lower(k))", None),
        ("HASH (k)", None),
    ],
)
def test_the_key_is_one_plain_column(key: str, column: str | None) -> None:
    assert key_column(Relation(True, partition_key=key)) == column
