"""Types and functions that decide what a statement does to a table: they are looked up with its relations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from proxy.catalog import type_change, type_names
from proxy.catalog.volatility import calls
from proxy.sql import written as dml
from proxy.sql.cursor import Cursor, NotRead
from proxy.sql.lexer import LexError, lex
from proxy.sql.statements import (
    AddColumn,
    AlterColumnType,
    AlterTable,
    ColumnDefinition,
    Explain,
    Name,
    Other,
    Span,
    Statement,
)

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    types: Mapping[str, Parts] = field(default_factory=dict)  # by the text that names them
    functions: tuple[Parts, ...] = ()
    users: bool = False  # also the tables that use the types
    computed: bool = False  # something is computed for rows that are there: which operators and casts are volatile?


NOTHING = Sources()


def quoted(parts: Parts) -> str:
    """The key of ``Facts.functions``."""
    return Name(parts, Span(0, 0)).quoted


def sources(statement: Statement) -> Sources:
    """What to look up for a statement and for those that it runs."""
    types: dict[str, Parts] = {}
    functions: dict[Parts, None] = {}
    users = computed = False
    for one in (statement, *statement.inner):
        for written in _written(one):
            parts = type_names.parts(written)
            if parts is not None and all(parts):
                types[written] = parts
        functions |= dict.fromkeys(_called(one))
        computed |= any(True for _ in _expressions(one))
        users |= isinstance(one.node, Other) and one.node.kind == "ALTER DOMAIN"
    return Sources(types, tuple(functions), users, computed)


def _added(statement: Statement) -> Iterator[ColumnDefinition]:
    if isinstance(alter := _node(statement), AlterTable):
        yield from (action.column for action in alter.actions if isinstance(action, AddColumn))


def _node(statement: Statement) -> object:
    node = statement.node
    while isinstance(node, Explain):
        node = node.target
    return node


def _written(statement: Statement) -> Iterator[str]:
    match _node(statement):
        case AlterTable(actions=actions):
            yield from (column.type.span.of(statement.text) for column in _added(statement))
            for action in actions:
                if isinstance(action, AlterColumnType):
                    yield action.type.span.of(statement.text)
                    yield from type_change.cast_types(statement, action)
        case Other(kind="ALTER DOMAIN"):
            if (name := domain(statement)) is not None:
                yield name


def domain(statement: Statement) -> str | None:
    """The name of the domain that an ALTER DOMAIN is about, as it is written."""
    try:
        cursor = Cursor(lex(statement.sql))
        cursor.need("alter", "domain")
        return cursor.path().span.of(statement.sql)
    except (LexError, NotRead, IndexError):
        return None


def _expressions(statement: Statement) -> Iterator[str]:
    """Those that are computed for rows that are there."""
    for column in _added(statement):
        default = column.constraint("DEFAULT")
        if default is not None and default.expression is not None:
            yield default.expression.of(statement.text)
    if isinstance(alter := _node(statement), AlterTable):
        usings = (action.using for action in alter.actions if isinstance(action, AlterColumnType))
        yield from (using.of(statement.text) for using in usings if using is not None)
    if any(one.whole and one.verb in ("UPDATE", "DELETE") for one in dml.written(statement)):
        yield statement.sql


def _called(statement: Statement) -> Iterator[Parts]:
    for expression in _expressions(statement):
        for call in calls(expression) or ():
            if len(call.name.parts) <= 2 and all(call.name.parts):
                yield call.name.parts
