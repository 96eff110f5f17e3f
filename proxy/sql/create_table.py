"""CREATE TABLE, CREATE FOREIGN TABLE, CREATE TABLE AS and CREATE MATERIALIZED VIEW."""

from __future__ import annotations

from proxy.sql.alter_table import bounds
from proxy.sql.columns import column, typed_column
from proxy.sql.constraints import at_table_constraint, table_constraint
from proxy.sql.cursor import Cursor
from proxy.sql.statements import ColumnDefinition, CreateTable, CreateTableAs, Name, Node, TableConstraint

Element = ColumnDefinition | TableConstraint | None  # None: LIKE


def create_table(c: Cursor, *, temporary: bool) -> Node:
    """What follows ``CREATE [TEMPORARY | UNLOGGED] TABLE``."""
    if_not_exists = c.take("if", "not", "exists")
    relation = c.qname()
    if _is_query(c):
        return _create_as(c, CreateTableAs(relation, "TABLE", temporary, if_not_exists))
    elements: list[Element] = []
    partition_of: Name | None = None
    inherits: tuple[Name, ...] = ()
    if c.take("partition", "of"):
        partition_of = c.qname()
        elements = _elements(c, typed=True) if c.at("(") else []
        bounds(c)
    elif c.take("of"):
        c.path()
        elements = _elements(c, typed=True) if c.at("(") else []
    else:
        elements = _elements(c)
        inherits = _inherits(c)
    if c.take("partition", "by"):
        c.name()
        c.need_group()
    if c.take("using"):
        c.name()
    _storage(c)
    columns, constraints = _sorted(elements)
    return CreateTable(relation, if_not_exists, temporary, columns, constraints, partition_of, inherits)


def create_foreign_table(c: Cursor) -> CreateTable:
    """What follows ``CREATE FOREIGN TABLE``."""
    if_not_exists = c.take("if", "not", "exists")
    relation = c.qname()
    partition_of: Name | None = None
    inherits: tuple[Name, ...] = ()
    if c.take("partition", "of"):
        partition_of = c.qname()
        elements = _elements(c, typed=True) if c.at("(") else []
        bounds(c)
    else:
        elements = _elements(c)
        inherits = _inherits(c)
    c.need("server")
    c.name()
    if c.take("options"):
        c.need_group()
    columns, constraints = _sorted(elements)
    return CreateTable(relation, if_not_exists, False, columns, constraints, partition_of, inherits, foreign=True)


def create_materialized_view(c: Cursor) -> CreateTableAs:
    """What follows ``CREATE [UNLOGGED] MATERIALIZED VIEW``."""
    if_not_exists = c.take("if", "not", "exists")
    return _create_as(c, CreateTableAs(c.qname(), "MATERIALIZED VIEW", False, if_not_exists))


def _is_query(c: Cursor) -> bool:
    """Whether AS comes after the table's name, its columns' names and storage clauses: then it is a query's table."""
    here = c.i
    found = c.skip_to("as", "partition", "of", "inherits", "server") and c.word() == "as"
    c.i = here
    return found


def _create_as(c: Cursor, node: CreateTableAs) -> CreateTableAs:
    if c.at("("):
        c.need("(")
        c.listed(c.name)
        c.need(")")
    if c.take("using"):
        c.name()
    _storage(c)
    c.need("as")
    c.need_rest("a query")
    return node


def _storage(c: Cursor) -> None:
    """``[WITH (…) | WITHOUT OIDS] [ON COMMIT …] [TABLESPACE name]``"""
    if c.take("with"):
        c.need_group()
    else:
        c.take("without", "oids")
    if c.take("on", "commit"):
        c.need_phrase("drop", "delete rows", "preserve rows")
    if c.take("tablespace"):
        c.name()


def _inherits(c: Cursor) -> tuple[Name, ...]:
    if not c.take("inherits"):
        return ()
    c.need("(")
    parents = c.listed(c.qname)
    c.need(")")
    return tuple(parents)


def _elements(c: Cursor, *, typed: bool = False) -> list[Element]:
    c.need("(")
    found: list[Element] = []
    if typed or not c.at(")"):
        found = c.listed(lambda: _element(c, typed=typed))
    c.need(")")
    return found


def _element(c: Cursor, *, typed: bool) -> Element:
    if at_table_constraint(c):
        return table_constraint(c)
    if typed:
        return typed_column(c)
    if c.take("like"):
        c.qname()
        while c.take_one("including", "excluding"):
            c.name()
        return None
    return column(c)


def _sorted(elements: list[Element]) -> tuple[tuple[ColumnDefinition, ...], tuple[TableConstraint, ...]]:
    columns = tuple(e for e in elements if isinstance(e, ColumnDefinition))
    return columns, tuple(e for e in elements if isinstance(e, TableConstraint))
