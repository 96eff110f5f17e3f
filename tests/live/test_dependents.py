"""Statements of a transaction about what waits for its COMMIT: done behind it, taken back with it, or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg
import pytest

from tests.live.conftest import ORDERS, POLICY
from tests.live.raw import Raw, error, kinds
from tests.live.test_wire_traps import q
from tests.proxies import Proxy
from tests.servers import Server

INDEX = "CREATE INDEX i ON orders (email)"
UNIQUE = "CREATE UNIQUE INDEX i ON orders (id)"
CHECK = "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)"
NOT_NULLS = """SELECT attname::text, attnotnull, NULL FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT conname, convalidated, contype FROM pg_constraint WHERE conrelid = 'orders'::regclass ORDER BY 1"""
KEY = "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (customer_id) REFERENCES customers"
NAMES = "CREATE UNIQUE INDEX n ON customers (name)"
VOLATILE = "ALTER TABLE orders ADD y int NOT NULL DEFAULT (random() * 0)::int"
UNFILLED = "ALTER TABLE orders ADD y int DEFAULT (random() * 0)::int"
NOT_NULL = "ALTER TABLE orders ALTER email SET NOT NULL"
ID_UNIQUE = "ALTER TABLE orders ADD UNIQUE (id)"
FILLED = "ALTER TABLE orders ADD COLUMN v bigint DEFAULT 1 REFERENCES customers"
CUSTOMERS_C = "ALTER TABLE customers ADD CONSTRAINT c CHECK (id > 0) NOT VALID"
ID_KEY = "ALTER TABLE orders ADD PRIMARY KEY (id)"
ID_F = "ALTER TABLE customers ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES orders (id)"
AS_GUEST = "SET LOCAL ROLE pg_monitor"
DEFERRABLE = "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id) DEFERRABLE"
LATER_KEY = (
    "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (customer_id) REFERENCES customers DEFERRABLE INITIALLY DEFERRED"
)
PARTS = """
CREATE TABLE events (id bigint NOT NULL, at int NOT NULL, kind text, total numeric) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (100);
CREATE TABLE events_d PARTITION OF events DEFAULT;
CREATE INDEX events_total_idx ON events (total);
INSERT INTO events SELECT g, g * 7, 'k' || g, g FROM generate_series(1, 40) g;
CREATE TABLE logs (at int NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (100);
INSERT INTO logs SELECT generate_series(1, 40);
"""
HEIRS = """
CREATE TABLE base (id bigint NOT NULL, v int, inherit bool);
CREATE TABLE heir () INHERITS (base);
CREATE TABLE apart (id bigint NOT NULL, v int, CONSTRAINT c CHECK (v > 0));
CREATE TABLE deep (at int, k int, t text) PARTITION BY RANGE (at);
CREATE TABLE deep_1 PARTITION OF deep FOR VALUES FROM (0) TO (100) PARTITION BY LIST (k);
CREATE TABLE deep_1a PARTITION OF deep_1 FOR VALUES IN (0);
CREATE TABLE computed (a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
"""
ANEW = (
    "CREATE TABLE new_orders AS SELECT 1 AS id, 'x' AS email, 1 AS total",
    "ALTER TABLE new_orders RENAME TO orders",
)

FUNCTION = "CREATE FUNCTION half(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2'"
MOOD = "CREATE TYPE mood AS ENUM ('sad', 'ok'); ALTER TABLE orders ADD COLUMN m mood"
ELSEWHERE = "CREATE SCHEMA elsewhere CREATE TABLE t (a int, id bigint)"
ANOTHER = "CREATE FUNCTION {} RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 3'"
AMOUNT = "CREATE DOMAIN amount AS numeric"
SPAN = "CREATE TYPE span AS (a int, z int); ALTER TABLE orders ADD COLUMN p span"
SAME: list[Sequence[str]] = [
    # On 18 the heir's NOT NULL comes from above, NOT VALID till the end, and only becomes its own.
    ("ALTER TABLE base ALTER v SET NOT NULL", "ALTER TABLE heir ALTER v SET NOT NULL"),
    ("ALTER TABLE base ALTER v SET NOT NULL", "ALTER TABLE heir ALTER v SET NOT NULL, ADD CHECK (v > 0)"),
    ("ALTER TABLE deep ALTER k SET NOT NULL", "ALTER TABLE deep_1a ALTER k SET NOT NULL"),
    (SPAN, "CREATE INDEX ON orders (((p).a))", "ALTER TYPE span DROP ATTRIBUTE z"),
    (AMOUNT, "CREATE INDEX ON orders ((total::amount))", "ALTER DOMAIN amount DROP NOT NULL"),
    (AMOUNT, "CREATE INDEX ON orders (total)", "ALTER DOMAIN amount SET NOT NULL"),
    # In each schema an index may have the name: another tenant's.
    (ELSEWHERE, "COMMIT", "BEGIN", INDEX, "CREATE INDEX i ON elsewhere.t (a)"),
    (ELSEWHERE, "COMMIT", "BEGIN", INDEX, "ALTER TABLE elsewhere.t ADD CONSTRAINT i UNIQUE (a)", "DROP INDEX i"),
    (ELSEWHERE, "COMMIT", "BEGIN; " + INDEX + "; CREATE INDEX i ON elsewhere.t (a); COMMIT"),
    (ELSEWHERE, "COMMIT", "BEGIN", "ALTER TABLE orders ADD UNIQUE (id)", "CREATE INDEX ON elsewhere.t (id)"),
    (ELSEWHERE, "COMMIT", "BEGIN", INDEX, "CREATE INDEX i ON elsewhere.t (a)", "DROP INDEX elsewhere.i"),
    (ELSEWHERE, "COMMIT", "BEGIN", "CREATE INDEX i ON elsewhere.t (a)", "ALTER INDEX i RENAME TO j"),
    (ELSEWHERE, "COMMIT", "BEGIN", "CREATE INDEX i ON elsewhere.t (a)", "CREATE TABLE i (a int)"),
    ("CREATE INDEX i ON orders (email)", "DROP INDEX elsewhere.i"),
    ("SET search_path = public, elsewhere", ELSEWHERE, "COMMIT", "BEGIN", "CREATE INDEX i ON t (a)", "DROP INDEX i", INDEX),
    # What is temporary is nobody else's, and is not found in place of what was meant.
    (INDEX, "CREATE TEMP TABLE orders (id bigint, email text)"),
    (NOT_NULL, "CREATE TEMP TABLE orders (id bigint, email text)", "INSERT INTO orders VALUES (1, NULL)"),
    (KEY, "CREATE TEMP VIEW orders AS SELECT 1 AS customer_id"),
    (INDEX, "CREATE TEMP TABLE i (a int)"),
    # A function, a type or a table that takes no name over.
    (FUNCTION, "CREATE INDEX ON orders (half(total))", ANOTHER.format("third(numeric)")),
    (FUNCTION, "CREATE INDEX ON orders (total)", ANOTHER.format("half(numeric, int)")),
    (INDEX, ANOTHER.format("email(numeric)")),
    (ELSEWHERE, FUNCTION, "CREATE INDEX ON orders (half(id))", ANOTHER.format("elsewhere.half(bigint)")),
    (ELSEWHERE, MOOD, "CREATE INDEX ON orders (id) WHERE m = 'sad'::mood", "CREATE TYPE elsewhere.mood AS ENUM ('sad')"),
    (ELSEWHERE, INDEX, "CREATE TABLE elsewhere.orders (a int)"),
    # What it does not name may go, or change.
    (FUNCTION, INDEX, "DROP FUNCTION half(numeric) CASCADE"),
    (FUNCTION, "CREATE INDEX ON orders (half(total))", "ALTER FUNCTION half(numeric) COST 10"),
    (MOOD, "CREATE INDEX ON orders (id) WHERE m = 'sad'", "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'"),
    (MOOD, "CREATE INDEX ON orders (m)", "ALTER TYPE mood RENAME TO feeling"),
    ("CREATE SCHEMA elsewhere CREATE TABLE t (a int)", INDEX, "DROP SCHEMA elsewhere CASCADE"),
    # A key is about its own columns only.
    ("ALTER TABLE events ADD PRIMARY KEY (id, at)", "ALTER TABLE ONLY events ALTER kind SET NOT NULL"),
    ("ALTER TABLE events ADD PRIMARY KEY (id, at); ALTER TABLE ONLY events ALTER kind SET NOT NULL",),
    ("ALTER TABLE events ADD PRIMARY KEY (id, at)", "ALTER TABLE events ALTER kind DROP NOT NULL"),
    # What goes as a whole leaves nothing that waits.
    (KEY, "DROP TABLE customers, orders CASCADE"),
    (KEY + " NOT VALID", "ALTER TABLE orders VALIDATE CONSTRAINT f", "DROP TABLE orders, customers CASCADE"),
    (KEY + " NOT VALID; ALTER TABLE orders VALIDATE CONSTRAINT f; DROP TABLE orders, customers CASCADE",),
    # The second has nothing left to prove, and may not look for what the first has taken away.
    ("ALTER TABLE orders ALTER email SET NOT NULL", "ALTER TABLE orders ADD CHECK (total > 0), ALTER email SET NOT NULL"),
    ("ALTER TABLE orders ADD CHECK (total > 0), ALTER email SET NOT NULL", "ALTER TABLE orders ALTER email SET NOT NULL"),
    ("ALTER TABLE orders ALTER email SET NOT NULL; ALTER TABLE orders ADD CHECK (total > 0), ALTER email SET NOT NULL",),
    (INDEX, "COMMENT ON INDEX i IS 'x'"),
    (INDEX, "COMMENT ON INDEX public.i IS 'is on'"),
    (INDEX, INDEX),
    (INDEX, "CREATE INDEX IF NOT EXISTS i ON orders (email)"),
    ("CREATE INDEX ON orders (email)", "CREATE INDEX ON orders (email)"),
    ("CREATE INDEX ON orders (email); CREATE INDEX ON orders (email)",),
    (INDEX + "; COMMENT ON INDEX i IS 'x'",),
    (INDEX, "INSERT INTO orders VALUES (1)", "CREATE UNIQUE INDEX IF NOT EXISTS i ON orders (id)"),
    (INDEX + "; CREATE UNIQUE INDEX IF NOT EXISTS i ON orders (id)",),
    (INDEX, "CREATE INDEX IF NOT EXISTS i ON orders (nothing)"),
    (INDEX, "CREATE INDEX i ON orders (id, nothing)"),
    (INDEX, "CREATE INDEX IF NOT EXISTS i ON orders (lower(nothing))"),
    (INDEX, "CREATE INDEX IF NOT EXISTS i ON orders (id) WHERE nothing > 3"),
    (INDEX, "CREATE INDEX IF NOT EXISTS i ON orders (lower(email)) WHERE id > 3"),
    (INDEX, "CREATE INDEX IF NOT EXISTS i ON orders (email)", "DROP INDEX i"),
    (INDEX, "ALTER INDEX i RENAME TO j"),
    (INDEX, "ALTER INDEX i RENAME TO customers_pkey"),
    (f"{INDEX}; ALTER INDEX i RENAME TO customers_pkey",),
    (INDEX, "DROP INDEX orders_total_idx", "ALTER INDEX i RENAME TO orders_total_idx"),
    (INDEX, "DROP INDEX i"),
    (INDEX, "DROP INDEX IF EXISTS i"),
    (INDEX, "ALTER INDEX i SET (fillfactor = 70)", "DROP INDEX i"),
    (INDEX, "COMMENT ON INDEX i IS 'x'", "DROP INDEX i"),
    (INDEX, "ALTER TABLE orders CLUSTER ON i", "DROP INDEX i"),
    (UNIQUE, "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i", "ALTER TABLE orders DROP CONSTRAINT k"),
    ("ALTER TABLE orders ADD PRIMARY KEY (id)", "ALTER TABLE orders ADD CONSTRAINT k PRIMARY KEY (email)"),
    ("ALTER TABLE orders ADD PRIMARY KEY (id)", "ALTER TABLE orders ADD PRIMARY KEY (nothing)"),
    ("ALTER TABLE orders ADD PRIMARY KEY (id)", UNIQUE, "ALTER TABLE orders ADD PRIMARY KEY USING INDEX i"),
    ("ALTER TABLE orders ADD PRIMARY KEY (id); ALTER TABLE orders ADD PRIMARY KEY (id)",),
    ("ALTER TABLE orders ADD PRIMARY KEY (id)", "ALTER TABLE orders DROP CONSTRAINT orders_pkey", "ALTER TABLE orders ADD PRIMARY KEY (id)"),
    ("DROP INDEX orders_total_idx", "ALTER TABLE orders RENAME TO others", "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX orders_total_idx"),
    ("ALTER TABLE orders ADD PRIMARY KEY (id)", "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_total_idx"),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", "ALTER TABLE orders VALIDATE CONSTRAINT c"),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", "ALTER TABLE orders VALIDATE CONSTRAINT d"),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", "ALTER TABLE orders DROP CONSTRAINT c"),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", "ALTER TABLE orders DROP CONSTRAINT IF EXISTS c"),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", "ALTER TABLE orders RENAME CONSTRAINT c TO e"),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", "ALTER TABLE orders RENAME CONSTRAINT d TO c", "ALTER TABLE orders VALIDATE CONSTRAINT c"),
    (f"{CHECK}; ALTER TABLE orders RENAME CONSTRAINT c TO d; ALTER TABLE orders VALIDATE CONSTRAINT c",),
    (ID_UNIQUE, "COMMENT ON CONSTRAINT orders_id_key ON orders IS 'x'", "ALTER TABLE orders DROP CONSTRAINT orders_id_key"),
    (CHECK, "COMMENT ON CONSTRAINT c ON orders IS 'x'", "ALTER TABLE orders DROP CONSTRAINT c"),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", "ALTER TABLE orders DROP CONSTRAINT d"),
    (INDEX, "SAVEPOINT a", "DROP INDEX i", "ROLLBACK TO a"),
    (INDEX, "CREATE INDEX j ON orders (id)", "DROP INDEX i, j"),
    (INDEX, "DROP INDEX i, nothing"),
    (INDEX, "DROP INDEX IF EXISTS nothing, i"),
    (INDEX, "DROP INDEX i, orders_total_idx"),
    ("DROP INDEX orders_total_idx", "CREATE INDEX orders_total_idx ON orders (id)"),
    ("DROP INDEX orders_total_idx; CREATE INDEX orders_total_idx ON orders (id)",),
    (UNIQUE, "ALTER TABLE orders ADD CONSTRAINT i PRIMARY KEY USING INDEX i"),
    (UNIQUE, "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i"),
    (UNIQUE, "ALTER TABLE orders REPLICA IDENTITY USING INDEX i"),
    (INDEX, "ALTER TABLE orders CLUSTER ON i"),
    (CHECK, "ALTER TABLE orders VALIDATE CONSTRAINT c"),
    (CHECK, "COMMENT ON CONSTRAINT c ON orders IS 'x'"),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d"),
    (CHECK, "ALTER TABLE orders DROP CONSTRAINT c"),
    (KEY, "ALTER TABLE orders DROP CONSTRAINT f"),
    (KEY, "SAVEPOINT s", "ALTER TABLE orders DROP CONSTRAINT f", "ROLLBACK TO s"),
    (NOT_NULL, "ALTER TABLE orders ALTER email DROP NOT NULL"),
    (NOT_NULL + "; ALTER TABLE orders ALTER email DROP DEFAULT; ALTER TABLE orders ALTER email TYPE text",),
    (NOT_NULL, "ALTER TABLE orders ALTER email TYPE text"),
    (NOT_NULL, NOT_NULL),
    (f"{NOT_NULL}; {NOT_NULL}",),
    (f"{NOT_NULL}; ALTER TABLE orders ALTER COLUMN email SET NOT NULL, ALTER total SET DEFAULT 1; {NOT_NULL}",),
    (KEY, "ALTER TABLE orders ALTER customer_id DROP NOT NULL", "ALTER TABLE orders ALTER customer_id SET NOT NULL"),
    ("ALTER TABLE orders ADD PRIMARY KEY (id)", "ALTER TABLE orders DROP CONSTRAINT orders_pkey"),
    ("ALTER TABLE orders ADD UNIQUE (id)", "ALTER TABLE customers ADD COLUMN o bigint", "ALTER TABLE customers ADD FOREIGN KEY (o) REFERENCES orders (id)"),
    (INDEX, "ALTER TABLE orders ADD COLUMN more text", "CREATE INDEX ON orders (more)", "UPDATE orders SET more = 'x'"),
    (INDEX, "DROP TABLE orders"),
    # Airflow makes a table anew, with the indexes that the old one was to have
    (INDEX, "DROP TABLE orders", *ANEW, INDEX, "COMMENT ON INDEX i IS 'x'"),
    (INDEX, f"DROP TABLE orders; {'; '.join(ANEW)}; {INDEX}"),
    (f"{INDEX}; DROP TABLE orders; {'; '.join(ANEW)}; {INDEX}",),
    (f"DROP TABLE orders; {'; '.join(ANEW)}; {INDEX}; ALTER TABLE orders ALTER email SET NOT NULL",),
    (f"DROP TABLE orders; CREATE TABLE orders (id int, email text, total int); {INDEX}; ALTER TABLE orders ADD PRIMARY KEY (id), ADD UNIQUE (email); {CHECK}",),
    ("DROP TABLE orders; CREATE TABLE orders (id int, email text, total int); CREATE INDEX ON orders (total)",),
    ("DROP TABLE customers CASCADE; ALTER TABLE orders ADD PRIMARY KEY (id); ALTER TABLE ONLY orders ADD CONSTRAINT c1 PRIMARY KEY (id)",),
    ("CREATE SCHEMA aside", "CREATE TABLE aside.orders (LIKE orders)", "COMMIT", "DROP TABLE customers CASCADE; ALTER TABLE orders ADD PRIMARY KEY (id); ALTER TABLE aside.orders ADD PRIMARY KEY (id)"),
    (f"ALTER TABLE orders RENAME TO old; {'; '.join(ANEW)}; {INDEX}; ALTER TABLE orders ADD UNIQUE (id)",),
    (f"DROP TABLE IF EXISTS orders CASCADE; CREATE TABLE orders (id int, email text UNIQUE); {INDEX}; ALTER TABLE orders ADD FOREIGN KEY (id) REFERENCES customers",),
    (INDEX, "SAVEPOINT a", "DROP TABLE orders", "ROLLBACK TO a", INDEX),
    (CHECK, "DROP TABLE orders", *ANEW, CHECK),
    # A key to what is unique already does not wait for another unique index of that table.
    (NAMES, "ALTER TABLE orders ALTER customer_id TYPE bigint, ADD CONSTRAINT f FOREIGN KEY (customer_id) REFERENCES customers (id)"),
    (NAMES, "ALTER TABLE orders ADD COLUMN c bigint REFERENCES customers"),
    # A new table with a key to what will be unique only then: the key waits, and the table does not.
    (ID_UNIQUE, "CREATE TABLE lines (id bigint PRIMARY KEY, o bigint NOT NULL REFERENCES orders (id) ON DELETE CASCADE, n int)", "INSERT INTO lines VALUES (1, 1, 1)"),
    (ID_UNIQUE, "CREATE TABLE lines (o bigint CONSTRAINT k REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED CHECK (o > 0), c bigint REFERENCES customers)"),
    (ID_UNIQUE, "CREATE TABLE IF NOT EXISTS public.lines (o bigint, -- the order\n FOREIGN KEY (o) REFERENCES orders (id) ON UPDATE CASCADE /* so */, UNIQUE (o))"),
    ("ALTER TABLE orders ADD PRIMARY KEY (id)", 'CREATE TABLE "Lines" (o bigint REFERENCES orders, "P q" bigint REFERENCES orders (id), CONSTRAINT z FOREIGN KEY (o) REFERENCES orders)'),
    (ID_UNIQUE, "CREATE TABLE lines (o bigint REFERENCES orders (id))", "ALTER TABLE lines DROP CONSTRAINT lines_o_fkey", "COMMENT ON TABLE lines IS 'x'"),
    (ID_UNIQUE, "CREATE TABLE lines (o bigint REFERENCES orders (id))", "COMMENT ON CONSTRAINT lines_o_fkey ON lines IS 'x'", "ALTER TABLE customers RENAME TO clients"),
    (ID_UNIQUE, "CREATE TABLE lines (o bigint REFERENCES orders (id))", "DROP TABLE lines"),
    (ID_UNIQUE, "SAVEPOINT s", "CREATE TABLE lines (o bigint REFERENCES orders (id))", "ROLLBACK TO s", "CREATE TABLE lines (o bigint)"),
    (ID_UNIQUE + "; CREATE TABLE lines (o bigint REFERENCES orders (id)); INSERT INTO lines VALUES (2)",),
    (ID_UNIQUE, "CREATE TABLE lines (id bigint, o bigint REFERENCES orders (nothing))"),
    (ID_UNIQUE, "CREATE TABLE lines (o bigint REFERENCES orders (id), o int)"),
    (ID_UNIQUE, "CREATE TABLE lines (o bigint)", "CREATE TABLE IF NOT EXISTS lines (o bigint REFERENCES orders (id))"),
    (ID_UNIQUE, "CREATE TABLE pages AS SELECT id AS o FROM orders", "ALTER TABLE pages ADD FOREIGN KEY (o) REFERENCES orders (id)"),
    (ID_UNIQUE, "CREATE TABLE pages AS SELECT id + 1 AS o FROM orders", "ALTER TABLE pages ADD FOREIGN KEY (o) REFERENCES orders (id)"),
    (INDEX, "TRUNCATE orders"),
    ("DROP INDEX orders_total_idx", "ALTER INDEX orders_total_idx RENAME TO j"),
    ("ALTER TABLE customers DROP COLUMN id; ALTER TABLE customers ADD PRIMARY KEY (name)",),  # customers_pkey once more
    ("DROP INDEX orders_total_idx; CREATE INDEX ON orders (total)",),
    # Django's column with a default and a key
    ("ALTER TABLE orders ADD COLUMN c bigint DEFAULT 1 NOT NULL CONSTRAINT dj REFERENCES customers (id) DEFERRABLE INITIALLY DEFERRED; SET CONSTRAINTS dj IMMEDIATE",),
    # What is not there yet checks nothing, and what is there is the server's.
    (DEFERRABLE, "SET CONSTRAINTS u DEFERRED", "SET CONSTRAINTS public.u, u IMMEDIATE"),
    (DEFERRABLE + "; SET CONSTRAINTS u DEFERRED; SELECT 1",),
    (DEFERRABLE, "SET CONSTRAINTS ALL IMMEDIATE"),
    (DEFERRABLE, "SET CONSTRAINTS nobodys IMMEDIATE"),
    (DEFERRABLE, "SAVEPOINT a", "ROLLBACK TO a", 'SET CONSTRAINTS "u" IMMEDIATE'),
    ("SAVEPOINT a", DEFERRABLE, "ROLLBACK TO a", "SET CONSTRAINTS u IMMEDIATE"),
    (LATER_KEY, "UPDATE orders SET customer_id = 1 WHERE id = 1", "SET CONSTRAINTS f IMMEDIATE", "ALTER TABLE orders ALTER total SET DEFAULT 1"),
    (LATER_KEY, "UPDATE orders SET customer_id = -1 WHERE id = 1", "SET CONSTRAINTS f IMMEDIATE"),
    (CHECK, CHECK),
    (KEY, KEY),
    ("ALTER TABLE orders ADD CHECK (total > 0)", "ALTER TABLE orders ADD CHECK (total > 0)"),
    ("ALTER TABLE orders ADD CHECK (total > 0); ALTER TABLE orders ADD CHECK (total > 0)",),
    ("ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers", "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers"),
    (NOT_NULL, NOT_NULL),
    (VOLATILE, VOLATILE),
    (VOLATILE, "COMMIT; BEGIN", VOLATILE),
    ("CREATE UNIQUE INDEX i ON customers (name)", "ALTER TABLE orders ADD CONSTRAINT i UNIQUE USING INDEX i"),
    ("CREATE INDEX i ON customers (name)", "ALTER TABLE orders CLUSTER ON i"),
    ("CREATE UNIQUE INDEX i ON orders (email)", "ALTER TABLE orders REPLICA IDENTITY USING INDEX i"),
    (INDEX, "ALTER TABLE orders ADD CONSTRAINT i UNIQUE USING INDEX i"),
    ("CREATE UNIQUE INDEX i ON orders (id) WHERE id > 5", "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i"),
    ("CREATE UNIQUE INDEX i ON orders (id DESC)", "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i"),
    ("CREATE INDEX i ON orders (id) WHERE id > 5", "ALTER TABLE orders CLUSTER ON i"),
    ("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email)", "ALTER TABLE orders REPLICA IDENTITY USING INDEX u"),
    ("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id)", "ALTER TABLE orders REPLICA IDENTITY USING INDEX u"),
    ("DROP INDEX orders_total_idx", "SAVEPOINT a", "COMMENT ON INDEX orders_total_idx IS 'x'", "ROLLBACK TO a"),
    ("DROP INDEX orders_total_idx", "SAVEPOINT a", "DROP INDEX orders_total_idx", "ROLLBACK TO a", "DROP INDEX IF EXISTS orders_total_idx"),
    ("DROP INDEX orders_total_idx", "ALTER TABLE orders CLUSTER ON orders_total_idx"),
    ("DROP INDEX orders_total_idx", "ALTER TABLE orders ADD CONSTRAINT u UNIQUE USING INDEX orders_total_idx"),
    ("DROP INDEX orders_total_idx", "ALTER INDEX IF EXISTS orders_total_idx RENAME TO j", "CREATE INDEX orders_total_idx ON orders (id)", "COMMENT ON INDEX orders_total_idx IS 'x'"),
    ("DROP INDEX orders_total_idx; COMMENT ON INDEX orders_total_idx IS 'x'; SELECT 1",),
    (INDEX, "ALTER INDEX i RENAME TO j", "COMMENT ON INDEX j IS 'x'", "SAVEPOINT a", "DROP INDEX i", "ROLLBACK TO a", INDEX),
    (INDEX, "ALTER INDEX orders_total_idx RENAME TO i"),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", "COMMENT ON CONSTRAINT d ON orders IS 'x'"),
    (INDEX + "; " + INDEX + "; SELECT 1",),
    ("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id)", "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email)"),
    ("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id)", "ALTER TABLE orders ADD CONSTRAINT u CHECK (id > 0)"),
    ("ALTER TABLE orders ADD UNIQUE (email)", "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES orders (id)"),
    ("ALTER TABLE orders ADD UNIQUE (email), ADD FOREIGN KEY (customer_id) REFERENCES orders (id)",),
    ("ALTER TABLE orders ADD UNIQUE (id), ADD FOREIGN KEY (customer_id) REFERENCES orders (id)",),
    ("ALTER TABLE customers ADD UNIQUE (name)", "ALTER TABLE orders ADD FOREIGN KEY (email) REFERENCES customers"),
    ("SAVEPOINT a", INDEX, "ROLLBACK TO a", "CREATE INDEX j ON orders (id)"),
    ("BEGIN; SELECT 1/0; " + INDEX, INDEX + "; SELECT 1"),
    ("UPDATE orders SET total = -1 WHERE id = 3", "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID", "ALTER TABLE orders VALIDATE CONSTRAINT c"),
    # Only CHECKs, foreign keys and NOT NULLs are validated.
    ("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id)", "ALTER TABLE orders VALIDATE CONSTRAINT u"),
    ("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id); ALTER TABLE orders VALIDATE CONSTRAINT u",),
    (INDEX, "ALTER TABLE orders VALIDATE CONSTRAINT i"),
    (INDEX, "ALTER TABLE orders DROP CONSTRAINT i"),
    (INDEX, "ALTER TABLE orders RENAME CONSTRAINT i TO j"),
    ("ALTER INDEX orders_total_idx RENAME TO j; DROP INDEX nothing",),
    (INDEX + "; ALTER INDEX i RENAME TO j; DROP INDEX nothing",),
    # What waits fails at once where the statement would: a key between copies, a table that the string has dropped or changed.
    (CHECK, ID_KEY, "ALTER TABLE orders ADD CONSTRAINT c FOREIGN KEY (customer_id) REFERENCES orders (id)"),
    (ID_KEY, "ALTER TABLE customers ADD CONSTRAINT customers_pkey FOREIGN KEY (id) REFERENCES orders (id)"),
    (ID_KEY, "ALTER TABLE customers ADD FOREIGN KEY (nothing) REFERENCES orders"),
    (ID_KEY, "ALTER TABLE customers ADD FOREIGN KEY (name) REFERENCES orders (id)"),
    (ID_KEY, "ALTER TABLE customers ADD FOREIGN KEY (name, id) REFERENCES orders"),
    (ID_KEY, "ALTER TABLE customers ADD FOREIGN KEY (id) REFERENCES orders (id) MATCH PARTIAL"),
    (ID_KEY, "ALTER TABLE nobodys ADD FOREIGN KEY (id) REFERENCES orders (id)"),
    (ID_KEY, "ALTER TABLE IF EXISTS nobodys ADD FOREIGN KEY (id) REFERENCES orders (id)"),
    (ID_KEY, "CREATE VIEW v AS SELECT 1 AS o", "ALTER TABLE v ADD FOREIGN KEY (o) REFERENCES orders (id)"),
    (ID_KEY, "CREATE TEMP TABLE t (o bigint)", "ALTER TABLE t ADD FOREIGN KEY (o) REFERENCES orders (id)"),
    (ID_KEY, "CREATE UNLOGGED TABLE t (o bigint)", "ALTER TABLE t ADD FOREIGN KEY (o) REFERENCES orders (id)"),
    (ID_KEY, "ALTER TABLE customers ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES orders", "ALTER TABLE customers ADD CONSTRAINT f CHECK (id > 0)"),
    (CHECK, "ALTER TABLE orders ADD COLUMN z bigint DEFAULT 1 CONSTRAINT c REFERENCES customers"),
    (ID_KEY, "ALTER TABLE customers ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES orders", "ALTER TABLE customers RENAME CONSTRAINT customers_pkey TO f"),
    (ID_KEY, "ALTER TABLE customers ADD FOREIGN KEY (id) REFERENCES orders", "ALTER TABLE customers ADD CONSTRAINT customers_id_fkey FOREIGN KEY (id) REFERENCES orders"),
    (ID_KEY, "ALTER TABLE customers ADD FOREIGN KEY (id) REFERENCES orders", "ALTER TABLE customers ADD FOREIGN KEY (id) REFERENCES orders"),
    (f"{ID_KEY}; {ID_F}; ALTER TABLE customers DROP CONSTRAINT f; {ID_F}",),
    (ID_KEY, "CREATE TABLE lines (a text REFERENCES orders (id))"),
    (ID_KEY, "CREATE TABLE lines (a bigint, CONSTRAINT x CHECK (a > 0), CONSTRAINT x FOREIGN KEY (a) REFERENCES orders)"),
    (ID_KEY, "CREATE TABLE lines (a bigint, FOREIGN KEY (a, a) REFERENCES orders (id))"),
    ("ALTER TABLE orders ADD PRIMARY KEY (id), ADD CONSTRAINT a CHECK (id > 0), ADD CONSTRAINT a FOREIGN KEY (customer_id) REFERENCES orders (id)",),
    ("ALTER TABLE orders ADD PRIMARY KEY (id), ADD FOREIGN KEY (email) REFERENCES orders (id)",),
    (UNIQUE, "ALTER TABLE orders ADD PRIMARY KEY USING INDEX i", "ALTER TABLE customers ADD FOREIGN KEY (id) REFERENCES orders (email)"),
    (UNIQUE, "ALTER TABLE orders ADD PRIMARY KEY USING INDEX i", "ALTER TABLE customers ADD FOREIGN KEY (id) REFERENCES orders"),
    ("CREATE TABLE t (o bigint); ALTER TABLE orders ADD PRIMARY KEY (id); ALTER TABLE t ADD FOREIGN KEY (o) REFERENCES orders (id)",),
    ("ALTER TABLE orders ADD PRIMARY KEY (id, customer_id); CREATE TABLE t (a bigint, b bigint, FOREIGN KEY (b, a) REFERENCES orders (customer_id, id)); ALTER TABLE t ADD FOREIGN KEY (a, b) REFERENCES orders",),
    ("DROP TABLE customers CASCADE; ALTER TABLE customers ADD UNIQUE (name)",),
    ("DROP TABLE customers CASCADE; CREATE INDEX ON customers (id)",),
    ("DROP TABLE customers CASCADE; REINDEX TABLE customers",),
    ("DROP TABLE orders; DROP INDEX orders_total_idx",),
    ("DROP TABLE orders; DROP INDEX IF EXISTS orders_total_idx",),
    ("ALTER TABLE customers RENAME TO clients; ALTER TABLE public.customers ADD CONSTRAINT k UNIQUE (name)",),
    ("ALTER TABLE customers RENAME TO clients; REINDEX TABLE customers",),
    ("CREATE SCHEMA x; ALTER TABLE customers SET SCHEMA x; ALTER TABLE customers ADD UNIQUE (name)",),
    ("CREATE SCHEMA x; ALTER TABLE customers SET SCHEMA x; DROP INDEX nothing",),
    ("ALTER TABLE customers DROP COLUMN name; ALTER TABLE customers ADD UNIQUE (name)",),
    ("ALTER TABLE customers RENAME COLUMN name TO called; ALTER TABLE customers ADD CONSTRAINT k UNIQUE (name)",),
    ("ALTER TABLE orders DROP COLUMN total; DROP INDEX orders_total_idx",),
    ("ALTER TABLE orders DROP COLUMN total; REINDEX INDEX orders_total_idx",),
    # Constraints of other tables may have the name of one that waits.
    (CUSTOMERS_C, CHECK, "ALTER TABLE customers DROP CONSTRAINT c"),
    (CHECK, "ALTER TABLE customers DROP CONSTRAINT c"),
    (KEY, "ALTER TABLE customers DROP CONSTRAINT f"),
    (KEY, "ALTER TABLE customers VALIDATE CONSTRAINT f"),
    (KEY, "ALTER TABLE nobodys DROP CONSTRAINT f"),
    (CUSTOMERS_C, CHECK, "ALTER TABLE customers RENAME CONSTRAINT c TO d"),
    (CUSTOMERS_C, CHECK, "COMMENT ON CONSTRAINT c ON customers IS 'x'"),
    (CHECK, "COMMENT ON CONSTRAINT c ON customers IS 'x'"),
    (f"{CUSTOMERS_C}; {CHECK}; ALTER TABLE customers DROP CONSTRAINT c",),
    (CHECK, "ALTER TABLE orders ALTER CONSTRAINT c DEFERRABLE"),
    (KEY, "ALTER TABLE orders ALTER CONSTRAINT f DEFERRABLE"),
    ("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id)", "ALTER TABLE orders ALTER CONSTRAINT u DEFERRABLE"),
    (ID_KEY, ID_F, "ALTER TABLE customers ALTER CONSTRAINT f DEFERRABLE"),
    ("DROP INDEX orders_total_idx", "DROP INDEX nothing, orders_total_idx"),
    (KEY, "ALTER TABLE customers DROP COLUMN name CASCADE"),
    (KEY, "ALTER TABLE customers DROP CONSTRAINT customers_pkey"),
    # An index that a constraint will have only then.
    (ID_KEY, "DROP INDEX orders_pkey"),
    (ID_KEY, "DROP INDEX IF EXISTS nothing, orders_pkey"),
    (f"{ID_KEY}; DROP INDEX orders_pkey",),
    (ID_KEY, "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX orders_pkey"),
    (ID_KEY, "ALTER TABLE orders ADD PRIMARY KEY USING INDEX orders_pkey"),
    (ID_KEY, "ALTER TABLE customers ADD CONSTRAINT k UNIQUE USING INDEX orders_pkey"),
    (ID_KEY, "ALTER TABLE orders DROP CONSTRAINT orders_pkey", "DROP INDEX IF EXISTS orders_pkey"),
    (UNIQUE, "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i", "DROP INDEX k"),
    (UNIQUE, "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i", "DROP INDEX i"),
    (UNIQUE, "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i", "CREATE INDEX i ON orders (email)"),
    (UNIQUE, "ALTER TABLE orders ADD UNIQUE USING INDEX i", "DROP INDEX i"),
    (UNIQUE, "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i", "ALTER TABLE orders ADD CONSTRAINT l UNIQUE USING INDEX i"),
    (UNIQUE, "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i", "ALTER INDEX k RENAME TO l", "COMMENT ON INDEX l IS 'x'"),
    # An index may have the name of a constraint that waits, or loses it.
    ("ALTER TABLE customers ADD CONSTRAINT orders_total_idx CHECK (id > 0)", "DROP INDEX orders_total_idx"),
    ("ALTER TABLE customers ADD CONSTRAINT orders_total_idx CHECK (id > 0)", "ALTER INDEX orders_total_idx RENAME TO j"),
    (CHECK, "CREATE INDEX c ON orders (id)", "ALTER TABLE orders RENAME CONSTRAINT c TO d", "DROP INDEX c"),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", "CREATE INDEX c ON orders (id)"),
    ("ALTER TABLE orders ADD CONSTRAINT orders_email_idx CHECK (id > 0)", "CREATE INDEX ON orders (email)"),
    ("REINDEX INDEX orders_total_idx", "ALTER INDEX orders_total_idx RENAME TO j"),
    ("REINDEX INDEX orders_total_idx; ALTER INDEX orders_total_idx RENAME TO j; COMMENT ON INDEX j IS 'x'",),
    # The default name is the one that is free where the statement stands in its string.
    ("CREATE VIEW orders_id_key AS SELECT 1; ALTER TABLE orders ADD UNIQUE (id)",),
    ("CREATE TABLE orders_email_idx (a int); CREATE INDEX ON orders (email)",),
    ("CREATE TABLE t (a int CONSTRAINT orders_id_check CHECK (a > 0)); ALTER TABLE orders ADD CHECK (id > 0)",),
    ("ALTER INDEX orders_total_idx RENAME TO orders_pkey; ALTER TABLE orders ADD PRIMARY KEY (id)",),
    ("ALTER INDEX orders_total_idx RENAME TO orders_email_idx; ALTER INDEX orders_email_idx RENAME TO j; CREATE INDEX ON orders (email)",),
    ("ALTER TABLE orders ADD CONSTRAINT orders_customer_id_fkey CHECK (id > 0) NOT VALID; ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers",),
    ("ALTER TABLE orders ADD CONSTRAINT orders_id_check CHECK (id > 0) NOT VALID; ALTER TABLE orders RENAME CONSTRAINT orders_id_check TO x; ALTER TABLE orders ADD CHECK (id > 0)",),
    ("ALTER TABLE orders ALTER id DROP NOT NULL; ALTER TABLE orders ADD PRIMARY KEY (id)",),
    # A key that waits because its column is filled first, and VALIDATE of what a string has dropped.
    ("ALTER TABLE orders ADD COLUMN v text DEFAULT 'x' REFERENCES customers",),
    ("ALTER TABLE orders ADD COLUMN v bigint DEFAULT 1 REFERENCES customers (name)",),
    ("ALTER TABLE orders ADD COLUMN v bigint DEFAULT (random() * 0)::int + 1 REFERENCES orders (id)",),
    ("ALTER TABLE orders ADD COLUMN v bigint DEFAULT (random() * 0)::int + 1 REFERENCES customers",),
    ("ALTER TABLE customers DROP CONSTRAINT customers_pkey; ALTER TABLE orders ADD COLUMN v bigint DEFAULT 1 REFERENCES customers",),
    (f"{KEY} NOT VALID; ALTER TABLE orders RENAME TO o; ALTER TABLE orders VALIDATE CONSTRAINT f",),
    (f"{KEY} NOT VALID; ALTER TABLE orders DROP CONSTRAINT f; ALTER TABLE orders VALIDATE CONSTRAINT f",),
    (f"{KEY} NOT VALID", "ALTER TABLE orders VALIDATE CONSTRAINT f, VALIDATE CONSTRAINT nothing"),
    (f"{KEY} NOT VALID; ALTER TABLE orders VALIDATE CONSTRAINT f",),
    (CHECK, "ALTER TABLE orders ADD CONSTRAINT d CHECK (id > 0) NOT VALID", "ALTER TABLE orders RENAME CONSTRAINT c TO d"),
    (f"{CHECK}; ALTER TABLE orders ADD CONSTRAINT d CHECK (id > 0) NOT VALID; ALTER TABLE orders RENAME CONSTRAINT c TO d",),
    (CHECK, "ALTER TABLE customers ADD CONSTRAINT d CHECK (id > 0) NOT VALID", "ALTER TABLE orders RENAME CONSTRAINT c TO d"),
    (INDEX, "REINDEX INDEX i"),
    (ID_KEY, "CREATE TABLE lines (a bigint, b bigint, CONSTRAINT x FOREIGN KEY (a) REFERENCES orders, CONSTRAINT y FOREIGN KEY (b) REFERENCES customers)"),
    (INDEX, "ALTER INDEX i RENAME TO j", "ALTER INDEX i RENAME TO j"),
    (UNIQUE, "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i", "ALTER TABLE orders ADD CONSTRAINT k UNIQUE USING INDEX i"),
    ("ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (customer_id) REFERENCES customers, ADD CONSTRAINT u UNIQUE (id), ADD CONSTRAINT g FOREIGN KEY (customer_id) REFERENCES orders (id)",),
    ("DROP INDEX orders_total_idx", "ALTER TABLE orders ADD CONSTRAINT orders_total_idx CHECK (id > 0) NOT VALID", "COMMENT ON CONSTRAINT orders_total_idx ON orders IS 'x'"),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", "COMMENT ON CONSTRAINT c ON orders IS 'x'"),
    (ID_KEY, "COMMENT ON INDEX orders_pkey IS 'x'", "ALTER TABLE orders DROP CONSTRAINT orders_pkey", "DROP INDEX IF EXISTS orders_pkey"),
    (ID_KEY, "REINDEX INDEX orders_pkey", "COMMENT ON INDEX orders_pkey IS 'x'"),
    (f"{INDEX}; REINDEX INDEX i",),
    # Whose it is, too.
    (AS_GUEST, "DROP INDEX orders_total_idx"),
    (AS_GUEST, "DROP INDEX IF EXISTS orders_total_idx"),
    (AS_GUEST, "REINDEX INDEX orders_total_idx"),
    (AS_GUEST, "REINDEX TABLE orders"),
    (AS_GUEST, "ALTER TABLE orders ADD UNIQUE (id)"),
    (f"{AS_GUEST}; {INDEX}",),
    (f"{AS_GUEST}; DROP INDEX orders_total_idx",),
    (f"{AS_GUEST}; DROP INDEX orders",),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", "ALTER TABLE orders ADD CONSTRAINT d CHECK (total > 0)"),
    (INDEX, "ALTER TABLE orders ADD CONSTRAINT i CHECK (id > 0)"),
    ("ALTER TABLE customers ADD CONSTRAINT u UNIQUE (name)", "ALTER TABLE orders ADD CONSTRAINT u CHECK (id > 0)"),
    ("CREATE TABLE n (a int)", "CREATE INDEX ON n (a)", "COMMENT ON INDEX n_a_idx IS 'x'", INDEX),
    (INDEX, "COMMENT ON CONSTRAINT i ON orders IS 'x'"),
    # A new column, whose rows are filled after COMMIT.
    (VOLATILE, "ALTER TABLE orders ALTER y DROP DEFAULT"),
    (VOLATILE, "ALTER TABLE orders ALTER y SET DEFAULT 3", "INSERT INTO orders (id) VALUES (900)"),
    (f"{VOLATILE}; ALTER TABLE orders ALTER y DROP DEFAULT",),
    (VOLATILE, "ALTER TABLE orders ALTER y SET NOT NULL"),
    (VOLATILE, "ALTER TABLE orders ADD UNIQUE (id, y)", "COMMENT ON COLUMN orders.y IS 'x'"),
    (VOLATILE, "INSERT INTO orders (id, y) VALUES (900, 5)"),
    (VOLATILE, "SELECT count(*) FROM orders", "UPDATE customers SET name = 'y'"),
    ("ALTER TABLE orders ADD y int DEFAULT (random() * 0)::int", "ALTER TABLE orders ALTER y SET NOT NULL"),
    # Old rows may be written before they have their values.
    (UNFILLED, "ALTER TABLE orders ALTER y SET NOT NULL", "ALTER TABLE orders ALTER y SET NOT NULL", "UPDATE orders SET email = 'x'"),
    (UNFILLED, "ALTER TABLE orders ALTER y SET NOT NULL, ADD z int", "UPDATE orders SET z = 1"),
    (UNFILLED, "ALTER TABLE orders ALTER y SET NOT NULL", "ALTER TABLE orders ALTER y DROP NOT NULL", "UPDATE orders SET email = 'x'"),
    (f"{UNFILLED}; ALTER TABLE orders ALTER y SET NOT NULL; UPDATE orders SET email = 'x'",),
    (UNFILLED, "ALTER TABLE orders ADD CONSTRAINT c CHECK (y IS NOT NULL), ADD CHECK (id > 0)", "UPDATE orders SET email = 'x'"),
    (UNFILLED, "ALTER TABLE orders ADD CONSTRAINT c CHECK (y IS NOT NULL) NOT VALID", "UPDATE orders SET email = 'x'"),
    (UNFILLED, "ALTER TABLE orders ADD CONSTRAINT c CHECK (y IS NOT NULL) NOT VALID", "ALTER TABLE orders VALIDATE CONSTRAINT c", "UPDATE orders SET email = 'x'"),
    (UNFILLED, "ALTER TABLE orders ADD z int CHECK (z > 0), ADD CHECK (y IS NOT NULL) NOT VALID", "UPDATE orders SET email = 'x'"),
    (UNFILLED, "ALTER TABLE orders ADD PRIMARY KEY (id, y)", "UPDATE orders SET email = 'x'"),
    (UNFILLED, "CREATE UNIQUE INDEX i ON orders (id, coalesce(y, 0))", "UPDATE orders SET email = 'x'"),
    (UNFILLED, "ALTER TABLE orders ADD CHECK (nothing > y)"),
    (UNFILLED, "ALTER TABLE orders ADD CHECK (y) NOT VALID"),
    (f"{UNFILLED}; ALTER TABLE orders ADD CHECK (y)",),
    (UNFILLED, "ALTER TABLE orders ADD CONSTRAINT c UNIQUE (email)", "ALTER TABLE orders ADD CONSTRAINT c CHECK (y > 0)"),
    ("ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0) NOT VALID", UNFILLED, "ALTER TABLE orders ADD CONSTRAINT c CHECK (y > 0)"),
    (UNFILLED, "ALTER TABLE orders ADD CONSTRAINT c CHECK (y > 0), ADD CONSTRAINT c CHECK (y IS NOT NULL)"),
    (UNFILLED, "ALTER TABLE orders ADD CHECK (orders.y IS NOT NULL)", "UPDATE orders SET email = 'x'"),
    (UNFILLED, "ALTER TABLE orders ADD CHECK (y > 0) NOT VALID", "ALTER TABLE orders ADD CHECK (y > -1) NOT VALID"),
    # Rows that a constraint on a new column would meet, where they are all alike; those of heirs only where it is theirs, too.
    ("ALTER TABLE orders ADD COLUMN w int, ADD CHECK (w IS NOT NULL)",),
    ("ALTER TABLE orders ADD COLUMN w int DEFAULT 1, ADD CHECK (w > total)",),
    ("ALTER TABLE orders ADD COLUMN w bigint DEFAULT 99999, ADD FOREIGN KEY (w) REFERENCES customers",),
    ("ALTER TABLE orders ADD COLUMN w bigint DEFAULT 1, ADD UNIQUE (w)",),
    ("ALTER TABLE orders ADD COLUMN w bigint DEFAULT 1, ADD UNIQUE (w, id)",),
    ("ALTER TABLE orders ADD COLUMN w int, ADD PRIMARY KEY (w, id)",),
    ("ALTER TABLE orders ADD COLUMN w bigint REFERENCES customers, ALTER w SET NOT NULL",),
    ("INSERT INTO heir VALUES (1, 1), (2, 2)", "COMMIT", "BEGIN", "ALTER TABLE base ADD COLUMN w int DEFAULT 1 UNIQUE, ADD CHECK (w > 1) NO INHERIT"),
    ("INSERT INTO heir VALUES (1, 1), (2, 2)", "COMMIT", "BEGIN", "ALTER TABLE base ADD COLUMN w int DEFAULT 1, ADD UNIQUE (w)"),
    ("INSERT INTO heir VALUES (1, 1), (2, 2)", "COMMIT", "BEGIN", "ALTER TABLE base ADD COLUMN w int DEFAULT 1, ADD CHECK (w > 1)"),
    # And what is not about the column that the same ALTER TABLE changes or drops.
    ("UPDATE orders SET email = NULL WHERE id = 3", "ALTER TABLE orders DROP COLUMN total, ALTER email SET NOT NULL"),
    ("UPDATE orders SET email = NULL WHERE id = 3", "ALTER TABLE orders ALTER email TYPE varchar, ADD CHECK (total > 99999)"),
    ("UPDATE orders SET email = NULL WHERE id = 3", "ALTER TABLE orders ALTER email TYPE varchar, ALTER email SET NOT NULL"),
    ("ALTER TABLE events ADD CHECK (total > 0) NO INHERIT, ADD COLUMN w int DEFAULT (random() * 0)::int",),
    # What it drops is gone before it adds anything, wherever it stands.
    ("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id)", "COMMIT", "BEGIN", "ALTER TABLE orders DROP CONSTRAINT u, ADD CONSTRAINT u UNIQUE (id, email)"),
    ("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id)", "COMMIT", "BEGIN", "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id), DROP CONSTRAINT u"),
    ("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id)", "COMMIT", "BEGIN", "ALTER TABLE orders DROP CONSTRAINT u, ADD CONSTRAINT u UNIQUE (nothing)"),
    (ID_KEY, "COMMIT", "BEGIN", "ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD CONSTRAINT orders_pkey PRIMARY KEY (id, email)"),
    ("ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID", "COMMIT", "BEGIN", "ALTER TABLE orders DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (total > 0)"),
    (KEY + " NOT VALID", "COMMIT", "BEGIN", "ALTER TABLE orders ADD CHECK (id > 0), DROP CONSTRAINT f, ADD CONSTRAINT f FOREIGN KEY (customer_id) REFERENCES customers"),
    # But not what others lean on.
    (ID_KEY, "COMMIT", "BEGIN", ID_F, "COMMIT", "BEGIN", "ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD CONSTRAINT orders_pkey PRIMARY KEY (id, email)"),
    (ID_KEY, "ALTER TABLE orders ADD CONSTRAINT own FOREIGN KEY (id) REFERENCES orders", "COMMIT", "BEGIN", "ALTER TABLE orders DROP CONSTRAINT own, DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (id, email)"),
    # In one text, behind what may have made a name mean another table.
    (f"{INDEX}; ALTER INDEX i RENAME TO j; {UNFILLED}; ALTER TABLE orders ALTER y SET NOT NULL",),
    (f"ALTER TABLE customers RENAME TO clients; {UNFILLED}; ALTER TABLE orders ADD CHECK (y >= 0), ALTER y SET NOT NULL",),
    ("ALTER TABLE orders ADD y int DEFAULT (random() * 0)::int CHECK (y >= 0)", "ALTER TABLE orders DROP CONSTRAINT orders_y_check"),
    ("ALTER TABLE orders ADD y bigserial", "ALTER TABLE orders ADD PRIMARY KEY (y)"),
    ("ALTER TABLE orders ADD y bigserial; ALTER TABLE orders ADD PRIMARY KEY (y)",),
    ("ALTER TABLE orders ADD y int GENERATED BY DEFAULT AS IDENTITY UNIQUE", "ALTER TABLE orders DROP CONSTRAINT orders_y_key"),
    # What its constraints demand is looked for at once, and then holds.
    ("ALTER TABLE orders ADD y bigint DEFAULT 77777 REFERENCES customers",),
    ("ALTER TABLE orders ADD y bigint DEFAULT 1 CHECK (y > 5)",),
    ("ALTER TABLE orders ADD y bigint CHECK (y IS NOT NULL)",),
    ("ALTER TABLE orders ADD y bigint DEFAULT 1 UNIQUE",),
    ("ALTER TABLE orders ADD y bigint UNIQUE",),
    ("ALTER TABLE orders ADD CHECK (id > 0); ALTER TABLE orders ADD y int DEFAULT (random() * 0)::int CONSTRAINT orders_id_check CHECK (y >= 0)",),
    ("ALTER TABLE orders ADD y bigint DEFAULT id CHECK (total > 30)",),
    ("ALTER TABLE orders ADD y bigint DEFAULT 3, ADD z int DEFAULT 2 CHECK (z > y)",),
    ("ALTER TABLE orders ADD y bigint DEFAULT 1 CHECK (y > 0 OR total > 30)",),
    ("ALTER TABLE orders ADD y int CHECK (y > 0), ADD w int CHECK (w > 0)", "UPDATE orders SET w = -1"),
    ("ALTER TABLE orders ADD y int CHECK (y > 0), ADD w int CHECK (w > 0)", "UPDATE orders SET w = 1"),
    (FILLED, "INSERT INTO orders (id, v) VALUES (900, 77777)"),
    (FILLED, "ALTER TABLE customers RENAME TO clients"),
    (FILLED, "DROP TABLE customers"),
    (FILLED, "ALTER TABLE customers DROP CONSTRAINT customers_pkey"),
    # Partitions.
    ("CREATE INDEX e ON events (kind)", "CREATE INDEX ON events (kind)"),
    ("CREATE INDEX ON events (kind)", "CREATE INDEX ON events (kind)"),
    ("CREATE INDEX e ON ONLY events (kind)", "CREATE INDEX ON events (kind)"),
    ("CREATE INDEX e ON events (kind)", "DROP INDEX events_1_kind_idx"),
    ("CREATE INDEX e ON events (kind)", "DROP INDEX e"),
    ("CREATE INDEX e ON events (kind)", "ALTER TABLE events REPLICA IDENTITY USING INDEX e"),
    ("CREATE UNIQUE INDEX e ON events (id, at)", "ALTER TABLE events ADD PRIMARY KEY USING INDEX e"),
    ("CREATE INDEX e ON events (kind)", "ALTER TABLE events CLUSTER ON e"),
    ("ALTER TABLE events ADD UNIQUE (id, at)", "ALTER TABLE events ADD UNIQUE (id, at)"),
    ("ALTER TABLE events ADD UNIQUE (id, at)", "DROP INDEX events_id_at_key"),
    ("ALTER TABLE events ADD UNIQUE (id, at)", "DROP INDEX events_1_id_at_key"),
    ("ALTER TABLE events ADD CONSTRAINT c CHECK (id > 0)", "ALTER TABLE events_1 ADD CONSTRAINT c CHECK (id > 0)"),
    ("ALTER TABLE events ALTER kind SET NOT NULL", "ALTER TABLE events_1 ALTER kind SET NOT NULL"),
    ("ALTER TABLE events ALTER kind SET NOT NULL", "ALTER TABLE ONLY events ALTER kind SET NOT NULL"),
    ("CREATE INDEX ON events_1 (kind)", "ALTER TABLE events RENAME TO happenings"),
    ("CREATE INDEX ON events_1 (kind)", "ALTER TABLE events DETACH PARTITION events_1"),
    ("CREATE INDEX ON logs (at)", "CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM (100) TO (200)"),
    ("ALTER TABLE logs ADD UNIQUE (at)", "CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM (100) TO (200)"),
    ("ALTER TABLE logs ADD CHECK (at > -1)", "CREATE TABLE logs_2 PARTITION OF logs FOR VALUES FROM (100) TO (200)"),
    ("CREATE INDEX i ON base (v)", "ALTER TABLE heir NO INHERIT base"),
    ("ALTER TABLE heir NO INHERIT base", "ALTER TABLE base ADD CONSTRAINT c CHECK (v > 0)"),
    ("ALTER TABLE heir NO INHERIT base; ALTER TABLE base ALTER v SET NOT NULL",),
    ("ALTER TABLE base ADD CONSTRAINT c CHECK (v > 0) NO INHERIT", "ALTER TABLE heir ADD CONSTRAINT c CHECK (v > 0)"),
    ("CREATE INDEX i ON computed (a)", "ALTER TABLE computed DROP COLUMN twice"),
    ("CREATE INDEX i ON deep_1a (t)", "ALTER TABLE deep_1 DETACH PARTITION deep_1a"),
    ("CREATE INDEX ON base (v)", KEY, "DROP TABLE deep_1"),
    # The key may have the name of another table's constraint; its rows are looked through all the same.
    ("INSERT INTO base VALUES (1), (1)", KEY, "ALTER TABLE base ADD CONSTRAINT f PRIMARY KEY (v)"),
    ("INSERT INTO base VALUES (1), (1)", "ALTER TABLE base ADD CONSTRAINT orders_total_check UNIQUE (id)"),
    ("ALTER TABLE deep ADD PRIMARY KEY (at, k)", "ALTER TABLE deep_1a ADD PRIMARY KEY (at, k)"),
    ("ALTER TABLE deep ADD CONSTRAINT c CHECK (k > 0)", "ALTER TABLE deep_1a ADD CONSTRAINT c CHECK (k > 0)"),
    ("ALTER TABLE events ADD PRIMARY KEY (id, at)", "ALTER TABLE events_1 ADD PRIMARY KEY (id, at)"),
    ("ALTER TABLE events_1 ADD UNIQUE (id)", "ALTER TABLE events ADD UNIQUE (id, at)"),
]  # fmt: skip

REFUSED: list[Sequence[str]] = [
    (
        "CREATE SCHEMA aside",
        "ALTER TABLE orders ALTER COLUMN email SET NOT NULL",
        "CREATE TABLE aside.orders (LIKE orders)",
    ),
    (INDEX, "ALTER TABLE orders DROP COLUMN email"),
    (INDEX, "ALTER TABLE orders RENAME COLUMN email TO mail"),
    (INDEX, "ALTER TABLE orders RENAME TO o2"),
    (UNFILLED, "ALTER TABLE orders ADD CHECK (y IS NOT NULL) NOT VALID, ALTER id SET STATISTICS 10"),
    (
        "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id)",
        "ALTER TABLE orders DROP CONSTRAINT u, ADD CONSTRAINT u UNIQUE (id, email)",
    ),
    (
        "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID",
        "ALTER TABLE orders VALIDATE CONSTRAINT c",
        "ALTER TABLE orders DROP COLUMN total",
    ),
    (INDEX, "ALTER TABLE orders SET SCHEMA pg_temp"),
    (INDEX + "; ALTER TABLE orders DROP COLUMN email",),
    (CHECK, "ALTER TABLE orders RENAME CONSTRAINT c TO d", CHECK),
    (KEY, "ALTER TABLE customers DROP CONSTRAINT customers_pkey CASCADE"),
    (KEY, "ALTER TABLE customers DROP COLUMN id CASCADE"),
    (KEY + " NOT VALID", "ALTER TABLE orders VALIDATE CONSTRAINT f", "ALTER TABLE customers DROP COLUMN id CASCADE"),
    (NOT_NULL + ", ALTER total SET DEFAULT 0", "ALTER TABLE orders ALTER email DROP NOT NULL"),
    ("ALTER TABLE orders ADD PRIMARY KEY (id)", "ALTER TABLE orders ALTER id DROP NOT NULL"),
    ("ALTER TABLE orders ADD UNIQUE (id)", "ALTER TABLE customers ADD COLUMN o bigint REFERENCES orders (id)"),
    (LATER_KEY, DEFERRABLE, "SET CONSTRAINTS f, u IMMEDIATE"),
    (ID_UNIQUE, "CREATE TABLE lines (o bigint REFERENCES orders (id))", "ALTER TABLE lines RENAME TO rows"),
    (
        ID_UNIQUE,
        "CREATE TABLE parts (o bigint) PARTITION BY HASH (o)",
        "ALTER TABLE parts ADD FOREIGN KEY (o) REFERENCES orders (id)",
    ),
    # Its rows would all be NULL.
    (VOLATILE, "UPDATE orders SET y = 5 WHERE y = 0"),
    (VOLATILE, "SELECT orders.Y FROM orders"),
    (VOLATILE, "CREATE TABLE copied AS SELECT y FROM orders"),
    (VOLATILE, "COPY (SELECT y FROM orders) TO STDOUT"),
    (VOLATILE, "DECLARE c CURSOR FOR SELECT y FROM orders"),
    (VOLATILE, "PREPARE p AS SELECT y FROM orders"),
    (VOLATILE, "INSERT INTO customers SELECT y, 'x' FROM orders"),
    (VOLATILE + "; DELETE FROM orders WHERE y = 0",),
    ("ALTER TABLE orders ADD y int GENERATED ALWAYS AS IDENTITY", "INSERT INTO orders (id, y) VALUES (900, 5)"),
    (VOLATILE, "ALTER TABLE orders ALTER y DROP NOT NULL"),
    ("ALTER TABLE orders ADD y bigserial", "ALTER TABLE orders ALTER y DROP DEFAULT"),
    ("ALTER TABLE orders ADD y bigserial", "ALTER TABLE orders ALTER y ADD GENERATED ALWAYS AS IDENTITY"),
    (INDEX, "CREATE TABLE i (a int)"),
    ("CREATE INDEX e ON events (kind)", "ALTER TABLE events DETACH PARTITION events_1"),
    ("CREATE INDEX e ON events (kind)", "DROP TABLE events_1"),
    ("CREATE INDEX e ON events (kind)", "ALTER TABLE events_1 RENAME TO events_2"),
    ("CREATE INDEX e ON events (kind)", "ALTER INDEX e ATTACH PARTITION events_1_total_idx"),
    ("ALTER TABLE events ADD CHECK (id > 0)", "ALTER TABLE events DETACH PARTITION events_1"),
    ("CREATE INDEX ON events_1 (kind)", "CREATE INDEX e ON events (kind)"),
    ("CREATE INDEX ON events_1 (kind)", "ALTER TABLE events RENAME COLUMN kind TO sort"),
    ("CREATE INDEX ON events_1 (kind)", "ALTER TABLE events DROP COLUMN kind"),
    ("REINDEX INDEX events_1_total_idx", "DROP INDEX events_total_idx"),
    (INDEX, "CREATE SEQUENCE i"),
    (INDEX, "CREATE VIEW i AS SELECT 1"),
    (INDEX + "; CREATE SEQUENCE i",),
    (INDEX, "CREATE TYPE i AS (a int)"),
    ("CREATE TYPE other AS (a int)", INDEX, "ALTER TYPE other RENAME TO i"),
    (INDEX + "; CREATE TYPE i AS (a int)",),
    # What is validated would not be the heir's any more, or not be validated for one that has come.
    ("ALTER TABLE base ADD CONSTRAINT c CHECK (v > 0)", "ALTER TABLE heir NO INHERIT base"),
    ("ALTER TABLE base ADD CONSTRAINT c CHECK (v > 0)", "ALTER TABLE apart INHERIT base"),
    ("ALTER TABLE base ADD CONSTRAINT c CHECK (v > 0)", "ALTER TABLE heir ADD CONSTRAINT c CHECK (v > 0)"),
    ("ALTER TABLE base ALTER v SET NOT NULL", "ALTER TABLE heir NO INHERIT base"),
    ("ALTER TABLE base ADD CHECK (v > 0 OR inherit)", "ALTER TABLE heir NO INHERIT base"),
    ("ALTER TABLE base ALTER v SET NOT NULL; ALTER TABLE heir NO INHERIT base",),
    ("ALTER TABLE heir ALTER v SET NOT NULL", "ALTER TABLE base ALTER v DROP NOT NULL"),
    ("CREATE INDEX i ON deep (t)", "ALTER TABLE deep_1 DETACH PARTITION deep_1a"),
    ("CREATE INDEX i ON deep (t)", "DROP TABLE deep_1"),
    ("CREATE INDEX i ON deep (t); DROP TABLE deep_1a",),
    ("ALTER TABLE deep ADD CHECK (k > 0)", "ALTER TABLE deep_1 DETACH PARTITION deep_1a"),
    ("ALTER TABLE deep ADD PRIMARY KEY (at, k)", "CREATE TABLE deep_1c PARTITION OF deep_1 FOR VALUES IN (2)"),
    ("ALTER TABLE deep_1a ADD UNIQUE (at, k)", "ALTER TABLE deep ADD UNIQUE (at, k)"),
    ("ALTER TABLE events_1 ADD PRIMARY KEY (id, at)", "ALTER TABLE events ADD PRIMARY KEY (id, at)"),
    ("ALTER TABLE events_1 ADD UNIQUE (id, at)", "CREATE UNIQUE INDEX i ON events (id, at)"),
    # A computed column goes with what it is computed from.
    ("CREATE INDEX i ON computed (twice)", "ALTER TABLE computed DROP COLUMN a CASCADE"),
    ("ALTER TABLE computed ADD CHECK (twice > 0)", "ALTER TABLE computed DROP COLUMN a CASCADE"),
    ("ALTER TABLE computed ALTER twice SET NOT NULL; ALTER TABLE computed DROP COLUMN a CASCADE",),
    # The key that is only to be validated goes with what it points to.
    (KEY + " NOT VALID", "ALTER TABLE orders VALIDATE CONSTRAINT f", "DROP TABLE customers CASCADE"),
    (KEY + " NOT VALID", "ALTER TABLE orders VALIDATE CONSTRAINT f; DROP TABLE IF EXISTS nothing, customers CASCADE"),
    (KEY + " NOT VALID; ALTER TABLE orders VALIDATE CONSTRAINT f; DROP TABLE customers CASCADE",),
    # Other objects than tables that it names: the index would know them, its text does not find them.
    (FUNCTION, "CREATE INDEX ON orders (half(total))", "DROP FUNCTION half(numeric)"),
    (FUNCTION, "CREATE INDEX ON orders (half(total))", "DROP ROUTINE IF EXISTS public.half CASCADE"),
    (FUNCTION, "CREATE INDEX ON orders (half(total))", "ALTER FUNCTION half(numeric) RENAME TO third"),
    (FUNCTION, "CREATE INDEX ON orders (half(total))", "ALTER FUNCTION public.half(numeric) SET SCHEMA pg_catalog"),
    (FUNCTION, "CREATE INDEX ON orders (half(total)); DROP FUNCTION half(numeric)"),
    ('CREATE COLLATION own FROM "C"', "CREATE INDEX ON orders (email COLLATE own)", "DROP COLLATION own"),
    (
        'CREATE COLLATION own FROM "C"',
        "CREATE INDEX ON orders (email COLLATE own)",
        "ALTER COLLATION own RENAME TO others",
    ),
    (MOOD, "CREATE INDEX ON orders (m)", "DROP TYPE mood CASCADE"),
    (MOOD, "ALTER TABLE orders ADD UNIQUE (m)", "DROP TYPE mood CASCADE"),
    (MOOD, "CREATE INDEX ON orders (id) WHERE m = 'sad'", "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'"),
    # The table that a key points to goes with its schema.
    (
        ELSEWHERE,
        "INSERT INTO elsewhere.t SELECT g FROM generate_series(1, 1000) g; ALTER TABLE elsewhere.t ADD PRIMARY KEY (a)",
        "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (customer_id) REFERENCES elsewhere.t",
        "DROP SCHEMA elsewhere CASCADE",
    ),
    (KEY + " NOT VALID", "ALTER TABLE orders VALIDATE CONSTRAINT f", ELSEWHERE, "DROP SCHEMA elsewhere CASCADE"),
    (FUNCTION, "ALTER TABLE orders ADD CHECK (half(total) > 0)", "DROP FUNCTION half CASCADE"),
    (FUNCTION, "ALTER TABLE orders ADD CHECK (half(total) > 0); DROP FUNCTION half CASCADE"),
    # A domain that is stricter then.
    (AMOUNT, "CREATE INDEX ON orders ((total::amount))", "ALTER DOMAIN amount ADD CHECK (VALUE < 5) NOT VALID"),
    (AMOUNT, "ALTER TABLE orders ADD CHECK (total::amount > 0)", "ALTER DOMAIN amount SET NOT NULL"),
    # An attribute of a composite type.
    (SPAN, "CREATE INDEX ON orders (((p).a))", "ALTER TYPE span RENAME ATTRIBUTE a TO b"),
    (SPAN, "CREATE INDEX ON orders (((p).a))", "ALTER TYPE span DROP ATTRIBUTE IF EXISTS a CASCADE"),
    # Indexes go along with their table.
    (ELSEWHERE, "DROP INDEX orders_total_idx", "ALTER TABLE orders SET SCHEMA elsewhere"),
    # What would be found in place of what the author meant.
    (FUNCTION, "CREATE INDEX ON orders (half(total))", ANOTHER.format("half(numeric, int DEFAULT 1)")),
    (FUNCTION, "CREATE INDEX ON orders (half(id))", ANOTHER.format("public.half(bigint)")),
    (FUNCTION, "CREATE INDEX ON orders (half(total)); " + ANOTHER.format("half(numeric, int DEFAULT 1)")),
    (FUNCTION, "CREATE INDEX ON orders (half(total))", "CREATE AGGREGATE half(int) (SFUNC = int4larger, STYPE = int)"),
    (FUNCTION, "CREATE INDEX ON orders (half(total))", "ALTER FUNCTION half VOLATILE"),
    (
        FUNCTION,
        "CREATE INDEX ON orders (half(total))",
        FUNCTION.replace("CREATE", "CREATE OR REPLACE").replace("IMMUTABLE", ""),
    ),
    (
        FUNCTION,
        "ALTER TABLE orders ADD CHECK (half(total) > 0)",
        FUNCTION.replace("CREATE", "CREATE OR REPLACE").replace("/ 2", "- 9"),
    ),
    (
        FUNCTION,
        "CREATE FUNCTION third(numeric, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'",
        "CREATE INDEX ON orders (half(id))",
        "ALTER FUNCTION third RENAME TO half",
    ),
    (
        INDEX.replace("(email)", "((orders.full))").replace("full", "email"),
        ANOTHER.format("email(orders)").replace("$1 / 3", "3"),
    ),
    ("CREATE INDEX ON orders ((total + 1))", "CREATE OPERATOR + (LEFTARG = numeric, RIGHTARG = int, FUNCTION = mod)"),
    (
        "SET search_path = elsewhere, public",
        MOOD.replace("TYPE mood", "TYPE public.mood").replace("m mood", "m public.mood"),
        "CREATE SCHEMA elsewhere",
        "CREATE INDEX ON orders (id) WHERE m = 'sad'::mood",
        "CREATE TYPE mood AS ENUM ('sad')",
    ),
    ("SET search_path = elsewhere, public", ELSEWHERE, INDEX, "CREATE TABLE orders (id bigint, email text)"),
    ("SET search_path = elsewhere, public", ELSEWHERE, INDEX, "ALTER TABLE elsewhere.t RENAME TO orders"),
    ("SET search_path = elsewhere, public", ELSEWHERE, INDEX, "CREATE VIEW elsewhere.orders AS SELECT 1"),
    (INDEX, "ALTER SCHEMA public RENAME TO private"),
    ("ALTER TABLE orders ADD CHECK (total > 0)", "ALTER SCHEMA public RENAME TO private"),
]


def run(url: str, statements: Sequence[str], *, prepare: bool) -> list[str]:
    said = []
    with psycopg.connect(url, autocommit=True) as connection:
        for sql in ("BEGIN", *statements, "COMMIT"):
            try:
                said.append(connection.execute(sql, prepare=prepare and ";" not in sql).statusmessage or "")
            except psycopg.Error as error:
                said.append(f"{error.sqlstate} {error.diag.message_primary}")
    return said


@pytest.fixture
def ways(postgres: Server, share_proxy: Callable[[str], Proxy]) -> tuple[str, str, Proxy]:
    """Two databases alike, by name, and the proxy before the second."""
    names = (postgres.create_database(), postgres.create_database())
    for name in names:
        with psycopg.connect(postgres.url(name), autocommit=True) as connection:
            connection.execute(ORDERS + PARTS + HEIRS)
    return (*names, share_proxy(POLICY))


@pytest.mark.sampled(6)
@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("statements", SAME, ids=[" / ".join(s)[:80] for s in SAME])
def test_it_ends_as_it_would_directly(
    statements: Sequence[str], prepare: bool, ways: tuple[str, str, Proxy], postgres: Server
) -> None:
    direct, through, proxy = ways
    wanted = run(postgres.url(direct), statements, prepare=prepare)
    assert run(proxy.url(through), statements, prepare=prepare) == wanted
    assert postgres.dump(through) == postgres.dump(direct)
    with psycopg.connect(postgres.url(through)) as connection:
        if connection.execute("SELECT to_regclass('interlock.jobs')").fetchone() != (None,):
            assert connection.execute("SELECT statement FROM interlock.jobs WHERE state <> 'done'").fetchall() == []
    for name in (direct, through):
        postgres.drop_database(name)


@pytest.mark.parametrize("statements", REFUSED, ids=[" / ".join(s)[:80] for s in REFUSED])
def test_it_is_refused_and_all_of_it_is_as_before(
    statements: Sequence[str], ways: tuple[str, str, Proxy], postgres: Server
) -> None:
    direct, through, proxy = ways
    before = postgres.dump(through)
    said = run(proxy.url(through), statements, prepare=False)
    assert said[-2].startswith("IL001")
    assert "waits for COMMIT [jobs]\n" in said[-2]
    assert said[-1] == "ROLLBACK"
    assert postgres.dump(through) == before
    for name in (direct, through):
        postgres.drop_database(name)


@pytest.mark.parametrize(
    "changed",
    [
        "ALTER TABLE events DETACH PARTITION events_1",
        "DROP TABLE events_1",
        "ALTER TABLE events_1 RENAME TO events_2",
        "CREATE TABLE more (LIKE events); ALTER TABLE events ATTACH PARTITION more FOR VALUES FROM (1000) TO (2000)",
    ],
)
def test_partitions_that_the_string_itself_changes_are_not_known(
    changed: str, ways: tuple[str, str, Proxy], postgres: Server
) -> None:
    _, through, proxy = ways
    before = postgres.dump(through)
    with psycopg.connect(proxy.url(through), autocommit=True) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(f"{changed}; CREATE INDEX e ON events (kind)")
    assert refused.value.sqlstate == "IL001"
    assert postgres.dump(through) == before
    for name in ways[:2]:
        postgres.drop_database(name)


ABSENT = [
    ((UNIQUE,), "INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO NOTHING", "42P10", UNIQUE),
    ((UNIQUE,), "INSERT INTO orders (id) VALUES (%s) ON CONFLICT (id) DO NOTHING", "42P10", UNIQUE),
    ((DEFERRABLE,), "INSERT INTO orders (id) VALUES (1) ON CONFLICT ON CONSTRAINT u DO NOTHING", "42704", DEFERRABLE),
    ((INDEX, CHECK), "INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO NOTHING", "42P10", None),
    ((ID_UNIQUE,), "CREATE TABLE lines (o bigint REFERENCES orders (id)) PARTITION BY LIST (o)", "42830", ID_UNIQUE),
    (("ALTER TABLE orders ADD PRIMARY KEY (id)",), "CREATE TABLE lines (o bigint REFERENCES orders) PARTITION BY LIST (o)", "42704", "ALTER TABLE orders ADD PRIMARY KEY (id)"),
    ((ID_UNIQUE,), "CREATE TABLE lines (o bigint REFERENCES customers (name))", "42830", None),
    ((UNIQUE, "DROP INDEX i, orders_total_idx"), "CREATE TABLE lines (o bigint REFERENCES orders (id))", "42830", UNIQUE),
    ((UNIQUE,), "SELECT 1 ORDER BY 5", "42P10", None),
    ((UNIQUE,), "SELECT * FROM nobodys", "42P01", None),
    (("SAVEPOINT a", INDEX, "ROLLBACK TO a"), "DROP INDEX i", "42704", None),
    ((UNIQUE, "ROLLBACK", "BEGIN"), "INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO NOTHING", "42P10", None),
    ((INDEX, f"{UNIQUE.replace(' i ', ' k ')}; SELECT 1"), "SELECT 'k'::regclass", "42P01", "CREATE UNIQUE INDEX k ON orders (id)"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "statement", "sqlstate", "waits"), ABSENT, ids=[f"{b} {s}" for b, s, *_ in ABSENT])
def test_an_error_about_what_is_not_there_yet_says_why(
    before: Sequence[str], statement: str, sqlstate: str, waits: str | None, ways: tuple[str, str, Proxy]
) -> None:
    _, through, proxy = ways
    with psycopg.connect(proxy.url(through), autocommit=True) as connection:
        for sql in ("BEGIN", *before):
            connection.execute(sql)
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(statement, (1,) if "%s" in statement else None)
    error = raised.value
    assert error.sqlstate == sqlstate
    if waits is None:
        assert "COMMIT" not in f"{error.diag.message_detail} {error.diag.message_hint}"
    else:
        assert f"This transaction has put off till after COMMIT: {waits}" in (error.diag.message_detail or "")
        assert "into a migration of its own" in (error.diag.message_hint or "")


def test_what_failed_in_its_string_has_not_been_put_off(ways: tuple[str, str, Proxy]) -> None:
    _, through, proxy = ways
    with psycopg.connect(proxy.url(through), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("BEGIN READ ONLY; CREATE UNIQUE INDEX k ON orders (id); SELECT 1")
        connection.execute("COMMIT AND CHAIN")
        with pytest.raises(psycopg.errors.UndefinedTable) as raised:
            connection.execute("SELECT 'k'::regclass")
        assert raised.value.diag.message_detail is None


def test_so_does_one_in_the_same_string_and_in_the_clients_encoding(ways: tuple[str, str, Proxy]) -> None:
    _, through, proxy = ways
    with psycopg.connect(proxy.url(through), autocommit=True, client_encoding="latin1") as connection:
        index = 'CREATE UNIQUE INDEX "é" ON orders (id)'
        with pytest.raises(psycopg.errors.InvalidColumnReference) as raised:
            connection.execute(f"{index}; INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO NOTHING")
        assert raised.value.diag.message_detail == f"This transaction has put off till after COMMIT: {index}."
        connection.execute("BEGIN")
        connection.execute(index)
        with pytest.raises(psycopg.errors.UndefinedTable) as raised_alone:
            connection.execute("""SELECT '"é"'::regclass""")
        assert index in (raised_alone.value.diag.message_detail or "")


def test_what_is_about_a_temporary_table_is_not_done_to_the_one_that_it_hides(
    ways: tuple[str, str, Proxy], postgres: Server
) -> None:
    _, through, proxy = ways
    before = postgres.dump(through)
    with psycopg.connect(proxy.url(through), autocommit=True) as connection:
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(f"CREATE TEMP TABLE orders (email text) ON COMMIT DROP; {INDEX}")
        assert raised.value.sqlstate == "IL001"
        assert "a temporary table of the same query string has the name" in (raised.value.diag.message_primary or "")
        connection.execute(f"CREATE TEMP TABLE fresh (email text) ON COMMIT DROP; {INDEX.replace('orders', 'fresh')}")
        connection.execute("BEGIN")
        connection.execute("CREATE TEMP TABLE orders (email text) ON COMMIT DROP")
        connection.execute(INDEX)
        connection.execute("COMMIT")
    assert postgres.dump(through) == before


def test_if_exists_behind_a_drop_in_the_string_is_refused(orders: str, guarded: str) -> None:
    """Whether there is anything to be done behind COMMIT only the server will know by then."""
    string = "DROP TABLE customers CASCADE; ALTER TABLE IF EXISTS customers ADD UNIQUE (name)"
    with psycopg.connect(guarded, autocommit=True) as connection, pytest.raises(psycopg.Error) as raised:
        connection.execute(string)
    assert raised.value.sqlstate == "IL001"
    assert "an earlier statement of the same query string drops or renames a table" in str(raised.value)
    with psycopg.connect(orders) as connection:
        assert connection.execute("SELECT to_regclass('customers') IS NULL").fetchone() == (False,)


def test_what_is_foreseen_beside_a_copy_is_refused(guarded: str) -> None:
    """Its answer cannot stand in one string with a COPY, which talks to the client meanwhile."""
    with Raw(guarded) as client:
        client.send(q(b"BEGIN") + q(INDEX.encode()))
        client.until("Z", "Z")
        client.send(q(INDEX.encode() + b"; COPY customers FROM STDIN"))
        said = client.until("Z")
        assert error(said)["C"] == "IL001"
        assert error(said)["M"].endswith("Send the statements one by one.")
        assert "G" not in kinds(said)
        client.send(q(b"ROLLBACK"))
        client.until("Z")


def test_what_is_about_what_waits_is_refused_beside_a_copy(guarded: str) -> None:
    """It would have to wait, too: no rule stands behind it, and nothing is done of the string."""
    with Raw(guarded) as client:
        client.send(q(b"BEGIN") + q(INDEX.encode()))
        client.until("Z", "Z")
        about = "COPY customers TO STDOUT; COMMENT ON INDEX i IS 'x'"
        client.send(q(about.encode()))
        said = client.until("Z")
        assert error(said)["C"] == "IL001"
        assert error(said)["M"] == (
            "COMMENT has to wait for COMMIT, as does what it is about, which it cannot here [jobs]\n"
            "Send the statements one by one."
        )
        assert error(said)["P"] == str(about.index("COMMENT") + 1)
        assert "H" not in kinds(said)
        client.send(q(b"ROLLBACK"))
        client.until("Z")


def told_after_commit(postgres: Server, way: tuple[str, str, Proxy], *transaction: str) -> list[str]:
    """What the server is told of indexes and foreign keys behind the COMMIT of a transaction."""
    _, name, proxy = way
    with psycopg.connect(proxy.url(name), autocommit=True) as connection:
        connection.execute("BEGIN")
        for sql in transaction:
            connection.execute(sql)
        since = postgres.log_bytes
        connection.execute("COMMIT")
    with psycopg.connect(postgres.url(name)) as connection:
        assert connection.execute("SELECT statement FROM interlock.jobs WHERE state <> 'done'").fetchall() == []
    told = postgres.statements(name, since=since)
    return [sql for sql in told if sql.startswith("DROP INDEX") or (sql.startswith("ALTER") and "pages_f" in sql)]


def test_an_index_that_waits_is_dropped_as_gently_as_it_is_built(
    ways: tuple[str, str, Proxy], postgres: Server
) -> None:
    told = told_after_commit(postgres, ways, INDEX, "CREATE INDEX j ON orders (id)", "DROP INDEX i, j")
    assert [sql.rpartition(" ")[0] for sql in told] == ["DROP INDEX CONCURRENTLY"] * 2, told


def test_a_key_of_a_new_table_that_waits_is_checked_without_its_lock(
    ways: tuple[str, str, Proxy], postgres: Server
) -> None:
    """By then the table is everybody's, and may have been filled: Airflow makes tables anew, with their rows."""
    told = told_after_commit(
        postgres,
        ways,
        ID_UNIQUE,
        "CREATE TABLE pages AS SELECT id AS o FROM orders",
        "ALTER TABLE pages ADD CONSTRAINT pages_f FOREIGN KEY (o) REFERENCES orders (id) ON DELETE CASCADE",
    )
    assert told == [
        "ALTER TABLE pages ADD CONSTRAINT pages_f FOREIGN KEY (o) REFERENCES orders (id) ON DELETE CASCADE NOT VALID",
        "ALTER TABLE public.pages VALIDATE CONSTRAINT pages_f",
    ]


def test_what_an_index_makes_is_not_validated_in_the_same_statement(orders: str, guarded: str) -> None:
    """Postgres refuses it (42809), but only behind the build: so it is refused before, and nothing is put off that would fail."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        with pytest.raises(psycopg.Error, match="validating k1 would block") as caught:
            connection.execute("ALTER TABLE orders ADD CONSTRAINT k1 UNIQUE (id), VALIDATE CONSTRAINT k1")
        assert caught.value.sqlstate == "IL001"
        assert connection.execute("COMMIT").statusmessage == "ROLLBACK"


@pytest.mark.parametrize(
    ("between", "sqlstate"),
    [
        ("", "25006"),
        ("SAVEPOINT a; ", "25006"),
        ("SET TRANSACTION READ WRITE; ", "23503"),
        ("SELECT set_config('transaction_read_only', 'off', true); ", "IL001"),
        ("COMMIT; BEGIN; ", "23503"),
        ("END; BEGIN READ WRITE; ", "23503"),
    ],
)
def test_a_string_that_begins_read_only_gets_the_servers_refusal(
    between: str, sqlstate: str, orders: str, guarded: str
) -> None:
    """Its rows are not looked through then; and whatever may have made another transaction of it counts."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("INSERT INTO orders (id, customer_id, email) VALUES (777777, 777777, 'x')")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(f"BEGIN READ ONLY; {between}{KEY}; COMMIT".encode())
        assert caught.value.sqlstate == sqlstate


@pytest.mark.parametrize("back", ["ROLLBACK", "ROLLBACK TO a"])
@pytest.mark.parametrize("there", [False, True])
def test_behind_a_rollback_in_the_string_the_jobs_table_has_to_be_there(
    there: bool, back: str, orders: str, guarded: str
) -> None:
    """What is made for it in the open transaction would be gone again."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        if there:
            connection.execute("BEGIN")
            connection.execute("CREATE INDEX j ON orders (id)")
            connection.execute("COMMIT")
        connection.execute("BEGIN")
        connection.execute("SAVEPOINT a")
        string = f"ALTER TABLE orders ALTER total SET DEFAULT 1; {back}; {INDEX}".encode()
        if not there:
            with pytest.raises(psycopg.Error, match="is not there yet, and the ROLLBACK") as caught:
                connection.execute(string)
            assert caught.value.sqlstate == "IL001"
            connection.execute("ROLLBACK")
            return
        connection.execute(string)
        connection.execute("COMMIT")
    with psycopg.connect(orders) as session:
        assert session.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass").fetchone() == (True,)


@pytest.mark.parametrize(
    "drop", ["DROP TABLE customers CASCADE", "DROP TABLE IF EXISTS public.customers, nothing CASCADE"]
)
def test_a_table_that_a_waiting_key_points_to_is_not_dropped_behind_it(drop: str, orders: str, guarded: str) -> None:
    """The key would go with it, and its VALIDATE fail after COMMIT."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(KEY)
        with pytest.raises(psycopg.Error, match="cannot be done while") as caught:
            connection.execute(drop.encode())
        assert caught.value.sqlstate == "IL001"
        connection.execute("ROLLBACK")
        connection.execute("BEGIN")
        connection.execute(INDEX)
        connection.execute(drop.encode())
        assert connection.execute("COMMIT").statusmessage == "COMMIT"


@pytest.mark.parametrize(
    ("unique", "drop"),
    [
        (NAMES, "DROP INDEX n"),
        (NAMES, "DROP INDEX IF EXISTS n CASCADE"),
        ("ALTER TABLE customers ADD CONSTRAINT n UNIQUE (name)", "ALTER TABLE customers DROP CONSTRAINT n"),
    ],
)
def test_what_a_waiting_key_needs_is_not_taken_back(unique: str, drop: str, orders: str, guarded: str) -> None:
    """The key could not be added after COMMIT; directly it could not be dropped (2BP01)."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(unique.encode())
        connection.execute("CREATE INDEX j ON customers (name)")
        connection.execute("DROP INDEX j")
        connection.execute(
            "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (email) REFERENCES customers (name) NOT VALID"
        )
        with pytest.raises(psycopg.Error, match="cannot be done while") as caught:
            connection.execute(drop.encode())
        assert caught.value.sqlstate == "IL001"
        connection.execute("ROLLBACK")


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK", "ROLLBACK; BEGIN", "ROLLBACK TO a"])
def test_what_a_text_does_behind_the_end_of_a_read_only_transaction_is_guarded(
    end: str, orders: str, guarded: str
) -> None:
    """The transaction was READ ONLY when the text came, and is not when its statement runs."""
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN; SAVEPOINT a; SET TRANSACTION READ ONLY" if " TO " in end else "BEGIN READ ONLY")
        reason = "the transaction in front of it is READ ONLY" if end == "COMMIT" else "the ROLLBACK in front of it"
        with pytest.raises(psycopg.Error, match=reason) as caught:
            connection.execute(f"{end}; CREATE INDEX behind ON orders (id); COMMIT".encode())
        assert caught.value.sqlstate == "IL001"
    with psycopg.connect(orders) as direct:
        assert direct.execute("SELECT to_regclass('behind') IS NULL").fetchone() == (True,)


@pytest.mark.parametrize("sql", ["REINDEX TABLE orders", "REINDEX INDEX orders_total_idx"])
@pytest.mark.parametrize("string", [False, True])
def test_what_a_read_only_transaction_may_do_is_guarded_in_it(
    string: bool, sql: str, orders: str, guarded: str
) -> None:
    """Postgres runs it there, under its lock, and nothing can be written down."""
    with psycopg.connect(orders, autocommit=True) as direct:
        direct.execute(f"BEGIN READ ONLY; {sql}; ROLLBACK".encode())
    with psycopg.connect(guarded, autocommit=True) as connection:
        if not string:
            connection.execute("BEGIN READ ONLY")
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(f"BEGIN READ ONLY; {sql}; COMMIT".encode() if string else sql.encode())
        assert caught.value.sqlstate == "IL001"
        assert "the transaction is READ ONLY" in str(caught.value)


@pytest.mark.parametrize("between", ["", "SELECT 1; ", "SAVEPOINT a; "])
def test_and_so_it_is_where_the_same_text_has_made_it_read_only(between: str, orders: str, guarded: str) -> None:
    sql = f"SET TRANSACTION READ ONLY; {between}REINDEX INDEX orders_total_idx; COMMIT"
    with psycopg.connect(orders, autocommit=True) as direct:
        direct.execute("BEGIN")
        direct.execute(sql.encode())
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        with pytest.raises(psycopg.Error, match="the transaction is READ ONLY") as caught:
            connection.execute(sql.encode())
        assert caught.value.sqlstate == "IL001"
        connection.execute("ROLLBACK")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="cannot execute CREATE INDEX in a read-only"):
            connection.execute("BEGIN; SET TRANSACTION READ ONLY; SELECT 1; CREATE INDEX ON orders (id)")


@pytest.mark.parametrize(
    "sql",
    [
        "DROP INDEX i",
        "COMMENT ON INDEX i IS 'x'",
        "ALTER INDEX i RENAME TO j",
        "CREATE INDEX i ON orders (id)",
        "ALTER TABLE orders CLUSTER ON i",
    ],
)
def test_what_waits_cannot_be_changed_in_a_read_only_transaction(sql: str, orders: str, guarded: str) -> None:
    """It says what it says directly, not what our note of it says."""
    said = []
    for url in (orders, guarded):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("BEGIN")
            connection.execute("CREATE INDEX i ON orders (email)")
            connection.execute("SET TRANSACTION READ ONLY")
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as caught:
                connection.execute(sql.encode())
            said.append(caught.value.diag.message_primary)
            connection.execute("ROLLBACK")
    assert said[0] == said[1]


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE orders ADD PRIMARY KEY (email); ALTER TABLE orders ALTER email SET NOT NULL",
        "ALTER TABLE orders ADD CONSTRAINT k PRIMARY KEY (id, email), ADD COLUMN v int; ALTER TABLE orders ALTER email SET NOT NULL",
        "ALTER TABLE orders ALTER email SET NOT NULL, ALTER total SET NOT NULL; ALTER TABLE orders ALTER total SET NOT NULL",
        "ALTER TABLE orders ALTER email SET NOT NULL, ADD CHECK (id > 0); ALTER TABLE orders ALTER email SET NOT NULL",
        "ALTER TABLE orders ADD CONSTRAINT k PRIMARY KEY (email); ALTER TABLE orders DROP CONSTRAINT k; ALTER TABLE orders ALTER email SET NOT NULL",
    ],
)
@pytest.mark.parametrize("string", [False, True])
def test_what_will_be_not_null_anyway_may_be_made_so_again(string: bool, sql: str, orders: str, guarded: str) -> None:
    """PRIMARY KEY makes it so, and several actions in one ALTER TABLE: what proves it is not made a second time."""
    made = "DROP TABLE orders CASCADE; CREATE TABLE orders (id int, email text, total int); INSERT INTO orders SELECT g, g, g FROM generate_series(1, 9) g"
    seen = []
    for url in (orders, guarded):
        with psycopg.connect(orders, autocommit=True) as direct:
            direct.execute(made)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("BEGIN")
            for statement in [sql] if string else sql.split("; "):
                connection.execute(statement.encode())
            connection.execute("COMMIT")
        with psycopg.connect(orders) as session:
            seen.append(session.execute(NOT_NULLS).fetchall())
    assert seen[0] == seen[1]
