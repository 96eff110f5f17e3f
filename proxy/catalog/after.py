"""What is still known of the relations once earlier statements of the same text have run: the facts were asked before.

Nobody knows whether an earlier statement will run at all (it may stand in an IF).  So it counts only as far as it
makes things harsher: a column that it adds is there, a proof that it may take away is none, and a table that it
drops is still taken for as large as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from proxy.catalog.facts import Column, Constraint, Facts, Referring, Relation
from proxy.catalog.naming import named
from proxy.records import replace
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    AttachPartition,
    ConstraintKind,
    CreateTable,
    CreateTableAs,
    DetachPartition,
    Drop,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropNotNull,
    Name,
    Other,
    OtherAction,
    SetVariable,
    Statement,
    Transaction,
)

KINDS = {
    ConstraintKind.CHECK: "c",
    ConstraintKind.FOREIGN_KEY: "f",
    ConstraintKind.UNIQUE: "u",
    ConstraintKind.PRIMARY_KEY: "p",
    ConstraintKind.EXCLUDE: "x",
    ConstraintKind.NOT_NULL: "n",
}  # pg_constraint.contype
MOVES = frozenset({"RENAME TO", "SET SCHEMA"})
PATHS = frozenset({"search_path", "role", "session_authorization", None})  # "$user" may be in it; RESET ALL sets all


def inside(statement: Statement, facts: Facts) -> Iterator[tuple[Statement, Facts]]:
    """Each statement that ``statement`` runs, with the facts for it.

    Precondition: ``facts`` were asked for ``statement``, and so for what is in it.
    """
    for one in statement.inner:
        facts = facts if facts.in_transaction else replace(facts, in_transaction=True)
        yield one, facts
        facts = after(one, facts)


def after(statement: Statement, facts: Facts) -> Facts:
    """The facts for what follows ``statement`` in the same text."""
    return named(statement, _after(statement, facts))


def _after(statement: Statement, facts: Facts) -> Facts:
    for one in statement.inner:
        left = after(one, facts)
        # Names stay taken: a name that is not free after all would fail.
        facts = replace(left, taken_relations=facts.taken_relations, taken_constraints=facts.taken_constraints)
    match statement.node:
        case CreateTable(relation=name, if_not_exists=lenient) | CreateTableAs(relation=name, if_not_exists=lenient):
            known = facts.find(name)
            missing = not known.exists if known is not None else not facts.live and not lenient
            if isinstance(statement.node, CreateTable) and (root := statement.node.partition_of) is not None:
                facts = _regrown(facts, {root.name})
            return facts.with_new(name) if missing else facts
        case SetVariable(name=name) if name in PATHS:
            return replace(_keeping(facts, lambda parts, known: len(parts) > 1), path=())
        case DropIndex(names=names):
            for known in facts.relations.values():
                facts = _free(facts, known.schema, {name.name for name in names} & known.indexes.keys())
            return _without_indexes(facts, names)
        case Drop(object_type="TABLE", names=names):
            for known in filter(None, map(facts.find, names)):
                facts = _free(facts, known.schema, {*known.indexes, *known.constraints})
            return _regrown(facts, {name.name for name in names})
        case AlterTable() as node:
            return _altered(node, facts)
        case Transaction():  # COMMIT in a body: what was new is there for everybody, and nobody knows how large
            return _shared(facts)
        case Other(kind="ALTER SCHEMA"):
            return _keeping(facts, lambda parts, known: known.exists)
        case _:
            return facts


def _altered(node: AlterTable, facts: Facts) -> Facts:
    moves = [action for action in node.actions if isinstance(action, OtherAction) and action.what in MOVES]
    if moves:
        # Under a name that was nobody's there may be anything now; SET SCHEMA takes indexes and sequences along.
        names = {action.name if action.what == "RENAME TO" else None for action in moves}
        facts = _regrown(facts, {node.relation.name})
        facts = _keeping(facts, lambda parts, known: known.exists or names.isdisjoint({parts[-1], None}))
        return _without_indexes(facts, (node.relation,)) if node.object_type in ("INDEX", "TABLE") else facts
    facts = _pointed_at(node, facts)
    known = facts.find(node.relation)
    if any(isinstance(action, AttachPartition | DetachPartition) for action in node.actions):
        return _regrown(facts, {node.relation.name})
    if known is None or not known.exists:
        return facts
    changed = known
    for action in node.actions:
        changed = _changed(changed, action)
    relations = {parts: changed if one is known else one for parts, one in facts.relations.items()}
    gone = {name for action in node.actions for name in _dropped(known, action)}
    return _free(replace(facts, relations=relations), known.schema, gone)


def _pointed_at(node: AlterTable, facts: Facts) -> Facts:
    """With its foreign keys known to the tables that they point to, where those are; their definitions are not."""
    for action in node.actions:
        if not isinstance(action, AddConstraint) or action.constraint.references is None:
            continue
        key, child, parent = action.constraint, facts.find(node.relation), facts.find(action.constraint.references)
        if key.name is None or parent is None or not parent.exists:
            continue
        table = child.qualified if child is not None else (node.relation.schema or "", node.relation.name)
        primary = (c.columns for c in parent.constraints.values() if c.kind == "p")
        one = Referring(table, key.referenced_columns or next(primary, ()), key.name, validated=False)
        pointed = replace(parent, referring=(*parent.referring, one))
        relations = {parts: pointed if known is parent else known for parts, known in facts.relations.items()}
        facts = replace(facts, relations=relations)
    return facts


def _dropped(relation: Relation, action: Action) -> set[str]:
    """The names of constraints and indexes that go with what an action drops."""
    match action:
        case DropConstraint(name=str(name)) if name in relation.constraints:
            return {name}
        case DropNotNull(column=column):
            return {name for name, c in relation.constraints.items() if c.kind == "n" and column in c.columns}
        case DropColumn(column=column):
            constraints = {name for name, c in relation.constraints.items() if column in c.columns}
            return constraints | {name for name, i in relation.indexes.items() if column in (*i.columns, *i.mentions)}
        case _:
            return set()


def _free(facts: Facts, schema: str, names: set[str]) -> Facts:
    """Default names that are chosen for what follows may be these again."""
    if not names:
        return facts
    return replace(
        facts,
        taken_relations={s: taken - names if s == schema else taken for s, taken in facts.taken_relations.items()},
        taken_constraints={s: taken - names if s == schema else taken for s, taken in facts.taken_constraints.items()},
    )


def _changed(relation: Relation, action: Action) -> Relation:
    columns = dict(relation.columns)
    constraints = dict(relation.constraints)
    match action:
        case AddColumn(column=added):
            columns.setdefault(added.name, Column(added.name, added.type.name, not_null=False))
        case DropNotNull(column=name) | DropColumn(column=name) if name in columns:
            columns[name] = replace(columns[name], not_null=False)
            constraints = {key: c for key, c in constraints.items() if name not in c.columns}
        case AlterColumnType(column=name, type=type_) if name in columns:
            columns[name] = replace(columns[name], type=type_.name)
        case OtherAction(what="RENAME COLUMN", column=str(old), name=str(new)) if old in columns:
            columns[new] = replace(columns[old], name=new, not_null=False)
        case AddConstraint(constraint=added) if added.name is not None:
            unproven = Constraint(
                added.name, KINDS[added.kind], False, added.columns, "", enforced=not added.not_enforced
            )
            constraints.setdefault(added.name, unproven)
        case DropConstraint(name=name) | OtherAction(what="RENAME CONSTRAINT", name=name):
            gone = constraints.pop(name, None) if name is not None else None
            for column in gone.columns if gone is not None and gone.kind == "n" else ():
                columns[column] = replace(columns[column], not_null=False)
    return replace(relation, columns=columns, constraints=constraints)


def _keeping(facts: Facts, keep: Callable[[tuple[str, ...], Relation], bool]) -> Facts:
    """Nothing is known any more of the other relations."""
    return replace(facts, relations={parts: known for parts, known in facts.relations.items() if keep(parts, known)})


def _regrown(facts: Facts, names: set[str]) -> Facts:
    """Of the partitioned tables that have one of these names, or a partition by one of them, nobody knows all partitions any more."""
    trees = {one.qualified for one in facts.relations.values() if one.name in names}
    while above := {p for one in facts.relations.values() if one.qualified in trees for p in one.parents} - trees:
        trees |= above

    def regrown(one: Relation) -> Relation:
        return replace(one, partitions=-1, has_children=True) if one.kind == "p" and one.qualified in trees else one

    return replace(facts, relations={parts: regrown(one) for parts, one in facts.relations.items()})


def _shared(facts: Facts) -> Facts:
    def shared(known: Relation) -> Relation:
        return replace(known, is_new=False, size_bytes=None, rows=None) if known.is_new else known

    return replace(facts, relations={parts: shared(known) for parts, known in facts.relations.items()})


def _without_indexes(facts: Facts, names: tuple[Name, ...]) -> Facts:
    """Indexes of these names do not stand in the way of new ones."""
    gone = {name.name for name in names}

    def bereft(known: Relation) -> Relation:
        return replace(known, indexes={key: index for key, index in known.indexes.items() if key not in gone})

    relations = {p: bereft(known) for p, known in facts.relations.items() if known.index is None or p[-1] not in gone}
    return replace(facts, relations=relations)
