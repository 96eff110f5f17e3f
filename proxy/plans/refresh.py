"""REFRESH MATERIALIZED VIEW CONCURRENTLY: the new rows are compared with the old ones, and readers do not wait."""

from __future__ import annotations

from proxy.catalog.facts import Facts, Relation
from proxy.plans.build_parts import of
from proxy.plans.plan import Edit, Lock, Rewrite, Step
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
    step = Step(
        (edit.apply(statement.sql, edits),),
        Lock.EXCLUSIVE,
        "compares the new rows with the old ones while reads go on",
        relations=(of(view).key,),
        budget="builds",
        edits=edits,
    )
    # A reader in the same transaction would miss the new rows.
    return Rewrite((step,), autocommit=True)


def has_key(view: Relation) -> bool:
    """Whether it has an index that is_usable_unique_index (commands/matview.c) accepts."""
    return any(i.unique and i.valid and i.immediate and not i.derived for i in view.indexes.values())
