"""Rows that would make an ADD COLUMN fail by what its column demands, looked for where each gets the same value.

That value is the default's, or NULL.  See ``probes``.
"""

from __future__ import annotations

from proxy.catalog.facts import Column, Facts, Relation
from proxy.plans.add_column import filled
from proxy.plans.default_names import name_of
from proxy.plans.duplicates import duplicates
from proxy.plans.inline import inline
from proxy.plans.orphans import orphans
from proxy.plans.probe import Probe
from proxy.plans.target import Target, target
from proxy.plans.violations import violations
from proxy.records import replace
from proxy.sql.statements import (
    AddColumn,
    AddConstraint,
    AlterTable,
    ConstraintKind,
    Statement,
    TableConstraint,
    quote_identifier,
)

DEMANDS = ("CHECK", "REFERENCES", "UNIQUE", "PRIMARY KEY")


def of_column(
    statement: Statement, alter: AlterTable, action: AddColumn, relation: Relation, facts: Facts
) -> list[Probe]:
    demands = [c for c in action.column.constraints if c.kind in DEMANDS and not c.not_enforced]
    there = action.column.name in relation.columns
    if not demands or there or relation.kind not in "rp" or filled(statement, action, facts) is not False:
        return []
    if action.column.constraint("GENERATED") is not None:
        return []
    table = target(alter.relation, relation, statement)
    made = inline(statement, action, table, demands, not_null=False).statement
    if made is None or not isinstance(made.node, AlterTable):
        return []
    type_ = action.column.type.span.of(statement.text)
    known = facts.types.get(type_)
    column = Column(action.column.name, type_, not_null=False, base_oid=known.base_oid if known is not None else 0)
    after = replace(relation, columns={**relation.columns, column.name: column})
    relations = {parts: after if one is relation else one for parts, one in facts.relations.items()}
    then = replace(facts, relations={**relations, made.node.relation.parts: after})
    rows = _rows(statement, alter, action, table, type_)
    found = (_probe(made, a, table, after, then, rows) for a in made.node.actions if isinstance(a, AddConstraint))
    return [probe for probe in found if probe is not None]


def _rows(statement: Statement, alter: AlterTable, action: AddColumn, table: Target, type_: str) -> str:
    default = action.column.constraint("DEFAULT")
    value = default.expression.of(statement.text) if default is not None and default.expression else "NULL"
    only = "ONLY " if alter.only else ""
    return (
        f"SELECT t.tableoid, t.*, CAST(({value}\n) AS {type_}) AS {quote_identifier(action.column.name)}"
        f" FROM {only}{table.sql} t"
    )


def _probe(
    made: Statement, action: AddConstraint, table: Target, relation: Relation, facts: Facts, rows: str
) -> Probe | None:
    c: TableConstraint = action.constraint
    name = name_of(action, made, facts)
    if name is None or name in relation.constraints:
        return None  # Postgres says that it is taken
    match c.kind:
        case ConstraintKind.CHECK if c.expression is not None:
            return violations(c.expression.of(made.text), name, table, f"({rows}) AS {quote_identifier(table.name)}")
        case ConstraintKind.FOREIGN_KEY:
            return orphans(made, c, name, table, relation, facts, rows=f"{rows} LIMIT 1")
        case ConstraintKind.UNIQUE | ConstraintKind.PRIMARY_KEY if not relation.partitioned:
            column = quote_identifier(c.columns[0])
            distinct = c.nulls_not_distinct
            return duplicates(table, name, [(column, column)], nulls_not_distinct=distinct, rows=f"{rows} LIMIT 2")
        case _:
            return None


__all__ = ["of_column"]
