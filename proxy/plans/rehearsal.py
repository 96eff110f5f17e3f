"""What an index that waits for COMMIT would meet at once, met at once: it is made on an empty copy of the table.

A column that is not there, an operator class that does not fit, an expression that is not immutable, a name that
is taken: all are told by the server itself, in the author's transaction.  The copy stands beside the table, for a
temporary one would forbid PREPARE TRANSACTION, and is gone before the statement is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.catalog.facts import Facts, Relation
from proxy.plans.done import EQ
from proxy.plans.first_checks import (
    dropped,
    fails,
    has_constraint,
    may_copy,
    of_class,
    oid,
    owned,
    reindexed,
    there,
    unneeded,
)
from proxy.plans.on_copy import INDEXED, copy_of, make_copy, onto_copy
from proxy.plans.plan import Edit
from proxy.plans.target import OWN, literal, own_name, qualify
from proxy.plans.unfilled import demands_unfilled
from proxy.records import replace
from proxy.sql import edit, lexer
from proxy.sql.lexer import LexError
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterTable,
    ConstraintKind,
    CreateIndex,
    DropConstraint,
    DropIndex,
    Name,
    Other,
    OtherAction,
    Statement,
    ValidateConstraint,
    quote_identifier,
)

MOST_COLUMNS = 32  # INDEX_MAX_KEYS
# Types of pg_catalog that always have an order of their own: bool, bytea, int8, int2, int4, text, oid, float4, float8, bpchar,
# varchar, date, time, timestamp, timestamptz, interval, numeric, uuid.
SORTED = frozenset({16, 17, 20, 21, 23, 25, 26, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1700, 2950})
OVER = "IL000"  # the SQLSTATE with which the rehearsal takes itself back


def rehearsals(statement: Statement, facts: Facts, awaited: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Statements that fail where the author's would fail at once, and else do nothing.

    To be run in the author's transaction, behind what is done of the statement itself.  ``awaited`` are names of
    indexes that wait themselves.
    """
    match statement.node:
        case CreateIndex(relation=name) as node:
            relation = _plain(name, facts)
            first = (there(name), owned(name, "materialized view" if relation and relation.kind == "m" else "table"))
            if relation is None or names_table(statement, name.span.end, statement.span.end, relation):
                return (run(*first),)
            return (run(*first, _tried(relation, name, onto_copy(statement, node, relation)[0])),)
        case AlterTable(object_type="TABLE", actions=actions) as alter if all(
            isinstance(action, ValidateConstraint) for action in actions
        ):
            return (run(*_validated(alter, awaited)),)
        case AlterTable(relation=name, actions=(OtherAction(what="RENAME CONSTRAINT", to=str(new)),)):
            taken = fails("42710", f'constraint "{new}" for relation "{name.name}" already exists')
            return (run(there(name), owned(name), f"IF {has_constraint(name, new)} THEN {taken} END IF;"),)
        case AlterTable(object_type="TABLE", relation=name) as alter:
            relation = _plain(name, facts)
            tried = (_made_with(statement, alter, action, relation, facts) for action in alter.actions)
            added = (_added(statement, alter, action, relation) for action in _indexed(alter))
            held = _held(statement, alter, facts)
            return (
                *_kept_from_parts(alter, facts),
                *(one for one in tried if one),
                *added,
                *([_checked(statement, alter, held, facts)] if held else []),
            )
        case DropIndex() as drop:
            return (run(*lines),) if (lines := dropped(drop, awaited)) else ()
        case Other(kind="REINDEX") as reindex:
            return (run(*lines),) if (lines := reindexed(reindex, facts.major, awaited)) else ()
        case _:
            return ()


def _kept_from_parts(alter: AlterTable, facts: Facts) -> tuple[str, ...]:
    """A CHECK that partitions are not to have is refused, whatever else is to be done before it."""
    name, relation = alter.relation, facts.find(alter.relation)
    checks = [
        a.constraint
        for a in alter.actions
        if isinstance(a, AddConstraint) and a.constraint.kind is ConstraintKind.CHECK
    ]
    if relation is None or not relation.partitioned or not any(c.no_inherit for c in checks):
        return ()
    failing = fails("42P16", f'cannot add NO INHERIT constraint to partitioned table "{name.name}"')
    return (run(there(name), owned(name), failing),)


def _added(statement: Statement, alter: AlterTable, action: AddConstraint, relation: Relation | None) -> str:
    name = alter.relation
    lines = [there(name), owned(name)]
    if relation is not None:
        if other := _other_key(alter, action):
            second = fails("42P16", f'multiple primary keys for table "{name.name}" are not allowed')
            lines.append(f"IF {other} THEN {second} END IF;")
        gone = [a for a in alter.actions if isinstance(a, DropConstraint)]
        lines += [unneeded(name, a.name) for a in gone if not a.cascade]
        own, words = action.constraint.name, action.span.of(statement.text)
        if own is not None and own in [a.name for a in gone]:
            words = (
                f"ADD {statement.text[action.constraint.body.start : action.constraint.span.end]}"  # it is free by then
            )
        elif own is not None:
            taken = fails("42710", f'constraint "{own}" for relation "{name.name}" already exists')
            lines.append(f"IF {has_constraint(name, own)} AND NOT {_has_relation(name, own)} THEN {taken} END IF;")
        lines.append(_tried(relation, name, _head(relation) + words))
        if _fits(alter, action, relation):
            lines = [f"IF ({_stands_nothing_in_the_way(alter, action)}) IS NOT TRUE THEN", *lines, "END IF;"]
    if alter.if_exists:
        lines = [f"IF {oid(name)} IS NOT NULL THEN", *lines, "END IF;"]
    return run(*lines)


def _checked(statement: Statement, alter: AlterTable, held: list[AddConstraint], facts: Facts) -> str:
    """Constraints that come behind a column's values, on a copy that has the columns and no constraint of its own."""
    name, relation = alter.relation, _plain(alter.relation, facts, "rp")
    dropped = {action.name for action in alter.actions if isinstance(action, DropConstraint)}
    lines = [there(name), owned(name)]
    for own in {action.constraint.name: None for action in held}:
        if own is not None and own not in dropped:
            taken = fails("42710", f'constraint "{own}" for relation "{name.name}" already exists')
            lines.append(f"IF {has_constraint(name, own)} THEN {taken} END IF;")
    texts = [action.span.of(statement.text) for action in held]
    named = names_table(statement, name.span.end, statement.span.end, relation) if relation is not None else True
    if relation is not None and not named:
        tried = _tried(replace(relation, kind="r"), name, *(_head(relation) + text for text in texts))
        lines.append(f"IF {may_copy(name)} THEN {tried} END IF;")
    if alter.if_exists:
        lines = [f"IF {oid(name)} IS NOT NULL THEN", *lines, "END IF;"]
    return run(*lines)


def _made_with(
    statement: Statement, alter: AlterTable, action: Action, relation: Relation | None, facts: Facts
) -> str | None:
    """Of a column that is there by now: whether the index that it is to have can be made; None where that is sure."""
    if not isinstance(action, AddColumn) or relation is None:
        return None
    column, name = action.column, alter.relation
    keys = [c for c in column.constraints if c.kind in ("UNIQUE", "PRIMARY KEY")]
    lines = []
    for taken in (c.name for c in keys if c.name is not None):
        failing = fails("42P07", f'relation "{taken}" already exists')
        lines.append(f"IF {_has_relation(name, taken)} THEN {failing} END IF;")
    found = facts.types.get(column.type.span.of(statement.text))
    if keys and found is not None and found.exists and found.oid not in SORTED:  # ``serial`` is no type of its own
        index = f"ALTER TABLE {copy_of(relation)} ADD UNIQUE ({quote_identifier(column.name)})"
        lines.append(_tried(relation, name, index))
    return run(*lines) if lines else None


def _validated(alter: AlterTable, awaited: frozenset[str]) -> Iterator[str]:
    name = alter.relation
    if alter.if_exists:
        yield f"IF {oid(name)} IS NOT NULL THEN"
    yield from (there(name), owned(name))
    for action in alter.actions:
        if isinstance(action, ValidateConstraint) and action.name not in awaited:
            lacking = fails("42704", f'constraint "{action.name}" of relation "{name.name}" does not exist')
            yield f"IF NOT {has_constraint(name, action.name)} THEN {lacking} END IF;"
    if alter.if_exists:
        yield "END IF;"


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
    if not isinstance(node, AlterTable) or (relation := _plain(node.relation, facts, "rmp")) is None:
        return None
    if relation.kind == "p" and not relation.partition_key:
        return None
    match made.node:
        case CreateIndex(name=Name(name=name)) as index if not names_table(
            made, index.relation.span.end, made.span.end, relation
        ):
            names, first = [name], [onto_copy(made, index, relation)[0]]
        case AlterTable() as alter if (actions := _indexed(alter)) and all(a.constraint.name for a in actions):
            names = [action.constraint.name or "" for action in actions]
            first = [_head(relation) + action.span.of(made.text) for action in actions]
        case _:
            return None
    if relation.kind == "p":  # the index of the whole table is there, without its parts
        first = [_put_aside(name, relation) for name in names] + first
    start = statement.span.start
    onto = Edit(node.relation.span.start - start, node.relation.span.end - start, copy_of(relation))
    if node.object_type == "MATERIALIZED VIEW":  # the copy is a table
        onto = Edit(0, onto.end, f"ALTER TABLE {onto.text}")
    text = edit.apply(statement.sql, (onto,))
    return Behind(run(_tried(relation, node.relation, *first, text)), text, onto)


def _put_aside(index: str, relation: Relation) -> str:
    aside = quote_identifier(own_name("was", index))
    return f"ALTER INDEX IF EXISTS {qualify(relation.schema, index)} RENAME TO {aside}"


def name_taken(name: str, table: int) -> Behind:
    """Fails as a renaming would, where something in the schema of the table (its oid) has that name already."""
    schema = f"(SELECT c.relnamespace FROM pg_catalog.pg_class c WHERE c.oid {EQ} {table})"
    same = f"SELECT FROM pg_catalog.pg_class x WHERE x.relnamespace {EQ} {schema} AND x.relname {EQ} {literal(name)}"
    taken = fails("42P07", f'relation "{name}" already exists')
    return Behind(run(f"IF EXISTS ({same}) THEN {taken} END IF;"), "", Edit(0, 0, ""))


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
        case AlterTable(relation=name) as alter if relation := _plain(name, facts, "rmp"):
            head = _head(relation)
            for action in (*_indexed(alter), *_held(statement, alter, facts)):
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


def _held(statement: Statement, alter: AlterTable, facts: Facts) -> list[AddConstraint]:
    """The constraints without an index that are added only when a column has its values."""
    relation = facts.find(alter.relation)
    without = [a for a in alter.actions if isinstance(a, AddConstraint) and a.constraint.kind not in INDEXED]
    return [action for action in without if demands_unfilled(statement, action, relation)]


def _head(relation: Relation) -> str:
    return f"ALTER TABLE {copy_of(relation)} "


def _plain(name: Name, facts: Facts, kinds: str = "rm") -> Relation | None:
    """The table, if an empty copy of it says what it would.

    CREATE INDEX and ADD UNIQUE on a partitioned one need none: of the whole table they are run at once, without the parts.
    """
    relation = facts.find(name)
    if relation is None or not relation.exists or relation.kind not in kinds or not relation.schema:
        return None
    return relation


def names_table(statement: Statement, start: int, end: int, relation: Relation) -> bool:
    """Whether the table's own name stands in the definition, where the copy has another."""
    try:
        tokens = lexer.lex(statement.text[start:end])
    except LexError:
        return True
    return any(token.kind in ("word", "quoted", "uquoted") and token.value == relation.name for token in tokens)


def run(*lines: str) -> str:
    """A statement of these lines of PL/pgSQL."""
    body = " ".join(line for line in lines if line)
    return f"DO LANGUAGE plpgsql {literal(f'BEGIN {body} END')}"


def taken_back(*statements: str) -> str:
    """Lines that run statements and take all of them back; what fails fails."""
    made = " ".join(f"EXECUTE {literal(one)};" for one in statements)
    return f"BEGIN {made} RAISE EXCEPTION USING ERRCODE = '{OVER}'; EXCEPTION WHEN SQLSTATE '{OVER}' THEN NULL; END;"


def _tried(relation: Relation, name: Name, *statements: str) -> str:
    """Runs statements about an empty copy."""
    return taken_back(make_copy(relation, name.quoted), *statements)


def _fits(alter: AlterTable, action: AddConstraint, relation: Relation) -> bool:
    """Whether a unique index on these columns is always possible: then only a name, or a right, may stand in the way."""
    c = action.constraint
    columns = [relation.columns.get(name) for name in c.columns]
    return (
        len(alter.actions) == 1
        and 0 < len(c.columns) == len(set(c.columns)) <= MOST_COLUMNS
        and all(column is not None and column.type_oid in SORTED and not column.generated for column in columns)
        and not (c.include or c.with_options or c.tablespace or c.deferrable or c.not_valid)
        and not (c.nulls_not_distinct or c.not_enforced or c.no_inherit or c.without_overlaps)
    )


def _stands_nothing_in_the_way(alter: AlterTable, action: AddConstraint) -> str:
    """A condition in SQL that takes a tenth of a millisecond; the copy takes five, in a transaction that keeps writers out."""
    name, wanted = alter.relation, action.constraint
    columns = ", ".join(literal(column) for column in wanted.columns)
    types = ", ".join(map(str, sorted(SORTED)))
    fitting = (
        f"SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid {EQ} {oid(name)}"
        f" AND a.attname::pg_catalog.text {EQ} ANY (ARRAY[{columns}]) AND NOT a.attisdropped"
        f" AND a.attgenerated::pg_catalog.text {EQ} '' AND a.atttypid {EQ} ANY (ARRAY[{types}]::pg_catalog.oid[])"
    )
    free = [
        f"pg_catalog.pg_has_role({of_class(name, 'relowner')}, 'USAGE')",
        f"pg_catalog.has_schema_privilege({of_class(name, 'relnamespace')}, 'CREATE')",
        f"({fitting}) {EQ} {len(wanted.columns)}",
        f"pg_catalog.current_setting('default_tablespace') {EQ} ''",
    ]
    if wanted.name is not None:
        free += [f"NOT {_has_relation(name, wanted.name)}", f"NOT {has_constraint(name, wanted.name)}"]
    if other := _other_key(alter, action):
        free.append(f"NOT {other}")
    return " AND ".join(free)


def _has_relation(table: Name, name: str) -> str:
    """Whether something in the table's schema has that name, which is said first."""
    there = f"x.relnamespace {EQ} {of_class(table, 'relnamespace')} AND x.relname {EQ} {literal(name)}"
    return f"EXISTS (SELECT FROM pg_catalog.pg_class x WHERE {there})"


def _other_key(alter: AlterTable, action: AddConstraint) -> str:
    """Whether the table has a primary key already, which the copy has not; empty if that is none of its business."""
    if action.constraint.kind is not ConstraintKind.PRIMARY_KEY:
        return ""
    dropped = [literal(other.name) for other in alter.actions if isinstance(other, DropConstraint)]
    staying = f" AND NOT k.conname::pg_catalog.text {EQ} ANY (ARRAY[{', '.join(dropped)}])" if dropped else ""
    return (
        f"EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid {EQ} {oid(alter.relation)}"
        f" AND k.contype::pg_catalog.text {EQ} 'p'{staying})"
    )


__all__ = [
    "OVER",
    "Behind",
    "behind",
    "name_taken",
    "names_table",
    "position",
    "rehearsals",
    "renamed",
    "run",
    "taken_back",
]
