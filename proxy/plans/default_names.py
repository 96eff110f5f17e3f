"""The names that Postgres would give to the unnamed constraints of an ALTER TABLE.

VALIDATE needs a name, and the author's later DROP CONSTRAINT needs the one that Postgres would have chosen.
Source: ChooseConstraintName (catalog/pg_constraint.c), ChooseIndexName (commands/indexcmds.c),
AddRelationNewConstraints (catalog/heap.c).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from proxy.catalog.facts import Facts, Relation
from proxy.plans import reading
from proxy.plans.build_index import distinct
from proxy.plans.leftover import is_leftover
from proxy.plans.mark import any_resumed
from proxy.records import replace
from proxy.sql import lexer
from proxy.sql.names import constraint_name
from proxy.sql.statements import (
    AddColumn,
    AddConstraint,
    AlterTable,
    ColumnDefinition,
    ConstraintKind,
    DropColumn,
    DropConstraint,
    DropNotNull,
    SetNotNull,
    Span,
    Statement,
    TableConstraint,
)

LABELS = {
    ConstraintKind.CHECK: "check",
    ConstraintKind.FOREIGN_KEY: "fkey",
    ConstraintKind.UNIQUE: "key",
    ConstraintKind.PRIMARY_KEY: "pkey",
    ConstraintKind.EXCLUDE: "excl",
    ConstraintKind.NOT_NULL: "not_null",
}


def name_of(action: AddConstraint | SetNotNull, statement: Statement, facts: Facts) -> str | None:
    """The name that ``action``'s constraint will have; None if it cannot be known.

    Actions are named in the order in which they are written, behind what stands inside new columns.  What an
    interrupted run of the same ALTER left behind is taken up again, so its names count as free.
    """
    alter = statement.node
    assert isinstance(alter, AlterTable)
    relation = facts.find(alter.relation)
    # An index needs a name that no relation has either; other constraints care for constraints only.
    schema = relation.schema if relation else ""
    taken = set(facts.taken(schema) if _indexed(action) else facts.taken_constraints.get(schema, ()))
    taken -= _left_behind(statement, alter, facts) | freed(alter, relation)
    table = table_name(alter, relation)
    columns: Collection[str] | None = relation.columns if relation else None
    if columns is not None and (new := [a.column for a in alter.actions if isinstance(a, AddColumn)]):
        new = [column for column in new if column.name not in columns]
        columns = {*columns, *(column.name for column in new)}
        for column in new:
            _name_inline(column, statement, table, columns, taken)
    for other in alter.actions:
        if not isinstance(other, AddConstraint | SetNotNull):
            continue
        name = _name(other, statement, table, columns, taken)
        if other is action:
            return name
        if name is not None:
            taken.add(name)
    return None


def spelt_out(statement: Statement, facts: Facts) -> Statement:
    """A statement that adds constraints NOT VALID without a name, with those that the server will give them, as far as they are known."""
    alter = statement.node
    if not isinstance(alter, AlterTable):
        return statement
    actions = tuple(
        replace(a, constraint=replace(a.constraint, name=name_of(a, statement, facts)))
        if isinstance(a, AddConstraint) and a.constraint.name is None and a.constraint.not_valid is not None
        else a
        for a in alter.actions
    )
    return statement if actions == alter.actions else replace(statement, node=replace(alter, actions=actions))


def base_name(
    action: AddConstraint | SetNotNull, statement: Statement, table: str, columns: Collection[str] | None
) -> str | None:
    """The name that its constraint would have if no name were taken; None if that cannot be known."""
    return _name(action, statement, table, columns, set())


def table_name(alter: AlterTable, relation: Relation | None) -> str:
    return relation.name if relation and relation.exists else alter.relation.name


def _indexed(action: AddConstraint | SetNotNull) -> bool:
    return isinstance(action, AddConstraint) and action.constraint.kind.has_index


def freed(alter: AlterTable, relation: Relation | None) -> set[str]:
    """Names of constraints that the ALTER itself drops: Postgres drops before it adds."""
    names: set[str] = set()
    for action in alter.actions:
        match action:
            case DropConstraint(name=name):
                names.add(name)
            case DropNotNull(column=column) if relation:
                names |= {c.name for c in relation.constraints.values() if c.kind == "n" and c.columns == (column,)}
            case DropColumn(column=column) if relation:
                names |= {c.name for c in relation.constraints.values() if column in c.columns}
            case _:
                pass
    return names


def _left_behind(statement: Statement, alter: AlterTable, facts: Facts) -> set[str]:
    """Names of invalid indexes, which are dropped, and of NOT VALID constraints that are this ALTER's own."""
    relation = facts.find(alter.relation)
    if relation is None:
        return set()
    adds = [a.constraint for a in alter.actions if isinstance(a, AddConstraint)]
    resumed = any_resumed(statement, relation)
    names = {
        found.name
        for found in relation.constraints.values()
        if (resumed or not found.validated)
        and any(is_leftover(statement, constraint, found, facts, validated=resumed) for constraint in adds)
    }
    if not relation.being_built:
        names |= {index.name for index in relation.indexes.values() if not (index.valid or index.waits)}
    return names


def _name(
    action: AddConstraint | SetNotNull,
    statement: Statement,
    table: str,
    known: Collection[str] | None,
    taken: set[str],
) -> str | None:
    """``known``: the table's columns; where there is none, nothing is known of them."""
    if isinstance(action, SetNotNull):
        return constraint_name(table, [action.column], "not_null", taken)
    c = action.constraint
    if c.name is not None:
        return c.name
    if (columns := _columns(c, statement, table, known or None)) is None:
        return None
    return constraint_name(table, columns, LABELS[c.kind], taken)


def _name_inline(
    column: ColumnDefinition, statement: Statement, table: str, known: Collection[str], taken: set[str]
) -> None:
    """Take the names of the constraints that stand inside a new column; that of a NOT NULL no other constraint wants."""
    for c in column.constraints:
        match c.kind:
            case _ if c.name is not None:
                taken.add(c.name)
            case "CHECK" if c.expression is not None:
                read = _checked(c.expression, statement, table, known)
                if read is not None:
                    taken.add(constraint_name(table, read, "check", taken))
            case "REFERENCES" | "UNIQUE" | "PRIMARY KEY":
                label = {"REFERENCES": "fkey", "UNIQUE": "key"}.get(c.kind, "pkey")
                taken.add(constraint_name(table, [column.name], label, taken))
            case _:
                pass


def _columns(
    c: TableConstraint, statement: Statement, table: str, known: Collection[str] | None
) -> Sequence[str] | None:
    """The columns that go into the name; None if that cannot be known."""
    match c.kind:
        case ConstraintKind.CHECK:
            return _checked(c.expression, statement, table, known)
        case ConstraintKind.UNIQUE | ConstraintKind.PRIMARY_KEY:
            return distinct([*c.columns, *included(c.include, statement)])
        case ConstraintKind.EXCLUDE:
            return None
        case _:
            return c.columns


def _checked(
    expression: Span | None, statement: Statement, table: str, known: Collection[str] | None
) -> Sequence[str] | None:
    """The columns that a CHECK reads, as far as they go into its name: a single one does."""
    text = expression.of(statement.text) if expression is not None else ""
    if (named := reading.columns(text, table, known)) is None or len(named) != 1:
        return named
    return [n for n in named if n and (known is None or n in known or n in reading.SYSTEM_COLUMNS)]


def included(include: Span | None, statement: Statement) -> list[str]:
    """The column names between the parentheses of an INCLUDE list."""
    if include is None:
        return []
    return [token.value for token in lexer.lex(include.of(statement.text)) if token.kind != "op"]
