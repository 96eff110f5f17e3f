"""Ask Postgres, in one round trip, what ``decide`` must know about the relations that a statement names.

In two where they are partitioned or its type is a domain (``more``): planning the query is what costs, and few need so much of it.

The query runs on the client's own connection, in its transaction and under its settings.  So it names
every function, operator and type with its schema (a client's search_path cannot put others in their
place: CVE-2025-12819 was that), reads only what PUBLIC may read, does not wait for locks, and speaks
ASCII in both directions: base64 of JSON.

``is_new``.  The row of pg_attribute with attnum -6 (tableoid) and the dependency of the row type on its
table are written when a relation is created and never again, so their xmin is the (sub)transaction that
created it.  It is ours if it is in progress and yet we see it.  Two traps.  A frozen row keeps an xmin of
perhaps an earlier epoch, and pg_xact_status() raises an error for what looks like the future; hence it is
called only below the snapshot's horizon, and what lies above can be ours or frozen: it must be close to
the newest xid.  And GRANT SELECT (tableoid) writes the first row anew; hence both rows, and the
ACCESS EXCLUSIVE lock that a creator holds until its transaction ends.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from proxy.catalog import answer as carried
from proxy.catalog.assemble import created, relations
from proxy.catalog.built_in_types import told
from proxy.catalog.facts import MISSING, Facts, Function, Held, Relation, Setting, Type
from proxy.catalog.regnames import unquoted
from proxy.catalog.request import LIKELY, SQL, Request, more, request
from proxy.catalog.sources import quoted
from proxy.plans.plan import Lock

__all__ = ["LIKELY", "SQL", "Request", "decode", "more", "request"]

OURS = "interlock"  # the schema in which what waits for COMMIT is written down


def decode(text: str | bytes, request: Request, *, now: datetime, in_transaction: bool) -> Facts:
    """The facts in the one value that ``SQL`` returned for ``request``.  Raises UnreadableAnswer."""
    answer = carried.decode(text)
    if not isinstance(answer, dict):
        raise carried.UnreadableAnswer("the database's answer about the catalog cannot be read: it is no object")
    try:
        taken = _taken(answer)
        chains = _domains(answer)
        return Facts(
            server_version=answer["server_version"],
            live=True,
            now=now,
            database=answer["database"],
            user=answer["user"],
            session_user=answer["session_user"],
            roles=_roles(answer),
            application_name=answer["application_name"],
            in_transaction=in_transaction,
            in_recovery=answer["in_recovery"],
            allow=answer["allow"] or "",
            path=tuple(answer["path"]),
            settings=_settings(answer),
            relations=_relations(answer, request, _bases(chains)),
            types=_types(answer, request, chains),
            functions=_functions(answer, request),
            volatile_operators=frozenset(answer.get("volatile_operators") or ()),
            volatile_casts=frozenset(answer.get("volatile_casts") or ()),
            free_casts=_free_casts(answer, chains),
            taken_relations={schema: frozenset(r) for schema, (r, _) in taken.items()},
            taken_constraints={schema: frozenset(c) for schema, (_, c) in taken.items()},
            held=_held(answer) if in_transaction else (),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise carried.UnreadableAnswer(f"the database's answer about the catalog cannot be read: {error!r}") from error


def _roles(answer: dict[str, Any]) -> frozenset[str]:
    """The session's user and all roles that it is a member of, at any remove."""
    roles = {answer["session_user"]}
    members = defaultdict(list)
    for member, role in answer.get("memberships") or ():
        members[member].append(role)
    new = list(roles)
    while new:
        new = [role for member in new for role in members[member] if role not in roles]
        roles.update(new)
    return frozenset(roles)


def _settings(answer: dict[str, Any]) -> dict[str, Setting]:
    sources = dict(answer["sources"] or ())
    return {n: Setting(v, sources.get(n, "")) for n, v in answer["settings"].items() if v is not None}


def _held(answer: dict[str, Any]) -> tuple[Held, ...]:
    """Locks on tables that others see; a partition counts as part of the table above it."""
    rows = answer.get("held") or ()
    modes = {(oid, mode) for oid, _, _, mode, *_ in rows}
    fresh = created(answer)
    found = []
    for oid, regnamespace, name, mode, size, rows_then, parents in rows:
        schema = unquoted(regnamespace)[-1]
        if schema == OURS or oid in fresh or any((parent, mode) in modes for parent in parents):
            continue
        rows_now = None if rows_then is None or rows_then < 0 else round(rows_then)
        found.append(Held((schema, name), Lock(mode), size, rows_now))
    return tuple(sorted(found, key=lambda held: (*held.table, held.lock.value)))


def _relations(
    answer: dict[str, Any], request: Request, bases: dict[int, tuple[str, int]]
) -> dict[tuple[str, ...], Relation]:
    by_oid = relations(answer, bases)
    found: dict[tuple[str, ...], Relation] = {relation.qualified: relation for relation in by_oid.values()}
    # After those: what the statement's own words mean goes before what another name happens to be.
    found |= {w.parts: MISSING for w in request.wanted}
    for key, oid in (*enumerate(answer["found"]), *(answer.get("beside") or ())):
        if oid is None:
            continue
        if oid in by_oid:
            found[request.wanted[key].parts] = by_oid[oid]
        else:  # the server knows it, and our older snapshot does not
            del found[request.wanted[key].parts]
    return found


def _domains(answer: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    """Each type with the domains that it is over, down to what is stored."""
    rows = {t["oid"]: t for t in answer.get("types") or ()}
    chains = {}
    for oid, row in rows.items():
        chain = [row]
        while chain[-1]["is_domain"] and chain[-1]["over"] in rows:
            chain.append(rows[chain[-1]["over"]])
        chains[oid] = chain
    return chains


def _bases(chains: dict[int, list[dict[str, Any]]]) -> dict[int, tuple[str, int]]:
    return {oid: (_spelled(chain), chain[-1]["oid"]) for oid, chain in chains.items() if chain[0]["is_domain"]}


def _spelled(chain: list[dict[str, Any]]) -> str:
    """The type below all domains, with the modifiers that the last of them gives it."""
    return str(chain[-2 if len(chain) > 1 else 0]["spelled"])


def _types(answer: dict[str, Any], request: Request, chains: dict[int, list[dict[str, Any]]]) -> dict[str, Type]:
    found: dict[int, int] = dict(answer.get("typed") or ())
    checks: dict[int, list[str]] = {}
    for oid, definition in answer.get("demands") or ():
        checks.setdefault(oid, []).append(definition)
    types = {}
    for key, (typed, parts) in enumerate(request.sources.types.items()):
        if key not in found:
            types[typed] = Type(exists=False)
        elif found[key] in chains:  # else the server knows it, and our older snapshot does not
            types[typed] = _type(chains[found[key]], checks)
        elif not request.described and (known := told(found[key], parts)) is not None:
            types[typed] = known
    return types


def _type(chain: list[dict[str, Any]], checks: dict[int, list[str]]) -> Type:
    top = chain[0]
    domains = [row for row in chain if row["is_domain"]]
    demands = [check for row in domains for check in checks.get(row["oid"], ())]
    demands += ["CHECK (VALUE IS NOT NULL)" for row in domains if row["not_null"]]
    return Type(
        oid=top["oid"],
        base=_spelled(chain),
        base_oid=chain[-1]["oid"],
        is_domain=top["is_domain"],
        constrained=bool(demands),
        demands=tuple(sorted(demands)),
        has_default=top["has_default"],
        volatile_default=bool(top.get("volatile_default")),
        users=tuple((s, n) for s, n in top.get("users") or ()),
    )


def _free_casts(answer: dict[str, Any], chains: dict[int, list[dict[str, Any]]]) -> tuple[tuple[int, int], ...]:
    stored = {chain[-1]["oid"] for chain in chains.values()}
    named = {chains[oid][-1]["oid"] for _, oid in answer.get("typed") or () if oid in chains}
    return tuple((source, to) for source, to in answer.get("casts") or () if source in stored and to in named)


def _functions(answer: dict[str, Any], request: Request) -> dict[str, tuple[Function, ...]]:
    found: dict[int, list[Function]] = {key: [] for key in range(len(request.sources.functions))}
    for key, *function in answer.get("functions") or ():
        found[key].append(Function(*function))
    return {quoted(parts): tuple(found[key]) for key, parts in enumerate(request.sources.functions)}


def _taken(answer: dict[str, Any]) -> dict[str, tuple[set[str], set[str]]]:
    taken: dict[str, tuple[set[str], set[str]]] = {}
    rows = list(answer.get("taken_by_parts") or ())
    if (row := answer.get("taken")) is not None:
        rows.append((row["schema"], row.get("relations", ()), row.get("constraints", ())))
    for schema, names_of, constraints in rows:
        of_relations, of_constraints = taken.setdefault(unquoted(schema)[-1], (set(), set()))
        of_relations.update(names_of)
        of_constraints.update(constraints)
    return taken
