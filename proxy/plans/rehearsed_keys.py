"""What a foreign key that waits for COMMIT as a whole would meet at once: it is added between empty copies of its tables.

It waits because what it points to is not unique yet, which the copy of that is, or because its column is to be filled first.
See ``rehearsal``.

Source: ATExecAddConstraint, ATAddForeignKeyConstraint, checkFkeyPermissions (commands/tablecmds.c).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from proxy.catalog.facts import Facts, Relation
from proxy.plans import referable
from proxy.plans.first_checks import fails, has_constraint, may_copy, oid, owned, there
from proxy.plans.on_copy import copy_of
from proxy.plans.plan import Edit, Plan
from proxy.plans.rehearsal import run, taken_back
from proxy.plans.target import literal, own_name
from proxy.sql import edit, read
from proxy.sql.statements import (
    AddColumn,
    AddConstraint,
    AlterTable,
    ColumnConstraint,
    CreateTable,
    DropConstraint,
    Name,
    Statement,
    TableConstraint,
    quote_identifier,
)

Keys = Callable[[Name], Sequence[referable.Key]]
"""What a foreign key may point to in a table only then."""


def rehearsed_keys(statement: Statement, plan: Plan, facts: Facts, keys: Keys, free: frozenset[str]) -> str:
    """A statement that fails where the author's foreign keys would at once; empty if none waits, or it cannot be tried.

    To be run in the author's transaction, behind what is done of the statement itself.  ``free`` are names of constraints
    that will be free by then.
    """
    node = statement.node
    if not isinstance(node, AlterTable | CreateTable) or not (own := _own(node)):
        return ""
    if not (added := _added(plan, node.relation)):
        return ""
    child = _copy(node.relation, facts)
    copies = {child: [_make(node.relation, facts)]}
    tries: list[str] = []
    lines = [
        there(node.relation),
        owned(node.relation),
        *_taken(node, own, {action.constraint.name for _, action in added} - free),
    ]
    names = [node.relation]
    for text, action in added:
        parent, columns = action.constraint.references, action.constraint.referenced_columns
        assert parent is not None
        copy = _copy(parent, facts)
        found = keys(parent)
        if any(known is None for known, _ in found):
            return ""
        served = referable.serves(found, columns)
        made = copies.setdefault(copy, [_make(parent, facts)])
        if served:
            made += [one for one in _unique(copy, found) if one not in made]
        else:  # it waits for something else, and what it points to is there
            made[0] = _make(parent, facts, "INDEXES")
        onto = (Edit(parent.span.start, parent.span.end, copy),)
        tries.append(f"ALTER TABLE {child} {edit.apply(action.span.of(text), onto, action.span.start)}")
        lines += [there(parent), _may_refer(parent, columns)]
        names.append(parent)
    lines.append(f"IF {' AND '.join(dict.fromkeys(map(may_copy, names)))} THEN")
    lines += [taken_back(*(sql for made in copies.values() for sql in made), *tries), "END IF;"]
    if isinstance(node, AlterTable) and node.if_exists:
        lines = [f"IF {oid(node.relation)} IS NOT NULL THEN", *lines, "END IF;"]
    return run(*lines)


def _added(plan: Plan, table: Name) -> list[tuple[str, AddConstraint]] | None:
    """The keys of what waits, each with the text that it stands in; None if they are about what is not there yet."""
    found = []
    for one in (s for step in plan.later for sql in step.statements for s in read.read(sql)):
        actions = one.node.actions if isinstance(one.node, AlterTable) else ()
        if any(isinstance(action, AddColumn) for action in actions):
            return None
        for action in actions:
            if isinstance(action, AddConstraint) and action.constraint.references is not None:
                assert isinstance(one.node, AlterTable)
                if one.node.relation.name != table.name:  # of a partition
                    return None
                found.append((one.text, action))
    return found


def _copy(name: Name, facts: Facts) -> str:
    relation = _known(name, facts)
    return copy_of(relation) if relation is not None and relation.schema else own_name("re", "0")


def _make(name: Name, facts: Facts, more: str = "") -> str:
    """As lasting as the table itself: one that is UNLOGGED may point to others than one that is not."""
    relation = _known(name, facts)
    kind = "UNLOGGED TABLE" if relation is not None and relation.persistence == "u" else "TABLE"
    like = f"LIKE {name.quoted} INCLUDING GENERATED" + (f" INCLUDING {more}" if more else "")
    return f"CREATE {kind} {_copy(name, facts)} ({like})"


def _known(name: Name, facts: Facts) -> Relation | None:
    relation = facts.find(name)
    return relation if relation is not None and relation.exists else None


def _unique(copy: str, keys: Sequence[referable.Key]) -> Iterator[str]:
    for columns, primary in keys:
        listed = ", ".join(quote_identifier(column) for column in sorted(columns or ()))
        yield f"ALTER TABLE {copy} ADD {'PRIMARY KEY' if primary else 'UNIQUE'} ({listed})"


def _own(node: AlterTable | CreateTable) -> list[TableConstraint | ColumnConstraint]:
    """The foreign keys that the author adds."""
    if isinstance(node, AlterTable):
        every: list[TableConstraint | ColumnConstraint] = []
        for action in node.actions:
            match action:
                case AddConstraint(constraint=c):
                    every.append(c)
                case AddColumn(column=column):
                    every += column.constraints
    else:
        every = [*node.constraints, *(c for column in node.columns for c in column.constraints)]
    return [c for c in every if c.references is not None]


def _taken(
    node: AlterTable | CreateTable, own: Sequence[TableConstraint | ColumnConstraint], waiting: set[str | None]
) -> Iterator[str]:
    """Fails if the table has a constraint by the name that the author gave to one of these keys, which the copy has not."""
    if isinstance(node, AlterTable):
        waiting = waiting - {a.name for a in node.actions if isinstance(a, DropConstraint)}
    for name in (c.name for c in own):
        if name is None or name not in waiting:
            continue
        taken = fails("42710", f'constraint "{name}" for relation "{node.relation.name}" already exists')
        yield f"IF {has_constraint(node.relation, name)} THEN {taken} END IF;"


def _may_refer(parent: Name, columns: Sequence[str]) -> str:
    """REFERENCES on the table, or on each column that the key points to."""
    may = f"pg_catalog.has_table_privilege({oid(parent)}, 'REFERENCES')"
    listed = [f"pg_catalog.has_column_privilege({oid(parent)}, {literal(c)}, 'REFERENCES')" for c in columns]
    each = f" OR ({' AND '.join(listed)})" if listed else ""
    denied = fails("42501", f"permission denied for table {parent.name}")
    return f"IF NOT ({may}{each}) THEN {denied} END IF;"


__all__ = ["Keys", "rehearsed_keys"]
