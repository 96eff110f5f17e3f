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

from proxy.catalog.facts import Relation
from proxy.plans.plan import Lock, Step
from proxy.policy.load import Policy
from proxy.policy.verdict import Action
from proxy.rules.transaction import BOOKKEEPING
from proxy.session.case import Case, patient_step
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
    CreateIndex,
    DropColumn,
    DropDefault,
    DropIndex,
    DropNotNull,
    Other,
    OtherAction,
    Query,
    SetDefault,
    Show,
    Statement,
    Transaction,
)
from proxy.sql.written import written

SMALL = (SetDefault, DropDefault, DropNotNull)
SHAPES = (AddColumn, DropColumn, OtherAction)  # of the last, RENAME COLUMN
# What a tool's note in its table of versions may be made of; anything else might look at the catalog, or at other tables.
CALLS = frozenset({"values", "conflict", "now"})
LOOKS = frozenset({"select", "with", "table", "from", "using", "execute"})
BACK = frozenset({"ROLLBACK", "ROLLBACK TO"})
NOT_READ_AT_PARSE = (Transaction, AlterTable, CreateIndex, DropIndex)


@dataclass(frozen=True, slots=True)
class Entry:
    case: Case
    step: Step
    policy: Policy

    @property
    def reshaped(self) -> frozenset[tuple[str, str]]:
        """Tables that have other columns afterwards, which the catalog does not tell yet."""
        node = self.case.statement.node
        columns = isinstance(node, AlterTable) and any(isinstance(a, SHAPES) for a in node.actions)
        return self.tables if columns else frozenset()

    @property
    def tables(self) -> frozenset[tuple[str, str]]:
        return _tables(self.step)


class Late:
    """What one session has tried and not run yet, in order.  All of it is younger than each savepoint of the transaction."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.turn = 0  # as long as it is the same and something waits, every message that can see it was held

    def __bool__(self) -> bool:
        return bool(self.entries)

    def add(self, case: Case, step: Step, policy: Policy) -> None:
        self.entries.append(Entry(case, step, policy))

    def clear(self) -> None:
        """It has been run, or its transaction is over, or rolled back to a savepoint."""
        self.entries.clear()
        self.turn += 1

    def trial(self, step: Step) -> Step:
        """How a step is tried: behind what waits for the same tables."""
        ahead = [one.step for one in self.entries if not one.tables.isdisjoint(_tables(step))]
        return replace(step, statements=(*(sql for one in ahead for sql in one.statements), *step.statements))

    def takes(self, case: Case) -> bool:
        """Whether a statement can wait with the others: not if it adds a constraint whose name one of them adds."""
        steps = case.verdict.plan.steps if case.verdict.plan is not None else ()
        names = _names(case.statement.sql, *(sql for step in steps for sql in step.statements))
        return names.isdisjoint(_names(*(sql for one in self.entries for sql in one.step.statements)))

    def hides(self, case: Case) -> bool:
        """Whether a statement is about columns that are otherwise once all that waits has been run; another change of them is tried behind it."""
        reshaped = frozenset().union(*(one.reshaped for one in self.entries))
        return not (reshaped.isdisjoint(_about(case)) or _reshapes(case))

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
        """
        if len(statements) != 1:
            return False
        match statements[0].node:
            case Show() | Other(kind="DEALLOCATE"):
                return True
            case _:
                read = catalog_read(statements[0])
                return (read is not None and not read.relations) or self._is_note(statements[0])

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

    def _is_note(self, statement: Statement) -> bool:
        found = written(statement) if isinstance(statement.node, Query) else ()
        if len(found) != 1 or not found[0].whole or found[0].verb not in ("INSERT", "UPDATE"):
            return False
        table = found[0].relation.name
        if table not in BOOKKEEPING or any(name == table for one in self.entries for _, name in one.tables):
            return False
        try:
            tokens = lex(statement.sql)
        except LexError:
            return False
        opens = [tokens[i - 1] for i in range(1, len(tokens)) if tokens[i].kind == "op" and tokens[i].value == "("]
        called = {t.value for t in opens if t.kind == "word"} - {table}
        quoted = {t.value for t in opens if t.kind == "quoted"} - {table}
        words = {t.value for t in tokens if t.kind == "word"}
        return called <= CALLS and not quoted and not words & LOOKS


def lateable(case: Case) -> Step | None:
    """The short part of a statement that nothing needs to see before the transaction ends, if that is what it is.

    Constraints that are added NOT VALID, while the rest of the statement waits for COMMIT; what only says what rows
    that come later are like; and columns that come, go or are renamed, and nothing else with them.
    """
    if case.dependent is not None or case.foreseen is not None or case.behind is not None or case.hidden or case.keys:
        return None
    node = case.statement.node
    plan = case.verdict.plan
    if case.verdict.action is Action.DEFER and plan is not None:
        step = plan.now[0] if len(plan.now) == 1 and plan.later else None
        return step if step is not None and _adds_not_valid(step) else None
    if plan is not None or case.verdict.action is Action.REJECT or not isinstance(node, AlterTable):
        return None
    table = case.facts.find(node.relation)
    if node.object_type != "TABLE" or table is None or not table.exists or table.is_new or table.temporary:
        return None
    short = all(isinstance(a, SMALL) or _is_not_valid(a) for a in node.actions) or _reshapes(case)
    return patient_step(case) if short else None


def goes_back(statements: Sequence[Statement]) -> bool:
    """Whether a text begins by undoing what was done since a savepoint, or all."""
    node = statements[0].node if statements else None
    return isinstance(node, Transaction) and node.kind in BACK


def ends(statements: Sequence[Statement]) -> bool:
    """Whether a text is the end of its transaction: with an error there it is over."""
    node = statements[0].node if len(statements) == 1 else None
    return isinstance(node, Transaction) and node.kind in ("COMMIT", "PREPARE TRANSACTION")


def _adds_not_valid(step: Step) -> bool:
    nodes = [s.node for sql in step.statements for s in read(sql)]
    return bool(nodes) and all(
        isinstance(node, AlterTable) and all(_is_not_valid(a) for a in node.actions) for node in nodes
    )


def _reshapes(case: Case) -> bool:
    """Whether it does nothing but change which columns a table has, which takes no time and names nothing else, as far as is known."""
    node = case.statement.node
    table = case.facts.find(node.relation) if isinstance(node, AlterTable) else None
    if not isinstance(node, AlterTable) or table is None or table.kind != "r" or case.effect.work != "none":
        return False
    if table.has_children or table.parents or table.is_partition or table.being_built:
        return False
    return all(_is_shape(a, table, case) for a in node.actions)


def _is_shape(action: AlterAction, table: Relation, case: Case) -> bool:
    match action:
        case AddColumn(column=column, if_not_exists=False):
            found = case.facts.types.get(column.type.span.of(case.statement.text))
            return column.name not in table.columns and not column.constraints and found is not None and found.exists
        case DropColumn(column=name, cascade=False, if_exists=False) if (gone := table.columns.get(name)) is not None:
            kept = any(name in key.columns for key in table.constraints.values() if key.kind != "n")
            kept |= any(name in index.columns for index in table.indexes.values())
            return not (kept or gone.has_default or gone.identity or gone.generated)
        case OtherAction(what="RENAME COLUMN", column=old, name=new):
            return old in table.columns and new not in table.columns
        case _:
            return False


def _about(case: Case) -> frozenset[tuple[str, str]]:
    """Tables that its names mean, or whose indexes they mean, and those above them."""
    found = set()
    for relation in case.facts.relations.values():
        if relation.exists:
            index = relation.index
            found.add(relation.qualified if index is None else (index.table_schema, index.table))
            found.update(relation.parents)
    return frozenset(found)


def _is_not_valid(action: AlterAction) -> bool:
    return isinstance(action, AddConstraint) and action.constraint.not_valid is not None


def _names(*statements: str) -> frozenset[str]:
    """Of the constraints that they add; empty for one that Postgres names."""
    nodes = [s.node for sql in statements for s in read(sql)]
    actions = [a for node in nodes if isinstance(node, AlterTable) for a in node.actions]
    return frozenset(a.constraint.name or "" for a in actions if isinstance(a, AddConstraint))


def _tables(step: Step) -> frozenset[tuple[str, str]]:
    return frozenset((*step.relations, *((schema, name) for schema, name, _ in step.others)))


__all__ = ["Entry", "Late", "ends", "goes_back", "lateable"]
