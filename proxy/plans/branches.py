"""The partitions below a partitioned table, in the order in which Postgres goes through them.

It goes depth first, siblings by their bounds (RelationGetPartitionDesc), which the catalog does not tell outright.
The order shows where default names of siblings meet: long ones, cut alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from proxy.catalog.bounds import Range, bound, key_column
from proxy.catalog.facts import Column, Facts, Relation

NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
DATES = ("date", "timestamp")


@dataclass(frozen=True, slots=True)
class Branches:
    """All partitions at any remove, each after what it is a part of; ``other`` likewise, where ``all`` is not certain."""

    all: tuple[Relation, ...]
    other: tuple[Relation, ...]

    @property
    def leaves(self) -> tuple[Relation, ...]:
        """Those that hold rows here: foreign tables hold theirs elsewhere."""
        return tuple(member for member in self.all if member.kind == "r")

    @property
    def inner(self) -> tuple[Relation, ...]:
        """Those that are partitioned in turn."""
        return tuple(member for member in self.all if member.kind == "p")

    @property
    def has_foreign(self) -> bool:
        return any(member.kind == "f" for member in self.all)


def branches(relation: Relation, facts: Facts) -> Branches | None:
    """The partitions of ``relation``; None if they are not all known.

    They count as not known, too, while the DETACH … CONCURRENTLY of one is unfinished: Postgres does not see that one.
    """
    below: dict[tuple[str, str], list[Relation]] = {}
    for key, found in facts.relations.items():
        if found.exists and found.is_partition and found.parents and key == found.qualified:
            below.setdefault(found.parents[0], []).append(found)
    one, other = ([*_walk(relation, relation.columns, below, reverse)] for reverse in (False, True))
    known = sum(member.kind != "p" for member in one) == relation.partitions
    if not known or any(member.detach_pending or member.kind not in "rpf" for member in one):
        return None
    return Branches(tuple(one), tuple(other))


def _walk(
    relation: Relation,
    columns: Mapping[str, Column],
    below: Mapping[tuple[str, str], Sequence[Relation]],
    reverse: bool,
) -> list[Relation]:
    by_oid = sorted(below.get(relation.qualified, ()), key=lambda r: r.oid, reverse=reverse)
    key = columns.get(key_column(relation) or "")
    siblings = _in_order(by_oid, key.base or key.type) if key else None
    return [m for child in siblings or by_oid for m in (child, *_walk(child, columns, below, reverse))]


def _in_order(siblings: Sequence[Relation], type_: str) -> list[Relation] | None:
    """Partitions of one table by their bounds, the default one last; None if their order is not certain."""
    last = [r for r in siblings if r.bound == "DEFAULT"]
    try:
        first = sorted((r for r in siblings if r not in last), key=lambda r: _place(r.bound, type_))
    except (ValueError, ArithmeticError, TypeError):
        return None
    return [*first, *last]


def _place(text: str, type_: str) -> tuple[int, Decimal | datetime]:
    """What stands where among bounds of one column; raises ValueError if that cannot be told."""
    found = bound(text)
    match found:
        case Range(low=None):
            return (0, Decimal(0))
        case Range(low=value):
            return (1, _value(value, type_))
        case frozenset() if found:
            return (1, min(_value(value, type_) for value in found))
        case _:
            raise ValueError(text)


def _value(value: Decimal | str | None, type_: str) -> Decimal | datetime:
    if type_.startswith(NUMBERS):
        return Decimal(str(value))
    if type_.startswith(DATES):
        return datetime.fromisoformat(str(value))
    raise ValueError(type_)
