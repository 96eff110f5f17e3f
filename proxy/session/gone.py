"""Statements about names that what waits for COMMIT has taken, or will have freed: the server's answer, before it can give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.catalog.facts import Facts, Relation
from proxy.plans.inline import named
from proxy.plans.on_copy import INDEXED
from proxy.plans.reading import SYSTEM_COLUMNS
from proxy.plans.target import literal
from proxy.session.nearby import nearby
from proxy.session.pending import Pending, commented, constraints
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterTable,
    ConstraintKind,
    CreateIndex,
    Drop,
    DropConstraint,
    DropIndex,
    Name,
    Other,
    OtherAction,
    Statement,
    TableConstraint,
    ValidateConstraint,
)

WRONG_OBJECT, WRONG_STATE = "42809", "55000"
INVALID_TABLE, PRIMARY_KEY = "42P16", ConstraintKind.PRIMARY_KEY
UNDEFINED_OBJECT, UNDEFINED_TABLE, DUPLICATE_OBJECT, DUPLICATE_TABLE = "42704", "42P01", "42710", "42P07"
UNDEFINED_COLUMN, DEPENDED_ON = "42703", "2BP01"
SET_CONSTRAINTS = "SET CONSTRAINTS"


@dataclass(frozen=True, slots=True)
class Fails:
    """The statement fails as the server would have it fail."""

    sqlstate: str
    message: str
    position: int | None = None  # in the statement's text, from 0
    detail: str = ""
    hint: str = ""

    @property
    def fields(self) -> dict[str, str]:
        place = {} if self.position is None else {"P": str(self.position + 1)}
        more = {code: said for code, said in (("D", self.detail), ("H", self.hint)) if said}
        return {"S": "ERROR", "V": "ERROR", "C": self.sqlstate, "M": self.message, **more, **place}

    @property
    def sql(self) -> str:
        """A statement that fails so."""
        raised = f"ERRCODE = '{self.sqlstate}', MESSAGE = {literal(self.message)}"
        if self.detail:
            raised += f", DETAIL = {literal(self.detail)}"
        if self.hint:
            raised += f", HINT = {literal(self.hint)}"
        return f"DO LANGUAGE plpgsql {literal(f'BEGIN RAISE EXCEPTION USING {raised}; END')}"


@dataclass(frozen=True, slots=True)
class Skips:
    """IF EXISTS of what is gone, IF NOT EXISTS or REINDEX of what waits, or SET CONSTRAINTS of what nothing is to be checked by yet: nothing is done."""

    sql = "DO LANGUAGE plpgsql 'BEGIN END'"


def coming(statement: Statement, pending: Sequence[Pending]) -> list[str]:
    """The constraints that a SET CONSTRAINTS names and that are only added after COMMIT; of another statement none."""
    if not pending or statement.node.kind != SET_CONSTRAINTS:
        return []
    added = {name for one in pending for name in one.added}
    return [name for name in constraints(statement) if name in added]


def without(pending: Sequence[Pending], statement: Statement, facts: Facts) -> list[Pending]:
    """What waits behind a statement: not what is about a table that it drops."""
    node = statement.node
    if not pending or not isinstance(node, Drop) or node.object_type != "TABLE":
        return list(pending)
    found = (facts.find(name) for name in node.names)
    dropped = {relation.oid for relation in found if relation is not None}
    return [one for one in pending if not one.tables or not dropped.issuperset(one.tables)]


def renames_tables(statement: Statement) -> bool:
    """Whether a name may mean another table behind it, or none."""
    match statement.node:
        case Drop(object_type=object_type):
            return object_type in ("TABLE", "MATERIALIZED VIEW", "SCHEMA")
        case AlterTable(actions=actions):
            return any(isinstance(a, OtherAction) and a.what in ("RENAME TO", "SET SCHEMA") for a in actions)
        case Other(kind="ALTER SCHEMA"):
            return True
        case _:
            return any(renames_tables(one) for one in statement.inner)


def used(statement: Statement, pending: Sequence[Pending]) -> Statement | None:
    """The statement that makes the index which an ALTER TABLE uses and nothing else; None if it is none that waits."""
    names = uses(statement)
    if len(names) != 1:
        return None
    made = [one for one in pending if names[0] in one.indexes]
    return made[0].statement if len(made) == 1 else None


def takes(statement: Statement, pending: Sequence[Pending]) -> tuple[str, int] | None:
    """The name that an index which waits is to have by a renaming, and its table; None: it is none, or that name is to be free by then."""
    match statement.node:
        case AlterTable(object_type="INDEX", relation=index, actions=(OtherAction(what="RENAME TO", name=str(new)),)):
            made = [one for one in pending if index.name in one.indexes and one.tables]
            free = any(new in one.drops for one in pending)
            return (new, made[0].tables[0]) if made and not free else None
        case _:
            return None


def uses(statement: Statement) -> list[str]:
    """The indexes that the actions of an ALTER TABLE use, if all use one."""
    found: list[str] = []
    for action in statement.node.actions if isinstance(statement.node, AlterTable) else ():
        match action:
            case OtherAction(what="CLUSTER ON" | "REPLICA IDENTITY", name=str(name)):
                found.append(name)
            case AddConstraint(constraint=c) if c.using_index is not None:
                found.append(c.using_index)
            case _:
                return []
    return found


def _once_more(create: CreateIndex, name: str, facts: Facts) -> Fails | Skips | None:
    """Of an index whose name waits: Postgres looks at its columns first, and of expressions only the server can tell."""
    table = facts.find(create.relation)
    if table is not None and not table.exists:
        return None  # which is the first thing that the server says
    columns = table.columns if table is not None else {}
    lacking = next((column for column in create.columns if column is not None and column not in columns), None)
    if columns and lacking is not None and lacking not in SYSTEM_COLUMNS:
        return Fails(UNDEFINED_COLUMN, f'column "{lacking}" does not exist')
    if not create.if_not_exists:
        return Fails(DUPLICATE_TABLE, f'relation "{name}" already exists')
    return Skips() if columns and lacking is None and create.where is None and None not in create.columns else None


@dataclass(slots=True)
class _Indexes:
    """Names of indexes, once what waits is done: those that are new, those that are gone, of those that a constraint has its table,
    and of those of partitions what they are part of.
    """

    made: set[str]
    gone: set[str]
    backing: dict[str, str]
    parts: dict[str, str]


def _indexes(pending: Sequence[Pending]) -> _Indexes:
    found = _Indexes(set(), set(), {}, {})
    for one in pending:
        if one.renamed is not None and not one.is_plain_index:  # a constraint, and its index if it has one
            old, new = one.renamed
            if old in found.backing:
                found.gone = (found.gone | {old}) - {new}
                found.made = (found.made - {old}) | {new}
                found.backing[new] = found.backing.pop(old)
            continue
        found.gone = (found.gone | one.drops | one.renames) - one.indexes
        found.made = (found.made - one.drops - one.renames) | one.indexes
        found.backing = {name: table for name, table in found.backing.items() if name not in one.removed}
        found.backing |= one.backing
        found.parts |= one.parts
    return found


def foreseen(statement: Statement, facts: Facts, pending: Sequence[Pending]) -> Fails | Skips | None:
    """What the server would say of a statement, if what waits had been done already; None: nothing of this kind."""
    around = nearby(pending, statement.node, facts)
    indexes = _indexes(around)
    made, gone = indexes.made, indexes.gone
    match statement.node:
        case CreateIndex(name=Name(name=name)) as create if name in made:
            return _once_more(create, name, facts)
        case AlterTable(object_type="INDEX", relation=name, if_exists=lenient) if name.name in gone:
            return Skips() if lenient else Fails(UNDEFINED_TABLE, f'relation "{name.name}" does not exist')
        case AlterTable(actions=(OtherAction(what="RENAME TO", name=str(new)),)) if new in made:
            return Fails(DUPLICATE_TABLE, f'relation "{new}" already exists')
        case DropIndex() as drop:
            return _dropped(drop, facts, indexes)
        case Other(kind="COMMENT", relations=relations):
            return _commented(commented(statement), relations, facts, around, gone)
        case Other(kind=kind) if kind == SET_CONSTRAINTS and coming(statement, pending):
            return Skips() if len(coming(statement, pending)) == len(constraints(statement)) else None
        case Other(kind="REINDEX", relations=(name,), options=options, concurrently=at_ease) if "INDEX" in options:
            if name.name in made and not at_ease:
                return Skips()  # it is built by then
            return Fails(UNDEFINED_TABLE, f'relation "{name.name}" does not exist') if name.name in gone else None
        case AlterTable(object_type="TABLE" | "MATERIALIZED VIEW") as alter:
            relation = facts.find(alter.relation)
            if relation is not None and not relation.exists:
                return None  # which is the first thing that the server says
            return _altered(statement, alter, relation, facts, around, indexes)
        case _:
            return None


def _dropped(drop: DropIndex, facts: Facts, indexes: _Indexes) -> Fails | Skips | None:
    made, gone = indexes.made, indexes.gone
    names = [name.name for name in drop.names]
    if (part := next((name for name in names if indexes.parts.get(name, name) not in names), None)) is not None:
        return _required(part, f"index {indexes.parts[part]}")
    if (kept := next((name for name in names if name in indexes.backing), None)) is not None:
        return _required(kept, f"constraint {kept} on table {indexes.backing[kept]}")
    absent: set[str] = set()
    if any(name in made | gone for name in names):  # the server will not be asked about the others before
        absent = {n.name for n in drop.names if (r := facts.find(n)) is not None and not r.exists} - made
    missing = [name for name in names if name in gone | absent]
    if missing and not drop.if_exists:
        return Fails(UNDEFINED_OBJECT, f'index "{missing[0]}" does not exist')
    return Skips() if missing and len(missing) == len(names) else None


def _commented(
    about: str, relations: Sequence[Name], facts: Facts, pending: Sequence[Pending], gone: set[str]
) -> Fails | None:
    """Of a COMMENT; ``relations``: the index itself, or the table of the constraint."""
    table = next((name for name in relations if name.name != about), None)
    if table is None:
        return Fails(UNDEFINED_TABLE, f'relation "{about}" does not exist') if about in gone else None
    _, lost = _constraints(facts.find(table), pending)
    return _no_constraint(about, table.name) if about in lost else None


def _altered(
    statement: Statement,
    alter: AlterTable,
    relation: Relation | None,
    facts: Facts,
    pending: Sequence[Pending],
    indexes: _Indexes,
) -> Fails | None:
    table, actions = alter.relation, alter.actions
    made, gone = indexes.made, indexes.gone
    for action in actions:
        if isinstance(action, AddConstraint) and (index := action.constraint.using_index) is not None:
            place = action.constraint.span.start - statement.span.start
            if index in gone:
                return Fails(UNDEFINED_OBJECT, f'index "{index}" does not exist', place)
            if index in indexes.backing:
                return Fails(WRONG_STATE, f'index "{index}" is already associated with a constraint', place)
    if relation is not None and _is_second_key(actions, relation, pending):
        return Fails(INVALID_TABLE, f'multiple primary keys for table "{table.name}" are not allowed')
    oid = relation.oid if relation is not None else 0
    foreign = {name for one in pending if oid and one.tables and oid not in one.tables for name in one.indexes} & made
    waiting, lost = _constraints(relation, pending)
    columns = set(relation.columns if relation is not None else ())
    columns |= {name for one in pending if one.adds_to(relation) for name in one.columns}
    unique = {name for one in pending for name in one.added & one.indexes if oid in one.tables}
    dropped = {action.name for action in actions if isinstance(action, DropConstraint)}  # before anything is added
    for action in actions:
        match action:
            case AddConstraint(constraint=TableConstraint(name=str(name))) if name in dropped:
                pass
            case ValidateConstraint(name=name) | DropConstraint(name=name, if_exists=False) if name in lost:
                return Fails(UNDEFINED_OBJECT, f'constraint "{name}" of relation "{table.name}" does not exist')
            case OtherAction(what="RENAME CONSTRAINT", name=str(name)) if name in lost:
                return _no_constraint(name, table.name)
            case OtherAction(what="ALTER CONSTRAINT", name=str(name)) if name in unique:
                said = f'constraint "{name}" of relation "{table.name}" is not a foreign key constraint'
                return Fails(WRONG_OBJECT, said)
            case ValidateConstraint(name=name) if name in unique:
                return _not_to_be_validated(name, table.name, facts.major)
            case OtherAction(what="CLUSTER ON" | "REPLICA IDENTITY", name=str(index)) if index in foreign:
                return Fails(WRONG_OBJECT, f'"{index}" is not an index for table "{table.name}"')
            case AddConstraint(constraint=c) if c.using_index in foreign:
                said = f'index "{c.using_index}" does not belong to table "{table.name}"'
                return Fails(WRONG_STATE, said, c.span.start - statement.span.start)
            case OtherAction(what="CLUSTER ON" | "REPLICA IDENTITY", name=str(index)) if index in gone:
                return Fails(UNDEFINED_OBJECT, f'index "{index}" for table "{table.name}" does not exist')
            case AddConstraint(constraint=c) if c.name in made and c.using_index != c.name and c.kind in INDEXED:
                return Fails(DUPLICATE_TABLE, f'relation "{c.name}" already exists')
            case AddConstraint(constraint=TableConstraint(name=str(name), using_index=index)) if name in waiting:
                there = index is None or index in made or relation is None or index in relation.indexes
                return _constraint_taken(name, table.name) if there else None  # which is said first
            case AddColumn(if_not_exists=False, column=column) if column.name not in columns:  # which is said first
                for name, inside in named(column, facts.major):
                    if name in made and inside.kind in ("UNIQUE", "PRIMARY KEY"):
                        return Fails(DUPLICATE_TABLE, f'relation "{name}" already exists')
                    if name in waiting or any(name in one.validated for one in pending if one.adds_to(relation)):
                        return _constraint_taken(name, table.name)
            case OtherAction(what="RENAME CONSTRAINT", to=str(name)) if name in waiting:
                return _constraint_taken(name, table.name)
            case _:
                pass
    return None


def _no_constraint(constraint: str, table: str) -> Fails:
    return Fails(UNDEFINED_OBJECT, f'constraint "{constraint}" for table "{table}" does not exist')


def _constraints(relation: Relation | None, pending: Sequence[Pending]) -> tuple[set[str], set[str]]:
    """Names of constraints that a table will have only then, and of those that it will have lost."""
    found: set[str] = set()
    lost: set[str] = set()
    for one in pending:
        if one.adds_to(relation):
            added = one.added | ({one.renamed[1]} if one.renamed is not None else set())
            found, lost = (found - one.removed) | added, (lost | one.removed) - added
    return found, lost


def _is_second_key(actions: Sequence[Action], relation: Relation, pending: Sequence[Pending]) -> bool:
    """Whether a primary key is added to a table that is to get one (index_check_primary_key in catalog/index.c)."""
    keys = [a.constraint for a in actions if isinstance(a, AddConstraint) and a.constraint.kind is PRIMARY_KEY]
    if not keys or any(isinstance(a, DropConstraint) for a in actions):
        return False
    waiting = {name for one in pending for name in one.indexes}
    for key in keys:  # anything else that is wrong with it is said first
        index = relation.indexes.get(key.using_index or "")
        usable = key.using_index in waiting or (
            index is not None and index.unique and index.valid and not index.derived
        )
        if not (usable if key.using_index is not None else set(key.columns) <= relation.columns.keys()):
            return False
    made = [one for one in pending if one.makes_primary_key]
    if any(not one.tables and one.table == relation.name for one in made):  # behind a DROP in the same query string
        return True
    return any(relation.oid in one.tables or (relation.is_partition and one.is_above(relation)) for one in made)


def _required(index: str, what: str) -> Fails:
    said = f"cannot drop index {index} because {what} requires it"
    return Fails(DEPENDED_ON, said, hint=f"You can drop {what} instead.")


def _constraint_taken(constraint: str, table: str) -> Fails:
    return Fails(DUPLICATE_OBJECT, f'constraint "{constraint}" for relation "{table}" already exists')


def _not_to_be_validated(constraint: str, table: str, major: int) -> Fails:
    """Its words are those of the version (ATExecValidateConstraint in commands/tablecmds.c)."""
    if major < 18:
        said = f'constraint "{constraint}" of relation "{table}" is not a foreign key or check constraint'
        return Fails(WRONG_OBJECT, said)
    detail = "This operation is not supported for this type of constraint."
    return Fails(WRONG_OBJECT, f'cannot validate constraint "{constraint}" of relation "{table}"', detail=detail)


__all__ = [
    "SET_CONSTRAINTS",
    "Fails",
    "Skips",
    "coming",
    "foreseen",
    "renames_tables",
    "takes",
    "used",
    "uses",
    "without",
]
