"""A policy ready for use: effective values, and for each the line that it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from proxy.policy.access import AccessEntry
from proxy.policy.candidates import Candidates
from proxy.policy.document import Path
from proxy.policy.model import (
    Audit,
    Backfills,
    Builds,
    Jobs,
    Locks,
    Mode,
    Overrides,
    PolicyException,
    Routines,
    RuleAction,
    RuleSetting,
    Settings,
    SmallTables,
    dump,
)
from proxy.policy.verdict import Action, Source
from proxy.rules.base import Harm, rules

BUILT_IN = Source("built-in default", 0)
UNMENTIONED: Mapping[Harm, RuleAction] = {"blocks": Action.REWRITE, "breaks": Action.WARN, "costs later": Action.ALLOW}


@dataclass(frozen=True, slots=True)
class Policy:
    """``name`` is the pack's, or the file as it was given; ``sha`` is of every text that went in (SHA-256, hex)."""

    name: str
    sha: str
    settings: Settings
    files: tuple[str, ...] = ()  # own file first, then those that it extends
    sources: Mapping[Path, Source] = field(default_factory=dict)
    pin: str = ""  # ``recommended@1``, where a version of a pack is asked for: newer rules only warn
    candidates: Candidates = field(init=False, repr=False, compare=False)
    untold: frozenset[str] = field(init=False, repr=False, compare=False)  # rules whose findings nobody would hear of
    asks_roles: bool = field(init=False, repr=False, compare=False)  # something in it is for members of a role

    def __post_init__(self) -> None:
        object.__setattr__(self, "candidates", Candidates(self.settings.exceptions))
        advice = {name for name, rule in rules().items() if rule.harm == "costs later" and self.knows(name)}
        allowed = {name for name in advice if self.rule(name).action is Action.ALLOW}
        object.__setattr__(self, "untold", frozenset(n for n in allowed if not self.candidates.mind(n)))
        by_role = any(exception.match.role is not None for exception in self.exceptions)
        object.__setattr__(self, "asks_roles", by_role or self.overrides.roles != "any")

    def knows(self, rule: str) -> bool:
        """Whether a rule has a place in the policy; one that is newer than the pinned pack has none."""
        return not self.pin or rule in self.settings.rules

    def newer(self) -> tuple[str, ...]:
        """Rules of this version of Interlock that only warn, since the policy is pinned to a pack before them."""
        return tuple(name for name in rules() if not self.knows(name))

    def source(self, *path: str | int) -> Source:
        """Where the value at ``path`` was written: ``source("locks", "timeout")``, ``source("exceptions", 0)``."""
        return self.sources.get(path, BUILT_IN)

    def rule(self, name: str) -> RuleSetting:
        """The setting of a rule.

        One that no file mentions is rewritten, or rejected where it cannot be; if it blocks nobody, it is only told
        of (what may break the application) or allowed (what costs later).
        """
        if not self.knows(name):
            return RuleSetting(action=Action.ALLOW if rules()[name].harm == "costs later" else Action.WARN)
        return self.settings.rules.get(name) or RuleSetting(action=UNMENTIONED[rules()[name].harm])

    def expired(self, now: datetime) -> list[tuple[Source, PolicyException]]:
        """Exceptions whose last day is over, with their lines."""
        found = enumerate(self.exceptions)
        return [(self.source("exceptions", i), e) for i, e in found if e.until and e.until < now.date()]

    def values(self) -> list[tuple[Path, Any, Source]]:
        """Every effective value as a file would write it, rules that no file mentions included, with its source."""
        data = dump(self.settings)
        for merged_in in ("extends", "pack"):  # files says which
            data.pop(merged_in, None)
        if not self.access:  # that everybody may connect is not to be read as that nobody may
            del data["access"]
        data["rules"] = {name: dump(self.rule(name)) for name in rules()}
        for setting in data["rules"].values():
            if "above" not in setting:
                del setting["below"]  # it says nothing then
        return [(path, value, self.source(*path)) for path, value in _leaves(data, ())]

    @property
    def mode(self) -> Mode:
        return self.settings.mode

    @property
    def unreadable(self) -> Action:
        return self.settings.unreadable

    @property
    def locks(self) -> Locks:
        return self.settings.locks

    @property
    def builds(self) -> Builds:
        return self.settings.builds

    @property
    def jobs(self) -> Jobs:
        return self.settings.jobs

    @property
    def backfills(self) -> Backfills:
        return self.settings.backfills

    @property
    def routines(self) -> Routines:
        return self.settings.routines

    @property
    def small_tables(self) -> SmallTables:
        return self.settings.small_tables

    @property
    def exceptions(self) -> tuple[PolicyException, ...]:
        return self.settings.exceptions

    @property
    def overrides(self) -> Overrides:
        return self.settings.overrides

    @property
    def access(self) -> tuple[AccessEntry, ...]:
        return self.settings.access

    @property
    def audit(self) -> Audit:
        return self.settings.audit


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Each exception is one leaf; what is not set (None) is none."""
    match value:
        case dict() if path[:1] != ("exceptions",):
            for key, below in value.items():
                yield from _leaves(below, (*path, key))
        case list() if path == ("exceptions",):
            for i, below in enumerate(value):
                yield from _leaves(below, (*path, i))
        case None:
            pass
        case _:
            yield path, value
