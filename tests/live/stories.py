"""Random transactions: statements, and how a client sends them; for tests/live/test_same_transactions.py."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.live.pairs import FAMILIES

TABLES = """
CREATE TABLE customers (id bigint PRIMARY KEY, name text, code int);
CREATE TABLE orders (id bigint NOT NULL, customer_id bigint, email text, total numeric, note text);
INSERT INTO customers SELECT g, 'c' || g, g FROM generate_series(1, 20) g;
INSERT INTO orders SELECT g, g % 20 + 1, 'e' || g, g, nullif('n' || g % 7, 'n0') FROM generate_series(1, 40) g;
CREATE TABLE schema_migrations (version text PRIMARY KEY);
CREATE INDEX orders_total_idx ON orders (total);
ALTER TABLE orders ADD CONSTRAINT old_check CHECK (total > 0) NOT VALID;
ALTER TABLE orders ADD CONSTRAINT old_key FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;
CREATE TABLE events (id bigint NOT NULL, at int NOT NULL, kind text, total numeric) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (100);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (100) TO (200);
CREATE TABLE events_d PARTITION OF events DEFAULT;
CREATE INDEX events_total_idx ON events (total);
INSERT INTO events SELECT g, g * 7, 'k' || g, g FROM generate_series(1, 40) g;
CREATE TABLE logs (id bigint, at int NOT NULL, kind text, total numeric) PARTITION BY RANGE (at);
CREATE TABLE logs_1 PARTITION OF logs FOR VALUES FROM (0) TO (100);
INSERT INTO logs SELECT g, g, 'k' || g, g FROM generate_series(1, 40) g;
CREATE TABLE past (id bigint NOT NULL, at int NOT NULL, kind text, total numeric);
INSERT INTO past SELECT g, 1000 + g, 'k', 1 FROM generate_series(1, 10) g;
CREATE TABLE base (id bigint NOT NULL, v int, t text);
CREATE TABLE heir (extra int) INHERITS (base);
INSERT INTO base SELECT g, g, 't' || g FROM generate_series(1, 10) g;
INSERT INTO heir SELECT g, g, 't' || g, g FROM generate_series(11, 20) g;
CREATE TABLE gen (id bigint NOT NULL, a int, g int GENERATED ALWAYS AS (a * 2) STORED);
INSERT INTO gen SELECT g, g FROM generate_series(1, 20) g;
CREATE TABLE bookings (id int, r int4range);
INSERT INTO bookings SELECT g, int4range(g * 10, g * 10 + 5) FROM generate_series(1, 20) g;
CREATE TABLE deep (id bigint, at int NOT NULL, k int, t text) PARTITION BY RANGE (at);
CREATE TABLE deep_1 PARTITION OF deep FOR VALUES FROM (0) TO (100) PARTITION BY LIST (k);
CREATE TABLE deep_1a PARTITION OF deep_1 FOR VALUES IN (0);
CREATE TABLE deep_1b PARTITION OF deep_1 FOR VALUES IN (1);
CREATE TABLE deep_2 PARTITION OF deep FOR VALUES FROM (100) TO (200);
INSERT INTO deep SELECT g, g * 4, g % 2, 't' || g FROM generate_series(1, 20) g;
CREATE TABLE kin (id bigint NOT NULL, v int, t text, CONSTRAINT c1 CHECK (v > 0));
CREATE MATERIALIZED VIEW sums AS SELECT g AS c, g * 2 AS s FROM generate_series(1, 20) g;
CREATE FUNCTION half(numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 / 2; END';
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN amount AS numeric CHECK (VALUE > 0);
CREATE TYPE span AS (a int, b int);
CREATE COLLATION plain FROM "C";
CREATE OPERATOR CLASS sizes FOR TYPE numeric USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
    FUNCTION 1 numeric_cmp(numeric, numeric);
CREATE TABLE things (id bigint NOT NULL, m mood, a amount, c text COLLATE plain, p span, n numeric);
INSERT INTO things SELECT g, 'ok', g, 'c' || g, ROW(g, g)::span, g FROM generate_series(1, 20) g;
CREATE INDEX things_n_idx ON things (n);
CREATE SCHEMA aside;
CREATE TABLE aside.stock (id bigint PRIMARY KEY, n numeric);
INSERT INTO aside.stock SELECT g, g FROM generate_series(1, 20) g;
"""

WAYS = ("simple", "string", "queries", "extended", "pipeline", "syncs", "named", "flush", "limited", "portals", "kept")
"""How statements are sent: one Query each; one Query for all; Queries in one flight; Parse to Sync each; one Sync for
all; a Sync each in one flight; as named statements; as Postgrex does; some rows at a time; with portals that stay open; by statements that
were prepared when the session began, where it is one of ``KEPT``, as drivers do with what they send often."""
KEPT = (
    "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a", "SELECT 1", "INSERT INTO schema_migrations (version) VALUES ('1')",
    "SELECT id FROM customers ORDER BY id", "SELECT id, email FROM orders ORDER BY id, email", "UPDATE orders SET total = total + 1", "DELETE FROM orders WHERE id = 4",
)  # fmt: skip
TOGETHER = ("string", "queries", "pipeline", "syncs", "portals")

COPIES = {
    "COPY orders (id, customer_id, email, total) FROM STDIN": "200\t1\te200\t5\n201\t2\te201\t6\n",
    "COPY orders FROM STDIN": "202\t3\te202\t7\tn\n",
    "COPY orders (id, email) FROM STDIN": "203\te203\nnone\te204\n",  # fails at its second row
    "COPY customers FROM STDIN": "30\tc30\t30\n31\tc31\t31\n",
    "COPY customers (id) FROM STDIN": "1\n",  # is there already
    "COPY n FROM STDIN": "7\tx\n",
    "COPY orders (note) FROM STDIN": "",  # CopyFail
    "COPY nowhere FROM STDIN": "1\n",
}
"""What is sent behind it; nothing: that the client has changed its mind."""


@dataclass(frozen=True)
class Flight:
    """Statements that are sent in one of ``WAYS``."""

    way: str
    statements: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """``spoils`` are statements that make rows bad beforehand; ``is_first``: nothing was ever put off in that database.

    ``recovers``: when a transaction fails, the client goes back to the savepoint ``a``.
    """

    spoils: tuple[str, ...]
    is_first: bool
    recovers: bool
    flights: tuple[Flight, ...]


SPOILS = (
    "UPDATE orders SET email = NULL WHERE id = 3",
    "UPDATE orders SET email = 'e4' WHERE id = 5",
    "UPDATE orders SET id = 4 WHERE id = 5",
    "ALTER TABLE orders DROP CONSTRAINT old_check; UPDATE orders SET total = -1 WHERE id = 3;"
    " ALTER TABLE orders ADD CONSTRAINT old_check CHECK (total > 0) NOT VALID",
    "ALTER TABLE orders DROP CONSTRAINT old_key; UPDATE orders SET customer_id = 999 WHERE id = 6;"
    " ALTER TABLE orders ADD CONSTRAINT old_key FOREIGN KEY (customer_id) REFERENCES customers NOT VALID",
)
BULK = (
    *COPIES, "COPY orders (id, email) TO STDOUT", "COPY (SELECT count(*) FROM orders) TO STDOUT", "COPY customers TO STDOUT WITH (FORMAT csv)",
    "DECLARE c CURSOR FOR SELECT id, email FROM orders ORDER BY id, email", "DECLARE c SCROLL CURSOR FOR SELECT id FROM customers ORDER BY id",
    "DECLARE h CURSOR WITH HOLD FOR SELECT id FROM customers ORDER BY id", "FETCH 2 FROM c", "FETCH ALL FROM c", "MOVE 3 IN c", "FETCH BACKWARD 1 FROM c", "CLOSE c",
    "FETCH 2 FROM h", "CLOSE h", "CLOSE ALL", "SELECT id FROM customers ORDER BY id", "SELECT id, email FROM orders ORDER BY id, email",
    "INSERT INTO customers SELECT g, 'g', g FROM generate_series(40, 44) g RETURNING id",
)  # fmt: skip
OTHERS = (
    "COMMENT ON INDEX orders_total_idx IS 'x'", "COMMENT ON TABLE orders IS 'x'", "COMMENT ON COLUMN orders.email IS 'x'",
    "CREATE TABLE n (a int, b text)", "CREATE TABLE n (a int PRIMARY KEY, b text UNIQUE REFERENCES n (b))", "CREATE TABLE IF NOT EXISTS n (a int UNIQUE, b text)",
    "INSERT INTO n VALUES (1, 'x')", "INSERT INTO n VALUES (1, 'x'), (1, NULL)", "CREATE INDEX n_a ON n (a)", "ALTER TABLE n ADD PRIMARY KEY (a)",
    "ALTER TABLE n ADD CHECK (a > 0), ALTER b SET NOT NULL", "ALTER TABLE n ADD FOREIGN KEY (a) REFERENCES customers", "DROP TABLE IF EXISTS n",
    "CREATE TEMP TABLE n (a int, b text)", "CREATE VIEW v AS SELECT id, email FROM orders", "DROP VIEW IF EXISTS v",
    "CREATE SEQUENCE IF NOT EXISTS s", "GRANT SELECT ON orders TO PUBLIC", "SET LOCAL search_path = public, pg_catalog", "SET LOCAL lock_timeout = '9s'",
    "DROP TABLE orders", "DROP TABLE customers CASCADE", "TRUNCATE orders", "LOCK TABLE orders IN SHARE MODE",
)  # fmt: skip
KEYED = (  # about tables with a key to one that may be unique only then
    "CREATE TABLE lines (o bigint REFERENCES orders (id), t text)", "CREATE TABLE lines (o bigint, t text, CONSTRAINT c1 FOREIGN KEY (o) REFERENCES orders)",
    "CREATE TABLE lines (o bigint, t text REFERENCES orders (email))", "CREATE TABLE lines (o bigint, t text)", "CREATE TABLE lines AS SELECT id AS o, email AS t FROM orders",
    "ALTER TABLE lines ADD FOREIGN KEY (o) REFERENCES orders (id)", "ALTER TABLE lines ADD CONSTRAINT c1 FOREIGN KEY (t) REFERENCES orders (id)",
    "ALTER TABLE lines ADD CONSTRAINT c1 FOREIGN KEY (o) REFERENCES orders ON DELETE CASCADE", "ALTER TABLE lines ADD CONSTRAINT c2 CHECK (o > 0)",
    "ALTER TABLE lines RENAME CONSTRAINT c1 TO c2", "ALTER TABLE lines DROP CONSTRAINT c1", "INSERT INTO lines VALUES (1, 'e1')", "DROP TABLE IF EXISTS lines",
    "ALTER TABLE customers ADD CONSTRAINT k1 FOREIGN KEY (id) REFERENCES orders (id)", "ALTER TABLE customers ADD FOREIGN KEY (id) REFERENCES orders",
    "ALTER TABLE customers ADD CONSTRAINT k1 FOREIGN KEY (name) REFERENCES orders (email)", "ALTER TABLE customers ADD FOREIGN KEY (nothing) REFERENCES orders (id)",
    "ALTER TABLE customers ADD CONSTRAINT k1 CHECK (id > 0)", "ALTER TABLE customers DROP CONSTRAINT k1", "ALTER TABLE customers RENAME TO clients",
    "ALTER TABLE clients RENAME TO customers", "REINDEX TABLE customers", "REINDEX INDEX orders_total_idx",
)  # fmt: skip
ROWS = (
    "INSERT INTO orders (id, customer_id, email, total, note) VALUES (100, 1, 'e100', 100, 'n')", "INSERT INTO orders (id, customer_id, email) VALUES (101, 2, 'e101')",
    "UPDATE orders SET total = total + 1", "UPDATE orders SET email = 'e3' WHERE email IS NULL", "UPDATE orders SET note = 'x' WHERE note IS NULL",
    "UPDATE orders SET total = 1 WHERE total < 1", "UPDATE orders SET customer_id = 1 WHERE customer_id = 999", "UPDATE orders SET id = 50 WHERE id = 5",
    "UPDATE orders SET email = 'e' || id", "DELETE FROM orders WHERE id = 4", "DELETE FROM orders", "DELETE FROM customers WHERE id = 20", "INSERT INTO customers VALUES (21, 'c21', 21)",
    "INSERT INTO customers VALUES (999, 'late', 999)",
)  # fmt: skip
NOTES = (  # a tool's own, in its table of versions
    "INSERT INTO schema_migrations (version) VALUES ('1')", "INSERT INTO schema_migrations (version) VALUES ('2') RETURNING version",
    "INSERT INTO schema_migrations (version) VALUES ('3') ON CONFLICT (version) DO NOTHING", "UPDATE schema_migrations SET version = '4' WHERE version = '1'",
)  # fmt: skip
BAD_ROWS = (
    "INSERT INTO orders VALUES (102, 999, 'e102', 5, 'n')", "INSERT INTO orders (id, total) VALUES (103, -5)", "INSERT INTO orders VALUES (104, 1, NULL, 5, 'n')",
    "INSERT INTO orders VALUES (1, 1, 'e1', 5, 'n')", "UPDATE orders SET customer_id = 999 WHERE id = 7", "UPDATE orders SET email = NULL WHERE id = 8", "INSERT INTO customers VALUES (1, 'c1', 1)",
)  # fmt: skip
LOOKS = (
    "SELECT id, customer_id, total FROM orders ORDER BY id, total", "SELECT count(*) FROM customers", "SELECT 1", "SHOW search_path", "SHOW lock_timeout",
    "SELECT count(*) FROM information_schema.columns WHERE table_name = 'orders'", "SELECT to_regclass('n') IS NULL",
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1", "",
    "SELECT column_name, column_default FROM information_schema.columns WHERE table_name = 'orders' AND column_name IN ('email', 'note', 'total') ORDER BY 1",
    "SELECT a.attname, pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
    " WHERE d.adrelid = 'customers'::regclass AND a.attname = 'name' ORDER BY 1",
)  # fmt: skip
ERRORS = (
    "SELECT 1/0",
    "SELECT 1/0 FROM pg_class",
    "SELEC 1",
    "SELECT nothing FROM orders",
    "CREATE INDEX ON nowhere (id)",
    "ALTER TABLE orders ADD CHECK (nothing > 0)",
)
HARMLESS = (
    "ADD COLUMN more text", "ADD COLUMN x int DEFAULT 5", "ADD COLUMN IF NOT EXISTS note text", "ALTER total SET DEFAULT 3", "ALTER email DROP DEFAULT",
    "ALTER note DROP NOT NULL", "ALTER note SET DEFAULT 'd'",
    "ALTER note SET STATISTICS 50", "SET (fillfactor = 90)", "CLUSTER ON orders_total_idx",
)  # fmt: skip
RARE = (
    "ADD COLUMN x int NOT NULL", "ALTER email TYPE varchar", "DROP COLUMN note", "DROP COLUMN email", "DROP COLUMN nothing", "RENAME COLUMN email TO mail", "RENAME TO bestellungen",
    "DROP CONSTRAINT nothing", "DROP CONSTRAINT IF EXISTS nothing", "VALIDATE CONSTRAINT nothing", "ALTER nothing SET NOT NULL", "ALTER id DROP NOT NULL",
)  # fmt: skip
BEGINS = (
    "BEGIN",
    "BEGIN",
    "BEGIN",
    "START TRANSACTION",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    "BEGIN READ ONLY",
)
READS = (
    ["BEGIN READ ONLY"],
    ["BEGIN READ ONLY", "SAVEPOINT a"],
    ["BEGIN", "SET TRANSACTION READ ONLY"],
    ["BEGIN", "SAVEPOINT a", "SET TRANSACTION READ ONLY"],
)
SWITCHES = (
    "COMMIT", "ROLLBACK", "ROLLBACK TO a", "BEGIN", "BEGIN READ ONLY", "BEGIN READ WRITE", "SAVEPOINT a", "RELEASE a", "COMMIT AND CHAIN",
    "SET TRANSACTION READ ONLY", "SET TRANSACTION READ WRITE", "SET transaction_read_only = off", "SET LOCAL transaction_read_only = on",
)  # fmt: skip
PREPARES = "PREPARE TRANSACTION 'same_gid'"
ENDS = (
    "COMMIT",
    "COMMIT",
    "COMMIT",
    "COMMIT",
    "COMMIT",
    "END",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "ROLLBACK AND CHAIN",
    PREPARES,
)


class Author:
    """Writes one story's statements.  Knows roughly what is there, so that most of them make sense."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._indexes = ["orders_total_idx"]
        self._constraints = ["old_check", "old_key"]

    def one(self, *choices: str) -> str:
        return self._draw(st.sampled_from(choices))

    def maybe(self, words: str, of: int = 3) -> str:
        """The words, once in so many times."""
        return words if self._draw(st.integers(0, of - 1)) == of - 1 else ""

    def rarely(self, of: int = 12) -> bool:
        return self._draw(st.integers(0, of - 1)) == of - 1

    def transactions(self) -> list[str]:
        found: list[str] = []
        for _ in range(self._draw(st.sampled_from([1, 1, 1, 2]))):
            body = [self.statement() for _ in range(self._draw(st.integers(1, 7)))]
            if self.rarely(6):
                found += body
            else:
                found += [
                    self.one(*BEGINS),
                    *self._draw(st.sampled_from([[], ["SAVEPOINT a"]])),
                    *body,
                    end := self.one(*ENDS),
                ]
                if end == PREPARES:
                    found.append(
                        self.one(
                            "COMMIT PREPARED 'same_gid'", "COMMIT PREPARED 'same_gid'", "ROLLBACK PREPARED 'same_gid'"
                        )
                    )
        return found

    def focused(self) -> list[str]:
        """A transaction about what it has put off."""
        deferred, about = self._draw(st.sampled_from(FAMILIES))
        body = [self.one(*deferred)]
        body += [
            self.one(*about, *deferred) if self.maybe("about", 2) else self.statement()
            for _ in range(self._draw(st.integers(1, 4)))
        ]
        if self.maybe("savepoint", 4):
            body.insert(self._draw(st.integers(0, len(body))), "SAVEPOINT a")
        return [self.one(*BEGINS[:4]), *body, self.one(*ENDS[:5], PREPARES)]

    def switching(self) -> list[str]:
        """Transactions that are READ ONLY for a while, and what ends that: often in the middle of a query string."""
        opening = self._draw(st.sampled_from(READS))
        body = [
            self.one(*SWITCHES) if self.maybe("switch", 2) else self.statement()
            for _ in range(self._draw(st.integers(2, 7)))
        ]
        return [*opening, *body, self.one(*ENDS[:7])]

    def statement(self) -> str:
        match self._draw(st.integers(0, 19)):
            case 0 | 1 | 2:
                return self._create_index()
            case 3 | 4 | 5 | 6:
                return self._alter()
            case 7:
                return self._drop_index()
            case 8 | 9:
                return self._dependent()
            case 10:
                return self.one(*OTHERS) if self.maybe("other", 2) else self.one(*KEYED)
            case 11 | 12:
                return self.one(*BAD_ROWS) if self.rarely(8) else self.one(*ROWS)
            case 13:
                return self.one(*LOOKS)
            case 14:
                return self.one(
                    "SAVEPOINT a", "SAVEPOINT a", "SAVEPOINT b", "ROLLBACK TO a", "ROLLBACK TO SAVEPOINT b", "RELEASE a"
                )
            case 15 | 16:
                return self.one(*BULK)
            case 17 | 18:
                return self.one(*NOTES)
            case _:
                return self.one(*ERRORS) if self.rarely(3) else self._alter()

    def _words(self, *words: str) -> str:
        return " ".join(word for word in words if word)

    def _new(self, known: list[str], *names: str) -> str:
        """A name for something new: mostly one that is free, sometimes none."""
        if self.maybe("nameless", 4):
            return ""
        free = [name for name in names if name not in known]
        name = self.one(*(free or names)) if not self.rarely() else self.one(*names)
        known.append(name)
        return name

    def _create_index(self) -> str:
        name = self._new(self._indexes, "i1", "i2", "i3")
        unique = self.maybe("UNIQUE")
        columns = ("(email)", "(id)", "(total DESC, id)", "(lower(email))", "(id, email)") if unique else (
            "(email)", "(id)", "(total DESC, id)", "(lower(email))", "(customer_id)", "(note, email)", "(email) INCLUDE (id)")  # fmt: skip
        table = self.one("orders", "orders", "orders", "orders", "public.orders", "ONLY orders", "customers")
        column = self.one("(code)", "(name)", "(id, code)") if table == "customers" else self.one(*columns)
        exists = self.maybe("IF NOT EXISTS", 5) if name else ""
        return self._words("CREATE", unique, "INDEX", exists, name, "ON", table, column, self.maybe("WHERE id > 5", 5))

    def _drop_index(self) -> str:
        name = self.one(*self._indexes) if not self.rarely() else self.one("i1", "i2", "i3")
        if self.rarely() and len(self._indexes) > 1:
            name = ", ".join(dict.fromkeys((name, self.one(*self._indexes))))
        return self._words("DROP INDEX", self.maybe("IF EXISTS", 4), name)

    def _alter(self) -> str:
        if self.rarely(8):
            return self.one(
                "ALTER TABLE customers ADD UNIQUE (code)", "ALTER TABLE customers ADD CONSTRAINT u1 UNIQUE (code)",
                "ALTER TABLE customers ADD o bigint REFERENCES orders (id)", "ALTER TABLE customers ALTER name SET NOT NULL",
                "ALTER TABLE customers ADD o bigint, ADD FOREIGN KEY (o) REFERENCES orders (id)", "ALTER TABLE customers ADD CHECK (code > 0)",
            )  # fmt: skip
        if self.rarely(8):
            return f"ALTER TABLE orders {self.one(*RARE)}"
        actions = [self._guarded()]
        while self.maybe("more", 4) and len(actions) < 3:
            actions.append(self._guarded() if self.maybe("guarded", 2) else self.one(*HARMLESS))
        if self.rarely(6):
            actions = [self.one(*HARMLESS)]
        table = self.one("orders", "orders", "orders", "orders", "IF EXISTS orders", "ONLY orders", "public.orders")
        return f"ALTER TABLE {table} " + ", ".join(actions)

    def _guarded(self) -> str:
        named = ""
        kind = self._draw(st.integers(0, 9))
        if kind < 6:
            name = self._new(self._constraints, "c1", "c2", "k1", "k2")
            named = f"CONSTRAINT {name}" if name else ""
        match kind:
            case 0 | 1:
                checks = (
                    "total > 0",
                    "email <> ''",
                    "total > 0 AND id > 0",
                    "length(email) < 9",
                    "id > 0",
                    "total < 20",
                    "note IS NOT NULL",
                    "(orders).total > 0",
                )
                return self._words("ADD", named, f"CHECK ({self.one(*checks)})", self.maybe("NOT VALID", 4))
            case 2 | 3:
                keys = ("(customer_id) REFERENCES customers", "(customer_id) REFERENCES customers (id)", "(customer_id) REFERENCES customers (code)",
                        "(customer_id) REFERENCES orders (id)", "(id) REFERENCES customers", "(email) REFERENCES customers")  # fmt: skip
                return self._words(
                    "ADD",
                    named,
                    "FOREIGN KEY",
                    self.one(*keys),
                    self.maybe("ON DELETE CASCADE"),
                    self.maybe("NOT VALID", 4),
                )
            case 4:
                return self._words(
                    "ADD",
                    named,
                    "UNIQUE",
                    self.one("(email)", "(id)", "(id, email)", "(customer_id)"),
                    self.maybe("DEFERRABLE", 5),
                )
            case 5:
                return self._words("ADD", named, "PRIMARY KEY", self.one("(id)", "(id, customer_id)", "(email)"))
            case 6 | 7:
                return self._words(
                    "ALTER",
                    self.maybe("COLUMN"),
                    self.one("email", "email", "total", "customer_id", "note", "id"),
                    "SET NOT NULL",
                )
            case 8:
                return f"VALIDATE CONSTRAINT {self.one(*self._constraints)}"
            case _:
                return self.one(
                    "ADD COLUMN x int DEFAULT 1 CHECK (x > 0)", "ADD COLUMN v bigint REFERENCES customers", "ADD COLUMN v bigint DEFAULT 1 REFERENCES customers",
                    "ADD COLUMN z text UNIQUE", "ADD COLUMN y int DEFAULT (random() * 0)::int", "ADD y int NOT NULL DEFAULT (random() * 0)::int",
                    "ADD COLUMN w int, ADD CHECK (w > 0)", "ADD COLUMN w int, ADD CHECK (w > total)", "ADD CHECK (w <> 1), ADD COLUMN w int DEFAULT 2",
                    "ADD COLUMN w bigint REFERENCES customers, ADD FOREIGN KEY (w) REFERENCES customers (id)", "ADD COLUMN w text, ADD UNIQUE (w, email)",
                )  # fmt: skip

    def _dependent(self) -> str:
        """What is about an index or a constraint that there may be."""
        if self.maybe("index", 2):
            name = self.one(*self._indexes)
            return self.one(
                f"COMMENT ON INDEX {name} IS 'x'", f"ALTER INDEX {name} RENAME TO i4", f"ALTER INDEX {name} SET (fillfactor = 70)",
                f"ALTER TABLE orders CLUSTER ON {name}", f"ALTER TABLE orders REPLICA IDENTITY USING INDEX {name}", f"DROP INDEX {name}",
                f"ALTER TABLE orders ADD CONSTRAINT {name} UNIQUE USING INDEX {name}", f"ALTER TABLE orders ADD PRIMARY KEY USING INDEX {name}",
            )  # fmt: skip
        name = self.one(*self._constraints)
        return self.one(
            f"COMMENT ON CONSTRAINT {name} ON orders IS 'x'", f"ALTER TABLE orders RENAME CONSTRAINT {name} TO c4", f"ALTER TABLE orders DROP CONSTRAINT {name}",
            f"ALTER TABLE orders VALIDATE CONSTRAINT {name}", f"ALTER TABLE orders DROP CONSTRAINT IF EXISTS {name}", "ALTER TABLE orders ALTER email DROP NOT NULL",
            "ALTER TABLE orders ALTER total DROP NOT NULL", "COMMENT ON INDEX orders_email_key IS 'x'", "ALTER TABLE orders DROP CONSTRAINT orders_pkey",
        )  # fmt: skip


@st.composite
def stories(draw: st.DrawFn) -> Story:
    author = Author(draw)
    statements = draw(
        st.sampled_from([author.focused, author.focused, author.transactions, author.transactions, author.switching])
    )()
    flights: list[Flight] = []
    one_way = draw(st.sampled_from(WAYS))
    mixed = draw(st.booleans())
    while statements:
        way = draw(st.sampled_from(WAYS)) if mixed else one_way
        many = draw(st.integers(1, 6)) if way in TOGETHER else 1
        if PREPARES in statements[:many]:  # until it is committed, others would wait for its locks
            many = statements.index(PREPARES) + 1
        elif statements[0].endswith("PREPARED 'same_gid'"):
            many = 1
        flights.append(Flight(way, tuple(statements[:many])))
        statements = statements[many:]
    spoils = draw(st.lists(st.sampled_from(SPOILS), max_size=1)) if draw(st.booleans()) else []
    return Story(tuple(spoils), draw(st.sampled_from([False, False, True])), draw(st.booleans()), tuple(flights))
