"""How fast a batched change goes.  Pure: the caller measures and asks."""

from __future__ import annotations

import math
from dataclasses import dataclass

LEAST_ROWS, MOST_ROWS = 10, 50_000
MOST_PAGES = 65_536
MOMENT_MS = 5  # for a row that somebody has locked
PICK_S = 1.0
ROOM = 1.25
MARGIN = 1.5
MOST_PICKING = 256


@dataclass(frozen=True, slots=True)
class Pace:
    """From the policy.  Times in milliseconds."""

    target_ms: int = 25  # how long one batch is to take: so long, at most, its rows are locked
    pause_ms: int = 1  # between two batches
    lock_timeout_ms: int = 50  # for anything that a batch must wait for
    lag_ms: int = 10_000  # a standby that is further behind is waited for
    lag_bytes: int = 256 * 2**20  # likewise
    triggers: str = "reject"  # or fire, skip


@dataclass(slots=True)
class Size:
    """How much the next batch takes: as many rows as can be changed, and as many pages as can be read, in the time."""

    rows: int = 200
    pages: int = 32
    most_pages: int = MOST_PAGES
    density: float = 0.0  # rows to be changed on a page, as far as is known of the last batches
    a_page: float = 0.0  # rows of all kinds on a page, by the statistics; 0 if there are none

    @property
    def is_dense(self) -> bool:
        """Whether the next pages hold few enough rows to change them without a limit, should all of them need it."""
        return 0 < self.pages * self.a_page <= MARGIN * self.rows

    def took(self, ms: float, target_ms: int, count: int, pages: int) -> None:
        """After a batch that took ``ms`` for so many pages and changed ``count`` rows of them.

        It was full if it was to take no more rows than that.  Pages grow only to what they are expected to hold of the
        rows that are to be changed, so that a batch is seldom full: where it stopped is not known then.
        """
        factor = min(2.0, max(0.5, target_ms / max(ms, 0.1)))
        full = count >= self.rows
        if factor < 1 or 2 * count > self.rows:
            self.rows = int(min(MOST_ROWS, max(LEAST_ROWS, self.rows * factor)))
        if factor < 1 or not full:
            self.pages = int(min(self.most_pages, max(1, self.pages * factor)))
        self.density = max(count / max(pages, 1), self.density * 0.7)
        if self.density:
            self.pages = max(1, min(self.pages, int(self.rows / (ROOM * self.density))))

    def halve(self) -> bool:
        """After a batch that had to wait too long; whether it can be smaller still."""
        smaller = self.rows > LEAST_ROWS or self.pages > 1
        self.rows, self.pages = max(LEAST_ROWS, self.rows // 2), max(1, self.pages // 2)
        return smaller


@dataclass(slots=True)
class Manner:
    """Whether the next batch picks rows that nobody has locked, or takes them as they come.

    Picking locks each row before it is changed, which is a third more work for the server.  Without it a batch may meet a
    row that somebody has locked, waits for a moment and is given up: rare where transactions are short.
    """

    spell: int = 1  # how many batches pick after the next one that met a locked row
    picking: int = 1  # how many still do
    since: float = -math.inf  # when the last one did, in seconds of time.monotonic

    def picks(self, now: float) -> bool:
        """Whether the next one does; also one a second, for only those see whether a changed row is done."""
        return self.picking > 0 or now - self.since >= PICK_S

    def picked(self, now: float) -> None:
        self.picking, self.since = max(0, self.picking - 1), now

    def passed(self, *, full: bool) -> None:
        """After one that took the rows as they came; behind a ``full`` one only picking tells where it stopped."""
        self.spell = max(1, self.spell // 2)
        self.picking = int(full)

    def met(self) -> None:
        """After one that met a locked row: the more often, the longer the next ones pick."""
        self.picking, self.spell = self.spell, min(MOST_PICKING, 2 * self.spell)
