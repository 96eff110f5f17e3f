"""UNIQUE and PRIMARY KEY on a partitioned table: on it alone, then partition by partition over indexes built concurrently.

A partition that has such a constraint already keeps it, as in Postgres's own way.
Source: DefineIndex (commands/indexcmds.c), ATExecAttachPartitionIdx (commands/tablecmds.c).
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Constraint, Facts, Index, Relation
from proxy.plans import done
from proxy.plans.branches import Branches, branches
from proxy.plans.build_index import distinct, drop_leftover, is_leftover
from proxy.plans.build_parts import Chosen, Key, attach_order, attaching, of
from proxy.plans.default_names import included, name_of
from proxy.plans.leftover import clause
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.proven_parts import proven
from proxy.plans.target import Target, qualify
from proxy.plans.unique_by_index import building, passing_name, using
from proxy.records import replace
from proxy.sql import edit
from proxy.sql.lexer import lex
from proxy.sql.names import constraint_name, is_default_name
from proxy.sql.statements import AddConstraint, AlterTable, ConstraintKind, Statement, TableConstraint, quote_identifier

LABELS = {ConstraintKind.UNIQUE: ("u", "key"), ConstraintKind.PRIMARY_KEY: ("p", "pkey")}


def unique_parts(
    statement: Statement, action: AddConstraint, facts: Facts, nullable: Sequence[str] = ()
) -> Rewrite | None:
    """``nullable``: columns of a PRIMARY KEY that are to be proven free of nulls first.

    None where it is not known what Postgres would end with, and for an ALTER TABLE that does more.
    """
    alter = statement.node
    assert isinstance(alter, AlterTable)
    root = facts.find(alter.relation)
    if root is None or len(alter.actions) > 1 or _has_star(statement, alter):
        return None
    found = branches(root, facts)
    name = (
        begun.name if (begun := unfinished(statement, action.constraint, root)) else name_of(action, statement, facts)
    )
    if found is None or found.has_foreign or name is None:
        return None
    chosen = _chosen(statement, action.constraint, facts, root, found.all, name)
    other = _chosen(statement, action.constraint, facts, root, found.other, name)
    if chosen is None or chosen != other:
        return None
    before = proven(statement, alter, root, found, facts, nullable)
    if before is None:
        return None
    steps = _Parts(statement, action.constraint, root, found, chosen, facts).steps(begun=begun is not None)
    return Rewrite((*before, *steps), ordered=True, name=name, table=root.qualified, relations=(root.qualified,))


def unfinished(statement: Statement, c: TableConstraint, root: Relation) -> Constraint | None:
    """The constraint of the partitioned table that an interrupted run of the same statement has left without all its parts."""
    columns = distinct([*c.columns, *included(c.include, statement)])
    usual = constraint_name(root.name, columns, LABELS[c.kind][1], ())
    for there in root.constraints.values():
        index = root.indexes.get(there.index or "")
        named = c.name == there.name if c.name is not None else is_default_name(there.name, usual)
        if there.waits or index is None or index.valid:
            continue
        if named and _is_same(statement, c, there) is True:
            return there
    return None


def _chosen(
    statement: Statement, c: TableConstraint, facts: Facts, root: Relation, members: Sequence[Relation], name: str
) -> Chosen | None:
    chosen = Chosen(names={root.qualified: name})
    taken = {member.schema: set(facts.taken(member.schema)) for member in (root, *members)}
    taken.setdefault(root.schema, set()).add(name)
    for member in members:
        above = (member.parents[0][0], chosen.names[member.parents[0]])
        index, certain = _match(statement, c, member, above)
        if not certain:
            return None
        if index is not None:
            chosen.there[member.qualified] = index
            chosen.names[member.qualified] = index.name
            continue
        pool = taken.setdefault(member.schema, set())
        columns = distinct([*c.columns, *included(c.include, statement)])
        chosen.names[member.qualified] = constraint_name(member.name, columns, LABELS[c.kind][1], pool)
        pool.add(chosen.names[member.qualified])
    return chosen


def _match(statement: Statement, c: TableConstraint, member: Relation, above: Key) -> tuple[Index | None, bool]:
    """The index of a partition's own constraint that Postgres would take, and whether that is certain."""
    certain = True
    backed = [
        (k, member.indexes[k.index]) for k in member.constraints.values() if k.index in member.indexes and k.index
    ]
    for constraint, index in sorted(backed, key=lambda pair: pair[1].oid):
        if index.above == above:
            return index, True
        if index.above is not None or not (index.valid or index.partitioned):
            continue
        same = _is_same(statement, c, constraint)
        if same:
            return index, certain
        certain &= same is not None
    return None, certain


def _is_same(statement: Statement, c: TableConstraint, there: Constraint) -> bool | None:
    """None: as to its index, but not as to the rest."""
    if there.kind not in "up" or (printed := clause(there.definition)) is None:
        return False
    other, text = printed
    one = (c.columns, included(c.include, statement), c.nulls_not_distinct)
    if one != (other.columns, _names(other, text), other.nulls_not_distinct):
        return False
    deferrable = _words(c.deferrable.of(statement.text) if c.deferrable else "")
    printed_words = _words(other.deferrable.of(text) if other.deferrable else "")
    return True if there.kind == LABELS[c.kind][0] and deferrable == printed_words else None


def _words(deferrable: str) -> tuple[bool, bool]:
    """Whether a constraint is deferrable, and initially deferred."""
    words = deferrable.lower().split()
    deferred = words[-2:] == ["initially", "deferred"]
    return deferred or (bool(words) and words[0] == "deferrable"), deferred


def _names(c: TableConstraint, text: str) -> list[str]:
    return [token.value for token in lex(c.include.of(text)) if token.kind != "op"] if c.include else []


class _Parts:
    def __init__(
        self, statement: Statement, c: TableConstraint, root: Relation, found: Branches, chosen: Chosen, facts: Facts
    ) -> None:
        self.statement = statement
        self.c = c
        self.root = root
        self.found = found
        self.chosen = chosen
        self.facts = facts
        self.dropped = f"ALTER TABLE {of(root).sql} DROP CONSTRAINT IF EXISTS {self._name(root)}"

    def steps(self, *, begun: bool) -> tuple[Step, ...]:
        undo = () if begun else (self.dropped,)
        heads = [self._head(m) for m in (self.root, *self.found.inner) if m.qualified not in self.chosen.there]
        builds = [step for leaf in self.found.leaves if self._is_new(leaf) for step in self._build(leaf)]
        first, last = attach_order(self.root, self.found, self.chosen.there, self.chosen.names)
        together = [self._attach(member, undo) for member in first if self._is_new(member)]
        # A partition that is new to the constraint, below one that has it, becomes part of that by itself.
        below = [self._attach(m, ()) for m in last if self._is_new(m) and m.kind == "r"]
        rest = [self._pair(m) for m in last if not (self._is_new(m) and m.kind == "r")]
        return (*heads, *builds, *together, *below, *([attaching(rest, ())] if rest else []))

    def _is_new(self, member: Relation) -> bool:
        return member.qualified not in self.chosen.there

    def _name(self, member: Relation) -> str:
        return quote_identifier(self.chosen.names[member.qualified])

    def _head(self, table: Relation) -> Step:
        """The constraint on a partitioned table alone: an entry in the catalog."""
        on = of(table)
        edits = self._alone() if table is self.root else ()
        words = f"ALTER TABLE ONLY {on.sql} ADD CONSTRAINT {self._name(table)} {self.c.body.of(self.statement.text)}"
        return Step(
            (edit.apply(self.statement.sql, edits) if edits else words,),
            Lock.ACCESS_EXCLUSIVE,
            "adds the constraint to the partitioned table, without its parts yet",
            relations=(on.key,),
            done=done.constraint(on, self.chosen.names[table.qualified]),
            undo=(f"ALTER TABLE {on.sql} DROP CONSTRAINT IF EXISTS {self._name(table)}",),
            edits=edits,
        )

    def _alone(self) -> tuple[Edit, ...]:
        alter, start = self.statement.node, self.statement.span.start
        assert isinstance(alter, AlterTable)
        table, at = alter.relation.span.start - start, self.c.body.start - start
        named = () if self.c.name is not None else (Edit(at, at, f"CONSTRAINT {self._name(self.root)} "),)
        return (Edit(table, table, "ONLY "), *named)

    def _build(self, leaf: Relation) -> list[Step]:
        on = of(leaf)
        index = on.sibling(passing_name(self.statement, self.c, on))
        name = self.chosen.names[leaf.qualified]
        step = building(self.statement, self.c, leaf, on, index, name)
        attached = done.attached(on.sibling(name), self._above(leaf))
        step = replace(step, done=done.either(step.done, attached))
        return [drop_leftover(index, on), step] if is_leftover(index.name, self.facts, leaf) else [step]

    def _attach(self, member: Relation, undo: Sequence[str]) -> Step:
        if member.kind == "p":
            return attaching([self._pair(member)], undo)
        on = of(member)
        index = passing_name(self.statement, self.c, on)
        above, part = self._pair(member)
        words = using(self.statement, self.c, self.chosen.names[member.qualified], index)
        return Step(
            (f"ALTER TABLE {on.sql} {words}", f"ALTER INDEX {above.sql} ATTACH PARTITION {part.sql}"),
            Lock.ACCESS_EXCLUSIVE,
            "gives the finished index to the constraint, as a part of that of the whole table",
            relations=(on.key,),
            done=done.attached(part, above),
            undo=tuple(undo),
        )

    def _pair(self, member: Relation) -> tuple[Target, Target]:
        return self._above(member), of(member).sibling(self.chosen.names[member.qualified])

    def _above(self, member: Relation) -> Target:
        schema, _ = member.parents[0]
        name = self.chosen.names[member.parents[0]]
        return Target(qualify(schema, name), schema, name)


def _has_star(statement: Statement, alter: AlterTable) -> bool:
    """Whether ``*`` stands behind the table's name, which ONLY does not go with."""
    return "*" in statement.text[alter.relation.span.end : alter.head.end]
