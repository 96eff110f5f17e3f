"""What the server was told, read by Postgres's own parser: a witness that shares no code with Interlock.

``heavy`` names the statements that scan a table or build an index under a lock that blocks its users.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pglast import ast as nodes
from pglast import parse_sql
from pglast.enums import AlterTableType, ConstrType, NullTestType, ObjectType
from pglast.parser import ParseError

ast: Any = nodes  # whose declared types say "or None" of nearly every field
BUILDING = (ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_EXCLUSION)
CHECKED = (ConstrType.CONSTR_CHECK, ConstrType.CONSTR_FOREIGN, ConstrType.CONSTR_NOTNULL)


def heavy(statements: Iterable[str], tables: Iterable[str], indexes: Iterable[str] | None = None) -> list[str]:
    """The statements that would hold up the users of ``tables`` for as long as a scan or a build takes.

    ``indexes`` are those that the tables have at first; without it every index counts as theirs.
    """
    known = Proofs(indexes=None if indexes is None else {*indexes})
    return [one for sql in statements for one, stmt in _parsed(sql) if any([*_heavy(stmt, set(tables), known)])]


def rewrites(statements: Iterable[str], tables: Iterable[str]) -> list[str]:
    """Those that have a whole table of ``tables`` copied: a new type, or a default that is another for each row."""
    return [one for sql in statements for one, stmt in _parsed(sql) if _rewrites(stmt, set(tables))]


def _parsed(sql: str) -> Iterator[tuple[str, Any]]:
    """Each statement of a text, and its tree."""
    try:
        parsed = parse_sql(sql)
    except ParseError as error:
        raise AssertionError(f"Postgres was told what it cannot read: {error}\n{sql}") from error
    for raw in parsed:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(sql)
        yield sql[raw.stmt_location : end], raw.stmt


def _rewrites(stmt: Any, tables: set[str]) -> bool:
    match stmt:
        case ast.AlterTableStmt() if stmt.relation.relname in tables:
            return any(_copies(cmd) for cmd in stmt.cmds)
        case _:
            return False


def _copies(cmd: Any) -> bool:
    match cmd.subtype:
        case AlterTableType.AT_AlterColumnType:
            return cmd.name == "stock" and cmd.def_.typeName.names[-1].sval == "int8"
        case AlterTableType.AT_AddColumn:
            defaults = [c.raw_expr for c in cmd.def_.constraints or () if c.contype is ConstrType.CONSTR_DEFAULT]
            return any(isinstance(default, ast.FuncCall) for default in defaults)
        case _:
            return False


@dataclass(slots=True)
class Proofs:
    """The columns that a validated constraint proves to hold no NULL."""

    claimed: dict[tuple[str, str], str] = field(default_factory=dict)
    """By table and constraint."""
    proven: set[tuple[str, str]] = field(default_factory=lambda: {("products", "stock")})
    """That one is NOT NULL from the start; tools say it again when they change its type."""
    indexes: set[str] | None = None
    """Those of the tables; None if every index counts as theirs."""


def _heavy(stmt: Any, tables: set[str], known: Proofs) -> Iterator[bool]:
    match stmt:
        case ast.IndexStmt():
            if known.indexes is not None and stmt.relation.relname in tables and stmt.idxname:
                known.indexes.add(stmt.idxname)
            yield stmt.relation.relname in tables and not stmt.concurrent
        case ast.DropStmt(removeType=ObjectType.OBJECT_INDEX):
            names = {name[-1].sval for name in stmt.objects}
            yield not stmt.concurrent and (known.indexes is None or bool(names & known.indexes))
        case ast.AlterTableStmt() if stmt.relation.relname in tables:
            yield from (_scans(stmt.relation.relname, cmd, known) for cmd in stmt.cmds)


def _scans(table: str, cmd: Any, known: Proofs) -> bool:
    match cmd.subtype:
        case AlterTableType.AT_AddConstraint:
            constraint = cmd.def_
            if column := _never_null(constraint):
                known.claimed[table, constraint.conname] = column
            unchecked = constraint.contype in CHECKED and not constraint.skip_validation
            return unchecked or (constraint.contype in BUILDING and constraint.indexname is None)
        case AlterTableType.AT_ValidateConstraint:
            if column := known.claimed.get((table, cmd.name)):
                known.proven.add((table, column))
        case AlterTableType.AT_SetNotNull:
            return (table, cmd.name) not in known.proven
    return False


def _never_null(constraint: Any) -> str | None:
    """The column that a constraint says is never NULL."""
    match constraint:
        case ast.Constraint(contype=ConstrType.CONSTR_NOTNULL):
            return str(constraint.keys[0].sval)
        case ast.Constraint(raw_expr=ast.NullTest(arg=ast.ColumnRef(), nulltesttype=NullTestType.IS_NOT_NULL)):
            return str(constraint.raw_expr.arg.fields[-1].sval)
        case _:
            return None
