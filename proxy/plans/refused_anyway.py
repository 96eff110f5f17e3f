"""What a statement that is to be rejected would meet in Postgres itself before it did any work: the author is told that instead.

A cast that has to be spelled out, a view on the column, a misspelt name: whoever is sent to do it in steps would meet it
there.  The statement is tried on an empty copy of its table, or domain; what the copy cannot tell is looked up
(``refused_by_catalog``).  What takes no lock that keeps readers out, and no work, is tried itself.

Nothing here takes ACCESS EXCLUSIVE on what is there, not even for a moment: a standby would hold up its readers for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.catalog.column_work import changed_type
from proxy.catalog.facts import Facts, Relation
from proxy.plans import refused_by_catalog as catalog
from proxy.plans.done import EQ
from proxy.plans.first_checks import fails, oid, owned, there
from proxy.plans.on_copy import copy_of, make_copy, onto_copy
from proxy.plans.partition_of import partition_of
from proxy.plans.plan import Edit
from proxy.plans.rehearsal import OVER, Behind, names_table, run
from proxy.plans.target import literal, own_name, qualify
from proxy.sql import edit
from proxy.sql.cursor import Cursor
from proxy.sql.lexer import lex
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    CreateIndex,
    CreateTable,
    Drop,
    DropColumn,
    Name,
    Other,
    OtherAction,
    Statement,
)

ALIKE = ("DEFAULTS", "CONSTRAINTS", "INDEXES", "IDENTITY")  # of the copy, which always has the generated columns
MOVES = frozenset({"SET TABLESPACE", "SET ACCESS METHOD"})
PATIENCE_MS = 100  # for a lock that hardly anything else keeps from us
BRIEF_MS = 1  # for one that writers may keep from us, and that would keep them out: the least there is
TOLD = frozenset({"0A", "22", "2B", "3F", "42"})  # classes of SQLSTATE about the statement, and not about the moment
UNVALIDATED_PARTITIONED = 18  # the first version with foreign keys of partitioned tables that are NOT VALID


def trial(statement: Statement, facts: Facts) -> Behind | None:
    """A statement that fails where the author's would before any work, and else does nothing; None if that cannot be told.

    Of its errors only those of ``TOLD`` mean anything.  It waits for no lock for longer than a moment.
    """
    if not facts.live or facts.read_only:
        return None
    match statement.node:
        case AlterTable(object_type="TABLE") as alter:
            return _keys(statement, alter, facts) or _renamed(alter, facts) or _altered(statement, alter, facts)
        case CreateIndex() as index:
            return _index(statement, index, facts)
        case CreateTable(partition_of=Name()) as table:
            return _partition(statement, table, facts)
        case Drop(object_type="TABLE", names=(name,), cascade=False) if _is_there(name, facts):
            return _looked_up(name, *catalog.dropped_table(name))
        case Other(kind="TRUNCATE TABLE", relations=names, options=options) if "CASCADE" not in options:
            if names and all(_is_there(name, facts) and _is_whole(name, facts) for name in names):
                return _behind(*map(there, names), *catalog.truncated(names))
            return None
        case Other(kind="CLUSTER", relations=(name,)) as node:
            return _looked_up(name, owned(name), *catalog.clustered(name, node.name))
        case Other(kind="ALTER TYPE", options=options) if "RENAME VALUE" in options:
            return _itself(statement.sql)
        case Other(kind="ALTER DOMAIN") as node:
            return _domain(statement, node)
        case _:
            return None


# ---------------------------------------------------------------- on a copy


def _altered(statement: Statement, alter: AlterTable, facts: Facts) -> Behind | None:
    name, relation = alter.relation, facts.find(alter.relation)
    if relation is None or not relation.exists or relation.kind not in "rp" or not relation.schema:
        return None
    if relation.kind == "p" and not relation.partition_key:
        return None
    if not all(map(_can_be_tried, alter.actions)) or names_table(
        statement, name.span.end, statement.span.end, relation
    ):
        return None
    before = [line for action in alter.actions for line in _before(action, alter)]
    after = [line for action in alter.actions for line in _after(action, name)]
    start = statement.span.start
    onto = Edit(name.span.start - start, name.span.end - start, copy_of(relation))
    text = edit.apply(statement.sql, (onto,))
    made = f"EXECUTE {literal(make_copy(relation, name.quoted, *ALIKE))};"
    tried = _tried(made, text)
    types = [action for action in alter.actions if isinstance(action, AlterColumnType)]
    if types:
        after.append(_tried(made, text, _keys_fit(relation, name, [action.column for action in types])))
    if any(changed_type(statement, action, relation, facts) == "rewrite" for action in types):
        after.append(catalog.row_type(name))
    return Behind(run(there(name), owned(name), *before, tried, *after), text, onto)


def _can_be_tried(action: Action) -> bool:
    """Whether the copy says of it what the table would; a foreign key would lock what it points to."""
    match action:
        case AlterColumnType() | DropColumn():
            return True
        case AddColumn(column=column):
            return all(c.references is None for c in column.constraints)
        case AddConstraint(constraint=c):
            return c.references is None and c.using_index is None
        case OtherAction(what=what):
            return what in MOVES or what in catalog.PERSISTENCE
        case _:
            return False


def _before(action: Action, alter: AlterTable) -> Iterator[str]:
    match action:
        case AlterColumnType():
            yield from catalog.before_type(action, alter)
        case DropColumn():
            yield from catalog.dropped_column(action, alter)
        case _:
            pass


def _after(action: Action, name: Name) -> Iterator[str]:
    """What no copy has: that which uses the column, and keys to other tables."""
    match action:
        case AlterColumnType():
            yield from catalog.behind_type(action, name)
        case OtherAction(what=what) if what in catalog.PERSISTENCE:
            yield catalog.referring(name, what)
        case _:
            pass


def _keys_fit(relation: Relation, name: Name, columns: Sequence[str]) -> str:
    """Lines that add, between the copy and others, the foreign keys of these columns: their types may not go together any more."""
    copy, other = copy_of(relation), qualify(relation.schema, own_name("re", f"other {relation.oid}"))
    own = oid(name)
    like = "'CREATE TABLE %s (LIKE %s INCLUDING GENERATED INCLUDING INDEXES)'"
    add = "'ALTER TABLE %s ADD CONSTRAINT %I FOREIGN KEY (%s) REFERENCES %s (%s)'"
    theirs = f"CASE WHEN one.conrelid {EQ} {own} THEN one.confrelid ELSE one.conrelid END"
    sides = [
        f"CASE WHEN {side} {EQ} {own} THEN {literal(copy)} ELSE {literal(other)} END"
        for side in ("one.conrelid", "one.confrelid")
    ]
    return (
        f"DECLARE one record; BEGIN FOR one IN {catalog.keys_of(name, columns)} LOOP"
        f" EXECUTE pg_catalog.format({like}, {literal(other)}, ({theirs})::pg_catalog.regclass);"
        f" EXECUTE pg_catalog.format({add}, {sides[0]}, one.conname, one.own, {sides[1]}, one.other);"
        f" EXECUTE {literal(f'DROP TABLE {other} CASCADE')}; END LOOP;"
        f" EXCEPTION WHEN SQLSTATE '42804' THEN RAISE; WHEN OTHERS THEN {_over()} END;"
    )


def _index(statement: Statement, node: CreateIndex, facts: Facts) -> Behind | None:
    name, relation = node.relation, facts.find(node.relation)
    if relation is None or not relation.exists or relation.kind not in "rmp" or not relation.schema:
        return None
    if relation.kind == "p":
        return _part_by_part(statement, node)
    if names_table(statement, name.span.end, statement.span.end, relation):
        return None
    text, onto = onto_copy(statement, node, relation)
    tried = _tried(f"EXECUTE {literal(make_copy(relation, name.quoted))};", text)
    kind = "materialized view" if relation.kind == "m" else "table"
    return Behind(run(there(name), owned(name, kind), tried), text, onto)


def _domain(statement: Statement, node: Other) -> Behind | None:
    cursor = Cursor(lex(statement.sql))
    cursor.need("alter", "domain")
    name = cursor.path()
    domain = f"pg_catalog.to_regtype({literal(name.quoted)})"
    if "VALIDATE CONSTRAINT" in node.options and node.name is not None:
        own = f"k.contypid {EQ} {domain} AND k.conname {EQ} {literal(node.name)}"
        absent = fails("42704", f'constraint "{node.name}" of domain "{name.name}" does not exist')
        lacks = f"NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE {own})"
        return _behind(f"IF {lacks} THEN {absent} END IF;")
    if "ADD CONSTRAINT" not in node.options:
        return None
    copy = own_name("re", name.quoted)
    onto = Edit(name.span.start, name.span.end, copy)
    text = edit.apply(statement.sql, (onto,))
    base = (
        f"SELECT pg_catalog.format_type(t.typbasetype, t.typtypmod) FROM pg_catalog.pg_type t WHERE t.oid {EQ} {domain}"
    )
    made = f"EXECUTE pg_catalog.concat({literal(f'CREATE DOMAIN {copy} AS ')}, ({base}));"
    return Behind(run(_tried(made, text)), text, onto)


# ---------------------------------------------------------------- as it is, for a moment


def _keys(statement: Statement, alter: AlterTable, facts: Facts) -> Behind | None:
    """Foreign keys are added NOT VALID, and gone again: both tables can be read all the while."""
    keys = [a.constraint for a in alter.actions if isinstance(a, AddConstraint) and a.constraint.references is not None]
    relation = facts.find(alter.relation)
    if relation is None or not relation.exists or len(keys) != len(alter.actions):
        return None
    if relation.kind == "p" and facts.major < UNVALIDATED_PARTITIONED:
        return None
    start = statement.span.start
    ends = [c.span.end - start for c in keys if c.not_valid is None and not c.not_enforced]
    text = edit.apply(statement.sql, [Edit(end, end, " NOT VALID") for end in ends])
    # An error has its place in the text before the first of these, or none.
    return _itself(text, Edit(ends[0], ends[0], " NOT VALID") if ends else Edit(0, 0, ""))


def _part_by_part(statement: Statement, node: CreateIndex) -> Behind | None:
    """The index of a partitioned table, without those of its partitions, is no work."""
    if node.concurrently:
        return None
    at = node.relation.span.start - statement.span.start
    only = Edit(at, at, "" if node.only else "ONLY ")
    return _itself(edit.apply(statement.sql, (only,)), only)


def _partition(statement: Statement, node: CreateTable, facts: Facts) -> Behind | None:
    """Beside the writers of the others, as it is rewritten; where there is a default partition, that would be locked."""
    parent = facts.find(node.partition_of) if node.partition_of else None
    if parent is None or parent.default_partition is not None:
        return None
    if (rewrite := partition_of(statement, node, facts, default=None)) is None:
        return None
    create, attach = rewrite.steps[-1].statements[:2]
    return _behind(_tried(_patience(BRIEF_MS), create, f"EXECUTE {literal(attach)};"))


def _itself(text: str, made: Edit | None = None) -> Behind:
    return Behind(run(_tried(_patience(BRIEF_MS), text)), text, made or Edit(0, 0, ""))


# ---------------------------------------------------------------- looked up


def _renamed(alter: AlterTable, facts: Facts) -> Behind | None:
    name = alter.relation
    if not _is_there(name, facts):
        return None
    match alter.actions:
        case (OtherAction(what="RENAME COLUMN", column=str(column)),):
            return _looked_up(name, owned(name), *catalog.renamed_column(alter, column))
        case (OtherAction(what="RENAME TO", name=str(new)),):
            return _looked_up(name, owned(name), catalog.renamed_table(name, new))
        case (OtherAction(what="SET SCHEMA", name=str(schema)),):
            return _looked_up(name, owned(name), *catalog.moved_to(name, schema))
        case _:
            return None


def _is_there(name: Name, facts: Facts) -> bool:
    relation = facts.find(name)
    return relation is not None and relation.exists and relation.kind in "rp"


def _is_whole(name: Name, facts: Facts) -> bool:
    """Whether TRUNCATE empties all of it: whether it says ONLY is not known."""
    relation = facts.find(name)
    return relation is not None and (relation.kind == "p" or not relation.has_children)


def _looked_up(name: Name, *lines: str) -> Behind:
    return _behind(there(name), *lines)


def _behind(*lines: str) -> Behind:
    return Behind(run(*lines), "", Edit(0, 0, ""))


# ---------------------------------------------------------------- shared


def _tried(made: str, text: str, more: str = "") -> str:
    """Lines that run a statement behind what it needs, and take all back; that this cannot be made means nothing."""
    copied = f"BEGIN {_patience(PATIENCE_MS)} {made} EXCEPTION WHEN OTHERS THEN {_over()} END;"
    return f"BEGIN {copied} EXECUTE {literal(text)}; {more} {_over()} EXCEPTION WHEN SQLSTATE '{OVER}' THEN NULL; END;"


def _patience(milliseconds: int) -> str:
    return f"PERFORM pg_catalog.set_config('lock_timeout', '{milliseconds}ms', true);"


def _over() -> str:
    return f"RAISE EXCEPTION USING ERRCODE = '{OVER}';"


__all__ = ["TOLD", "trial"]
