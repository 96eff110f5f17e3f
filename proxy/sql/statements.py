"""What a statement says: small frozen dataclasses, with the place of every part in the client's text.

Nothing here knows what a statement does; names are those of the Postgres documentation
(https://www.postgresql.org/docs/current/sql-commands.html).  Offsets are code points (not bytes),
0-based, half-open, into ``Statement.text``: the whole string that the client sent.  Rewriting is
slicing: the original text between two offsets is always the author's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of code points in ``Statement.text``."""

    start: int
    end: int

    def of(self, text: str) -> str:
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Name:
    """A possibly qualified name, resolved as the server does: folded, unquoted, cut at 63 bytes.

    ``parts`` has one to three elements, the relation's own name last.
    """

    parts: tuple[str, ...]
    span: Span

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def schema(self) -> str | None:
        return self.parts[-2] if len(self.parts) > 1 else None

    @property
    def quoted(self) -> str:
        """The name as SQL, every part in double quotes: safe for any reader."""
        return ".".join(quote_identifier(part, always=True) for part in self.parts)

    def __str__(self) -> str:
        """For people: ``public.orders``, quoted only where SQL needs it."""
        return ".".join([quote_identifier(part) for part in self.parts])


@lru_cache(maxsize=2048)
def quote_identifier(name: str, *, always: bool = False) -> str:
    """``name`` as an SQL identifier; bare if it is lower-case, plain and no keyword, unless ``always``."""
    from proxy.sql.keywords import NOT_BARE  # a large table, wanted only by those who print

    plain = name[:1].isascii() and (name[:1].islower() or name[:1] == "_")
    plain = plain and all(c.isascii() and (c.islower() or c.isdigit() or c in "_$") for c in name)
    if plain and not always and name not in NOT_BARE:
        return name
    return '"' + name.replace('"', '""') + '"'


# ---------------------------------------------------------------- pieces


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as written; ``name`` is its lower-case head without modifiers (``varchar``, ``int4``, ``my.type``)."""

    name: str
    span: Span


class ConstraintKind(StrEnum):
    CHECK = "CHECK"
    FOREIGN_KEY = "FOREIGN KEY"
    UNIQUE = "UNIQUE"
    PRIMARY_KEY = "PRIMARY KEY"
    EXCLUDE = "EXCLUDE"
    NOT_NULL = "NOT NULL"  # as a table constraint, PG 18

    @property
    def has_index(self) -> bool:
        return self in (ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY, ConstraintKind.EXCLUDE)


@dataclass(frozen=True, slots=True)
class TableConstraint:
    """``[CONSTRAINT name] CHECK (…) | FOREIGN KEY … | UNIQUE … | PRIMARY KEY … | EXCLUDE … | NOT NULL column``."""

    span: Span  # from CONSTRAINT, or from the kind's own keyword, to the last attribute
    kind: ConstraintKind
    name: str | None
    body: Span  # as span, without CONSTRAINT name: starts at the kind's keyword
    columns: tuple[str, ...] = ()  # FOREIGN KEY, UNIQUE, PRIMARY KEY, NOT NULL: as the catalog holds them
    columns_span: Span | None = None  # the text between the parentheses of that list
    expression: Span | None = None  # CHECK: the text between its parentheses
    references: Name | None = None
    referenced_columns: tuple[str, ...] = ()
    using_index: str | None = None  # UNIQUE | PRIMARY KEY USING INDEX name
    include: Span | None = None  # INCLUDE: the text between its parentheses
    nulls_not_distinct: bool = False
    with_options: Span | None = None  # WITH: the text between its parentheses
    tablespace: str | None = None  # USING INDEX TABLESPACE name
    deferrable: Span | None = None  # DEFERRABLE / NOT DEFERRABLE / INITIALLY …, all of them
    not_valid: Span | None = None
    not_enforced: bool = False
    no_inherit: bool = False
    without_overlaps: bool = False  # PG 18


@dataclass(frozen=True, slots=True)
class ColumnConstraint:
    """A constraint written inside a column definition; ``span`` starts at CONSTRAINT if it is named."""

    span: Span
    kind: str  # NOT NULL, NULL, DEFAULT, CHECK, UNIQUE, PRIMARY KEY, REFERENCES, GENERATED, IDENTITY
    name: str | None = None
    expression: Span | None = None  # DEFAULT, CHECK, GENERATED: the expression, without its parentheses
    references: Name | None = None
    referenced_columns: tuple[str, ...] = ()
    no_inherit: bool = False
    not_enforced: bool = False
    virtual: bool = False  # GENERATED … VIRTUAL, PG 18


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    span: Span
    name: str
    type: TypeName
    constraints: tuple[ColumnConstraint, ...] = ()

    def constraint(self, kind: str) -> ColumnConstraint | None:
        return constraint_of(self.constraints, kind)


def constraint_of(constraints: tuple[ColumnConstraint, ...], kind: str) -> ColumnConstraint | None:
    for constraint in constraints:
        if constraint.kind == kind:
            return constraint
    return None


# ---------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class CreateIndex:
    relation: Name
    name: Name | None  # always one part: an index lives in its table's schema
    keyword: Span  # the word INDEX
    unique: bool = False
    concurrently: bool = False
    if_not_exists: bool = False
    only: bool = False
    columns: tuple[str | None, ...] = ()  # key columns; None for an expression
    method: str = "btree"
    where: Span | None = None  # the predicate
    kind = "CREATE INDEX"


@dataclass(frozen=True, slots=True)
class DropIndex:
    names: tuple[Name, ...]
    keyword: Span  # the word INDEX
    concurrently: bool = False
    if_exists: bool = False
    cascade: bool = False
    kind = "DROP INDEX"


def _by_place(action: Action) -> int:
    """The hash of an action: the place tells it from another, and plans look actions up all the time."""
    return action.span.start


@dataclass(frozen=True, slots=True)
class AddColumn:
    span: Span
    column: ColumnDefinition
    if_not_exists: bool = False

    __hash__ = _by_place


@dataclass(frozen=True, slots=True)
class DropColumn:
    span: Span
    column: str
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class AlterColumnType:
    span: Span
    column: str
    type: TypeName
    using: Span | None = None  # the expression
    collation: str | None = None

    __hash__ = _by_place


@dataclass(frozen=True, slots=True)
class SetNotNull:
    span: Span
    column: str

    __hash__ = _by_place


@dataclass(frozen=True, slots=True)
class DropNotNull:
    span: Span
    column: str


@dataclass(frozen=True, slots=True)
class SetDefault:
    span: Span
    column: str
    expression: Span


@dataclass(frozen=True, slots=True)
class DropDefault:
    span: Span
    column: str


@dataclass(frozen=True, slots=True)
class AddConstraint:
    span: Span  # from ADD
    constraint: TableConstraint

    __hash__ = _by_place


@dataclass(frozen=True, slots=True)
class DropConstraint:
    span: Span
    name: str
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class ValidateConstraint:
    span: Span
    name: str


@dataclass(frozen=True, slots=True)
class AttachPartition:
    span: Span
    partition: Name
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class DetachPartition:
    span: Span
    partition: Name
    concurrently: bool = False
    finalize: bool = False


@dataclass(frozen=True, slots=True)
class OtherAction:
    """Any other ALTER action: ``what`` is its words in upper case (``SET STATISTICS``, ``ENABLE TRIGGER``, ``OWNER TO`` …)."""

    span: Span
    what: str
    column: str | None = None
    name: str | None = None  # what else it names: a trigger, a constraint, a new name …
    to: str | None = None  # RENAME CONSTRAINT: the new name
    relation: Name | None = None  # another relation: INHERIT and NO INHERIT lock it


Action = (
    AddColumn | DropColumn | AlterColumnType | SetNotNull | DropNotNull | SetDefault | DropDefault
    | AddConstraint | DropConstraint | ValidateConstraint | AttachPartition | DetachPartition | OtherAction
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AlterTable:
    """``ALTER TABLE | INDEX | VIEW | … name action, …``, RENAME and SET SCHEMA (as OtherAction) included."""

    object_type: str  # TABLE, FOREIGN TABLE, INDEX, VIEW, MATERIALIZED VIEW, SEQUENCE
    relation: Name
    head: Span  # from ALTER to just before the first action: ``ALTER TABLE IF EXISTS ONLY t ``
    actions: tuple[Action, ...]
    only: bool = False
    if_exists: bool = False

    @property
    def kind(self) -> str:
        return f"ALTER {self.object_type}"


@dataclass(frozen=True, slots=True)
class CreateTable:
    relation: Name
    if_not_exists: bool = False
    temporary: bool = False
    columns: tuple[ColumnDefinition, ...] = ()
    constraints: tuple[TableConstraint, ...] = ()
    partition_of: Name | None = None
    inherits: tuple[Name, ...] = ()
    foreign: bool = False

    @property
    def kind(self) -> str:
        return "CREATE FOREIGN TABLE" if self.foreign else "CREATE TABLE"

    @property
    def references(self) -> tuple[Name, ...]:
        """Tables that its foreign keys point to."""
        inline = (c.references for column in self.columns for c in column.constraints)
        return tuple(r for r in (*inline, *(c.references for c in self.constraints)) if r is not None)


@dataclass(frozen=True, slots=True)
class CreateTableAs:
    """CREATE TABLE … AS, and SELECT … INTO."""

    relation: Name
    object_type: str = "TABLE"  # or MATERIALIZED VIEW
    temporary: bool = False
    if_not_exists: bool = False

    @property
    def kind(self) -> str:
        return "CREATE TABLE AS" if self.object_type == "TABLE" else f"CREATE {self.object_type}"


@dataclass(frozen=True, slots=True)
class Drop:
    """DROP of anything but an index."""

    object_type: str  # TABLE, VIEW, TYPE …, in upper case
    names: tuple[Name, ...]
    if_exists: bool = False
    cascade: bool = False
    on: Name | None = None  # TRIGGER, RULE, POLICY: the table, which it locks

    @property
    def kind(self) -> str:
        return f"DROP {self.object_type}"


@dataclass(frozen=True, slots=True)
class Transaction:
    """BEGIN, START TRANSACTION, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE, ROLLBACK TO, PREPARE TRANSACTION …"""

    kind: str  # BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, ROLLBACK TO, PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED
    chain: bool = False
    read_only: bool | None = None  # of BEGIN, if it says so


@dataclass(frozen=True, slots=True)
class SetVariable:
    """SET, RESET and SET … TO DEFAULT of one parameter; ``name`` is None for RESET ALL and DISCARD ALL."""

    name: str | None  # lower case: ``lock_timeout``, ``interlock.allow``
    local: bool = False
    kind = "SET"


@dataclass(frozen=True, slots=True)
class Show:
    name: str  # lower case
    kind = "SHOW"


@dataclass(frozen=True, slots=True)
class Explain:
    """EXPLAIN [ANALYZE] …; ``target`` is the statement it is about, of whatever kind, read at its own place."""

    target: Node
    target_span: Span
    analyze: bool = False
    kind = "EXPLAIN"


@dataclass(frozen=True, slots=True)
class ExecutePrepared:
    """SQL-level EXECUTE name; it can also run a statement that was prepared by a Parse message."""

    name: str
    kind = "EXECUTE"


@dataclass(frozen=True, slots=True)
class Call:
    """CALL.  What its procedure runs stands in the catalog."""

    procedure: Name
    arguments: int
    kind = "CALL"


@dataclass(frozen=True, slots=True)
class Query:
    """SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE, MERGE: anything with a plan and no DDL in it."""

    kind: str


@dataclass(frozen=True, slots=True)
class Other:
    """A statement that was read to its end and has no class of its own; ``kind`` is its command tag or nearly so."""

    kind: str
    relations: tuple[Name, ...] = ()  # relations that it locks, as far as its text says
    concurrently: bool = False
    options: frozenset[str] = frozenset()  # words that change what it locks: FULL, WITH NO DATA, CASCADE …
    name: str | None = (
        None  # what else it names: the index of CLUSTER, the constraint of ALTER DOMAIN … VALIDATE, a composite type, or that which a type is renamed to
    )


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Text that this grammar does not read.  ``at`` is where; ``expected`` is what would have been read there."""

    at: int
    expected: str
    kind = "unreadable"


@dataclass(frozen=True, slots=True)
class Opaque:
    """Code that is run and whose statements the text does not tell: EXECUTE of a computed string, a body not read here."""

    why: str  # what it is: ``EXECUTE of a string that is put together when it runs``
    others: int = 0  # more such places in the same body, of which this one is the first
    kind = "opaque code"


Node = (
    CreateIndex | DropIndex | AlterTable | CreateTable | CreateTableAs | Drop | Transaction | SetVariable | Show
    | Explain | ExecutePrepared | Call | Query | Other | Unreadable | Opaque
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FunctionCall:
    name: Name
    arguments: int


@dataclass(frozen=True, slots=True)
class Origin:
    """The routine in whose body a statement stands, and where in the client's string that is called."""

    routine: str  # procedure archive, function audit.add_column: for people
    at: Span


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a client's string, or of what that runs.

    Of one that stands inside a literal ``text`` is the string with the escapes taken out there; places are the
    same in both (``body``).  Of one with an ``origin`` it is the routine's body.
    """

    text: str  # the whole string
    span: Span  # this statement, from its first token to its last, without a semicolon
    node: Node
    comments: tuple[str, ...] = ()  # bodies of comments in it and just before it that start with ``interlock:``
    inner: tuple[Statement, ...] = ()  # DO, and what calls a routine: what may be run, in order, but for queries
    called: tuple[FunctionCall, ...] = ()  # DO: the functions that anything in its body calls
    origin: Origin | None = None

    @property
    def sql(self) -> str:
        return self.span.of(self.text)
