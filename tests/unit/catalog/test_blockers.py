"""The conflict table, and blockers in words."""

from __future__ import annotations

import pytest

from proxy.catalog.blockers import CONFLICTS, Blocker, decode, describe, duration
from proxy.plans.plan import Lock

# Postgres docs, "Explicit Locking", table 13.2: a row a mode, X where it conflicts.
DOCUMENTED = """
ACCESS SHARE           . . . . . . . X
ROW SHARE              . . . . . . X X
ROW EXCLUSIVE          . . . . X X X X
SHARE UPDATE EXCLUSIVE . . . X X X X X
SHARE                  . . X X . X X X
SHARE ROW EXCLUSIVE    . . X X X X X X
EXCLUSIVE              . X X X X X X X
ACCESS EXCLUSIVE       X X X X X X X X
"""


def test_conflicts_are_those_of_the_documentation() -> None:
    modes = [mode for mode in Lock if mode is not Lock.NONE]
    for line, mode in zip(DOCUMENTED.strip().splitlines(), modes, strict=True):
        assert line[:22].strip() == mode.sql
        marks = line[22:].split()
        assert CONFLICTS[mode] == {other for other, mark in zip(modes, marks, strict=True) if mark == "X"}


def test_conflict_is_mutual() -> None:
    assert all(a in CONFLICTS[b] for a in Lock for b in CONFLICTS[a])


@pytest.mark.parametrize(
    ("blocker", "said"),
    [
        (
            Blocker(
                9120, "RowShareLock", True, user="app", application_name="web", state="idle in transaction",
                state_age_ms=720_000, query="SELECT 1 FOR UPDATE",
            ),
            'pid 9120 (app, "web"): idle in transaction for 12 min: SELECT 1 FOR UPDATE',
        ),
        (
            Blocker(1, "RowExclusiveLock", True, user="app", state="active", transaction_age_ms=3500, query="UPDATE t SET a = 1"),
            "pid 1 (app): in a transaction for 3 s, active: UPDATE t SET a = 1",
        ),
        (
            Blocker(1, "AccessExclusiveLock", False, user="app", state="active", transaction_age_ms=300),
            "pid 1 (app): in a transaction for 300 ms, active, itself waiting for a lock",
        ),
        (Blocker(7, "ShareUpdateExclusiveLock", True, is_autovacuum=True, transaction_age_ms=5000), "pid 7 (autovacuum): running for 5 s"),
        (
            Blocker(7, "ShareUpdateExclusiveLock", True, is_autovacuum=True, prevents_wraparound=True, transaction_age_ms=7_200_000),
            "pid 7 (autovacuum): running to prevent wraparound for 2 h",
        ),
        (
            Blocker(0, "AccessExclusiveLock", True, gid="tx1", user="app", transaction_age_ms=200_000_000),
            'prepared transaction "tx1" (app): waiting for COMMIT PREPARED for 2 days',
        ),
        (Blocker(5, "RowExclusiveLock", True, user="other"), "pid 5 (other): its activity is visible only to members of pg_read_all_stats"),
    ],
)  # fmt: skip
def test_describe(blocker: Blocker, said: str) -> None:
    assert describe(blocker) == said


@pytest.mark.parametrize(
    ("ms", "said"),
    [(0, "0 ms"), (1999, "1999 ms"), (2000, "2 s"), (119_999, "119 s"), (120_000, "2 min"), (7_200_000, "2 h"), (172_800_000, "2 days")],
)  # fmt: skip
def test_duration(ms: int, said: str) -> None:
    assert duration(ms) == said


def test_nobody_in_the_way() -> None:
    assert decode("UTF8 ") == ()


def test_only_an_ordinary_autovacuum_makes_way() -> None:
    assert Blocker(1, "ShareUpdateExclusiveLock", True, is_autovacuum=True).makes_way
    assert not Blocker(1, "ShareUpdateExclusiveLock", True, is_autovacuum=True, prevents_wraparound=True).makes_way
    assert not Blocker(1, "ShareUpdateExclusiveLock", True).makes_way
