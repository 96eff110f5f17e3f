"""Short statements of the open transaction that are tried at once, and run in earnest only just before it ends.

A lock lasts until COMMIT.  Behind it the application waits for every further statement of a migration, for the network and
for the tool's own thinking; a tool that puts all its migrations into one transaction keeps it out for a tenth of a second and
more.  What nothing in the transaction looks at meanwhile can as well be run at its very end: so each such statement is run
behind a savepoint that is rolled back, which tells whatever there is to be told (the error, the notices) and gives its lock
back, and again, all of them in one flight, before COMMIT; or before anything that might see whether it has been run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from proxy.catalog.after import after
from proxy.catalog.facts import Facts, Relation
from proxy.catalog.held import holding
from proxy.plans.plan import Lock, Step
from proxy.policy.load import Policy
from proxy.policy.verdict import Action
from proxy.rules.transaction import BOOKKEEPING
from proxy.session.case import Case
from proxy.session.lateable import reshapes
from proxy.sql.catalog_read import catalog_read
from proxy.sql.lexer import LexError, lex
from proxy.sql.read import read
from proxy.sql.statements import (
    Action as AlterAction,
)
from proxy.sql.statements import (
    AddColumn,
    AddConstraint,
    AlterTable,
    ConstraintKind,
    CreateIndex,
    DropColumn,
    DropIndex,
    DropNotNull,
    Name,
    Other,
    OtherAction,
    Show,
    Statement,
    Transaction,
    ValidateConstraint,
)
from proxy.sql.written import written

SHAPES = (AddColumn, DropColumn, OtherAction)  # of the last, RENAME COLUMN
MOST = (
    16  # that wait at a time: each is tried behind those about its table, and a question about the catalog behind all
)
# What a tool's note in its table of versions may be made of; anything else might look at the catalog, or at other tables.
CALLS = frozenset({"values", "conflict", "now"})
LOOKS = frozenset({"select", "with", "table", "from", "using", "execute"})
NAMES = ("word", "quoted", "uquoted")
ESCAPED = ""
BACK = frozenset({"ROLLBACK", "ROLLBACK TO"})
NOT_READ_AT_PARSE = (Transaction, AlterTable, CreateIndex, DropIndex)


@dataclass(frozen=True)
class Entry:
    case: Case
    step: Step
    policy: Policy

    @cached_property
    def reshaped(self) -> frozenset[tuple[str, str]]:
        """Tables that have other columns afterwards, or take other values, which the catalog does not tell yet."""
        node = self.case.statement.node
        table = self.case.facts.find(node.relation) if isinstance(node, AlterTable) else None
        if not isinstance(node, AlterTable) or table is None:
            return frozenset()
        return self.tables if any(_tells(action, table) for action in node.actions) else frozenset()

    @cached_property
    def words(self) -> frozenset[str]:
        """Names that stand in it: a cast to a table's row type is about that table, too."""
        return words(self.case.statement.sql)

    @property
    def tables(self) -> frozenset[tuple[str, str]]:
        return _tables(self.step)


class Late:
    """What one session has tried and not run yet, in order.  All of it is younger than each savepoint of the transaction."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.turn = 0  # as long as it is the same and something waits, every message that can see it was held
        self.plain: dict[
            tuple[str, ...], bool
        ] = {}  # tools' tables of versions: whether a note there runs nothing but itself

    def __bool__(self) -> bool:
        return bool(self.entries)

    def add(self, case: Case, step: Step, policy: Policy) -> None:
        self.entries.append(Entry(case, step, policy))

    def clear(self) -> None:
        """It has been run, or its transaction is over, or rolled back to a savepoint."""
        self.entries.clear()
        self.plain.clear()
        self.turn += 1

    def trial(self, step: Step) -> Step:
        """How a step is tried: behind what waits for the same tables, and what that is about itself."""
        tables = _tables(step)
        ahead: list[Step] = []
        for one in reversed(self.entries):
            if not one.tables.isdisjoint(tables):
                ahead.append(one.step)
                tables |= one.tables
        return replace(step, statements=(*(sql for one in reversed(ahead) for sql in one.statements), *step.statements))

    def takes(self, case: Case) -> bool:
        """Whether a statement can wait with the others: not if it adds a constraint whose name one of them adds, or may."""
        if len(self.entries) >= MOST:
            return False
        names, tables = _added(case), _about(case)
        for one in self.entries:
            others = _added(one.case)
            unnamed = ("" in others and names) or ("" in names and others)
            if not names.isdisjoint(others - {""}) or (unnamed and not tables.isdisjoint(one.tables)):
                return False
        if not isinstance(case.statement.node, DropIndex):
            return True
        return all(tables.isdisjoint(_referred(one.case)) for one in self.entries)

    def hides(self, case: Case) -> bool:
        """Whether a statement is about what is otherwise once all that waits has been run; a change of columns is tried behind others."""
        reshaped = frozenset().union(*(one.reshaped for one in self.entries))
        about, shapes, said = _about(case), reshapes(case), words(case.statement.sql)
        if not (shapes or reshaped.isdisjoint(about)):
            return True
        if ESCAPED in said or not said.isdisjoint({name for _, name in reshaped - about}):
            return True
        own = {name for _, name in about}
        return shapes and any(not one.words.isdisjoint(own) and one.tables.isdisjoint(about) for one in self.entries)

    def is_told(self, statements: Sequence[Statement]) -> bool:
        """Whether ``behind`` knows of what waits all that matters to a text: it validates constraints, or is about columns to come.

        That is an index, or a foreign key of one such column: there no row has a value.
        """
        node = statements[0].node if len(statements) == 1 else None
        if _validates(node):
            return True
        match node:
            case AlterTable(relation=name, actions=(AddConstraint(constraint=c),)) if c.references is not None:
                about = len(c.columns) == 1 and c.columns[0] in self._columns(name)
            case CreateIndex(relation=name, unique=False, concurrently=False):
                about = any(name.name == table for one in self.entries for _, table in one.reshaped)
            case _:
                return False
        return about and ESCAPED not in words(statements[0].sql)

    def _columns(self, table: Name) -> frozenset[str]:
        """Columns without a value in any row that a table of the name gets, as it may be written."""
        found = set()
        for one in self.entries:
            node, types = one.case.statement.node, one.case.facts.types
            if isinstance(node, AlterTable) and node.relation.name == table.name:
                added = [action.column for action in node.actions if isinstance(action, AddColumn)]
                typed = {column.name: types.get(column.type.span.of(one.case.statement.text)) for column in added}
                found |= {name for name, known in typed.items() if known is not None and not known.has_default}
        return frozenset(found)

    def behind(self, facts: Facts) -> Facts:
        """The facts as all that waits leaves them: its locks are held, its columns and constraints are there."""
        for one in self.entries:
            statement, verdict = one.case.statement, one.case.verdict
            held = holding(statement, facts, verdict.plan if verdict.action is Action.DEFER else None)
            facts = _worded(statement, replace(after(statement, facts), held=held))
        return facts

    def passed_by(self, case: Case) -> None:
        """A case that was decided about ``behind`` what waits is put off, and that goes on waiting."""
        if case.held is None:
            return
        case.facts, case.held = replace(case.facts, held=case.held), None
        case.comes_late = not _validates(case.statement.node) and any(
            _target(case) in one.reshaped for one in self.entries
        )
        ours = [one.case for one in self.entries if _target(one.case) == _target(case)]
        case.awaited |= frozenset(name for one in ours for name in _added(one))

    def rehearsing(self, rehearsals: Sequence[str]) -> Step:
        """All that waits, and what is to be tried behind it."""
        return replace(self.step, statements=(*self.step.statements, *rehearsals))

    @property
    def step(self) -> Step:
        """All that waits, as one step."""
        modes: dict[tuple[str, str], Lock] = {}
        for one in self.entries:
            for table, lock in (
                *((relation, one.step.lock) for relation in one.step.relations),
                *(((schema, name), lock) for schema, name, lock in one.step.others),
            ):
                modes[table] = max(modes.get(table, Lock.NONE), lock, key=lambda lock: lock.rank)
        strongest = max(modes.values(), key=lambda lock: lock.rank)
        return Step(
            tuple(sql for one in self.entries for sql in one.step.statements),
            strongest,
            "what the transaction has put off to its end",
            relations=tuple(table for table, lock in modes.items() if lock is strongest),
            others=tuple((*table, lock) for table, lock in modes.items() if lock is not strongest),
        )

    # ------------------------------------------------ what sees nothing of it

    def passes(self, statements: Sequence[Statement]) -> bool:
        """Whether a text cannot tell whether what waits has been run: a note in a tool's own table of versions.

        Or DEALLOCATE, which psycopg sends behind any DDL; or a question that is about no relation (``version()``).
        Of the table ``plain`` has to tell.
        """
        if len(statements) != 1:
            return False
        match statements[0].node:
            case Show() | Other(kind="DEALLOCATE"):
                return True
            case _:
                noted = self.noted(statements)
                return self._is_apart(statements[0]) or (noted is not None and self.plain.get(noted.parts, False))

    def _is_apart(self, statement: Statement) -> bool:
        read = catalog_read(statement)
        return read is not None and not read.relations and words(statement.sql).isdisjoint(self._names)

    @property
    def _names(self) -> frozenset[str]:
        """Of the tables that something is to be done to."""
        return frozenset(name for one in self.entries for _, name in one.tables)

    @staticmethod
    def is_shown_to(statements: Sequence[Statement]) -> bool:
        """Whether a text only looks at the catalog, so that it may be shown what waits, and that be given back."""
        return len(statements) == 1 and catalog_read(statements[0]) is not None

    @staticmethod
    def may_go_with(statements: Sequence[Statement]) -> bool:
        """Whether it is worth while to look closer, with what the catalog says of it, at who sees what of each other."""
        return len(statements) == 1 and isinstance(statements[0].node, AlterTable | CreateIndex | DropIndex | Other)

    def is_parsed(self, statements: Sequence[Statement]) -> bool:
        """Likewise of the server's reading it, without running it."""
        return all(isinstance(s.node, NOT_READ_AT_PARSE) for s in statements) or self.passes(statements)

    def noted(self, statements: Sequence[Statement]) -> Name | None:
        """The table of versions that a text writes a note in, if it does nothing else as far as it says."""
        statement = statements[0] if len(statements) == 1 else None
        found = written(statement) if statement is not None else ()
        if statement is None or len(found) != 1 or not found[0].whole or found[0].verb not in ("INSERT", "UPDATE"):
            return None
        table = found[0].relation
        if table.name not in BOOKKEEPING:
            return None
        try:
            tokens = lex(statement.sql)
        except LexError:
            return None
        target = table.span.end - statement.span.start
        opens = [i for i in range(2, len(tokens)) if tokens[i].kind == "op" and tokens[i].value == "("]
        called = [i - 1 for i in opens if tokens[i - 1].kind in NAMES and tokens[i - 1].end != target]
        known = all(
            tokens[i].kind == "word" and tokens[i].value in CALLS and tokens[i - 1].value != "." for i in called
        )
        said = words(statement.sql)
        return table if known and ESCAPED not in said and said.isdisjoint(LOOKS | self._names) else None


def goes_back(statements: Sequence[Statement]) -> bool:
    """Whether a text begins by undoing what was done since a savepoint, or all."""
    node = statements[0].node if statements else None
    return isinstance(node, Transaction) and node.kind in BACK


def ends(statements: Sequence[Statement]) -> bool:
    """Whether a text is the end of its transaction: with an error there it is over."""
    node = statements[0].node if len(statements) == 1 else None
    return isinstance(node, Transaction) and node.kind in ("COMMIT", "PREPARE TRANSACTION")


def _worded(statement: Statement, facts: Facts) -> Facts:
    """With what its CHECKs say, so that rows can be looked through for them; ``after`` leaves it out, lest one be taken for what another run has left."""
    node = statement.node
    table = facts.find(node.relation) if isinstance(node, AlterTable) else None
    if not isinstance(node, AlterTable) or table is None:
        return facts
    constraints = dict(table.constraints)
    for action in node.actions:
        if not isinstance(action, AddConstraint) or action.constraint.expression is None:
            continue
        c, there = action.constraint, constraints.get(action.constraint.name or "")
        if there is not None and not there.definition:
            says = f"CHECK ({action.constraint.expression.of(statement.text)})"
            constraints[there.name] = replace(there, definition=f"{says} NO INHERIT" if c.no_inherit else says)
    known = replace(table, constraints=constraints)
    return replace(facts, relations={p: known if one is table else one for p, one in facts.relations.items()})


def _validates(node: object) -> bool:
    return isinstance(node, AlterTable) and all(isinstance(action, ValidateConstraint) for action in node.actions)


def _target(case: Case) -> tuple[str, str] | None:
    """The table that is altered, or gets an index."""
    node = case.statement.node
    table = case.facts.find(node.relation) if isinstance(node, AlterTable | CreateIndex) else None
    return table.qualified if table is not None and table.exists else None


def _about(case: Case) -> frozenset[tuple[str, str]]:
    """Tables that its names mean, or whose indexes they mean, and those above them."""
    found = set()
    for relation in case.facts.relations.values():
        if relation.exists:
            index = relation.index
            found.add(relation.qualified if index is None else (index.table_schema, index.table))
            found.update(relation.parents)
    return frozenset(found)


def _tells(action: AlterAction, table: Relation) -> bool:
    """Whether what is planned behind it would be planned otherwise."""
    match action:
        case AddConstraint(constraint=constraint):
            return constraint.kind is ConstraintKind.NOT_NULL
        case DropNotNull(column=name):
            return name not in table.columns or table.columns[name].not_null
        case _:
            return isinstance(action, SHAPES)


def _added(case: Case) -> frozenset[str]:
    """Names of the constraints that it adds; empty for one that Postgres names."""
    plan = case.verdict.plan
    texts = [sql for step in plan.steps for sql in step.statements] if plan is not None else [case.statement.sql]
    nodes = [s.node for sql in texts for s in read(sql)]
    actions = [a for node in nodes if isinstance(node, AlterTable) for a in node.actions]
    return frozenset(a.constraint.name or "" for a in actions if isinstance(a, AddConstraint))


def _referred(case: Case) -> frozenset[tuple[str, str]]:
    """The tables that its foreign keys point to, of which they need an index."""
    node = case.statement.node
    actions = node.actions if isinstance(node, AlterTable) else ()
    names = [a.constraint.references for a in actions if isinstance(a, AddConstraint)]
    found = [case.facts.find(name) for name in names if name is not None]
    return frozenset(relation.qualified for relation in found if relation is not None)


def words(sql: str) -> frozenset[str]:
    """Every name that stands in a text, and every keyword; ``ESCAPED`` for one that is written ``U&"…"``."""
    try:
        return frozenset(ESCAPED if t.kind == "uquoted" else t.value for t in lex(sql) if t.kind in NAMES)
    except LexError:
        return frozenset({ESCAPED})


def _tables(step: Step) -> frozenset[tuple[str, str]]:
    return frozenset((*step.relations, *((schema, name) for schema, name, _ in step.others)))


__all__ = ["Entry", "Late", "ends", "goes_back"]
