"""What became of one test of somebody else's, and where two runs of a suite differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``said``: what has to be the same both ways (a program's output); ``detail``: for people, compared with nothing."""

    status: Status
    said: str = ""
    detail: str = ""


Outcomes = Mapping[str, Outcome]  # by the test's name


@dataclass(frozen=True, slots=True)
class Difference:
    test: str
    direct: Outcome | None
    through: Outcome | None


def differences(direct: Outcomes, through: Outcomes) -> list[Difference]:
    """Tests that one run has and the other has not, that ended otherwise, or said something else."""
    found = []
    for test in sorted({*direct, *through}):
        one, other = direct.get(test), through.get(test)
        if one is None or other is None or (one.status, one.said) != (other.status, other.said):
            found.append(Difference(test, one, other))
    return found


def counts(outcomes: Outcomes) -> str:
    """``passed/failed/skipped``."""
    number = Counter(outcome.status for outcome in outcomes.values())
    return "/".join(str(number[status]) for status in ("passed", "failed", "skipped"))
