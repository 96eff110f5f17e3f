"""What a statement makes us ask the catalog: the names to resolve, and how much about what bears them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from proxy.catalog.type_names import SERIAL
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    AttachPartition,
    ConstraintKind,
    CreateIndex,
    CreateTable,
    CreateTableAs,
    DetachPartition,
    Drop,
    DropColumn,
    DropConstraint,
    DropDefault,
    DropIndex,
    DropNotNull,
    Name,
    Node,
    Other,
    OtherAction,
    SetDefault,
    SetNotNull,
    Statement,
    ValidateConstraint,
)
from proxy.sql.written import written

RELATION_TYPES = frozenset({"TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "FOREIGN TABLE", "INDEX"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A name to resolve as the server will: by the path, where a new relation goes, or beside another."""

    parts: tuple[str, ...]
    how: Literal["visible", "create", "beside"] = "visible"
    beside: tuple[str, ...] = ()  # parts of the table in whose schema it lives


def by_name(node: Node) -> dict[tuple[str, ...], Wanted]:
    wanted: dict[tuple[str, ...], Wanted] = {}
    for w in _wanted(node):
        if not all(w.parts):
            continue  # ``""``: Postgres refuses it, and so would our own query
        # The first wins: two kinds of lookup can only meet in one name where they mean one relation,
        # or where Postgres will refuse the statement.
        wanted.setdefault(w.parts, w)
    return wanted


def _wanted(node: Node) -> Iterator[Wanted]:
    match node:
        case CreateIndex():
            yield Wanted(node.relation.parts)
            if node.name is not None:
                yield Wanted(node.name.parts, "beside", node.relation.parts)
        case DropIndex():
            yield from (Wanted(name.parts) for name in node.names)
        case AlterTable():
            yield Wanted(node.relation.parts)
            yield from (Wanted(name.parts) for name in _alter_names(node))
            yield from (Wanted((name,), "beside", node.relation.parts) for name in _alter_indexes(node))
        case CreateTable():
            yield Wanted(node.relation.parts, "create")
            others = (node.partition_of, *node.inherits, *node.references)
            yield from (Wanted(name.parts) for name in others if name is not None)
        case CreateTableAs():
            yield Wanted(node.relation.parts, "create")
        case Drop():
            if node.on is not None:
                yield Wanted(node.on.parts)
            elif node.object_type in RELATION_TYPES:
                yield from (Wanted(name.parts) for name in node.names)
        case Other():
            yield from (Wanted(name.parts) for name in node.relations)


def _alter_names(node: AlterTable) -> Iterator[Name]:
    for action in node.actions:
        match action:
            case AddConstraint() if action.constraint.references is not None:
                yield action.constraint.references
            case AddColumn():
                yield from (c.references for c in action.column.constraints if c.references is not None)
            case AttachPartition() | DetachPartition():
                yield action.partition
            case OtherAction() if action.relation is not None:
                yield action.relation


def _alter_indexes(node: AlterTable) -> Iterator[str]:
    """Names of the indexes behind new constraints."""
    for action in node.actions:
        if isinstance(action, AddConstraint):
            constraint = action.constraint
            if constraint.using_index is not None:
                yield constraint.using_index
            if constraint.name is not None and constraint.kind in (
                ConstraintKind.UNIQUE,
                ConstraintKind.PRIMARY_KEY,
                ConstraintKind.EXCLUDE,
            ):
                yield constraint.name


def named(node: Node) -> tuple[str, ...] | None:
    """The table whose new index or constraint may get a name of Postgres's choice."""
    match node:
        case CreateIndex():
            return node.relation.parts
        case AlterTable() if any(isinstance(a, AddConstraint | SetNotNull) or _is_more(a) for a in node.actions):
            return node.relation.parts
    return None


def is_given(node: Node) -> bool:
    """Whether the author gives all of those names: then one is chosen for a partition at most."""
    if not isinstance(node, AlterTable):
        return isinstance(node, CreateIndex) and node.name is not None
    return not any(
        isinstance(a, SetNotNull)
        or _is_more(a)
        or (isinstance(a, AddConstraint) and (a.constraint.name is None or a.constraint.kind not in NAMED_ALONE))
        for a in node.actions
    )


NAMED_ALONE = (ConstraintKind.CHECK, ConstraintKind.FOREIGN_KEY)  # the others may need a helper, or an index


def names_relation(node: Node) -> bool:
    """Whether what gets that name may be a relation, which an index is and a sequence."""
    if not isinstance(node, AlterTable):
        return True
    return any(_is_more(a) or (isinstance(a, AddConstraint) and a.constraint.kind.has_index) for a in node.actions)


def referencing(node: Node) -> bool:
    match node:
        case Drop():
            return node.object_type == "TABLE"
        case Other():
            return "CASCADE" in node.options
        case CreateTable():
            return node.partition_of is not None
        case AlterTable():
            return any(
                isinstance(a, DropConstraint | DropColumn | AlterColumnType | AttachPartition | DetachPartition)
                for a in node.actions
            )
    return False


def cascades(node: Node) -> bool:
    match node:
        case Drop():
            return node.cascade or node.object_type == "TABLE"  # whether it may fail for what depends on it
        case Other():
            return "CASCADE" in node.options
        case AlterTable():
            return any(isinstance(a, DropColumn) and a.cascade for a in node.actions)
    return False


BRIEF = (AddColumn, SetNotNull, DropNotNull, SetDefault, DropDefault)  # not told by what ``detail`` asks for


def in_detail(node: Node) -> bool:
    match node:
        case AlterTable():
            return not all(isinstance(a, BRIEF) for a in node.actions)
        case CreateTable():
            return node.partition_of is not None
        case Drop():
            return node.object_type in RELATION_TYPES
        case Other():
            return node.kind == "TRUNCATE TABLE"
    return False


def with_sequences(node: Node) -> bool:
    """Whether it may lock the sequences that its columns own, or make others in their place."""
    if isinstance(node, AlterTable):
        return not all(isinstance(a, (*BRIEF, AddConstraint, ValidateConstraint, DropConstraint)) for a in node.actions)
    return isinstance(node, Drop | Other) and in_detail(node)


def is_placed(node: Node) -> bool:
    """Whether it matters where a table is kept, and how."""
    match node:
        case AlterTable():
            return any(isinstance(a, OtherAction) and a.what.startswith("SET ") for a in node.actions)
        case CreateTable():
            return node.partition_of is not None
    return False


def writes(node: Node) -> bool:
    """Whether rows that are there may have to be written, or foreign keys made again."""
    if isinstance(node, Drop):
        return node.object_type == "TABLE"
    kinds = AlterColumnType | DropColumn
    return isinstance(node, AlterTable) and any(isinstance(a, kinds) or _is_more(a) for a in node.actions)


def _is_more(action: Action) -> bool:
    """Whether it is an ADD COLUMN that gives rows a value, or makes anything with a name."""
    return isinstance(action, AddColumn) and bool(action.column.constraints or action.column.type.name in SERIAL)


def changes(statement: Statement) -> bool:
    """Whether it is an UPDATE or DELETE, and may be run in batches."""
    return any(one.whole and one.verb in ("UPDATE", "DELETE") for one in written(statement))


def swaps(node: Node) -> bool:
    """Whether a column may give way to another one, or goes."""
    return isinstance(node, AlterTable) and any(isinstance(a, AlterColumnType | DropColumn) for a in node.actions)


def retypes(node: Node) -> bool:
    return isinstance(node, AlterTable) and any(isinstance(a, AlterColumnType) for a in node.actions)


BY_PART = (ConstraintKind.FOREIGN_KEY, ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY)


def in_parts(node: Node) -> bool:
    """Whether it is done partition by partition, if its table has any."""
    match node:
        case CreateIndex():
            return not node.only
        case AlterTable():
            return any(
                isinstance(a, AttachPartition | DetachPartition)
                or (isinstance(a, AddConstraint) and a.constraint.kind in BY_PART)
                for a in node.actions
            )
        case CreateTable():
            return node.partition_of is not None
        case Other():
            return node.kind == "REINDEX" and not node.concurrently
    return False


def only_inherited(node: Node) -> frozenset[tuple[str, ...]]:
    """Tables below which it touches nothing: one more heir, of a thousand, shall not ask about all the others."""
    if not isinstance(node, CreateTable) or node.partition_of is not None:
        return frozenset()
    return frozenset(name.parts for name in node.inherits) - frozenset(name.parts for name in node.references)
