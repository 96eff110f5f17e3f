"""What a foreign key may point to: the columns of a whole, plain, immediate unique index.

Source: transformFkeyCheckAttrs and transformFkeyGetPrimaryKey (commands/tablecmds.c).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from proxy.catalog.facts import Relation
from proxy.sql.statements import AddColumn, AddConstraint, AlterTable, ConstraintKind, CreateIndex, Statement

Key = tuple[frozenset[str] | None, bool]
"""Its columns, None if they are not known; and whether it is the primary key."""


def made(statement: Statement) -> Iterator[Key]:
    """The keys that a statement makes."""
    match statement.node:
        case CreateIndex(unique=True, columns=columns, where=None) if None not in columns:
            yield frozenset(column for column in columns if column is not None), False
        case AlterTable(actions=actions):
            for action in actions:
                match action:
                    case AddConstraint(constraint=c) if c.kind in (ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY):
                        words = c.deferrable.of(statement.text).lower().split() if c.deferrable else []
                        if "not" in words or not words or words == ["initially", "immediate"]:
                            known = None if c.using_index is not None else frozenset(c.columns)
                            yield known, c.kind is ConstraintKind.PRIMARY_KEY
                    case AddColumn(column=column):
                        for kind in ("UNIQUE", "PRIMARY KEY"):
                            if column.constraint(kind) is not None:
                                yield frozenset({column.name}), kind == "PRIMARY KEY"
                    case _:
                        pass
        case _:
            pass


def there(relation: Relation) -> Iterator[Key]:
    """The keys that a table has."""
    primary = {c.index for c in relation.constraints.values() if c.kind == "p"}
    for index in relation.indexes.values():
        if index.unique and index.valid and index.immediate and not index.derived:
            yield frozenset(index.columns), index.name in primary


def serves(keys: Iterable[Key], columns: Sequence[str]) -> bool:
    """Whether one of them is what a foreign key to these columns points to; no columns: to the primary key."""
    if not columns:
        return any(primary for _, primary in keys)
    return any(known is None or known == frozenset(columns) for known, _ in keys)


__all__ = ["Key", "made", "serves", "there"]
