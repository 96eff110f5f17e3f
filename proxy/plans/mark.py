"""The passing constraint that marks an ALTER TABLE in steps as unfinished.

With it the same statement, sent again after an interruption, is told from one about what somebody else made.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Constraint, Relation
from proxy.plans import done
from proxy.plans.plan import Lock, Step
from proxy.plans.target import OWN, Target, own_name
from proxy.records import replace
from proxy.sql.statements import AddColumn, AlterColumnType, AlterTable, Statement

UNFINISHED = "CHECK (true) NOT VALID"  # what it says: nothing


def mark(statement: Statement, action: AddColumn | AlterColumnType, table: tuple[str, str]) -> str:
    """Its name: the same for the same statement."""
    match action:
        case AddColumn(column=added):
            return own_name("add", *table, added.name, statement.sql)
        case AlterColumnType(column=column):
            return own_name("type", *table, column, statement.sql)


def mark_of_all(statement: Statement, table: tuple[str, str]) -> str:
    """The name of the one that stands for several actions: those that come first are done if it is there."""
    return own_name("alter", *table, statement.sql)


def marked(statement: Statement, action: AddColumn | AlterColumnType, relation: Relation | None) -> Constraint | None:
    """The mark, if an interrupted run of this very statement has left it."""
    return relation.constraints.get(mark(statement, action, relation.qualified)) if relation is not None else None


def is_resumed(statement: Statement, action: AddColumn, relation: Relation | None) -> bool:
    """Whether an interrupted run of this very statement has added the column."""
    if relation is None or action.column.name not in relation.columns:
        return False
    return marked(statement, action, relation) is not None


def any_resumed(statement: Statement, relation: Relation | None) -> bool:
    """Whether an interrupted run has done a part of this ALTER TABLE: then what it asks for may be there already."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    if relation is None or not [name for name in relation.constraints if name.startswith(OWN)]:
        return False
    if mark_of_all(statement, relation.qualified) in relation.constraints:
        return True
    actions = [a for a in alter.actions if isinstance(a, AddColumn | AlterColumnType)]
    return any(marked(statement, action, relation) is not None for action in actions)


def with_mark(steps: Sequence[Step], mark: str, table: Target, *, partitioned: bool, early: bool) -> list[Step]:
    """``steps`` with the mark, in the transaction of the first ALTER where that locks as strongly.

    ``early``: that ALTER makes changes, too, that nothing but the mark could tell afterwards.
    """
    one, inherit = ("", "") if partitioned else ("ONLY ", " NO INHERIT")
    sql = f"ALTER TABLE {one}{table.sql} ADD CONSTRAINT {mark} CHECK (true){inherit} NOT VALID"
    there, unmark = done.constraint(table, mark), _unmark(mark, table)
    together = (i for i, step in enumerate(steps) if step.edits and (early or step.lock is Lock.ACCESS_EXCLUSIVE))
    at = next(together, None)
    if at and not early:  # a mark that stands for what has come before it would come too late
        at = None
    if at is None:
        needless = done.either(there, done.both(*(step.done for step in steps))) or there
        first = Step((sql,), Lock.ACCESS_EXCLUSIVE, "marks it as begun", (table.key,), done=needless, undo=(unmark,))
        return [first, *steps]
    marked = replace(
        steps[at],
        statements=(*steps[at].statements, sql),
        done=done.either(there, steps[at].done) or there,
        undo=(*steps[at].undo, unmark),
    )
    return [*steps[:at], marked, *steps[at + 1 :]]


def without_mark(steps: Sequence[Step], mark: str, table: Target, *, last_alter: bool) -> list[Step]:
    """``steps`` with the mark taken away at the end: in the last ALTER, if that is the last step."""
    unmark = _unmark(mark, table)
    if last_alter:
        return [*steps[:-1], replace(steps[-1], statements=(*steps[-1].statements, unmark))]
    gone = done.negate(done.constraint(table, mark))
    return [*steps, Step((unmark,), Lock.ACCESS_EXCLUSIVE, "takes the mark away", (table.key,), done=gone)]


def _unmark(mark: str, table: Target) -> str:
    return f"ALTER TABLE {table.sql} DROP CONSTRAINT IF EXISTS {mark}"
