"""The outcome of deciding about one statement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from proxy.plans.plan import Plan
from proxy.rules.base import Finding


class Action(StrEnum):
    """What is done, mildest first."""

    ALLOW = "allow"
    WARN = "warn"
    REWRITE = "rewrite"
    DEFER = "defer"
    REJECT = "reject"

    rank: int

    def __init__(self, name: str) -> None:
        self.rank = len(self.__class__.__members__)


@dataclass(frozen=True, slots=True)
class Source:
    """The line of policy that settled something: ``policies/recommended.yaml:7``; line 0 if it stands in no file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Decided:
    """A finding and what the policy says about it."""

    finding: Finding
    action: Action
    because: Source
    would_be: Action | None = None  # what mode: enforce would have done, where the mode made it milder
    note: str = (
        ""  # why it is milder or harsher than the rule's action: an exception's reason, an override's, a small table …
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """``action`` is the harshest of ``decided``; ``plan`` is there if it is REWRITE."""

    action: Action
    decided: tuple[Decided, ...] = ()
    plan: Plan | None = None
    because: Source | None = None
