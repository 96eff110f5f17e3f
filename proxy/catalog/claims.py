"""Locks that a statement takes, gathered relation by relation; the stronger of two wins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from proxy.catalog.facts import Facts, Relation
from proxy.plans.plan import Lock
from proxy.sql.statements import Name

Work = Literal["none", "scan", "build", "rewrite"]
WORKS: tuple[Work, ...] = ("none", "scan", "build", "rewrite")  # mildest first


@dataclass(slots=True)
class Claims:
    facts: Facts
    locks: dict[tuple[str, str], Lock] = field(default_factory=dict)
    elsewhere: Lock = Lock.NONE  # on relations that the text does not name
    work: Work = "none"
    known: bool = True

    def find(self, name: Name) -> Relation | None:
        return self.facts.find(name)

    def take(self, name: Name, lock: Lock, work: Work = "none") -> Relation | None:
        """Lock the relation of that name; returns it if it is known and there."""
        relation = self.find(name)
        if relation is None:
            self._add((name.schema or "", name.name), lock, work)
            return None
        if not relation.exists:
            return None
        if not relation.private:
            self._add(relation.qualified, lock, "none" if _is_hollow(relation) else work)
        return relation

    def take_pair(self, pair: tuple[str, str], lock: Lock, work: Work = "none") -> None:
        """Lock an existing relation by schema and name."""
        relation = self.facts.relations.get(pair)
        if relation is None or not relation.private:
            self._add(pair, lock, "none" if relation is not None and _is_hollow(relation) else work)

    def index(self, name: Name, lock: Lock, table_lock: Lock, work: Work = "none") -> None:
        """Lock an index and its table."""
        relation = self.take(name, lock, work)
        if relation is not None and relation.index is not None:
            self.take_pair((relation.index.table_schema, relation.index.table), table_lock, work)

    def anywhere(self, lock: Lock) -> None:
        """A lock on relations that the text does not tell."""
        self.elsewhere = max(self.elsewhere, lock, key=lambda mode: mode.rank)

    def assume(self, lock: Lock, work: Work = "none") -> None:
        """As ``anywhere``, and not known for certain."""
        self.anywhere(lock)
        self.do(work)
        self.known = False

    def do(self, work: Work) -> None:
        self.work = max(self.work, work, key=WORKS.index)

    def _add(self, pair: tuple[str, str], lock: Lock, work: Work) -> None:
        if lock is Lock.NONE:
            return
        self.locks[pair] = max(self.locks.get(pair, Lock.NONE), lock, key=lambda mode: mode.rank)
        self.do(work)


def _is_hollow(relation: Relation) -> bool:
    """Whether it is a partitioned table, or index, without a partition: there is nothing to read, build or write."""
    return relation.partitioned and not relation.has_children
