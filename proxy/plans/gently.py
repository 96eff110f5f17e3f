"""What goes before a DROP that would lock several tables at once: their foreign keys, one at a time.

DROP TABLE and DROP COLUMN lock the tables at the other ends of foreign keys as strongly as their own, and keep each
lock while they wait for the next.  (To drop the indexes before gains nothing: their files are removed after the locks
are given back, CommitTransaction in access/transam/xact.c.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.catalog.facts import Facts, Relation
from proxy.plans import done
from proxy.plans.plan import Lock, Step
from proxy.plans.target import Target, literal, qualify
from proxy.sql.statements import AlterTable, Drop, DropColumn, Statement, quote_identifier


@dataclass(frozen=True, slots=True)
class _Key:
    table: tuple[str, str]
    name: str
    definition: str
    validated: bool
    comment: str | None
    other: tuple[str, str]


def gently(statement: Statement, facts: Facts) -> tuple[Step, ...]:
    """The steps; none if fewer than two other tables are locked, or if the DROP may fail for what depends on it."""
    keys: list[_Key] = []
    match statement.node:
        case Drop(object_type="TABLE", names=names, cascade=cascade):
            found = [facts.find(name) for name in names]
            tables = [r for r in found if r is not None and r.exists]
            own = {r.qualified for r in tables}
            if len(tables) < len(names) or not all(_is_plain(r) for r in tables):
                return ()
            if not cascade and any(r.views or set(r.referenced_by) - own for r in tables):
                return ()
            keys = [key for r in tables for key in _keys(r, None, own, cascade=cascade)]
        case AlterTable(relation=name, actions=actions) if all(isinstance(a, DropColumn) for a in actions):
            relation = facts.find(name)
            if relation is None or not relation.exists or not _is_plain(relation):
                return ()
            for action in actions:
                assert isinstance(action, DropColumn)
                known = relation.columns.get(action.column)
                pointed = any(action.column in key.columns for key in relation.referring)
                if not action.cascade and (known is None or known.dependents or pointed):
                    return ()
                keys += _keys(relation, action.column, {relation.qualified}, cascade=action.cascade)
        case _:
            return ()
    keys = list(dict.fromkeys(keys))
    if len({table for key in keys for table in (key.table, key.other)}) < 3:
        return ()
    return tuple(_step(key) for key in keys)


def _is_plain(relation: Relation) -> bool:
    return relation.kind == "r" and not relation.parents and not relation.has_children and not relation.private


def _keys(relation: Relation, column: str | None, own: set[tuple[str, str]], *, cascade: bool) -> Iterator[_Key]:
    for c in relation.constraints.values():
        wanted = c.kind == "f" and not c.inherited and c.enforced and (column is None or column in c.columns)
        if wanted and c.references is not None and c.references not in own:
            yield _Key(relation.qualified, c.name, c.definition, c.validated, c.comment, c.references)
    for key in relation.referring if cascade else ():
        wanted = key.table not in own and (column is None or column in key.columns)
        if wanted and key.name and key.definition:
            yield _Key(key.table, key.name, key.definition or "", key.validated, key.comment, relation.qualified)


def _step(key: _Key) -> Step:
    table, name = Target(qualify(*key.table), *key.table), quote_identifier(key.name)
    words = f"ADD CONSTRAINT {name} {key.definition}{' NOT VALID' if key.validated else ''}"
    back = [f"ALTER TABLE {table.sql} {words}"]
    back += [f"ALTER TABLE {table.sql} VALIDATE CONSTRAINT {name}"] if key.validated else []
    back += [] if key.comment is None else [f"COMMENT ON CONSTRAINT {name} ON {table.sql} IS {literal(key.comment)}"]
    return Step(
        (f"ALTER TABLE {table.sql} DROP CONSTRAINT {name}",),
        Lock.ACCESS_EXCLUSIVE,
        "takes a foreign key away first, so that not all tables are locked at once",
        relations=tuple(sorted({key.table, key.other})),
        done=done.negate(done.constraint(table, key.name)),
        undo=tuple(back),
    )
