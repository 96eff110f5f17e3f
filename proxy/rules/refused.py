"""ALTER TABLEs that Postgres is sure to refuse, before it reads a row: run as written, they get its own error at once."""

from __future__ import annotations

from proxy.catalog.facts import Relation
from proxy.plans.inline import named
from proxy.plans.mark import any_resumed
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    ConstraintKind,
    DropColumn,
    DropConstraint,
    DropDefault,
    DropNotNull,
    SetDefault,
    SetNotNull,
    Statement,
)


def refused(statement: Statement, relation: Relation | None, major: int) -> bool:
    """Whether one of the actions of an ALTER TABLE is certain to fail.  Errs towards False."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    if relation is None or not relation.columns:
        return False
    if any_resumed(statement, relation):
        return False  # an interrupted run of it has done a part
    added = [a.constraint for a in alter.actions if isinstance(a, AddConstraint)]
    names = [c.name for c in added if c.name]
    columns = [a.column for a in alter.actions if isinstance(a, AddColumn) and not a.if_not_exists]
    inline = [name for column in columns for name, _ in named(column, major)]
    names += inline
    if len(set(names)) < len(names) or sum(c.kind is ConstraintKind.PRIMARY_KEY for c in added) > 1:
        return True
    made = {a.column.name for a in alter.actions if isinstance(a, AddColumn)}
    gone = {a.column for a in alter.actions if isinstance(a, DropColumn)}
    freed = {a.name for a in alter.actions if isinstance(a, DropConstraint)}
    if any(_is_taken(name, relation, gone, begun=name not in inline) for name in names if name not in freed):
        return True
    return any(_fails(action, relation, made, gone) for action in alter.actions)


def _is_taken(name: str, relation: Relation, gone: set[str], *, begun: bool) -> bool:
    """``begun``: one that is NOT VALID, or whose index is, may be what an interrupted run of this very ALTER left behind."""
    found = relation.constraints.get(name)
    if found is None or not gone.isdisjoint(found.columns):
        return False
    index = relation.indexes.get(found.index or "")
    return not begun or (found.validated and (index is None or index.valid))


def _fails(action: Action, relation: Relation, made: set[str], gone: set[str]) -> bool:
    match action:
        case DropConstraint(if_exists=False, name=name):
            return name not in relation.constraints
        case AddColumn(if_not_exists=False, column=column):
            return relation.is_partition or (column.name in relation.columns and column.name not in gone)
        case DropColumn(if_exists=False, column=column):
            return column not in relation.columns
        case SetNotNull(column=column) | SetDefault(column=column):
            return column not in relation.columns and column not in made
        case DropNotNull(column=column) | DropDefault(column=column) | AlterColumnType(column=column):
            return column not in relation.columns  # they come before columns are added
        case _:
            return False
