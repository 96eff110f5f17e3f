"""The names that a statement gives and takes away, for the default names that are chosen behind it in the same text."""

from __future__ import annotations

from collections.abc import Iterable

from proxy.catalog.facts import Facts
from proxy.records import replace
from proxy.sql.statements import (
    AddColumn,
    AddConstraint,
    AlterTable,
    ColumnConstraint,
    CreateIndex,
    CreateTable,
    CreateTableAs,
    Name,
    Other,
    OtherAction,
    Statement,
    TableConstraint,
)


def named(statement: Statement, facts: Facts) -> Facts:
    """The facts with the names that the author's words give to relations and constraints; in whatever schema it is."""
    relations, constraints, freed = _names(statement)
    if not (relations or constraints or freed):
        return facts
    return replace(
        facts,
        taken_relations={schema: (taken - freed) | relations for schema, taken in facts.taken_relations.items()},
        taken_constraints={schema: (taken - freed) | constraints for schema, taken in facts.taken_constraints.items()},
    )


def relations_of(create: CreateTable | CreateTableAs) -> list[str]:
    """The names that the author gives to the new table, and to the indexes of its constraints."""
    if isinstance(create, CreateTableAs):
        return [create.relation.name]
    inside: list[TableConstraint | ColumnConstraint] = [*create.constraints]
    inside += [c for column in create.columns for c in column.constraints]
    return [create.relation.name, *sorted(_of_constraints(inside)[0])]


def _names(statement: Statement) -> tuple[set[str], set[str], set[str]]:
    """Of relations, which indexes are, and of constraints; and those that are free again."""
    match statement.node:
        case CreateIndex(name=Name() as name):
            return {name.name}, set(), set()
        case CreateTableAs(relation=name):
            return {name.name}, set(), set()
        case CreateTable(relation=name, columns=columns, constraints=constraints):
            inside: list[TableConstraint | ColumnConstraint] = [*constraints]
            inside += [c for column in columns for c in column.constraints]
            indexes, others = _of_constraints(inside)
            return indexes | {name.name}, indexes | others, set()
        case Other(kind="CREATE VIEW" | "CREATE SEQUENCE", relations=names):
            return {name.name for name in names}, set(), set()
        case AlterTable(relation=name, actions=(OtherAction(what="RENAME TO", name=str(new)),)):
            return {new}, set(), {name.name}
        case AlterTable(actions=(OtherAction(what="RENAME CONSTRAINT", name=str(old), to=str(new)),)):
            return set(), {new}, {old}
        case AlterTable(actions=actions):
            added: list[TableConstraint | ColumnConstraint] = []
            for action in actions:
                if isinstance(action, AddConstraint):
                    added.append(action.constraint)
                elif isinstance(action, AddColumn):
                    added += action.column.constraints
            indexes, others = _of_constraints(added)
            return indexes, indexes | others, set()
        case _:
            return set(), set(), set()


def _of_constraints(constraints: Iterable[TableConstraint | ColumnConstraint]) -> tuple[set[str], set[str]]:
    """The names of those that an index is built for, and of the others."""
    indexes: set[str] = set()
    others: set[str] = set()
    for c in constraints:
        has_index = c.kind.has_index if isinstance(c, TableConstraint) else c.kind in ("UNIQUE", "PRIMARY KEY")
        if c.name is not None:
            (indexes if has_index else others).add(c.name)
    return indexes, others


__all__ = ["named", "relations_of"]
