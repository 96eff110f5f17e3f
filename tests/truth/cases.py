"""Statements whose locks and work are measured: forms × tables in every state, and what is particular to one table.

A row is one line: ``15+ ALTER TABLE …`` needs 15, ``15- …`` ends with it, ``15-16 …`` is both; ``{t}`` is the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.truth import odd

SCHEMA = """
SET client_min_messages = warning;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (x int, y int);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN label AS text;
CREATE DOMAIN short AS varchar(10);
CREATE DOMAIN present AS int NOT NULL;
CREATE DOMAIN over_positive AS positive;
CREATE DOMAIN over_label AS label;
CREATE DOMAIN stamped AS timestamptz DEFAULT now();
CREATE DOMAIN rolled AS float DEFAULT random();
CREATE DOMAIN first AS int DEFAULT 1;
CREATE FUNCTION fixed(int DEFAULT 1) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION steady() RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION loose() RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION mixed() RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION mixed(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE SCHEMA other;
CREATE FUNCTION other.now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN NULL; END';
CREATE SEQUENCE counter;
CREATE COLLATION plain_c (provider = libc, locale = 'C');
CREATE TABLE parent (id int PRIMARY KEY, code bigint UNIQUE, note text);
INSERT INTO parent SELECT i, i, 'x' FROM generate_series(1, 400) AS i;
"""

# What every table of the matrix has, whatever its state.
COLUMNS = """
    id int NOT NULL, a int, b int NOT NULL, v varchar(20), x text, n numeric(8,2), ts timestamp, tz timestamptz,
    j json, e mood, l label, c char(5), bits varbit(8), net cidr, checked int, proven int, ref int, late int,
    doubled int GENERATED ALWAYS AS (b * 2) STORED
"""
FURNISH = """
ALTER TABLE {t} ADD CONSTRAINT key PRIMARY KEY (id);
ALTER TABLE {t} ADD CONSTRAINT checks CHECK (checked > 0);
ALTER TABLE {t} ADD CONSTRAINT proves CHECK (proven IS NOT NULL AND proven > -5);
ALTER TABLE {t} ADD CONSTRAINT refers FOREIGN KEY (ref) REFERENCES parent;
ALTER TABLE {t} ADD CONSTRAINT waits CHECK (late > 0) NOT VALID;
CREATE INDEX {t}_a ON {t} (a);
CREATE UNIQUE INDEX {t}_b ON {t} (b, id);
CREATE TRIGGER fires BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION noop();
CREATE POLICY sees ON {t} USING (true);
"""
FILL = """
INSERT INTO {t} (id, a, b, v, x, n, ts, tz, j, e, l, c, bits, net, checked, proven, ref, late)
SELECT i, i, i, 'v', 'x', 1.5, '2020-01-01', '2020-01-01', '1', 'ok', 'l', 'c', '101', '10.0.0.0/8', 1, 1, i, 1
FROM generate_series(1, 300) AS i;
"""


@dataclass(frozen=True, slots=True)
class State:
    """A table in one state; ``inside`` is run in the transaction itself, before the statement."""

    name: str
    made: str = ""
    inside: str = ""
    without: tuple[str, ...] = ()  # words of forms that make no sense here


PLAIN = "CREATE TABLE {t} (" + COLUMNS + ");"
STATES = (
    State("filled", PLAIN + FURNISH + FILL),
    State("empty", PLAIN + FURNISH),
    State("fresh", inside=PLAIN + FURNISH + FILL),
    State(
        "passing", inside="CREATE TEMP TABLE {t} (" + COLUMNS + ");" + FURNISH.replace("FOREIGN KEY (ref) REFERENCES parent", "CHECK (ref > 0)") + FILL
    ),
    State("unlogged", PLAIN.replace("TABLE", "UNLOGGED TABLE", 1) + FURNISH.replace("FOREIGN KEY (ref) REFERENCES parent", "CHECK (ref > 0)") + FILL),
    State(
        "parted",
        PLAIN.replace(");", ") PARTITION BY RANGE (id);")
        + "CREATE TABLE {t}_1 PARTITION OF {t} FOR VALUES FROM (0) TO (100);"
        + "CREATE TABLE {t}_2 PARTITION OF {t} FOR VALUES FROM (100) TO (1000);"
        + FURNISH + FILL,
    ),
    State(
        "defaulted",
        PLAIN.replace(");", ") PARTITION BY RANGE (id);")
        + "CREATE TABLE {t}_1 PARTITION OF {t} FOR VALUES FROM (0) TO (100);"
        + "CREATE TABLE {t}_rest PARTITION OF {t} DEFAULT;"
        + FURNISH + FILL,
    ),
    State("hollow", PLAIN.replace(");", ") PARTITION BY RANGE (id);") + FURNISH),
    State("root", PLAIN + FURNISH + FILL + "CREATE TABLE {t}_heir (own int) INHERITS ({t});" + FILL.replace("INTO {t}", "INTO {t}_heir")),
    State(
        "indexed",
        PLAIN + FURNISH + FILL
        + "CREATE INDEX {t}_v ON {t} (v); CREATE INDEX {t}_x ON {t} (lower(x)); CREATE INDEX {t}_n ON {t} (b) WHERE n > 1;"
        + "CREATE INDEX {t}_ts ON {t} (ts); CREATE INDEX {t}_net ON {t} (net); CREATE INDEX {t}_bits ON {t} (bits);"
        + "CREATE INDEX {t}_l ON {t} (l); CREATE INDEX {t}_both ON {t} (v, x); CREATE INDEX {t}_e ON {t} (e);",
    ),
    State(
        "seen",
        PLAIN + FURNISH + FILL + "CREATE VIEW {t}_view AS SELECT a, v FROM {t}; CREATE VIEW {t}_above AS SELECT a FROM {t}_view;"
        "CREATE MATERIALIZED VIEW {t}_kept AS SELECT b, x FROM {t};",
    ),
    State(
        "target",
        PLAIN + FURNISH + FILL + "CREATE TABLE {t}_points (p int REFERENCES {t}, q int); INSERT INTO {t}_points SELECT i FROM generate_series(1, 50) AS i;",
    ),
)  # fmt: skip

FORMS = """
ALTER TABLE {t} ADD COLUMN z int
ALTER TABLE {t} ADD COLUMN z int DEFAULT 5 NOT NULL
ALTER TABLE {t} ADD COLUMN z int NOT NULL
ALTER TABLE {t} ADD COLUMN z timestamptz DEFAULT now()
ALTER TABLE {t} ADD COLUMN z uuid DEFAULT gen_random_uuid()
ALTER TABLE {t} ADD COLUMN z bigserial
ALTER TABLE {t} ADD COLUMN z mood DEFAULT 'ok'
ALTER TABLE {t} ADD COLUMN z positive
ALTER TABLE {t} ADD COLUMN z label DEFAULT 'l'
ALTER TABLE {t} ADD COLUMN z int GENERATED ALWAYS AS (b + 1) STORED
18+ ALTER TABLE {t} ADD COLUMN z int GENERATED ALWAYS AS (b + 1) VIRTUAL
ALTER TABLE {t} ADD COLUMN z int CHECK (z > 0)
ALTER TABLE {t} ADD COLUMN z int REFERENCES parent
ALTER TABLE {t} ADD COLUMN z int DEFAULT 1 REFERENCES parent
ALTER TABLE {t} DROP COLUMN j
ALTER TABLE {t} DROP COLUMN a
ALTER TABLE {t} DROP COLUMN a CASCADE
ALTER TABLE {t} DROP COLUMN ref
ALTER TABLE {t} DROP COLUMN id CASCADE
ALTER TABLE {t} ALTER COLUMN v TYPE varchar(40)
ALTER TABLE {t} ALTER COLUMN v TYPE text
ALTER TABLE {t} ALTER COLUMN v TYPE varchar(10)
ALTER TABLE {t} ALTER COLUMN x TYPE varchar
ALTER TABLE {t} ALTER COLUMN x TYPE text
ALTER TABLE {t} ALTER COLUMN x TYPE text COLLATE "C"
ALTER TABLE {t} ALTER COLUMN n TYPE numeric(12,2)
ALTER TABLE {t} ALTER COLUMN n TYPE numeric(12,4)
ALTER TABLE {t} ALTER COLUMN j TYPE jsonb
ALTER TABLE {t} ALTER COLUMN e TYPE text
ALTER TABLE {t} ALTER COLUMN l TYPE text
ALTER TABLE {t} ALTER COLUMN l TYPE over_label
ALTER TABLE {t} ALTER COLUMN net TYPE inet
ALTER TABLE {t} ALTER COLUMN bits TYPE varbit(16)
ALTER TABLE {t} ALTER COLUMN c TYPE char(9)
ALTER TABLE {t} ALTER COLUMN ts TYPE timestamptz
ALTER TABLE {t} ALTER COLUMN ref TYPE bigint
ALTER TABLE {t} ALTER COLUMN ref TYPE int
ALTER TABLE {t} ALTER COLUMN checked TYPE int
ALTER TABLE {t} ALTER COLUMN checked TYPE bigint
ALTER TABLE {t} ALTER COLUMN late TYPE int
ALTER TABLE {t} ALTER COLUMN late TYPE bigint
ALTER TABLE {t} ALTER COLUMN a TYPE positive
ALTER TABLE {t} ALTER COLUMN a TYPE int USING a + 1
ALTER TABLE {t} ALTER COLUMN a SET DEFAULT 1
ALTER TABLE {t} ALTER COLUMN a DROP DEFAULT
ALTER TABLE {t} ALTER COLUMN a SET NOT NULL
ALTER TABLE {t} ALTER COLUMN b SET NOT NULL
ALTER TABLE {t} ALTER COLUMN proven SET NOT NULL
ALTER TABLE {t} ALTER COLUMN checked SET NOT NULL
ALTER TABLE {t} ALTER COLUMN proven TYPE int, ALTER COLUMN proven SET NOT NULL
ALTER TABLE {t} ALTER COLUMN proven SET NOT NULL, DROP CONSTRAINT proves
ALTER TABLE {t} ALTER COLUMN b DROP NOT NULL
ALTER TABLE {t} ALTER COLUMN a SET STATISTICS 100
ALTER TABLE {t} ALTER COLUMN x SET STORAGE EXTERNAL
ALTER TABLE {t} ALTER COLUMN b ADD GENERATED ALWAYS AS IDENTITY
ALTER TABLE {t} ALTER COLUMN doubled DROP EXPRESSION
17+ ALTER TABLE {t} ALTER COLUMN doubled SET EXPRESSION AS (b * 3)
ALTER TABLE {t} ADD CHECK (a > 0)
ALTER TABLE {t} ADD CHECK (a > 0) NOT VALID
ALTER TABLE {t} ADD FOREIGN KEY (b) REFERENCES parent
ALTER TABLE {t} ADD FOREIGN KEY (b) REFERENCES parent NOT VALID
ALTER TABLE {t} ADD UNIQUE (id, b)
ALTER TABLE {t} ADD CONSTRAINT u UNIQUE USING INDEX {t}_b
18+ ALTER TABLE {t} ADD CONSTRAINT nn NOT NULL a
18+ ALTER TABLE {t} ADD CONSTRAINT nn NOT NULL a NOT VALID
18+ ALTER TABLE {t} ADD CONSTRAINT nn NOT NULL proven
18+ ALTER TABLE {t} ADD CHECK (a > 0) NOT ENFORCED
ALTER TABLE {t} DROP CONSTRAINT checks
ALTER TABLE {t} DROP CONSTRAINT refers
ALTER TABLE {t} DROP CONSTRAINT key CASCADE
ALTER TABLE {t} VALIDATE CONSTRAINT waits
ALTER TABLE {t} VALIDATE CONSTRAINT checks
ALTER TABLE {t} VALIDATE CONSTRAINT refers
ALTER TABLE {t} ALTER CONSTRAINT refers DEFERRABLE
ALTER TABLE {t} RENAME TO renamed
ALTER TABLE {t} RENAME COLUMN a TO renamed
ALTER TABLE {t} RENAME CONSTRAINT key TO renamed
ALTER TABLE {t} SET SCHEMA other
ALTER TABLE {t} OWNER TO CURRENT_USER
ALTER TABLE {t} SET (autovacuum_enabled = false)
ALTER TABLE {t} SET (user_catalog_table = true)
ALTER TABLE {t} SET UNLOGGED
ALTER TABLE {t} SET LOGGED
ALTER TABLE {t} CLUSTER ON {t}_a
ALTER TABLE {t} REPLICA IDENTITY FULL
ALTER TABLE {t} ENABLE ROW LEVEL SECURITY
ALTER TABLE {t} DISABLE TRIGGER fires
ALTER TABLE {t} ADD COLUMN z int, ADD COLUMN y int DEFAULT 1, ALTER COLUMN x SET STATISTICS 5
CREATE INDEX ON {t} (x)
CREATE UNIQUE INDEX ON {t} (id, a)
CREATE INDEX ON {t} (lower(x)) WHERE a > 1
CREATE INDEX IF NOT EXISTS {t}_a ON {t} (a)
DROP INDEX {t}_a
DROP INDEX IF EXISTS {t}_b, {t}_missing
REINDEX INDEX {t}_a
REINDEX TABLE {t}
ALTER INDEX {t}_a RENAME TO renamed
ALTER INDEX {t}_a SET (fillfactor = 70)
DROP TABLE {t}
DROP TABLE {t} CASCADE
TRUNCATE {t}
TRUNCATE {t} CASCADE
CLUSTER {t} USING {t}_a
LOCK TABLE {t} IN SHARE MODE
ANALYZE {t}
COMMENT ON TABLE {t} IS 'x'
COMMENT ON COLUMN {t}.a IS 'x'
COMMENT ON CONSTRAINT checks ON {t} IS 'x'
GRANT SELECT ON {t} TO PUBLIC
REVOKE ALL ON {t} FROM PUBLIC
CREATE TRIGGER adds AFTER INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION noop()
DROP TRIGGER fires ON {t}
CREATE POLICY adds ON {t} USING (true)
DROP POLICY sees ON {t}
CREATE STATISTICS stat ON a, b FROM {t}
CREATE VIEW looks AS SELECT a FROM {t}
CREATE MATERIALIZED VIEW looks AS SELECT a FROM {t}
CREATE TABLE copied AS SELECT a FROM {t}
CREATE TABLE liked (LIKE {t} INCLUDING ALL)
CREATE TABLE points (p int REFERENCES {t})
CREATE TABLE heir () INHERITS ({t})
UPDATE {t} SET a = 2 WHERE id < 5
DELETE FROM {t} WHERE id = 290
"""

# Tables of their own, for what the matrix has no room for: a setup, then rows.
GROUPS: tuple[tuple[str, str, str], ...] = (
    (
        "collations and what inherits",
        """
        CREATE TABLE o (id int, own text, twice text, follows text, fixed text COLLATE "C");
        CREATE INDEX ON o (own COLLATE "C"); CREATE INDEX ON o (twice COLLATE "C", twice); CREATE INDEX ON o (follows);
        CREATE INDEX ON o (fixed COLLATE "default"); CREATE INDEX ON o (id) INCLUDE (own);
        CREATE TABLE l (id int, c text, d text, e text, f int); CREATE TABLE lh () INHERITS (l);
        CREATE INDEX ON lh (id) WHERE c IS NOT NULL; CREATE INDEX ON lh (d COLLATE "C"); CREATE INDEX ON lh (e);
        ALTER TABLE lh ADD CHECK (f > id);
        CREATE TABLE q (a int NOT NULL, b int, r int4range) PARTITION BY RANGE (a);
        CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (9);
        INSERT INTO o VALUES (1, 'a', 'a', 'a', 'a'); INSERT INTO l VALUES (1, 'a', 'a', 'a', 2); INSERT INTO lh VALUES (1, 'a', 'a', 'a', 2);
        INSERT INTO q VALUES (1, 1)
        """,
        """
        ALTER TABLE o ALTER own TYPE text COLLATE "C"
        ALTER TABLE o ALTER own TYPE text COLLATE plain_c
        ALTER TABLE o ALTER own TYPE varchar COLLATE "C"
        ALTER TABLE o ALTER own TYPE text
        ALTER TABLE o ALTER twice TYPE text COLLATE "C"
        ALTER TABLE o ALTER twice TYPE text COLLATE plain_c
        ALTER TABLE o ALTER follows TYPE text COLLATE "C"
        ALTER TABLE o ALTER follows TYPE varchar
        ALTER TABLE o ALTER fixed TYPE text
        ALTER TABLE o ALTER fixed TYPE text COLLATE plain_c
        ALTER TABLE o ALTER fixed TYPE varchar COLLATE "C"
        ALTER TABLE l ALTER c TYPE text
        ALTER TABLE l ALTER c TYPE text, DROP COLUMN id
        ALTER TABLE l ALTER d TYPE text COLLATE "C"
        ALTER TABLE l ALTER d TYPE text COLLATE plain_c
        ALTER TABLE l ALTER e TYPE text COLLATE "C"
        ALTER TABLE l ALTER e TYPE varchar
        ALTER TABLE l ALTER f TYPE int
        ALTER TABLE l ALTER f TYPE int, DROP COLUMN id
        ALTER TABLE ONLY q ADD UNIQUE (a)
        ALTER TABLE ONLY q ADD PRIMARY KEY (a)
        17+ ALTER TABLE ONLY q ADD EXCLUDE (a WITH =)
        17+ ALTER TABLE q ADD EXCLUDE (a WITH =)
        ALTER TABLE q ADD UNIQUE (a)
        """,
    ),
    (
        "partitions",
        """
        CREATE TABLE p (k int NOT NULL, w int) PARTITION BY RANGE (k);
        CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (100);
        INSERT INTO p SELECT i, i FROM generate_series(0, 99) AS i;
        CREATE INDEX p_w ON p (w);
        CREATE TABLE q (k int NOT NULL, w int) PARTITION BY RANGE (k);
        CREATE TABLE q_1 PARTITION OF q FOR VALUES FROM (0) TO (100);
        CREATE TABLE q_rest PARTITION OF q DEFAULT;
        INSERT INTO q SELECT i, i FROM generate_series(0, 199) AS i;
        CREATE TABLE r (k int NOT NULL, w int) PARTITION BY RANGE (k);
        CREATE TABLE r_1 PARTITION OF r FOR VALUES FROM (0) TO (100);
        CREATE TABLE r_rest PARTITION OF r DEFAULT;
        ALTER TABLE r_rest ADD CONSTRAINT outside CHECK (NOT (k >= 500 AND k < 600));
        CREATE TABLE h (k int, w int) PARTITION BY LIST (k);
        CREATE TABLE h_1 PARTITION OF h FOR VALUES IN (1);
        CREATE TABLE deep (k int NOT NULL, w int) PARTITION BY RANGE (k);
        CREATE TABLE deep_1 PARTITION OF deep FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (k);
        CREATE TABLE deep_1_1 PARTITION OF deep_1 FOR VALUES FROM (0) TO (50);
        INSERT INTO deep SELECT i, i FROM generate_series(0, 49) AS i;
        CREATE TABLE bare (k int NOT NULL, w int);
        INSERT INTO bare SELECT i, i FROM generate_series(500, 599) AS i;
        CREATE TABLE ready (k int NOT NULL, w int, CONSTRAINT fits CHECK (k IS NOT NULL AND k >= 500 AND k < 600));
        INSERT INTO ready SELECT i, i FROM generate_series(500, 599) AS i;
        CREATE INDEX ready_w ON ready (w);
        CREATE TABLE unsure (k int NOT NULL, w int, CONSTRAINT fits CHECK (k IS NOT NULL AND k >= 0 AND k < 9999));
        CREATE TABLE narrow (k int NOT NULL, w int, CONSTRAINT fits CHECK (k BETWEEN 510 AND 520));
        CREATE TABLE late (k int NOT NULL, w int);
        ALTER TABLE late ADD CONSTRAINT fits CHECK (k IS NOT NULL AND k >= 500 AND k < 600) NOT VALID;
        CREATE TABLE f (k int NOT NULL, w int REFERENCES parent) PARTITION BY RANGE (k);
        CREATE TABLE f_1 PARTITION OF f FOR VALUES FROM (0) TO (100);
        CREATE TABLE f_2 (k int NOT NULL, w int);
        CREATE TABLE u (k int PRIMARY KEY, w int CHECK (w > 0)) PARTITION BY RANGE (k);
        CREATE TABLE u_1 PARTITION OF u FOR VALUES FROM (0) TO (100);
        CREATE TABLE u_2 (k int NOT NULL, w int CONSTRAINT u_w_check CHECK (w > 0));
        CREATE TABLE u_3 (k int PRIMARY KEY, w int CONSTRAINT u_w_check CHECK (w > 0));
        CREATE TABLE o (k int NOT NULL, w int) PARTITION BY RANGE (k);
        CREATE TABLE o_1 PARTITION OF o FOR VALUES FROM (0) TO (100);
        CREATE INDEX o_w ON ONLY o (w);
        CREATE INDEX o_1_w ON o_1 (w);
        CREATE TABLE n (k int NOT NULL, w int) PARTITION BY RANGE (k);
        CREATE TABLE n_1 PARTITION OF n FOR VALUES FROM (0) TO (100);
        ALTER TABLE n_1 ADD CONSTRAINT big CHECK (w > -1);
        CREATE INDEX n_1_w ON n_1 (w);
        CREATE TABLE m (k int NOT NULL, w int, x text) PARTITION BY RANGE (k);
        CREATE TABLE m_1 PARTITION OF m FOR VALUES FROM (0) TO (100);
        CREATE TABLE m_2 PARTITION OF m FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (k);
        CREATE TABLE m_2_1 PARTITION OF m_2 FOR VALUES FROM (100) TO (200);
        INSERT INTO m SELECT i, i, i FROM generate_series(0, 199) AS i;
        CREATE INDEX ON m_1 (w); CREATE INDEX ON m_2 (w);
        CREATE INDEX ON m_1 (lower(x)) WHERE w > 3; CREATE INDEX ON m_2_1 (lower(x)) WHERE w > 3;
        CREATE INDEX ON m_1 (x); CREATE INDEX ON m_2_1 (x text_pattern_ops);
        CREATE INDEX ON m_1 USING hash (w); CREATE UNIQUE INDEX ON m_2_1 (k); CREATE INDEX ON m_1 (k);
        CREATE INDEX m_kw ON m (k, w);
        """,
        """
        ALTER TABLE p ATTACH PARTITION bare FOR VALUES FROM (500) TO (600)
        ALTER TABLE p ATTACH PARTITION ready FOR VALUES FROM (500) TO (600)
        ALTER TABLE p ATTACH PARTITION ready FOR VALUES FROM (500) TO (700)
        ALTER TABLE p ATTACH PARTITION unsure FOR VALUES FROM (500) TO (600)
        ALTER TABLE p ATTACH PARTITION narrow FOR VALUES FROM (500) TO (600)
        ALTER TABLE p ATTACH PARTITION late FOR VALUES FROM (500) TO (600)
        ALTER TABLE p ATTACH PARTITION bare DEFAULT
        ALTER TABLE q ATTACH PARTITION bare FOR VALUES FROM (500) TO (600)
        ALTER TABLE q ATTACH PARTITION ready FOR VALUES FROM (500) TO (600)
        ALTER TABLE r ATTACH PARTITION bare FOR VALUES FROM (500) TO (600)
        ALTER TABLE r ATTACH PARTITION ready FOR VALUES FROM (500) TO (600)
        ALTER TABLE deep ATTACH PARTITION bare FOR VALUES FROM (500) TO (600)
        ALTER TABLE f ATTACH PARTITION f_2 FOR VALUES FROM (100) TO (200)
        ALTER TABLE u ATTACH PARTITION u_2 FOR VALUES FROM (100) TO (200)
        ALTER TABLE u ATTACH PARTITION u_3 FOR VALUES FROM (100) TO (200)
        ALTER TABLE p DETACH PARTITION p_1
        ALTER TABLE q DETACH PARTITION q_1
        ALTER TABLE q DETACH PARTITION q_rest
        ALTER TABLE f DETACH PARTITION f_1
        ALTER TABLE u DETACH PARTITION u_1
        ALTER TABLE deep DETACH PARTITION deep_1
        CREATE TABLE p_2 PARTITION OF p FOR VALUES FROM (100) TO (200)
        CREATE TABLE p_2 PARTITION OF p DEFAULT
        CREATE TABLE q_2 PARTITION OF q FOR VALUES FROM (300) TO (400)
        CREATE TABLE r_2 PARTITION OF r FOR VALUES FROM (500) TO (600)
        CREATE TABLE r_2 PARTITION OF r FOR VALUES FROM (700) TO (800)
        CREATE TABLE f_3 PARTITION OF f FOR VALUES FROM (300) TO (400)
        CREATE TABLE u_4 PARTITION OF u FOR VALUES FROM (300) TO (400)
        CREATE TABLE h_2 PARTITION OF h FOR VALUES IN (2)
        CREATE TABLE deep_2 PARTITION OF deep FOR VALUES FROM (100) TO (200)
        CREATE TABLE deep_2 PARTITION OF deep FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (k)
        DROP TABLE p
        DROP TABLE p_1
        DROP TABLE q_1
        DROP TABLE f_1
        DROP TABLE f
        DROP TABLE deep_1
        DROP TABLE deep
        TRUNCATE p
        TRUNCATE p_1
        TRUNCATE ONLY p_1
        ALTER TABLE p ADD CONSTRAINT pu UNIQUE (k)
        ALTER TABLE p ADD PRIMARY KEY (k)
        ALTER TABLE p ADD CHECK (w > -1)
        ALTER TABLE p ADD CHECK (w > -1) NOT VALID
        ALTER TABLE ONLY p ADD CHECK (w > -1) NO INHERIT
        ALTER TABLE n ADD CONSTRAINT big CHECK (w > -1)
        CREATE INDEX ON n (w)
        CREATE INDEX ON n (w DESC)
        CREATE INDEX ON m (w)
        CREATE INDEX named ON m (w)
        CREATE INDEX ON m (w) INCLUDE (x)
        CREATE INDEX ON m (lower(x)) WHERE w > 3
        CREATE INDEX ON m (lower(x)) WHERE w > 4
        CREATE INDEX ON m (x)
        CREATE INDEX ON m USING hash (w)
        CREATE INDEX ON m (k)
        CREATE INDEX ON m (k, w)
        CREATE INDEX ON m_2 (w)
        CREATE INDEX ON h (w)
        CREATE INDEX ON p (k)
        CREATE INDEX ON ONLY p (k)
        CREATE INDEX ON p_1 (k)
        CREATE INDEX ON deep (k)
        DROP INDEX p_w
        ALTER INDEX o_w ATTACH PARTITION o_1_w
        ALTER TABLE p ALTER COLUMN w SET NOT NULL
        ALTER TABLE p ALTER COLUMN w TYPE bigint
        ALTER TABLE p ALTER COLUMN w TYPE int
        ALTER TABLE p_1 ADD CHECK (w > -1)
        ALTER TABLE p_1 ALTER COLUMN w SET NOT NULL
        ALTER TABLE p_1 ADD COLUMN z int
        ALTER TABLE p ADD FOREIGN KEY (w) REFERENCES parent
        ALTER TABLE p_1 ADD FOREIGN KEY (w) REFERENCES parent NOT VALID
        ALTER TABLE bare ADD FOREIGN KEY (k) REFERENCES u
        CREATE TABLE points (k int REFERENCES u)
        ALTER TABLE p SET TABLESPACE pg_default
        17+ ALTER TABLE p SET ACCESS METHOD heap
        13-17 ALTER TABLE p SET UNLOGGED
        ALTER TABLE p RENAME TO p2
        ALTER TABLE p RENAME COLUMN w TO w2
        ALTER TABLE p OWNER TO CURRENT_USER
        ALTER TABLE p SET SCHEMA other
        ALTER TABLE ONLY p ALTER COLUMN w SET STATISTICS 5
        ALTER TABLE p ALTER COLUMN w SET STATISTICS 5
        ALTER TABLE ONLY p ALTER COLUMN w SET DEFAULT 1
        ALTER TABLE p ALTER COLUMN w SET DEFAULT 1
        ANALYZE p
        CREATE TRIGGER adds AFTER INSERT ON p FOR EACH ROW EXECUTE FUNCTION noop()
        """,
    ),
    (
        "defaults",
        """
        CREATE TABLE d (id int PRIMARY KEY, a int); INSERT INTO d SELECT i, i FROM generate_series(1, 100) AS i;
        """,
        """
        ALTER TABLE d ADD COLUMN z int DEFAULT NULL
        ALTER TABLE d ADD COLUMN z int DEFAULT 2 + 2
        ALTER TABLE d ADD COLUMN z int DEFAULT (5)
        ALTER TABLE d ADD COLUMN z text DEFAULT lower('A')
        ALTER TABLE d ADD COLUMN z text DEFAULT current_user
        ALTER TABLE d ADD COLUMN z date DEFAULT CURRENT_DATE
        ALTER TABLE d ADD COLUMN z timestamptz DEFAULT CURRENT_TIMESTAMP(3)
        ALTER TABLE d ADD COLUMN z timestamp DEFAULT (now() AT TIME ZONE 'utc')
        ALTER TABLE d ADD COLUMN z timestamptz DEFAULT clock_timestamp()
        ALTER TABLE d ADD COLUMN z timestamptz DEFAULT statement_timestamp()
        ALTER TABLE d ADD COLUMN z timestamptz DEFAULT now() + interval '1 day'
        ALTER TABLE d ADD COLUMN z timestamptz DEFAULT other.now()
        ALTER TABLE d ADD COLUMN z timestamptz DEFAULT pg_catalog.now()
        ALTER TABLE d ADD COLUMN z float DEFAULT random()
        ALTER TABLE d ADD COLUMN z int DEFAULT (random() * 10)::int
        ALTER TABLE d ADD COLUMN z int DEFAULT nextval('counter')
        ALTER TABLE d ADD COLUMN z int DEFAULT fixed()
        ALTER TABLE d ADD COLUMN z int DEFAULT fixed(3)
        ALTER TABLE d ADD COLUMN z int DEFAULT steady()
        ALTER TABLE d ADD COLUMN z int DEFAULT loose()
        ALTER TABLE d ADD COLUMN z int DEFAULT public.loose()
        ALTER TABLE d ADD COLUMN z int DEFAULT "loose"()
        ALTER TABLE d ADD COLUMN z int DEFAULT mixed()
        ALTER TABLE d ADD COLUMN z int DEFAULT mixed(1)
        ALTER TABLE d ADD COLUMN z int DEFAULT coalesce(NULL, loose())
        ALTER TABLE d ADD COLUMN z int DEFAULT coalesce(NULL, steady(), 4)
        ALTER TABLE d ADD COLUMN z int DEFAULT CASE WHEN true THEN 1 ELSE 2 END
        ALTER TABLE d ADD COLUMN z int DEFAULT greatest(1, 2)
        ALTER TABLE d ADD COLUMN z int DEFAULT extract(year FROM now())
        ALTER TABLE d ADD COLUMN z text DEFAULT md5(random()::text)
        ALTER TABLE d ADD COLUMN z text DEFAULT md5('a')
        ALTER TABLE d ADD COLUMN z text DEFAULT 'now()'
        ALTER TABLE d ADD COLUMN z text DEFAULT 'random()'
        ALTER TABLE d ADD COLUMN z text DEFAULT concat('a', 'b')
        ALTER TABLE d ADD COLUMN z text DEFAULT current_setting('server_version')
        ALTER TABLE d ADD COLUMN z text DEFAULT to_char(now(), 'YYYY')
        ALTER TABLE d ADD COLUMN z text DEFAULT format('%s', 1)
        ALTER TABLE d ADD COLUMN z text DEFAULT substring('abc' FROM 2)
        ALTER TABLE d ADD COLUMN z varchar(10) DEFAULT 'x'::varchar(10)
        ALTER TABLE d ADD COLUMN z numeric(8,2) DEFAULT 0.0
        ALTER TABLE d ADD COLUMN z text[] DEFAULT '{}'
        ALTER TABLE d ADD COLUMN z text[] DEFAULT ARRAY[]::text[]
        ALTER TABLE d ADD COLUMN z int[] DEFAULT ARRAY[1, loose()]
        ALTER TABLE d ADD COLUMN z jsonb DEFAULT '{}'::jsonb
        ALTER TABLE d ADD COLUMN z jsonb DEFAULT jsonb_build_object('a', 1)
        ALTER TABLE d ADD COLUMN z json DEFAULT json_build_array(1)
        ALTER TABLE d ADD COLUMN z uuid DEFAULT '00000000-0000-0000-0000-000000000000'
        ALTER TABLE d ADD COLUMN z bytea DEFAULT '\\x00'
        ALTER TABLE d ADD COLUMN z interval DEFAULT make_interval(days => 1)
        ALTER TABLE d ADD COLUMN z bool DEFAULT false NOT NULL
        ALTER TABLE d ADD COLUMN z bigint DEFAULT txid_current()
        ALTER TABLE d ADD COLUMN z mood
        ALTER TABLE d ADD COLUMN z mood DEFAULT 'ok' NOT NULL
        ALTER TABLE d ADD COLUMN z mood[]
        ALTER TABLE d ADD COLUMN z pair
        ALTER TABLE d ADD COLUMN z label
        ALTER TABLE d ADD COLUMN z short DEFAULT 'x'
        ALTER TABLE d ADD COLUMN z over_label
        ALTER TABLE d ADD COLUMN z over_positive
        ALTER TABLE d ADD COLUMN z positive DEFAULT 1
        ALTER TABLE d ADD COLUMN z positive[]
        ALTER TABLE d ADD COLUMN z present DEFAULT 1
        ALTER TABLE d ADD COLUMN z stamped
        ALTER TABLE d ADD COLUMN z stamped NOT NULL
        ALTER TABLE d ADD COLUMN z rolled
        ALTER TABLE d ADD COLUMN z rolled DEFAULT 1
        ALTER TABLE d ADD COLUMN z public.positive
        ALTER TABLE d ADD COLUMN z int4range DEFAULT 'empty'
        ALTER TABLE d ADD COLUMN z tsvector DEFAULT to_tsvector('english', 'x')
        ALTER TABLE d ADD COLUMN z name DEFAULT 'x'
        ALTER TABLE d ADD COLUMN z "char" DEFAULT 'x'
        ALTER TABLE d ADD COLUMN z char(3) DEFAULT 'x'
        ALTER TABLE d ADD COLUMN z regclass
        ALTER TABLE d ADD COLUMN z int UNIQUE
        ALTER TABLE d ADD COLUMN z int DEFAULT 1 CHECK (z > 0)
        ALTER TABLE d ADD COLUMN z int DEFAULT 1 CHECK (z > 0) NO INHERIT
        ALTER TABLE d ADD COLUMN z int CHECK (z > 0) UNIQUE
        ALTER TABLE d ADD COLUMN z int REFERENCES d
        ALTER TABLE d ADD COLUMN z int DEFAULT 1 REFERENCES d
        ALTER TABLE d ADD COLUMN z int DEFAULT NULL REFERENCES d
        ALTER TABLE d ADD COLUMN z int REFERENCES d DEFAULT NULL
        ALTER TABLE d ADD COLUMN z first REFERENCES d
        ALTER TABLE d ADD COLUMN z first DEFAULT NULL REFERENCES d
        ALTER TABLE d ADD COLUMN z bigint REFERENCES parent (code) ON DELETE SET NULL
        ALTER TABLE d ADD COLUMN z int GENERATED BY DEFAULT AS IDENTITY
        ALTER TABLE d ADD COLUMN z smallserial
        ALTER TABLE d ADD COLUMN z int GENERATED ALWAYS AS (a) STORED UNIQUE
        ALTER TABLE d ADD COLUMN IF NOT EXISTS a bigint DEFAULT random()
        ALTER TABLE d ADD COLUMN IF NOT EXISTS z int
        ALTER TABLE d ADD COLUMN z int, ADD CHECK (z > 0)
        ALTER TABLE d ADD COLUMN z int, ADD CONSTRAINT zk UNIQUE (z)
        ALTER TABLE d ADD COLUMN z int, ADD FOREIGN KEY (z) REFERENCES parent
        ALTER TABLE d ADD COLUMN z int DEFAULT 1, ALTER COLUMN z SET NOT NULL
        ALTER TABLE d ADD COLUMN z int DEFAULT 1, ALTER COLUMN z DROP DEFAULT
        ALTER TABLE d ADD COLUMN z xid8
        18+ ALTER TABLE d ADD COLUMN z uuid DEFAULT uuidv7()
        18+ ALTER TABLE d ADD COLUMN z int GENERATED ALWAYS AS (a * 2)
        18+ ALTER TABLE d ADD COLUMN z int CHECK (z > 0) NOT ENFORCED
        18+ ALTER TABLE d ADD COLUMN z int GENERATED ALWAYS AS (a * 2) VIRTUAL NOT NULL
        """,
    ),
    (
        "types",
        """
        CREATE TABLE y (
            id int PRIMARY KEY, i int, big bigint, v varchar(20), u varchar, x text, c char(5), n numeric(8,2), nn numeric,
            ts timestamp, ts3 timestamp(3), tz timestamptz, ti time(3), iv interval, d date, f real, j json, e mood,
            l label, s short, pos positive, va varchar(5)[], o oid, net cidr, vb varbit(8), bt bit(4), xm xml, r regclass,
            tt timetz, ivd interval day, ch varchar(20), ex varchar(20), ky varchar(20), fn varchar(20), pt varchar(20),
            xc varchar(20), st varchar(20), gn varchar(20), src text, g text GENERATED ALWAYS AS (src || 'x') STORED,
            CONSTRAINT y_ch CHECK (length(ch) < 30)
        );
        CREATE UNIQUE INDEX y_ky ON y (ky); CREATE INDEX y_fn ON y (lower(fn)); CREATE INDEX y_pt ON y (i) WHERE pt IS NOT NULL;
        CREATE INDEX y_pat ON y (gn varchar_pattern_ops); CREATE INDEX y_o ON y (o);
        ALTER TABLE y ADD CONSTRAINT y_xc EXCLUDE (xc WITH =); CREATE STATISTICS y_st ON st, i FROM y;
        INSERT INTO y (id, i, big, v, ts, tz, d) SELECT g, g, g, 'v', now(), now(), now() FROM generate_series(1, 100) AS g;
        """,
        """
        ALTER TABLE y ALTER i TYPE bigint
        ALTER TABLE y ALTER i TYPE int
        ALTER TABLE y ALTER i TYPE integer USING i
        ALTER TABLE y ALTER i TYPE integer USING (i)
        ALTER TABLE y ALTER i TYPE integer USING i::integer
        ALTER TABLE y ALTER i TYPE integer USING CAST(i AS integer)
        ALTER TABLE y ALTER i TYPE integer USING id
        ALTER TABLE y ALTER i TYPE text
        ALTER TABLE y ALTER i TYPE text USING i::text
        ALTER TABLE y ALTER i TYPE oid
        ALTER TABLE y ALTER o TYPE int USING o::int
        ALTER TABLE y ALTER o TYPE oid
        ALTER TABLE y ALTER o TYPE regclass
        ALTER TABLE y ALTER r TYPE oid
        ALTER TABLE y ALTER i TYPE positive
        ALTER TABLE y ALTER i TYPE over_positive
        ALTER TABLE y ALTER big TYPE int
        ALTER TABLE y ALTER pos TYPE int
        ALTER TABLE y ALTER pos TYPE bigint
        ALTER TABLE y ALTER pos TYPE positive
        ALTER TABLE y ALTER pos TYPE over_positive
        ALTER TABLE y ALTER v TYPE varchar(30)
        ALTER TABLE y ALTER v TYPE varchar(20)
        ALTER TABLE y ALTER v TYPE character varying(30)
        ALTER TABLE y ALTER v TYPE varchar
        ALTER TABLE y ALTER v TYPE text
        ALTER TABLE y ALTER v TYPE text USING v::text
        ALTER TABLE y ALTER v TYPE text USING v::varchar(5)::text
        ALTER TABLE y ALTER v TYPE text USING v::varchar(50)::text
        ALTER TABLE y ALTER v TYPE text USING upper(v)
        ALTER TABLE y ALTER v TYPE label
        ALTER TABLE y ALTER v TYPE short
        ALTER TABLE y ALTER v TYPE char(20)
        ALTER TABLE y ALTER v TYPE bpchar
        ALTER TABLE y ALTER v TYPE name
        ALTER TABLE y ALTER v TYPE varchar(19)
        ALTER TABLE y ALTER u TYPE varchar(20)
        ALTER TABLE y ALTER u TYPE text
        ALTER TABLE y ALTER x TYPE varchar
        ALTER TABLE y ALTER x TYPE varchar(9)
        ALTER TABLE y ALTER x TYPE label
        ALTER TABLE y ALTER x TYPE over_label
        ALTER TABLE y ALTER x TYPE bpchar
        ALTER TABLE y ALTER x TYPE bytea USING x::bytea
        ALTER TABLE y ALTER x TYPE jsonb USING x::jsonb
        ALTER TABLE y ALTER x TYPE xml USING x::xml
        ALTER TABLE y ALTER x TYPE text COLLATE "C"
        ALTER TABLE y ALTER x TYPE text COLLATE plain_c
        ALTER TABLE y ALTER x TYPE text COLLATE "default"
        ALTER TABLE y ALTER xm TYPE text
        ALTER TABLE y ALTER c TYPE char(5)
        ALTER TABLE y ALTER c TYPE char(9)
        ALTER TABLE y ALTER c TYPE bpchar
        ALTER TABLE y ALTER c TYPE text
        ALTER TABLE y ALTER c TYPE varchar(5)
        ALTER TABLE y ALTER n TYPE numeric(8,2)
        ALTER TABLE y ALTER n TYPE numeric(10,2)
        ALTER TABLE y ALTER n TYPE decimal(10,2)
        ALTER TABLE y ALTER n TYPE numeric(10,3)
        ALTER TABLE y ALTER n TYPE numeric(10)
        ALTER TABLE y ALTER n TYPE numeric(7,2)
        ALTER TABLE y ALTER n TYPE numeric
        ALTER TABLE y ALTER nn TYPE numeric(20,2)
        ALTER TABLE y ALTER n TYPE bigint
        ALTER TABLE y ALTER ts TYPE timestamptz
        ALTER TABLE y ALTER ts TYPE timestamptz(6)
        ALTER TABLE y ALTER ts TYPE timestamptz(3)
        ALTER TABLE y ALTER ts3 TYPE timestamptz
        ALTER TABLE y ALTER tz TYPE timestamp
        ALTER TABLE y ALTER tz TYPE timestamp with time zone
        ALTER TABLE y ALTER ts TYPE timestamptz USING ts::timestamptz
        ALTER TABLE y ALTER ts TYPE timestamptz USING ts AT TIME ZONE 'UTC'
        ALTER TABLE y ALTER ts TYPE timestamp(6)
        ALTER TABLE y ALTER ts TYPE timestamp(3)
        ALTER TABLE y ALTER ts TYPE date
        ALTER TABLE y ALTER ts3 TYPE timestamp
        ALTER TABLE y ALTER ts3 TYPE timestamp(5)
        ALTER TABLE y ALTER ts3 TYPE timestamp(2)
        ALTER TABLE y ALTER ti TYPE time
        ALTER TABLE y ALTER ti TYPE time(6)
        ALTER TABLE y ALTER ti TYPE time(2)
        ALTER TABLE y ALTER ti TYPE timetz
        ALTER TABLE y ALTER tt TYPE timetz(6)
        ALTER TABLE y ALTER iv TYPE interval
        ALTER TABLE y ALTER iv TYPE interval(6)
        ALTER TABLE y ALTER iv TYPE interval(3)
        ALTER TABLE y ALTER iv TYPE interval day
        ALTER TABLE y ALTER ivd TYPE interval
        ALTER TABLE y ALTER ivd TYPE interval day to second
        ALTER TABLE y ALTER d TYPE timestamp
        ALTER TABLE y ALTER f TYPE double precision
        ALTER TABLE y ALTER f TYPE float(10)
        ALTER TABLE y ALTER j TYPE jsonb
        ALTER TABLE y ALTER j TYPE json
        ALTER TABLE y ALTER j TYPE text
        ALTER TABLE y ALTER e TYPE text
        ALTER TABLE y ALTER e TYPE mood
        ALTER TABLE y ALTER l TYPE text
        ALTER TABLE y ALTER l TYPE varchar(10)
        ALTER TABLE y ALTER s TYPE varchar(10)
        ALTER TABLE y ALTER s TYPE varchar(20)
        ALTER TABLE y ALTER s TYPE text
        ALTER TABLE y ALTER s TYPE label
        ALTER TABLE y ALTER va TYPE varchar(9)[]
        ALTER TABLE y ALTER va TYPE text[]
        ALTER TABLE y ALTER va TYPE varchar(5)[]
        ALTER TABLE y ALTER va TYPE varchar[]
        ALTER TABLE y ALTER va TYPE varchar(5)[] USING va::varchar(5)[]
        ALTER TABLE y ALTER va TYPE varchar(5) USING va::varchar(5)[]::varchar(5)
        ALTER TABLE y ALTER va TYPE varchar USING CAST(va::varchar[] AS varchar)
        ALTER TABLE y ALTER va TYPE text USING va::text[]::text
        ALTER TABLE y ALTER net TYPE inet
        ALTER TABLE y ALTER vb TYPE varbit(16)
        ALTER TABLE y ALTER vb TYPE varbit
        ALTER TABLE y ALTER vb TYPE varbit(4)
        ALTER TABLE y ALTER vb TYPE bit(8)
        ALTER TABLE y ALTER bt TYPE bit(4)
        ALTER TABLE y ALTER bt TYPE bit(8)
        ALTER TABLE y ALTER bt TYPE varbit
        ALTER TABLE y ALTER ch TYPE varchar(30)
        ALTER TABLE y ALTER ch TYPE varchar(30), DROP CONSTRAINT y_ch
        ALTER TABLE y ALTER ky TYPE varchar(30)
        ALTER TABLE y ALTER ky TYPE text
        ALTER TABLE y ALTER ky TYPE text COLLATE "C"
        ALTER TABLE y ALTER ky TYPE varchar(20) COLLATE "default"
        ALTER TABLE y ALTER ky TYPE label
        ALTER TABLE y ALTER fn TYPE varchar(30)
        ALTER TABLE y ALTER fn TYPE text
        ALTER TABLE y ALTER pt TYPE varchar(30)
        ALTER TABLE y ALTER xc TYPE varchar(30)
        ALTER TABLE y ALTER st TYPE varchar(30)
        ALTER TABLE y ALTER gn TYPE varchar(30)
        ALTER TABLE y ALTER gn TYPE text
        ALTER TABLE y ALTER src TYPE varchar
        ALTER TABLE y ALTER id TYPE int
        ALTER TABLE y ALTER v TYPE text, ALTER x TYPE varchar
        ALTER TABLE y ALTER v TYPE text, ALTER i TYPE bigint
        ALTER TABLE y ALTER v TYPE text, ADD CHECK (i > 0)
        ALTER TABLE y ALTER v TYPE text, ALTER v SET NOT NULL
        17+ ALTER TABLE y ALTER g SET EXPRESSION AS (src || 'y')
        """,
    ),
    (
        "constraints",
        """
        CREATE TABLE k (id int PRIMARY KEY, a int, b int, c int NOT NULL, r int, big bigint, w int, s int);
        INSERT INTO k SELECT i, i, i, i, i, i, i, i FROM generate_series(1, 100) AS i;
        ALTER TABLE k ADD CONSTRAINT k_a CHECK (a > 0), ADD CONSTRAINT k_b CHECK (b IS NOT NULL),
            ADD CONSTRAINT k_r FOREIGN KEY (r) REFERENCES parent, ADD CONSTRAINT k_w CHECK (w > 0) NOT VALID,
            ADD CONSTRAINT k_w_nn CHECK (w IS NOT NULL) NOT VALID,
            ADD CONSTRAINT k_late FOREIGN KEY (w) REFERENCES parent NOT VALID,
            ADD CONSTRAINT k_self FOREIGN KEY (s) REFERENCES k;
        CREATE UNIQUE INDEX k_ux ON k (a); CREATE UNIQUE INDEX k_uc ON k (c); CREATE UNIQUE INDEX k_ub ON k (b);
        CREATE UNIQUE INDEX k_ubc ON k (b, c); CREATE INDEX k_nu ON k (a, b);
        CREATE TABLE m (id int NOT NULL, a int, r int); INSERT INTO m SELECT i, i, i FROM generate_series(1, 100) AS i;
        CREATE UNIQUE INDEX m_id ON m (id); CREATE UNIQUE INDEX m_a ON m (a); CREATE UNIQUE INDEX m_both ON m (id, a);
        CREATE UNIQUE INDEX m_incl ON m (id) INCLUDE (a);
        CREATE TABLE kk (id int REFERENCES k); CREATE TABLE kid () INHERITS (k);
        CREATE TABLE t18 (id int PRIMARY KEY, a int, b int); INSERT INTO t18 SELECT i, i, i FROM generate_series(1, 100) AS i;
        """,
        """
        ALTER TABLE k ADD CONSTRAINT n CHECK (a < 1000)
        ALTER TABLE k ADD CONSTRAINT n CHECK (a < 1000) NO INHERIT
        ALTER TABLE k ADD CONSTRAINT n CHECK (a < 1000) NOT VALID
        ALTER TABLE ONLY k ADD CONSTRAINT n CHECK (a < 1000) NO INHERIT NOT VALID
        ALTER TABLE k ADD UNIQUE (a, c)
        ALTER TABLE k ADD UNIQUE (a) DEFERRABLE INITIALLY DEFERRED
        ALTER TABLE k ADD UNIQUE (a) INCLUDE (b)
        15+ ALTER TABLE k ADD UNIQUE NULLS NOT DISTINCT (a)
        ALTER TABLE k ADD EXCLUDE (a WITH =)
        ALTER TABLE k ADD EXCLUDE USING btree (a WITH =) WHERE (b > 1)
        ALTER TABLE k ADD CONSTRAINT n UNIQUE USING INDEX k_ux
        ALTER TABLE k ADD CONSTRAINT n UNIQUE USING INDEX k_ux DEFERRABLE
        ALTER TABLE m ADD PRIMARY KEY (id)
        ALTER TABLE m ADD PRIMARY KEY (a)
        ALTER TABLE m ADD PRIMARY KEY USING INDEX m_id
        ALTER TABLE m ADD PRIMARY KEY USING INDEX m_a
        ALTER TABLE m ADD PRIMARY KEY USING INDEX m_both
        ALTER TABLE m ADD PRIMARY KEY USING INDEX m_incl
        ALTER TABLE m ADD FOREIGN KEY (r) REFERENCES parent
        ALTER TABLE m ADD FOREIGN KEY (r) REFERENCES parent (code)
        ALTER TABLE m ADD FOREIGN KEY (r) REFERENCES parent ON DELETE CASCADE DEFERRABLE
        ALTER TABLE m ADD FOREIGN KEY (r) REFERENCES parent NOT VALID
        ALTER TABLE m ADD FOREIGN KEY (a) REFERENCES m (id)
        ALTER TABLE m ADD FOREIGN KEY (r) REFERENCES parent, ADD FOREIGN KEY (a) REFERENCES k
        ALTER TABLE k DROP CONSTRAINT k_a
        ALTER TABLE k DROP CONSTRAINT k_a, DROP CONSTRAINT k_b
        ALTER TABLE k DROP CONSTRAINT k_r
        ALTER TABLE k DROP CONSTRAINT k_self
        ALTER TABLE k DROP CONSTRAINT k_late
        ALTER TABLE k DROP CONSTRAINT k_pkey CASCADE
        ALTER TABLE k DROP CONSTRAINT IF EXISTS missing
        ALTER TABLE kk DROP CONSTRAINT kk_id_fkey
        ALTER TABLE k VALIDATE CONSTRAINT k_w
        ALTER TABLE k VALIDATE CONSTRAINT k_late
        ALTER TABLE k VALIDATE CONSTRAINT k_self
        ALTER TABLE k VALIDATE CONSTRAINT k_w, VALIDATE CONSTRAINT k_late
        ALTER TABLE k VALIDATE CONSTRAINT k_w_nn, ALTER COLUMN w SET NOT NULL
        ALTER TABLE k ALTER CONSTRAINT k_r DEFERRABLE INITIALLY DEFERRED
        18+ ALTER TABLE k ALTER CONSTRAINT k_r NOT ENFORCED
        ALTER TABLE k ALTER a SET NOT NULL
        ALTER TABLE k ALTER b SET NOT NULL
        ALTER TABLE k ALTER c SET NOT NULL
        ALTER TABLE k ALTER w SET NOT NULL
        ALTER TABLE k ALTER b SET NOT NULL, ALTER a SET NOT NULL
        ALTER TABLE k ALTER b SET NOT NULL, DROP CONSTRAINT k_b
        ALTER TABLE k DROP CONSTRAINT k_b, ALTER b SET NOT NULL
        ALTER TABLE k ALTER b TYPE int, ALTER b SET NOT NULL
        ALTER TABLE k ALTER b TYPE bigint, ALTER b SET NOT NULL
        ALTER TABLE k ALTER c TYPE int, ALTER c SET NOT NULL
        ALTER TABLE k ADD CHECK (big > 0) NOT VALID, ALTER b SET NOT NULL
        ALTER TABLE k DROP COLUMN a
        ALTER TABLE k DROP COLUMN r
        ALTER TABLE k DROP COLUMN s
        ALTER TABLE k DROP COLUMN id CASCADE
        ALTER TABLE k DROP COLUMN IF EXISTS missing
        ALTER TABLE parent DROP CONSTRAINT parent_code_key
        ALTER TABLE parent DROP CONSTRAINT parent_pkey CASCADE
        ALTER TABLE parent DROP COLUMN id CASCADE
        ALTER TABLE parent DROP COLUMN code
        ALTER TABLE parent DROP COLUMN note
        ALTER TABLE parent ALTER COLUMN id TYPE bigint
        ALTER TABLE parent ALTER COLUMN id TYPE int
        ALTER TABLE parent ALTER COLUMN note TYPE varchar
        ALTER TABLE parent ALTER COLUMN code TYPE numeric
        DROP TABLE k CASCADE
        DROP TABLE kk
        DROP TABLE kid
        DROP TABLE parent CASCADE
        DROP TABLE kk, m
        TRUNCATE parent CASCADE
        TRUNCATE k, kk
        TRUNCATE ONLY k CASCADE
        DROP INDEX m_a
        DROP INDEX k_ux, m_a
        REINDEX INDEX k_pkey
        18+ ALTER TABLE t18 ADD CONSTRAINT n NOT NULL a
        18+ ALTER TABLE t18 ADD CONSTRAINT n NOT NULL a NOT VALID
        18+ ALTER TABLE k ADD CONSTRAINT n NOT NULL b
        18+ ALTER TABLE m ADD FOREIGN KEY (r) REFERENCES parent NOT ENFORCED
        18+ ALTER TABLE k DROP CONSTRAINT k_c_not_null
        18+ ALTER TABLE k ALTER CONSTRAINT k_c_not_null NO INHERIT
        """,
    ),
    (
        "others",
        """
        CREATE TABLE s (a int PRIMARY KEY, b text, p positive, l label); INSERT INTO s SELECT i, 'x', 1 FROM generate_series(1, 100) AS i;
        CREATE TABLE s2 (a int, q over_positive); CREATE TABLE s3 (a int, q label);
        CREATE TABLE owned (id serial PRIMARY KEY, ident int GENERATED ALWAYS AS IDENTITY);
        CREATE TABLE typed OF pair;
        CREATE VIEW seen AS SELECT a, b FROM s;
        CREATE VIEW above AS SELECT a FROM seen;
        CREATE MATERIALIZED VIEW kept AS SELECT a, b FROM s;
        CREATE UNIQUE INDEX kept_a ON kept (a);
        CREATE MATERIALIZED VIEW kept_above AS SELECT a FROM kept;
        CREATE TRIGGER fires BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION noop();
        CREATE POLICY sees ON s USING (true);
        CREATE RULE rules AS ON UPDATE TO s WHERE NEW.a = -1 DO INSTEAD NOTHING;
        CREATE STATISTICS stat ON a, b FROM s;
        CREATE SEQUENCE alone;
        CREATE SCHEMA box; CREATE TABLE box.inside (a int); CREATE TABLE box."We""ird.Näme" ("Col umn" int, "from" text);
        CREATE TABLE "order" ("select" int); CREATE TABLE gin_t (a int[]); CREATE INDEX gin_i ON gin_t USING gin (a);
        CREATE PUBLICATION pub FOR TABLE s2; CREATE DOMAIN unused AS int;
        ALTER DOMAIN positive ADD CONSTRAINT wait CHECK (VALUE < 99999) NOT VALID;
        ALTER DOMAIN positive ADD CONSTRAINT old CHECK (VALUE < 999999);
        CREATE FUNCTION fires_too() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER two BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION fires_too();
        CREATE VIEW written AS SELECT a FROM s2; ALTER TABLE s2 CLUSTER ON s2_none;
        """.replace(" ALTER TABLE s2 CLUSTER ON s2_none;", ""),
        """
        ALTER DOMAIN positive ADD CONSTRAINT big CHECK (VALUE < 5000)
        ALTER DOMAIN positive ADD CONSTRAINT big CHECK (VALUE < 5000) NOT VALID
        ALTER DOMAIN positive ADD CHECK (VALUE IS NOT NULL) NOT VALID
        ALTER DOMAIN positive VALIDATE CONSTRAINT wait
        ALTER DOMAIN positive VALIDATE CONSTRAINT old
        ALTER DOMAIN positive DROP CONSTRAINT old
        ALTER DOMAIN label SET NOT NULL
        ALTER DOMAIN label DROP NOT NULL
        ALTER DOMAIN label SET DEFAULT 'x'
        ALTER DOMAIN label RENAME TO tag
        ALTER DOMAIN unused ADD CHECK (VALUE > 0)
        ALTER DOMAIN unused SET NOT NULL
        ALTER TYPE mood ADD VALUE 'great'
        ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'
        ALTER TYPE pair ADD ATTRIBUTE z int CASCADE
        ALTER TYPE pair RENAME TO couple
        DROP TYPE mood CASCADE
        DROP DOMAIN positive CASCADE
        DROP DOMAIN unused
        DROP FUNCTION fires_too() CASCADE
        DROP FUNCTION fixed(int)
        DROP SCHEMA box CASCADE
        DROP SEQUENCE alone
        DROP SEQUENCE counter CASCADE
        DROP TABLE owned
        TRUNCATE owned RESTART IDENTITY
        ALTER TABLE owned OWNER TO CURRENT_USER
        ALTER TABLE owned ALTER COLUMN id DROP DEFAULT
        ALTER TABLE owned ALTER COLUMN ident DROP IDENTITY
        ALTER TABLE owned ALTER COLUMN ident SET GENERATED BY DEFAULT
        ALTER TABLE owned ALTER COLUMN ident RESTART WITH 5
        ALTER TABLE owned ALTER COLUMN id TYPE bigint
        ALTER TABLE owned ALTER COLUMN ident TYPE bigint
        ALTER TABLE owned DROP COLUMN id
        ALTER TABLE owned SET SCHEMA other
        ALTER TABLE owned RENAME COLUMN id TO ident2
        ALTER SEQUENCE alone INCREMENT BY 5
        ALTER SEQUENCE alone RESTART
        ALTER SEQUENCE alone OWNED BY s.a
        ALTER SEQUENCE alone OWNER TO CURRENT_USER
        ALTER SEQUENCE alone RENAME TO alone2
        ALTER SEQUENCE alone AS smallint
        DROP VIEW above
        DROP VIEW seen CASCADE
        DROP MATERIALIZED VIEW kept_above
        DROP MATERIALIZED VIEW kept CASCADE
        DROP TABLE s CASCADE
        DROP TABLE s2 CASCADE
        CREATE OR REPLACE VIEW seen AS SELECT a, b FROM s WHERE a > 1
        CREATE OR REPLACE VIEW unseen AS SELECT a, b FROM s
        CREATE VIEW joined AS SELECT s.a FROM s JOIN s2 USING (a)
        ALTER VIEW above RENAME TO over
        ALTER VIEW above ALTER COLUMN a SET DEFAULT 1
        ALTER VIEW above SET (security_barrier = true)
        ALTER VIEW above OWNER TO CURRENT_USER
        ALTER VIEW above SET SCHEMA other
        ALTER MATERIALIZED VIEW kept RENAME TO kept2
        ALTER MATERIALIZED VIEW kept SET (fillfactor = 80)
        ALTER MATERIALIZED VIEW kept CLUSTER ON kept_a
        CREATE INDEX ON kept (b)
        REFRESH MATERIALIZED VIEW kept
        REFRESH MATERIALIZED VIEW kept WITH NO DATA
        REFRESH MATERIALIZED VIEW CONCURRENTLY kept
        REFRESH MATERIALIZED VIEW kept_above
        CLUSTER s USING s_pkey
        CLUSTER kept USING kept_a
        DROP TRIGGER fires ON s
        ALTER TRIGGER fires ON s RENAME TO burns
        CREATE CONSTRAINT TRIGGER later AFTER INSERT ON s DEFERRABLE FOR EACH ROW EXECUTE FUNCTION noop()
        CREATE CONSTRAINT TRIGGER later AFTER INSERT ON s FROM parent FOR EACH ROW EXECUTE FUNCTION noop()
        14+ CREATE OR REPLACE TRIGGER fires AFTER INSERT ON s FOR EACH ROW EXECUTE FUNCTION noop()
        ALTER TABLE s ENABLE ALWAYS TRIGGER fires
        ALTER TABLE s DISABLE TRIGGER USER
        DROP POLICY sees ON s
        ALTER POLICY sees ON s USING (false)
        ALTER TABLE s FORCE ROW LEVEL SECURITY
        ALTER TABLE s DISABLE ROW LEVEL SECURITY
        CREATE RULE more AS ON DELETE TO s DO ALSO NOTHING
        ALTER RULE rules ON s RENAME TO laws
        DROP RULE rules ON s
        ALTER TABLE s DISABLE RULE rules
        DROP STATISTICS stat
        ALTER STATISTICS stat RENAME TO stat2
        ALTER STATISTICS stat SET STATISTICS 50
        14+ CREATE STATISTICS st2 ON (a + 1) FROM s
        CREATE PUBLICATION pub2 FOR TABLE s
        CREATE PUBLICATION pub2 FOR ALL TABLES
        ALTER PUBLICATION pub ADD TABLE s
        ALTER PUBLICATION pub DROP TABLE s2
        ALTER PUBLICATION pub SET TABLE s
        DROP PUBLICATION pub
        ALTER TABLE box.inside ADD CHECK (a > 0)
        ALTER TABLE box."We""ird.Näme" ADD CHECK ("Col umn" > 0)
        ALTER TABLE box."We""ird.Näme" ALTER "from" TYPE varchar
        ALTER TABLE "order" ALTER "select" SET NOT NULL
        CREATE INDEX ON box."We""ird.Näme" ("Col umn")
        ALTER TABLE IF EXISTS missing ADD CHECK (a > 0)
        DROP TABLE IF EXISTS missing
        DROP INDEX IF EXISTS missing
        ALTER INDEX gin_i SET (fastupdate = off)
        ALTER INDEX s_pkey SET (fillfactor = 80)
        ALTER INDEX s_pkey RESET (fillfactor)
        ALTER INDEX s_pkey RENAME TO s_key
        13+ ALTER INDEX s_pkey ALTER COLUMN 1 SET STATISTICS 5
        ALTER TABLE s_pkey RENAME TO s_key
        ALTER TABLE seen RENAME TO seen2
        ALTER TABLE s SET (fillfactor = 80)
        ALTER TABLE s SET (toast.autovacuum_enabled = false, autovacuum_vacuum_scale_factor = 0.1)
        ALTER TABLE s SET (parallel_workers = 2)
        ALTER TABLE s SET (toast_tuple_target = 256)
        ALTER TABLE s RESET (fillfactor)
        ALTER TABLE s ALTER b SET (n_distinct = 5)
        ALTER TABLE s ALTER b RESET (n_distinct)
        14+ ALTER TABLE s ALTER b SET COMPRESSION pglz
        ALTER TABLE s SET WITHOUT OIDS
        ALTER TABLE s SET WITHOUT CLUSTER
        ALTER TABLE s SET TABLESPACE pg_default
        15+ ALTER TABLE s SET ACCESS METHOD heap
        ALTER TABLE s REPLICA IDENTITY USING INDEX s_pkey
        ALTER TABLE s INHERIT s2
        CREATE TABLE new_heir () INHERITS (s2)
        ALTER TABLE typed NOT OF
        ALTER TABLE s2 SET UNLOGGED
        LOCK TABLE s
        LOCK TABLE s IN ACCESS SHARE MODE
        LOCK TABLE s IN SHARE UPDATE EXCLUSIVE MODE
        LOCK TABLE s, s2 IN EXCLUSIVE MODE
        LOCK TABLE seen IN SHARE MODE
        COMMENT ON VIEW seen IS 'x'
        COMMENT ON INDEX s_pkey IS 'x'
        COMMENT ON SCHEMA box IS 'x'
        COMMENT ON TYPE mood IS 'x'
        COMMENT ON TRIGGER fires ON s IS 'x'
        GRANT SELECT (a) ON s TO PUBLIC
        GRANT USAGE ON SCHEMA box TO PUBLIC
        CREATE TABLE IF NOT EXISTS s (a int)
        CREATE TABLE made (a int REFERENCES parent, b bigint REFERENCES parent (code))
        CREATE TABLE made (LIKE s INCLUDING INDEXES)
        CREATE TABLE made AS TABLE s WITH NO DATA
        SELECT * INTO made FROM s
        CREATE SEQUENCE made
        CREATE SEQUENCE made OWNED BY s.a
        CREATE TYPE made AS ENUM ('x')
        CREATE DOMAIN made AS int CHECK (VALUE > 0)
        CREATE SCHEMA made
        CREATE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1'
        ALTER FUNCTION loose() STABLE
        INSERT INTO s2 SELECT 1, 1
        UPDATE s SET b = 'y'
        DELETE FROM s
        15+ MERGE INTO s USING s2 ON s.a = s2.a WHEN MATCHED THEN DELETE
        COPY s2 FROM PROGRAM 'true'
        SELECT a FROM s FOR UPDATE
        EXPLAIN ALTER TABLE s ADD COLUMN z int
        EXPLAIN ANALYZE UPDATE s SET b = 'z'
        """,
    ),
    (
        "not null from above",
        """
        CREATE TABLE over (v int, w int); CREATE TABLE heir () INHERITS (over);
        INSERT INTO heir SELECT i, i FROM generate_series(1, 100) AS i;
        CREATE TABLE whole (v int, w int) PARTITION BY RANGE (w); CREATE TABLE part PARTITION OF whole DEFAULT;
        INSERT INTO part SELECT i, i FROM generate_series(1, 100) AS i;
        DO $$ BEGIN
            IF current_setting('server_version_num')::int >= 180000 THEN
                EXECUTE 'ALTER TABLE over ADD CONSTRAINT n NOT NULL v NOT VALID';
                EXECUTE 'ALTER TABLE whole ADD CONSTRAINT n NOT NULL v NOT VALID';
                EXECUTE 'ALTER TABLE heir ADD CONSTRAINT m NOT NULL w NOT VALID';
            END IF;
        END $$;
        """,
        """
        ALTER TABLE heir ALTER v SET NOT NULL
        ALTER TABLE part ALTER v SET NOT NULL
        ALTER TABLE heir ALTER v SET NOT NULL, ALTER w SET NOT NULL
        ALTER TABLE heir ALTER w SET NOT NULL
        ALTER TABLE over ALTER v SET NOT NULL
        ALTER TABLE whole ALTER v SET NOT NULL
        ALTER TABLE heir ADD PRIMARY KEY (v)
        ALTER TABLE heir NO INHERIT over, ALTER v SET NOT NULL
        ALTER TABLE heir ALTER v TYPE int USING v, ALTER v SET NOT NULL
        18+ ALTER TABLE heir VALIDATE CONSTRAINT n
        18+ ALTER TABLE heir ADD CONSTRAINT n NOT NULL v
        """,
    ),
    ("odd", odd.MADE, odd.ROWS),
)

# What cannot run in a transaction: the lock that it waits for is read while another session holds the table.
ALONE: tuple[tuple[str, str], ...] = (
    ("filled", "CREATE INDEX CONCURRENTLY ON filled (x)"),
    ("filled", "CREATE UNIQUE INDEX CONCURRENTLY cu ON filled (id, a)"),
    ("filled", "DROP INDEX CONCURRENTLY filled_a"),
    ("filled", "REINDEX INDEX CONCURRENTLY filled_a"),
    ("filled", "REINDEX TABLE CONCURRENTLY filled"),
    ("filled", "VACUUM filled"),
    ("filled", "VACUUM ANALYZE filled"),
    ("filled", "VACUUM (FULL) filled"),
    ("filled", "VACUUM FULL filled"),
    ("parted", "14+ ALTER TABLE parted DETACH PARTITION parted_1 CONCURRENTLY"),
    ("unlogged", "CREATE INDEX CONCURRENTLY ON unlogged (x)"),
)


@dataclass(frozen=True, slots=True)
class Case:
    group: str
    sql: str
    first: int = 13
    last: int = 99
    inside: str = ""

    def on(self, version: int) -> bool:
        return self.first <= version <= self.last

    def __str__(self) -> str:
        return f"{self.group}: {self.sql}"


def _case(group: str, line: str, inside: str = "") -> Case:
    found = re.match(r"(?:(\d+)\+|(\d+)-(\d+)?) ", line)
    if found is None:
        return Case(group, line, inside=inside)
    since, only, until = found.groups()
    sql = line[found.end() :]
    if since:
        return Case(group, sql, int(since), inside=inside)
    return Case(group, sql, int(only) if until else 13, int(until or only), inside)


def _lines(text: str) -> Iterator[str]:
    return (line.strip() for line in text.splitlines() if line.strip())


def matrix() -> Iterator[Case]:
    """Every form on the table of every state; the table is called as the state is."""
    for state in STATES:
        for line in _lines(FORMS):
            yield _case(state.name, line.replace("{t}", state.name), state.inside.replace("{t}", state.name))


def particular() -> Iterator[Case]:
    for group, _, rows in GROUPS:
        for line in _lines(rows):
            yield _case(group, line)


def alone() -> tuple[tuple[str, Case], ...]:
    return tuple((table, _case("alone", line)) for table, line in ALONE)


def setup(group: str) -> str:
    """What to make in an empty database before the rows of a group."""
    for state in STATES:
        if state.name == group:
            return SCHEMA + state.made.replace("{t}", group)
    return SCHEMA + next(made for name, made, _ in GROUPS if name == group)


CASES = (*matrix(), *particular())
