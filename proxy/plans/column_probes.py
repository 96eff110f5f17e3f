"""Rows that would make an ADD COLUMN fail by what its column demands, looked for where each gets the same value.

That value is the default's, or NULL.  See ``probes``.
"""

from __future__ import annotations

from proxy.catalog.facts import Column, Facts, Relation
from proxy.plans import reading
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
    """Of one new column of a table that is there; none where its rows are filled later, or are not known to be alike."""
    demands = [c for c in action.column.constraints if c.kind in DEMANDS and not c.not_enforced]
    if not demands or relation.kind not in "rp" or action.column.name in relation.columns:
        return []
    table = target(alter.relation, relation, statement)
    made = inline(statement, action, table, demands, not_null=False).statement
    values = _values(statement, alter, relation, facts)
    if made is None or not isinstance(made.node, AlterTable) or action.column.name not in values:
        return []
    columns = {name: _column(statement, added, facts) for name, (added, _) in values.items()}
    after = replace(relation, columns={**relation.columns, **columns})
    relations = {parts: after if one is relation else one for parts, one in facts.relations.items()}
    then = replace(facts, relations={**relations, made.node.relation.parts: after})
    listed = "".join(f", {value} AS {quote_identifier(name)}" for name, (_, value) in values.items())
    rows = f"SELECT t.tableoid, t.*{listed} FROM {'ONLY ' if alter.only else ''}{table.sql} t"
    new = action.column.name
    found = (_probe(made, a, new, table, after, then, rows) for a in made.node.actions if isinstance(a, AddConstraint))
    return [probe for probe in found if probe is not None]


def _values(
    statement: Statement, alter: AlterTable, relation: Relation, facts: Facts
) -> dict[str, tuple[AddColumn, str]]:
    """What each new column of the ALTER holds in all rows, where that is known: a default that names a column is refused."""
    found: dict[str, tuple[AddColumn, str]] = {}
    for action in alter.actions:
        if not isinstance(action, AddColumn) or action.column.name in relation.columns:
            continue
        default = action.column.constraint("DEFAULT")
        value = default.expression.of(statement.text) if default is not None and default.expression else "NULL"
        generated = action.column.constraint("GENERATED") is not None
        if not generated and filled(statement, action, facts) is False and reading.columns(value) == ():
            type_ = action.column.type.span.of(statement.text)
            found[action.column.name] = (action, f"CAST(({value}\n) AS {type_})")
    return found


def _column(statement: Statement, action: AddColumn, facts: Facts) -> Column:
    type_ = action.column.type.span.of(statement.text)
    known = facts.types.get(type_)
    return Column(action.column.name, type_, not_null=False, base_oid=known.base_oid if known is not None else 0)


def _probe(
    made: Statement,
    action: AddConstraint,
    new: str,
    table: Target,
    relation: Relation,
    facts: Facts,
    rows: str,
) -> Probe | None:
    """``new``: the column, in which all rows are alike."""
    c: TableConstraint = action.constraint
    name = name_of(action, made, facts)
    if name is None or name in relation.constraints:
        return None  # Postgres says that it is taken
    match c.kind:
        case ConstraintKind.CHECK if c.expression is not None:
            expression = c.expression.of(made.text)
            mentioned = reading.columns(expression, table.name, relation.columns)
            if mentioned is None or not relation.columns.keys() >= set(mentioned):
                return None
            one = " LIMIT 1" if {new} >= set(mentioned) else ""
            return violations(expression, name, table, f"({rows}{one}) AS {quote_identifier(table.name)}")
        case ConstraintKind.FOREIGN_KEY:
            return orphans(made, c, name, table, relation, facts, rows=f"{rows} LIMIT 1")
        case ConstraintKind.UNIQUE | ConstraintKind.PRIMARY_KEY if not relation.partitioned:
            column = quote_identifier(c.columns[0])
            distinct = c.nulls_not_distinct
            return duplicates(table, name, [(column, column)], nulls_not_distinct=distinct, rows=f"{rows} LIMIT 2")
        case _:
            return None


__all__ = ["of_column"]
