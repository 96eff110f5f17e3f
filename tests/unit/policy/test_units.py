"""Durations and sizes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.policy.units import LONGEST_MS, Duration, Size


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("5ms", 5),
        ("2s", 2_000),
        ("1.5s", 1_500),
        ("10m", 600_000),
        ("10min", 600_000),
        ("10 min", 600_000),
        ("6h", 21_600_000),
        ("7d", 604_800_000),
    ],
)
def test_durations(text: str, ms: int) -> None:
    assert Duration.parse(text).ms == ms


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2, "'2' has no unit; write 2s or 2ms"),
        ("2", "'2' has no unit; write 2s or 2ms"),
        (2.5, "'2.5' has no unit; write 2.5s or 2.5ms"),
        (0, "'0' has no unit; write 0s or 0ms"),
        ("0s", "'0s' is no time at all; write 1ms or more"),
        ("0.5ms", "'0.5ms' is not a whole number of ms; write 2s"),
        ("25d", "'25d' is longer than Postgres can count; write 24d or less"),
        ("2 fortnights", "'2 fortnights' has the unknown unit 'fortnights'; one of ms, s, m, min, h, d"),
        ("-2s", "'-2s' is not a duration; write 2s"),
        ("1e3s", "'1e3s' is not a duration; write 2s"),
        ("1.2.3s", "'1.2.3s' is not a duration; write 2s"),
        ("soon", "'soon' is not a duration; write 2s"),
        ("", "'' is not a duration; write 2s"),
        ("٢s", "'٢s' is not a duration; write 2s"),
        ("9" * 30 + "s", f"'{'9' * 30}s' is not a duration; write 2s"),
        (None, "expected a duration such as 2s"),
        (True, "expected a duration such as 2s"),
        ((), "expected a duration such as 2s"),
    ],
)
def test_what_is_no_duration(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Duration.parse(value)


@pytest.mark.parametrize(
    ("text", "count"), [("512kB", 2**19), ("10MB", 10 * 2**20), ("1.5GB", 3 * 2**29), ("2TB", 2**41), ("0kB", 0)]
)
def test_sizes(text: str, count: int) -> None:
    assert Size.parse(text).bytes == count


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (10, "'10' has no unit; write 10MB or 10kB"),
        ("10mb", "'10mb' has the unknown unit 'mb'; one of kB, MB, GB, TB"),
        ("0.0001kB", "'0.0001kB' is not a whole number of bytes; write 10MB"),
        ("big", "'big' is not a size; write 10MB"),
        (None, "expected a size such as 10MB"),
    ],
)
def test_what_is_no_size(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Size.parse(value)


@given(st.integers(1, LONGEST_MS))
def test_a_duration_reads_back_from_its_own_spelling(ms: int) -> None:
    assert Duration.parse(str(Duration(ms))) == Duration(ms)


@given(st.integers(0, 2**40).map(lambda kilobytes: kilobytes * 1024))
def test_a_size_reads_back_from_its_own_spelling(count: int) -> None:
    assert Size.parse(str(Size(count))) == Size(count)
