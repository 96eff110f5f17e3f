"""An empty copy of a table, on which an index can be made for a moment without touching the table."""

from __future__ import annotations

from proxy.catalog.facts import Relation
from proxy.plans.plan import Edit
from proxy.plans.target import own_name, qualify
from proxy.sql import edit
from proxy.sql.statements import ConstraintKind, CreateIndex, Statement

INDEXED = (ConstraintKind.UNIQUE, ConstraintKind.PRIMARY_KEY)


def copy_of(relation: Relation) -> str:
    """Its name.  It stands beside the table, for a temporary one would forbid PREPARE TRANSACTION."""
    return qualify(relation.schema, own_name("re", str(relation.oid)))


def make_copy(relation: Relation, words: str = "", *more: str) -> str:
    """``words`` are the table's name as the author has it, where an error about it is to say that.  ``more``: what else it is to have, as LIKE calls it."""
    original = words or qualify(relation.schema, relation.name)
    partitioned = f" PARTITION BY {relation.partition_key}" if relation.kind == "p" else ""
    including = " ".join(f"INCLUDING {one}" for one in ("GENERATED", *more))
    return f"CREATE TABLE {copy_of(relation)} (LIKE {original} {including}){partitioned}"


def onto_copy(statement: Statement, node: CreateIndex, relation: Relation) -> tuple[str, Edit]:
    """The author's CREATE INDEX for the copy, and the edit that made it so."""
    start = statement.span.start
    made = Edit(node.relation.span.start - start, node.relation.span.end - start, copy_of(relation))
    return edit.apply(statement.sql, (made,)), made


def index_on_copy(statement: Statement, node: CreateIndex, relation: Relation) -> tuple[str, ...]:
    """Statements that make the copy and the index, and the copy's name."""
    return (make_copy(relation), onto_copy(statement, node, relation)[0], copy_of(relation))
