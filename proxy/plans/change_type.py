"""ALTER COLUMN … TYPE that leaves all values as they are stored, without what Postgres would do to rows all the same.

A CHECK of the column is dropped and added again NOT VALID in the ALTER that changes the type, and validated after it.
An index that would be built again is dropped before and built concurrently after.  Nothing takes the new type back, for
the old one might not hold what comes meanwhile: an interrupted run is finished, not undone.  What is to be finished
stands in the comment of a passing constraint.
Source: ATPostAlterTypeCleanup (commands/tablecmds.c).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.catalog.column_work import changed_type, other_collation, rebuilt
from proxy.catalog.facts import Constraint, Facts, Index, Relation, Setting
from proxy.catalog.type_change import UTC, is_free, is_same
from proxy.catalog.type_names import head
from proxy.plans import done
from proxy.plans.build_index import build, drop_leftover, is_leftover
from proxy.plans.mark import UNFINISHED, mark, marked
from proxy.plans.plan import Edit, Lock, Rewrite, Step
from proxy.plans.target import Target, altering, literal, target
from proxy.plans.validate_later import validate
from proxy.records import replace
from proxy.sql import lexer
from proxy.sql.lexer import LexError
from proxy.sql.read import read
from proxy.sql.statements import (
    AlterColumnType,
    AlterTable,
    CreateIndex,
    DropColumn,
    DropConstraint,
    DropDefault,
    DropNotNull,
    SetNotNull,
    Statement,
    quote_identifier,
)

STAMPS = ("timestamp", "timestamptz")
HARMLESS = (SetNotNull, DropNotNull, DropDefault, DropColumn, DropConstraint)  # TimeZone has no say in them


def change_type(statement: Statement, action: AlterColumnType, facts: Facts) -> Rewrite | None:
    """The rewrite of a change of type that copies nothing; None if it copies, or if the end could differ."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    relation = facts.find(alter.relation)
    if relation is None or not relation.exists or action.column not in relation.columns:
        return None
    table = target(alter.relation, relation, statement)
    left = notes(statement, action, relation)
    column = relation.columns[action.column]
    if left is not None and is_same(statement, action, column, facts) and not other_collation(action, column):
        return _finish(statement, action, table, left, facts, relation)
    if changes_nothing(statement, action, relation, facts):
        return Rewrite((), table=table.key)
    if only_utc(statement, action):
        return _as_utc(statement, action, relation, table, facts)
    if relation.kind != "r" or relation.has_children or relation.parents:
        return None  # what children have of their own, or inherit, is not looked into
    if not is_free(statement, action, column, facts):
        return None
    return _around(statement, action, relation, table, facts, left)


def changes_nothing(statement: Statement, action: AlterColumnType, relation: Relation, facts: Facts) -> bool:
    """Whether the action can be left out: the column is so already, in every way that the action would set."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    column = relation.columns.get(action.column)
    if column is None or relation.has_children or column.adjusted or other_collation(action, column):
        return False
    if len(alter.actions) == 1 and relation.owner != facts.user:
        return False  # nothing would be run, and who may not do it would not hear of it
    same = [a for a in alter.actions if isinstance(a, AlterColumnType) and a.column == action.column]
    return len(same) == 1 and is_same(statement, action, column, facts)


def only_utc(statement: Statement, action: AlterColumnType) -> bool:
    """Whether it is ``TYPE timestamptz USING column AT TIME ZONE 'UTC'``, or the way back."""
    if action.type.name not in STAMPS or action.using is None:
        return False
    try:
        tokens = [t for t in lexer.lex(action.using.of(statement.text)) if t.value not in ("(", ")")]
    except LexError:
        return False
    words = [t.value for t in tokens if t.kind != "string"]
    if words != [action.column, "at", "time", "zone"] or tokens[-1].kind != "string":
        return False
    written = action.using.of(statement.text)[tokens[-1].start : tokens[-1].end]
    return written[:1] == written[-1:] == "'" and written[1:-1].lower() in UTC


# ---------------------------------------------------------------- AT TIME ZONE 'UTC'


def _as_utc(
    statement: Statement, action: AlterColumnType, relation: Relation, table: Target, facts: Facts
) -> Rewrite | None:
    """Under TimeZone UTC the plain cast is the same, and Postgres knows that it changes no value."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    column, zone = relation.columns[action.column], facts.settings.get("TimeZone")
    others = (a for a in alter.actions if not isinstance(a, HARMLESS))
    if zone is None or not all(isinstance(a, AlterColumnType) and only_utc(statement, a) for a in others):
        return None  # a literal of another action would be read under another TimeZone
    under_utc = replace(facts, settings={**facts.settings, "TimeZone": Setting("UTC", "session")})
    free = changed_type(statement, replace(action, using=None), relation, under_utc) == "none"
    if {head(column.type), action.type.name} != set(STAMPS) or not free:
        return None
    text, start = statement.text, statement.span.start
    words = lexer.lex(action.span.of(text))
    using = next(t.start for t in words if t.kind == "word" and t.value == "using") + action.span.start
    end = len(text[:using].rstrip(" \t"))
    old = f"ALTER COLUMN {quote_identifier(action.column)} TYPE {column.type}"
    back = f"BEGIN PERFORM pg_catalog.set_config('TimeZone', 'UTC', true); {altering(table, alter, old)}; END"
    return Rewrite(
        (),
        action=text[action.span.start : end],
        edits=(Edit(end - start, action.span.end - start, ""),),
        ahead=("SET LOCAL TimeZone = 'UTC'",),
        also=(f"SELECT pg_catalog.set_config('TimeZone', {literal(zone.value)}, true)",),
        undo=(f"DO LANGUAGE plpgsql {literal(back)}",),
        done=done.negate(done.typed(table, column.name, column.type, column.collation)),
        table=table.key,
        relations=(table.key,),
    )


# ---------------------------------------------------------------- CHECKs and indexes


@dataclass(frozen=True, slots=True)
class Notes:
    """What is to be made again: CHECKs by name, indexes with their definitions."""

    checks: tuple[str, ...] = ()
    indexes: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        return json.dumps({"checks": self.checks, "indexes": self.indexes}, ensure_ascii=True)


def notes(statement: Statement, action: AlterColumnType, relation: Relation | None) -> Notes | None:
    """Those that an interrupted run of this very statement has left."""
    if (found := marked(statement, action, relation)) is None:
        return None
    try:
        stored = json.loads(found.comment or "")
        checks = tuple(str(name) for name in stored["checks"])
        return Notes(checks, tuple((str(name), str(sql)) for name, sql in stored["indexes"]))
    except (ValueError, KeyError, TypeError):
        return None


def _around(
    statement: Statement, action: AlterColumnType, relation: Relation, table: Target, facts: Facts, left: Notes | None
) -> Rewrite | None:
    """``left``: what an interrupted run has noted, before it changed the type."""
    column = relation.columns[action.column]
    alter = statement.node
    assert isinstance(alter, AlterTable)
    dropped = {a.name for a in alter.actions if isinstance(a, DropConstraint)}
    kept = replace(relation, constraints={n: c for n, c in relation.constraints.items() if n not in dropped})
    remade = rebuilt(statement, action, kept, facts)
    if remade is None or not all(_can_be_made_again(index) for index in remade):
        return None
    checks = [c for c in kept.constraints.values() if _is_checked(c, action.column)]
    noted = left or Notes(tuple(c.name for c in checks), tuple((i.name, i.definition) for i in remade))
    marks = mark(statement, action, table.key)
    commented = f"COMMENT ON CONSTRAINT {marks} ON {table.sql} IS {literal(noted.text)}"
    marking = f"ADD CONSTRAINT {marks} {UNFINISHED}"
    before: list[Step] = []
    if noted.indexes:
        before.append(_mark_first(table, alter, marks, marking, commented))
        before += [_drop(table, name, sql) for name, sql in noted.indexes]
    adds = [f"ADD CONSTRAINT {quote_identifier(c.name)} {c.definition} NOT VALID" for c in checks]
    adds += [] if noted.indexes else [marking]
    drops = [f"DROP CONSTRAINT {quote_identifier(c.name)}" for c in checks]
    start, end = action.span.start - statement.span.start, action.span.end - statement.span.start
    edits = (
        *([Edit(start, start, "".join(f"{words}, " for words in drops))] if drops else []),
        *([Edit(end, end, "".join(f", {words}" for words in adds))] if adds else []),
    )
    return replace(
        _finish(statement, action, table, noted, facts, relation),
        before=tuple(before),
        action=", ".join([*drops, action.span.of(statement.text), *adds]),
        edits=edits,
        also=(*_comments(table, checks), *([] if noted.indexes else [commented])),
        done=done.negate(done.typed(table, column.name, column.type, column.collation)),
        relations=_locked(relation, action.column, table),
        resumed=False,
    )


def _finish(
    statement: Statement, action: AlterColumnType, table: Target, noted: Notes, facts: Facts, relation: Relation
) -> Rewrite:
    """What comes after the type has changed."""
    alter = statement.node
    assert isinstance(alter, AlterTable)
    marks = mark(statement, action, table.key)
    steps = [validate(table, alter, name) for name in noted.checks]
    for name, sql in noted.indexes:
        index = table.sibling(name)
        steps += [drop_leftover(index, table)] if is_leftover(name, facts, relation) else []
        steps.append(build(index, table, concurrently(sql), finished=done.index_valid(index)))
    return Rewrite(
        tuple(steps),
        last=f"DROP CONSTRAINT IF EXISTS {marks}",
        last_done=done.negate(done.constraint(table, marks)),
        why_last="takes the mark away",
        table=table.key,
        forward=True,
        resumed=True,
    )


def _is_checked(constraint: Constraint, column: str) -> bool:
    return constraint.kind == "c" and constraint.validated and constraint.enforced and column in constraint.columns


def _can_be_made_again(index: Index) -> bool:
    """Whether nothing but time is lost while it is not there: a unique one would let duplicates in."""
    return index.valid and index.plain and not index.unique and index.constraint is None and bool(index.definition)


def _mark_first(table: Target, alter: AlterTable, marks: str, marking: str, commented: str) -> Step:
    return Step(
        (altering(table, alter, marking), commented),
        Lock.ACCESS_EXCLUSIVE,
        "notes what is to be made again, should anything die in between",
        relations=(table.key,),
        done=done.constraint(table, marks),
        undo=(altering(table, alter, f"DROP CONSTRAINT IF EXISTS {marks}"),),
    )


def _drop(table: Target, name: str, sql: str) -> Step:
    index = table.sibling(name)
    return Step(
        (f"DROP INDEX CONCURRENTLY IF EXISTS {index.sql}",),
        Lock.SHARE_UPDATE_EXCLUSIVE,
        "drops the index, which the change would build again under its lock; until the end queries do without it",
        relations=(table.key,),
        transaction=False,
        budget="builds",
        done=done.no_index(index),
        undo=(f"DROP INDEX CONCURRENTLY IF EXISTS {index.sql}", concurrently(sql)),
        index=index.key,
    )


def concurrently(definition: str) -> str:
    """What pg_get_indexdef() prints, to be built beside readers and writers."""
    [made] = read(definition)
    assert isinstance(made.node, CreateIndex)
    at = made.node.keyword.end
    return f"{definition[:at]} CONCURRENTLY{definition[at:]}"


def _comments(table: Target, checks: Sequence[Constraint]) -> list[str]:
    return [
        f"COMMENT ON CONSTRAINT {quote_identifier(c.name)} ON {table.sql} IS {literal(c.comment)}"
        for c in checks
        if c.comment is not None
    ]


def _locked(relation: Relation, column: str, table: Target) -> tuple[tuple[str, str], ...]:
    """The table, and those at the other ends of the column's foreign keys, which are made again."""
    keys = {c.references for c in relation.constraints.values() if c.kind == "f" and column in c.columns}
    keys |= {key.table for key in relation.referring if column in key.columns}
    return tuple(sorted({table.key, *(key for key in keys if key is not None)}))
