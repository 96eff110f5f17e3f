"""Copies of records are those that dataclasses.replace makes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from proxy.catalog.facts import Column, Facts, Relation
from proxy.plans.plan import Edit, Lock, Step
from proxy.records import replace
from proxy.sql.statements import Span

COPIES: tuple[tuple[Any, dict[str, Any]], ...] = (
    (Span(1, 2), {"end": 5}),
    (Span(1, 2), {}),
    (Edit(0, 1, "x"), {"text": "y", "start": 1}),
    (Step(("SELECT 1",), Lock.SHARE, "why"), {"edits": (Edit(0, 1, ""),), "forward": True}),
    (Relation(exists=True, name="t", size_bytes=0), {"columns": {"a": Column("a", "int4", not_null=True)}}),
    (Facts.text_only(180000, datetime(2026, 1, 1, tzinfo=UTC)), {"in_transaction": True}),
)


@pytest.mark.parametrize(("record", "changes"), COPIES)
def test_a_copy_is_what_dataclasses_makes(record: Any, changes: dict[str, Any]) -> None:
    before = repr(record)
    copy = replace(record, **changes)
    assert copy == dataclasses.replace(record, **changes)
    assert (copy is not record, type(copy), repr(record)) == (True, type(record), before)


@dataclass(frozen=True, slots=True)
class _Computed:
    a: int
    b: int = field(init=False, default=0)


@dataclass(frozen=True, slots=True)
class _Checked:
    a: int

    def __post_init__(self) -> None:
        assert self.a


@pytest.mark.parametrize("record", [_Computed(1), _Checked(1)])
def test_what_computes_a_field_or_checks_one_is_not_copied_past_it(record: Any) -> None:
    with pytest.raises(AssertionError):
        replace(record, a=2)


def test_a_field_that_is_not_there_is_an_error() -> None:
    with pytest.raises(AttributeError):
        replace(Span(1, 2), middle=1)  # type: ignore[call-arg]
