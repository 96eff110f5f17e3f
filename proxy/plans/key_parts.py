"""FOREIGN KEY on a partitioned table up to 17, which takes no NOT VALID there: on each partition first, then on the whole.

Postgres makes the finished keys of the partitions parts of that of the whole table, and reads no row.
Source: addFkRecurseReferencing, tryAttachPartitionForeignKey (commands/tablecmds.c).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.catalog.facts import Constraint, Facts, Relation
from proxy.plans import done
from proxy.plans.branches import Branches, branches
from proxy.plans.build_parts import Key, of
from proxy.plans.leftover import is_leftover
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.target import Target, target
from proxy.plans.validate_later import validate
from proxy.sql import edit
from proxy.sql.names import constraint_name
from proxy.sql.statements import AddConstraint, AlterTable, Name, Statement, TableConstraint, quote_identifier

TAKES_NOT_VALID = 18
LOCKS_WHOLE = 15  # from here on a partitioned table that is referred to is locked as strongly as its partitions
SRE, AE = Lock.SHARE_ROW_EXCLUSIVE, Lock.ACCESS_EXCLUSIVE


def key_parts(statement: Statement, action: AddConstraint, facts: Facts) -> Rewrite | None:
    """None where it is not known what Postgres would end with, and for an ALTER TABLE that does more."""
    alter, c = statement.node, action.constraint
    assert isinstance(alter, AlterTable)
    root = facts.find(alter.relation)
    parent = facts.find(c.references) if c.references else None
    if root is None or parent is None or not parent.exists or c.references is None or len(alter.actions) > 1:
        return None
    found = branches(root, facts)
    below = branches(parent, facts) if parent.kind == "p" else Branches((), ())
    if found is None or below is None or found.has_foreign or root.qualified == parent.qualified:
        return None
    chosen = _choose(statement, c, facts, root, found)
    other = target(c.references, parent, statement)
    parts = _Parts(statement, alter, c, root, found, chosen, other, [parent, *below.all], facts.major)
    return Rewrite(parts.steps(), ordered=True, name=chosen.name, table=root.qualified, relations=(root.qualified,))


def has_keys(root: Relation | None, facts: Facts) -> bool:
    """Whether partitions have foreign keys of their own: to make one of them part of another takes stronger locks."""
    found = branches(root, facts) if root is not None else None
    return found is not None and any(
        k.kind == "f" and not k.inherited for m in found.all for k in m.constraints.values()
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    name: str
    names: dict[Key, str] = field(default_factory=dict)  # of the key of each leaf that gets one
    there: set[Key] = field(default_factory=set)  # where an interrupted run has added it
    adopted: set[Key] = field(default_factory=set)  # with a key of the author's own that is the same
    below: set[Key] = field(default_factory=set)  # parts of those


def _choose(statement: Statement, c: TableConstraint, facts: Facts, root: Relation, found: Branches) -> _Chosen:
    taken = {schema: set(names) for schema, names in facts.taken_constraints.items()}
    pool = taken.setdefault(root.schema, set())
    first = constraint_name(root.name, c.columns, "fkey", set())
    # What an interrupted run has begun with is free: no name of Postgres's choice for a partition's key is like it.
    begun = [k for leaf in found.leaves for k in leaf.constraints.values() if _is_same(statement, c, k, facts)]
    pool -= {k.name for k in begun if k.name.startswith(first)}
    chosen = _Chosen(c.name or constraint_name(root.name, c.columns, "fkey", pool))
    for member in found.all:
        if member.parents[0] in chosen.adopted | chosen.below:
            chosen.below.add(member.qualified)
            continue
        ready = [k for k in member.constraints.values() if k.validated and _is_same(statement, c, k, facts)]
        if any(not k.inherited for k in ready) and not (member.kind == "r" and _is_ours(ready, chosen.name)):
            chosen.adopted.add(member.qualified)
            continue
        if member.kind != "r":
            continue
        # From 18 on Postgres takes a key that is NOT VALID, too, whatever its name.
        own = [k.name for k in begun if k in member.constraints.values()] if facts.major >= TAKES_NOT_VALID else []
        name = next(iter(own), chosen.name)
        there = member.constraints.get(name)
        if _is_same(statement, c, there, facts) and there is not None:
            chosen.there.add(member.qualified)
        elif there is not None:
            name = constraint_name(member.name, c.columns, "fkey", taken.get(member.schema, set()))
            taken.setdefault(member.schema, set()).add(name)
        chosen.names[member.qualified] = name
    return chosen


def _is_ours(ready: Sequence[Constraint], name: str) -> bool:
    return all(k.name == name for k in ready)


def _is_same(statement: Statement, c: TableConstraint, there: Constraint | None, facts: Facts) -> bool:
    return there is not None and is_leftover(statement, c, there, facts, validated=True)


@dataclass(frozen=True, slots=True)
class _Parts:
    statement: Statement
    alter: AlterTable
    c: TableConstraint
    root: Relation
    found: Branches
    chosen: _Chosen
    other: Target  # the table that it refers to
    others: Sequence[Relation]  # that, and its partitions
    major: int

    def steps(self) -> tuple[Step, ...]:
        leaves = [leaf for leaf in self.found.leaves if leaf.qualified in self.chosen.names]
        added = [self._add(leaf) for leaf in leaves if leaf.qualified not in self.chosen.there]
        return (*added, *(self._validate(leaf) for leaf in leaves), self._whole(leaves))

    def _add(self, leaf: Relation) -> Step:
        on, name = of(leaf), self.chosen.names[leaf.qualified]
        body = self.c.body.of(self.statement.text)
        words = f"ADD CONSTRAINT {quote_identifier(name)} {body} NOT VALID"
        return Step(
            (f"ALTER TABLE {on.sql} {words}",),
            SRE,
            "has new rows checked from now on, and reads no old row",
            relations=tuple(sorted({on.key, *(other.qualified for other in self.others)})),
            done=done.constraint(on, name),
            undo=(f"ALTER TABLE {on.sql} DROP CONSTRAINT IF EXISTS {quote_identifier(name)}",),
        )

    def _validate(self, leaf: Relation) -> Step:
        on = of(leaf)
        plain = AlterTable("TABLE", Name(on.key, self.alter.relation.span), self.alter.head, ())
        return validate(on, plain, self.chosen.names[leaf.qualified])

    def _whole(self, leaves: Sequence[Relation]) -> Step:
        """The author's statement, which finds a key on each partition.

        The triggers of those keys on the table that is referred to go, one set for all comes: hence the stronger locks.
        """
        merged = {leaf.qualified for leaf in leaves} | self.chosen.adopted
        strong = {other.qualified for other in self.others} if merged else set()
        if self.others[0].kind == "p":
            strong |= merged
            strong -= {self.others[0].qualified} if self.major < LOCKS_WHOLE else set()
        every = {table.qualified for table in (self.root, *self.found.all, *self.others)} - self.chosen.below
        at = self.c.body.start - self.statement.span.start
        named = Edit(at, at, "" if self.c.name else f"CONSTRAINT {quote_identifier(self.chosen.name)} ")
        return Step(
            (edit.apply(self.statement.sql, (named,)),),
            AE if strong else SRE,
            "makes the keys of the partitions one of the whole table, and reads no row",
            relations=tuple(sorted(strong or every)),
            others=tuple((*key, SRE) for key in sorted(every - strong)) if strong else (),
            done=done.constraint(of(self.root), self.chosen.name),
            edits=(named,),
        )
