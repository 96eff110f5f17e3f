"""The forms of statements whose plans tests/live/test_plans.py tries, and the tables that they are about."""

from __future__ import annotations

from dataclasses import dataclass

LONG = "long_" + "x" * 58  # 63 bytes
OVERLONG = "Überlänge_" + "ä" * 60  # cut by the server, in the middle of the name

TABLES = f"""
CREATE TABLE customers (id int PRIMARY KEY, code text UNIQUE, region int NOT NULL, UNIQUE (id, region));
INSERT INTO customers SELECT g, 'c' || g, g % 3 FROM generate_series(1, 20) g;
CREATE TABLE orders (id int NOT NULL, customer_id int, email text, total int, note text, parent int, region int);
INSERT INTO orders SELECT g, g % 5 + 1, 'e' || g, g, 'n' || g, g, (g % 5 + 1) % 3 FROM generate_series(1, 50) g;
CREATE UNIQUE INDEX orders_lookup ON orders (id);
CREATE INDEX "Orders Note" ON orders (note);
CREATE INDEX orders_total ON orders (total);
CREATE TABLE "We""ird" ("Id" int NOT NULL, "a b" int, "sélect" int);
INSERT INTO "We""ird" SELECT g, g, g FROM generate_series(1, 5) g;
CREATE TABLE {LONG} ({LONG} int, second_{LONG[:50]} int);
INSERT INTO {LONG} VALUES (1, 1), (2, 2);
CREATE TABLE events (id int, at int, kind text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (100);
INSERT INTO events SELECT g, g, 'k' FROM generate_series(1, 50) g;
CREATE TABLE regions (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE regions_1 PARTITION OF regions FOR VALUES FROM (0) TO (100);
INSERT INTO regions SELECT g FROM generate_series(0, 9) g;
CREATE TABLE base (a int, b int);
CREATE TABLE derived (c int) INHERITS (base);
INSERT INTO base VALUES (1, 1); INSERT INTO derived VALUES (2, 2, 2);
CREATE TABLE keyed (id int CONSTRAINT keyed_pkey PRIMARY KEY, tenant int, state text CONSTRAINT keyed_state_check CHECK (state <> ''));
INSERT INTO keyed SELECT g, g % 2, 'on' FROM generate_series(1, 5) g;
CREATE MATERIALIZED VIEW totals AS SELECT total, count(*) AS n FROM orders GROUP BY total;
"""


@dataclass(frozen=True)
class Case:
    """``bad`` makes rows that the statement cannot stand; ``since``, ``until``: versions that know it."""

    sql: str
    bad: str = ""
    since: int = 13
    until: int = 99
    before: str = ""  # SQL, after the tables are made
    repeats: bool = True  # its plan can tell what is done; not so if Postgres names the index
    moves: bool = False  # the column that it is about stands last in the end
    replans: bool = True  # sent again after an interruption, it goes on where it stopped
    tables: str = TABLES
    group: str = ""

    @property
    def id(self) -> str:
        return f"{self.group}{self.sql[:70]}"

    def on(self, version: int) -> bool:
        return self.since <= version <= self.until


NULL_EMAIL = "UPDATE orders SET email = NULL WHERE id = 7"
SAME_EMAIL = "UPDATE orders SET email = 'e1' WHERE id = 7"
ORPHAN = "UPDATE orders SET customer_id = 99 WHERE id = 7"
BAD_TOTAL = "UPDATE orders SET total = -1 WHERE id = 7"

INDEXES = [
    Case("CREATE INDEX orders_email_idx ON orders (email)"),
    Case("CREATE UNIQUE INDEX orders_email_idx ON orders (email)", SAME_EMAIL),
    Case("create index if not exists orders_email_idx on only orders using btree (email desc nulls last)"),
    Case("CREATE INDEX ON orders (email)"),
    Case("CREATE INDEX ON orders (email, total) INCLUDE (note, id)"),
    Case("CREATE INDEX ON orders (email)", before="CREATE TABLE orders_email_idx (a int)"),
    Case("CREATE INDEX ON orders (email)", before="ALTER TABLE base ADD CONSTRAINT orders_email_idx CHECK (a > 0)"),
    Case("CREATE UNIQUE INDEX ON orders (lower(email))", SAME_EMAIL, repeats=False),
    Case("CREATE INDEX ON orders (lower(email), (total + 1), customer_id) WHERE total > 3", repeats=False),
    Case("CREATE INDEX part ON orders (email text_pattern_ops) WITH (fillfactor = 70) WHERE note IS NOT NULL"),
    Case('CREATE INDEX "My Index" ON "We""ird" ("a b", "sélect")'),
    Case(f"CREATE INDEX {OVERLONG} ON {LONG} ({LONG})"),
    Case(f"CREATE INDEX ON {LONG} ({LONG}, second_{LONG[:50]})"),
    Case("CREATE UNIQUE INDEX totals_total ON totals (total)"),
    Case("CREATE UNIQUE INDEX u ON orders (note, email) NULLS NOT DISTINCT", since=15),
    Case("CREATE INDEX hashed ON orders USING hash (email)"),
    Case("CREATE INDEX base_a ON base (a)"),
    Case("CREATE INDEX leaf ON events_1 (kind)"),
    Case("DROP INDEX orders_total"),
    Case("DROP INDEX IF EXISTS orders_total RESTRICT"),
    Case('DROP INDEX orders_total, "Orders Note", orders_total', replans=False),
    Case('DROP INDEX IF EXISTS nothing_there, orders_total, "Orders Note"'),
]

CHECKS = [
    Case("ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0)", BAD_TOTAL),
    Case("ALTER TABLE orders ADD CHECK (total > 0)", BAD_TOTAL),
    Case("ALTER TABLE orders ADD CHECK (total > 0), ADD CHECK (total < 1000), ADD CHECK (total < id + 1)", BAD_TOTAL),
    Case("ALTER TABLE orders ADD CHECK (total > 0)", BAD_TOTAL, before="CREATE TABLE orders_total_check (a int)"),
    Case(
        "ALTER TABLE orders ADD CHECK (total > 0)",
        BAD_TOTAL,
        before="ALTER TABLE customers ADD CONSTRAINT orders_total_check CHECK (region > -1)",
    ),
    Case("ALTER TABLE ONLY orders ADD CONSTRAINT positive CHECK (total > 0) NO INHERIT", BAD_TOTAL),
    Case("ALTER TABLE base ADD CHECK (a > 0)", "INSERT INTO derived VALUES (-1, 1, 1)"),
    Case(
        "ALTER TABLE ONLY base ADD CHECK (a > 0) NO INHERIT",
        "INSERT INTO ONLY base VALUES (-1, 1)".replace("ONLY ", ""),
    ),
    Case("ALTER TABLE events ADD CONSTRAINT k CHECK (kind <> '')", "UPDATE events SET kind = '' WHERE id = 30"),
    Case('ALTER TABLE "We""ird" ADD CHECK ("a b" > 0)', 'UPDATE "We""ird" SET "a b" = 0 WHERE "Id" = 1'),
    Case(
        "ALTER TABLE orders ADD CHECK ((note || email) <> 'x' AND coalesce(total, 1) IN (SELECT 1) IS NULL OR true)".replace(
            " IN (SELECT 1) IS NULL", " > -9"
        )
    ),
    Case("ALTER TABLE orders ADD CONSTRAINT e CHECK (total > 0) ENFORCED", BAD_TOTAL, since=18),
    Case("ALTER TABLE orders ADD CONSTRAINT given NOT NULL email", NULL_EMAIL, since=18),
    Case("ALTER TABLE orders ADD CONSTRAINT given NOT NULL email, ADD COLUMN later int", NULL_EMAIL, since=18),
    Case("ALTER TABLE orders ADD CHECK (orders.total > 0)"),
    # What is there, NOT VALID, in the same words goes before it comes.
    Case(
        "ALTER TABLE orders DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (total > 0)",
        before="ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID",
    ),
    Case(
        "ALTER TABLE orders DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (total > 0), ALTER email SET NOT NULL, ADD z int",
        before="ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID",
        repeats=False,
    ),
    Case(
        "ALTER TABLE orders DROP CONSTRAINT c, ADD CONSTRAINT c FOREIGN KEY (customer_id) REFERENCES customers",
        before="ALTER TABLE orders ADD CONSTRAINT c FOREIGN KEY (customer_id) REFERENCES customers NOT VALID",
    ),
    Case(
        "ALTER TABLE orders DROP CONSTRAINT c, ADD CONSTRAINT c NOT NULL email",
        before="ALTER TABLE orders ADD CONSTRAINT c NOT NULL email NOT VALID",
        since=18,
    ),
    Case(
        "ALTER TABLE orders ADD COLUMN rate int DEFAULT 1, ADD CONSTRAINT r CHECK (rate > 0 AND total > 0)",
        BAD_TOTAL,
    ),
    Case(
        "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0), ALTER note SET DEFAULT 'x', ADD COLUMN z int",
        BAD_TOTAL,
    ),
    Case(
        "ALTER TABLE keyed DROP CONSTRAINT keyed_state_check, ADD CONSTRAINT keyed_state_check CHECK (state IN ('on', 'off'))",
        "UPDATE keyed SET state = 'maybe' WHERE id = 1",
    ),
    Case("ALTER TABLE keyed DROP CONSTRAINT keyed_state_check, ADD CHECK (state <> 'x')"),
    Case("ALTER TABLE orders ALTER note TYPE varchar, ADD CONSTRAINT said CHECK (note <> '')"),
]

FOREIGN_KEYS = [
    Case("ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers (id)", ORPHAN),
    Case("ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers", ORPHAN),
    Case(
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id, region) REFERENCES customers (id, region) MATCH FULL ON DELETE CASCADE",
        ORPHAN,
    ),
    Case(
        "ALTER TABLE ONLY orders ADD FOREIGN KEY (customer_id) REFERENCES customers ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED",
        ORPHAN,
    ),
    Case(
        "ALTER TABLE orders ADD CONSTRAINT own FOREIGN KEY (parent) REFERENCES orders (id)",
        "UPDATE orders SET parent = 999 WHERE id = 7",
    ),
    Case(
        "ALTER TABLE orders ADD FOREIGN KEY (region) REFERENCES regions", "UPDATE orders SET region = 55 WHERE id = 7"
    ),
    Case(
        "ALTER TABLE events ADD FOREIGN KEY (id) REFERENCES orders (id)",
        "UPDATE events SET id = 999 WHERE id = 7",
        since=18,
    ),
    Case(
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers, ADD FOREIGN KEY (region) REFERENCES regions (id),"
        " ADD CHECK (total > 0)",
        BAD_TOTAL,
    ),
    Case(
        "ALTER TABLE orders ADD UNIQUE (parent), ADD CONSTRAINT own FOREIGN KEY (id) REFERENCES orders (parent), ADD COLUMN z int",
        "UPDATE orders SET parent = 999 WHERE id = 7",
        replans=False,
    ),
    Case(
        "ALTER TABLE orders DROP CONSTRAINT fk, ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE",
        before="ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers",
    ),
    Case(
        "ALTER TABLE orders ADD COLUMN buyer int, ADD CONSTRAINT fk FOREIGN KEY (buyer) REFERENCES customers DEFERRABLE",
    ),
]

NOT_NULLS = [
    Case("ALTER TABLE orders ALTER COLUMN email SET NOT NULL", NULL_EMAIL),
    Case(
        "ALTER TABLE orders ALTER email SET NOT NULL, ALTER total SET NOT NULL, ALTER note SET DEFAULT ''", NULL_EMAIL
    ),
    Case(
        "ALTER TABLE orders ALTER email SET NOT NULL", NULL_EMAIL, before="CREATE TABLE orders_email_not_null (a int)"
    ),
    Case(
        "ALTER TABLE orders ALTER email SET NOT NULL",
        NULL_EMAIL,
        before="ALTER TABLE customers ADD CONSTRAINT orders_email_not_null CHECK (region > -1)",
    ),
    Case(
        'ALTER TABLE IF EXISTS "We""ird" ALTER "a b" SET NOT NULL', 'UPDATE "We""ird" SET "a b" = NULL WHERE "Id" = 1'
    ),
    Case(f"ALTER TABLE {LONG} ALTER {LONG} SET NOT NULL", f"UPDATE {LONG} SET {LONG} = NULL"),
    Case("ALTER TABLE base ALTER a SET NOT NULL", "INSERT INTO derived VALUES (NULL, 1, 1)"),
    Case("ALTER TABLE ONLY base ALTER a SET NOT NULL", "INSERT INTO base VALUES (NULL, 1)"),
    Case("ALTER TABLE ONLY orders ALTER email SET NOT NULL", NULL_EMAIL),
    Case("ALTER TABLE events ALTER kind SET NOT NULL", "UPDATE events SET kind = NULL WHERE id = 30"),
    Case("ALTER TABLE events_1 ALTER kind SET NOT NULL", "UPDATE events SET kind = NULL WHERE id = 3"),
    Case(
        "ALTER TABLE orders ALTER id DROP NOT NULL, ALTER id SET NOT NULL, ADD COLUMN z int",
        repeats=False,
        replans=False,
    ),
    Case("ALTER TABLE orders ADD COLUMN z int NOT NULL DEFAULT 1, ALTER z SET NOT NULL"),
    Case(
        "ALTER TABLE orders ADD COLUMN z int DEFAULT 1, ALTER z SET NOT NULL, ADD y int, ALTER email SET NOT NULL",
        NULL_EMAIL,
    ),
    Case(
        "ALTER TABLE orders ADD COLUMN z int, ALTER z SET NOT NULL, ADD CHECK (total > 0)", before="DELETE FROM orders"
    ),
    Case("ALTER TABLE orders ALTER email SET NOT NULL, ALTER email TYPE varchar", replans=False),
    Case(
        "ALTER TABLE orders ALTER email SET NOT NULL",
        NULL_EMAIL,
        since=18,
        before="ALTER TABLE orders ADD CONSTRAINT given NOT NULL email NOT VALID",
    ),
]

UNIQUES = [
    Case("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email)", SAME_EMAIL),
    Case("ALTER TABLE orders ADD UNIQUE (email, note) INCLUDE (total)"),
    Case("ALTER TABLE orders ADD UNIQUE (email)", SAME_EMAIL, before="CREATE TABLE orders_email_key (a int)"),
    Case("ALTER TABLE orders ADD UNIQUE (email) INCLUDE (email)", SAME_EMAIL),
    Case(
        "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email) WITH (fillfactor = 70) DEFERRABLE INITIALLY DEFERRED",
        SAME_EMAIL,
    ),
    Case(
        "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email) USING INDEX TABLESPACE pg_default NOT DEFERRABLE",
        SAME_EMAIL,
    ),
    Case("ALTER TABLE orders ADD UNIQUE NULLS NOT DISTINCT (email)", SAME_EMAIL, since=15),
    Case('ALTER TABLE "We""ird" ADD UNIQUE ("a b", "sélect")', 'UPDATE "We""ird" SET "a b" = 1, "sélect" = 1'),
    Case(
        f"ALTER TABLE {LONG} ADD UNIQUE ({LONG}, second_{LONG[:50]})",
        f"UPDATE {LONG} SET {LONG} = 1, second_{LONG[:50]} = 1",
    ),
    Case("ALTER TABLE orders ADD UNIQUE (email), ADD UNIQUE (note), ADD COLUMN z int", SAME_EMAIL),
    Case(
        "ALTER TABLE orders ADD CONSTRAINT pk PRIMARY KEY (id)",
        "DROP INDEX orders_lookup; UPDATE orders SET id = 1 WHERE id = 7",
    ),
    Case("ALTER TABLE orders ADD PRIMARY KEY (id, email)", NULL_EMAIL),
    Case("ALTER TABLE orders ADD PRIMARY KEY (id), ALTER id SET NOT NULL, ALTER email SET NOT NULL", NULL_EMAIL),
    Case("ALTER TABLE orders ADD PRIMARY KEY (email) INCLUDE (note) DEFERRABLE", SAME_EMAIL),
    Case("ALTER TABLE base ADD PRIMARY KEY (a)", "INSERT INTO base VALUES (NULL, 1)"),
    Case("ALTER TABLE ONLY base ADD PRIMARY KEY (a)", "INSERT INTO base VALUES (NULL, 1)", until=17),
    Case("ALTER TABLE events_1 ADD PRIMARY KEY (id)"),
    Case(
        "ALTER TABLE keyed DROP CONSTRAINT keyed_pkey, ADD CONSTRAINT keyed_pkey PRIMARY KEY (tenant, id)",
        "UPDATE keyed SET tenant = NULL WHERE id = 2",
    ),
    Case(
        "ALTER TABLE keyed DROP CONSTRAINT keyed_pkey, ADD PRIMARY KEY (id, tenant)",
        "UPDATE keyed SET tenant = NULL WHERE id = 2",
    ),
    Case("ALTER TABLE keyed DROP CONSTRAINT keyed_pkey, ADD CONSTRAINT other PRIMARY KEY (tenant, id)"),
    Case("ALTER TABLE orders ADD COLUMN k int, ADD UNIQUE (k, id)"),
    # Names of constraints on what the ALTER itself adds: those inside a column come first.
    Case("ALTER TABLE orders ADD COLUMN k int, ADD CHECK (k > 0)"),
    Case("ALTER TABLE orders ADD CHECK (orders.k > 0), ADD CHECK (k > total), ADD COLUMN k int DEFAULT 99"),
    Case(
        "ALTER TABLE orders ADD FOREIGN KEY (k) REFERENCES customers ON DELETE CASCADE, ADD COLUMN k int REFERENCES customers"
    ),
    Case("ALTER TABLE orders ADD COLUMN IF NOT EXISTS note text, ADD CHECK (note <> '')"),
    Case("ALTER TABLE events ADD COLUMN k int, ADD CHECK (k > 0)"),
    Case("ALTER TABLE orders DROP COLUMN note, ADD COLUMN note int, ADD CHECK (note > 0)"),
]

SAME_DEFAULT = "ALTER TABLE orders ADD COLUMN k int DEFAULT 1 "
COLUMNS = [
    # a value of its own for each row
    Case("ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()"),
    Case("ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()"),
    Case("ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid() NOT NULL"),
    Case("alter table if exists only orders add token uuid constraint tok not null default gen_random_uuid() unique"),
    Case(
        "ALTER TABLE orders ADD COLUMN IF NOT EXISTS seen timestamptz(3) DEFAULT clock_timestamp(), ADD COLUMN z int"
        " DEFAULT 5, ALTER note SET DEFAULT ''"
    ),
    Case('ALTER TABLE "We""ird" ADD "c d" text COLLATE "C" DEFAULT random()::text CHECK ("c d" <> \'\') NOT NULL'),
    Case(
        'ALTER TABLE orders ADD r float DEFAULT random() -- of old rows, too\n  NOT NULL /* always */ , ADD "R" float'
    ),
    Case(
        'ALTER TABLE orders ADD r text DEFAULT random()::text COLLATE "C" UNIQUE, ADD q float DEFAULT random() CHECK (q < 2)'
    ),
    Case("ALTER TABLE orders ADD n bigint DEFAULT nextval('s') PRIMARY KEY", before="CREATE SEQUENCE s"),
    Case(
        "ALTER TABLE orders ADD n int DEFAULT nextval('s') REFERENCES customers ON DELETE CASCADE DEFERRABLE",
        "DELETE FROM customers WHERE id = 5",
        before="CREATE SEQUENCE s MAXVALUE 20 CYCLE",
    ),
    Case("ALTER TABLE orders ADD r float DEFAULT random() CHECK (r < 2) CHECK (total > 0)", BAD_TOTAL),
    Case(
        "ALTER TABLE orders ADD r float DEFAULT random(), ALTER r SET DEFAULT 7, ADD CONSTRAINT few CHECK (r < 2)",
    ),
    Case("ALTER TABLE orders ADD r float DEFAULT random(), ADD UNIQUE (r), ALTER email SET NOT NULL", NULL_EMAIL),
    Case(
        "ALTER TABLE orders ADD r float DEFAULT random() NOT NULL, ADD CHECK (total > 0), DROP COLUMN note", BAD_TOTAL
    ),
    Case("ALTER TABLE orders DROP COLUMN note, ADD note float DEFAULT random()", repeats=False),
    Case("ALTER TABLE events ADD r float DEFAULT random() NOT NULL CHECK (r < 2)"),
    Case("ALTER TABLE events_1 ADD r float DEFAULT random()", until=0),
    Case(f"ALTER TABLE {LONG} ADD third_{LONG[:50]} float DEFAULT random() NOT NULL UNIQUE"),
    # numbers
    Case("ALTER TABLE orders ADD n serial"),
    Case("ALTER TABLE orders ADD n bigserial PRIMARY KEY"),
    Case('ALTER TABLE "We""ird" ADD "N" smallserial UNIQUE, ADD m serial NOT NULL'),
    Case("ALTER TABLE orders ADD n serial", before="CREATE TABLE orders_n_seq (a int)"),
    Case("ALTER TABLE orders ADD n serial", before="ALTER TABLE base ADD CONSTRAINT orders_n_seq CHECK (a > 0)"),
    Case("ALTER TABLE orders ADD n int GENERATED ALWAYS AS IDENTITY"),
    Case(
        "ALTER TABLE orders ADD n bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 1000 INCREMENT BY -10 MINVALUE 1) UNIQUE",
        until=0,
    ),
    Case(
        "ALTER TABLE orders ADD n bigint CONSTRAINT i GENERATED BY DEFAULT AS IDENTITY (START 1000 INCREMENT 10 CACHE 5) PRIMARY KEY"
    ),
    Case("ALTER TABLE events ADD n serial"),
    # the same value for all, but a demand
    Case(SAME_DEFAULT + "CHECK (k > 0)"),
    Case(
        SAME_DEFAULT + "NOT NULL CONSTRAINT positive CHECK (k > 0) CHECK (k < total + 5), ADD CHECK (total > 0)",
        BAD_TOTAL,
    ),
    Case(
        "ALTER TABLE orders ADD COLUMN k int CONSTRAINT a CHECK (k > 0) NOT ENFORCED CHECK (k > 1) ENFORCED", since=18
    ),
    Case(SAME_DEFAULT + "REFERENCES customers", "DELETE FROM customers WHERE id = 1"),
    Case(
        "ALTER TABLE orders ADD COLUMN k int DEFAULT NULL CONSTRAINT own REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED"
    ),
    Case("ALTER TABLE orders ADD COLUMN k int UNIQUE, ADD COLUMN l int UNIQUE DEFERRABLE"),
    Case(
        "ALTER TABLE orders ADD COLUMN k int UNIQUE NULLS NOT DISTINCT WITH (fillfactor = 70) DEFERRABLE",
        since=15,
        until=0,
    ),
    Case("ALTER TABLE orders ADD COLUMN k int UNIQUE", before="CREATE TABLE orders_k_key (a int)"),
    Case(
        "ALTER TABLE orders ADD COLUMN k int DEFAULT 1 UNIQUE CHECK (k > 0)",
        bad="INSERT INTO orders (id) VALUES (51)",
        until=0,
    ),
    Case("ALTER TABLE base ADD COLUMN k int DEFAULT 1 CHECK (k > 0)"),
    Case("ALTER TABLE events ADD COLUMN k int DEFAULT 1 CHECK (k > 0)"),
    Case("ALTER TABLE events ADD COLUMN k int DEFAULT 1 REFERENCES customers", since=18),
]

STAMPED = """
SET TimeZone = 'Europe/Berlin';
ALTER TABLE orders ADD made timestamp DEFAULT now(), ADD seen timestamptz(3) NOT NULL DEFAULT '2020-02-02 12:00',
    ADD sent timestamp DEFAULT '2020-07-07 12:00';
"""
CODED = """
ALTER TABLE orders ADD code varchar(20) DEFAULT 'c' CONSTRAINT coded CHECK (code <> '') CHECK (code <> 'x' AND total > 0);
COMMENT ON CONSTRAINT coded ON orders IS 'It''s said \\ so';
"""
TYPES = [
    Case("ALTER TABLE orders ALTER made TYPE timestamptz USING made AT TIME ZONE 'UTC'", before=STAMPED, repeats=False),
    Case(
        "ALTER TABLE orders ALTER COLUMN made SET DATA TYPE timestamp with time zone USING ((made) AT TIME ZONE 'utc'),"
        " ALTER sent TYPE timestamptz USING sent AT TIME ZONE 'UTC', ALTER made SET NOT NULL, DROP COLUMN note",
        before=STAMPED,
        replans=False,
    ),
    Case(
        "ALTER TABLE orders ALTER seen TYPE timestamp /* ! */ USING -- as UTC\n seen AT TIME ZONE 'Etc/UTC'",
        before=STAMPED + "ALTER TABLE orders ALTER seen TYPE timestamptz;",
    ),
    Case("ALTER TABLE orders ALTER code TYPE varchar(30)", before=CODED),
    Case("ALTER TABLE orders ALTER code TYPE text, ALTER code SET DEFAULT 'd', ADD COLUMN z int, DROP COLUMN note", before=CODED),
    Case("ALTER TABLE orders DROP CONSTRAINT coded, ALTER code TYPE varchar USING code::varchar", before=CODED),
    Case("ALTER TABLE orders ALTER code TYPE varchar(20), ALTER code SET NOT NULL", before=CODED),
    Case("ALTER TABLE orders ALTER code TYPE varchar(20)", before=CODED, repeats=False),
    Case(
        "ALTER TABLE orders ALTER code TYPE varchar(20), ALTER total SET NOT NULL",
        before=CODED + "CREATE INDEX ON orders (lower(code));",
    ),
    Case("ALTER TABLE orders ALTER code TYPE text", before=CODED + "CREATE INDEX low ON orders (lower(code)); CREATE INDEX ON orders (total) WHERE code <> 'z'"),
    Case('ALTER TABLE orders ALTER note TYPE text COLLATE "C", ADD COLUMN z int'),
    Case("ALTER TABLE orders ALTER made TYPE timestamptz", before=STAMPED + "SET TimeZone = 'UTC'; CREATE INDEX ON orders (made) INCLUDE (total) WITH (fillfactor = 50)"),
    Case(
        "ALTER TABLE orders ALTER code TYPE text",
        before=CODED + "CREATE TABLE parents (code varchar(20) PRIMARY KEY); INSERT INTO parents VALUES ('c');"
        " ALTER TABLE orders ADD FOREIGN KEY (code) REFERENCES parents",
    ),
]  # fmt: skip

NUMBERED = """
CREATE TABLE shops (id serial PRIMARY KEY, code varchar(20) UNIQUE DEFERRABLE, size int NOT NULL DEFAULT 5 CHECK (size > 0), amount numeric(8,2),
    CONSTRAINT sized CHECK (size < 1000 AND amount <> 7), UNIQUE (size, id));
COMMENT ON COLUMN shops.size IS 'how it''s'; COMMENT ON CONSTRAINT sized ON shops IS 'said';
INSERT INTO shops (code, size, amount) SELECT g, g, g + 0.55 FROM generate_series(1, 60) g;
CREATE INDEX ON shops (size DESC, lower(code)) WHERE size > 3; CREATE UNIQUE INDEX "By Size" ON shops (size) INCLUDE (amount) WITH (fillfactor = 80);
CREATE TABLE goods (id int GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 10) PRIMARY KEY, shop_id int REFERENCES shops ON DELETE CASCADE,
    size int, shop int NOT NULL CONSTRAINT by_shop REFERENCES shops (id) DEFERRABLE);
ALTER TABLE goods ADD FOREIGN KEY (size, shop) REFERENCES shops (size, id) NOT VALID;
COMMENT ON CONSTRAINT by_shop ON goods IS 'its shop';
INSERT INTO goods (shop_id, size, shop) SELECT g, g, g FROM generate_series(1, 50) g;
"""
HALLS = """
CREATE TYPE pair AS (a int, b text); CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN whole AS numeric;
CREATE FUNCTION twice(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1::text || $1';
CREATE TABLE halls (house int, hall int, nos int[] DEFAULT '{1}', two text, mood text NOT NULL, stored text, at timestamptz DEFAULT '2020-01-01',
    no int GENERATED BY DEFAULT AS IDENTITY (START 7 INCREMENT 3 MAXVALUE 3000 CACHE 5 CYCLE) UNIQUE, PRIMARY KEY (house, hall));
ALTER TABLE halls ALTER stored SET STORAGE EXTERNAL;
INSERT INTO halls SELECT g, g % 7, array[g, NULL], CASE g % 4 WHEN 0 THEN '(1,)' WHEN 1 THEN '(,)' WHEN 2 THEN '(4,x)' END, 'glad', repeat('x', g % 30), '2020-02-02 02:00Z' FROM generate_series(1, 40) g;
ALTER TABLE halls ADD late int DEFAULT 7; ALTER TABLE halls ALTER late SET DEFAULT 8 + 1;
CREATE INDEX ON halls USING hash (late); CREATE INDEX ON halls USING gin (nos); CREATE INDEX "H" ON halls ((late = 7), house) INCLUDE (late) WHERE late IS NOT NULL;
CREATE TABLE seats (house int, hall int, late int, CONSTRAINT "of" FOREIGN KEY (house, hall) REFERENCES halls ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO seats SELECT house, hall, late FROM halls;
"""
DAY = "UPDATE orders SET made = '2020-01-01';"
SWAPS = [
    Case("ALTER TABLE shops ALTER id TYPE bigint", before=NUMBERED, moves=True),
    Case("ALTER TABLE goods ALTER COLUMN id TYPE bigint", before=NUMBERED, moves=True),
    Case("ALTER TABLE goods ALTER shop_id SET DATA TYPE bigint", before=NUMBERED, moves=True),
    Case("ALTER TABLE goods ALTER shop TYPE bigint USING shop::bigint", before=NUMBERED, moves=True),
    Case("ALTER TABLE shops ALTER size TYPE smallint", before=NUMBERED, moves=True),
    Case("ALTER TABLE shops ALTER code TYPE int USING nullif(code, '7')::int", before=NUMBERED, moves=True),
    Case("ALTER TABLE shops ALTER code TYPE varchar(2)", before=NUMBERED, moves=True),
    Case("ALTER TABLE orders ALTER email TYPE varchar(3)", "UPDATE orders SET email = '1234' WHERE id = 7", moves=True),
    Case("ALTER TABLE shops ALTER amount TYPE numeric(6,1)", before=NUMBERED, moves=True),
    Case('ALTER TABLE orders ALTER note TYPE char(9) COLLATE "C"', moves=True),
    Case("ALTER TABLE orders ALTER doc TYPE jsonb", before="ALTER TABLE orders ADD doc json DEFAULT '{}'", moves=True),
    Case(
        "ALTER TABLE orders ALTER doc TYPE json USING doc::json",
        before="ALTER TABLE orders ADD doc jsonb NOT NULL DEFAULT '{}'",
        moves=True,
    ),
    Case("ALTER TABLE orders ALTER sent TYPE timestamptz", before=STAMPED + DAY, moves=True),
    Case(
        "ALTER TABLE orders ALTER sent TYPE date USING sent::date",
        before=STAMPED + DAY + "CREATE INDEX ON orders (sent)",
        moves=True,
    ),
    Case(
        'ALTER TABLE "We""ird" ALTER "a b" TYPE text USING "a b"::text || \'!\'',
        before='CREATE INDEX ON "We""ird" ("a b")',
        moves=True,
    ),
    Case("ALTER TABLE orders ALTER parent TYPE text", moves=True),
    Case("ALTER TABLE halls ALTER house TYPE bigint", before=HALLS, moves=True),
    Case("ALTER TABLE seats ALTER house TYPE bigint", before=HALLS, moves=True),
    Case("ALTER TABLE halls ALTER late TYPE bigint", before=HALLS, moves=True),
    Case("ALTER TABLE halls ALTER nos TYPE bigint[]", before=HALLS, moves=True),
    Case("ALTER TABLE halls ALTER two TYPE pair USING two::pair", before=HALLS, moves=True),
    Case("ALTER TABLE halls ALTER mood TYPE mood USING mood::mood", before=HALLS, moves=True),
    Case(
        "ALTER TABLE halls ALTER paid TYPE money",
        before=HALLS + "ALTER TABLE halls ADD paid numeric DEFAULT 1234.5; CREATE INDEX ON halls (paid, house)",
        moves=True,
    ),
    Case("ALTER TABLE halls ALTER late TYPE whole", before=HALLS, moves=True),
    Case(
        "ALTER TABLE halls ALTER late TYPE text USING twice(late)",
        before=HALLS.replace("(late = 7)", "(late IS NULL)"),
        moves=True,
    ),
    Case("ALTER TABLE halls ALTER stored TYPE varchar(30)", before=HALLS, moves=True),
    Case("ALTER TABLE halls ALTER no TYPE bigint", before=HALLS, moves=True),
    Case("ALTER TABLE halls ALTER no TYPE smallint", before=HALLS, moves=True),
    Case("ALTER TABLE halls ALTER at TYPE text", before=HALLS, moves=True),
    Case(
        "ALTER TABLE halls ALTER nulls TYPE bigint",
        since=15,
        before=HALLS
        + "ALTER TABLE halls ADD nulls int; UPDATE halls SET nulls = nullif(house, 5); ALTER TABLE halls ADD UNIQUE NULLS NOT DISTINCT (nulls)",
        moves=True,
    ),
    Case(
        "ALTER TABLE halls ALTER late TYPE bigint",
        since=18,
        before=HALLS
        + "ALTER TABLE halls ADD CONSTRAINT nope CHECK (late > 99) NOT ENFORCED; UPDATE halls SET late = house; ALTER TABLE halls ADD UNIQUE (late); CREATE TABLE far (late int); ALTER TABLE far ADD CONSTRAINT far FOREIGN KEY (late) REFERENCES halls (late) NOT ENFORCED",
        moves=True,
    ),
]

CASES = [*INDEXES, *CHECKS, *FOREIGN_KEYS, *NOT_NULLS, *UNIQUES, *COLUMNS, *TYPES, *SWAPS]
