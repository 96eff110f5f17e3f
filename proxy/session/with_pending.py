"""The facts of a statement as what waits for COMMIT leaves them: names that are taken then, what nobody has interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.catalog.after import after
from proxy.catalog.facts import Constraint, Facts, Relation
from proxy.plans.mark import UNFINISHED
from proxy.plans.staged_not_null import helper_name
from proxy.plans.target import is_own
from proxy.records import replace
from proxy.session.pending import Pending
from proxy.sql.names import constraint_name, is_default_name
from proxy.sql.statements import (
    AddConstraint,
    AlterTable,
    ConstraintKind,
    SetNotNull,
    TableConstraint,
    quote_identifier,
)


def with_pending(facts: Facts, pending: Sequence[Pending]) -> Facts:
    """Facts in which names that will be taken are taken, for the next default name, and those that will be free are free.

    What is not finished yet was not interrupted either: the same statement once more is another one.
    """
    for one in pending:
        if one.drops and one.statement is not None:
            facts = after(one.statement, facts)
    relations = {parts: _not_interrupted(relation, pending) for parts, relation in facts.relations.items()}
    if not any(one.made for one in pending):
        return replace(facts, relations=relations)
    return replace(
        facts,
        relations=relations,
        taken_relations={
            schema: taken.union(*(one.indexes for one in _in(schema, pending)))
            for schema, taken in facts.taken_relations.items()
        },
        taken_constraints={
            schema: taken.union(*(one.made for one in _in(schema, pending) if not one.is_plain_index))
            for schema, taken in facts.taken_constraints.items()
        },
    )


def _in(schema: str, pending: Sequence[Pending]) -> list[Pending]:
    return [one for one in pending if not one.schemas or schema in one.schemas]


def _not_interrupted(relation: Relation, pending: Sequence[Pending]) -> Relation:
    # Behind a RENAME in the same text a table is known by its name only: values that are to come then count.
    about = [one for one in pending if (relation.oid in one.tables if one.tables else _fills(one, relation))]
    around = [one for one in pending if one in about or one.is_above(relation)]  # whose constraints are its own
    if not around:
        return relation
    made = {name for one in around for name in one.made}
    marks = {name for one in about for name in one.marks}
    kept = {
        name: replace(c, waits=True) if name in made else c
        for name, c in relation.constraints.items()
        if not (name in marks and c.definition == UNFINISHED)
    }
    indexes = {name: replace(i, waits=True) if name in made else i for name, i in relation.indexes.items()}
    for one in around:
        relation, kept = _proved(_filled(relation, one), one, kept)
    return replace(relation, constraints=kept, indexes=indexes)


def _fills(one: Pending, relation: Relation) -> bool:
    return bool(one.fills) and relation.exists and one.table == relation.name


def _filled(relation: Relation, one: Pending) -> Relation:
    """With the columns whose rows get their values only then."""
    columns = {
        name: replace(column, waits=True, not_null=column.not_null or one.fills[name].not_null)
        for name, column in relation.columns.items()
        if name in one.fills
    }
    return replace(relation, columns={**relation.columns, **columns}) if columns else relation


def _proved(
    relation: Relation, one: Pending, constraints: dict[str, Constraint]
) -> tuple[Relation, dict[str, Constraint]]:
    """With the constraints that stand, or will, before the rest of SET NOT NULL or PRIMARY KEY: said again they are not made again."""
    node = one.statement.node if one.statement is not None else None
    for name in _to_be_not_null(node) if isinstance(node, AlterTable) else ():
        column = relation.columns.get(name)
        made = _proof(one, one.table, name)
        if column is None or column.not_null or made is None or made in constraints:
            continue
        if is_own(made):
            words = f"CHECK (({quote_identifier(name)} IS NOT NULL))"
            proof = Constraint(made, "c", False, (name,), words, waits=True)
        else:  # from 18 on it is the NOT NULL itself
            proof = Constraint(made, "n", False, (name,), "NOT NULL", waits=True)
            known = replace(column, not_null=True, not_null_valid=False)
            relation = replace(relation, columns={**relation.columns, name: known})
        constraints = {**constraints, made: proof}
    return relation, constraints


def _to_be_not_null(alter: AlterTable) -> Iterator[str]:
    """Columns that an ALTER TABLE makes NOT NULL."""
    for action in alter.actions:
        match action:
            case SetNotNull(column=column):
                yield column
            case AddConstraint(constraint=TableConstraint(kind=ConstraintKind.PRIMARY_KEY, columns=columns)):
                yield from columns


def _proof(one: Pending, table: str, column: str) -> str | None:
    """The constraint, NOT VALID until then, by which a column will be known to hold no null."""
    if (helper := helper_name(column)) in one.validated:
        return helper
    usual = constraint_name(table, [column], "not_null", ())
    found = [name for name in one.validated if is_default_name(name, usual)]
    return found[0] if len(found) == 1 else None


__all__ = ["with_pending"]
