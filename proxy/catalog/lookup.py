"""Ask Postgres, in one round trip, what ``decide`` must know about the relations that a statement names.

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

from dataclasses import replace
from datetime import datetime
from typing import Any

from proxy.catalog import answer as carried
from proxy.catalog.facts import (
    MISSING,
    Column,
    Constraint,
    Facts,
    Function,
    Heirs,
    Held,
    Index,
    Referring,
    Relation,
    Setting,
    Type,
)
from proxy.catalog.request import SQL, Request, request
from proxy.catalog.sources import quoted
from proxy.plans.plan import Lock

__all__ = ["SQL", "Request", "decode", "request"]

OURS = "interlock"  # the schema in which what waits for COMMIT is written down


def decode(text: str | bytes, request: Request, *, now: datetime, in_transaction: bool) -> Facts:
    """The facts in the one value that ``SQL`` returned for ``request``.  Raises UnreadableAnswer."""
    answer = carried.decode(text)
    try:
        relations = _relations(answer, request)
        taken = _taken(answer)
        return Facts(
            server_version=answer["server_version"],
            live=True,
            now=now,
            database=answer["database"],
            user=answer["user"],
            session_user=answer["session_user"],
            roles=frozenset(answer["roles"] or ()),
            application_name=answer["application_name"],
            in_transaction=in_transaction,
            in_recovery=answer["in_recovery"],
            allow=answer["allow"] or "",
            settings={s["name"]: Setting(s["value"], s["source"]) for s in answer["settings"] or ()},
            relations=relations,
            types=_types(answer, request),
            functions=_functions(answer, request),
            volatile_operators=frozenset(answer.get("volatile_operators") or ()),
            volatile_casts=frozenset(answer.get("volatile_casts") or ()),
            free_casts=tuple((source, target) for source, target in answer.get("casts") or ()),
            taken_names={schema: frozenset(r | c) for schema, (r, c) in taken.items()},
            taken_constraints={schema: frozenset(c) for schema, (_, c) in taken.items()},
            held=_held(answer) if in_transaction else (),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise carried.UnreadableAnswer(f"the database's answer about the catalog cannot be read: {error!r}") from error


def _held(answer: dict[str, Any]) -> tuple[Held, ...]:
    return tuple(
        Held((schema, name), Lock(mode), size, None if rows is None or rows < 0 else round(rows))
        for schema, name, mode, size, rows in answer.get("held") or ()
        if schema != OURS
    )


def _relations(answer: dict[str, Any], request: Request) -> dict[tuple[str, ...], Relation]:
    rows = {r["oid"]: r for r in answer["relations"] or ()}
    types = {t["oid"]: t for t in answer.get("types") or ()}
    by_oid = {oid: _relation(r, rows, answer["block_size"], types) for oid, r in rows.items()}
    relations: dict[tuple[str, ...], Relation] = {}
    for relation in by_oid.values():
        relations[relation.qualified] = relation
    # After those: what the statement's own words mean goes before what another name happens to be.
    relations |= {w.parts: MISSING for w in request.wanted}
    relations |= {request.wanted[key].parts: by_oid[oid] for key, oid in answer["found"] or ()}
    for key in answer["doubtful"] or ():
        del relations[request.wanted[key].parts]
    return relations


def _relation(
    row: dict[str, Any], rows: dict[int, dict[str, Any]], block_size: int, types: dict[int, dict[str, Any]]
) -> Relation:
    kind = row["kind"]
    indexes = [_index(i) for i in row["indexes"] or ()]
    index = next(iter(indexes), None) if kind in "iI" else None
    table = rows[index.table_oid] if index is not None else row
    size = None if row["size"] is None else int(row["size"])
    return Relation(
        exists=True,
        oid=row["oid"],
        schema=row["schema"],
        name=row["name"],
        kind=kind,
        persistence=row["persistence"],
        is_new=table["is_new"],
        is_partition=row["is_partition"],
        populated=row["populated"],
        bound=row.get("bound") or "",
        partition_constraint=row.get("partition_constraint") or "",
        required=tuple(row.get("required") or ()),
        pending_checks=tuple(row.get("pending_checks") or ()),
        detach_pending=bool(row.get("detach_pending")),
        has_children=bool(row["has_children"]),
        partitions=row["leaves"] if kind in "pI" else 0,
        size_bytes=size,
        rows=_rows(row, size, block_size),
        being_built=table["being_built"],
        columns={c["name"]: _column(c, types) for c in row["columns"] or ()},
        constraints={c["name"]: _constraint(c) for c in row["constraints"] or ()},
        indexes={} if kind in "iI" else {i.name: i for i in indexes},
        index=index,
        parents=tuple((s, n) for s, n in row["parents"] or ()),
        detaching=tuple((s, n) for s, n in row["detaching"] or ()),
        default_partition=tuple(row["default_partition"]) if row["default_partition"] else None,
        referenced_by=tuple(dict.fromkeys((s, n) for s, n, *_ in row.get("referenced_by") or ())),
        referring=tuple(Referring((s, n), tuple(c or ()), *more) for s, n, c, *more in row.get("referenced_by") or ()),
        partition_key=row.get("partition_key") or "",
        checked_below=tuple(row.get("checked_below") or ()),
        sequences=tuple((c, s, n) for c, s, n in row.get("sequences") or ()),
        tablespace=row.get("tablespace") or "",
        spaced=bool(row.get("spaced")),
        access_method=row.get("access_method") or "",
        published=tuple(row.get("published") or ()),
        row_held_by=tuple(row.get("row_held_by") or ()),
        owner=row.get("owner") or "",
        triggers=tuple(row.get("triggers") or ()),
        per_statement=tuple(row.get("per_statement") or ()),
        on_update_of=tuple(row.get("on_update_of") or ()),
        on_update=tuple(row.get("on_update") or ()),
        heirs=Heirs(**{key: frozenset(names or ()) for key, names in (row.get("heirs") or {}).items()}),
        views=tuple((c or "", s, n) for c, s, n in row.get("views") or ()),
    )


def _column(c: dict[str, Any], types: dict[int, dict[str, Any]]) -> Column:
    column = Column(**(c | {"dependents": tuple(c.get("dependents") or ())}))
    domain = types.get(column.type_oid)
    if domain is None or not domain["is_domain"]:
        return replace(column, base_oid=column.type_oid)
    return replace(column, base=domain["base"], base_oid=domain["base_oid"])


def _types(answer: dict[str, Any], request: Request) -> dict[str, Type]:
    rows = {t["oid"]: t for t in answer.get("types") or ()}
    found: dict[int, int] = dict(answer.get("typed") or ())
    types = {}
    for key, typed in enumerate(request.sources.types):
        if key not in found:
            types[typed] = Type(exists=False)
            continue
        row = rows[found[key]]
        users = tuple((s, n) for s, n in row["users"] or ())
        types[typed] = Type(**(row | {"users": users, "demands": tuple(row["demands"] or ())}))
    return types


def _functions(answer: dict[str, Any], request: Request) -> dict[str, tuple[Function, ...]]:
    found: dict[int, list[Function]] = {key: [] for key in range(len(request.sources.functions))}
    for key, *function in answer.get("functions") or ():
        found[key].append(Function(*function))
    return {quoted(parts): tuple(found[key]) for key, parts in enumerate(request.sources.functions)}


def _rows(row: dict[str, Any], size: int | None, block_size: int) -> int | None:
    """Rows at the last ANALYZE, scaled to the present size as the planner does (estimate_rel_size)."""
    if size == 0:
        return 0
    if row["analyzed_rows"] is None or row["analyzed_rows"] < 0:
        return None
    rows, pages, now = float(row["analyzed_rows"]), int(row["analyzed_pages"]), row["analyzed_size"]
    return round(rows if now is None else rows / pages * (int(now) / block_size))


def _constraint(c: dict[str, Any]) -> Constraint:
    return Constraint(
        name=c["name"],
        kind=c["kind"],
        validated=c["validated"],
        columns=tuple(c["columns"] or ()),
        definition=c["definition"] or "",
        index=c["index"],
        enforced=c["enforced"] is not False,
        inherited=c["inherited"],
        references=tuple(c["references"]) if c["references"] else None,
        whole_references=bool(c.get("whole_references")),
        beside=bool(c.get("beside")),
        comment=c.get("comment"),
    )


def _index(i: dict[str, Any]) -> Index:
    listed = {key: tuple(i.get(key) or ()) for key in ("columns", "mentions", "attributes")}
    texts = {key: i.get(key) or "" for key in ("definition", "shape", "tablespace")}
    above = i.get("above")
    return Index(**(i | listed | texts | {"above": tuple(above) if above else None}))


def _taken(answer: dict[str, Any]) -> dict[str, tuple[set[str], set[str]]]:
    taken: dict[str, tuple[set[str], set[str]]] = {}
    for schema, kind, name in answer.get("taken") or ():
        relations, constraints = taken.setdefault(schema, (set(), set()))
        (constraints if kind == "constraint" else relations).add(name)
    return taken
