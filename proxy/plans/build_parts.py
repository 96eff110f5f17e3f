"""CREATE INDEX on a partitioned table: an empty index on it, one on each partition, concurrently, and these made its parts.

Postgres takes a finished index of a partition that is what the new one would be, instead of building another; so does this.
Source: DefineIndex (commands/indexcmds.c), ATExecAttachPartitionIdx, validatePartitionedIndex (commands/tablecmds.c).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.catalog.facts import Facts, Index, Relation
from proxy.plans import done, index_columns
from proxy.plans.branches import Branches, branches
from proxy.plans.build_index import build, drop_leftover, include_list
from proxy.plans.index_built import index_built
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.same_index import same_index, same_order
from proxy.plans.target import Target, qualify
from proxy.records import replace
from proxy.sql import edit
from proxy.sql.lexer import LexError, lex
from proxy.sql.names import choose_name, is_default_name, join_columns
from proxy.sql.statements import CreateIndex, Statement, quote_identifier

Key = tuple[str, str]


def build_parts(statement: Statement, node: CreateIndex, facts: Facts) -> Rewrite | None:
    """None where it is not known what Postgres itself would end with: names, partitions, or which index it would take."""
    relation = facts.find(node.relation)
    if relation is None or not relation.exists or _names_table(statement, node, relation):
        return None
    found, columns = branches(relation, facts), index_columns.names(statement, node)
    if found is None or columns is None or (found.has_foreign and node.unique):
        return None
    if (chosen := _choose(statement, node, facts, relation, found, columns)) is None:
        return None
    return Rewrite(_Parts(statement, node, relation, found, chosen).steps(foreign=found.has_foreign))


def builds_nothing(statement: Statement, node: CreateIndex, facts: Facts) -> bool:
    """Whether every partition is certain to have an index that Postgres takes instead of building one."""
    relation = facts.find(node.relation)
    if relation is None or relation.kind != "p" or node.only:
        return False
    found, columns = branches(relation, facts), index_columns.names(statement, node)
    if found is None or columns is None or (found.has_foreign and node.unique):
        return False
    chosen = _choose(statement, node, facts, relation, found, columns)
    there = [chosen.there.get(leaf.qualified) if chosen is not None else None for leaf in found.leaves]
    return all(index is not None and index.valid for index in there)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The index of each table of the tree by the table: its name, and the one that is there, if any."""

    names: dict[Key, str] = field(default_factory=dict)
    there: dict[Key, Index] = field(default_factory=dict)
    leftovers: dict[Key, Index] = field(default_factory=dict)  # invalid, under the name that is to be given


def _choose(
    statement: Statement, node: CreateIndex, facts: Facts, root: Relation, found: Branches, columns: Sequence[str]
) -> Chosen | None:
    one = _chosen(statement, node, facts, root, found.all, columns)
    if found.other != found.all and one != _chosen(statement, node, facts, root, found.other, columns):
        return None
    return one


def _chosen(
    statement: Statement,
    node: CreateIndex,
    facts: Facts,
    root: Relation,
    members: Sequence[Relation],
    columns: Sequence[str],
) -> Chosen | None:
    chosen = Chosen()
    taken = {schema: set(names) for schema, names in facts.taken_relations.items()}
    for member in members:
        taken.setdefault(member.schema, set()).difference_update(i.name for i in _invalid(member))
    left = begun(statement, node, root)
    if left is not None:
        chosen.there[root.qualified] = left
        chosen.names[root.qualified] = left.name
    else:
        pool = taken.setdefault(root.schema, set())
        chosen.names[root.qualified] = node.name.name if node.name else _default(root, columns, pool)
        pool.add(chosen.names[root.qualified])
    for member in members:
        if member.kind == "f":
            continue
        above = (member.parents[0][0], chosen.names[member.parents[0]])
        index, certain = _match(statement, node, member, above)
        if not certain:
            return None
        if index is not None:
            chosen.there[member.qualified] = index
            chosen.names[member.qualified] = index.name
            continue
        pool = taken[member.schema]
        name = _default(member, columns, pool)
        pool.add(name)
        chosen.names[member.qualified] = name
        if (invalid := member.indexes.get(name)) is not None:
            chosen.leftovers[member.qualified] = invalid
    return chosen


def _default(relation: Relation, columns: Sequence[str], taken: set[str]) -> str:
    return choose_name(relation.name, join_columns(columns), "idx", taken)


def _invalid(member: Relation) -> list[Index]:
    """What interrupted builds have left on a partition, and nobody is building now."""
    if member.being_built or member.kind != "r":
        return []
    return [index for index in member.indexes.values() if not index.valid and index.above is None]


def begun(statement: Statement, node: CreateIndex, root: Relation) -> Index | None:
    """The index on the partitioned table that an interrupted run of the same statement has left without all its parts."""
    columns = index_columns.names(statement, node)
    for index in root.indexes.values():
        if node.name is not None:
            named = node.name.name == index.name
        else:  # not one that the author has made ON ONLY, by a name of their own
            named = columns is not None and is_default_name(index.name, _default(root, columns, set()))
        open_ = not (index.valid or index.waits) and index.above is None and index.constraint is None
        if named and open_ and same_index(statement, node, index.definition) and same_order(statement, node, index):
            return index
    return None


def _match(statement: Statement, node: CreateIndex, member: Relation, above: Key) -> tuple[Index | None, bool]:
    """The index of a partition that Postgres would take, the oldest, and whether that is certain."""
    certain = True
    for index in sorted(member.indexes.values(), key=lambda index: index.oid):
        if index.above == above:
            return index, True
        # One in parts may be unfinished: its parts are seen to, too.
        if index.above is not None or not (index.valid or index.partitioned):
            continue
        same = same_index(statement, node, index.definition)
        if same:
            return index, certain
        certain &= same is not None
    return None, certain


class _Parts:
    def __init__(
        self, statement: Statement, node: CreateIndex, root: Relation, found: Branches, chosen: Chosen
    ) -> None:
        self.statement = statement
        self.node = node
        self.root = root
        self.found = found
        self.chosen = chosen
        self.table = of(root)
        self.index = self.table.sibling(chosen.names[root.qualified])
        self.begun = root.qualified in chosen.there

    def steps(self, *, foreign: bool) -> tuple[Step, ...]:
        builds = [step for leaf in self.found.leaves for step in self._build(leaf)]
        if (
            foreign
        ):  # such a partition can have no part of the index, and parts make an index valid only if all have one
            return (*builds, self._adopt())
        heads = [
            self._head(self.root),
            *(self._head(m) for m in self.found.inner if m.qualified not in self.chosen.there),
        ]
        return (*heads, *builds, *self._attach())

    def _head(self, table: Relation) -> Step:
        """The index of a partitioned table without its parts: no row is read."""
        on, index = of(table), of(table).sibling(self.chosen.names[table.qualified])
        edits = self._edits(f"ONLY {on.sql}" if table is not self.root else None, index.name)
        return Step(
            (edit.apply(self.statement.sql, edits),),
            Lock.SHARE,
            "makes the index of the partitioned table, without its parts yet",
            relations=(on.key,),
            done=done.index_there(index),
            undo=(f"DROP INDEX IF EXISTS {index.sql}",),
            edits=edits,
        )

    def _edits(self, on: str | None, index: str) -> tuple[Edit, ...]:
        """The author's statement about another table; ``on`` None: about its own, alone."""
        node, start = self.node, self.statement.span.start
        table = Edit(node.relation.span.start - start, node.relation.span.end - start, on or "")
        if on is None:
            table = Edit(table.start, table.start, "ONLY ")
            at = node.keyword.end - start
            return (table,) if node.name else (Edit(at, at, f" {quote_identifier(index)}"), table)
        words = Edit(node.keyword.end - start, table.start, f" {quote_identifier(index)} ON ")
        return (words, table)

    def _build(self, leaf: Relation) -> list[Step]:
        if leaf.qualified in self.chosen.there:
            return []
        on = of(leaf)
        index = on.sibling(self.chosen.names[leaf.qualified])
        words, table = self._edits(on.sql, index.name)
        edits = (replace(words, text=f" CONCURRENTLY{words.text}"), table)
        sql = edit.apply(self.statement.sql, edits)
        step = build(
            index,
            on,
            sql,
            edits=edits,
            finished=index_built(index, on, self.statement, self.node, len(include_list(self.statement))),
        )
        return [drop_leftover(index, on), step] if leaf.qualified in self.chosen.leftovers else [step]

    def _attach(self) -> list[Step]:
        first, last = attach_order(self.root, self.found, self.chosen.there, self.chosen.names)
        dropped = () if self.begun else (f"DROP INDEX IF EXISTS {self.index.sql}",)
        steps = [attaching([self._pair(member)], dropped) for member in first]
        return [*steps, attaching([self._pair(member) for member in last], ())] if last else steps

    def _pair(self, member: Relation) -> tuple[Target, Target]:
        return self._index_of(member.parents[0]), self._index_of(member.qualified)

    def _index_of(self, table: Key) -> Target:
        name = self.chosen.names[table]
        return Target(qualify(table[0], name), table[0], name)

    def _adopt(self) -> Step:
        """The author's own statement, which finds an index on each partition and builds none."""
        tables = [self.root, *self.found.all]
        return Step(
            (self.statement.sql,),
            Lock.SHARE,
            "makes the index of the partitioned table of those of its partitions, and builds none",
            relations=tuple(sorted(table.qualified for table in tables)),
            done=done.index_valid(self.index),
            edits=(Edit(0, 0, ""),),
        )


def attach_order(
    root: Relation, found: Branches, there: Mapping[Key, Index], names: Mapping[Key, str]
) -> tuple[list[Relation], list[Relation]]:
    """Whose indexes are made parts one after the other, and whose all at once after those.

    Parts before wholes: else the last part, in making its own whole valid, locks the table above.  What was there
    before comes last: with the index of the whole table it would be dropped, if that were taken back.
    """
    depth = {root.qualified: 0}
    for member in found.all:
        depth[member.qualified] = depth[member.parents[0]] + 1
    first: list[Relation] = []
    last: list[Relation] = []
    for member in sorted(found.all, key=lambda m: -depth[m.qualified]):
        above = member.parents[0]
        own = there.get(member.qualified)
        if own is not None and own.above == (above[0], names[above]):
            continue
        of_another = above != root.qualified and above in there
        late = own is not None or of_another or any(member.qualified == other.parents[0] for other in last)
        (last if late else first).append(member)
    return first, last


def attaching(pairs: Sequence[tuple[Target, Target]], undo: Sequence[str]) -> Step:
    """Makes indexes parts of others; nothing but dropping the other takes that back."""
    one = len(pairs) == 1
    return Step(
        tuple(f"ALTER INDEX {above.sql} ATTACH PARTITION {part.sql}" for above, part in pairs),
        Lock.ACCESS_EXCLUSIVE,
        "makes the finished index part of that of the whole table"
        if one
        else "makes the indexes that were there parts of that of the whole table",
        relations=tuple(sorted(part.key for _, part in pairs)),
        done=done.both(*(done.attached(part, above) for above, part in pairs)),
        undo=tuple(undo),
    )


def of(relation: Relation) -> Target:
    return Target(qualify(*relation.qualified), *relation.qualified)


def _names_table(statement: Statement, node: CreateIndex, relation: Relation) -> bool:
    """Whether the table's own name stands in the definition, where a partition has another; or a ``*`` behind it."""
    try:
        tokens = lex(statement.text[node.relation.span.end : statement.span.end])
    except LexError:
        return True
    if tokens and tokens[0].value == "*":
        return True
    named = {node.relation.name, relation.name} - set(relation.columns)
    return any(
        token.kind in ("word", "quoted", "uquoted")
        and (token.value in named or (token.value == relation.name and dot.value == "."))
        for token, dot in zip(tokens, [*tokens[1:], tokens[-1]], strict=True)
    )
