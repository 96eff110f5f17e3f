"""Rows that would make a statement fail, looked for beforehand: what waits for COMMIT is too late to fail.

A probe only reads, and finds at most one row.  Its error is the one with which Postgres itself would have refused the
author's statement: ATRewriteTable (commands/tablecmds.c), RI_Initial_Check (utils/adt/ri_triggers.c),
comparetup_index_btree (utils/sort/tuplesortvariants.c).  Where such a query cannot be written soundly there is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.catalog.facts import Facts, Relation
from proxy.plans.build_index import default_name
from proxy.plans.default_names import name_of
from proxy.plans.done import EQ
from proxy.plans.elements import elements
from proxy.plans.target import Target, literal, target
from proxy.sql.statements import (
    AddConstraint,
    AlterTable,
    ConstraintKind,
    CreateIndex,
    SetNotNull,
    Statement,
    TableConstraint,
    ValidateConstraint,
    quote_identifier,
)

NO_DETAIL = "''"
UNKNOWN = (
    "interlock: the rows could not be looked through in the time that jobs.preflight_timeout allows;"
    " whether they fit shows after COMMIT"
)


@dataclass(frozen=True, slots=True)
class Probe:
    """``query`` gives one row of two texts for a row in the way: the name of its table, and the error's DETAIL."""

    query: str
    sqlstate: str
    message: tuple[str, ...]  # what stands before, and what behind the name of the table; one part: all of it
    schema: str
    constraint: str = ""
    column: str = ""

    @property
    def sql(self) -> str:
        """A statement that fails if there is such a row, and does nothing if that cannot be found out.

        It cannot be if the rows may not be read, or not all of them (row security), or not in the time that
        statement_timeout gives it.
        """
        said = {
            "SCHEMA": literal(self.schema),
            "TABLE": "row_of",
            **({"COLUMN": literal(self.column)} if self.column else {}),
            **({"CONSTRAINT": literal(self.constraint)} if self.constraint else {}),
        }
        message = literal(self.message[0])
        if len(self.message) > 1:
            message = f"pg_catalog.concat({message}, row_of, {literal(self.message[1])})"
        using = ", ".join(f"{option} = {value}" for option, value in said.items())
        body = (
            "DECLARE row_of pg_catalog.text; about pg_catalog.text;"
            " secured pg_catalog.text := pg_catalog.current_setting('row_security');"
            " bound pg_catalog.text := pg_catalog.current_setting('statement_timeout');"
            " begun pg_catalog.timestamptz := pg_catalog.clock_timestamp();"
            " BEGIN BEGIN PERFORM pg_catalog.set_config('row_security', 'off', true);"
            f" EXECUTE {literal(self.query)} INTO row_of, about;"
            " PERFORM pg_catalog.set_config('row_security', secured, true);"
            " EXCEPTION WHEN query_canceled THEN"
            f" IF bound {EQ} '0' OR pg_catalog.clock_timestamp() OPERATOR(pg_catalog.<)"
            " (begun OPERATOR(pg_catalog.+) bound::pg_catalog.interval) THEN RAISE; END IF;"
            f" RAISE NOTICE '{UNKNOWN}'; row_of := NULL;"
            " WHEN OTHERS THEN row_of := NULL; END;"
            " IF row_of IS NOT NULL THEN"
            f" IF about OPERATOR(pg_catalog.=) '' THEN RAISE EXCEPTION USING ERRCODE = '{self.sqlstate}',"
            f" MESSAGE = {message}, {using};"
            f" ELSE RAISE EXCEPTION USING ERRCODE = '{self.sqlstate}', MESSAGE = {message}, DETAIL = about, {using};"
            " END IF; END IF; END"
        )
        return f"DO LANGUAGE plpgsql {literal(body)}"


def probes(statement: Statement, facts: Facts) -> tuple[Probe, ...]:
    """What to look for before a statement, or a part of it, is put off till after COMMIT."""
    match statement.node:
        case CreateIndex(unique=True) as node:
            found = _unique_index(statement, node, facts)
            return (found,) if found else ()
        case AlterTable(object_type="TABLE") as node if (relation := facts.find(node.relation)) and relation.exists:
            return tuple(
                probe
                for action in node.actions
                if isinstance(action, AddConstraint | SetNotNull | ValidateConstraint)
                for probe in _of_action(statement, node, action, relation, facts)
            )
        case _:
            return ()


def _of_action(
    statement: Statement,
    alter: AlterTable,
    action: AddConstraint | SetNotNull | ValidateConstraint,
    relation: Relation,
    facts: Facts,
) -> list[Probe]:
    table = target(alter.relation, relation, statement)
    only = "ONLY " if alter.only else ""
    match action:
        case SetNotNull(column=column):
            return [_not_null(table, column, only)] if column in relation.columns else []
        case ValidateConstraint():
            return []
        case AddConstraint(constraint=c) if c.not_valid or c.not_enforced or c.using_index or c.without_overlaps:
            return []
        case AddConstraint(constraint=c):
            name = name_of(action, statement, facts)
            known = all(column in relation.columns for column in c.columns)
            if name is None or not known:
                return []
            return _constraint(statement, c, name, table, relation, facts, only)


def _constraint(
    statement: Statement, c: TableConstraint, name: str, table: Target, relation: Relation, facts: Facts, only: str
) -> list[Probe]:
    match c.kind:
        case ConstraintKind.CHECK if c.expression is not None:
            return [_check(c.expression.of(statement.text), name, table, only)]
        case ConstraintKind.NOT_NULL if c.columns:
            return [_not_null(table, c.columns[0], only)]
        case ConstraintKind.FOREIGN_KEY:
            found = _foreign_key(statement, c, name, table, relation, facts)
            return [found] if found else []
        case ConstraintKind.UNIQUE | ConstraintKind.PRIMARY_KEY:
            nullable = (
                [x for x in c.columns if not relation.columns[x].not_null]
                if c.kind is ConstraintKind.PRIMARY_KEY
                else []
            )
            keys = [(quote_identifier(column), quote_identifier(column)) for column in c.columns]
            return [
                *(_not_null(table, column, only) for column in nullable),
                _unique(table, name, keys, nulls_not_distinct=c.nulls_not_distinct, name_of_constraint=name),
            ]
        case _:
            return []


def _not_null(table: Target, column: str, only: str) -> Probe:
    return Probe(
        f"SELECT {_relname(table)}, {NO_DETAIL} FROM {only}{table.sql} WHERE {quote_identifier(column)} IS NULL LIMIT 1",
        "23502",
        (f'column "{column}" of relation "', '" contains null values'),
        table.schema,
        column=column,
    )


def _check(expression: str, name: str, table: Target, only: str) -> Probe:
    return Probe(
        f"SELECT {_relname(table)}, {NO_DETAIL} FROM {only}{table.sql} WHERE NOT ({expression}\n) LIMIT 1",
        "23514",
        (f'check constraint "{name}" of relation "', '" is violated by some row'),
        table.schema,
        constraint=name,
    )


def _relname(table: Target) -> str:
    """The name of the table that a row stands in: a child's, perhaps."""
    oid = f"{quote_identifier(table.name)}.tableoid"
    return f"(SELECT c.relname::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.oid {EQ} {oid})"


def _foreign_key(
    statement: Statement, c: TableConstraint, name: str, table: Target, relation: Relation, facts: Facts
) -> Probe | None:
    assert c.references is not None
    parent = facts.find(c.references)
    if parent is None or not parent.exists:
        return None
    referenced = c.referenced_columns or next((k.columns for k in parent.constraints.values() if k.kind == "p"), ())
    if len(referenced) != len(c.columns):
        return None
    own = [f"fk.{quote_identifier(column)}" for column in c.columns]
    other = [f"pk.{quote_identifier(column)}" for column in referenced]
    full = _matches_full(statement, c)
    there = " AND ".join(f"{a} {EQ} {b}" for a, b in zip(other, own, strict=True))
    some = (" OR " if full else " AND ").join(f"{column} IS NOT NULL" for column in own)
    of = target(c.references, parent, statement)
    detail = (
        f"pg_catalog.concat({literal(_key(c.columns))}, {_values(own)}, "
        + literal(f') is not present in table "{of.name}".')
        + ")"
    )
    only = "" if relation.kind == "p" else "ONLY "
    only_parent = "" if parent.kind == "p" else "ONLY "
    return Probe(
        f"SELECT {literal(table.name)}, {detail} FROM {only}{table.sql} fk LEFT JOIN {only_parent}{of.sql} pk ON {there}"
        f" WHERE {other[0]} IS NULL AND ({some}) LIMIT 1",
        "23503",
        (f'insert or update on table "{table.name}" violates foreign key constraint "{name}"',),
        table.schema,
        constraint=name,
    )


def _matches_full(statement: Statement, c: TableConstraint) -> bool:
    words = statement.text[c.body.start : c.body.end].upper().split()
    return any(a == "MATCH" and b.startswith("FULL") for a, b in itertools.pairwise(words))


def _unique_index(statement: Statement, node: CreateIndex, facts: Facts) -> Probe | None:
    relation = facts.find(node.relation)
    keys = elements(statement, node)
    if relation is None or not relation.exists or keys is None or node.method != "btree":
        return None
    table = target(node.relation, relation, statement)
    name = node.name.name if node.name else default_name(statement, node, facts, relation)
    if name is None:
        return None
    return _unique(
        table,
        name,
        keys,
        where=node.where.of(statement.text) if node.where else "",
        nulls_not_distinct=_nulls_not_distinct(statement, node),
        name_of_constraint=name,
        only="ONLY " if node.only else "",
    )


def _nulls_not_distinct(statement: Statement, node: CreateIndex) -> bool:
    words = statement.sql.upper().split()
    return any(words[i : i + 3] == ["NULLS", "NOT", "DISTINCT"] for i in range(len(words)))


def _unique(
    table: Target,
    name: str,
    keys: Sequence[tuple[str, str]],
    *,
    where: str = "",
    nulls_not_distinct: bool = False,
    name_of_constraint: str = "",
    only: str = "",
) -> Probe:
    """``keys`` are expressions with the words for each in the DETAIL."""
    values = [f"k{n}" for n in range(len(keys))]
    listed = ", ".join(f"({expression}\n) AS k{n}" for n, (expression, _) in enumerate(keys))
    some = "" if nulls_not_distinct else " WHERE " + " AND ".join(f"{value} IS NOT NULL" for value in values)
    inner = f"SELECT {listed} FROM {only}{table.sql}" + (f" WHERE ({where}\n)" if where else "")
    detail = f"pg_catalog.concat({literal(_key([words for _, words in keys]))}, {_values(values)}, ') is duplicated.')"
    return Probe(
        f"SELECT {literal(table.name)}, {detail} FROM ({inner}) q{some} GROUP BY {', '.join(values)}"
        " HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1",
        "23505",
        (f'could not create unique index "{name}"',),
        table.schema,
        constraint=name_of_constraint,
    )


def _key(columns: Sequence[str]) -> str:
    return f"Key ({', '.join(columns)})=("


def _values(columns: Sequence[str]) -> str:
    shown = (f"COALESCE(pg_catalog.format('%s', {column}), 'null')" for column in columns)
    return "pg_catalog.concat_ws(', ', " + ", ".join(shown) + ")"
