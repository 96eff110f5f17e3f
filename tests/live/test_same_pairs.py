"""Pairs of statements in a transaction, of which one is put off: the client hears, and finds in the end, what it would directly.

``INTERLOCK_SAME_PAIRS=all`` (``make same-pairs``) plays them all, some 21,000, each as statements of a block and as one query string;
``make test`` some of them, the same each time.  What may differ is in ``Twins.excuse`` of test_same_transactions.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from zlib import crc32

import pytest

from tests.live import stories
from tests.live.pairs import pairs
from tests.live.stories import Flight, Story
from tests.live.test_same_transactions import Twins, all_twins, check, twins

__all__ = ["all_twins", "twins"]  # fixtures

WANTED = os.environ.get("INTERLOCK_SAME_PAIRS", "")
SAMPLE = 40
OTHERS = (
    *stories.OTHERS,
    *stories.KEYED,
    *stories.BAD_ROWS,
    *stories.ROWS[:8],
    *stories.ERRORS,
    *(f"ALTER TABLE orders {action}" for action in (*stories.HARMLESS, *stories.RARE)),
)

pytestmark = pytest.mark.slow


def played() -> Iterator[Story]:
    every = list(pairs(OTHERS))
    for first, second in every if WANTED else every[:: len(every) // SAMPLE]:
        number = crc32(f"{first}; {second}".encode())
        way = "extended" if number % 2 else "simple"
        block = tuple(Flight(way, (sql,)) for sql in ("BEGIN", first, second, "COMMIT"))
        string = (Flight("string", (first, second)),)
        for flights in (block, string) if WANTED else ((block, string)[number % 3 == 0],):
            yield Story((), is_first=False, recovers=False, flights=flights)


@pytest.mark.timeout(300 if not WANTED else 100_000)
def test_pairs(twins: Twins) -> None:
    differences = 0
    for story in played():
        try:
            check(twins, story)
        except AssertionError as difference:
            if not WANTED:
                raise
            differences += 1
            print(f"DIFFERENCE {differences}: {story}\n{difference}", flush=True)
    print(*(f"{count:6} {what}" for what, count in twins.seen.most_common()), sep="\n")
    assert not differences
