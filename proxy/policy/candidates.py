"""Which of a policy's exceptions can be about a finding at all, without asking each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from proxy.policy.model import ALL, SCHEMA_CHANGE, PolicyException
from proxy.policy.subject import Subject

GLOB = "*?["


@dataclass(slots=True)
class _OfRule:
    named: dict[str, list[int]] = field(default_factory=dict)  # by the one table that they are about
    others: list[int] = field(default_factory=list)


class Candidates:
    """The exceptions by rule and, where they name one, by table; made once for a policy."""

    def __init__(self, exceptions: Sequence[PolicyException]) -> None:
        self._every = exceptions
        self._by_rule: dict[str, _OfRule] = {}
        for i, exception in enumerate(exceptions):
            table = _one_table(exception)
            for rule in dict.fromkeys(exception.rules):
                of_rule = self._by_rule.setdefault(rule, _OfRule())
                (of_rule.others if table is None else of_rule.named.setdefault(table, [])).append(i)

    @property
    def mind_any_change(self) -> bool:
        """Whether one is about changes of the schema as such."""
        return SCHEMA_CHANGE in self._by_rule

    def mind(self, rule: str) -> bool:
        """Whether one covers the rule, on some tables at least."""
        return ALL in self._by_rule or rule in self._by_rule

    def of(self, rule: str, about: Sequence[Subject]) -> Iterator[tuple[int, PolicyException]]:
        """Those that cover the rule, in their order, but for those whose one table is surely none of these; with their places."""
        names = [ALL, rule] if rule != SCHEMA_CHANGE else [rule]
        known = [self._by_rule[name] for name in names if name in self._by_rule]
        if not known:
            return iter(())
        tables = {s.table for s in about}
        found: set[int] = set()
        for of_rule in known:
            found.update(of_rule.others)
            if not tables or None in tables:  # which it is is not known
                found.update(i for places in of_rule.named.values() for i in places)
            else:
                found.update(i for table in tables if table is not None for i in of_rule.named.get(table, ()))
        return ((i, self._every[i]) for i in sorted(found))


def _one_table(exception: PolicyException) -> str | None:
    """The name, without its schema, of the one table that it can be about; None if there may be more."""
    pattern = exception.match.table
    if pattern is None:
        return None
    _, dot, table = pattern.partition(".")
    table = table if dot else pattern
    return None if any(c in table for c in GLOB) else table
