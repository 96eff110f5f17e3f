"""Tables as the statements of an input so far would have left them: made new, and altered.

Worked out as the input goes on, not anew for each statement, which would cost a history of thousands hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from proxy.catalog.facts import Constraint, Facts, Relation
from proxy.plans.afterwards import afterwards
from proxy.sql.statements import Statement

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Altered:
    """An ALTER TABLE that was judged; ``table`` is its (schema, name), None if that is not known."""

    parts: Parts
    table: tuple[str, str] | None
    statement: Statement
    facts: Facts

    def to(self, relation: Relation) -> Relation:
        """The relation after it."""
        return afterwards(relation, self.statement, self.facts)


class Aftermath:
    """Follows what is ``new`` and what was ``altered``; ``aliases`` gives the names that mean the same table.

    Cheap is what adds to them, and ``forget``; anything else (ROLLBACK, another search_path: ``clear``) is worked out from the beginning.
    """

    def __init__(self, aliases: Callable[[Parts], Iterable[Parts]]) -> None:
        self._aliases = aliases
        self.clear()

    def clear(self) -> None:
        self._new: frozenset[Parts] = frozenset()
        self._altered: tuple[Altered, ...] = ()
        self._by_table: dict[tuple[str, str], list[Altered]] = {}
        self._relations: dict[Parts, Relation] = {}  # the new ones, by every name
        self._names: dict[tuple[str, str], list[Parts]] = {}  # of the new ones, by (schema, name)
        self._stated: dict[Parts, dict[str, Constraint]] = {}
        self._snapshot: tuple[dict[Parts, Relation], dict[Parts, dict[str, Constraint]]] | None = None

    def seen_by(self, facts: Facts, new: frozenset[Parts], altered: tuple[Altered, ...]) -> Facts:
        """The facts of the database with all that on top of them."""
        self.follow(new, altered)
        relations = {}
        for parts, known in facts.relations.items():
            if known.exists:
                for one in self._by_table.get(known.qualified, ()):
                    known = one.to(known)
            relations[parts] = known
        new_ones, stated = self._as_they_are()
        if relations:
            new_ones = {
                parts: one for parts, one in new_ones.items() if parts not in relations or not relations[parts].exists
            }
        return replace(
            facts,
            relations={**relations, **new_ones} if relations else new_ones,
            stated={**facts.stated, **stated} if facts.stated else stated,
        )

    def _as_they_are(self) -> tuple[dict[Parts, Relation], dict[Parts, dict[str, Constraint]]]:
        """What is known now, in mappings that stay as they are; the same ones as long as nothing has changed."""
        if self._snapshot is None:
            self._snapshot = dict(self._relations), dict(self._stated)
        return self._snapshot

    def forget(self, parts: Parts, new: frozenset[Parts], altered: tuple[Altered, ...]) -> None:
        """The table of that name is gone, or is called otherwise; ``new`` and ``altered`` are what it knows, less that table."""
        self._snapshot = None
        for alias in {alias for made in self._new - new for alias in self._aliases(made)}:
            gone = self._relations.pop(alias)
            self._names[gone.qualified].remove(alias)
        for alias in {parts, *self._aliases(parts)}:
            self._stated.pop(alias, None)
        if len(altered) < len(self._altered):
            kept = set(map(id, altered))
            for one in self._altered:
                if id(one) not in kept and one.table is not None:
                    self._by_table[one.table].remove(one)
        self._new, self._altered = new, altered

    def follow(self, new: frozenset[Parts], altered: tuple[Altered, ...]) -> None:
        """Take in what has been made and altered since."""
        done = len(self._altered)
        is_longer = len(altered) >= done and (not done or altered[done - 1] is self._altered[-1])
        if not is_longer or not (new is self._new or new >= self._new):
            self.clear()
            done = 0
        if new is not self._new:
            for parts in new - self._new:
                self._make(parts)
            self._new = new
        for one in altered[done:]:
            self._alter(one)
        self._altered = altered

    def _make(self, parts: Parts) -> None:
        self._snapshot = None
        for alias in self._aliases(parts):
            if alias in self._relations:
                continue
            schema = alias[-2] if len(alias) > 1 else ""
            made = Relation(exists=True, schema=schema, name=alias[-1], is_new=True, size_bytes=0, rows=0)
            for one in self._by_table.get(made.qualified, ()):
                made = one.to(made)
            self._relations[alias] = made
            self._names.setdefault(made.qualified, []).append(alias)

    def _alter(self, one: Altered) -> None:
        self._snapshot = None
        if one.table is not None:
            self._by_table.setdefault(one.table, []).append(one)
            for parts in self._names.get(one.table, ()):
                self._relations[parts] = one.to(self._relations[parts])
            return
        for parts in self._aliases(one.parts):
            known = Relation(exists=True, constraints=self._stated.get(parts, {}))
            self._stated[parts] = dict(one.to(known).constraints)
