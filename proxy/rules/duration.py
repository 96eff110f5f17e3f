"""How long Postgres works at a table of some size, within an order of magnitude: for people, never for a decision."""

from __future__ import annotations

from proxy.catalog.claims import Work

MB = 1_000_000
# Bytes of the table a second, on a slow disk or with wide indexes to build, and from memory.  docs/decisions.md has what was measured.
RATES: dict[Work, tuple[int, int]] = {
    "scan": (100 * MB, 800 * MB),
    "build": (20 * MB, 150 * MB),
    "rewrite": (10 * MB, 80 * MB),
}
UNITS = ((1, "second"), (60, "minute"), (3600, "hour"), (86400, "day"))
UNTIL = 90  # of a unit; above it the next one is used


def roughly(size_bytes: int, work: Work) -> str:
    """``roughly 1 to 7 minutes``; empty if there is nothing to do."""
    if work not in RATES or size_bytes <= 0:
        return ""
    slow, fast = RATES[work]
    least, most = size_bytes / fast, size_bytes / slow
    if most < 1:
        return "less than a second"
    seconds, unit = next((one for one in UNITS if most < UNTIL * one[0]), UNITS[-1])
    low, high = round(least / seconds), round(most / seconds)
    amount = f"{low:,} to {high:,}" if 0 < low < high else f"up to {high:,}" if low < high else f"{high:,}"
    return f"roughly {amount} {unit}{'' if high == 1 else 's'}"
