"""What is said of a build that runs, and what is not said because it would be a guess."""

from __future__ import annotations

import pytest

from proxy.catalog.progress import Pace, Progress, decode, describe, rounded

SCANNING = "building index: scanning table"


def row(phase: str | None, *numbers: int, waits_for: tuple[int, ...] = ()) -> tuple[object, ...]:
    return (1, True, phase, *numbers, None, list(waits_for))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (row(SCANNING, 0, 0, 200, 84, 0, 0), "building index: scanning table, 42 %"),
        (
            row("building index: loading tuples in tree", 3, 1, 200, 200, 10, 1),
            "building index: loading tuples in tree, 10 %",
        ),
        (
            row("waiting for old snapshots", 4, 1, 200, 200, 0, 0),
            "waiting for old snapshots, 1 of 4 transactions ended",
        ),
        (row("initializing", 0, 0, 0, 0, 0, 0), "initializing"),
        (row(SCANNING, 0, 0, 100, 110, 0, 0), "building index: scanning table, 100 %"),  # the table has grown
    ],
)
def test_words(found: tuple[object, ...], said: str) -> None:
    assert describe(decode(found), None) == said


def test_a_row_without_a_phase_is_hidden_from_us() -> None:
    assert decode((1, True, None, *[None] * 6, None, None)).is_hidden
    assert not decode((1, False, None, *[None] * 6, None, None)).is_hidden  # a VALIDATE: no such row


def paces(looks: list[tuple[float, int]]) -> list[float | None]:
    pace = Pace()
    return [pace.left_s(Progress(SCANNING, done, 1000), now) for now, done in looks]


def test_what_is_left_is_said_when_it_is_known() -> None:
    steady = [(t * 0.5, t * 10) for t in range(41)]  # 2 % a second
    said = paces(steady)
    assert said[:8] == [None] * 8  # too early
    assert said[20] == pytest.approx(40)  # 20 % done after 10 s
    assert said[40] == pytest.approx(30)


def test_nothing_is_said_of_what_slows_down_or_stands_still() -> None:
    slowing = [(float(t), 500 - 500 // (t + 1)) for t in range(20)]
    assert paces(slowing) == [None] * 20
    standing = [(float(t), 500) for t in range(20)]
    assert paces(standing) == [None] * 20


def test_a_new_phase_begins_anew() -> None:
    pace = Pace()
    for t in range(20):
        pace.left_s(Progress(SCANNING, t * 10, 1000), float(t))
    assert pace.left_s(Progress("index validation: scanning table", 10, 1000), 20.0) is None


def test_a_long_phase_keeps_few_looks() -> None:
    pace = Pace()
    for t in range(10_000):
        left = pace.left_s(Progress(SCANNING, t, 20_000), float(t))
    assert left == pytest.approx(10_001)
    assert len(pace.seen) <= 201


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "5 s"), (41.0, "40 s"), (200.0, "3 min"), (9000.0, "2 h")])
def test_rounded(seconds: float, said: str) -> None:
    assert rounded(seconds) == said
