"""What the database says about the objects that a statement names.  Data only: no query, no clock.

``lookup`` asks Postgres and fills these; ``interlock check`` without a database fills in nothing
(``Facts.text_only``), so that whatever is not known is never taken for safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from proxy.plans.plan import Lock
from proxy.records import replace
from proxy.sql.statements import Name


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str  # format_type(): ``character varying(20)``
    not_null: bool
    not_null_valid: bool = True  # PG 18: False while its NOT NULL constraint is NOT VALID
    generated: bool = False
    type_oid: int = 0
    base: str = ""  # its type below all domains, as format_type() prints it; empty: ``type`` itself
    base_oid: int = 0
    collation: str = ""  # empty: the default of its type
    has_default: bool = False  # or is generated
    identity: str = ""  # pg_attribute.attidentity: a, d
    stored: bool = False  # GENERATED … STORED
    waits: bool = False  # its rows are to be filled after the COMMIT of this very transaction
    adjusted: bool = False  # its storage or compression is not the type's own
    # The rest is asked where it may get another type.
    default: str | None = None  # pg_get_expr()
    comment: str | None = None
    plain: bool = False  # it has no rights, options, statistics target … of its own
    dependents: tuple[str, ...] = ()  # what else hangs on it, in words: views, generated columns, policies …
    numbering: str | None = None  # of an identity column: START WITH …; None if there is more to its sequence
    state: str = ""  # another one whenever anything about it has been changed


@dataclass(frozen=True, slots=True)
class Constraint:
    name: str
    kind: str  # pg_constraint.contype: c, f, p, u, x, n, t
    validated: bool
    columns: tuple[str, ...]
    definition: str  # pg_get_constraintdef(): ``CHECK ((a IS NOT NULL))``
    index: str | None = None  # the index that backs it, unqualified
    enforced: bool = True
    inherited: bool = False  # a partition's copy of a constraint of the table above; NOT NULL (18): not the table's own
    references: tuple[str, str] | None = None  # FOREIGN KEY: (schema, name) of the table that it points to
    whole_references: bool = False  # that table is partitioned (asked where partitions matter)
    beside: bool = False  # it points to a partition of a table that another key of the same table points to
    comment: str | None = None
    waits: bool = False  # it is to be validated after the COMMIT of this very transaction: nobody was interrupted


@dataclass(frozen=True, slots=True)
class Index:
    """An index, looked up by its own name (DROP INDEX, CREATE INDEX) or as one of its table's."""

    oid: int
    schema: str
    name: str
    table_oid: int
    table_schema: str
    table: str
    valid: bool
    unique: bool
    partitioned: bool = False  # relkind I: the index of a partitioned table
    partition: bool = False  # part of a partitioned index
    constraint: str | None = None  # the constraint that it backs
    columns: tuple[str, ...] = ()  # its key columns; an expression has none
    mentions: tuple[str, ...] = ()  # columns anywhere in it: key, INCLUDE, expressions, predicate
    derived: bool = False  # it has an expression or a predicate
    reshaped: bool = (
        False  # it stores another type than its column has: a change of type, even to the same one, builds it again
    )
    collated: tuple[
        str, ...
    ] = ()  # key columns that it sorts by another collation than their own, wherever it has them
    immediate: bool = True  # not of a DEFERRABLE constraint
    # The rest is asked where partitions matter.
    above: tuple[str, str] | None = None  # (schema, name) of the partitioned index that it is part of
    definition: str = ""  # pg_get_indexdef()
    attributes: tuple[str, ...] = ()  # names of its own columns, which go into the default names of its parts
    tablespace: str = ""  # empty: the database's own
    shape: str = ""  # what makes it serve as a part of another index: equal for both; empty: not known
    waits: bool = False  # it is to get its parts after the COMMIT of this very transaction: nobody was interrupted
    plain: bool = False  # its definition is all there is: no comment, tablespace or statistics target of its own …


@dataclass(frozen=True, slots=True)
class Type:
    """A type that a statement names, resolved as the server does."""

    exists: bool = True
    oid: int = 0
    base: str = ""  # below all domains, with the modifiers that those give it: format_type()
    base_oid: int = 0
    is_domain: bool = False
    constrained: bool = False  # it, or a domain that it is over, has a NOT NULL or a CHECK
    demands: tuple[str, ...] = ()  # what it and the domains below it want of a VALUE: ``CHECK ((VALUE > 0))``
    has_default: bool = False  # of its own, as a domain may have
    volatile_default: bool = False
    users: tuple[tuple[str, str], ...] = ()  # tables with a column of it or over it; asked for ALTER DOMAIN only


@dataclass(frozen=True, slots=True)
class Function:
    """One of those that a call may mean."""

    volatile: bool
    least: int  # arguments that it must be given
    most: int | None  # that it can be given; None: any number
    gives_own: bool = False  # its result is of a type that somebody has made
    immutable: bool = False
    builtin: bool = False  # in pg_catalog


@dataclass(frozen=True, slots=True)
class Routine:
    """One of those that a call may mean; ``oid`` is 0 if it stands in the same text and is not made yet."""

    oid: int
    name: str  # as people write it: ``audit.archive``
    language: str
    source: str | None  # pg_proc.prosrc; None if it is longer than is read, or may be another by now
    moves_path: bool = False  # it runs with a search_path, or as a user, of its own
    least: int = 0  # arguments that it must be given
    most: int | None = None  # that it can be given; None: any number
    calls: tuple[tuple[str, ...], ...] = ()  # functions that BEGIN ATOMIC calls

    def takes(self, arguments: int) -> bool:
        """Whether so many arguments may be given; a negative number: it is not known how many are."""
        return arguments < 0 or (self.least <= arguments and (self.most is None or arguments <= self.most))


@dataclass(frozen=True, slots=True)
class Referring:
    """A foreign key of another table that points here."""

    table: tuple[str, str]
    columns: tuple[str, ...]  # those that it points to
    name: str = ""
    definition: str | None = None  # pg_get_constraintdef()
    validated: bool = True
    comment: str | None = None
    part: bool = False  # of the key of the table that ``table`` is a partition of
    parted: bool = False  # of a partitioned table, or a partition


@dataclass(frozen=True, slots=True)
class Heirs:
    """What only the tables that inherit from one have on its columns; asked for a change of type."""

    checked: tuple[tuple[str, ...], ...] = ()  # the columns of each valid CHECK
    indexes: tuple[Index, ...] = ()

    def check(self, column: str) -> bool:
        return any(column in columns for columns in self.checked)


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation that a statement names; ``exists`` is False if nothing of that name is visible."""

    exists: bool
    oid: int = 0
    schema: str = ""
    name: str = ""
    kind: str = "r"  # pg_class.relkind: r, p, i, I, v, m, f, S, c, t
    persistence: str = "p"  # pg_class.relpersistence: p, u, t
    is_new: bool = False  # created in the transaction that is open now: nobody else can see it
    is_partition: bool = False
    has_children: bool = False  # inheritance or partitions
    populated: bool = True  # False: a materialized view WITH NO DATA, which nobody can read
    partitions: int = 0  # leaves below a partitioned table; -1: not known
    below: frozenset[int] = frozenset()  # oids of its partitions and heirs at any remove; asked in a transaction
    above: frozenset[int] = frozenset()  # of what it inherits from; of a partition at any remove, in a transaction
    size_bytes: int | None = None  # heap, with all partitions; None if not known (somebody holds it locked)
    rows: int | None = None  # estimate; None if never analysed
    being_built: bool = False  # another session holds SHARE UPDATE EXCLUSIVE on it (a build, VALIDATE, VACUUM …)
    columns: Mapping[str, Column] = field(default_factory=dict)
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    indexes: Mapping[str, Index] = field(default_factory=dict)
    index: Index | None = None  # if the relation itself is an index
    parents: tuple[tuple[str, str], ...] = ()  # (schema, name) of what it inherits from or is a partition of
    bound: str = ""  # of a partition: ``FOR VALUES FROM (1) TO (9)``, ``DEFAULT``
    partition_constraint: str = ""  # of a partition that is named: what Postgres checks of its rows
    required: tuple[
        str, ...
    ] = ()  # its columns that are NOT NULL; of partitions that are not named it says no more of them
    detach_pending: bool = False  # DETACH … CONCURRENTLY of it was interrupted
    pending_checks: tuple[str, ...] = ()  # CHECKs that this DETACH has given it
    default_partition: tuple[str, str] | None = None
    detaching: tuple[tuple[str, str], ...] = ()  # partitions whose DETACH … CONCURRENTLY was interrupted
    referenced_by: tuple[tuple[str, str], ...] = ()  # tables with a foreign key to it; asked only where it matters
    referring: tuple[Referring, ...] = ()  # the same, key by key
    partition_key: str = ""  # pg_get_partkeydef(): ``RANGE (k)``
    checked_below: tuple[str, ...] = ()  # CHECKs that are valid on every leaf of a partitioned table, by name
    sequences: tuple[tuple[str, str, str], ...] = ()  # (column, schema, name) of those that its columns own
    tablespace: str = ""  # the database's own where it has none of its own; empty: not known
    spaced: bool = False  # it has a tablespace of its own, perhaps the same as the database's
    access_method: str = ""
    views: tuple[
        tuple[str, str, str], ...
    ] = ()  # (column, schema, name) of views over it at any remove; asked for CASCADE

    heirs: Heirs = Heirs()
    # Asked where a column may get another type, or goes.
    published: tuple[str, ...] = ()  # publications that it is part of
    row_held_by: tuple[str, ...] = ()  # columns of other tables, and types, that its rows are values of, in words

    owner: str = ""
    triggers: tuple[str, ...] = ()  # names of its own
    per_statement: tuple[str, ...] = ()  # triggers that an UPDATE or DELETE sets off once, and rules about these
    on_update_of: tuple[str, ...] = ()  # triggers of an UPDATE of certain columns
    on_update: tuple[str, ...] = ()  # triggers and rules that an UPDATE of it, or of what is below it, would set off

    @property
    def partitioned(self) -> bool:
        return self.kind in "pI"

    @property
    def temporary(self) -> bool:
        return self.persistence == "t"

    @property
    def private(self) -> bool:
        """Whether no other session can be blocked by locks on it."""
        return self.is_new or self.temporary

    @property
    def qualified(self) -> tuple[str, str]:
        return (self.schema, self.name)


@dataclass(frozen=True, slots=True)
class Held:
    """A lock that the open transaction holds on a table that others see; ROW EXCLUSIVE means that it wrote rows."""

    table: tuple[str, str]  # (schema, name); the schema is empty if the search_path decides and was not asked
    lock: Lock  # from ROW EXCLUSIVE on
    size_bytes: int | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    value: str  # as SHOW prints it
    source: str  # pg_settings.source: default, session, client, database, user, configuration file …

    @property
    def by_client(self) -> bool:
        """Whether the client set it itself, in this session or in its connection string."""
        return self.source in ("session", "client")


MISSING = Relation(exists=False)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that ``decide`` may know besides the statement and the policy.

    ``relations`` is keyed by ``Name.parts``; a key that is absent means: not known.
    """

    server_version: int  # server_version_num: 130023, 180004
    live: bool  # read from a database, as against from text alone
    now: datetime
    database: str = ""
    user: str = ""  # current_user
    session_user: str = ""
    roles: frozenset[str] = frozenset()  # roles that session_user is a member of, itself included
    application_name: str = ""
    tool: str = ""  # the migration tool, where it was recognised: Alembic
    in_transaction: bool = False  # the client has a transaction (explicit, multi-statement or pipeline) open
    in_recovery: bool = False  # a standby: DDL fails there anyway
    allow: str = ""  # current_setting('interlock.allow', true)
    path: tuple[str, ...] = ()  # schemas in which a name without one is looked for, in that order; empty: not known
    settings: Mapping[str, Setting] = field(default_factory=dict)  # lock_timeout, statement_timeout …
    relations: Mapping[tuple[str, ...], Relation] = field(default_factory=dict)
    types: Mapping[str, Type] = field(default_factory=dict)  # by the text that names them
    functions: Mapping[str, tuple[Function, ...]] = field(
        default_factory=dict
    )  # those called in a default, by ``Name.quoted``
    routines: Mapping[str, tuple[Routine, ...]] = field(default_factory=dict)  # that it calls; by ``Sought.key``
    volatile_operators: frozenset[str] = frozenset()  # names of those that somebody has made
    volatile_casts: frozenset[str] = frozenset()  # types that somebody has made, with such a cast to or from; "": any
    free_casts: tuple[tuple[int, int], ...] = ()  # oids of types: binary coercible from the one to the other
    # schema -> names in use there, as far as a new name of Postgres's choice might be one of them
    taken_relations: Mapping[str, frozenset[str]] = field(default_factory=dict)
    taken_constraints: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # Of tables that are not known otherwise: constraints that the statements above in the same input left behind.
    stated: Mapping[tuple[str, ...], Mapping[str, Constraint]] = field(default_factory=dict)
    held: tuple[Held, ...] = ()  # locks of the open transaction's earlier statements: they last until COMMIT
    estimate: int | None = None  # of an UPDATE or DELETE: how many rows the planner thinks that it changes

    @classmethod
    def text_only(cls, server_version: int, now: datetime) -> Facts:
        """What is known without a database: the version, as the user states it."""
        return cls(server_version=server_version, live=False, now=now)

    @property
    def major(self) -> int:
        return self.server_version // 10000

    @property
    def read_only(self) -> bool:
        """Whether the transaction may not write: a standby, or READ ONLY."""
        setting = self.settings.get("transaction_read_only")
        return self.in_recovery or (setting is not None and setting.value == "on")

    @property
    def locked(self) -> tuple[Held, ...]:
        """Those that keep others from writing, or from reading and writing."""
        return tuple(h for h in self.held if h.lock.rank >= Lock.SHARE.rank)

    @property
    def own_path(self) -> tuple[str, ...]:
        """The path without what is searched though it is not said; what has no schema is made in the first of it."""
        return tuple(schema for schema in self.path if schema != "pg_catalog" and not schema.startswith("pg_temp_"))

    def taken(self, schema: str) -> frozenset[str]:
        """Names that a constraint with an index cannot get: other constraints mind constraints, other indexes relations only.

        Source: ChooseRelationName, ChooseConstraintName.
        """
        return self.taken_relations.get(schema, frozenset()) | self.taken_constraints.get(schema, frozenset())

    def find(self, name: Name) -> Relation | None:
        """The relation of that name; ``MISSING`` if there is none; None if it is not known."""
        return self.relations.get(name.parts)

    def with_new(self, name: Name) -> Facts:
        """These facts after a CREATE TABLE in the same input: the table is new and empty."""
        new = Relation(exists=True, schema=name.schema or "", name=name.name, is_new=True, size_bytes=0, rows=0)
        return replace(self, relations={**self.relations, name.parts: new})


def describe_size(size_bytes: int) -> str:
    """``41 GB``, as pg_size_pretty does."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 10240:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.0f} TB"


def describe_rows(rows: int) -> str:
    """``212 million rows``, short enough for a sentence."""
    if rows == 1:
        return "1 row"
    for unit, word in ((10**9, "billion"), (10**6, "million")):
        if rows >= unit:
            return f"{rows / unit:.1f}".rstrip("0").rstrip(".") + f" {word} rows"
    return f"{rows:,} rows"
