"""Rows that would make an ADD COLUMN fail by what its column demands, looked for where each gets the same value.

That value is the default's, or NULL.  See ``probes``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.catalog.facts import Column, Facts, Relation
from proxy.plans import reading
from proxy.plans.add_column import filled
from proxy.plans.default_names import name_of
from proxy.plans.depends import mentions
from proxy.plans.duplicates import duplicates
from proxy.plans.inline import inline
from proxy.plans.orphans import orphans
from proxy.plans.probe import Probe, place_of
from proxy.plans.target import Target, target
from proxy.plans.violations import violations
from proxy.records import replace
from proxy.sql.statements import (
    AddColumn,
    AddConstraint,
    AlterTable,
    ConstraintKind,
    Name,
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
    made = inline(statement, action, target(alter.relation, relation, statement), demands, not_null=False).statement
    known = _Known.of(statement, alter, relation, facts)
    if made is None or not isinstance(made.node, AlterTable) or action.column.name not in known.values:
        return []
    then = known.then(facts, made.node.relation)
    added = [a for a in made.node.actions if isinstance(a, AddConstraint)]
    return [probe for a in added for probe in known.probes(made, a, name_of(a, made, then), then)]


def of_new(
    statement: Statement, alter: AlterTable, action: AddConstraint, relation: Relation, facts: Facts
) -> list[Probe] | None:
    """Of a constraint of the table that is about columns which the same ALTER adds; None: it is about none."""
    added = {a.column.name for a in alter.actions if isinstance(a, AddColumn)} - relation.columns.keys()
    about = [name for name in added if mentions(statement, action, name)]
    if not about:
        return None
    known = _Known.of(statement, alter, relation, facts)
    if not known.values.keys() >= set(about):
        return []
    then = known.then(facts, alter.relation)
    return known.probes(statement, action, name_of(action, statement, facts), then)


def of_new_not_null(
    statement: Statement, alter: AlterTable, column: str, relation: Relation, facts: Facts
) -> list[Probe]:
    """Of a column that the same ALTER adds, and makes NOT NULL by an action of its own."""
    table, known = target(alter.relation, relation, statement), _values(statement, alter, relation, facts)
    return [nulls(table, column, "ONLY " if alter.only else "", value=known[column][1])] if column in known else []


def nulls(table: Target, column: str, only: str, *, value: str = "") -> Probe:
    """Rows that ``NOT NULL`` refuses; ``value``: what the column will hold in all of them, if it is not there yet."""
    return Probe(
        f"SELECT {place_of(f'{quote_identifier(table.name)}.tableoid')}, '' FROM {only}{table.sql}"
        f" WHERE {value or quote_identifier(column)} IS NULL LIMIT 1",
        "23502",
        (f'column "{column}" of relation "', '" contains null values'),
        column=column,
    )


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


@dataclass(frozen=True, slots=True)
class _Known:
    """The table as it will be, with new columns that hold the same in all rows."""

    table: Target
    relation: Relation
    values: Mapping[str, str]  # of each new column
    only: bool  # the ALTER leaves its heirs out

    @classmethod
    def of(cls, statement: Statement, alter: AlterTable, relation: Relation, facts: Facts) -> _Known:
        table, found = target(alter.relation, relation, statement), _values(statement, alter, relation, facts)
        columns = {name: _column(statement, added, facts) for name, (added, _) in found.items()}
        after = replace(relation, columns={**relation.columns, **columns})
        return cls(table, after, {name: value for name, (_, value) in found.items()}, alter.only)

    def then(self, facts: Facts, called: Name) -> Facts:
        relations = {
            parts: self.relation if one.oid == self.relation.oid else one for parts, one in facts.relations.items()
        }
        return replace(facts, relations={**relations, called.parts: self.relation})

    def probes(self, made: Statement, action: AddConstraint, name: str | None, facts: Facts) -> list[Probe]:
        c: TableConstraint = action.constraint
        if name is None or name in self.relation.constraints:
            return []  # Postgres says that it is taken
        columns, table = self.relation.columns, self.table
        match c.kind:
            case ConstraintKind.CHECK if c.expression is not None:
                expression = c.expression.of(made.text)
                read = reading.columns(expression, table.name, columns)
                if read is None or not columns.keys() >= set(read):
                    return []
                rows = self._rows(read, 1, only=c.no_inherit)
                return [violations(expression, name, table, f"({rows}) AS {quote_identifier(table.name)}")]
            case ConstraintKind.FOREIGN_KEY if columns.keys() >= set(c.columns):
                rows = self._rows(c.columns, 1, only=not self.relation.partitioned)
                found = orphans(made, c, name, table, self.relation, facts, rows=rows)
                return [found] if found is not None else []
            case ConstraintKind.UNIQUE | ConstraintKind.PRIMARY_KEY if (
                not self.relation.partitioned and columns.keys() >= set(c.columns)
            ):
                keys = [(quote_identifier(column), quote_identifier(column)) for column in c.columns]
                rows = self._rows(c.columns, 2, only=True)
                twice = duplicates(table, name, keys, nulls_not_distinct=c.nulls_not_distinct, rows=rows)
                strict = c.columns if c.kind is ConstraintKind.PRIMARY_KEY else ()
                one = "ONLY " if self.only else ""
                nullable = [n for n in strict if not columns[n].not_null]
                return [twice, *(nulls(table, n, one, value=self.values.get(n, "")) for n in nullable)]
            case _:
                return []

    def _rows(self, about: Sequence[str], enough: int, *, only: bool) -> str:
        """A query for the rows; for ``enough`` of them if all are alike in what it is about."""
        listed = "".join(f", {value} AS {quote_identifier(name)}" for name, value in self.values.items())
        some = f" LIMIT {enough}" if self.values.keys() >= set(about) else ""
        return f"SELECT t.tableoid, t.*{listed} FROM {'ONLY ' if only or self.only else ''}{self.table.sql} t{some}"


__all__ = ["nulls", "of_column", "of_new", "of_new_not_null"]
