"""What a foreign key may point to only behind COMMIT, for what makes it unique waits."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Facts, Relation
from proxy.plans import referable
from proxy.session.gone import used, uses
from proxy.session.pending import Pending
from proxy.sql.statements import (
    AddColumn,
    AddConstraint,
    AlterTable,
    ColumnConstraint,
    CreateIndex,
    DropIndex,
    Name,
    Statement,
    TableConstraint,
)


def serves(one: Pending, name: Name, columns: Sequence[str], pending: Sequence[Pending], facts: Facts) -> bool:
    """Whether a foreign key can only be added when what waits is there."""
    parent = facts.find(name)
    if not is_about(one, parent, name) or one.statement is None or _goes_again(one, pending):
        return False
    now = referable.there(parent) if parent is not None else ()
    return referable.serves(keys_of(one.statement, pending, parent), columns) and not referable.serves(now, columns)


def keys_of(maker: Statement, pending: Sequence[Pending], parent: Relation | None) -> list[referable.Key]:
    """What a foreign key may point to by that statement, about the table ``parent``."""
    return [
        (columns if columns is not None else _of_index(maker, pending, parent), primary)
        for columns, primary in referable.made(maker)
    ]


def _of_index(maker: Statement, pending: Sequence[Pending], parent: Relation | None) -> frozenset[str] | None:
    """The columns of the index that a statement makes a constraint of."""
    columns: Sequence[str | None] = ()
    if (waiting := used(maker, pending)) is not None:
        columns = waiting.node.columns if isinstance(waiting.node, CreateIndex) else ()
    elif parent is not None and (names := uses(maker)) and (index := parent.indexes.get(names[0])) is not None:
        columns = index.columns
    return frozenset(c for c in columns if c is not None) if columns and None not in columns else None


def _goes_again(one: Pending, pending: Sequence[Pending]) -> bool:
    """Whether a DROP INDEX that waits behind it drops, beside others, what it makes."""
    behind = False
    for other in pending:
        node = other.statement.node if other.statement is not None else None
        in_its_schema = not (one.schemas and other.schemas) or not one.schemas.isdisjoint(other.schemas)
        if behind and isinstance(node, DropIndex) and in_its_schema and not one.made.isdisjoint(other.drops):
            return True
        behind = behind or other is one
    return False


def is_about(one: Pending, relation: Relation | None, name: Name) -> bool:
    """Whether what waits is about that table; ``name`` is what a statement calls it."""
    return relation.oid in one.tables if relation is not None and one.tables else name.name in one.words


def needs_at_once(action: object, pending: Sequence[Pending], facts: Facts) -> tuple[str, str] | None:
    """Whether a column that must be there at once has a foreign key to what will be unique only then."""
    if not isinstance(action, AddColumn):
        return None
    for c in action.column.constraints:
        for one in pending if c.references is not None else ():
            assert c.references is not None
            if serves(one, c.references, c.referenced_columns, pending, facts):
                return one.name, one.sql
    return None


def loses_key(action: object, pending: Sequence[Pending], facts: Facts) -> tuple[str, str] | None:
    """Whether a foreign key leans on an index that will be gone."""
    match action:
        case AddConstraint(constraint=constraint):
            keys: tuple[TableConstraint | ColumnConstraint, ...] = (constraint,)
        case AddColumn(column=column):
            keys = column.constraints
        case _:
            return None
    for c in keys:
        parent = facts.find(c.references) if c.references is not None and c.referenced_columns else None
        if parent is None or referable.serves(referable.there(parent), c.referenced_columns):
            continue
        for one in pending:
            dropping = one.statement is not None and isinstance(one.statement.node, DropIndex)
            if dropping and parent.indexes and parent.oid in one.tables:
                return min(one.drops, default=one.name), one.sql
    return None


def keys_to(parent: Name, statement: Statement, facts: Facts, pending: Sequence[Pending]) -> list[referable.Key]:
    """What a foreign key to that table may point to only then, by what waits and by the statement itself."""
    relation = facts.find(parent)
    node = statement.node
    makers = [
        one.statement
        for one in pending
        if one.statement is not None and is_about(one, relation, parent) and not _goes_again(one, pending)
    ]
    if isinstance(node, AlterTable) and (node.relation.parts == parent.parts or facts.find(node.relation) == relation):
        makers.append(statement)
    return [key for maker in makers for key in keys_of(maker, pending, relation)]


__all__ = ["is_about", "keys_to", "loses_key", "needs_at_once", "serves"]
