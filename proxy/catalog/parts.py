"""What a table lacks to be a partition of another, of the things that Postgres then makes for it, or refuses it for.

Source: ATExecAttachPartition, AttachPartitionEnsureIndexes, CloneFkReferencing, MergeAttributesIntoExisting,
MergeConstraintsIntoExisting (commands/tablecmds.c).
"""

from __future__ import annotations

from proxy.catalog.facts import Column, Constraint, Index, Relation


def missing_indexes(table: Relation, partition: Relation) -> list[Index]:
    """Indexes of a partitioned table, the oldest first, of which the partition has no like that could be made part."""
    free = sorted(partition.indexes.values(), key=lambda index: index.oid)
    lacking: list[Index] = []
    for index in sorted(table.indexes.values(), key=lambda index: index.oid):
        kind = _kind(table, index)
        same = (i for i in free if i.shape and i.shape == index.shape and i.valid and i.above is None)
        match = next((i for i in same if kind is None or _kind(partition, i) == kind), None)
        if match is None:
            lacking.append(index)
        else:
            free.remove(match)
    return lacking


def _kind(table: Relation, index: Index) -> str | None:
    """The kind of the constraint that an index backs."""
    return next((c.kind for c in table.constraints.values() if c.index == index.name), None)


def keys(table: Relation) -> list[Constraint]:
    """Its foreign keys, each once, also where what it points to is partitioned."""
    return [c for c in table.constraints.values() if c.kind == "f" and c.references is not None and not c.beside]


def missing_keys(table: Relation, partition: Relation) -> list[Constraint]:
    """Foreign keys of a partitioned table that the partition has not, or not validated, in the same words."""
    own = {c.definition for c in keys(partition) if c.validated}
    return [c for c in keys(table) if c.validated and c.enforced and c.definition not in own]


def fits(table: Relation, partition: Relation) -> bool:
    """False if Postgres is certain to refuse it as a partition before it reads a row."""
    if partition.is_partition or not table.columns or not partition.columns:
        return not partition.is_partition
    if set(table.columns) != set(partition.columns):
        return False
    if not all(_alike(column, partition.columns[name]) for name, column in table.columns.items()):
        return False
    checks = [c for c in table.constraints.values() if c.kind == "c" and not c.definition.endswith(" NO INHERIT")]
    return all((c := partition.constraints.get(check.name)) is not None and c.kind == "c" for check in checks)


def _alike(wanted: Column, there: Column) -> bool:
    one = (wanted.type_oid, wanted.type, wanted.collation, wanted.generated)
    other = (there.type_oid, there.type, there.collation, there.generated)
    return one == other and (there.not_null or not wanted.not_null)
