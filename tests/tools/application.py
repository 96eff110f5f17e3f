"""A real application, whose whole history of migrations is run directly and through Interlock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.tools.ways import Ran, Way

HISTORY_S = 1200.0  # how long a whole history may take


@dataclass(frozen=True, slots=True)
class Application:
    name: str
    """With its version: ``MLflow 3.17``."""
    tool: str
    """With its version, and the driver's."""
    page: str
    """The tool's page in docs/tools."""
    migrate: Callable[[Path, Way, str], Ran]
    """Up to that revision; to the last if it is empty."""
    early: str
    """The revision at which the tables get rows."""
    count: Callable[[], int]
    """How many migrations there are."""
    differs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By table, the columns that hold other values in each run."""
    of_runs: Sequence[str] = ()
    """Tables in which each run of the tool leaves a row, also one that fails."""
    seeds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By table and column, what the made-up rows have to hold for its data migrations to understand it."""
    unseeded: Sequence[str] = ()
    """Tables that get no rows, because a data migration would ask more of them than can be made up."""
    mends: Mapping[str, str] = field(default_factory=dict)
    """By table: what its operator runs by hand when a migration without a transaction was refused half-way there."""
    oldest: int = 13
    """The oldest Postgres that it takes."""
    absent: Callable[[], str | None] = lambda: None
    """Why it cannot run here."""

    def on(self, version: int) -> bool:
        """Whether it takes that Postgres: else it is no case there."""
        return version >= self.oldest
