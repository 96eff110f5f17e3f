"""How much a batch takes, and when it picks: against a table of a given density."""

from __future__ import annotations

import math

from proxy.run.pace import LEAST_ROWS, MOST_PICKING, Manner, Size

TARGET_MS = 25


def batch(size: Size, dense: int, *, ms_per_row: float = 0.01, ms_per_page: float = 0.01) -> tuple[float, bool]:
    """One batch of rows that all need the change: how long it took, and whether it was full."""
    pages, rows = size.pages, size.rows
    count = min(rows, dense * pages)
    ms = count * ms_per_row + pages * ms_per_page
    size.took(ms, TARGET_MS, count, pages)
    return ms, count >= rows


def test_it_settles_at_the_target_and_is_not_full_then() -> None:
    size = Size()
    took = [batch(size, 60) for _ in range(30)]
    assert all(0.7 * TARGET_MS < ms < 1.3 * TARGET_MS for ms, _ in took[-10:])
    assert not any(full for _, full in took[-10:])


def test_where_nothing_is_to_be_done_pages_are_read_as_fast_as_they_may() -> None:
    size = Size()
    for _ in range(20):
        batch(size, 60)
    for _ in range(20):
        ms, _ = batch(size, 0)
    assert ms > 0.7 * TARGET_MS
    assert size.pages > 1000


def test_behind_such_pages_a_batch_is_no_longer_than_twice_the_target() -> None:
    size = Size()
    for dense in (60, 0, 60, 0, 200):
        for _ in range(20):
            ms, _ = batch(size, dense, ms_per_page=0.001)
            assert ms < 2 * TARGET_MS + 0.001 * 65_536


def test_a_slow_table_has_small_batches() -> None:
    size = Size()
    for _ in range(20):
        batch(size, 60, ms_per_row=50)
    assert (size.rows, size.pages) == (LEAST_ROWS, 1)


def test_the_first_batch_picks_and_then_one_a_second() -> None:
    manner = Manner()
    assert manner.picks(100.0)
    manner.picked(100.0)
    assert not manner.picks(100.5)
    manner.passed(full=False)
    assert manner.picks(101.0)


def test_behind_a_full_batch_one_picks() -> None:
    manner = Manner(picking=0, since=math.inf)
    manner.passed(full=True)
    assert manner.picks(0)
    manner.picked(math.inf)
    assert not manner.picks(0)


def test_the_more_often_rows_are_locked_the_longer_it_picks() -> None:
    manner = Manner(picking=0, since=math.inf)
    picked = []
    for _ in range(12):
        manner.met()
        picked.append(manner.picking)
    assert picked == [min(MOST_PICKING, 2**n) for n in range(12)]
    for _ in range(12):
        manner.passed(full=False)
    manner.met()
    assert manner.picking == 1
