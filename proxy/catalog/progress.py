"""How far a build is: what Postgres tells of it, and when what is left can be said honestly.

Source: Postgres docs, "CREATE INDEX Progress Reporting".  Nothing is reported of a VALIDATE CONSTRAINT or a
DROP INDEX CONCURRENTLY but whom they wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

SQL = files("proxy.catalog").joinpath("progress.sql").read_text(encoding="ascii")
"""One parameter, the pid of the session that builds; no row if there is no such session."""

LEAST_S, LEAST_SHARE = 4.0, 0.05  # of a phase, before anything is said of what is left of it
STEADY = 1.5  # how much faster or slower its second half may have been


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a build.  ``done`` of ``total`` are blocks, rows or transactions, as the phase counts."""

    phase: str = ""  # as Postgres says it: ``building index: scanning table``; empty if none is reported
    done: int = 0
    total: int = 0
    waits_for: tuple[int, ...] = ()  # pids; 0 is a prepared transaction
    is_hidden: bool = False  # the role that asks may not see it

    @property
    def share(self) -> float | None:
        """Of this phase, from 0 to 1; None where Postgres does not count."""
        return min(1.0, self.done / self.total) if self.total > 0 else None

    @property
    def counts_others(self) -> bool:
        """Whether ``total`` are transactions of others that it waits for."""
        return self.phase.startswith("waiting for")


def decode(row: Sequence[Any]) -> Progress:
    """A row of ``SQL``, its columns as Python types."""
    _, counted, phase, lockers, lockers_done, blocks, blocks_done, tuples, tuples_done, _, waits_for = row
    phase = phase or ""
    if phase.startswith("waiting for"):
        done, total = lockers_done, lockers
    elif "tuples" in phase:
        done, total = tuples_done, tuples
    else:
        done, total = blocks_done, blocks
    return Progress(phase, done or 0, total or 0, tuple(waits_for or ()), bool(counted) and not phase)


@dataclass(slots=True)
class Pace:
    """How fast the present phase goes.  ``now`` is any clock's, in seconds."""

    phase: str = ""
    seen: list[tuple[float, float]] = field(default_factory=list)  # (now, share)

    def left_s(self, progress: Progress, now: float) -> float | None:
        """The seconds that are left of this phase; None while that would be a guess.

        It is one until the phase has lasted a while, a part of it is done, and its two halves went alike.
        """
        if progress.phase != self.phase:
            self.phase, self.seen = progress.phase, []
        if progress.share is None or progress.counts_others:
            return None
        self.seen.append((now, progress.share))
        if len(self.seen) > 200:  # a long one: every other look is enough
            del self.seen[1:-1:2]
        first, last = self.seen[0], self.seen[-1]
        if last[0] - first[0] < LEAST_S or last[1] - first[1] < LEAST_SHARE:
            return None
        middle = next(look for look in self.seen if look[0] >= (first[0] + last[0]) / 2)
        if middle in (first, last):
            return None
        early = (middle[1] - first[1]) / (middle[0] - first[0])
        late = (last[1] - middle[1]) / (last[0] - middle[0])
        if min(early, late) <= 0 or max(early, late) / min(early, late) > STEADY:
            return None
        return (1 - last[1]) / late


def describe(progress: Progress, left_s: float | None) -> str:
    """``building index: scanning table, 42 %, about 40 s left of this phase``"""
    parts = [progress.phase]
    if progress.counts_others and progress.total:
        parts.append(f"{progress.done} of {progress.total} transactions ended")
    elif progress.share is not None:
        parts.append(f"{progress.share:.0%}".replace("%", " %"))
    if left_s is not None:
        parts.append(f"about {rounded(left_s)} left of this phase")
    return ", ".join(parts)


def rounded(seconds: float) -> str:
    """``5 s``, ``40 s``, ``3 min``, ``2 h``: no more digits than are known."""
    if seconds < 90:
        return f"{max(5, round(seconds / 5) * 5)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
