"""A table as an ALTER TABLE would leave it: for inputs that nobody runs, whose later statements see the earlier ones.

Only what later judgements lean on is followed: columns, and constraints with their validity.  Where a change could
make a constraint mean less than it says, it counts as not validated.
"""

from __future__ import annotations

from proxy.catalog.facts import Column, Constraint, Facts, Relation
from proxy.plans.default_names import name_of
from proxy.records import replace
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    ConstraintKind,
    DropColumn,
    DropConstraint,
    DropNotNull,
    OtherAction,
    SetNotNull,
    Statement,
    TableConstraint,
    ValidateConstraint,
)

KINDS = {
    ConstraintKind.CHECK: "c",
    ConstraintKind.FOREIGN_KEY: "f",
    ConstraintKind.UNIQUE: "u",
    ConstraintKind.PRIMARY_KEY: "p",
    ConstraintKind.EXCLUDE: "x",
    ConstraintKind.NOT_NULL: "n",
}


def afterwards(relation: Relation, statement: Statement, facts: Facts) -> Relation:
    """The relation after an ALTER TABLE of it; ``facts`` are those that the statement was judged by."""
    assert isinstance(statement.node, AlterTable)
    for action in statement.node.actions:
        relation = _after(relation, action, statement, facts)
    return relation


def _after(relation: Relation, action: Action, statement: Statement, facts: Facts) -> Relation:
    columns, constraints = dict(relation.columns), dict(relation.constraints)
    match action:
        case AddColumn(column=definition) if definition.name not in columns:
            type_ = definition.type.span.of(statement.text)
            not_null = definition.constraint("NOT NULL") or definition.constraint("PRIMARY KEY")
            columns[definition.name] = Column(definition.name, type_, not_null is not None)
        case DropColumn(column=name):
            columns.pop(name, None)
            constraints = _doubted(constraints)
        case AddConstraint(constraint=added):
            called = added.name or name_of(action, statement, facts)
            if called is not None and called not in constraints:
                constraints[called] = Constraint(
                    called,
                    KINDS[added.kind],
                    validated=added.not_valid is None and not added.not_enforced,
                    columns=added.columns,
                    definition=_definition(added, statement.text),
                    enforced=not added.not_enforced,
                )
        case ValidateConstraint(name=name) if name in constraints:
            constraints[name] = replace(constraints[name], validated=True)
            relation = replace(relation, columns=_valid(columns, constraints[name]))
            columns = dict(relation.columns)
        case DropConstraint(name=name):
            constraints.pop(name, None)
        case SetNotNull(column=name) if name in columns:
            columns[name] = replace(columns[name], not_null=True, not_null_valid=True)
        case DropNotNull(column=name) if name in columns:
            columns[name] = replace(columns[name], not_null=False)
        case AlterColumnType():
            constraints = _doubted(constraints)
        case OtherAction(what="RENAME COLUMN", column=str(old), name=str(new)):
            if old in columns:
                columns[new] = replace(columns.pop(old), name=new)
            constraints = _doubted(constraints)
        case OtherAction(what=what) if what.startswith(("RENAME", "ALTER CONSTRAINT", "INHERIT", "NO INHERIT")):
            constraints = _doubted(constraints)
    return replace(relation, columns=columns, constraints=constraints)


def _definition(added: TableConstraint, text: str) -> str:
    """As pg_get_constraintdef() has it, but for spaces and brackets; of a CHECK without NOT VALID."""
    return f"CHECK ({added.expression.of(text)})" if added.expression else added.body.of(text)


def _valid(columns: dict[str, Column], constraint: Constraint) -> dict[str, Column]:
    """A NOT NULL constraint that was NOT VALID until now (18)."""
    if constraint.kind != "n":
        return columns
    return {
        name: replace(column, not_null_valid=True) if name in constraint.columns else column
        for name, column in columns.items()
    }


def _doubted(constraints: dict[str, Constraint]) -> dict[str, Constraint]:
    """CHECKs whose text may no longer say what it said."""
    return {name: replace(c, validated=False) if c.kind == "c" else c for name, c in constraints.items()}
