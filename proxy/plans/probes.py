"""Rows that would make a statement fail, looked for beforehand: what waits for COMMIT is too late to fail.

A probe only reads, and finds at most one row.  Its error is the one with which Postgres itself would have refused the
author's statement: ATRewriteTable (commands/tablecmds.c), RI_Initial_Check (utils/adt/ri_triggers.c),
comparetup_index_btree (utils/sort/tuplesortvariants.c).  Where such a query cannot be written soundly there is none.
"""

from __future__ import annotations

from proxy.catalog.facts import Facts, Relation
from proxy.plans import elements, orphans, referable
from proxy.plans.build_index import default_name, is_leftover
from proxy.plans.column_probes import nulls, of_column, of_new, of_new_not_null
from proxy.plans.default_names import name_of
from proxy.plans.depends import mentions
from proxy.plans.done import EQ
from proxy.plans.duplicates import duplicates
from proxy.plans.on_copy import INDEXED, index_on_copy
from proxy.plans.probe import RESTRICTED_SINCE, Probe
from proxy.plans.target import Target, target
from proxy.plans.uncomputable import uncomputable
from proxy.plans.unfilled import names_unfilled, reads_unfilled
from proxy.plans.violations import violations
from proxy.sql.read import read
from proxy.sql.statements import (
    Action,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AlterTable,
    ConstraintKind,
    CreateIndex,
    DropColumn,
    DropConstraint,
    DropDefault,
    DropNotNull,
    OtherAction,
    SetDefault,
    SetNotNull,
    Statement,
    TableConstraint,
    ValidateConstraint,
    quote_identifier,
)

# Postgres builds indexes first, then reads the rows for NOT NULL and CHECK, then looks for orphans.
ORDER = {"23505": 0, "23502": 1, "23514": 1, "23503": 2}
HARMLESS = (
    AddColumn, AddConstraint, DropConstraint, DropDefault, DropNotNull, SetDefault, SetNotNull, ValidateConstraint,
)  # fmt: skip


def probes(statement: Statement, facts: Facts, *, now: bool = False) -> tuple[Probe, ...]:
    """What to look for before a statement, or a part of it, is put off till after COMMIT.

    ``now``: its foreign keys are added at once, NOT VALID; then Postgres refuses those that point to nothing unique.
    """
    match statement.node:
        case CreateIndex() as node:
            found = _index(statement, node, facts)
            return (found,) if found else ()
        case AlterTable(object_type="TABLE") as node if (relation := facts.find(node.relation)) and relation.exists:
            if any(_changes_rows(action) for action in node.actions):
                return ()  # what the rows will be like is not to be seen yet
            every = [
                probe
                for action in node.actions
                if isinstance(action, AddConstraint | SetNotNull | ValidateConstraint)
                and not _is_about_changed(statement, action, node, relation)
                and not reads_unfilled(statement, action, relation)
                and not (now and _points_nowhere(action, statement, facts))
                for probe in _of_action(statement, node, action, relation, facts)
            ]
            every += [
                probe
                for action in node.actions
                if isinstance(action, AddColumn) and not _changed(node)
                for probe in of_column(statement, node, action, relation, facts)
            ]
            return tuple(sorted(every, key=lambda probe: ORDER[probe.sqlstate]))
        case _:
            return ()


def _points_nowhere(action: Action, statement: Statement, facts: Facts) -> bool:
    if not isinstance(action, AddConstraint) or action.constraint.references is None:
        return False
    parent = facts.find(action.constraint.references)
    keys = [*referable.made(statement), *(referable.there(parent) if parent is not None else ())]
    return not referable.serves(keys, action.constraint.referenced_columns)


def _changes_rows(action: Action) -> bool:
    """Whether after an action the rows of the table, or what a name in a later one means, may be others."""
    if isinstance(action, OtherAction):
        return any(word in action.what for word in ("EXPRESSION", "INHERIT", "RENAME", "SCHEMA"))
    return not isinstance(action, (*HARMLESS, AlterColumnType, DropColumn))


def _changed(alter: AlterTable) -> list[AlterColumnType | DropColumn]:
    """What changes the values of a column, or takes it away."""
    return [action for action in alter.actions if isinstance(action, AlterColumnType | DropColumn)]


def _is_about_changed(
    statement: Statement, action: AddConstraint | SetNotNull | ValidateConstraint, alter: AlterTable, relation: Relation
) -> bool:
    """Whether that may matter to a constraint; errs towards True."""
    changed = _changed(alter)
    if isinstance(action, SetNotNull):  # a null of one type is one of another
        changed = [one for one in changed if isinstance(one, DropColumn) or one.using is not None]
    parent = action.constraint.references if isinstance(action, AddConstraint) else None
    if changed and parent is not None and parent.name == relation.name:
        return True
    return any(mentions(statement, action, one.column) for one in changed)


def _of_action(
    statement: Statement,
    alter: AlterTable,
    action: AddConstraint | SetNotNull | ValidateConstraint,
    relation: Relation,
    facts: Facts,
) -> list[Probe]:
    table = target(alter.relation, relation, statement)
    match action:
        case SetNotNull(column=column):
            if column in relation.columns:
                return [nulls(table, column, _only(alter.only))]
            return of_new_not_null(statement, alter, column, relation, facts)
        case ValidateConstraint(name=old):
            return _not_valid(old, table, relation, facts, alter.only)
        case AddConstraint(constraint=c) if c.not_valid or c.not_enforced or c.using_index or c.without_overlaps:
            return []
        case AddConstraint(constraint=c):
            if (new := of_new(statement, alter, action, relation, facts)) is not None:
                return new
            name = name_of(action, statement, facts)
            known = all(column in relation.columns for column in c.columns)
            if name is None or not known or _is_taken(c, name, alter, relation, facts):
                return []
            return _constraint(statement, c, name, table, relation, facts, alter.only)


def _not_valid(name: str, table: Target, relation: Relation, facts: Facts, only: bool) -> list[Probe]:
    """Of a constraint that is there and NOT VALID: as if it were added.  A foreign key's other table was not asked about."""
    there = relation.constraints.get(name)
    if there is None or there.validated or there.kind not in "cn":
        return []
    added = read(f"ALTER TABLE {table.sql} ADD CONSTRAINT {quote_identifier(name)} {there.definition}")[0]
    match added.node:
        case AlterTable(actions=(AddConstraint(constraint=c),)):
            return _constraint(added, c, name, table, relation, facts, only)
        case _:
            return []


def _is_taken(c: TableConstraint, name: str, alter: AlterTable, relation: Relation, facts: Facts) -> bool:
    """Whether Postgres will refuse the name, before it looks at a row."""
    if any(isinstance(action, DropConstraint) and action.name == name for action in alter.actions):
        return False
    there = relation.constraints.get(name)
    # The author's own name for its index may be that of another table's constraint; Postgres chooses none that is.
    pool = facts.taken_relations.get(relation.schema, frozenset()) if c.kind in INDEXED else frozenset()
    return (there is not None and there.validated) or (name in pool and not is_leftover(name, facts, relation))


def _constraint(
    statement: Statement, c: TableConstraint, name: str, table: Target, relation: Relation, facts: Facts, only: bool
) -> list[Probe]:
    match c.kind:
        case ConstraintKind.CHECK if c.expression is not None:
            rows = f"{_only(only or c.no_inherit)}{table.sql}"
            return [violations(c.expression.of(statement.text), name, table, rows)]
        case ConstraintKind.NOT_NULL if c.columns:
            return [nulls(table, c.columns[0], _only(only or c.no_inherit))]
        case ConstraintKind.FOREIGN_KEY:
            found = orphans.orphans(statement, c, name, table, relation, facts)
            return [found] if found else []
        case ConstraintKind.UNIQUE | ConstraintKind.PRIMARY_KEY if not relation.partitioned:
            strict = c.columns if c.kind is ConstraintKind.PRIMARY_KEY else ()
            nullable = [nulls(table, name, _only(only)) for name in strict if not relation.columns[name].not_null]
            keys = [(quote_identifier(column), quote_identifier(column)) for column in c.columns]
            return [duplicates(table, name, keys, nulls_not_distinct=c.nulls_not_distinct), *nullable]
        case _:
            return []


def _only(only: bool) -> str:
    return "ONLY " if only else ""


def _index(statement: Statement, node: CreateIndex, facts: Facts) -> Probe | None:
    """An index is of the table alone; each partition of one has its own."""
    relation = facts.find(node.relation)
    if relation is None or not relation.exists or names_unfilled(statement, relation):
        return None
    named = facts.find(node.name) if node.name else None
    if node.name and named and named.exists and not is_leftover(node.name.name, facts, relation, node):
        return None  # the name is taken: an error, or IF NOT EXISTS is content with it
    table = target(node.relation, relation, statement)
    unique = _unique_index(statement, node, table, relation, facts) if node.unique else None
    restricted = facts.major >= RESTRICTED_SINCE
    return unique or uncomputable(
        statement, node, table, whole=relation.partitioned and not node.only, restricted=restricted
    )


def _unique_index(
    statement: Statement, node: CreateIndex, table: Target, relation: Relation, facts: Facts
) -> Probe | None:
    keys = elements.elements(statement, node)
    name = node.name.name if node.name else default_name(statement, node, facts, relation)
    if keys is None or node.method != "btree" or relation.partitioned or name is None:
        return None
    return duplicates(
        table,
        name,
        keys,
        where=node.where.of(statement.text) if node.where else "",
        nulls_not_distinct=elements.says(statement, node.relation.span.end, "nulls", "not", "distinct"),
        made=index_on_copy(statement, node, relation) if None in node.columns else (),
        restricted=facts.major >= RESTRICTED_SINCE and (None in node.columns or node.where is not None),
    )


__all__ = ["EQ", "Probe", "probes"]
