"""Whole inputs without a proxy: what would be decided about each statement of a file, seeing those above it.

Nothing is run.  So what a statement would have changed for those below it is kept here: tables that it makes,
transactions that it opens, overrides that it sets.  Where that cannot be told, nothing is taken for safe.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from proxy.aftermath import Aftermath, Altered, Parts
from proxy.catalog.effect import Effect, Work, effect
from proxy.catalog.facts import Facts, Held, Routine
from proxy.catalog.held import holding
from proxy.catalog.routines import Known, Opening, Sought, may_be, names
from proxy.plans.plan import Lock
from proxy.policy.decide import decide
from proxy.policy.effective import Policy
from proxy.policy.said import assigned
from proxy.policy.verdict import Action, Verdict
from proxy.sql.lexer import LexError, Token, lex
from proxy.sql.read import read
from proxy.sql.routine import Created, created
from proxy.sql.statements import (
    AlterTable,
    CreateTable,
    CreateTableAs,
    Drop,
    Node,
    Other,
    OtherAction,
    Query,
    SetVariable,
    Statement,
    Transaction,
)

ALLOW = "interlock.allow"
TEMPORARY = "pg_temp"


@dataclass(frozen=True, slots=True)
class Judged:
    """A statement of an input and what would be done about it."""

    statement: Statement
    facts: Facts
    verdict: Verdict
    effect: Effect  # of the statement as written

    @property
    def position(self) -> tuple[int, int]:
        """Line and column of its first character, 1-based."""
        return position(self.statement.text, self.statement.span.start)

    @property
    def lock(self) -> Lock:
        """The strongest lock that it would take as written."""
        locks = [self.effect.lock, *(d.finding.lock for d in self.verdict.decided)]
        return max(locks, key=lambda lock: lock.rank)

    @property
    def work(self) -> Work:
        """The longest work that it would do under that lock."""
        works = [self.effect.work, *(d.finding.work for d in self.verdict.decided)]
        return max(works, key=("none", "scan", "build", "rewrite").index)


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column (1-based) of a 0-based offset."""
    starts = _line_starts(text)
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


@lru_cache(maxsize=4)
def _line_starts(text: str) -> list[int]:
    return [0, *(i + 1 for i, c in enumerate(text) if c == "\n")]


def judge(
    text: str,
    *,
    policy: Policy,
    facts_for: Callable[[Statement], Facts],
    routines_for: Callable[[Sequence[Sought]], Known] | None = None,
    begun: bool = False,
) -> list[Judged]:
    """Every statement of ``text`` in order, decided as if those above it had run.

    ``facts_for`` is asked once for each, in order, and knows nothing of those above; ``routines_for`` likewise for
    the routines that it calls, if there is a database to ask.  ``begun``: whoever runs the text has sent BEGIN before it.
    """
    earlier = _Earlier(in_transaction=begun)
    judged = []
    made: list[Created] = []
    for one in read(text):
        made += created(one)
        statement, routines = _opened(one, made, policy, routines_for)
        facts = replace(earlier.seen_by(facts_for(statement)), routines=routines)
        verdict = decide(statement, facts, policy)
        judged.append(Judged(statement, facts, verdict, effect(statement, facts)))
        earlier.add(statement, facts)
        earlier.hold(statement, facts, verdict)
    return judged


def _opened(
    statement: Statement,
    made: Sequence[Created],
    policy: Policy,
    routines_for: Callable[[Sequence[Sought]], Known] | None,
) -> tuple[Statement, Mapping[str, tuple[Routine, ...]]]:
    """A statement with what it runs through procedures, and through functions that its own input has made."""
    functions = {one.name.name for one in made} if policy.routines.functions != "pass" else set()
    known: dict[str, tuple[Routine, ...] | None] = {}
    while True:
        opening = Opening(
            known, lambda name: name.name in functions, made, procedures=policy.routines.procedures == "read"
        )
        opened = opening.opened(statement)
        if not opening.missing:
            return opened, opening.used
        for sought in opening.missing:
            here = sought.kind == "function" or any(may_be(one, sought) for one in made)
            known[sought.key] = () if here or not all(sought.parts) else None
        if routines_for is not None:
            known |= routines_for(names(opening.missing))


@dataclass(slots=True)
class _Earlier:
    """What the statements so far would have left behind."""

    in_transaction: bool = False
    new: frozenset[Parts] = frozenset()  # tables made by them; those in pg_temp with that schema
    usual_path: bool = True  # as far as they say, a table without a schema is in public
    allow: str | None = None  # interlock.allow; None: not set by them
    allow_after: str | None = None  # what it is again after COMMIT, where SET LOCAL changed it
    altered: tuple[Altered, ...] = ()  # what ALTER TABLE did to other tables than those
    held: tuple[Held, ...] = ()  # by the transaction that they opened; what goes back to a savepoint is not let go
    before: tuple[frozenset[Parts], str | None, tuple[Altered, ...]] = (frozenset(), None, ())  # as it was at BEGIN
    aftermath: Aftermath = field(init=False)

    def __post_init__(self) -> None:
        self.aftermath = Aftermath(self._aliases)

    def seen_by(self, facts: Facts) -> Facts:
        changed = replace(
            facts,
            in_transaction=self.in_transaction or facts.in_transaction,
            held=self.held,
            allow=facts.allow if self.allow is None else self.allow,
        )
        return self.aftermath.seen_by(changed, self.new, self.altered)

    def add(self, statement: Statement, facts: Facts) -> None:
        match statement.node:
            case Transaction(kind=kind, chain=chain):
                self._transaction(kind, chain)
            case SetVariable(name="search_path"):
                self._lose_path()
            case SetVariable(name=name, local=local) if name in (ALLOW, None):
                self._set_allow(assigned(statement) if name else None, local)
            case Query() if "search_path" in statement.sql:  # set_config('search_path', …)
                self._lose_path()
            case CreateTable() | CreateTableAs() as made:
                self._make(made, facts)
            case Other(kind="DO"):
                for (
                    inner
                ) in statement.inner:  # whatever the block's IFs say: the script is written for tables that it makes
                    if isinstance(inner.node, CreateTable | CreateTableAs | SetVariable) and not _allows(inner.node):
                        self.add(inner, facts)
            case Drop(object_type="TABLE", names=names):
                for gone in names:
                    self._forget(gone.parts)
            case AlterTable(relation=relation, actions=(OtherAction(what=what),)) if what in (
                "RENAME TO",
                "SET SCHEMA",
            ):
                self._rename(relation.parts, what, statement)
            case AlterTable(relation=relation):
                known = facts.find(relation)
                if known is None or known.exists:
                    self.altered += (Altered(relation.parts, known.qualified if known else None, statement, facts),)

    def hold(self, statement: Statement, facts: Facts, verdict: Verdict) -> None:
        """Remember what it locks until COMMIT: as it is written, or as it is run instead."""
        deferred = verdict.plan if verdict.action is Action.DEFER else None
        self.held = holding(statement, facts, deferred) if self.in_transaction else ()

    def _make(self, made: CreateTable | CreateTableAs, facts: Facts) -> None:
        parts = made.relation.parts
        if made.temporary:
            self.new |= {(TEMPORARY, parts[-1])}
            return
        known = facts.find(made.relation)
        if known is None and (facts.live or made.if_not_exists):
            return  # perhaps it is there already, and large
        if known is not None and known.exists:
            return  # it fails, or does nothing
        self.new |= {parts}

    def _transaction(self, kind: str, chain: bool) -> None:
        match kind:
            case "BEGIN" if not self.in_transaction:
                self.in_transaction = True
                self.before = self.new, self.allow, self.altered
                self.allow_after = self.allow
            case "COMMIT" | "PREPARE TRANSACTION" if self.in_transaction:
                self.allow, self.in_transaction = self.allow_after, chain
            case "ROLLBACK" if self.in_transaction:
                (self.new, self.allow, self.altered), self.in_transaction = self.before, chain
            case "ROLLBACK TO":  # to which savepoint is not looked into: what was made since BEGIN may be gone
                self.new &= self.before[0]
                self.altered = self.before[2]
        if chain:
            self.before = self.new, self.allow, self.altered

    def _set_allow(self, value: str | None, local: bool) -> None:
        if local and not self.in_transaction:
            return
        self.allow = value
        if not local:
            self.allow_after = value

    def _rename(self, old: Parts, what: str, statement: Statement) -> None:
        was_new = any(old in self._aliases(made) for made in self.new)
        self._forget(old)
        last = _tokens(statement.sql)[-1].value
        new = (last, old[-1]) if what == "SET SCHEMA" else (*old[:-1], last)
        self._forget(new)  # another table has the name now
        if was_new:
            self.new |= {new}

    def _lose_path(self) -> None:
        self.usual_path = False
        self.aftermath.clear()

    def _forget(self, parts: Parts) -> None:
        self.aftermath.follow(self.new, self.altered)
        self.new = frozenset(made for made in self.new if parts not in self._aliases(made))
        self.altered = tuple(one for one in self.altered if parts not in self._aliases(one.parts))
        self.aftermath.forget(parts, self.new, self.altered)

    def _aliases(self, parts: Parts) -> tuple[Parts, ...]:
        """The names that mean the same table: without a schema it is in public, unless a search_path says otherwise."""
        match parts:
            case (name,) if self.usual_path:
                return (parts, ("public", name))
            case ("public", name) if self.usual_path:
                return (parts, (name,))
            case (schema, name) if schema == TEMPORARY:
                return (parts, (name,))
        return (parts,)


def _allows(node: Node) -> bool:
    return isinstance(node, SetVariable) and node.name in (ALLOW, None)


def _tokens(sql: str) -> list[Token]:
    try:
        return lex(sql)
    except LexError:  # it was read before as part of the whole input
        return [Token("bad", "", 0, 0)]
