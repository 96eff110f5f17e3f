"""Differences between a direct run and one through Interlock that are meant, or not ours, each with its reason."""

from __future__ import annotations

from tests.transparency import regress
from tests.transparency.outcome import Difference

# suite, beginning of the test's name, the ways it holds for, reason
KNOWN: tuple[tuple[str, str, tuple[str, ...], str], ...] = ()


def because(suite: str, version: int, way: str, difference: Difference) -> str:
    """Why they differ; empty if nobody knows."""
    for known_suite, test, ways, reason in KNOWN:
        if suite == known_suite and difference.test.startswith(test) and way in ways:
            return reason
    one, other = difference.direct, difference.through
    same = suite == "PostgreSQL" and one is not None and other is not None and one.status == other.status
    if same and one.said.splitlines() == regress.without_ours(other.said).splitlines():
        return "but for Interlock's own notices"
    return ""
