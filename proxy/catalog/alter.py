"""Locks and work of ALTER TABLE and its like, action by action.

Source: AlterTableGetLockLevel, ATRewriteTables, ATExec… (commands/tablecmds.c); lock levels of storage
parameters: access/common/reloptions.c.
"""

from __future__ import annotations

from proxy.catalog.bounds import Bound, bound, key_column, outside, within
from proxy.catalog.claims import Claims, Work
from proxy.catalog.column_work import added_column, changed_type
from proxy.catalog.facts import Constraint, Heirs, Relation
from proxy.catalog.parts import missing_indexes, missing_keys
from proxy.plans.plan import Lock
from proxy.records import replace
from proxy.sql.expression import proves_not_null
from proxy.sql.lexer import lex
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    AttachPartition,
    ConstraintKind,
    DetachPartition,
    DropColumn,
    DropConstraint,
    OtherAction,
    SetNotNull,
    Statement,
    TableConstraint,
    ValidateConstraint,
)

AE = Lock.ACCESS_EXCLUSIVE
SRE = Lock.SHARE_ROW_EXCLUSIVE
SUE = Lock.SHARE_UPDATE_EXCLUSIVE


def claim(statement: Statement, node: AlterTable, claims: Claims) -> None:
    """Every action's locks; ALTER TABLE takes the strongest on its table before it begins."""
    table = claims.find(node.relation)
    if table is not None and not table.exists:
        return
    claims.take(node.relation, Lock.ACCESS_SHARE)  # so that it comes before those that the actions name
    left = _without_dropped(node, table)
    for action in node.actions:
        lock, work = _action(statement, node, action, table, left, claims)
        if node.object_type == "INDEX" and lock is AE:
            claims.index(node.relation, lock, Lock.NONE, work)
        else:
            claims.take(node.relation, lock, work)


def _without_dropped(node: AlterTable, table: Relation | None) -> Relation | None:
    """The table without the constraints and columns that the ALTER drops: it does that first, wherever it says so."""
    dropped = {action.name for action in node.actions if isinstance(action, DropConstraint)}
    columns = {action.column for action in node.actions if isinstance(action, DropColumn)}
    if table is None or not dropped | columns:
        return table
    kept = {n: c for n, c in table.constraints.items() if n not in dropped and columns.isdisjoint(c.columns)}
    indexes = {n: i for n, i in table.indexes.items() if columns.isdisjoint(i.mentions)}
    heirs = Heirs(
        tuple(check for check in table.heirs.checked if columns.isdisjoint(check)),
        tuple(index for index in table.heirs.indexes if columns.isdisjoint(index.mentions)),
    )
    return replace(table, constraints=kept, indexes=indexes, heirs=heirs)


def _proving(node: AlterTable, table: Relation | None) -> Relation | None:
    """The table with those constraints only that a change of type leaves in place while NOT NULL is looked into."""
    changed = {action.column for action in node.actions if isinstance(action, AlterColumnType)}
    if table is None or not changed:
        return table
    return replace(table, constraints={n: c for n, c in table.constraints.items() if not changed & set(c.columns)})


def _action(
    statement: Statement,
    node: AlterTable,
    action: Action,
    table: Relation | None,
    left: Relation | None,
    claims: Claims,
) -> tuple[Lock, Work]:
    """The lock on the table itself and the work; other relations are claimed here.

    ``left`` is the table after the drops of the same ALTER.
    """
    match action:
        case AddColumn():
            return _add_column(statement, action, table, claims)
        case DropColumn():
            _with_keys(claims, table, action.column, cascade=action.cascade)
            _with_sequence(claims, table, action.column, AE)
            for column, schema, name in table.views if table is not None else ():
                if action.cascade and column in (action.column, ""):
                    claims.take_pair((schema, name), AE)
            return AE, "none"
        case AlterColumnType():
            _with_keys(claims, left, action.column, cascade=True)
            if table is not None and (known := table.columns.get(action.column)) is not None and known.identity:
                _with_sequence(claims, table, action.column, SRE)
            return AE, changed_type(statement, action, left, claims.facts)
        case SetNotNull():
            if any(isinstance(a, AddColumn) and a.column.name == action.column for a in node.actions):
                return AE, "scan"
            free = left is not None and becomes_own(left, action.column)
            return AE, "none" if free or _is_not_null(_proving(node, left), action.column) else "scan"
        case AddConstraint():
            return _add_constraint(action.constraint, _proving(node, left), claims, only=node.only)
        case DropConstraint():
            _drop_constraint(action, table, claims)
            return AE, "none"
        case ValidateConstraint():
            return _validate(action, table, claims)
        case AttachPartition():
            return _attach(statement, node, action, table, claims)
        case DetachPartition():
            return _detach(action, table, claims)
        case OtherAction():
            return _other(statement, node, action, claims)
        case _:  # DEFAULT, DROP NOT NULL
            return AE, "none"


# ---------------------------------------------------------------- columns and constraints


def _add_column(statement: Statement, action: AddColumn, table: Relation | None, claims: Claims) -> tuple[Lock, Work]:
    if action.if_not_exists and table is not None and action.column.name in table.columns:
        return AE, "none"
    for constraint in action.column.constraints:
        if constraint.references is not None:
            claims.take(constraint.references, SRE)
    work, known = added_column(statement, action.column, claims.facts)
    claims.known &= known
    return AE, work


def _keys(table: Relation | None, column: str) -> list[Constraint]:
    """The foreign keys that a column is part of."""
    found = table.constraints.values() if table is not None else ()
    return [c for c in found if c.kind == "f" and column in c.columns]


def _with_keys(claims: Claims, table: Relation | None, column: str, *, cascade: bool) -> None:
    """Tables at the other end of a column's foreign keys."""
    for constraint in _keys(table, column):
        if constraint.references is not None:
            claims.take_pair(constraint.references, AE)
    for key in table.referring if cascade and table is not None else ():
        if column in key.columns:
            claims.take_pair(key.table, AE)


def _with_sequence(claims: Claims, table: Relation | None, column: str | None, lock: Lock) -> None:
    """The sequences that a column owns, or all of a table's."""
    for owner, schema, name in table.sequences if table is not None else ():
        if column in (owner, None):
            claims.take_pair((schema, name), lock)


def becomes_own(table: Relation, column: str) -> bool:
    """Whether SET NOT NULL only makes a NOT NULL the table's own that it has, NOT VALID, from a table above.

    No row is read for it, and it stays NOT VALID (18).  Source: ATExecSetNotNull, commands/tablecmds.c; measured on 18.4.
    """
    own = (c for c in table.constraints.values() if c.kind == "n" and c.columns == (column,))
    return any(c.inherited and not c.validated for c in own)


def _is_not_null(table: Relation | None, column: str) -> bool:
    """Whether SET NOT NULL has nothing to scan for."""
    if table is None:
        return False
    known = table.columns.get(column)
    if known is None:
        return True  # Postgres raises its own error
    if known.not_null:
        return known.not_null_valid
    checks = (c for c in table.constraints.values() if c.kind == "c" and c.validated and c.enforced)
    return any(proves_not_null(c.definition, column) for c in checks)


def _add_constraint(
    constraint: TableConstraint, table: Relation | None, claims: Claims, *, only: bool
) -> tuple[Lock, Work]:
    later = constraint.not_valid is not None or constraint.not_enforced
    match constraint.kind:
        case ConstraintKind.FOREIGN_KEY:
            if constraint.references is not None:
                claims.take(constraint.references, SRE)
            return SRE, "none" if later else "scan"
        case ConstraintKind.CHECK:
            merged = table is not None and constraint.name in table.checked_below
            return AE, "none" if later or merged else "scan"
        case ConstraintKind.NOT_NULL:
            proven = all(_is_not_null(table, column) for column in constraint.columns)
            return AE, "none" if later or proven else "scan"
        case _ if constraint.using_index is None:
            return AE, "none" if only and table is not None and table.partitioned else "build"
        case ConstraintKind.PRIMARY_KEY:
            return AE, "none" if _index_is_not_null(constraint.using_index, table) else "scan"
        case _:
            return AE, "none"


def _index_is_not_null(name: str, table: Relation | None) -> bool:
    """Whether all that PRIMARY KEY USING INDEX makes NOT NULL is so already."""
    index = table.indexes.get(name) if table is not None else None
    return index is not None and all(_is_not_null(table, column) for column in index.columns)


def _drop_constraint(action: DropConstraint, table: Relation | None, claims: Claims) -> None:
    constraint = table.constraints.get(action.name) if table is not None else None
    if table is None or constraint is None:
        return
    if constraint.references is not None:
        claims.take_pair(constraint.references, AE)
    if constraint.kind in "pu" and action.cascade:
        for key in table.referring:
            if set(key.columns) == set(constraint.columns):
                claims.take_pair(key.table, AE)


def _validate(action: ValidateConstraint, table: Relation | None, claims: Claims) -> tuple[Lock, Work]:
    constraint = table.constraints.get(action.name) if table is not None else None
    if constraint is None:
        return SUE, "scan"
    if constraint.validated:
        return SUE, "none"
    if constraint.references is not None:
        claims.take_pair(constraint.references, Lock.ROW_SHARE)
    return SUE, "scan"


# ---------------------------------------------------------------- partitions


def _attach(
    statement: Statement, node: AlterTable, action: AttachPartition, table: Relation | None, claims: Claims
) -> tuple[Lock, Work]:
    if node.object_type == "INDEX":
        claims.index(action.partition, AE, Lock.ACCESS_SHARE)
        return SUE, "none"
    wanted = bound(action.span.of(statement.text))
    proven = _is_proven(claims.find(action.partition), table, action, wanted)
    partition = claims.take(action.partition, AE, "none" if proven else "scan")
    if table is not None:
        if partition is not None and missing_indexes(table, partition):
            claims.do("build")
        if partition is not None and missing_keys(table, partition):
            claims.take(action.partition, AE, "scan")
        for key in (k for k in table.referring if not k.part and claims.facts.major >= 15):
            claims.take_pair(key.table, SRE)
        for constraint in table.constraints.values():
            if constraint.references is not None:
                claims.take_pair(constraint.references, SRE)
        if not action.is_default:
            claim_default(table, wanted, claims)
    return SUE, "none"


def _is_proven(
    partition: Relation | None, table: Relation | None, action: AttachPartition, wanted: Bound | None
) -> bool:
    """Whether the rows of a new partition need not be looked at."""
    if partition is None or table is None:
        return False
    if action.is_default:
        return not table.has_children
    column = key_column(table)
    return column is not None and wanted is not None and not table.is_partition and within(partition, column, wanted)


def claim_default(table: Relation, wanted: Bound | None, claims: Claims) -> None:
    """The default partition, which must have no row that belongs in the new one."""
    if table.default_partition is None:
        return
    default, column = claims.facts.relations.get(table.default_partition), key_column(table)
    proven = default is not None and column is not None and wanted is not None and outside(default, column, wanted)
    claims.take_pair(table.default_partition, AE, "none" if proven else "scan")


def _detach(action: DetachPartition, table: Relation | None, claims: Claims) -> tuple[Lock, Work]:
    if action.concurrently or action.finalize:
        claims.take(action.partition, AE)  # in its second transaction, when nobody uses it through the parent
        return SUE, "none"
    partition = claims.find(action.partition)
    is_default = partition is not None and table is not None and table.default_partition == partition.qualified
    claims.take(action.partition, AE if claims.facts.major >= 14 or is_default else SUE)
    for constraint in partition.constraints.values() if partition is not None else ():
        if constraint.inherited and constraint.references is not None:
            claims.take_pair(constraint.references, SRE)  # it gets triggers of its own
    for key in table.referring if table is not None else ():
        claims.take_pair(key.table, AE, "scan")  # no row of it may refer to the partition
    return AE, "none"


# ---------------------------------------------------------------- everything else

LIGHT = frozenset({"SET STATISTICS", "CLUSTER ON", "SET WITHOUT CLUSTER"})
REWRITES = frozenset({"SET LOGGED", "SET UNLOGGED", "SET ACCESS METHOD", "SET TABLESPACE", "SET EXPRESSION AS"})

ON_SEQUENCES = {"DROP IDENTITY": AE, "SET IDENTITY": SRE, "SET SCHEMA": AE}
PERSISTENCE = {"SET LOGGED": "p", "SET UNLOGGED": "u"}

# Storage parameters that may change beside readers and writers; any other takes ACCESS EXCLUSIVE.
LIGHT_PARAMETERS = frozenset(
    {
        "fillfactor", "toast_tuple_target", "parallel_workers", "vacuum_index_cleanup", "vacuum_truncate", "log_autovacuum_min_duration",
        "deduplicate_items", "n_distinct", "n_distinct_inherited", "vacuum_max_eager_freeze_failure_rate",
    }
)  # fmt: skip


def _other(statement: Statement, node: AlterTable, action: OtherAction, claims: Claims) -> tuple[Lock, Work]:
    what = action.what
    if what in LIGHT:
        return SUE, "none"
    if what in REWRITES:
        return AE, "none" if _is_so_already(action, claims.find(node.relation)) else "rewrite"
    if what in ON_SEQUENCES:
        _with_sequence(claims, claims.find(node.relation), action.column, ON_SEQUENCES[what])
        return AE, "none"
    if what == "ALTER CONSTRAINT":
        return _alter_constraint(statement, action, claims.find(node.relation), claims)
    if what in ("SET", "RESET"):
        return (SUE if _parameters_are_light(action.span.of(statement.text)) else AE), "none"
    if what.startswith(("ENABLE", "DISABLE")) and "TRIGGER" in what:
        return SRE, "none"
    if what == "SEQUENCE OPTIONS":
        return SRE, "none"
    if node.object_type == "INDEX" and what == "RENAME TO":
        return SUE, "none"
    if what == "INHERIT" and action.relation is not None:
        claims.take(action.relation, SUE)
    elif what == "NO INHERIT" and action.relation is not None:
        claims.take(action.relation, Lock.ACCESS_SHARE)
    return AE, "none"


def _is_so_already(action: OtherAction, table: Relation | None) -> bool:
    """Whether nothing has to be stored anew."""
    if table is None:
        return False
    if table.partitioned and action.what != "SET EXPRESSION AS":
        return True  # it has no file, and partitions keep theirs
    match action.what:
        case "SET LOGGED" | "SET UNLOGGED":
            return table.persistence == PERSISTENCE[action.what]
        case "SET TABLESPACE":
            return action.name is not None and action.name == table.tablespace
        case "SET ACCESS METHOD":
            return action.name is not None and action.name == table.access_method
    return False


def _alter_constraint(
    statement: Statement, action: OtherAction, table: Relation | None, claims: Claims
) -> tuple[Lock, Work]:
    """Enforcing a foreign key or not makes or drops its triggers, which stand on both tables."""
    words = [token.value for token in lex(action.span.of(statement.text)) if token.kind == "word"]
    if "enforced" not in words:
        return AE, "none"
    constraint = table.constraints.get(action.name) if table is not None and action.name is not None else None
    enforces = words[words.index("enforced") - 1] != "not"
    if constraint is not None and constraint.references is not None and constraint.enforced != enforces:
        claims.take_pair(constraint.references, AE)
    return AE, "scan" if enforces and (constraint is None or not constraint.enforced) else "none"


def _parameters_are_light(text: str) -> bool:
    """Whether every storage parameter in ``SET (a = 1, b.c = 2)`` is one of the light ones; False in doubt."""
    inside = text.partition("(")[2].rpartition(")")[0].lower()
    names = [part.partition("=")[0].strip() for part in inside.split(",")]
    heads = [name.removeprefix("toast.") for name in names]
    return all(head in LIGHT_PARAMETERS or (head.startswith("autovacuum_") and head.isidentifier()) for head in heads)
