"""How long to wait for a lock, and how: look, then leap.

Whoever waits in a lock queue makes everyone behind wait too.  So look first, without queueing, until no
transaction older than a moment is in the way; then leap, with a ``lock_timeout`` of a few milliseconds
that grows to a cap, with a pause in between, until a bound.  Pure: the caller waits and asks.

Source: Postgres docs, "Explicit Locking"; ``lock_timeout`` in "Client Connection Defaults".
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Patience:
    """All in milliseconds.  ``give_up_after_ms`` counts from the first look."""

    first_timeout_ms: int
    timeout_ms: int  # the cap: the longest that anyone behind us can be kept waiting
    look_ms: int  # a conflicting transaction older than this is waited for without queueing
    backoff_first_ms: int
    backoff_factor: float
    backoff_max_ms: int
    give_up_after_ms: int
    terminate_idle_ms: int = 0  # end a session that has been idle in a transaction for so long; 0: never

    def timeout(self, attempt: int) -> int:
        """``lock_timeout`` of the leap number ``attempt`` (from 1)."""
        return min(self.first_timeout_ms << min(attempt - 1, 30), self.timeout_ms)

    def pause(self, attempt: int) -> float:
        """Seconds to wait after a failed leap number ``attempt``: exponential, with full jitter above half."""
        longest = min(self.backoff_first_ms * self.backoff_factor ** min(attempt - 1, 60), self.backoff_max_ms)
        return longest * random.uniform(0.5, 1.0) / 1000

    def bounded(self, give_up_after_ms: int) -> Patience:
        """The same, with another bound, and never a single wait longer than it."""
        cap = max(1, min(self.timeout_ms, give_up_after_ms))
        return replace(
            self,
            give_up_after_ms=give_up_after_ms,
            timeout_ms=cap,
            first_timeout_ms=min(self.first_timeout_ms, cap),
        )
