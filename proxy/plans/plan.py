"""A plan is data: steps of plain SQL that end in the author's schema, each with the lock it takes.

A step can be shown, logged and tested without running; ``run.execute`` runs them.
Lock modes and what they conflict with: Postgres docs, "Explicit Locking", table 13.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class Lock(StrEnum):
    """Table-level lock modes, as pg_locks.mode names them, weakest first."""

    NONE = "none"
    ACCESS_SHARE = "AccessShareLock"
    ROW_SHARE = "RowShareLock"
    ROW_EXCLUSIVE = "RowExclusiveLock"
    SHARE_UPDATE_EXCLUSIVE = "ShareUpdateExclusiveLock"
    SHARE = "ShareLock"
    SHARE_ROW_EXCLUSIVE = "ShareRowExclusiveLock"
    EXCLUSIVE = "ExclusiveLock"
    ACCESS_EXCLUSIVE = "AccessExclusiveLock"

    rank: int

    def __init__(self, name: str) -> None:
        self.rank = len(self.__class__.__members__)

    @property
    def blocks(self) -> str:
        """What the application cannot do meanwhile: ``nothing``, ``writes`` or ``reads and writes``."""
        if self is Lock.ACCESS_EXCLUSIVE:
            return "reads and writes"
        return "writes" if self.rank >= Lock.SHARE.rank else "nothing"

    @property
    def sql(self) -> str:
        """As LOCK TABLE and the documentation spell it: ``SHARE UPDATE EXCLUSIVE``."""
        words = "".join(" " + c if c.isupper() else c for c in self.value.removesuffix("Lock")).strip()
        return words.upper()


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the code points ``start:end`` of the client's statement (0-based, relative to it) by ``text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """An error about a passing object of ours, and what Postgres says when the author's statement meets the same rows."""

    sqlstate: str  # of the error that is replaced: 23514
    constraint: str  # and its constraint_name: ``_interlock_nn_1f0c…``; empty: it has none
    instead: str  # the SQLSTATE to give: 23502
    words: tuple[str, ...]  # of the message to give: what stands before, and what after the table's name
    column: str = ""  # the column_name to give, if any
    name: str = ""  # the constraint_name to give, if any

    def message(self, table: str) -> str:
        """What to say; ``table`` is the error's table_name, perhaps a child of the one that was altered."""
        return table.join(self.words)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are changed a few at a time, each few in a transaction of their own, until none is left to change.

    Whoever begins again goes on where it stopped: of a row that has been changed ``where`` is no longer true.
    """

    table: tuple[str, str]  # (schema, name); what inherits from it too, unless ``only``
    where: str  # true of the rows that are still to be changed
    assign: str = ""  # what stands behind SET; empty: the rows are deleted
    only: bool = False
    quiet: bool = True  # the author has asked for no UPDATE, so triggers need not fire (``backfills.triggers``)
    repeatable: bool = (
        False  # nothing is used up by a batch that is rolled back and comes again, as numbers of a sequence are
    )
    stuck: Failure | None = None  # what to say if ``where`` is still true of a row that has been changed


@dataclass(frozen=True, slots=True)
class Walk:
    """An UPDATE or DELETE to be run for a few rows at a time, in the order of the primary key."""

    table: tuple[str, str]  # (schema, name)
    key: tuple[tuple[str, str], ...]  # its columns, and the types of pg_catalog to compare them as
    called: str  # what the statement calls the table
    head: str  # the author's statement up to its WHERE
    where: str  # its condition; empty: all rows


@dataclass(frozen=True, slots=True)
class Step:
    """Statements that are run together, in one transaction where ``transaction`` is true.

    ``budget`` says whose patience applies: ``locks`` for what blocks the application while it waits in
    the queue (short lock_timeout, retries), ``builds`` for what blocks nobody (no lock_timeout).
    """

    statements: tuple[str, ...]
    lock: Lock
    why: str  # one clause for people: ``builds the index while reads and writes go on``
    relations: tuple[tuple[str, str], ...] = ()  # (schema, name) of the existing relations it locks that strongly
    others: tuple[
        tuple[str, str, Lock], ...
    ] = ()  # (schema, name, lock) of those it locks less, yet so that others wait
    transaction: bool = True  # False: Postgres refuses it in a transaction block
    budget: Literal["locks", "builds"] = "locks"
    when: Literal["now", "after_commit"] = "now"
    done: str | None = None  # a query of one boolean: is this step's effect there already?  Then it is not run.
    undo: tuple[str, ...] = ()  # statements that take its effect back, also a half-finished one; each alone
    left: str | None = (
        None  # a query of the statements, in UTF-8 as hex, that clear away what an attempt at it has left
    )
    hides: tuple[Failure, ...] = ()  # errors that the author's own statement would have met in other words
    edits: tuple[Edit, ...] = ()  # how the one of them was made that is the client's, to map error positions back
    index: tuple[str, str] | None = None  # (schema, name) of the index that it builds or drops concurrently
    forward: bool = False  # nothing takes it back: if a later step fails, what is left is to be done, not undone
    batch: Batch | None = None  # then ``statements`` say what is done as a whole, and this how
    walk: Walk | None = None  # likewise; the statement is the author's

    @property
    def sql(self) -> str:
        return ";\n".join(self.statements)


@dataclass(frozen=True, slots=True)
class Plan:
    """``steps`` in order; if one fails, those before it are undone, last first.

    So is the failed one itself if it ran outside a transaction, for it may have done half of its work;
    but not after 42P07 (duplicate_table): the index of that name is then somebody else's.
    """

    title: str
    steps: tuple[Step, ...] = field(default_factory=tuple)
    give_up: tuple[
        str, ...
    ] = ()  # takes back what was done in the client's transaction, if the later steps are given up

    @property
    def now(self) -> tuple[Step, ...]:
        """The steps that run at once."""
        return tuple(step for step in self.steps if step.when == "now")

    @property
    def later(self) -> tuple[Step, ...]:
        """The steps that wait for the COMMIT of the client's transaction."""
        return tuple(step for step in self.steps if step.when == "after_commit")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """How to reach the same schema without blocking.

    For a whole statement ``steps`` are everything, and so they are where it is ``ordered``.  For an action of an ALTER TABLE they are what runs
    between two ALTERs that it may share with the other actions: the first (``action``, transaction-safe
    and short) and the last (``last``); ``compose`` makes those two.
    """

    steps: tuple[Step, ...]
    ordered: bool = False  # the steps are all there is to be done, in this order; the ALTER TABLE has no other action
    autocommit: bool = False  # what follows in the client's transaction would miss it: no part of it waits for COMMIT
    action: str | None = None  # what takes the action's place in the first ALTER; None: it is left out of it
    undo: tuple[str, ...] = ()  # takes the effect of ``action`` back
    edits: tuple[Edit, ...] = ()  # how ``action`` was made from the client's statement; empty: it is all ours
    done: str | None = None  # is the effect of ``action`` there already?
    last: str | None = None  # what takes the action's place in the last ALTER; None: it is left out of it
    last_undo: tuple[str, ...] = ()  # takes the effect of ``last`` back
    last_done: str | None = None  # is the effect of ``last`` there already?
    after: tuple[str, ...] = ()  # actions of one more ALTER in the transaction of the last one
    also: tuple[str, ...] = ()  # statements behind the first ALTER, in its transaction
    also_last: tuple[str, ...] = ()  # statements behind the last ALTER, in its transaction
    ahead: tuple[str, ...] = ()  # statements ahead of the first ALTER, in its transaction
    before: tuple[Step, ...] = ()  # steps ahead of the first ALTER
    forward: bool = False  # nothing takes ``action`` back: the other actions go along with it in the first ALTER
    why_last: str = ""  # what the last ALTER does for it
    give_up: tuple[str, ...] | None = None  # instead of ``undo``, where the client's transaction has been committed
    hooks: tuple[
        str, ...
    ] = ()  # triggers and rules that its UPDATEs would set off, and the author's statement would not
    resumed: bool = False  # an interrupted run has done ``action`` already, and what else is in the first ALTER
    name: str | None = None  # of the constraint that it adds
    table: tuple[str, str] = ("", "")  # (schema, name) of the table that is altered
    relations: tuple[tuple[str, str], ...] = ()  # (schema, name) that ``action`` locks
    lock: Lock = Lock.ACCESS_EXCLUSIVE  # that ``action`` takes
