"""What a transaction has left, for another session of its client is in one, and whatever that client says next: it hears, and finds in the end, what it would directly.

``INTERLOCK_SAME_PAIRS=all`` (``make same-pairs``) plays them all, ``make test`` some of them, the same each time.
What may differ is in ``Twins.excuse`` of test_same_transactions.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

import pytest

from tests.live.pairs import FAMILIES
from tests.live.raw import Raw
from tests.live.stories import Flight, Story
from tests.live.test_same_pairs import OTHERS, WANTED, check_all
from tests.live.test_same_transactions import Different, Twins, begin, check
from tests.servers import Server

SAMPLE = 60
LEFT = "SELECT count(*) FROM interlock.jobs WHERE state = 'waiting'"

DIFFERED = (  # once
    ("CREATE INDEX i1 ON orders (email)", "DROP INDEX i1"),
    ("CREATE INDEX i1 ON orders (email)", "DROP INDEX IF EXISTS i1"),
    ("CREATE INDEX i1 ON orders (email)", "CREATE UNIQUE INDEX i1 ON orders (id)"),
    ("CREATE INDEX i1 ON orders (email)", "ALTER INDEX i1 RENAME TO i2"),
    ("CREATE UNIQUE INDEX i1 ON orders (id)", "ALTER TABLE orders CLUSTER ON i1"),
    ("CREATE UNIQUE INDEX i1 ON orders (id)", "CREATE TABLE lines (o bigint REFERENCES orders (id), t text)"),
    ("CREATE INDEX ON orders (lower(email))", "ALTER TABLE orders RENAME COLUMN email TO mail"),
    ("CREATE INDEX ON orders (lower(email))", "ALTER TABLE orders DROP COLUMN email"),
    ("ALTER TABLE orders ADD PRIMARY KEY (id)", "ALTER TABLE orders REPLICA IDENTITY USING INDEX orders_pkey"),
    ("ALTER TABLE orders ADD CONSTRAINT u1 UNIQUE (email)", "ALTER TABLE orders RENAME CONSTRAINT old_check TO u1"),
    ("ALTER TABLE orders ADD CONSTRAINT u1 UNIQUE (email)", "ALTER TABLE orders ADD UNIQUE (email)"),
    ("ALTER TABLE orders ADD COLUMN y bigserial", "ALTER TABLE orders ADD COLUMN y bigserial"),
    ("ALTER TABLE orders ADD COLUMN y bigserial", "ALTER TABLE orders DROP COLUMN IF EXISTS y"),
    ("CREATE INDEX t1 ON things (half(n))", "DROP ROUTINE IF EXISTS public.half"),
    ("CREATE INDEX t1 ON things (c)", "CREATE TABLE t1 (a int)"),
    ("CREATE UNIQUE INDEX m1 ON sums (c)", "CLUSTER sums USING m1"),
    ("CREATE INDEX ON events (kind)", "CREATE INDEX ON events_1 (kind)"),
    ("CREATE INDEX ON events_1 (kind)", "CREATE INDEX ON events (kind)"),
    (  # of which the first step must not stay when the last fails
        "CREATE INDEX i1 ON orders (email)",
        "ALTER TABLE customers ADD o bigint, ADD FOREIGN KEY (o) REFERENCES orders (id)",
    ),
)

pytestmark = pytest.mark.slow


class Held(Twins):
    """Twins of which the one through Interlock has a session that is in a transaction throughout."""

    left: bool = False

    def play(self, story: Story) -> None:
        self.left = False
        with Raw(self.proxy.url(self.names[1])) as holder:
            holder.query("BEGIN")
            holder.query("SELECT 1")
            try:
                super().play(story)
            finally:
                holder.query("COMMIT")

    def _same(self, direct: Raw, through: Raw, flight: Flight) -> str:
        status = super()._same(direct, through, flight)
        if flight.statements == ("COMMIT",) and not self.left:
            self.left = self._has_jobs() and self.sessions[1].execute(LEFT).fetchone() != (0,)
            if not self.left:
                raise Different("nothing was left")
        return status


@pytest.fixture(scope="module")
def all_held() -> Iterator[dict[int, Held]]:
    made: dict[int, Held] = {}
    yield made
    for held in made.values():
        held.proxy.stop()


@pytest.fixture
def held(postgres: Server, all_held: dict[int, Held], tmp_path_factory: pytest.TempPathFactory) -> Held:
    if postgres.version not in all_held:
        folder = tmp_path_factory.mktemp("left")
        all_held[postgres.version] = begin(Held, postgres, folder, "jobs: { wait_for_group: 100ms }")
    return all_held[postgres.version]


def story(first: str, *behind: Flight) -> Story:
    flights = (*(Flight("simple", (sql,)) for sql in ("BEGIN", first, "COMMIT")), *behind)
    return Story((), is_first=False, recovers=False, flights=flights)


def played() -> Iterator[Story]:
    """The same each time; the second by itself, in every way that one statement may have."""
    pairs = [
        (first, second)
        for deferred, about in FAMILIES
        for first in deferred
        for second in dict.fromkeys((*deferred, *about, *(OTHERS if deferred is FAMILIES[0][0] else ())))
    ]
    for first, second in pairs if WANTED else pairs[:: len(pairs) // SAMPLE]:
        way = ("simple", "extended", "named", "flush")[crc32(f"{first};{second}".encode()) % 4]
        yield story(first, Flight(way, (second,)))


@pytest.mark.parametrize("way", ["simple", "extended", "string"])
@pytest.mark.parametrize(("first", "second"), DIFFERED, ids=lambda sql: sql[:35])
def test_what_once_differed(first: str, second: str, way: str, held: Held) -> None:
    check(held, story(first, Flight(way, ("SELECT 1", second) if way == "string" else (second,))))


@pytest.mark.timeout(300 if not WANTED else 100_000)
def test_what_comes_next(held: Held) -> None:
    check_all(held, played())
    assert held.seen["compared"] > SAMPLE // 2
