"""What one decision looks like in the log: the statement, what was known, what was decided, what became of it.

The facts are whole, so that a record can be decided anew under another policy: ``facts_of`` gives back what
``decide`` had, and ``read`` of the record's statement, after its ``comments``, gives the statement.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache, partial
from operator import attrgetter
from typing import Any, cast

from proxy.audit.redact import redact, redact_body
from proxy.catalog.facts import Constraint, Facts, Relation
from proxy.policy.verdict import Decided, Verdict
from proxy.records import replace
from proxy.sql.statements import Statement


@dataclass(frozen=True, slots=True)
class Session:
    """Whose statement it is."""

    user: str
    database: str
    client: str  # address
    application_name: str = ""
    tls: str = ""  # protocol version; empty without TLS
    tool: str | None = None  # the migration tool, where it can be recognised


@dataclass(frozen=True, slots=True)
class PolicyUsed:
    name: str
    file: str
    sha: str


@dataclass(frozen=True, slots=True)
class ByHand:
    """Somebody has told Interlock what to do about a job; the record's session says who, and from where."""

    what: str  # run, retry, cancel
    through: str  # console, page, command


def new_id() -> str:
    """An id for a record: random, so that those of several proxies do not meet."""
    return secrets.token_hex(8)


def record(
    *,
    session: Session,
    statement: Statement,
    facts: Facts,
    verdict: Verdict,
    policy: PolicyUsed,
    outcome: str,
    relations: Iterable[str] = (),
    steps: Iterable[Mapping[str, Any]] = (),
    sqlstate: str = "",
    took_ms: float = 0.0,
    literals: bool = False,
    standard_conforming_strings: bool = True,
    clean: Callable[[str], str] | None = None,
    id: str | None = None,
    job: int | None = None,
    by_hand: ByHand | None = None,
) -> dict[str, Any]:
    """A record for ``AuditLog.append``, its members in the order in which they are documented.

    ``relations``: the names that the statement locks, for people.  ``steps``: what ran, each with sql, lock, waited_ms,
    took_ms, attempts, outcome and sqlstate.  ``job``: what was done is the job of that number, after a COMMIT, or ``by_hand``.  ``literals``: leave literals out, besides the secrets that always are.
    ``clean``: ``redact`` with those, where it has been asked for the same texts already.
    """
    clean = clean or partial(redact, literals=literals, standard_conforming_strings=standard_conforming_strings)
    body = partial(redact_body, literals=literals, standard_conforming_strings=standard_conforming_strings)
    return {
        "id": id or new_id(),
        "session": members(session),
        "statement": clean(statement.sql),
        "comments": list(statement.comments),
        "kind": statement.node.kind,
        "relations": list(relations),
        "facts": facts_dict(_without_secrets(_without_literals(facts) if literals else facts, body)),
        "policy": members(policy),
        "action": verdict.action.value,
        "findings": [_finding(decided) for decided in verdict.decided],
        "steps": [_rounded({**step, "sql": clean(step["sql"])}) for step in steps],
        "outcome": outcome,
        "sqlstate": sqlstate,
        "took_ms": round(took_ms, 3),
        "in_transaction": facts.in_transaction,
        **({"job": job} if job is not None else {}),
        **({"by_hand": members(by_hand)} if by_hand is not None else {}),
    }


def members(record: Any) -> dict[str, Any]:
    """The fields of a dataclass whose values are JSON types."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _finding(decided: Decided) -> dict[str, Any]:
    found = {
        "rule": decided.finding.rule,
        "action": decided.action.value,
        "problem": decided.finding.problem,
        "note": decided.note,
        "policy": str(decided.because),
    }
    return found | ({"would_be": decided.would_be.value} if decided.would_be else {})


def _rounded(step: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in step.items()}


# ---------------------------------------------------------------- facts

_SCALARS = frozenset({type(None), bool, int, str})


def facts_dict(facts: Facts) -> dict[str, Any]:
    """Facts as JSON types; what has its default is left out, and relations are a list, each with the ``named`` it was asked by."""
    plain: dict[str, Any] = _plain(replace(facts, relations={}))
    relations = [{"named": list(name), **_plain(relation)} for name, relation in facts.relations.items()]
    return plain | ({"relations": relations} if relations else {})


def facts_of(plain: Mapping[str, Any]) -> Facts:
    """The facts that ``facts_dict`` made that of.  Raises ValueError if they are not of that shape."""
    relations = {}
    for entry in plain.get("relations", ()):
        named = tuple(entry["named"])
        relations[named] = _adapter(Relation).validate_python({k: v for k, v in entry.items() if k != "named"})
    facts: Facts = _adapter(Facts).validate_python({k: v for k, v in plain.items() if k != "relations"})
    return replace(facts, relations=relations)


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is tuple:
        return [given if type(given) in _SCALARS else _plain(given) for given in value]
    if (found := _fields(cast(Hashable, kind))) is not None:
        values, named = found
        return {
            name: given if type(given) in _SCALARS else _plain(given)
            for (name, default), given in zip(named, values(value), strict=False)
            if given is not default and given != default
        }
    match value:
        case frozenset():
            return sorted(value)
        case Mapping():
            return {str(key): _plain(given) for key, given in value.items()}
        case tuple():
            return [_plain(given) for given in value]
        case int() | str():
            return value
    return value.isoformat()  # the time


@cache
def _fields(kind: type) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[tuple[str, Any], ...]] | None:
    """What gives the values of a dataclass's fields, and those with their defaults; None if it is none."""
    if not is_dataclass(kind):
        return None
    named = tuple((f.name, _default(f)) for f in fields(kind))
    # attrgetter gives no tuple for a single name.
    return attrgetter(*(name for name, _ in named), "__class__"), named


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


@cache
def _adapter(kind: type) -> Any:
    from pydantic import TypeAdapter  # only a replay wants it

    return TypeAdapter(kind)


def _without_secrets(facts: Facts, clean: Callable[[str], str]) -> Facts:
    """The bodies of routines are their authors' texts, as the statement is the client's."""
    if not facts.routines:
        return facts
    routines = {
        key: tuple(replace(one, source=clean(one.source) if one.source else one.source) for one in found)
        for key, found in facts.routines.items()
    }
    return replace(facts, routines=routines)


def _without_literals(facts: Facts) -> Facts:
    """Constraints' definitions hold literals of the schema's author."""

    def clean(constraint: Constraint) -> Constraint:
        return replace(constraint, definition=redact(constraint.definition, literals=True))

    relations = {
        name: replace(relation, constraints={key: clean(c) for key, c in relation.constraints.items()})
        for name, relation in facts.relations.items()
    }
    return replace(facts, relations=relations)
