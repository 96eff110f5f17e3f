"""What would pull the ground from under what waits for COMMIT: a column or a name of its own, or a key that it is about."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Facts, Relation
from proxy.plans.on_copy import INDEXED
from proxy.plans.staged_not_null import helper_name
from proxy.session.pending import Pending, words
from proxy.sql.statements import (
    AddConstraint,
    AlterColumnType,
    AlterTable,
    AttachPartition,
    ConstraintKind,
    CreateIndex,
    CreateTable,
    DetachPartition,
    Drop,
    DropColumn,
    DropConstraint,
    DropDefault,
    DropIndex,
    DropNotNull,
    Name,
    Other,
    OtherAction,
    SetDefault,
    SetNotNull,
    Statement,
    TableConstraint,
)

DEPENDS = 15  # before, a generated column went with what it is computed from, and no CASCADE was needed


def undermines(
    action: object, here: Sequence[Pending], relation: Relation | None, major: int
) -> tuple[str, str] | None:
    """Whether what waits would not find its column, or its table, under the name that it knows."""
    match action:
        case DropColumn(column=column, cascade=cascade):
            constraints = relation.constraints.values() if relation is not None else ()
            going = {c.name for c in constraints if column in c.columns}
            if (one := next((one for one in here if one.made & going), None)) is not None:
                return one.name or column, one.sql
            if relation is not None and (cascade or major < DEPENDS):  # those that may be computed from it go, too
                computed = {c.name for c in relation.columns.values() if c.generated}
                if (one := next((one for one in here if not computed.isdisjoint(one.words)), None)) is not None:
                    return one.name or column, one.sql
        case AlterColumnType(column=column, using=None):
            # What was not NULL stays so under another type; an index may not know that type, or find duplicates.
            # Of a migration before that is rare, and told when it is done.
            here = [one for one in here if column in one.later_words and not one.is_not_null and not one.left]
        case AlterColumnType(column=column) | OtherAction(what="RENAME COLUMN", column=str(column)):
            here = [one for one in here if column in one.later_words]
        case OtherAction(what="SET SCHEMA"):  # indexes go along
            return next(((one.name, one.sql) for one in here), None)
        case OtherAction(what="RENAME TO") | DetachPartition():
            return next(((one.name, one.sql) for one in here if not one.drops), None)
        case OtherAction(what="INHERIT" | "NO INHERIT", relation=Name(name=above)):
            # What is done to the table above reaches its heirs; an index does not.
            return next(((one.name, one.sql) for one in here if one.table == above and _is_inherited(one)), None)
        case AddConstraint(constraint=c) if relation is not None and relation.kind == "p" and c.kind in INDEXED:
            # Postgres would make its index a part of the new one instead of building another.
            below = (
                one for one in here if one.is_below(relation) and (one.makes_primary_key or c.columns in one.indexed)
            )
            return next(((one.name, one.sql) for one in below), None)
        case AddConstraint(constraint=TableConstraint(name=str(name))):  # of a name that is free only then
            if (base := next((p for p in here if p.is_above(relation) and _is_inherited(p)), None)) is not None:
                return name, base.sql  # Postgres does not merge it with a NOT VALID one of the table above
            renames = (one for one in here if one.renamed is not None and one.renamed[0] == name)
            return next(((name, one.sql) for one in renames if not one.is_plain_index), None)
        case AttachPartition():
            return next(((one.name, one.sql) for one in here if one.makes_whole), None)
        case SetNotNull(column=column):
            # Our passing CHECK of a partition would become part of that of the whole table, and could not be dropped.
            here = [p for p in here if relation and relation.oid not in p.tables and helper_name(column) in p.marks]
        case DropNotNull(column=column):
            here = [one for one in here if proves(one, column)]
        case SetDefault(column=column) | DropDefault(column=column):
            here = [one for one in here if column in one.fills and one.fills[column].by_default]
        case OtherAction(what="ADD GENERATED" | "SET IDENTITY" | "DROP IDENTITY", column=str(column)):
            here = [one for one in here if column in one.fills]
        case _:
            return None
    for one in here:
        if column in one.words:
            return one.name or column, one.sql
    return None


def _is_inherited(one: Pending) -> bool:
    """Whether what waits is about the tables below, too."""
    node = one.statement.node if one.statement is not None else None
    actions = node.actions if isinstance(node, AlterTable) else ()
    alone = bool(actions) and all(isinstance(a, AddConstraint) and a.constraint.no_inherit for a in actions)
    return not one.is_plain_index and not alone


def proves(one: Pending, column: str) -> bool:
    """Whether what waits ends in that column being NOT NULL."""
    node = one.statement.node if one.statement is not None else None
    actions = node.actions if isinstance(node, AlterTable) else ()
    if column in one.fills and one.fills[column].not_null:
        return True
    return any(
        (isinstance(a, SetNotNull) and a.column == column)
        or (
            isinstance(a, AddConstraint)
            and a.constraint.kind is ConstraintKind.PRIMARY_KEY
            and column in (a.constraint.columns or (column,))  # of USING INDEX they are not told
        )
        for a in actions
    )


def drops_key(action: object, pending: Sequence[Pending], relation: Relation | None) -> tuple[str, str] | None:
    """Whether a foreign key to that table that waits would be taken along by CASCADE, or not find what it points to.

    Keys that are there are in the facts; one that is only tried so far is not.
    """
    cascade = getattr(action, "cascade", False)
    match action:
        case DropColumn(column=column) if relation is not None:
            going = {index.name for index in relation.indexes.values() if index.unique and column in index.columns}
        case DropConstraint(name=name) if relation is not None:
            going = {name} & relation.indexes.keys()
        case OtherAction(what="RENAME TO" | "SET SCHEMA") if relation is not None:
            going = {relation.name}
        case _:
            return None
    for one in pending if going else ():
        if _points_to(relation, one, cascade):
            return one.name or relation.name, one.sql
    return None


def _points_to(relation: Relation, one: Pending, cascade: bool) -> bool:
    """Whether what waits would miss a foreign key to that table, or what the key points to."""
    keys = {key.name for key in relation.referring if key.table[1] in one.words} if cascade else set()
    return (relation.name in one.referenced and (cascade or one.will_refer)) or not keys.isdisjoint(one.made)


def loses_table(drop: Drop, pending: Sequence[Pending], facts: Facts) -> tuple[str, str] | None:
    """Whether a table goes that foreign keys which wait, or wait to be validated, point to."""
    found = (relation for name in drop.names if (relation := facts.find(name)) is not None and relation.exists)
    for relation in found:
        for one in pending:
            if _points_to(relation, one, drop.cascade):
                return one.name or relation.name, one.sql
    return None


def loses_partition(names: Sequence[Name], pending: Sequence[Pending], facts: Facts) -> tuple[str, str] | None:
    """Whether a partition of these goes that what waits for a table above would look for."""
    found = [relation for name in names if (relation := facts.find(name)) is not None and relation.exists]
    going = {relation.oid for relation in found}
    for one in pending:
        if not going.issuperset(one.tables) and any(
            r.is_partition and (r.qualified in one.touched or one.is_above(r)) for r in found
        ):
            return one.name, one.sql
    return None


def misses_part(create: CreateTable, pending: Sequence[Pending], facts: Facts) -> tuple[str, str] | None:
    """Whether a new partition would not get its part of a key that waits."""
    root = facts.find(create.partition_of) if create.partition_of is not None else None
    if root is None:
        return None
    wholes = (one for one in pending if one.makes_whole and (root.oid in one.tables or one.is_above(root)))
    return next(((one.name, one.sql) for one in wholes), None)


def copies(statement: Statement, create: CreateTable, pending: Sequence[Pending]) -> tuple[str, str] | None:
    """Whether a table is made LIKE one of which something waits: it would get our passing objects, or not what waits."""
    named = words(
        statement.text[create.relation.span.end : statement.span.end]
    )  # the new one may have the same name, in another schema
    if "like" not in named:
        return None
    for one in pending:
        lacks = one.added or one.indexes or one.drops or one.marks
        if one.table in named and (("including" in named and lacks) or _makes_not_null(one)):
            return one.name or one.table, one.sql
    return None


def _makes_not_null(one: Pending) -> bool:
    node = one.statement.node if one.statement is not None else None
    actions = node.actions if isinstance(node, AlterTable) else ()
    return (
        one.makes_primary_key
        or any(isinstance(a, SetNotNull) for a in actions)
        or any(f.not_null for f in one.fills.values())
    )


def drops_part(drop: DropIndex, pending: Sequence[Pending], facts: Facts) -> tuple[str, str] | None:
    """Whether an index of a partition goes with that of the whole table, and is to be built anew."""
    found = [relation.index for name in drop.names if (relation := facts.find(name)) is not None]
    tables = {index.table_oid for index in found if index is not None and index.partitioned}
    below = {oid for one in facts.relations.values() if one.oid in tables for oid in one.below}
    reindexes = (one for one in pending if one.statement is not None and one.statement.node.kind == "REINDEX")
    return next(((one.name, one.sql) for one in reindexes if not below.isdisjoint(one.tables)), None)


def refreshes_by(refresh: Other, pending: Sequence[Pending], facts: Facts) -> tuple[str, str] | None:
    """The unique index without which a materialized view is not refreshed beside its readers."""
    view = facts.find(refresh.relations[0]) if refresh.relations else None
    if view is None or any(index.unique and index.valid for index in view.indexes.values()):
        return None
    for one in pending:
        node = one.statement.node if one.statement is not None else None
        if isinstance(node, CreateIndex) and node.unique and view.oid in one.tables:
            return one.name, one.sql
    return None


def would_adopt(create: CreateIndex, pending: Sequence[Pending], facts: Facts) -> tuple[str, str] | None:
    """An index of a partition that waits, and that Postgres would make a part of the new one instead of building another."""
    root = facts.find(create.relation)
    if root is None or root.kind != "p" or create.only:
        return None
    below = (one for one in pending if one.is_below(root) and create.columns in one.indexed)
    return next(((one.name, one.sql) for one in below), None)


__all__ = [
    "copies",
    "drops_key",
    "drops_part",
    "loses_partition",
    "loses_table",
    "misses_part",
    "proves",
    "refreshes_by",
    "undermines",
    "would_adopt",
]
