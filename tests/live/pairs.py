"""What is put off until COMMIT, and statements that may be about it: every pair, and random transactions of them.

For tests/live/test_same_pairs.py and tests/live/stories.py; the tables are those of ``stories.TABLES``.
"""

from __future__ import annotations

from collections.abc import Iterator

DEFERRED = (
    "CREATE INDEX i1 ON orders (email)",
    "CREATE UNIQUE INDEX i1 ON orders (id)",
    "CREATE UNIQUE INDEX i1 ON customers (code)",
    "CREATE INDEX ON orders (lower(email))",
    "CREATE UNIQUE INDEX i1 ON orders (id) WHERE id > 5",
    "DROP INDEX orders_total_idx",
    "ALTER INDEX orders_total_idx RENAME TO i1",
    "REINDEX TABLE orders",
    "ALTER TABLE orders ADD CONSTRAINT c1 CHECK (id > 0)",
    "ALTER TABLE orders ADD CHECK (id > 0)",
    "ALTER TABLE orders ADD CONSTRAINT k1 FOREIGN KEY (customer_id) REFERENCES customers",
    "ALTER TABLE orders ADD CONSTRAINT k1 FOREIGN KEY (customer_id) REFERENCES customers (id) DEFERRABLE INITIALLY DEFERRED",
    "ALTER TABLE orders ADD PRIMARY KEY (id)",
    "ALTER TABLE orders ADD CONSTRAINT u1 UNIQUE (email)",
    "ALTER TABLE orders ADD UNIQUE (id)",
    "ALTER TABLE customers ADD CONSTRAINT u1 UNIQUE (code)",
    "ALTER TABLE orders ALTER email SET NOT NULL",
    "ALTER TABLE orders ALTER customer_id SET NOT NULL, ADD CONSTRAINT c1 CHECK (total > 0)",
    "ALTER TABLE orders VALIDATE CONSTRAINT old_check",
    "ALTER TABLE orders VALIDATE CONSTRAINT old_key",
    "ALTER TABLE orders ADD PRIMARY KEY (id), ADD CONSTRAINT k1 FOREIGN KEY (customer_id) REFERENCES orders (id)",
    "ALTER TABLE orders ADD COLUMN z text UNIQUE",
    "ALTER TABLE orders ADD COLUMN v bigint DEFAULT 1 REFERENCES customers",
    "ALTER TABLE orders ADD y int NOT NULL DEFAULT (random() * 0)::int",
    "ALTER TABLE orders ADD COLUMN x int DEFAULT 1 CHECK (x > 0)",
)
_INDEXES = ("i1", "u1", "orders_total_idx", "orders_pkey", "orders_id_key")
_OF_INDEX = (
    "COMMENT ON INDEX {0} IS 'x'",
    "ALTER INDEX {0} RENAME TO i4",
    "ALTER INDEX {0} SET (fillfactor = 70)",
    "ALTER TABLE orders CLUSTER ON {0}",
    "ALTER TABLE orders REPLICA IDENTITY USING INDEX {0}",
    "DROP INDEX {0}",
    "DROP INDEX IF EXISTS {0}",
    "ALTER TABLE orders ADD CONSTRAINT {0} UNIQUE USING INDEX {0}",
    "ALTER TABLE orders ADD CONSTRAINT u2 UNIQUE USING INDEX {0}",
    "ALTER TABLE orders ADD PRIMARY KEY USING INDEX {0}",
    "REINDEX INDEX {0}",
    "ALTER TABLE customers ADD CONSTRAINT {0} CHECK (id > 0)",
    "ALTER TABLE orders ADD CONSTRAINT {0} UNIQUE (email)",
)
_CONSTRAINTS = ("c1", "k1", "u1", "old_check", "orders_id_check", "orders_pkey")
_OF_CONSTRAINT = (
    "COMMENT ON CONSTRAINT {0} ON orders IS 'x'",
    "ALTER TABLE orders RENAME CONSTRAINT {0} TO c4",
    "ALTER TABLE orders RENAME CONSTRAINT old_check TO {0}",
    "ALTER TABLE orders DROP CONSTRAINT {0}",
    "ALTER TABLE orders DROP CONSTRAINT IF EXISTS {0}",
    "ALTER TABLE orders VALIDATE CONSTRAINT {0}",
    "ALTER TABLE orders ALTER CONSTRAINT {0} DEFERRABLE",
    "ALTER TABLE orders ADD CONSTRAINT {0} CHECK (total < 1000)",
    "ALTER TABLE orders ADD CONSTRAINT {0} FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE",
    "ALTER TABLE orders DROP CONSTRAINT {0}, ADD CONSTRAINT {0} CHECK (id > 1)",
    "ALTER TABLE customers DROP CONSTRAINT {0}",
)
ABOUT = (
    *(sql.format(name) for name in _INDEXES for sql in _OF_INDEX),
    *(sql.format(name) for name in _CONSTRAINTS for sql in _OF_CONSTRAINT),
    "CREATE INDEX IF NOT EXISTS i1 ON orders (email)",
    "CREATE INDEX IF NOT EXISTS orders_total_idx ON orders (email)",
    "CREATE INDEX i1 ON customers (name)",
    "CREATE INDEX orders_total_idx ON orders (id)",
    "DROP INDEX i1, orders_total_idx",
    "ALTER TABLE orders ALTER email DROP NOT NULL",
    "ALTER TABLE orders ALTER customer_id DROP NOT NULL",
    "ALTER TABLE orders ALTER total TYPE numeric(20,2)",
    "ALTER TABLE orders RENAME COLUMN total TO sum",
    "ALTER TABLE orders DROP COLUMN total",
    "ALTER TABLE orders DROP COLUMN customer_id",
    "ALTER TABLE orders DROP COLUMN id",
    "ALTER TABLE orders DISABLE TRIGGER ALL",
    "ALTER TABLE orders INHERIT customers",
    "ALTER TABLE orders SET UNLOGGED",
    "ALTER TABLE customers ADD o bigint REFERENCES orders (id)",
    "ALTER TABLE customers ADD o bigint, ADD FOREIGN KEY (o) REFERENCES orders (id)",
    "ALTER TABLE customers ADD CHECK (code > 0)",
    "ALTER TABLE customers DROP COLUMN id CASCADE",
    "ALTER TABLE customers DROP COLUMN name CASCADE",
    "ALTER TABLE customers DROP CONSTRAINT customers_pkey",
    "ALTER TABLE customers DROP CONSTRAINT customers_pkey CASCADE",
    "DROP TABLE customers",
    "DROP TABLE orders CASCADE",
    "CLUSTER orders",
    "CREATE TRIGGER t BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
)


def pairs(others: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Everything that is put off with everything that may come behind it, and the other way round."""
    every = tuple(dict.fromkeys((*DEFERRED, *ABOUT, *others)))
    for first in DEFERRED:
        for second in every:
            yield first, second
            if second not in DEFERRED:
                yield second, first
