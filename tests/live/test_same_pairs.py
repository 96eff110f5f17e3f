"""Pairs of statements in a transaction, of which one is put off, and threes of which one waits for its end: the client hears, and finds in the end, what it would directly.

``INTERLOCK_SAME_PAIRS=all`` (``make same-pairs``) plays them all, some 70,000 transactions, the pairs also as one query string;
``make test`` some of them, the same each time.  What may differ is in ``Twins.excuse`` of test_same_transactions.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from zlib import crc32

import pytest

from tests.live import stories
from tests.live.pairs import pairs, threes
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

DIFFERED = (  # once, and were found by playing all
    ("REINDEX INDEX orders_total_idx", "ALTER TABLE orders DROP COLUMN total"),
    ("REINDEX INDEX events_1_total_idx", "ALTER TABLE events DROP COLUMN total"),
    ("CREATE UNIQUE INDEX m1 ON sums (c)", "ALTER MATERIALIZED VIEW sums RENAME TO s"),
    ("CREATE INDEX ON sums (s)", "ALTER MATERIALIZED VIEW sums RENAME TO s"),
    ("CREATE UNIQUE INDEX m1 ON sums (c)", "ALTER MATERIALIZED VIEW sums RENAME COLUMN c TO d"),
    ("CREATE UNIQUE INDEX m1 ON sums (c)", "ALTER MATERIALIZED VIEW sums RENAME COLUMN s TO d"),
    ("CREATE UNIQUE INDEX m1 ON sums (c)", "ALTER MATERIALIZED VIEW sums CLUSTER ON m1"),
    ("CREATE UNIQUE INDEX m1 ON sums (c)", "ALTER MATERIALIZED VIEW sums CLUSTER ON m1, CLUSTER ON nothing"),
    ("CREATE UNIQUE INDEX m1 ON sums (c)", "CLUSTER sums USING m1"),
    ("ALTER TABLE events ADD PRIMARY KEY (id, at)", "ALTER TABLE ONLY events ALTER kind SET NOT NULL"),
    ("ALTER TABLE orders ADD CHECK (length(email) < 9) NOT VALID", "ALTER TABLE orders ADD CHECK (length(email) < 9)"),
    (
        "ALTER TABLE orders ADD CONSTRAINT c1 CHECK (id > 0) NOT VALID",
        "ALTER TABLE orders ADD CONSTRAINT c1 CHECK (id > 0)",
    ),
    (
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers NOT VALID",
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers",
    ),
    (
        "ALTER TABLE orders ADD CONSTRAINT k1 FOREIGN KEY (customer_id) REFERENCES customers NOT VALID",
        "ALTER TABLE orders ADD CONSTRAINT k1 FOREIGN KEY (customer_id) REFERENCES customers",
    ),
    (
        "ALTER TABLE orders ADD CONSTRAINT c1 CHECK (id > 0) NOT VALID",
        "ALTER TABLE orders ADD CONSTRAINT c1 CHECK (id > 0), ADD COLUMN zz int",
    ),
    (
        "ALTER TABLE orders ADD CHECK (length(email) < 9)",
        "ALTER TABLE orders ADD CHECK (length(email) < 10) NOT VALID",
        "ALTER TABLE orders ADD CHECK (length(email) < 11)",
        "ALTER TABLE orders ADD CHECK (length(email) < 12) NOT VALID, ADD CHECK (length(email) < 13)",
        "ALTER TABLE orders ADD CHECK (length(email) < 14)",
    ),
    ("CREATE INDEX i1 ON base (v)", "CREATE INDEX i1 ON nowhere (v)"),
    ("CREATE INDEX i1 ON base (v)", "CREATE INDEX IF NOT EXISTS i1 ON nowhere (v)"),
)

pytestmark = pytest.mark.slow


def played(every: Sequence[tuple[str, ...]]) -> Iterator[Story]:
    """Pairs as one query string, too; nothing in one waits for its end."""
    for statements in every if WANTED else every[:: len(every) // SAMPLE]:
        number = crc32("; ".join(statements).encode())
        way = "extended" if number % 2 else "simple"
        block = tuple(Flight(way, (sql,)) for sql in ("BEGIN", *statements, "COMMIT"))
        string = (Flight("string", statements),)
        ways = (block, string) if len(statements) == 2 else (block,)
        for flights in ways if WANTED else (ways[number % 3 == 0 and len(ways) > 1],):
            yield Story((), is_first=False, recovers=False, flights=flights)


@pytest.mark.parametrize("way", ["simple", "extended", "string"])
@pytest.mark.parametrize("statements", DIFFERED, ids=" / ".join)
def test_what_once_differed(statements: tuple[str, ...], way: str, twins: Twins) -> None:
    block = tuple(Flight(way, (sql,)) for sql in ("BEGIN", *statements, "COMMIT"))
    flights = (Flight(way, statements),) if way == "string" else block
    check(twins, Story((), is_first=False, recovers=False, flights=flights))


@pytest.mark.timeout(300 if not WANTED else 100_000)
@pytest.mark.parametrize("together", [pairs, threes], ids=["pairs", "threes"])
def test_together(together: Callable[[tuple[str, ...]], Iterator[tuple[str, ...]]], twins: Twins) -> None:
    check_all(twins, played(list(together(OTHERS))))


def check_all(twins: Twins, stories: Iterable[Story]) -> None:
    """All of them, if all are wanted, and how many differ; else up to the first that does."""
    differences = 0
    for story in stories:
        try:
            check(twins, story)
        except AssertionError as difference:
            if not WANTED:
                raise
            differences += 1
            print(f"DIFFERENCE {differences}: {story}\n{difference}", flush=True)
    print(*(f"{count:6} {what}" for what, count in twins.seen.most_common()), sep="\n")
    assert not differences
