"""What one process knows, as JSON for its siblings: the rows of several workers are put together from these.

A datagram between workers is bounded, so a part is cut to ``LONGEST``: the newest are told.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from proxy.session.tally import DECIDE_S, STEP_S, Decision, Found, Histogram, InDatabase, Ran, Tally

LONGEST = 50_000  # bytes

Part = Any


def cut(items: Iterable[Any]) -> list[Any]:
    """As many of them, from the first on, as fit."""
    found, size = [], 0
    for item in items:
        size += len(json.dumps(item).encode()) + 1
        if size > LONGEST:
            break
        found.append(item)
    return found


# ---------------------------------------------------------------- sums


def of_tally(tally: Tally) -> Part:
    return {
        "statements": [[action, rule, count] for (action, rule), count in tally.statements.items()],
        "databases": {name: _of_sums(sums) for name, sums in list(tally.databases.items())[:100]},
        "decide": _of_histogram(tally.decide),
        "steps": {lock: _of_histogram(histogram) for lock, histogram in tally.steps.items()},
        "blocked_s": tally.blocked_s,
        "lock_timeouts": tally.lock_timeouts,
        "latencies": list(tally.latencies)[-300:],
        "waits": list(tally.waits)[-300:],
    }


def _of_sums(sums: InDatabase) -> Part:
    return {
        "actions": dict(sums.actions), "failed": sums.failed, "took_ms": sums.took_ms, "waited_ms": sums.waited_ms,
        "blocked_ms": sums.blocked_ms, "lock_timeouts": sums.lock_timeouts,
    }  # fmt: skip


def _of_histogram(histogram: Histogram) -> Part:
    return [histogram.counts, histogram.sum]


def tally_of(parts: Sequence[Part]) -> Tally:
    """The sums of all."""
    total = Tally()
    for part in parts:
        for action, rule, count in part["statements"]:
            total.statements[action, rule] += count
        for name, sums in part["databases"].items():
            known = total.databases.setdefault(name, InDatabase())
            known.actions += Counter(sums["actions"])
            known.failed += sums["failed"]
            known.took_ms += sums["took_ms"]
            known.waited_ms += sums["waited_ms"]
            known.blocked_ms += sums["blocked_ms"]
            known.lock_timeouts += sums["lock_timeouts"]
        _add(total.decide, part["decide"])
        for lock, histogram in part["steps"].items():
            _add(total.steps.setdefault(lock, Histogram(STEP_S)), histogram)
        total.blocked_s += part["blocked_s"]
        total.lock_timeouts += part["lock_timeouts"]
        total.latencies.extend((at, ms) for at, ms in part["latencies"])
        total.waits.extend((at, waited, blocked) for at, waited, blocked in part["waits"])
    return total


def _add(total: Histogram, part: Part) -> None:
    counts, amount = part
    total.counts = [one + other for one, other in zip(total.counts, counts, strict=True)]
    total.sum += amount


# ---------------------------------------------------------------- decisions


def of_decisions(decisions: Iterable[Decision]) -> list[Part]:
    """The newest first."""
    return cut(asdict(one) for one in decisions)


def decision_of(part: Mapping[str, Any]) -> Decision:
    return Decision(
        **{
            **part,
            "relations": tuple(part["relations"]),
            "findings": tuple(Found(**one) for one in part["findings"]),
            "steps": tuple(Ran(**one) for one in part["steps"]),
        }
    )


__all__ = ["DECIDE_S", "Part", "cut", "decision_of", "of_decisions", "of_tally", "tally_of"]
