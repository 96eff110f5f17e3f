"""What waits in the schemas that a statement's names of indexes may mean: one of the same name may wait in each schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from proxy.catalog.facts import Facts
from proxy.session.pending import Pending
from proxy.sql.statements import AlterTable, CreateIndex, CreateTable, CreateTableAs, DropIndex, Name, Node, Other

How = Literal[
    "there", "new", "beside"
]  # a relation that is there, or waits; one to be made; a table beside which indexes are
NEW = frozenset({"CREATE SEQUENCE", "CREATE VIEW"})


def nearby(pending: Sequence[Pending], node: Node, facts: Facts) -> list[Pending]:
    """Without what waits in other schemas only."""
    if isinstance(node, CreateTable | CreateTableAs) and node.temporary:
        return []  # it is in a schema of its own
    meant = [_meant(name, how, facts) for name, how in _names(node)] if pending else []
    if not meant or not all(meant):
        return list(pending)
    schemas = frozenset().union(*meant)
    return [one for one in pending if not one.schemas or not one.schemas.isdisjoint(schemas)]


def _names(node: Node) -> Iterator[tuple[Name, How]]:
    match node:
        case AlterTable(object_type="INDEX", relation=name):
            yield name, "there"
        case CreateIndex(relation=name) | AlterTable(relation=name):
            yield name, "beside"
        case CreateTable(relation=name) | CreateTableAs(relation=name):
            yield name, "new"
        case DropIndex(names=names) | Other(kind="REINDEX" | "COMMENT", relations=names):
            for name in names:
                yield name, "there"
        case Other(kind=kind, relations=(name, *_)) if kind in NEW:
            yield name, "new"


def _meant(name: Name, how: How, facts: Facts) -> frozenset[str]:
    """The schemas that it may be in; empty: not known."""
    if name.schema is not None:
        return frozenset({name.schema})
    relation = facts.find(name)
    if how == "new":
        return frozenset(facts.own_path[:1])
    if relation is None:
        return frozenset()
    if not relation.exists:
        return frozenset(facts.path)
    if how == "beside" or relation.schema not in facts.path:
        return frozenset({relation.schema})
    # What waits in a schema that comes before would be found first.
    return frozenset(facts.path[: facts.path.index(relation.schema) + 1])


__all__ = ["nearby"]
