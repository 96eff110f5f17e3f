"""What ``bench.blocking`` runs: each migration as its author writes it, and as an expert does it by hand.

``orders`` is an ordinary table, or one of hash partitions; what Postgres has not for those is left out then.
"""

from __future__ import annotations

from collections.abc import Iterable

from bench.ways import Migration

KEY = "ALTER TABLE orders ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers (id)"
NO_KEYS = (
    "DO $$ DECLARE k text; BEGIN FOR k IN SELECT conname FROM pg_constraint WHERE conrelid = 'orders'::regclass"
    " AND contype = 'f' LOOP EXECUTE format('ALTER TABLE orders DROP CONSTRAINT %I', k); END LOOP; END $$"
)
KEY_STEPS = (f"{KEY} NOT VALID", "ALTER TABLE orders VALIDATE CONSTRAINT orders_customer_id_fkey")
CHECK_STEPS = (
    "ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total >= 0) NOT VALID",
    "ALTER TABLE orders VALIDATE CONSTRAINT total_positive",
)
NOT_NULL_STEPS = (
    "ALTER TABLE orders ADD CONSTRAINT proof CHECK (customer_id IS NOT NULL) NOT VALID",
    "ALTER TABLE orders VALIDATE CONSTRAINT proof",
    "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL",
    "ALTER TABLE orders DROP CONSTRAINT proof",
)
UNIQUE_STEPS = (
    "CREATE UNIQUE INDEX CONCURRENTLY orders_email_key ON orders (email)",
    "ALTER TABLE orders ADD CONSTRAINT orders_email_key UNIQUE USING INDEX orders_email_key",
)
PRIMARY_STEPS = (
    "CREATE UNIQUE INDEX CONCURRENTLY orders_pkey ON orders (id)",
    "ALTER TABLE orders ADD CONSTRAINT orders_pkey PRIMARY KEY USING INDEX orders_pkey",
)


def _filled(assign: str, left: str) -> str:
    """A thousand rows a transaction, by the index of ``id``: what an expert has at hand."""
    return (
        "DO $$ DECLARE at bigint := 0; last bigint := (SELECT max(id) FROM orders); BEGIN WHILE at < last LOOP"
        f" UPDATE orders SET {assign} WHERE id > at AND id <= at + 1000 AND {left}; COMMIT; at := at + 1000; END LOOP; END $$"
    )


VOLATILE_STEPS = (
    "ALTER TABLE orders ADD COLUMN token uuid",
    "ALTER TABLE orders ALTER COLUMN token SET DEFAULT gen_random_uuid()",
    _filled("token = DEFAULT", "token IS NULL"),
)
BIGINT_STEPS = (
    "ALTER TABLE orders ADD COLUMN total_new bigint",
    "CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.total_new := NEW.total; RETURN NEW; END';"
    " CREATE TRIGGER follow BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION follow()",
    _filled("total_new = total", "total_new IS NULL"),
    "DROP TRIGGER follow ON orders; DROP FUNCTION follow(); ALTER TABLE orders DROP COLUMN total;"
    " ALTER TABLE orders RENAME COLUMN total_new TO total",
)
ADDED = "ALTER TABLE orders ADD COLUMN shipped_at timestamptz"


def migrations(partitions: int = 0) -> tuple[Migration, ...]:
    """All of them; ``partitions`` of ``orders``, 0 if it is not partitioned."""
    return tuple(m for m in (*_quick(partitions), *_behind(), *_rows()) if m.parted or not partitions)


def _index(partitions: int) -> Iterable[str]:
    if not partitions:
        return ("CREATE INDEX CONCURRENTLY orders_email_idx ON orders (email)",)
    each = (
        (
            f"CREATE INDEX CONCURRENTLY orders_{n}_email_idx ON orders_{n} (email)",
            f"ALTER INDEX orders_email_idx ATTACH PARTITION orders_{n}_email_idx",
        )
        for n in range(partitions)
    )
    return ("CREATE INDEX orders_email_idx ON ONLY orders (email)", *(sql for pair in each for sql in pair))


def _primary(partitions: int) -> Iterable[str]:
    if not partitions:
        return PRIMARY_STEPS
    each = (
        (
            f"CREATE UNIQUE INDEX CONCURRENTLY orders_{n}_pkey ON orders_{n} (id)",
            f"ALTER TABLE orders_{n} ADD PRIMARY KEY USING INDEX orders_{n}_pkey",
            f"ALTER INDEX orders_pkey ATTACH PARTITION orders_{n}_pkey",
        )
        for n in range(partitions)
    )
    return (
        "ALTER TABLE ONLY orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id)",
        *(s for three in each for s in three),
    )


def _quick(partitions: int) -> Iterable[Migration]:
    yield Migration(
        "CREATE INDEX",
        "CREATE INDEX orders_email_idx ON orders (email)",
        tuple(_index(partitions)),
        "" if partitions else "CREATE INDEX",
        after=("DROP INDEX IF EXISTS orders_email_idx",),
    )
    yield Migration(
        "CREATE UNIQUE INDEX",
        "CREATE UNIQUE INDEX orders_email_key ON orders (email)",
        ("CREATE UNIQUE INDEX CONCURRENTLY orders_email_key ON orders (email)",),
        after=("DROP INDEX IF EXISTS orders_email_key",),
        parted=False,
    )
    yield Migration(
        "DROP INDEX behind a report",
        "DROP INDEX orders_total_idx",
        ("DROP INDEX CONCURRENTLY orders_total_idx",),
        "DROP INDEX",
        before=("CREATE INDEX IF NOT EXISTS orders_total_idx ON orders (total)",),
        after=("DROP INDEX IF EXISTS orders_total_idx",),
        behind="reader",
        parted=False,
    )
    yield Migration(
        "ADD FOREIGN KEY",
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id)",
        KEY_STEPS,
        "" if partitions else "ADD FOREIGN KEY",
        after=(NO_KEYS,),
        parted=False,  # NOT VALID only from 18 on
    )
    yield Migration(
        "ADD CHECK",
        "ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total >= 0)",
        CHECK_STEPS,
        "ADD CHECK",
        after=("ALTER TABLE orders DROP CONSTRAINT IF EXISTS total_positive",),
    )
    yield Migration(
        "SET NOT NULL",
        "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL",
        NOT_NULL_STEPS,
        "SET NOT NULL",
        after=("ALTER TABLE orders ALTER COLUMN customer_id DROP NOT NULL",),
    )
    yield Migration(
        "ADD UNIQUE",
        "ALTER TABLE orders ADD UNIQUE (email)",
        UNIQUE_STEPS,
        "ADD UNIQUE",
        after=("ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_email_key",),
        parted=False,
    )
    yield Migration(
        "ADD PRIMARY KEY",
        "ALTER TABLE orders ADD PRIMARY KEY (id)",
        tuple(_primary(partitions)),
        after=("ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_pkey",),
    )
    yield Migration(
        "all in one transaction",
        "",
        (
            "CREATE INDEX CONCURRENTLY orders_email_idx ON orders (email)",
            *KEY_STEPS,
            *CHECK_STEPS,
            *NOT_NULL_STEPS,
            *UNIQUE_STEPS,
            *PRIMARY_STEPS,
            "DROP INDEX CONCURRENTLY orders_total_idx",
        ),
        before=("CREATE INDEX IF NOT EXISTS orders_total_idx ON orders (total)",),
        after=(
            "DROP INDEX IF EXISTS orders_email_idx, orders_total_idx",
            "ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_pkey, DROP CONSTRAINT IF EXISTS orders_email_key,"
            " DROP CONSTRAINT IF EXISTS total_positive, DROP CONSTRAINT IF EXISTS orders_customer_id_fkey,"
            " ALTER COLUMN customer_id DROP NOT NULL",
        ),
        several=(
            "BEGIN",
            "CREATE INDEX orders_email_idx ON orders (email)",
            KEY,
            "ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total >= 0)",
            "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL",
            "ALTER TABLE orders ADD UNIQUE (email)",
            "ALTER TABLE orders ADD PRIMARY KEY (id)",
            "DROP INDEX orders_total_idx",
            "COMMIT",
        ),
        parted=False,
    )


def _behind() -> Iterable[Migration]:
    for behind in ("reader", "writer", "sleeper"):
        name, after = f"ADD COLUMN behind a {behind}", ("ALTER TABLE orders DROP COLUMN IF EXISTS shipped_at",)
        yield Migration(name, ADDED, (ADDED,), "ADD COLUMN", after=after, behind=behind)


def _rows() -> Iterable[Migration]:
    """What writes every row: last, and the table is made anew afterwards, so that nobody meets what they have left."""
    yield Migration(
        "ADD COLUMN, volatile default",
        "ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()",
        VOLATILE_STEPS,
        "ADD COLUMN, volatile default",
        after=("ALTER TABLE orders DROP COLUMN IF EXISTS token", "VACUUM (FULL, ANALYZE) orders"),
    )
    yield Migration(
        "int to bigint",
        "ALTER TABLE orders ALTER COLUMN total TYPE bigint",
        BIGINT_STEPS,
        "int to bigint",
        after=(
            "DROP FUNCTION IF EXISTS follow() CASCADE",
            "ALTER TABLE orders DROP COLUMN IF EXISTS total_new",
            "ALTER TABLE orders ALTER COLUMN total TYPE int",
            "ANALYZE orders",
        ),
        parted=False,
    )
