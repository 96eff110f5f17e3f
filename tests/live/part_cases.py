"""The forms of statements about partitioned tables whose plans tests/live/test_plans.py tries."""

from __future__ import annotations

from functools import partial

from tests.live.plan_cases import Case
from tests.servers import Server

LONG = "measurements_of_every_sensor_in_the_house_by_the_hour_"  # the names of its partitions' indexes are cut alike

TABLES = f"""
CREATE TABLE people (id int PRIMARY KEY);
INSERT INTO people SELECT g FROM generate_series(0, 99) g;
CREATE TABLE ev (id int, at int NOT NULL, kind text, note varchar(20)) PARTITION BY RANGE (at);
CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM (0) TO (10);
CREATE TABLE ev_2 PARTITION OF ev FOR VALUES FROM (10) TO (20) PARTITION BY LIST (kind);
CREATE TABLE ev_2a PARTITION OF ev_2 FOR VALUES IN ('a');
CREATE TABLE ev_2b PARTITION OF ev_2 FOR VALUES IN ('b');
CREATE TABLE ev_d PARTITION OF ev DEFAULT;
INSERT INTO ev SELECT g, g % 30, CASE WHEN g % 2 = 0 THEN 'a' ELSE 'b' END, 'n' || g FROM generate_series(0, 89) g;
CREATE TABLE {LONG} (id int, at bigint, "Some Column" int) PARTITION BY RANGE (at);
CREATE TABLE {LONG}_c PARTITION OF {LONG} FOR VALUES FROM (9) TO (100);
CREATE TABLE {LONG}_b PARTITION OF {LONG} FOR VALUES FROM (-5) TO (9);
CREATE TABLE {LONG}_a PARTITION OF {LONG} FOR VALUES FROM (100) TO (200);
INSERT INTO {LONG} SELECT g, g, g FROM generate_series(-5, 199) g;
CREATE SCHEMA IF NOT EXISTS elsewhere;
"""
FOREIGN = """
CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public;
DO $$ BEGIN CREATE SERVER nowhere FOREIGN DATA WRAPPER postgres_fdw; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE FOREIGN TABLE ev_far PARTITION OF ev FOR VALUES FROM (100) TO (200) SERVER nowhere;
"""


def make_tablespace(server: Server) -> None:
    """The one that cases call ``apart``."""
    with server.connect() as connection:
        if connection.execute("SELECT FROM pg_tablespace WHERE spcname = 'apart'").fetchone() is None:
            connection.execute("SET allow_in_place_tablespaces = on")
            connection.execute("CREATE TABLESPACE apart LOCATION ''")


PLACES = """
CREATE TABLE places (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE places_1 PARTITION OF places FOR VALUES FROM (0) TO (50);
CREATE TABLE places_2 PARTITION OF places FOR VALUES FROM (50) TO (100);
INSERT INTO places SELECT g FROM generate_series(0, 99) g;
"""

Part = partial(Case, tables=TABLES, group="parts: ")
SAME = "UPDATE ev SET id = 5 WHERE id = 65 OR id = 5"

INDEXES = [
    Part("CREATE INDEX ev_kind ON ev (kind)"),
    Part("CREATE INDEX ON ev (kind)"),
    Part("CREATE INDEX IF NOT EXISTS ev_kind ON ev USING btree (kind DESC NULLS LAST, id) INCLUDE (note)"),
    Part("CREATE INDEX ON ev (lower(kind), (id + 1), note) WHERE id > 3"),
    Part("CREATE UNIQUE INDEX u ON ev (at, id, kind)", SAME),
    Part("CREATE UNIQUE INDEX ON ev (at, kind, id) NULLS NOT DISTINCT", SAME, since=15),
    Part("CREATE INDEX ON ev (kind text_pattern_ops, note COLLATE \"C\") WITH (fillfactor = 70) TABLESPACE apart"),
    Part("CREATE INDEX hashed ON ev USING hash (kind)"),
    Part("CREATE INDEX ON ev_2 (id)"),
    Part(f'CREATE INDEX ON {LONG} ("Some Column", id)'),
    Part("CREATE INDEX ON ev (kind)", before="CREATE INDEX ready ON ev_1 (kind); CREATE INDEX ON ev_2b (kind DESC)"),
    Part("CREATE INDEX ON ev (kind)", before="CREATE INDEX ready ON ev_2 (kind); CREATE INDEX other ON ev_1 (id, kind)"),
    Part("CREATE INDEX ON ev (lower(note))", before="CREATE INDEX ready ON ev_1 (lower(note)); CREATE INDEX same ON ev_1 (lower(note))"),
    Part("CREATE INDEX ON ev (kind)", before="CREATE INDEX one ON ev (kind)"),
    Part("CREATE INDEX ON ev (kind)", before="ALTER TABLE people ADD CONSTRAINT ev_kind_idx CHECK (id < 1000), ADD CONSTRAINT ev_1_kind_idx CHECK (id < 1000)"),
    Part("CREATE INDEX ON ev (kind)", before="CREATE TABLE ev_1_kind_idx (a int); CREATE INDEX ev_2b_kind_idx ON ev_2b (id)"),
    Part("CREATE INDEX far ON ev (kind)", before=FOREIGN),
]  # fmt: skip

NULL_ID = "UPDATE ev SET id = NULL WHERE id = 65"
PK = "ALTER TABLE ev_1 ALTER id SET NOT NULL, ALTER kind SET NOT NULL, ADD CONSTRAINT ready PRIMARY KEY (at, id, kind)"
UNIQUES = [
    Part("ALTER TABLE ev ADD CONSTRAINT u UNIQUE (at, kind, id)", SAME),
    Part("ALTER TABLE ev ADD UNIQUE (at, kind, id) INCLUDE (note)", SAME),
    Part("ALTER TABLE ev ADD UNIQUE NULLS NOT DISTINCT (kind, at, id)", SAME, since=15),
    Part("alter table if exists ev add unique (at, kind, id) with (fillfactor = 80) using index tablespace apart deferrable", SAME),
    Part(f"ALTER TABLE {LONG} ADD UNIQUE (at, \"Some Column\")"),
    Part("ALTER TABLE ev ADD UNIQUE (at, kind)", before="DELETE FROM ev WHERE id > 9; ALTER TABLE ev_1 ADD UNIQUE (at, kind)"),
    Part("ALTER TABLE ev ADD UNIQUE (at, kind, id)", before="CREATE UNIQUE INDEX ev_1_at_kind_id_key ON ev_1 (at, kind, id)"),
    Part("ALTER TABLE ev ADD UNIQUE (at, kind, id)", before="ALTER TABLE ev_2 ADD CONSTRAINT ready UNIQUE (at, kind, id)"),
    Part("ALTER TABLE ev ADD PRIMARY KEY (at, kind, id)", NULL_ID),
    Part("ALTER TABLE ev ADD CONSTRAINT pk PRIMARY KEY (id, kind, at)", SAME, before="ALTER TABLE ev_2 ALTER id SET NOT NULL"),
    Part("ALTER TABLE ev ADD CONSTRAINT pk PRIMARY KEY (at, id, kind) INCLUDE (note)", before="ALTER TABLE ev ALTER id SET NOT NULL, ALTER kind SET NOT NULL"),
    Part("ALTER TABLE ev ADD PRIMARY KEY (at, id, kind)", before=PK),
    Part("ALTER TABLE ev_2 ADD UNIQUE (id, kind)"),
]  # fmt: skip

ORPHAN = "UPDATE ev SET id = 999 WHERE id = 65"
KEYS = [
    Part("ALTER TABLE ev ADD FOREIGN KEY (id) REFERENCES people", ORPHAN),
    Part("ALTER TABLE ev ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES people (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED", ORPHAN),
    Part("ALTER TABLE ev ADD FOREIGN KEY (id) REFERENCES places ON UPDATE SET NULL", ORPHAN, before=PLACES),
    Part("ALTER TABLE ev ADD FOREIGN KEY (id) REFERENCES people", before="ALTER TABLE ev_1 ADD FOREIGN KEY (id) REFERENCES people; ALTER TABLE ev_2 ADD CONSTRAINT mine FOREIGN KEY (id) REFERENCES people"),
    Part("ALTER TABLE ev ADD FOREIGN KEY (id) REFERENCES people", before="ALTER TABLE ev_1 ADD CONSTRAINT ev_id_fkey CHECK (id > -1), ADD FOREIGN KEY (id) REFERENCES people NOT VALID"),
    Part("ALTER TABLE ev_2 ADD FOREIGN KEY (id) REFERENCES people MATCH FULL", ORPHAN.replace("65", "10")),
]  # fmt: skip

NEW = "CREATE TABLE new (note varchar(20), id int, at int NOT NULL, kind text); INSERT INTO new SELECT 'n', g, 40 + g % 5, 'a' FROM generate_series(0, 49) g;"
NO_DEFAULT = "DROP TABLE ev_d;"
FULL = """
ALTER TABLE ev ADD UNIQUE (at, kind, id) INCLUDE (note) WITH (fillfactor = 80) DEFERRABLE;
CREATE INDEX ON ev (lower(kind), (id + 1)) WHERE id > 3; CREATE INDEX ON ev USING hash (note);
CREATE UNIQUE INDEX spaced ON ev (at, id, kind) TABLESPACE apart WHERE at > 0;
"""
ATTACH = "ALTER TABLE ev ATTACH PARTITION new FOR VALUES FROM (40) TO (45)"
ATTACHES = [
    Part(ATTACH, "INSERT INTO ev VALUES (1, 41, 'a', 'n')", before=NEW),
    Part(ATTACH.replace("40", "41"), before=NO_DEFAULT + NEW.replace("40", "41").replace("% 5", "% 4")),
    Part(ATTACH, before=NO_DEFAULT + NEW + FULL),
    Part(ATTACH, before=NEW + FULL + "ALTER TABLE people ADD CONSTRAINT new_note_idx CHECK (id < 1000), ADD CONSTRAINT new_at_kind_id_note_key CHECK (id < 1000)"),
    Part(ATTACH, before=NEW + "ALTER TABLE new ALTER id SET NOT NULL, ALTER kind SET NOT NULL; ALTER TABLE ev ADD PRIMARY KEY (at, kind, id)"),
    Part(ATTACH, before=NEW + FULL + "CREATE INDEX ready ON new USING hash (note);"
        " CREATE UNIQUE INDEX new_at_kind_id_note_key ON new (at, kind, id) INCLUDE (note)"),
    Part(ATTACH, before=NEW + "ALTER TABLE ev ADD FOREIGN KEY (id) REFERENCES people"),
    Part(ATTACH, before=NEW + "ALTER TABLE ev ADD FOREIGN KEY (id) REFERENCES people; ALTER TABLE new ADD CONSTRAINT mine FOREIGN KEY (id) REFERENCES people"),
    Part("ALTER TABLE ev_2 ATTACH PARTITION new FOR VALUES IN ('c', NULL)", before=NEW + "UPDATE new SET at = 11, kind = 'c'"),
    Part(ATTACH, before="CREATE TABLE new (LIKE ev) PARTITION BY LIST (kind); CREATE TABLE new_a PARTITION OF new FOR VALUES IN ('a');"
        " INSERT INTO new SELECT g, 40 + g % 5, 'a', 'n' FROM generate_series(0, 49) g;" + FULL),
    Part(ATTACH, before=NEW + "CREATE TABLE o (at int, kind text, id int); ALTER TABLE ev ADD UNIQUE (at, kind, id);"
        " ALTER TABLE o ADD FOREIGN KEY (at, kind, id) REFERENCES ev (at, kind, id)"),
]  # fmt: skip

MORE = """
ALTER TABLE ev ADD CONSTRAINT early CHECK (at < 1000), ADD CHECK (id > -1) NOT VALID, ADD COLUMN gone int, ADD COLUMN twice int
    GENERATED ALWAYS AS (id * 2) STORED, ADD COLUMN big text DEFAULT 'x' COLLATE "C", ADD COLUMN s serial, ALTER note SET STORAGE EXTERNAL, ALTER kind SET DEFAULT 'a', ALTER id SET STATISTICS 55;
ALTER TABLE ev DROP COLUMN gone, ADD FOREIGN KEY (id) REFERENCES people ON DELETE SET NULL, ADD UNIQUE (at, kind, id);
COMMENT ON COLUMN ev.id IS 'which'; CREATE INDEX ON ev (lower(kind)); ALTER TABLE ev ENABLE ROW LEVEL SECURITY;
CREATE STATISTICS st ON id, kind FROM ev;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER t AFTER INSERT ON ev FOR EACH ROW EXECUTE FUNCTION f();
CREATE TABLE o (at int, kind text, id int, FOREIGN KEY (at, kind, id) REFERENCES ev (at, kind, id));
"""
NUMBERED = """
CREATE TABLE num (id int GENERATED ALWAYS AS IDENTITY, at int) PARTITION BY RANGE (at);
CREATE TABLE num_1 PARTITION OF num FOR VALUES FROM (0) TO (10);
"""
Made = partial(Part, repeats=False, replans=False)
PARTITION_OFS = [
    Made("CREATE TABLE new PARTITION OF ev FOR VALUES FROM (40) TO (45)", "INSERT INTO ev VALUES (1, 41, 'a', 'n')"),
    Made("CREATE TABLE IF NOT EXISTS new PARTITION OF ev FOR VALUES FROM (MINVALUE) TO (0) PARTITION BY HASH (id)", before=NO_DEFAULT),
    Made("CREATE UNLOGGED TABLE new PARTITION OF ev FOR VALUES FROM (40) TO (45) WITH (fillfactor = 70) TABLESPACE apart", before=NO_DEFAULT),
    Made("CREATE TABLE new PARTITION OF ev DEFAULT", before=NO_DEFAULT + MORE),
    Made("CREATE TABLE new PARTITION OF ev FOR VALUES FROM (40) TO (41)", before=MORE),
    Made("CREATE TABLE new PARTITION OF num FOR VALUES FROM (40) TO (41)", before=NUMBERED),
    Made("CREATE TABLE new PARTITION OF ev_2 FOR VALUES IN ('x', NULL)", before=NO_DEFAULT + MORE),
    Made("CREATE TABLE new PARTITION OF places FOR VALUES FROM (100) TO (200)", before=PLACES + "ALTER TABLE ev ADD FOREIGN KEY (id) REFERENCES places"),
    Made("CREATE TABLE new PARTITION OF ev FOR VALUES FROM (40) TO (41)", since=18, before=NO_DEFAULT + "ALTER TABLE ev ADD CONSTRAINT given NOT NULL id, ADD FOREIGN KEY (id) REFERENCES people NOT VALID, ADD v int GENERATED ALWAYS AS (id + 1) VIRTUAL"),
]  # fmt: skip

DETACHES = [
    Part("ALTER TABLE ev DETACH PARTITION ev_1", since=14, before=NO_DEFAULT),
    Part("ALTER TABLE ev DETACH PARTITION ev_2", since=14, before=NO_DEFAULT + FULL),
    Part("ALTER TABLE ev_2 DETACH PARTITION ev_2a", since=14, before="ALTER TABLE ev_2a ADD CONSTRAINT mine CHECK (kind = 'a')"),
    Part("ALTER TABLE ev DETACH PARTITION ev_1", since=14, before=NO_DEFAULT + "ALTER TABLE ev_1 ADD CHECK (at IS NOT NULL AND at >= 0 AND at < 10)"),
    Part("ALTER TABLE ev DETACH PARTITION ev_1", since=14, before=NO_DEFAULT + "ALTER TABLE ev_1 ADD CONSTRAINT ev_1_at_check CHECK (id > -2)"),
    Part("ALTER TABLE two DETACH PARTITION two_1", since=14, before="CREATE TABLE two (a int, b int) PARTITION BY RANGE (a, b);"
        " CREATE TABLE two_1 PARTITION OF two FOR VALUES FROM (1, 2) TO (3, MAXVALUE)"),
    Part("ALTER TABLE hashed DETACH PARTITION hashed_1", since=14, before="CREATE TABLE hashed (a int, b text) PARTITION BY HASH (b);"
        " CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0)"),
    Part("ALTER TABLE num DETACH PARTITION num_1", since=14, before=NUMBERED),
]  # fmt: skip

# What a REINDEX does can be told by nothing that stays.
Again = partial(Part, repeats=False, replans=False)
BAD_INDEX = "CREATE UNIQUE INDEX half ON people ((id / 2))"
REINDEXES = [
    Again("REINDEX INDEX people_pkey"),
    Again("REINDEX TABLE people"),
    Again("REINDEX (VERBOSE) TABLE people"),
    Again("reindex table ev", since=14, before="CREATE INDEX ON ev (kind)"),
    Again("REINDEX INDEX ev_kind_idx", since=14, before="CREATE INDEX ON ev (kind)"),
    Again("REINDEX (TABLESPACE apart) INDEX people_pkey", since=14),
]

VIEW = "CREATE MATERIALIZED VIEW seen AS SELECT kind, count(*) AS n FROM ev GROUP BY kind; CREATE UNIQUE INDEX ON seen (kind);"
SOURCE = """
CREATE TABLE IF NOT EXISTS src (k int, n int, v int);
CREATE MATERIALIZED VIEW seen AS SELECT k, n FROM src WHERE v = 1; CREATE UNIQUE INDEX ON seen (k); UPDATE src SET v = 1;
"""
REFRESHES = [
    Again("REFRESH MATERIALIZED VIEW seen", before=VIEW + "INSERT INTO ev VALUES (1, 1, 'c', 'n')"),
    Again("refresh materialized view seen with data", before=VIEW + "CREATE UNIQUE INDEX ON seen (n) WHERE kind > 'z'"),
    Again(
        "REFRESH MATERIALIZED VIEW seen",
        "CREATE TABLE src AS SELECT * FROM (VALUES (1, 1, 1), (1, 1, 2)) v (k, n, v)",
        before=SOURCE,
    ),
    Again(
        "REFRESH MATERIALIZED VIEW seen",
        "CREATE TABLE src AS SELECT * FROM (VALUES (1, 1, 1), (1, 2, 2)) v (k, n, v)",
        before=SOURCE,
    ),
]

PARTS = [*INDEXES, *UNIQUES, *KEYS, *ATTACHES, *PARTITION_OFS, *DETACHES, *REINDEXES, *REFRESHES]
