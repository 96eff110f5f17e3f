"""Types that are the same in every database: of these, only what a name means has to be asked.

Source: pg_type.dat, whose oids no release changes; format_type_extended (utils/adt/format_type.c).
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.catalog.facts import Type

# By oid, the name and what format_type() prints whatever the search_path is.
SPELLED: Mapping[int, tuple[str, str]] = {
    16: ("bool", "boolean"),
    20: ("int8", "bigint"),
    21: ("int2", "smallint"),
    23: ("int4", "integer"),
    700: ("float4", "real"),
    701: ("float8", "double precision"),
    1043: ("varchar", "character varying"),
    1083: ("time", "time without time zone"),
    1114: ("timestamp", "timestamp without time zone"),
    1184: ("timestamptz", "timestamp with time zone"),
    1186: ("interval", "interval"),
    1266: ("timetz", "time with time zone"),
    1562: ("varbit", "bit varying"),
    1700: ("numeric", "numeric"),
}
# By oid, the name, which is what it prints where the search_path finds it first.
PLAIN: Mapping[int, str] = {
    17: "bytea", 25: "text", 26: "oid", 114: "json", 142: "xml", 600: "point", 650: "cidr", 774: "macaddr8", 790: "money",
    829: "macaddr", 869: "inet", 1082: "date", 2950: "uuid", 3614: "tsvector", 3615: "tsquery", 3802: "jsonb",
    3904: "int4range", 3906: "numrange", 3908: "tsrange", 3910: "tstzrange", 3912: "daterange", 3926: "int8range",
    4072: "jsonpath",
}  # fmt: skip

# The names under which they are likely to be found: with a schema, only those of which it is sure what is printed.
NAMES = frozenset(
    [(name,) for name in PLAIN.values()]
    + [(*schema, name) for name, _ in SPELLED.values() for schema in ((), ("pg_catalog",))]
)


def told(oid: int, parts: tuple[str, ...]) -> Type | None:
    """The type of that oid, found under that name; None if it is none of these."""
    if oid in SPELLED:
        return Type(oid=oid, base=SPELLED[oid][1], base_oid=oid)
    if oid in PLAIN and parts == (PLAIN[oid],):
        return Type(oid=oid, base=PLAIN[oid], base_oid=oid)
    return None
