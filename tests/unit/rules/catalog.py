"""The database of the rules' pages: a few tables, large and small, as facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from proxy.catalog import lookup
from proxy.catalog.facts import MISSING, Column, Constraint, Facts, Function, Index, Referring, Relation, Setting, Type
from proxy.sql.statements import CreateTable, Statement

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GB = 1024**3


def _index(
    oid: int,
    name: str,
    table: Relation,
    column: str,
    *,
    valid: bool = True,
    constraint: str | None = None,
    where: str | None = None,
    unique: bool = True,
) -> Index:
    """On one column; ``where``: a column that its predicate mentions."""
    words = f"CREATE {'UNIQUE ' if unique else ''}INDEX {name} ON public.{table.name} USING btree ({column})"
    partitioned = table.kind == "p"
    return Index(
        oid,
        "public",
        name,
        table.oid,
        "public",
        table.name,
        valid,
        unique,
        partitioned=partitioned,
        constraint=constraint,
        columns=(column,),
        mentions=(column, where) if where else (column,),
        derived=where is not None,
        definition=words + (f" WHERE ({where} IS NOT NULL)" if where else ""),
        attributes=(column,),
        shape=f"{column} {where} {unique}",
        plain=True,
    )


def _table(
    oid: int, name: str, columns: str, size: int, rows: int, *, kind: str = "r", partitions: int = 0
) -> Relation:
    """``columns``: ``name:type``, text if there is no type; those that are NOT NULL with an exclamation mark."""
    given = [(*c.rstrip("!").partition(":"), c.endswith("!")) for c in columns.split()]
    found = {
        name: Column(name, type_.replace("_", " ") or "text", strict, plain=True) for name, _, type_, strict in given
    }
    return Relation(
        True, oid, "public", name, kind, size_bytes=size, rows=rows, has_children=bool(partitions), partitions=partitions,
        columns=found,
    )  # fmt: skip


def _with(table: Relation, constraints: list[Constraint], indexes: list[Index]) -> Relation:
    return replace(table, constraints={c.name: c for c in constraints}, indexes={i.name: i for i in indexes})


def _tables() -> dict[str, Relation]:
    orders = _table(
        1,
        "orders",
        "id:bigint! customer_id:bigint email:character_varying(50) total:numeric(8,2) status created:timestamp_without_time_zone valid",
        41 * GB,
        212_000_000,
    )
    customers = _table(2, "customers", "id:bigint! code!", 2 * GB, 11_000_000)
    events = replace(
        _table(3, "events", "id:bigint at:date! kind order_id:bigint", 90 * GB, 800_000_000, kind="p", partitions=24),
        partition_key="RANGE (at)",
    )
    visits = _table(4, "visits", "id page! at user_id:bigint", 7 * GB, 50_000_000)
    old_events = _table(5, "old_events", "id:bigint at:date! kind order_id:bigint", 4 * GB, 30_000_000)
    totals = _table(6, "totals", "day amount", 3 * GB, 20_000_000, kind="m")
    tags = _table(7, "tags", "id:integer!", 0, 0)
    orders = _with(
        orders,
        [
            Constraint("orders_pkey", "p", True, ("id",), "PRIMARY KEY (id)", "orders_pkey"),
            Constraint("total_given", "c", True, ("total",), "CHECK ((total IS NOT NULL))"),
            Constraint(
                "customer_is_known",
                "f",
                True,
                ("customer_id",),
                "FOREIGN KEY (customer_id) REFERENCES customers(id)",
                references=("public", "customers"),
            ),
        ],
        [
            _index(10, "orders_pkey", orders, "id", constraint="orders_pkey"),
            _index(11, "orders_total_idx", orders, "total"),
            _index(12, "orders_status_idx", orders, "status", valid=False),
        ],
    )
    customers = _with(
        customers,
        [Constraint("customers_pkey", "p", True, ("id",), "PRIMARY KEY (id)", "customers_pkey")],
        [
            _index(20, "customers_pkey", customers, "id", constraint="customers_pkey"),
            _index(21, "customers_code_idx", customers, "code"),
            _index(22, "customers_vip_idx", customers, "id", where="code"),
        ],
    )
    events = _with(events, [], [_index(30, "events_at_idx", events, "at")])
    visits = _with(
        visits,
        [Constraint("page_given", "c", False, ("page",), "CHECK ((page <> ''::text)) NOT VALID")],
        [
            _index(40, "visits_id_idx", visits, "id"),
            _index(41, "visits_known_idx", visits, "user_id", where="at", unique=False),
        ],
    )
    customers = replace(
        customers, referenced_by=(("public", "orders"),), referring=(Referring(("public", "orders"), ("id",)),)
    )
    old_events = _with(old_events, [], [_index(50, "old_events_at_idx", old_events, "at")])
    partition = replace(
        _table(8, "events_2020", "id:bigint at:date! kind order_id:bigint", GB, 7_000_000), is_partition=True
    )
    partition = replace(
        partition,
        parents=(("public", "events"),),
        partition_constraint="((at IS NOT NULL) AND (at >= '2020-01-01'::date) AND (at < '2021-01-01'::date))",
    )
    loose = _table(9, "loose_events", "id:bigint at:date! kind order_id:bigint", 2 * GB, 9_000_000)
    hits = replace(
        _table(10, "hits", "id:bigint at:date!", 5 * GB, 40_000_000, kind="p", partitions=3),
        default_partition=("public", "hits_rest"),
        partition_key="RANGE (at)",
    )
    rest = replace(
        _table(12, "hits_rest", "id:bigint at:date!", GB, 9_000_000),
        is_partition=True,
        parents=(("public", "hits"),),
        bound="DEFAULT",
    )
    metrics = replace(
        _table(13, "metrics", "id:bigint at:date! sensor:bigint", 30 * GB, 200_000_000, kind="p", partitions=2),
        partition_key="RANGE (at)",
    )
    years = [
        replace(
            _table(number, f"metrics_{year}", "", 15 * GB, 100_000_000),
            is_partition=True,
            parents=(("public", "metrics"),),
            bound=f"FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')",
        )
        for number, year in ((14, 2026), (15, 2027))
    ]
    daily = _table(16, "daily", "day amount", 3 * GB, 20_000_000, kind="m")
    daily = _with(daily, [], [_index(80, "daily_day_idx", daily, "day")])
    readings = replace(
        _table(11, "readings", "id:bigint at!", 8 * GB, 60_000_000, kind="p", partitions=2),
        detaching=(("public", "readings_2019"),),
    )
    tags = _with(tags, [], [_index(70, "tags_id_idx", tags, "id")])
    return {
        t.name: t
        for t in (
            *(orders, customers, events, visits, old_events, totals, tags, partition, loose, hits, readings),
            *(rest, metrics, *years, daily),
        )
    }


TABLES = _tables()
FUNCTIONS = {'"now"': (Function(False, 0, 0),), '"gen_random_uuid"': (Function(True, 0, 0),)}
TYPES = {
    "positive_amount": Type(
        oid=100, base="integer", base_oid=23, is_domain=True, constrained=True, demands=("CHECK ((VALUE > 0))",)
    ),
    "amount": Type(oid=101, base="integer", base_oid=23, is_domain=True, users=(("public", "orders"),)),
    "mood": Type(oid=102),
}
INDEXES = {
    index.name: Relation(
        True, index.oid, "public", index.name, "I" if index.partitioned else "i", index=index, size_bytes=GB
    )
    for table in TABLES.values()
    for index in table.indexes.values()
}


def facts(statement: Statement, version: int, new: frozenset[str] = frozenset()) -> Facts:
    """What lookup would say of the names in ``statement``; ``new``: tables made earlier in the same transaction."""
    relations: dict[tuple[str, ...], Relation] = {}
    for wanted in lookup.request(statement).wanted:
        name = wanted.parts[-1]
        made = Relation(True, 99, "public", name, is_new=True, size_bytes=0, rows=0) if name in new else MISSING
        relations[wanted.parts] = {**INDEXES, **TABLES}.get(name, made)
    found = [r for r in relations.values() if r.exists]
    for relation in found:  # the table of an index, and the partitions of a table
        below = [t for t in TABLES.values() if relation.kind == "p" and relation.qualified in t.parents]
        beside = [t for t in TABLES.values() if relation.index is not None and relation.index.table_oid == t.oid]
        relations |= {t.qualified: t for t in (*below, *beside) if t.qualified not in relations}
    names = frozenset({*TABLES, *INDEXES})
    constraints = frozenset(c for t in TABLES.values() for c in t.constraints)
    return replace(
        Facts.text_only(version * 10000 + 1, NOW),
        live=True,
        relations=relations,
        settings={"TimeZone": Setting("Europe/Berlin", "database")},
        types=TYPES,
        functions=FUNCTIONS,
        taken_relations={"public": names},
        taken_constraints={"public": constraints},
    )


def made_by(statement: Statement) -> frozenset[str]:
    node = statement.node
    return frozenset({node.relation.name}) if isinstance(node, CreateTable) else frozenset()
