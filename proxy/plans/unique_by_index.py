"""UNIQUE and PRIMARY KEY over an index that is built first, concurrently."""

from __future__ import annotations

from collections.abc import Sequence

from proxy.catalog.facts import Facts, Relation
from proxy.plans import done
from proxy.plans.build_index import build, drop_leftover, is_leftover
from proxy.plans.default_names import freed, included, name_of
from proxy.plans.plan import Failure, Rewrite, Step
from proxy.plans.staged_not_null import NATIVE, default_name, prove
from proxy.plans.target import Target, altering, own_name, target
from proxy.records import replace
from proxy.sql.statements import (
    AddConstraint,
    AlterTable,
    Statement,
    TableConstraint,
    quote_identifier,
)


def unique_by_index(
    statement: Statement,
    action: AddConstraint,
    facts: Facts,
    nullable: Sequence[str] = (),
    *,
    by_hand: bool = False,
    chosen: bool = False,
) -> Rewrite | None:
    """The index under the constraint's own name, so that its errors are Postgres's; then USING INDEX.

    Under a name of ours if the constraint has none: then a finished index that an interrupted run left is
    sure to be recognised, and a like one that somebody made is not taken away.  Also if the name is still
    in use, by the constraint that is dropped when the new one comes: no moment is without either.

    ``nullable``: columns of a PRIMARY KEY that are to be proven free of nulls first.  ``by_hand``: for
    people, who do without a name of ours where they can.  ``chosen``: the constraint's name is not the author's, but
    what Postgres would choose.  None if the name cannot be known.
    """
    alter = statement.node
    assert isinstance(alter, AlterTable)
    if (name := name_of(action, statement, facts)) is None:
        return None
    relation = facts.find(alter.relation)
    table = target(alter.relation, relation, statement)
    replaced = name in freed(alter, relation)
    passing = replaced or not ((action.constraint.name and not chosen) or by_hand)
    index = table.sibling(passing_name(statement, action.constraint, table) if passing else name)
    steps: list[Step] = []
    if is_leftover(index.name, facts, relation):
        steps.append(drop_leftover(index, table))
    steps.append(_build(statement, action.constraint, facts, table, index, name, replaced=replaced))
    attached = Rewrite(
        tuple(steps),
        last=using(statement, action.constraint, name, index.name),
        last_undo=(altering(table, alter, f"DROP CONSTRAINT IF EXISTS {quote_identifier(name)}"),),
        last_done=None if replaced else _attached(table, name, action.constraint),
        name=name,
        table=table.key,
        relations=(table.key,),
    )
    return _proven(statement, alter, facts, table, attached, nullable)


def passing_name(statement: Statement, c: TableConstraint, table: Target) -> str:
    """A name for the index while it is built: the same whenever the same statement is sent again."""
    return own_name("ix", table.schema, table.name, c.kind, c.body.of(statement.text))


def _build(
    statement: Statement, c: TableConstraint, facts: Facts, table: Target, index: Target, name: str, *, replaced: bool
) -> Step:
    relation = facts.find(statement.node.relation) if isinstance(statement.node, AlterTable) else None
    step = building(statement, c, relation, table, index, name)
    # Once the constraint stands, the index is no longer free for one, and has its name.
    return step if replaced else replace(step, done=done.either(step.done, _attached(table, name, c)))


def building(
    statement: Statement, c: TableConstraint, relation: Relation | None, table: Target, index: Target, name: str
) -> Step:
    """The step that builds, as ``index``, what is to be given to the constraint ``name`` of ``table``."""
    found = relation.indexes.get(index.name) if relation else None
    sql = _create(statement, c, table, index)
    same = done.unique_index(
        index,
        table,
        c.columns,
        included(c.include, statement),
        nulls_not_distinct=c.nulls_not_distinct,
    )
    step = build(index, table, sql, finished=same, keep=found is not None and found.valid)
    if index.name == name:
        return step
    failure = Failure("23505", index.name, "23505", (f'could not create unique index "{name}"',), name=name)
    return replace(step, hides=(failure,))


def _attached(table: Target, name: str, c: TableConstraint) -> str | None:
    return done.both(done.key(table, name, c.columns), done.index_valid(table.sibling(name)))


def _create(statement: Statement, c: TableConstraint, table: Target, index: Target) -> str:
    text = statement.text
    assert c.columns_span is not None
    parts = [
        f"CREATE UNIQUE INDEX CONCURRENTLY {quote_identifier(index.name)} ON {table.sql} ({c.columns_span.of(text)})",
        f"INCLUDE ({c.include.of(text)})" if c.include else "",
        "NULLS NOT DISTINCT" if c.nulls_not_distinct else "",
        f"WITH ({c.with_options.of(text)})" if c.with_options else "",
        f"TABLESPACE {quote_identifier(c.tablespace)}" if c.tablespace else "",
    ]
    return " ".join(part for part in parts if part)


def using(statement: Statement, c: TableConstraint, name: str, index: str) -> str:
    words = f"ADD CONSTRAINT {quote_identifier(name)} {c.kind} USING INDEX {quote_identifier(index)}"
    return f"{words} {c.deferrable.of(statement.text)}" if c.deferrable else words


def _proven(
    statement: Statement, alter: AlterTable, facts: Facts, table: Target, attached: Rewrite, nullable: Sequence[str]
) -> Rewrite | None:
    """``attached``, after its nullable columns are proven free of nulls: else USING INDEX would scan."""
    relation = facts.find(alter.relation)
    taken = facts.taken_constraints.get(table.schema, frozenset())
    proofs: list[Rewrite] = []
    for column in nullable:
        name = default_name(relation.name if relation else table.name, column, taken)
        if (proof := prove(statement, alter, column, facts, name)) is None:
            return None
        proofs.append(proof)
    actions = [proof.action for proof in proofs if proof.action]
    nullable_again = [f"ALTER COLUMN {quote_identifier(column)} DROP NOT NULL" for column in nullable]
    return replace(
        attached,
        action=", ".join(actions) or None,
        undo=tuple(sql for proof in proofs for sql in proof.undo),
        done=done.both(*(proof.done for proof in proofs if proof.action)),
        steps=(*(step for proof in proofs for step in proof.steps), *attached.steps),
        after=tuple(words for proof in proofs for words in proof.after),
        last_undo=(
            *attached.last_undo,
            *(altering(table, alter, words) for words in nullable_again if facts.major < NATIVE),
        ),
    )
