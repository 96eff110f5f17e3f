"""REFRESH MATERIALIZED VIEW CONCURRENTLY: the new rows are compared with the old ones, and readers do not wait."""

from __future__ import annotations

from proxy.catalog.facts import Facts, Index, Relation
from proxy.plans.build_parts import of
from proxy.plans.plan import Edit, Failure, Lock, Rewrite, Step
from proxy.sql import edit
from proxy.sql.lexer import lex
from proxy.sql.statements import Other, Statement


def refresh(statement: Statement, node: Other, facts: Facts) -> Rewrite | None:
    """None without a unique index that Postgres can match the rows by."""
    view = facts.find(node.relations[0])
    if view is None or not view.exists or not view.populated or not has_key(view):
        return None
    word = next(token for token in lex(statement.sql) if token.kind == "word" and token.value == "view")
    edits = (Edit(word.end, word.end, " CONCURRENTLY"),)
    keys = sorted((i for i in view.indexes.values() if i.unique and not i.derived), key=lambda index: index.oid)
    step = Step(
        (edit.apply(statement.sql, edits),),
        Lock.EXCLUSIVE,
        "compares the new rows with the old ones while reads go on",
        relations=(of(view).key,),
        # Rows that are the same in all columns come to light first of all.
        hides=(_twice("21000", keys[0], ""), *(_twice("23505", key, key.name) for key in keys)),
        edits=edits,
    )
    # In a transaction, too, it runs at once: a reader behind it there would miss the new rows.
    return Rewrite((step,))


def _twice(sqlstate: str, key: Index, constraint: str) -> Failure:
    return Failure(sqlstate, constraint, "23505", (f'could not create unique index "{key.name}"',), name=key.name)


def has_key(view: Relation) -> bool:
    """Whether it has an index that is_usable_unique_index (commands/matview.c) accepts."""
    return any(i.unique and i.valid and i.immediate and not i.derived for i in view.indexes.values())
