"""Words for people: what a plan says while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog import blockers
from proxy.catalog.blockers import Blocker
from proxy.plans.plan import Step
from proxy.plans.target import OWN

MOST_NAMES = 5


def one_line(sql: str) -> str:
    """SQL for one line of talk: white space folded, at most 200 characters."""
    line = " ".join(sql.split())
    return line if len(line) <= 200 else line[:197] + "…"


def names(step: Step, found: Sequence[Blocker] = ()) -> str:
    """The relations of a step; if somebody holds another one that it locks too, that one."""
    other = {b.relation[1]: None for b in found if b.relation is not None and b.relation[1] not in _names(step)}
    named = list(other) or _names(step)
    more = len(named) - MOST_NAMES
    return ", ".join(f'"{name}"' for name in named[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _names(step: Step) -> list[str]:
    return [name for _, name in step.relations]


def is_ours(severity: str, text: str) -> bool:
    """Whether a notice of the server is about a name that only we know: what it tells is in the step that has been told."""
    return severity == "NOTICE" and f'"{OWN}' in text


def describe(found: Sequence[Blocker]) -> str:
    first = blockers.describe(found[0])
    return first if len(found) == 1 else f"{first} (and {len(found) - 1} more)"


def duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
