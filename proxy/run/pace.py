"""How fast a batched change goes.  Pure: the caller measures and asks."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_ROWS, MOST_ROWS = 10, 50_000
MOST_PAGES = 65_536


@dataclass(frozen=True, slots=True)
class Pace:
    """From the policy.  Times in milliseconds."""

    target_ms: int = 25  # how long one batch is to take: so long, at most, its rows are locked
    pause_ms: int = 3  # between two batches
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

    def took(self, ms: float, target_ms: int, *, full: bool) -> None:
        """After a batch that took ``ms``; ``full``: there were more rows to change than it was to take."""
        factor = min(2.0, max(0.5, target_ms / max(ms, 0.1)))
        if full or factor < 1:
            self.rows = int(min(MOST_ROWS, max(LEAST_ROWS, self.rows * factor)))
        if not full or factor < 1:
            self.pages = int(min(self.most_pages, max(1, self.pages * factor)))

    def halve(self) -> bool:
        """After a batch that had to wait too long; whether it can be smaller still."""
        smaller = self.rows > LEAST_ROWS or self.pages > 1
        self.rows, self.pages = max(LEAST_ROWS, self.rows // 2), max(1, self.pages // 2)
        return smaller
