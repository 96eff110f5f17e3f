"""What waits for the COMMIT of an open transaction, as its later statements see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from proxy.catalog.facts import Facts, Relation
from proxy.catalog.type_names import SERIAL
from proxy.plans import referable
from proxy.plans.on_copy import INDEXED
from proxy.plans.plan import Step
from proxy.plans.target import is_own
from proxy.sql import lexer, read
from proxy.sql.lexer import LexError
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterTable,
    AttachPartition,
    ColumnDefinition,
    ConstraintKind,
    CreateIndex,
    CreateTable,
    DropConstraint,
    DropIndex,
    Name,
    Other,
    OtherAction,
    SetNotNull,
    Statement,
    TableConstraint,
    ValidateConstraint,
    quote_identifier,
)


@dataclass(frozen=True, slots=True)
class Filled:
    by_default: bool  # with what is its default then
    not_null: bool  # and it is NOT NULL behind it
    always: bool  # and takes no value but of its own from then on


@dataclass(frozen=True)
class Pending:
    """Something that waits.  ``job`` is None while it stands in the text that is just looked at."""

    sql: str
    steps: tuple[Step, ...]
    tables: tuple[int, ...] = ()
    give_up: tuple[str, ...] = ()
    job: int | None = None
    left: bool = False  # of a transaction before: somebody may have begun it, so that it cannot be taken back
    here: bool = True  # written down by this very session
    known: Statement | None = field(default=None, compare=False)  # ``sql``, if it has been read already

    @cached_property
    def statement(self) -> Statement | None:
        return self.known or next(iter(read.read(self.sql)), None)

    @cached_property
    def made(self) -> frozenset[str]:
        """Names of indexes and constraints that will be there, or be valid, only then."""
        names = {step.index[1] for step in self.steps if step.index is not None and not self.drops}
        match self.statement:
            case Statement(node=CreateIndex(name=Name(name=name))):
                names.add(name)
            case Statement(node=AlterTable(actions=actions)):
                names |= {a.constraint.name for a in actions if isinstance(a, AddConstraint) and a.constraint.name}
                names |= {a.name for a in actions if isinstance(a, ValidateConstraint)}
        if self.renamed is not None:
            names.add(self.renamed[1])
        return frozenset(names) | self.validated | self.added | frozenset(self.parts.values())

    @cached_property
    def validated(self) -> frozenset[str]:
        """Names of constraints that are there, NOT VALID, and will be valid only then."""
        return frozenset(a.name for a in self._actions if isinstance(a, ValidateConstraint))

    @cached_property
    def added(self) -> frozenset[str]:
        """Names of constraints that are there, valid or not, only then."""
        adds = [a.constraint for a in self._actions if isinstance(a, AddConstraint)]
        return frozenset(c.name for c in adds if c.name)

    @cached_property
    def removed(self) -> frozenset[str]:
        """Names of constraints that are there now, or only then, and gone when it is done."""
        dropped = frozenset(a.name for a in self._actions if isinstance(a, DropConstraint))
        return dropped | (frozenset({self.renamed[0]}) if self.renamed is not None else frozenset())

    @cached_property
    def _actions(self) -> list[Action]:
        """What ALTERs that are still to be run do."""
        return [action for alter in self._alters for action in alter.actions]

    @cached_property
    def _alters(self) -> list[AlterTable]:
        statements = [s for step in self.steps for sql in step.statements for s in read.read(sql)]
        return [s.node for s in statements if isinstance(s.node, AlterTable)]

    @property
    def referenced(self) -> frozenset[str]:
        """Bare names of tables that its foreign keys point to."""
        return frozenset(name.name for name in self.references)

    @cached_property
    def references(self) -> tuple[Name, ...]:
        """Tables that its foreign keys point to."""
        node = self.statement.node if self.statement is not None else None
        actions = node.actions if isinstance(node, AlterTable) else ()
        keys = [a.constraint.references for a in actions if isinstance(a, AddConstraint)]
        keys += [c.references for a in actions if isinstance(a, AddColumn) for c in a.column.constraints]
        return tuple(name for name in keys if name is not None)

    @cached_property
    def will_refer(self) -> bool:
        """Whether its foreign keys are added, by the names of their tables, only then."""
        return any(isinstance(a, AddConstraint) and a.constraint.references is not None for a in self._actions)

    @cached_property
    def makes_primary_key(self) -> bool:
        adds = [a.constraint for a in self._actions if isinstance(a, AddConstraint)]
        return any(c.kind is ConstraintKind.PRIMARY_KEY for c in adds)

    @cached_property
    def indexed(self) -> frozenset[tuple[str | None, ...]]:
        """The columns of the indexes that are built for it, of each; None: an expression."""
        match self.statement:
            case Statement(node=CreateIndex(columns=columns)):
                return frozenset({columns})
            case Statement(node=AlterTable(actions=actions)):
                added = [a.constraint for a in actions if isinstance(a, AddConstraint)]
                return frozenset(c.columns for c in added if c.kind in INDEXED and c.using_index is None)
            case _:
                return frozenset()

    @cached_property
    def is_plain_index(self) -> bool:
        """Whether what it makes is an index, and no constraint."""
        node = self.statement.node if self.statement is not None else None
        return isinstance(node, CreateIndex) or (isinstance(node, AlterTable) and node.object_type == "INDEX")

    @cached_property
    def indexes(self) -> frozenset[str]:
        """Those of ``made`` that are indexes, and so may not have the name of another relation."""
        match self.statement:
            case Statement(node=CreateIndex()) | Statement(node=AlterTable(object_type="INDEX")):
                return frozenset(name for name in self.made if not is_own(name))
            case _:
                names = frozenset(c.name for c, _ in self._over_indexes if c.name is not None)
                return names | frozenset(self.parts.values())

    @cached_property
    def _over_indexes(self) -> list[tuple[TableConstraint, str]]:
        """The constraints with an index that are to be added, each with its table."""
        return [
            (a.constraint, alter.relation.name)
            for alter in self._alters
            for a in alter.actions
            if isinstance(a, AddConstraint) and a.constraint.kind in INDEXED
        ]

    @cached_property
    def backing(self) -> dict[str, str]:
        """The indexes that a constraint will have only then, each with its table."""
        wholes = set() if self.is_plain_index else set(self.parts.values()) - self.parts.keys()
        found = {name: table for c, table in self._over_indexes if (name := c.name or c.using_index)}
        return dict.fromkeys(wholes, self.table) | found

    @cached_property
    def renames(self) -> frozenset[str]:
        """Names that indexes lose by becoming those of a constraint."""
        used = frozenset(c.using_index for c, _ in self._over_indexes if c.using_index is not None)
        return used - self.backing.keys()

    @cached_property
    def parts(self) -> dict[str, str]:
        """The indexes of partitions that will be there only then, each with the one that it will be part of."""
        return {
            action.partition.name: alter.relation.name
            for alter in self._alters
            for action in alter.actions
            if isinstance(action, AttachPartition) and alter.object_type == "INDEX"
        }

    @cached_property
    def makes_whole(self) -> bool:
        """Whether the key of a partitioned table is made only then: a partition that comes before does not get its part."""
        return any(isinstance(a, AddConstraint) for alter in self._alters if alter.only for a in alter.actions)

    @cached_property
    def columns(self) -> frozenset[str]:
        """Names of the columns that its ALTER TABLE adds, at once."""
        node = self.statement.node if self.statement is not None else None
        actions = node.actions if isinstance(node, AlterTable) else ()
        return frozenset(a.column.name for a in actions if isinstance(a, AddColumn))

    @cached_property
    def fills(self) -> dict[str, Filled]:
        """The new columns whose rows get their values only then."""
        node, text = (self.statement.node, self.statement.text) if self.statement is not None else (None, "")
        added = [a.column for a in node.actions if isinstance(a, AddColumn)] if isinstance(node, AlterTable) else []
        given = [step.batch.assign for step in self.steps if step.batch is not None]
        return {
            column.name: Filled(assign.endswith(" = DEFAULT"), _is_not_null(column), _is_always(column, text))
            for column in added
            for assign in given
            if assign.startswith(f"{quote_identifier(column.name)} = ")
        }

    @cached_property
    def touched(self) -> frozenset[tuple[str, str]]:
        """What its steps know by its name, partitions among them: (schema, name)."""
        return frozenset(key for step in self.steps for key in step.relations)

    @cached_property
    def schemas(self) -> frozenset[str]:
        """Where the indexes are that it makes, drops or renames; empty: not known."""
        built = frozenset(step.index[0] for step in self.steps if step.index is not None)
        return (built or frozenset(schema for schema, _ in self.touched)) - {""}

    @cached_property
    def drops(self) -> frozenset[str]:
        """Names of indexes and constraints that will be gone only then."""
        match self.statement:
            case Statement(node=DropIndex(names=names)):
                return frozenset(name.name for name in names)
            case _:
                return frozenset({self.renamed[0]} if self.renamed is not None else ())

    @cached_property
    def renamed(self) -> tuple[str, str] | None:
        """The old and the new name of an index or constraint that is renamed only then."""
        match self.statement:
            case Statement(
                node=AlterTable(
                    object_type="INDEX", relation=old, actions=(OtherAction(what="RENAME TO", name=str(new)),)
                )
            ):
                return old.name, new
            case Statement(
                node=AlterTable(actions=(OtherAction(what="RENAME CONSTRAINT", name=str(name), to=str(new)),))
            ):
                return name, new
            case _:
                return None

    def touches(self, statement: Statement, facts: Facts) -> bool:
        """Whether a statement says a name of what waits, or one of its tables, their partitions and heirs: the server may say otherwise of it now than then."""
        there = [relation for relation in facts.relations.values() if relation.exists]
        about = {relation.oid if relation.index is None else relation.index.table_oid for relation in there}
        about = about.union(*(relation.above | relation.below for relation in there))
        names = self.made | self.drops | ({self.table} if not self.tables else frozenset())
        return not about.isdisjoint(self.tables) or not names.isdisjoint(words(statement.sql))

    def adds_to(self, relation: Relation | None) -> bool:
        """Whether the constraints that it adds are those of this table."""
        node = self.statement.node if self.statement is not None else None
        if relation is None or not isinstance(node, AlterTable | CreateTable) or node.relation.name != relation.name:
            return False
        return node.relation.schema in (None, relation.schema) and (not self.tables or relation.oid in self.tables)

    def is_above(self, relation: Relation | None) -> bool:
        """Whether it is about a table that this one is a partition of, or inherits from."""
        return relation is not None and not relation.above.isdisjoint(self.tables)

    def is_below(self, relation: Relation | None) -> bool:
        """Whether it is about a partition or an heir of this table."""
        return relation is not None and not relation.below.isdisjoint(self.tables)

    @property
    def table(self) -> str:
        """The bare name of the table that its ALTER TABLE, CREATE TABLE or CREATE INDEX is about; empty if it is none."""
        node = self.statement.node if self.statement is not None else None
        return node.relation.name if isinstance(node, AlterTable | CreateTable | CreateIndex) else ""

    @property
    def name(self) -> str:
        """What to call it in a message."""
        node = self.statement.node if self.statement is not None else None
        others = [name.name for name in node.relations] if isinstance(node, Other) else [self.table]
        named = sorted(name for name in self.made | self.drops if not is_own(name))
        return next(iter((*named, *self.fills, *others)), "")

    @cached_property
    def words(self) -> frozenset[str]:
        """All names in it, columns among them."""
        return words(self.sql)

    @cached_property
    def marks(self) -> frozenset[str]:
        """Names of passing objects of ours in it."""
        return frozenset(filter(is_own, self.later_words))

    @cached_property
    def later_words(self) -> frozenset[str]:
        """All names in what is still to be run."""
        return frozenset(word for step in self.steps for sql in step.statements for word in words(sql))

    @cached_property
    def keys(self) -> tuple[referable.Key, ...]:
        """What a foreign key may point to only then."""
        return tuple(referable.made(self.statement)) if self.statement is not None else ()

    def needs(self, other: Pending) -> bool:
        """Whether it adds, only then, a foreign key to what will be unique by the other."""
        added = [a.constraint for a in self._actions if isinstance(a, AddConstraint)]
        return any(
            c.references is not None
            and c.references.name in other.words
            and referable.serves(other.keys, c.referenced_columns)
            for c in added
        )

    @cached_property
    def only_validates(self) -> bool:
        match self.statement:
            case Statement(node=AlterTable(actions=actions)):
                return all(isinstance(a, ValidateConstraint) for a in actions)
            case _:
                return False

    @cached_property
    def is_not_null(self) -> bool:
        """Whether it is SET NOT NULL and nothing else."""
        match self.statement:
            case Statement(node=AlterTable(actions=actions)):
                return all(isinstance(a, SetNotNull) for a in actions)
            case _:
                return False

    @cached_property
    def is_single(self) -> bool:
        """Whether it is about one thing only, so that it can be given up as a whole."""
        match self.statement:
            case Statement(node=AlterTable(actions=(action,))):
                return not isinstance(action, AddColumn)
            case Statement(node=CreateIndex()):
                return True
            case _:
                return False


def _is_not_null(column: ColumnDefinition) -> bool:
    kinds = {c.kind for c in column.constraints}
    return column.type.name in SERIAL or not kinds.isdisjoint({"NOT NULL", "PRIMARY KEY", "IDENTITY"})


def _is_always(column: ColumnDefinition, text: str) -> bool:
    identity = column.constraint("IDENTITY")
    return identity is not None and "always" in words(identity.span.of(text))


def words(sql: str) -> frozenset[str]:
    try:
        return frozenset(t.value for t in lexer.lex(sql) if t.kind in ("word", "quoted", "uquoted"))
    except LexError:
        return frozenset()


def commented(statement: Statement) -> str:
    """The index or constraint that a COMMENT is about."""
    try:
        tokens = lexer.lex(statement.sql)
    except LexError:
        return ""
    if len(tokens) < 5 or tokens[2].value not in ("index", "constraint"):
        return ""
    names = [t for t in tokens[3:] if t.kind in ("word", "quoted")]
    stop = next((i for i, t in enumerate(names) if t.kind == "word" and t.value in ("is", "on")), len(names))
    return names[stop - 1].value if stop else ""


def constraints(statement: Statement) -> list[str]:
    """The constraints that a SET CONSTRAINTS names, without their schemas; ``all`` if it says ALL."""
    try:
        tokens = lexer.lex(statement.sql)[2:-1]  # without SET CONSTRAINTS, and DEFERRED or IMMEDIATE
    except LexError:
        return []
    ends = [*(token.value for token in tokens[1:]), ","]
    return [token.value for token, behind in zip(tokens, ends, strict=False) if behind == ","]
