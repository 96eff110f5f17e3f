"""Statements that nobody has thought of: changes of type, defaults and constraints, put together at random.

Many of them Postgres refuses; then nothing is compared.
"""

from __future__ import annotations

from hypothesis import strategies as st

LENGTHS = st.integers(1, 12)
PLAIN_TYPES = [
    "int",
    "bigint",
    "smallint",
    "oid",
    "real",
    "float8",
    "numeric",
    "bool",
    "text",
    "varchar",
    "bpchar",
    "char",
    "name",
    "bytea",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "json",
    "jsonb",
    "xml",
    "uuid",
    "money",
    "inet",
    "cidr",
    "macaddr",
    "varbit",
    "bit",
    "point",
    "int4range",
    "tsvector",
    "regclass",
    "regtype",
    "mood",
    "label",
    "short",
    "positive",
    "present",
    "over_label",
    "over_positive",
    "stamped",
    "pair",
    "int[]",
    "text[]",
    "varchar[]",
    "positive[]",
    "mood[]",
    "label[]",
    "timestamp[]",
    '"char"',
    "pg_catalog.int4",
    "public.label",
    "pg_catalog.varchar",
    "double precision",
    "character varying",
    "timestamp with time zone",
    "interval hour to minute",
    "interval day to second (3)",
]
TYPES = st.one_of(
    st.sampled_from(PLAIN_TYPES),
    LENGTHS.flatmap(
        lambda n: st.sampled_from(["varchar({})", "char({})", "varbit({})", "bit({})", "varchar({})[]", "numeric({})", "character varying ({})", "float({})"]).map(lambda f: f.format(n))
    ),
    st.tuples(LENGTHS, st.integers(0, 3), st.sampled_from(["numeric({},{})", "numeric({},{})[]", "decimal({}, {})"])).map(
        lambda t: t[2].format(t[0] + t[1], t[1])
    ),
    st.integers(0, 6).flatmap(
        lambda p: st.sampled_from(
            ["timestamp({})", "timestamptz({})", "time({})", "timetz({})", "interval({})", "interval second ({})", "timestamp({})[]"]
        ).map(lambda f: f.format(p))
    ),
)  # fmt: skip
USING = st.sampled_from(
    [
        "", "", "", " USING c::{new}", " USING (c)::{new}", " USING CAST(c AS {new})", " USING c::text::{new}", " USING g.c::{new}",
        " USING ((c))", " USING c::{old}::{new}", " USING coalesce(c, NULL)::{new}", " USING NULL", " USING c AT TIME ZONE 'UTC'",
    ]
)  # fmt: skip
COLLATIONS = st.sampled_from(["", "", "", "", ' COLLATE "C"', ' COLLATE "default"', " COLLATE plain_c"])
BESIDE = st.sampled_from(
    ["", "", "", ", ALTER c SET NOT NULL", ", ADD COLUMN y int", ", ALTER c DROP DEFAULT", ", DROP COLUMN id", ", ADD CHECK (id > 0) NOT VALID"]
)  # fmt: skip
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Etc/GMT", "0"]).map("SET LOCAL TimeZone = '{}'".format)

# What may be on the column already; what its type does not allow is left out.
FURNITURE = st.lists(
    st.sampled_from(
        [
            "CREATE INDEX ON g (c)",
            "CREATE INDEX ON g USING hash (c)",
            "CREATE INDEX ON g USING gin (c)",
            "CREATE INDEX ON g USING gist (c)",
            "CREATE INDEX ON g USING brin (c)",
            "CREATE INDEX ON g (id) WHERE c IS NOT NULL",
            "CREATE INDEX ON g (id) INCLUDE (c)",
            "CREATE INDEX ON g ((c IS NULL))",
            'CREATE INDEX ON g (c COLLATE "C")',
            "CREATE INDEX ON g (c text_pattern_ops)",
            "ALTER TABLE g ADD UNIQUE (c)",
            "ALTER TABLE g ADD CHECK (c IS NOT NULL)",
            "ALTER TABLE g ADD CHECK (c IS NOT NULL) NOT VALID",
            "ALTER TABLE g ADD CHECK (id > 0)",
            "ALTER TABLE g ALTER c SET NOT NULL",
            "ALTER TABLE g ALTER c SET DEFAULT NULL",
            "ALTER TABLE g ALTER c SET STORAGE EXTERNAL",
            "ALTER TABLE g ADD FOREIGN KEY (c) REFERENCES parent (id)",
            "ALTER TABLE g ADD FOREIGN KEY (c) REFERENCES parent (code) NOT VALID",
            "CREATE STATISTICS stats_of_g ON id, c FROM g",
            "CREATE TABLE g_heir () INHERITS (g)",
            "CREATE TABLE g_heir () INHERITS (g); CREATE INDEX ON g_heir (c)",
            "CREATE TABLE g_heir () INHERITS (g); CREATE INDEX ON g_heir (id) WHERE c IS NOT NULL",
            "CREATE TABLE g_heir () INHERITS (g); ALTER TABLE g_heir ADD CHECK (c IS NOT NULL)",
        ]
    ),
    max_size=3,
)  # fmt: skip

ATOMS = st.sampled_from(
    """
1|NULL|2+2|now()|random()|clock_timestamp()|fixed()|fixed(2)|steady()|loose()|mixed()|mixed(1)|CURRENT_TIMESTAMP|CURRENT_TIMESTAMP(2)
CURRENT_DATE|LOCALTIME|CURRENT_USER|nextval('counter')|txid_current()|gen_random_uuid()|'x'|pg_catalog.now()|other.now()|length('x')|ARRAY[1]
'{}'::jsonb|version()|1 %% 2|1 OPERATOR(public.%%) 2|1::tagged|'a'::label|CAST('1' AS positive)|timestamp '2020-01-01'|interval '1' day
now() AT TIME ZONE 'utc'|timezone('utc', now())|extract(epoch FROM now())|date_trunc('day', now())|'now'::timestamptz|row(1, 2)|true|-1
ARRAY[1, loose()]|(ARRAY[1, 2])[1]|jsonb_build_object('a', 1)|to_char(now(), 'YYYY')|overlay('abc' PLACING 'x' FROM 1)|substring('abc' FROM 2)
trim(both from ' a ')|position('a' in 'b')|nullif(1, 2)|greatest(1, 2)|currval('counter')|pg_backend_pid()|timeofday()|statement_timestamp()
current_setting('server_version')|inline_sql()|volatile_sql()|"loose"()|public.loose()|public."loose" ()|md5 ('x')|1 = 1|1 IN (1, loose())
E'a\\nb'|$$it's$$|U&'\\0061'|B'101'|x'1F'|1_0|1e3|0.5|'a' || 'b'|'a' LIKE 'b'|1 BETWEEN 0 AND 2|'x' COLLATE "C"
""".replace("\n", "|").strip("|").split("|")
)  # fmt: skip
DEFAULTS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        inner.map("coalesce({0}, {0})".format),
        inner.map("({})".format),
        inner.map("({})::text".format),
        inner.map("CAST({} AS text)".format),
        inner.map("md5(({})::text)".format),
        inner.map("CASE WHEN true THEN {0} ELSE {0} END".format),
        inner.map("CASE ({0})::text WHEN 'a' THEN 1 END".format),
        inner.map("({}) IS NULL".format),
        inner.map("ARRAY[{}]".format),
        st.tuples(inner, inner).map(lambda t: f"concat({t[0]}, {t[1]})"),
        inner.map("format('%s', {})".format),
        inner.map("/* now( */ {} -- loose()\n".format),
    ),
    max_leaves=4,
)
# What the column of a default is of, and how the default is made fit.
FITTED = st.sampled_from(
    ["text DEFAULT ({})::text", "text DEFAULT ({})::text", "text NOT NULL DEFAULT ({})::text", "int DEFAULT {}", "text DEFAULT {}", "tagged DEFAULT {}",
     "timestamptz DEFAULT {}", "bool DEFAULT ({})", "int[] DEFAULT {}", "label DEFAULT ({})::text", "positive DEFAULT {}", "numeric(8,2) DEFAULT {}",
     "varchar(20) DEFAULT ({})::text::varchar(9)", "text DEFAULT ({})::text UNIQUE", "text DEFAULT ({})::text CHECK (z <> 'q')", "jsonb DEFAULT {}"]
)  # fmt: skip

COLUMN_TYPES = st.sampled_from(
    ["text", "text", "int", "bigint", "varchar(5)", "numeric(8, 2)", "mood", "label", "positive", "present", "over_positive", "stamped", "rolled",
     "serial", "bigserial", "int[]", "positive[]", "pair", "timestamptz", "pg_catalog.int4", "missing_type", "public.label", "double precision"]
)  # fmt: skip
COLUMN_CLAUSES = st.lists(
    st.sampled_from(
        [
            "NOT NULL", "NULL", "UNIQUE", "PRIMARY KEY", "CHECK (true)", "CHECK (z IS NOT NULL) NO INHERIT", "CONSTRAINT k CHECK (z IS NOT NULL)",
            "CHECK (z IS NULL) NOT ENFORCED", "REFERENCES parent (note)", "REFERENCES parent", "CONSTRAINT k REFERENCES parent (code) ON DELETE SET NULL",
            "REFERENCES parent DEFERRABLE INITIALLY DEFERRED", "REFERENCES parent (id) NOT ENFORCED", "DEFAULT 'x'", "DEFAULT 1", "DEFAULT NULL",
            "DEFAULT now()", "DEFAULT random()", "GENERATED ALWAYS AS IDENTITY", "GENERATED BY DEFAULT AS IDENTITY (START 5)",
            "GENERATED ALWAYS AS (a) STORED", "GENERATED ALWAYS AS (a + 1) STORED", "GENERATED ALWAYS AS (a * 2) VIRTUAL", "GENERATED ALWAYS AS (a)",
            "GENERATED ALWAYS AS (fixed(a)) STORED", "UNIQUE NULLS NOT DISTINCT", "UNIQUE WITH (fillfactor = 70)", "UNIQUE DEFERRABLE", 'COLLATE "C"',
            "STORAGE EXTERNAL", "COMPRESSION pglz", "CONSTRAINT nn NOT NULL", "NOT NULL NO INHERIT", "CHECK (a > 0)", "CHECK (loose() > 0)",
        ]
    ),
    max_size=4,
    unique=True,
).map(" ".join)  # fmt: skip

TABLES = st.sampled_from(
    [
        "CREATE TABLE g (a int, b int NOT NULL, c text, r int4range); INSERT INTO g VALUES (1, 1, 'x')",
        "CREATE TABLE g (a int, b int NOT NULL, c text, r int4range)",
        "CREATE TABLE g (a int CHECK (a IS NOT NULL), b int NOT NULL PRIMARY KEY, c text, r int4range)",
        "CREATE TABLE g (a int, b int NOT NULL, c text, r int4range, CONSTRAINT k CHECK (a IS NOT NULL) NOT VALID); CREATE INDEX g_a ON g (a)",
        "CREATE TABLE g (a int, b int NOT NULL, c text, r int4range) PARTITION BY RANGE (a); CREATE TABLE g1 PARTITION OF g FOR VALUES FROM (0) TO (9)",
        "CREATE TABLE g (a int, b int NOT NULL, c text, r int4range) PARTITION BY LIST (b); CREATE TABLE g1 PARTITION OF g DEFAULT",
        "CREATE TABLE g (a int, b int NOT NULL, c text, r int4range) PARTITION BY LIST (b)",
        "CREATE TABLE g (a int, b int NOT NULL, c text, r int4range); CREATE TABLE g_heir (own int) INHERITS (g)",
        "CREATE TABLE g (a int, b int NOT NULL, c text, r int4range); CREATE VIEW g_view AS SELECT a FROM g; CREATE UNIQUE INDEX g_b ON g (b)",
    ]
)  # fmt: skip
NAMED = st.sampled_from(["", "", "CONSTRAINT k ", 'CONSTRAINT "a ""b" '])
KEYS = st.sampled_from(["a", "b", "a, b", "c", "b, c"])
ENDINGS = st.lists(
    st.sampled_from(["NOT VALID", "NOT ENFORCED", "ENFORCED", "NO INHERIT", "DEFERRABLE", "INITIALLY DEFERRED", "NOT DEFERRABLE"]), max_size=2, unique=True
).map(" ".join)  # fmt: skip
TABLE_CONSTRAINTS = st.one_of(
    st.sampled_from(["a > 0", "a IS NOT NULL", "true", "a > 0 AND b > 0", "fixed(a) > 0", "NULL", "c ~ 'x'", "g.a < g.b"]).map("CHECK ({})".format),
    st.tuples(
        st.sampled_from(["UNIQUE ", "UNIQUE NULLS NOT DISTINCT ", "PRIMARY KEY "]),
        KEYS,
        st.sampled_from(["", " INCLUDE (c)", " WITH (fillfactor = 50)", " USING INDEX TABLESPACE pg_default"]),
    ).map(lambda t: f"{t[0]}({t[1]}){t[2]}"),
    st.sampled_from(["UNIQUE USING INDEX g_b", "PRIMARY KEY USING INDEX g_b", "UNIQUE USING INDEX g_a", "PRIMARY KEY (b, r WITHOUT OVERLAPS)"]),
    st.sampled_from(["r WITH &&", "r WITH =", "r WITH &&) WHERE (a > 0", "int4range(a, b) WITH &&"]).map("EXCLUDE USING gist ({})".format),
    st.sampled_from(["a WITH =", "b WITH =, c WITH ="]).map("EXCLUDE ({})".format),
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["parent", "parent (id)", "parent (code)", "g (b)", "public.parent (id)"]),
        st.sampled_from(["", " MATCH FULL", " ON DELETE CASCADE", " ON UPDATE SET NULL ON DELETE RESTRICT"]),
    ).map(lambda t: f"FOREIGN KEY ({t[0]}) REFERENCES {t[1]}{t[2]}"),
    st.sampled_from(["a", "b", "c"]).map("NOT NULL {}".format),
)  # fmt: skip
WITH_IT = st.sampled_from(["", "", "", ", ALTER a SET NOT NULL", ", ADD COLUMN z int", ", ADD CHECK (b > 0)", ", DROP CONSTRAINT IF EXISTS k", ", ALTER c SET DEFAULT 'x'"])  # fmt: skip
ALTERED = st.sampled_from(
    [
        "ALTER TABLE g",
        "ALTER TABLE g",
        "ALTER TABLE IF EXISTS g",
        "ALTER TABLE ONLY g",
        "ALTER TABLE public.g",
        "ALTER TABLE g *",
    ]
)
