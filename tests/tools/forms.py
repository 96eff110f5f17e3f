"""Which of the canonical forms a statement is, whatever words the tool puts it in: the columns of the table.

Read by Postgres's own parser, and by the names that all tools' histories share.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pglast import ast as nodes
from pglast import parse_sql
from pglast.enums import AlterTableType, ConstrType, ObjectType
from pglast.parser import ParseError

ast: Any = nodes  # whose declared types say "or None" of nearly every field
FORMS = (
    "new table",
    "column + foreign key",
    "data",
    "SET NOT NULL",
    "index",
    "unique index",
    "UNIQUE",
    "CHECK",
    "foreign key",
    "drop column",
    "rename column",
    "drop index",
    "volatile default",
    "int to bigint",
    "concurrently",
    "staged",
    "uuid key",
    "rollback",
)
NEW = {"categories"}  # tables without rows
MARKED = {"author_id": "column + foreign key", "token_id": "uuid key", "uid": "volatile default"}


def forms(sql: str) -> set[str]:
    """The forms of the statements in a text; none for what is the tool's own business or unreadable."""
    try:
        parsed = parse_sql(sql)
    except ParseError:
        return set()
    return {form for raw in parsed for form in _forms(raw.stmt)}


def _forms(stmt: Any) -> Iterator[str]:
    match stmt:
        case ast.CreateStmt() if stmt.relation.relname in NEW:
            yield "new table"
        case ast.IndexStmt():
            yield _index(stmt)
        case ast.DropStmt(removeType=ObjectType.OBJECT_INDEX):
            yield "rollback" if "slug" in str(stmt.objects) else "drop index"
        case ast.RenameStmt(renameType=ObjectType.OBJECT_COLUMN):
            yield "rename column"
        case ast.UpdateStmt() if stmt.relation.relname in {"users", "posts", "tokens"}:
            yield "data"
        case ast.AlterTableStmt():
            for cmd in stmt.cmds:
                yield from _action(stmt.relation.relname, cmd)


def _index(stmt: Any) -> str:
    if stmt.relation.relname in NEW:
        return "new table"
    columns = {column.name for column in stmt.indexParams}
    if "token_id" in columns:
        return "uuid key"
    if stmt.concurrent:
        return "concurrently"
    if stmt.unique:
        return "UNIQUE" if stmt.relation.relname == "products" else "unique index"
    return "index"


def _action(table: str, cmd: Any) -> Iterator[str]:
    match cmd.subtype:
        case _ if table in NEW:
            yield "new table"
        case AlterTableType.AT_AddColumn if cmd.def_.colname in MARKED:
            yield MARKED[cmd.def_.colname]
        case AlterTableType.AT_SetNotNull:
            yield "staged" if cmd.name == "body" else "SET NOT NULL"
        case AlterTableType.AT_AlterColumnType if cmd.name == "stock":
            yield "int to bigint"
        case AlterTableType.AT_ValidateConstraint:
            yield "staged"
        case AlterTableType.AT_DropColumn:
            yield "rollback" if cmd.name == "slug" else "drop column"
        case AlterTableType.AT_AddConstraint:
            yield _constraint(cmd.def_)


def _constraint(constraint: Any) -> str:
    columns = {name.sval for name in constraint.fk_attrs or ()}
    for column in columns & MARKED.keys():
        return MARKED[column]
    if constraint.skip_validation:
        return "staged"
    match constraint.contype:
        case ConstrType.CONSTR_FOREIGN:
            return "foreign key"
        case ConstrType.CONSTR_CHECK:
            return "CHECK"
        case _:
            return "UNIQUE"
