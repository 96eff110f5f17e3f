"""What a new column or a new type makes Postgres do to the rows that are there already.

Errs towards work: what is not known to be free is not free.
Source: ATExecAddColumn, ATPostAlterTypeCleanup, CheckIndexCompatible (commands/tablecmds.c, commands/indexcmds.c);
Postgres docs, ALTER TABLE, Notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from proxy.catalog import type_change
from proxy.catalog.claims import WORKS, Work
from proxy.catalog.facts import Column, Facts, Index, Relation
from proxy.catalog.type_names import SERIAL
from proxy.catalog.volatility import is_volatile
from proxy.sql.statements import AlterColumnType, ColumnConstraint, ColumnDefinition, Statement, TypeName, constraint_of

NULL = "null"


def added_column(statement: Statement, column: ColumnDefinition, facts: Facts) -> tuple[Work, bool]:
    """The work of ADD COLUMN, and whether that is known rather than assumed."""
    return added_type(statement, column.type, column.constraints, facts)


def added_type(
    statement: Statement, type_: TypeName, constraints: tuple[ColumnConstraint, ...], facts: Facts
) -> tuple[Work, bool]:
    """The same of a column of that type that has these constraints."""
    generated = constraint_of(constraints, "GENERATED")
    if type_.name in SERIAL or constraint_of(constraints, "IDENTITY") is not None:
        return "rewrite", True
    written = type_.span.of(statement.text)
    if type_change.missing(written, facts):
        return "none", True
    if generated is not None and not generated.virtual:
        return "rewrite", True
    array = type_.name.endswith("[]")  # an array of a domain is not checked
    known = facts.types.get(written)
    if known is None and not array and type_.name not in type_change.BUILT_IN:
        return "rewrite", False
    if known is not None and known.constrained and not array:
        return "rewrite", True
    expression = _default(statement, constraints)
    filled = expression is not None
    if expression is not None:
        base = known.base if known is not None and known.is_domain else ""
        volatile, sure = is_volatile(expression, facts, f"{written} {base}")
        if volatile:
            return "rewrite", sure
    elif constraint_of(constraints, "DEFAULT") is None and known is not None and known.has_default and not array:
        if known.volatile_default:
            return "rewrite", True
        filled = True
    return _constraint_work(constraints, filled=filled), True


def _default(statement: Statement, constraints: tuple[ColumnConstraint, ...]) -> str | None:
    """The text of DEFAULT, unless it is NULL."""
    default = constraint_of(constraints, "DEFAULT")
    if default is None or default.expression is None:
        return None
    text = default.expression.of(statement.text)
    return None if text.strip().lower() == NULL else text


def _constraint_work(constraints: tuple[ColumnConstraint, ...], *, filled: bool) -> Work:
    """``filled``: the rows that are there get a value."""
    if constraint_of(constraints, "UNIQUE") is not None or constraint_of(constraints, "PRIMARY KEY") is not None:
        return "build"
    if any(c.kind == "CHECK" and not c.not_enforced for c in constraints):
        return "scan"
    key = constraint_of(constraints, "REFERENCES")
    if key is not None and not key.not_enforced and constraint_of(constraints, "DEFAULT") is not None:
        return "scan"  # without that word Postgres does not look, whatever a domain gives; with it, it does so for NULL too
    return "scan" if constraint_of(constraints, "NOT NULL") is not None and not filled else "none"


def changed_type(
    statement: Statement, action: AlterColumnType, table: Relation | None, facts: Facts | None = None
) -> Work:
    """The work of ALTER COLUMN … TYPE; what hangs on the column is made anew even if nothing is rewritten.

    ``table`` has no constraints any more that the same ALTER drops.  Without ``facts``, any type but a built-in
    one is taken for one that rewrites.
    """
    column = table.columns.get(action.column) if table is not None else None
    if table is None or column is None:
        return "rewrite"
    if type_change.missing(action.type.span.of(statement.text), facts):
        return "none"
    if not type_change.is_free(statement, action, column, facts):
        return "rewrite"
    return max(_remade(statement, action, table, column, facts), key=WORKS.index)


def _remade(
    statement: Statement, action: AlterColumnType, table: Relation, column: Column, facts: Facts | None
) -> Iterator[Work]:
    """What each constraint and index on the column costs."""
    yield "none"
    for constraint in table.constraints.values():
        if (
            constraint.kind == "c"
            and constraint.validated
            and constraint.enforced
            and column.name in constraint.columns
        ):
            yield "scan"
    if table.heirs.check(column.name):
        yield "scan"
    made = rebuilt(statement, action, table, facts)
    if made is None or made or _remaking(statement, action, table, table.heirs.indexes, facts):
        yield "build"


def rebuilt(
    statement: Statement, action: AlterColumnType, table: Relation, facts: Facts | None
) -> tuple[Index, ...] | None:
    """The table's own indexes that a free change of type builds again all the same; None if that cannot be told."""
    if type_change.new(action.type.span.of(statement.text), facts) is None:
        return None
    return tuple(_remaking(statement, action, table, table.indexes.values(), facts))


def _remaking(
    statement: Statement, action: AlterColumnType, table: Relation, indexes: Iterable[Index], facts: Facts | None
) -> list[Index]:
    column = table.columns[action.column]
    found = type_change.new(action.type.span.of(statement.text), facts)
    alike = found is not None and type_change.same_order(type_change.old(column), found[0])
    recollated = other_collation(action, column)
    mentioned = (index for index in indexes if column.name in index.mentions)
    return [i for i in mentioned if _is_rebuilt(i, table, column, alike=alike, recollated=recollated)]


def _is_rebuilt(index: Index, table: Relation, column: Column, *, alike: bool, recollated: bool) -> bool:
    if index.constraint is not None and index.constraint not in table.constraints:
        return False  # dropped by the same ALTER
    if index.derived or index.reshaped or index.partitioned or index.partition or not index.valid:
        return True  # a partitioned one is made anew with all its parts; one that only a partition has is its own
    if recollated and column.name not in index.collated:
        alike = False
    return column.name in index.columns and not alike


def other_collation(action: AlterColumnType, column: Column) -> bool:
    """Whether the column sorts otherwise afterwards; what is not written is the type's default."""
    written = (action.collation or "").rpartition(".")[2]
    own = "C" if action.type.name == "name" else "default"  # name sorts by bytes, whatever the database does
    return ("" if written == own else written) != column.collation
