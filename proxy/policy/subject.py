"""Which tables a finding is about, and whether an exception's ``match`` means it.

Matching has three answers: yes, no, and None for "not enough is known"; the caller decides what None is
worth, and never takes it for a yes that makes things milder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from proxy.catalog.facts import Facts, describe_rows, describe_size
from proxy.policy.model import Above, During, Match
from proxy.policy.units import WEEKDAYS, Size, TimeOfDay
from proxy.rules.base import Finding
from proxy.sql.statements import DropIndex, Name, Opaque, Unreadable

STORED = frozenset("rpm")  # pg_class.relkind of what has rows of its own, or partitions that do


@dataclass(frozen=True, slots=True)
class Subject:
    """A table; each part is None as far as it is not known."""

    schema: str | None
    table: str | None
    size_bytes: int | None = None  # heap, with all partitions
    rows: int | None = None  # by estimate
    is_empty: bool | None = None  # it has no row; a view and the like are never said to be

    def __str__(self) -> str:
        return f'"{self.table}"' if self.table else "the table"


def subjects(node: Any, finding: Finding, facts: Facts) -> tuple[Subject, ...]:
    """The tables that a finding is about: one, except for a DROP INDEX of several tables' indexes."""
    match node:
        case DropIndex():
            found = tuple(_table_of_index(name, facts) for name in node.names)
            return tuple(dict.fromkeys(found))
        case Unreadable() | Opaque():
            return (Subject(None, None),)
        case _:
            return (_table(finding.relation, facts),)


def _table(name: Name, facts: Facts) -> Subject:
    relation = facts.find(name)
    if relation is None:
        for held in facts.held:  # what earlier statements of the transaction were about
            if held.table == (name.schema or "", name.name):
                return Subject(name.schema, name.name, held.size_bytes, held.rows)
    if relation is None or not relation.exists:
        # Text alone does not tell where an unqualified name is found.
        return Subject(name.schema, name.name)
    is_empty = relation.size_bytes == 0 and relation.kind in STORED
    return Subject(relation.schema, relation.name, relation.size_bytes, relation.rows, is_empty)


def _table_of_index(name: Name, facts: Facts) -> Subject:
    relation = facts.find(name)
    if relation is None or relation.index is None:
        return Subject(name.schema, None)
    index = relation.index
    # The index's own size says nothing: its lock is its table's.
    table = next((r for r in facts.relations.values() if r.exists and r.oid == index.table_oid), None)
    measures = (table.size_bytes, table.rows) if table else (None, None)
    return Subject(index.table_schema, index.table, *measures)


def small(about: Sequence[Subject], under: Size) -> str:
    """Why all the tables are small, for people; empty if one is not, or may not be."""
    sizes = [s.size_bytes for s in about if s.size_bytes is not None and s.size_bytes < under.bytes]
    if len(sizes) < len(about):
        return ""
    names = " and ".join(str(s) for s in about)
    return f"{names} {'is' if len(about) == 1 else 'are'} small: {describe_size(max(sizes))}, under {under.pretty}"


def empty(about: Sequence[Subject]) -> str:
    """Why no application misses anything in the tables, for people; empty if one has rows, or may have."""
    if not about or not all(s.is_empty for s in about):
        return ""
    return f"{' and '.join(str(s) for s in about)} {'is' if len(about) == 1 else 'are'} empty"


def below(about: Sequence[Subject], above: Above) -> str:
    """Why no table is above a rule's thresholds, for people; empty if one is, or may be."""
    if not about or not all(_below(s, above) for s in about):
        return ""
    names = " and ".join(str(s) for s in about)
    bounds = [above.size.pretty] if above.size else []
    bounds += [describe_rows(above.rows)] if above.rows else []
    return f"{names} {'is' if len(about) == 1 else 'are'} under {' and '.join(bounds)}"


def _below(about: Subject, above: Above) -> bool:
    if above.size is not None and (about.size_bytes is None or about.size_bytes >= above.size.bytes):
        return False
    return above.rows is None or (about.rows is not None and about.rows < above.rows)


def matches(match: Match, about: Sequence[Subject], facts: Facts) -> bool | None:
    """Whether every key of ``match`` fits every table; None if that cannot be told, or if some tables fit and some do not."""
    answers = {_matches(match, s, facts) for s in about}
    return answers.pop() if len(answers) == 1 else None


def _matches(match: Match, about: Subject, facts: Facts) -> bool | None:
    return _all(
        _glob(match.schema_, about.schema),
        _table_glob(match.table, about),
        _role(match.role, facts),
        _glob(match.database, facts.database or None),
        # A client without an application_name is known to have none, if anything is known at all.
        _glob(match.application, facts.application_name if facts.live else None),
        _glob(match.tool and match.tool.lower(), facts.tool.lower() if facts.live else None),
        within(match.during, facts.now),
    )


def within(during: During | None, now: datetime) -> bool:
    """Whether a moment (with its zone) is in a window; a window over midnight is of the day on which it began."""
    if during is None:
        return True
    local = now.astimezone(during.zone.info)
    at = TimeOfDay(local.hour * 60 + local.minute)
    day = local.date()
    if during.from_ < during.to:
        inside = during.from_ <= at < during.to
    else:
        inside = at >= during.from_ or at < during.to
        day = day if at >= during.from_ else day - timedelta(days=1)
    return (
        inside
        and (during.days is None or WEEKDAYS[day.weekday()] in during.days)
        and (during.dates is None or any(day in dates for dates in during.dates))
    )


def _all(*answers: bool | None) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True


def _glob(pattern: str | None, value: str | None) -> bool | None:
    if pattern is None:
        return True
    return None if value is None else fnmatchcase(value, pattern)


def _table_glob(pattern: str | None, about: Subject) -> bool | None:
    if pattern is None:
        return True
    schema, dot, table = pattern.partition(".")
    return _all(_glob(schema, about.schema), _glob(table, about.table)) if dot else _glob(pattern, about.table)


def _role(role: str | None, facts: Facts) -> bool | None:
    if role is None:
        return True
    known = {*facts.roles, facts.user, facts.session_user} - {""}
    return role in known if known else None
