"""What an index that waits for COMMIT would meet at once, met at once: it is made on an empty copy of the table.

A column that is not there, an operator class that does not fit, an expression that is not immutable, a name that
is taken: all are told by the server itself, in the author's transaction.  The copy stands beside the table, for a
temporary one would forbid PREPARE TRANSACTION, and is gone before the statement is over.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.catalog.facts import Facts, Relation
from proxy.plans.done import EQ
from proxy.plans.on_copy import INDEXED, copy_of, make_copy, onto_copy
from proxy.plans.plan import Edit
from proxy.plans.target import OWN, literal, own_name
from proxy.sql import edit, lexer
from proxy.sql.lexer import LexError
from proxy.sql.statements import (
    AddConstraint,
    AlterTable,
    ConstraintKind,
    CreateIndex,
    Name,
    Statement,
)

MOST_COLUMNS = 32  # INDEX_MAX_KEYS
# Types of pg_catalog that always have an order of their own: bool, bytea, int8, int2, int4, text, oid, float4, float8, bpchar,
# varchar, date, time, timestamp, timestamptz, interval, numeric, uuid.
SORTED = frozenset({16, 17, 20, 21, 23, 25, 26, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1700, 2950})
OVER = "IL000"  # the SQLSTATE with which the rehearsal takes itself back


def rehearsals(statement: Statement, facts: Facts) -> tuple[str, ...]:
    """Statements that fail where the author's would fail at once, and else do nothing.

    To be run in the author's transaction, behind what is done of the statement itself.
    """
    match statement.node:
        case CreateIndex(relation=name) as node if relation := _plain(name, facts):
            if _names_table(statement, node.relation.span.end, statement.span.end, relation):
                return ()
            return (_sql(relation, onto_copy(statement, node, relation)[0], _owned(relation)),)
        case AlterTable(relation=name) as alter if relation := _plain(name, facts):
            return tuple(
                _sql(
                    relation,
                    _head(relation) + action.span.of(statement.text),
                    _single_key(alter, action, relation),
                    unless=_stands_nothing_in_the_way(action, relation) if _fits(alter, action, relation) else "",
                )
                for action in _indexed(alter)
            )
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class Behind:
    """A rehearsal of a statement about an index that waits: ``text`` is the statement as it is run, ``edit`` what made it so."""

    sql: str
    text: str
    edit: Edit

    def position(self, fields: dict[str, str]) -> str | None:
        """As ``position``."""
        if not fields.get("p", "").isdigit() or fields.get("q") != self.text:
            return None
        place = edit.original_position(int(fields["p"]), (self.edit,))
        return str(place) if place else None


def behind(statement: Statement, made: Statement, facts: Facts) -> Behind | None:
    """An ALTER TABLE that uses an index, where the copy has got that index by the statement that makes it."""
    node = statement.node
    if not isinstance(node, AlterTable) or (relation := _plain(node.relation, facts)) is None:
        return None
    match made.node:
        case CreateIndex(name=Name()) as index if not _names_table(
            made, index.relation.span.end, made.span.end, relation
        ):
            first = [onto_copy(made, index, relation)[0]]
        case AlterTable() as alter if (actions := _indexed(alter)) and all(a.constraint.name for a in actions):
            first = [_head(relation) + action.span.of(made.text) for action in actions]
        case _:
            return None
    start = statement.span.start
    onto = Edit(node.relation.span.start - start, node.relation.span.end - start, copy_of(relation))
    text = edit.apply(statement.sql, (onto,))
    return Behind(_sql(relation, text, "", *first), text, onto)


def name_taken(name: str, table: int) -> Behind:
    """Fails as a renaming would, where something in the schema of the table (its oid) has that name already."""
    schema = f"(SELECT c.relnamespace FROM pg_catalog.pg_class c WHERE c.oid {EQ} {table})"
    there = f"SELECT FROM pg_catalog.pg_class x WHERE x.relnamespace {EQ} {schema} AND x.relname {EQ} {literal(name)}"
    message = literal(f'relation "{name}" already exists')
    body = f"BEGIN IF EXISTS ({there}) THEN RAISE EXCEPTION USING ERRCODE = '42P07', MESSAGE = {message}; END IF; END"
    return Behind(f"DO LANGUAGE plpgsql {literal(body)}", "", Edit(0, 0, ""))


def position(fields: dict[str, str], statement: Statement, facts: Facts) -> str | None:
    """Where in the author's statement an error of a rehearsal's stands; counted from 1; None if it cannot be told."""
    at, query = fields.get("p", ""), fields.get("q", "")
    if not at.isdigit():
        return None
    match statement.node:
        case CreateIndex(relation=name) as node if relation := _plain(name, facts):
            sql, made = onto_copy(statement, node, relation)
            place = edit.original_position(int(at), (made,)) if query == sql else None
            return str(place) if place else None
        case AlterTable(relation=name) as alter if relation := _plain(name, facts):
            head = _head(relation)
            for action in _indexed(alter):
                if query == head + action.span.of(statement.text) and int(at) > len(head):
                    return str(int(at) - len(head) + action.span.start - statement.span.start)
        case _:
            pass
    return None


def renamed(text: str, facts: Facts) -> str:
    """What the server says of a copy, said of the table: it proposes columns as ``table.column``."""
    if OWN in text:
        for relation in facts.relations.values():
            text = text.replace(own_name("re", str(relation.oid)), relation.name)
    return text


def _indexed(alter: AlterTable) -> list[AddConstraint]:
    """The constraints that an index is built for."""
    return [
        action
        for action in alter.actions
        if isinstance(action, AddConstraint)
        and action.constraint.kind in INDEXED
        and action.constraint.using_index is None
    ]


def _head(relation: Relation) -> str:
    return f"ALTER TABLE {copy_of(relation)} "


def _plain(name: Name, facts: Facts) -> Relation | None:
    """The table, if an empty copy of it says what it would."""
    relation = facts.find(name)
    if relation is None or not relation.exists or relation.kind not in ("r", "m") or not relation.schema:
        return None
    return relation


def _names_table(statement: Statement, start: int, end: int, relation: Relation) -> bool:
    """Whether the table's own name stands in the definition, where the copy has another."""
    try:
        tokens = lexer.lex(statement.text[start:end])
    except LexError:
        return True
    return any(token.kind in ("word", "quoted", "uquoted") and token.value == relation.name for token in tokens)


def _sql(relation: Relation, sql: str, first: str, *ahead: str, unless: str = "") -> str:
    made = " ".join(f"EXECUTE {literal(one)};" for one in (make_copy(relation), *ahead))
    tried = (
        f"BEGIN {made} EXECUTE {literal(sql)}; RAISE EXCEPTION USING ERRCODE = '{OVER}';"
        f" EXCEPTION WHEN SQLSTATE '{OVER}' THEN NULL; END;"
    )
    body = f"BEGIN {first} {f'IF NOT ({unless}) THEN {tried} END IF;' if unless else tried} END"
    return f"DO LANGUAGE plpgsql {literal(body)}"


def _fits(alter: AlterTable, action: AddConstraint, relation: Relation) -> bool:
    """Whether a unique index on these columns is always possible: then only a name, or a right, may stand in the way."""
    c = action.constraint
    columns = [relation.columns.get(name) for name in c.columns]
    return (
        len(alter.actions) == 1
        and 0 < len(c.columns) == len(set(c.columns)) <= MOST_COLUMNS
        and all(column is not None and column.type_oid in SORTED and not column.generated for column in columns)
        and c.name not in relation.constraints
        and not (c.include or c.with_options or c.tablespace or c.deferrable or c.not_valid)
        and not (c.nulls_not_distinct or c.not_enforced or c.no_inherit or c.without_overlaps)
    )


def _stands_nothing_in_the_way(action: AddConstraint, relation: Relation) -> str:
    """A condition in SQL that takes a tenth of a millisecond; the copy takes five, in a transaction that keeps writers out."""
    about = f"FROM pg_catalog.pg_class c WHERE c.oid {EQ} {relation.oid}"
    free = [
        f"(SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE')"
        f" AND pg_catalog.has_schema_privilege(c.relnamespace, 'CREATE') {about})",
        f"pg_catalog.current_setting('default_tablespace') {EQ} ''",
    ]
    if action.constraint.name is not None:
        taken = (
            f"SELECT FROM pg_catalog.pg_class x WHERE x.relnamespace {EQ} (SELECT c.relnamespace {about})"
            f" AND x.relname {EQ} {literal(action.constraint.name)}"
        )
        free.append(f"NOT EXISTS ({taken})")
    return " AND ".join(free)


def _owned(relation: Relation) -> str:
    """The copy is ours whoever made the table."""
    owner = f"(SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.oid {EQ} {relation.oid})"
    kind = "materialized view" if relation.kind == "m" else "table"
    return (
        f"IF NOT pg_catalog.pg_has_role({owner}, 'USAGE') THEN RAISE EXCEPTION USING ERRCODE = '42501',"
        f" MESSAGE = {literal(f'must be owner of {kind} {relation.name}')}; END IF;"
    )


def _single_key(alter: AlterTable, action: AddConstraint, relation: Relation) -> str:
    """A table has one primary key; the copy has none."""
    if action.constraint.kind is not ConstraintKind.PRIMARY_KEY:
        return ""
    dropped = {getattr(other, "name", None) for other in alter.actions if other is not action}
    if not any(c.kind == "p" and c.name not in dropped for c in relation.constraints.values()):
        return ""
    message = literal(f'multiple primary keys for table "{relation.name}" are not allowed')
    return f"RAISE EXCEPTION USING ERRCODE = '42P16', MESSAGE = {message};"


__all__ = ["Behind", "behind", "name_taken", "position", "rehearsals", "renamed"]
