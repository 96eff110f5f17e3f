"""What a statement that is to be rejected would meet in Postgres itself before it did any work: the author is told that instead.

A cast that has to be spelled out, a view on the column, a misspelt name: whoever is sent to do it in steps would meet it
there.  The statement is tried on an empty copy of its table, or domain; what the copy cannot tell is looked up.

Source: ATPrepAlterColumnType, RememberAllDependentForRebuilding, ATPrepChangePersistence (commands/tablecmds.c), cluster
(commands/cluster.c), AlterDomainValidateConstraint (commands/typecmds.c).
"""

from __future__ import annotations

from collections.abc import Iterator

from proxy.catalog.facts import Facts
from proxy.plans.done import EQ
from proxy.plans.first_checks import fails, of_class, oid, owned, there
from proxy.plans.in_step import LAST
from proxy.plans.on_copy import copy_of, make_copy, onto_copy
from proxy.plans.plan import Edit
from proxy.plans.rehearsal import OVER, Behind, names_table, run
from proxy.plans.target import OWN, literal, own_name
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
    Name,
    Other,
    OtherAction,
    Statement,
)

ALIKE = ("DEFAULTS", "CONSTRAINTS", "INDEXES", "IDENTITY")  # of the copy, which always has the generated columns
MOVES = frozenset({"SET TABLESPACE", "SET ACCESS METHOD"})
PERSISTENCE = {"SET LOGGED": ("conrelid", "confrelid", "u"), "SET UNLOGGED": ("confrelid", "conrelid", "p")}
PATIENCE_MS = 100  # for a lock that hardly anything else keeps from us
TOLD = frozenset({"0A", "22", "42"})  # classes of SQLSTATE that are about the statement, and not about the moment
FEATURE = "0A000"
USERS = {  # what stands in pg_depend on the column
    "pg_rewrite": "used by a view or rule",
    "pg_trigger": "used in a trigger definition",
    "pg_policy": "used in a policy definition",
    "pg_proc": "used by a function or procedure",
    "pg_publication_rel": "used by a publication WHERE clause",
}


def trial(statement: Statement, facts: Facts) -> Behind | None:
    """A statement that fails where the author's would before any work, and else does nothing; None if that cannot be told.

    Of its errors only those of ``TOLD`` mean anything.  It waits for no lock for longer than a moment.
    """
    if not facts.live or facts.read_only:
        return None
    match statement.node:
        case AlterTable(object_type="TABLE") as alter:
            return _altered(statement, alter, facts)
        case CreateIndex() as index:
            return _index(statement, index, facts)
        case Other(kind="CLUSTER", relations=(name,)) as node:
            return _looked_up(name, *_clustered(name, node.name))
        case Other(kind="ALTER DOMAIN") as node:
            return _domain(statement, node)
        case _:
            return None


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
    tried = _tried(f"EXECUTE {literal(make_copy(relation, name.quoted, *ALIKE))};", text)
    return Behind(run(there(name), owned(name), *before, tried, *after), text, onto)


def _index(statement: Statement, node: CreateIndex, facts: Facts) -> Behind | None:
    name, relation = node.relation, facts.find(node.relation)
    if relation is None or not relation.exists or relation.kind not in "rm" or not relation.schema:
        return None
    if names_table(statement, name.span.end, statement.span.end, relation):
        return None
    text, onto = onto_copy(statement, node, relation)
    tried = _tried(f"EXECUTE {literal(make_copy(relation, name.quoted))};", text)
    kind = "materialized view" if relation.kind == "m" else "table"
    return Behind(run(there(name), owned(name, kind), tried), text, onto)


def _can_be_tried(action: Action) -> bool:
    """Whether the copy says of it what the table would; a foreign key would lock what it points to."""
    match action:
        case AlterColumnType():
            return True
        case AddColumn(column=column):
            return all(c.references is None for c in column.constraints)
        case AddConstraint(constraint=c):
            return c.references is None and c.using_index is None
        case OtherAction(what=what):
            return what in MOVES or what in PERSISTENCE
        case _:
            return False


def _before(action: Action, alter: AlterTable) -> Iterator[str]:
    """What is looked at before the new type is."""
    if not isinstance(action, AlterColumnType):
        return
    table, column = oid(alter.relation), action.column
    typed = fails("42809", "cannot alter column type of typed table")
    yield f"IF {of_class(alter.relation, 'reloftype')} OPERATOR(pg_catalog.<>) 0 THEN {typed} END IF;"
    inherited = fails("42P16", f'cannot alter inherited column "{column}"')
    yield f"IF EXISTS ({_attribute(table, column)} AND a.attinhcount OPERATOR(pg_catalog.>) 0) THEN {inherited} END IF;"
    if alter.only:
        lower = fails("42P16", f'type of inherited column "{column}" must be changed in child tables too')
        yield f"IF EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent {EQ} {table}) THEN {lower} END IF;"


def _after(action: Action, name: Name) -> Iterator[str]:
    """What no copy has: that which uses the column, and keys to other tables."""
    match action:
        case AlterColumnType(column=column):
            yield _used(oid(name), column)
        case OtherAction(what=what) if what in PERSISTENCE:
            yield _referring(name, what)
        case _:
            pass


def _used(table: str, column: str) -> str:
    """Fails as a change of a column's type does that something uses which is not made anew behind it."""
    ours = literal(f"{LAST}{OWN}")  # the trigger of an interrupted change, which can be finished
    number = _attribute(table, column).replace("SELECT FROM", "SELECT a.attnum::pg_catalog.int4 FROM", 1)
    catalogs = ", ".join(f"pg_catalog.to_regclass('pg_catalog.{one}')" for one in USERS)
    words = " ".join(
        f"WHEN 'pg_catalog.{one}'::pg_catalog.regclass THEN {literal(said)}" for one, said in USERS.items()
    )
    message = f"pg_catalog.concat('cannot alter type of a column ', CASE d.classid {words} END)"
    depends = literal(f' depends on column "{column}"')
    detail = f"pg_catalog.concat(pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), {depends})"
    found = (
        f"SELECT {message}, {detail} FROM pg_catalog.pg_depend d"
        f" WHERE d.refclassid {EQ} 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid {EQ} {table}"
        f" AND d.refobjsubid {EQ} ({number}) AND d.classid {EQ} ANY (ARRAY[{catalogs}])"
        f" AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.oid {EQ} d.objid"
        f" AND pg_catalog.starts_with(t.tgname::pg_catalog.text, {ours})) ORDER BY d.ctid LIMIT 1"
    )
    raised = f"RAISE EXCEPTION USING ERRCODE = '{FEATURE}', MESSAGE = said, DETAIL = why;"
    return f"DECLARE said pg_catalog.text; why pg_catalog.text; BEGIN {found} INTO said, why; IF FOUND THEN {raised} END IF; END;"


def _referring(name: Name, what: str) -> str:
    """Fails where a foreign key would lead from a table that survives a crash to one that does not."""
    own, other, kind = PERSISTENCE[what]
    to, its = ("logged", "unlogged") if what == "SET LOGGED" else ("unlogged", "logged")
    said = literal(f'could not change table "{name.name}" to {to} because it references {its} table "')
    found = (
        f"SELECT pg_catalog.concat({said}, o.relname, '\"') FROM pg_catalog.pg_constraint k"
        f" JOIN pg_catalog.pg_class o ON o.oid {EQ} k.{other} WHERE k.{own} {EQ} {oid(name)}"
        f" AND k.contype::pg_catalog.text {EQ} 'f' AND o.oid OPERATOR(pg_catalog.<>) {oid(name)}"
        f" AND o.relpersistence::pg_catalog.text {EQ} '{kind}' LIMIT 1"
    )
    raised = "RAISE EXCEPTION USING ERRCODE = '42P16', MESSAGE = said;"
    return f"DECLARE said pg_catalog.text; BEGIN {found} INTO said; IF FOUND THEN {raised} END IF; END;"


def _clustered(name: Name, index: str | None) -> Iterator[str]:
    indexes = f"SELECT FROM pg_catalog.pg_index i WHERE i.indrelid {EQ} {oid(name)}"
    if index is None:
        absent = fails("42704", f'there is no previously clustered index for table "{name.name}"')
        yield f"IF NOT EXISTS ({indexes} AND i.indisclustered) THEN {absent} END IF;"
        return
    schema = of_class(name, "relnamespace")
    there_is = (
        f"SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace {EQ} {schema} AND c.relname {EQ} {literal(index)}"
    )
    absent = fails("42704", f'index "{index}" for table "{name.name}" does not exist')
    yield f"IF NOT EXISTS ({there_is}) THEN {absent} END IF;"


def _domain(statement: Statement, node: Other) -> Behind | None:
    cursor = Cursor(lex(statement.sql))
    cursor.need("alter", "domain")
    name = cursor.path()
    domain = f"pg_catalog.to_regtype({literal(name.quoted)})"
    if "VALIDATE CONSTRAINT" in node.options and node.name is not None:
        own = f"k.contypid {EQ} {domain} AND k.conname {EQ} {literal(node.name)}"
        absent = fails("42704", f'constraint "{node.name}" of domain "{name.name}" does not exist')
        lacks = f"NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE {own})"
        return Behind(run(f"IF {lacks} THEN {absent} END IF;"), "", Edit(0, 0, ""))
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


def _looked_up(name: Name, *lines: str) -> Behind:
    return Behind(run(there(name), owned(name), *lines), "", Edit(0, 0, ""))


def _tried(made: str, text: str) -> str:
    """Lines that run a statement on a copy, and take all back; that the copy cannot be made means nothing."""
    over = f"RAISE EXCEPTION USING ERRCODE = '{OVER}';"
    patience = f"PERFORM pg_catalog.set_config('lock_timeout', '{PATIENCE_MS}ms', true);"
    copied = f"BEGIN {patience} {made} EXCEPTION WHEN OTHERS THEN {over} END;"
    return f"BEGIN {copied} EXECUTE {literal(text)}; {over} EXCEPTION WHEN SQLSTATE '{OVER}' THEN NULL; END;"


def _attribute(table: str, column: str) -> str:
    return f"SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid {EQ} {table} AND a.attname {EQ} {literal(column)}"


__all__ = ["TOLD", "trial"]
