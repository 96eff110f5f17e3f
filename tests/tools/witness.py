"""What the server was told, read by Postgres's own parser: a witness that shares no code with Interlock.

``heavy`` names the statements that scan a table or build an index under a lock that blocks its users.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pglast import ast as nodes
from pglast import parse_sql
from pglast.enums import AlterTableType, ConstrType, NullTestType, ObjectType, TransactionStmtKind
from pglast.parser import ParseError

ast: Any = nodes  # whose declared types say "or None" of nearly every field
BEGINS = (TransactionStmtKind.TRANS_STMT_BEGIN, TransactionStmtKind.TRANS_STMT_START)
ENDS = (
    TransactionStmtKind.TRANS_STMT_COMMIT,
    TransactionStmtKind.TRANS_STMT_ROLLBACK,
    TransactionStmtKind.TRANS_STMT_PREPARE,
)
BUILDING = (ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_EXCLUSION)
NEVER_NULL = (("products", "stock"),)  # of the history that all tools tell: they say it again when they change its type
CHECKED = (ConstrType.CONSTR_CHECK, ConstrType.CONSTR_FOREIGN, ConstrType.CONSTR_NOTNULL)


def heavy(
    statements: Iterable[str],
    tables: Iterable[str],
    indexes: Iterable[str] | None = None,
    never_null: Iterable[tuple[str, str]] = NEVER_NULL,
) -> list[str]:
    """The statements that would hold up the users of ``tables`` for as long as a scan or a build takes.

    ``indexes`` are those that the tables have at first; without it every index counts as theirs.  ``never_null`` are the
    columns, by table, that are NOT NULL at first.
    """
    known = Proofs(proven={*never_null}, indexes=None if indexes is None else {*indexes})
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
    """What is known besides a statement: columns without NULL, the tables' indexes, and tables that nobody else sees yet."""

    claimed: dict[tuple[str, str], str] = field(default_factory=dict)
    """By table and constraint."""
    proven: set[tuple[str, str]] = field(default_factory=set)
    indexes: set[str] | None = None
    """Those of the tables; None if every index counts as theirs."""
    in_block: bool = False
    """A transaction block is open, of whichever session."""
    made: set[str] = field(default_factory=set)
    """Tables of the open transaction, under the names that they have by now."""

    def renamed(self, table: str, new: str) -> None:
        """``made`` and ``proven`` go by the names of now."""
        self.made = {new if name == table else name for name in self.made}
        self.proven = {(new if name == table else name, column) for name, column in self.proven}

    def column_renamed(self, table: str, column: str, new: str) -> None:
        self.proven = {(t, new if (t, c) == (table, column) else c) for t, c in self.proven}

    def gone(self, table: str) -> None:
        self.made.discard(table)
        self.proven = {(t, c) for t, c in self.proven if t != table}


def _heavy(stmt: Any, tables: set[str], known: Proofs) -> Iterator[bool]:
    match stmt:
        case ast.TransactionStmt() if stmt.kind in (*BEGINS, *ENDS):
            known.made.clear()
            known.in_block = stmt.kind in BEGINS
        case ast.CreateStmt() if known.in_block and not stmt.if_not_exists:
            known.made.add(stmt.relation.relname)
        case ast.CreateTableAsStmt() if known.in_block and not stmt.if_not_exists:
            known.made.add(stmt.into.rel.relname)
        case ast.DropStmt(removeType=ObjectType.OBJECT_TABLE):
            for name in stmt.objects:
                known.gone(name[-1].sval)
        case ast.RenameStmt(renameType=ObjectType.OBJECT_TABLE):
            known.renamed(stmt.relation.relname, stmt.newname)
        case ast.RenameStmt(renameType=ObjectType.OBJECT_COLUMN):
            known.column_renamed(stmt.relation.relname, stmt.subname, stmt.newname)
        case ast.IndexStmt() | ast.AlterTableStmt() if stmt.relation.relname in known.made:
            pass
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
        case AlterTableType.AT_DropNotNull:
            known.proven.discard((table, cmd.name))
        case AlterTableType.AT_AddColumn:
            if any(c.contype is ConstrType.CONSTR_NOTNULL for c in cmd.def_.constraints or ()):
                known.proven.add((table, cmd.def_.colname))
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
