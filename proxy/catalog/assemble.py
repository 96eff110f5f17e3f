"""Relations from the rows of the catalog that ``lookup.sql`` answers with.

Numbers stand for names there (of columns, tables, indexes): to join them here takes microseconds, in the query milliseconds of
planning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from proxy.catalog.facts import Column, Constraint, Heirs, Index, Referring, Relation
from proxy.catalog.regnames import unquoted
from proxy.records import replace

Row = dict[str, Any]
Oid = int
Pair = tuple[str, str]  # schema and name

# They have no row among the columns; a CHECK may be about one.
SYSTEM_COLUMNS = {-1: "ctid", -2: "xmin", -3: "cmin", -4: "xmax", -5: "cmax", -6: "tableoid"}
BACKED = frozenset("pux")  # pg_constraint.contype of those that an index backs


@dataclass(slots=True)
class _Rows:
    """The answer, by the oid of the relation that a row is about."""

    relations: dict[Oid, Row]
    block_size: int
    columns: dict[Oid, list[Row]]
    constraints: dict[Oid, list[Row]]
    indexes: dict[Oid, list[Row]]
    sizes: dict[Oid, list[Any]]
    named: dict[Oid, str] = field(default_factory=dict)  # indexes
    backed: dict[Oid, str] = field(default_factory=dict)  # constraints, by the index behind each
    numbers: dict[Oid, dict[int, str]] = field(default_factory=dict)  # names of columns by their number
    required: dict[Oid, list[str]] = field(default_factory=lambda: defaultdict(list))
    titles: dict[Oid, Pair] = field(default_factory=dict)
    temporary: str = ""  # the session's own schema of temporary relations, which is called pg_temp in their identity
    parents: dict[Oid, list[Pair]] = field(default_factory=lambda: defaultdict(list))
    detaching: dict[Oid, list[Pair]] = field(default_factory=lambda: defaultdict(list))
    pending: set[Oid] = field(default_factory=set)
    defaults: dict[Oid, Oid] = field(default_factory=dict)
    parent_oids: dict[Oid, set[Oid]] = field(default_factory=lambda: defaultdict(set))
    above: dict[Oid, Pair] = field(default_factory=dict)
    sequences: dict[Oid, list[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(list))
    fresh: frozenset[Oid] = frozenset()
    building: frozenset[Oid] = frozenset()


def relations(answer: Mapping[str, Any], bases: Mapping[Oid, tuple[str, Oid]]) -> dict[Oid, Relation]:
    """Each relation of the answer; ``bases``: what domains are over, in words, and its oid."""
    rows = _rows(answer)
    return {oid: _relation(row, rows, bases) for oid, row in rows.relations.items()}


def created(answer: Mapping[str, Any]) -> frozenset[Oid]:
    """The relations that the open transaction has created: all that is written at a creation is its own."""
    births: dict[Oid, bool] = {}
    for oid, ours in answer.get("births") or ():
        births[oid] = ours and births.get(oid, True)
    return frozenset(oid for oid, ours in births.items() if ours)


def _by_table(rows: Iterable[Row] | None) -> dict[Oid, list[Row]]:
    found: dict[Oid, list[Row]] = defaultdict(list)
    for row in rows or ():
        found[row["table"]].append(row)
    return found


def _by_name(indexes: Iterable[Row]) -> list[Row]:
    """The rows with the names alone, and in their order."""
    named = [row | {"name": unquoted(row["name"])[-1]} for row in indexes]
    return sorted(named, key=itemgetter("name"))


def _rows(answer: Mapping[str, Any]) -> _Rows:
    rows = _Rows(
        relations={r["oid"]: r for r in answer["relations"] or ()},
        block_size=answer["block_size"],
        columns=_by_table(answer["columns"]),
        constraints=_by_table(answer["constraints"]),
        indexes=_by_table(_by_name(answer["indexes"] or ())),
        sizes={root: size for root, *size in answer.get("sizes") or ()},
        temporary=answer["temporary"],
        fresh=created(answer),
        building=frozenset(answer.get("building") or ()),
        defaults=dict(answer.get("default_partitions") or ()),
    )
    for row in rows.relations.values():
        rows.titles[row["oid"]] = (unquoted(row["schema"])[-1], row["name"])
        rows.sizes.setdefault(row["oid"], _own_size(row))
    rows.named = {i["oid"]: i["name"] for many in rows.indexes.values() for i in many}
    rows.backed = {k["index"]: k["name"] for k in answer["constraints"] or () if k["kind"] in BACKED}
    for oid, columns in rows.columns.items():
        rows.numbers[oid] = SYSTEM_COLUMNS | {c["number"]: c["name"] for c in columns}
    for oid, number, name, not_null in answer.get("attributes") or ():
        rows.numbers.setdefault(oid, dict(SYSTEM_COLUMNS))[number] = name
        if not_null:
            rows.required[oid].append(name)
    _inherited(answer, rows)
    for oid, number, schema, name in answer.get("sequences") or ():
        rows.sequences[oid].append((rows.numbers[oid][number], unquoted(schema)[-1], name))
    return rows


def _inherited(answer: Mapping[str, Any], rows: _Rows) -> None:
    for child, parent, pending, above, below, _ in sorted(answer["kin"] or (), key=itemgetter(0, 5)):
        rows.parent_oids[child].add(parent)
        if child in rows.relations and above is not None:
            rows.parents[child].append(_identified(above, rows))
            if pending:
                rows.pending.add(child)
        if pending and below is not None:
            rows.detaching[parent].append(_identified(below, rows))
    for index, _, name, schema in answer.get("above") or ():
        rows.above[index] = (unquoted(schema)[-1], name)


def _identified(identity: str, rows: _Rows) -> Pair:
    """Schema and name in what pg_identify_object() says."""
    schema, name = unquoted(identity)
    return (rows.temporary if schema == "pg_temp" else schema, name)


def _own_size(row: Row) -> list[Any]:
    """As of a tree, of a relation that nothing inherits from."""
    heap, toast = row["heap"], row["toast"]
    size = None if heap is None or toast is None else heap + toast
    analyzed = [heap, row["pages"], row["rows"]] if heap is not None and row["pages"] > 0 else [None, None, None]
    return [row["has_subclass"], 0, size, *analyzed]


def _relation(row: Row, rows: _Rows, bases: Mapping[Oid, tuple[str, Oid]]) -> Relation:
    oid, kind = row["oid"], row["kind"]
    has_children, leaves, size, analyzed_size, analyzed_pages, analyzed_rows = rows.sizes[oid]
    size = None if size is None else int(size)
    indexes: dict[str, Index] = {}
    index = None
    table = oid
    if kind in "iI":
        index, table = next(
            ((_index(i, rows), t) for t, many in rows.indexes.items() for i in many if i["oid"] == oid), (None, oid)
        )
    else:
        indexes = {i["name"]: _index(i, rows) for i in rows.indexes.get(oid, ())}
    default = rows.titles.get(rows.defaults.get(oid, 0))
    referring = row.get("referenced_by") or ()
    return Relation(
        exists=True,
        oid=oid,
        schema=rows.titles[oid][0],
        name=row["name"],
        kind=kind,
        persistence=row["persistence"],
        is_new=table in rows.fresh,
        is_partition=row["is_partition"],
        populated=row["populated"],
        bound=row.get("bound") or "",
        partition_constraint=row.get("partition_constraint") or "",
        required=tuple(rows.required.get(oid, ())),
        pending_checks=tuple(row.get("pending_checks") or ()),
        detach_pending=oid in rows.pending,
        has_children=has_children,
        partitions=leaves if kind in "pI" else 0,
        below=frozenset(row.get("below") or ()),
        above=frozenset(rows.parent_oids.get(oid, ())) | frozenset(row.get("ancestors") or ()),
        size_bytes=size,
        rows=_estimate(size, rows.block_size, analyzed_size, analyzed_pages, analyzed_rows),
        being_built=table in rows.building,
        columns={c.name: c for c in _columns(oid, rows, bases)},
        constraints={
            k["name"]: _constraint(k, rows) for k in sorted(rows.constraints.get(oid, ()), key=itemgetter("name"))
        },
        indexes=indexes,
        index=index,
        parents=tuple(rows.parents.get(oid, ())),
        detaching=tuple(sorted(rows.detaching.get(oid, ()))) if kind == "p" else (),
        default_partition=default,
        referenced_by=tuple(dict.fromkeys((s, n) for s, n, *_ in referring)),
        referring=tuple(Referring((s, n), tuple(c or ()), *more) for s, n, c, *more in referring),
        partition_key=row.get("partition_key") or "",
        checked_below=tuple(name for name, leaves_with in row.get("checked_below") or () if leaves_with == leaves),
        sequences=tuple(rows.sequences.get(oid, ())),
        tablespace=row.get("tablespace") or "",
        spaced=row["spaced"],
        access_method=row.get("access_method") or "",
        published=tuple(row.get("published") or ()),
        row_held_by=tuple(row.get("row_held_by") or ()),
        owner=row.get("owner") or "",
        triggers=tuple(row.get("triggers") or ()),
        per_statement=tuple(row.get("per_statement") or ()),
        on_update_of=tuple(row.get("on_update_of") or ()),
        on_update=tuple(row.get("on_update") or ()),
        heirs=_heirs(row["heirs"], rows) if row.get("heirs") else Heirs(),
        views=tuple((c or "", s, n) for c, s, n in row.get("views") or ()),
    )


def _estimate(
    size: int | None, block_size: int, analyzed_size: Any, analyzed_pages: Any, analyzed_rows: Any
) -> int | None:
    """Rows at the last ANALYZE, scaled to the present size as the planner does (estimate_rel_size)."""
    if size == 0:
        return 0
    if analyzed_rows is None or analyzed_rows < 0:
        return None
    rows, pages = float(analyzed_rows), int(analyzed_pages)
    return round(rows if analyzed_size is None else rows / pages * (int(analyzed_size) / block_size))


def _columns(oid: Oid, rows: _Rows, bases: Mapping[Oid, tuple[str, Oid]]) -> Iterable[Column]:
    invalid = {
        tuple(k["numbers"] or ()) for k in rows.constraints.get(oid, ()) if k["kind"] == "n" and not k["validated"]
    }
    for c in sorted(rows.columns.get(oid, ()), key=itemgetter("number")):
        collation, type_oid = c.get("collation"), c["type_oid"]
        base, base_oid = bases.get(type_oid, ("", type_oid))
        column = Column(
            name=c["name"],
            type=c["type"],
            not_null=c["not_null"],
            not_null_valid=(c["number"],) not in invalid,
            generated=c["generated"],
            type_oid=type_oid,
            base=base,
            base_oid=base_oid,
            collation=unquoted(collation)[-1] if collation else "",
            has_default=c["has_default"],
            identity=c["identity"],
            stored=c["stored"],
        )
        more: dict[str, Any] = {
            key: c[key] for key in ("adjusted", "default", "comment", "plain", "state", "numbering") if key in c
        }
        if "dependents" in c:
            more["dependents"] = tuple(c["dependents"] or ())
        yield replace(column, **more) if more else column


def _constraint(k: Row, rows: _Rows) -> Constraint:
    table = k["table"]
    names = rows.numbers.get(table, {})
    # Up to 17, VALIDATE leaves out the rows that a key has for the partitions of the other table.
    beside = bool(k["above"]) and any(one["oid"] == k["above"] for one in rows.constraints[table])
    return Constraint(
        name=k["name"],
        kind=k["kind"],
        validated=k["validated"] or beside,
        columns=tuple([names[n] for n in k["numbers"] or () if n in names]),
        definition=k["definition"] or "",
        index=rows.named.get(k["index"]) if k["kind"] in BACKED else None,
        enforced=k["enforced"] is not False,
        inherited=bool(k["above"]) or (k["kind"] == "n" and k["local"] is False),
        references=_identified(k["references"], rows) if k["references"] else None,
        whole_references=bool(k.get("whole")),
        beside=beside,
        comment=k.get("comment"),
    )


def _makeup(made: Row | None) -> dict[str, Any]:
    """What an index is made of, where it was asked for."""
    if made is None:
        return {}
    keys: list[tuple[str, bool]] = made["keys"] or []
    own = {name for name, is_columns_own in keys if is_columns_own}
    collated = tuple(dict.fromkeys(name for name, _ in keys if name not in own))
    return {"mentions": tuple(made["mentions"] or ()), "reshaped": made["reshaped"], "collated": collated}


def _heirs(row: Row, rows: _Rows) -> Heirs:
    indexes = []
    for i in _by_name(row["indexes"] or ()):
        schema, table = _identified(i["table"], rows)
        columns = tuple(name for name, _ in i["makeup"]["keys"] or ())
        flags = {name: i[name] for name in ("valid", "unique", "derived", "partition", "partitioned")}
        made = Index(
            i["oid"], schema, i["name"], i["table_oid"], schema, table, columns=columns, **flags, **_makeup(i["makeup"])
        )
        indexes.append(made)
    return Heirs(tuple(tuple(columns) for columns in row["checked"] or ()), tuple(indexes))


def _index(i: Row, rows: _Rows) -> Index:
    table = i["table"]
    names = rows.numbers.get(table, {})
    schema, title = rows.titles[table]
    return Index(
        oid=i["oid"],
        schema=schema,  # an index lives in the schema of its table
        name=i["name"],
        table_oid=table,
        table_schema=schema,
        table=title,
        valid=i["valid"],
        unique=i["unique"],
        partitioned=rows.relations[table]["kind"] == "p",
        partition=i.get("partition", False),
        constraint=rows.backed.get(i["oid"]),
        columns=tuple([names[n] for n in i["numbers"][: i["keys"]] if n > 0]),
        derived=i["derived"],
        **_makeup(i.get("makeup")),
        immediate=i["immediate"],
        above=rows.above.get(i["oid"]),
        definition=i.get("definition") or "",
        attributes=tuple(i.get("attributes") or ()),
        tablespace=i.get("tablespace") or "",
        shape=i.get("shape") or "",
        plain=bool(i.get("plain")),
    )
