"""Rows that are in the way: the error of a probe against the error of the statement itself, field by field, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from proxy.plans.probes import probes
from tests.live.plan_runner import facts_for, statement_of
from tests.servers import Server

TABLES = """
CREATE TABLE customers (id int PRIMARY KEY, code text UNIQUE, region int NOT NULL, UNIQUE (id, region));
INSERT INTO customers SELECT g, 'c' || g, g % 3 FROM generate_series(1, 20) g;
CREATE TABLE orders (id int NOT NULL, customer_id int, email text, total int, note text, parent int, region int, at timestamptz);
INSERT INTO orders SELECT g, g % 5 + 1, 'e' || g, g, 'n' || g, g, (g % 5 + 1) % 3 FROM generate_series(1, 50) g;
CREATE UNIQUE INDEX orders_lookup ON orders (id);
CREATE TABLE "We""ird T" ("Id" int, "a b" int, "sél%ect" text, "a'b" text);
INSERT INTO "We""ird T" SELECT g, g, 'x' || g, 'y' || g FROM generate_series(1, 5) g;
CREATE TABLE events (id int, at int, kind text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (100);
INSERT INTO events SELECT g, g, 'k' || g FROM generate_series(1, 50) g;
CREATE TABLE base (a int, b int);
CREATE SCHEMA other;
CREATE TABLE other.derived (c int) INHERITS (base);
INSERT INTO base VALUES (1, 1); INSERT INTO other.derived VALUES (2, 2, 2);
CREATE TABLE regions (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE regions_1 PARTITION OF regions FOR VALUES FROM (0) TO (100);
INSERT INTO regions SELECT g FROM generate_series(0, 9) g;
CREATE DOMAIN amount AS numeric(10, 2);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE kinds (m mood PRIMARY KEY, v varchar(10) UNIQUE, big bigint UNIQUE, amount amount UNIQUE, c char(5) UNIQUE, n name UNIQUE);
INSERT INTO kinds VALUES ('sad', 'a', 1, 1.5, 'a', 'a');
CREATE TABLE uses (m mood, v text, big int, amount amount, c char(5), c2 text, n name, arr int[], j jsonb, b bytea, ts timestamptz, f float8, bits bit(3));
INSERT INTO uses VALUES ('sad', 'a', 1, 1.50, 'a', 'a', 'a', '{1,2}', '{"a": 1}', '\\x7879', '2026-01-02 03:04:05+00', 0.1, B'101');
CREATE FUNCTION slow(int) RETURNS int COST 100000 IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE FUNCTION unqualified(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN slow($1); END';
CREATE FUNCTION refuses(int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
  IF $1 = 777 THEN RAISE EXCEPTION 'no % here', $1 USING HINT = 'take another'; END IF; RETURN true; END $$;
"""
FIELDS = (
    "sqlstate", "message_primary", "message_detail", "message_hint", "schema_name", "table_name", "column_name", "constraint_name",
    "datatype_name", "severity_nonlocalized",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """``rows`` are SQL that makes rows which ``sql`` cannot stand."""

    sql: str
    rows: str
    since: int = 13
    until: int = 99

    def on(self, version: int) -> bool:
        return self.since <= version <= self.until


ALTER = "ALTER TABLE orders "
WEIRD = '"We""ird T"'
IN_THE_WAY = [
    # NOT NULL
    Case(ALTER + "ALTER email SET NOT NULL", "UPDATE orders SET email = NULL WHERE id = 7"),
    Case(f'ALTER TABLE {WEIRD} ALTER "sél%ect" SET NOT NULL', f'UPDATE {WEIRD} SET "sél%ect" = NULL'),
    Case(f"ALTER TABLE {WEIRD} ALTER \"a'b\" SET NOT NULL", f"UPDATE {WEIRD} SET \"a'b\" = NULL"),
    Case("ALTER TABLE base ALTER a SET NOT NULL", "INSERT INTO other.derived VALUES (NULL, 1, 1)"),
    Case("ALTER TABLE ONLY base ALTER a SET NOT NULL", "INSERT INTO base VALUES (NULL)", since=18),
    Case("ALTER TABLE events ALTER kind SET NOT NULL", "UPDATE events SET kind = NULL WHERE id = 30"),
    Case(ALTER + "ADD CONSTRAINT e NOT NULL email", "UPDATE orders SET email = NULL WHERE id = 7", since=18),
    Case(
        ALTER + "ALTER note SET DEFAULT 'x', ALTER note SET NOT NULL, ADD COLUMN z int", "UPDATE orders SET note = NULL"
    ),
    # CHECK
    Case(ALTER + "ADD CONSTRAINT positive CHECK (total > 0)", "UPDATE orders SET total = -1 WHERE id = 7"),
    Case(ALTER + "ADD CHECK (total > 0)", "UPDATE orders SET total = -1 WHERE id = 7"),
    Case(ALTER + "ADD CHECK (orders.total > 0 -- positive\n)", "UPDATE orders SET total = -1 WHERE id = 7"),
    Case(f'ALTER TABLE {WEIRD} ADD CONSTRAINT "it\'s %s" CHECK ("a b" > 0)', f'UPDATE {WEIRD} SET "a b" = 0'),
    Case("ALTER TABLE base ADD CHECK (a > 0)", "INSERT INTO other.derived VALUES (-1, 1, 1)"),
    Case("ALTER TABLE base ADD CHECK (a > 0) NO INHERIT", "INSERT INTO base VALUES (-1, 1)"),
    Case("ALTER TABLE events ADD CHECK (kind <> '')", "UPDATE events SET kind = '' WHERE id = 30"),
    Case(ALTER + "ADD CHECK (100 / total > 0)", "UPDATE orders SET total = 0 WHERE id = 7"),
    Case(ALTER + "ADD CHECK (refuses(total))", "UPDATE orders SET total = 777 WHERE id = 7"),
    Case(ALTER + "ADD CHECK (email::int > 0)", ""),
    # FOREIGN KEY
    Case(ALTER + "ADD FOREIGN KEY (customer_id) REFERENCES customers", "UPDATE orders SET customer_id = 99 WHERE id = 7"),
    Case(
        ALTER + 'ADD CONSTRAINT "F %" FOREIGN KEY (customer_id) REFERENCES public.customers (id) ON DELETE CASCADE',
        "UPDATE orders SET customer_id = 99 WHERE id = 7",
    ),
    Case(ALTER + "ADD FOREIGN KEY (parent) REFERENCES orders (id)", "UPDATE orders SET parent = 99 WHERE id = 7"),
    Case(
        ALTER + "ADD FOREIGN KEY (customer_id, region) REFERENCES customers (id, region)",
        "UPDATE orders SET region = 9 WHERE id = 7",
    ),
    Case(
        ALTER + "ADD FOREIGN KEY (customer_id, region) REFERENCES customers (id, region) MATCH SIMPLE",
        "UPDATE orders SET region = NULL WHERE id = 6; UPDATE orders SET region = 9 WHERE id = 7",
    ),
    Case(
        ALTER + "ADD FOREIGN KEY (customer_id, region) REFERENCES customers (id, region) MATCH/**/full",
        "UPDATE orders SET region = NULL WHERE id = 7",
    ),
    Case(
        ALTER + "ADD FOREIGN KEY (customer_id, region) REFERENCES customers (id, region) MATCH FULL",
        "UPDATE orders SET region = 9 WHERE id = 7",
    ),
    Case(f'ALTER TABLE {WEIRD} ADD FOREIGN KEY ("a b") REFERENCES customers', f'UPDATE {WEIRD} SET "a b" = 99'),
    Case("ALTER TABLE events_1 ADD FOREIGN KEY (id) REFERENCES customers", "UPDATE events SET id = 99 WHERE id = 3"),
    Case(ALTER + "ADD FOREIGN KEY (region) REFERENCES regions", "UPDATE orders SET region = 50 WHERE id = 7"),
    Case("ALTER TABLE uses ADD FOREIGN KEY (m) REFERENCES kinds", "UPDATE uses SET m = 'ok'"),
    Case("ALTER TABLE uses ADD FOREIGN KEY (v) REFERENCES kinds (v)", "UPDATE uses SET v = 'b'"),
    Case("ALTER TABLE uses ADD FOREIGN KEY (big) REFERENCES kinds (big)", "UPDATE uses SET big = 2"),
    Case("ALTER TABLE uses ADD FOREIGN KEY (amount) REFERENCES kinds (amount)", "UPDATE uses SET amount = 2"),
    Case("ALTER TABLE uses ADD FOREIGN KEY (c) REFERENCES kinds (c)", "UPDATE uses SET c = 'b'"),
    Case("ALTER TABLE uses ADD FOREIGN KEY (n) REFERENCES kinds (n)", "UPDATE uses SET n = 'b'"),
    # UNIQUE
    Case(ALTER + "ADD CONSTRAINT u UNIQUE (email)", "UPDATE orders SET email = 'e1' WHERE id = 7"),
    Case(ALTER + "ADD UNIQUE (email, total) INCLUDE (note)", "UPDATE orders SET email = 'e1', total = 1 WHERE id = 7"),
    Case(ALTER + "ADD UNIQUE (email) DEFERRABLE INITIALLY DEFERRED", "UPDATE orders SET email = 'e1' WHERE id = 7"),
    Case(
        ALTER + "ADD UNIQUE NULLS NOT DISTINCT (note, email)",
        "UPDATE orders SET email = NULL, note = 'n' WHERE id IN (7, 8)",
        since=15,
    ),
    Case("CREATE UNIQUE INDEX ON orders (email)", "UPDATE orders SET email = 'e1' WHERE id = 7"),
    Case("CREATE UNIQUE INDEX orders_u ON public.orders (email DESC NULLS LAST, total)", "UPDATE orders SET email = 'e1', total = 1"),
    Case("CREATE UNIQUE INDEX u ON orders (LOWER( email ))", "UPDATE orders SET email = 'E1' WHERE id = 7"),
    Case("CREATE UNIQUE INDEX u ON orders ((total+1), (note || '!'::text), email)", "UPDATE orders SET email = 'e', total = 1, note = 'x'"),
    Case("CREATE UNIQUE INDEX u ON orders (email) WHERE total > 3", "UPDATE orders SET email = 'e9' WHERE id = 7"),
    Case(
        "CREATE UNIQUE INDEX u ON orders ((total + 0 * (100 / total))) WHERE slow(total) <> 0",
        "UPDATE orders SET total = 0 WHERE id IN (7, 8); UPDATE orders SET total = 3 WHERE id = 9",
    ),
    Case("CREATE UNIQUE INDEX u ON orders ((total + 0 * (100 / total)))", "UPDATE orders SET total = 0 WHERE id = 7"),
    Case(ALTER + "ADD CHECK (slow(total) = 0 OR 100 / total >= 0)", "UPDATE orders SET total = 0 WHERE id = 7; UPDATE orders SET total = -1 WHERE id = 9"),
    Case(
        "CREATE UNIQUE INDEX u ON orders (email) NULLS  NOT/**/DISTINCT WHERE total > 0",
        "UPDATE orders SET email = NULL WHERE id IN (7, 8)",
        since=15,
    ),
    Case(f'CREATE UNIQUE INDEX "I %" ON {WEIRD} ("a b", "sél%ect")', f'UPDATE {WEIRD} SET "a b" = 1, "sél%ect" = $$O\'%\\$$'),
    Case("CREATE UNIQUE INDEX ON base (a)", "INSERT INTO base VALUES (1)"),
    Case("CREATE UNIQUE INDEX ON events_1 (kind)", "UPDATE events SET kind = 'k' WHERE at < 10"),
    Case("CREATE UNIQUE INDEX ON uses (j, arr, b)", "INSERT INTO uses SELECT * FROM uses"),
    Case("CREATE UNIQUE INDEX ON uses (ts, f, bits, amount)", "INSERT INTO uses SELECT * FROM uses"),
    Case("CREATE UNIQUE INDEX ON uses (m, c, n, v)", "INSERT INTO uses SELECT * FROM uses"),
    # an expression or a predicate that fails
    Case("CREATE INDEX ON orders ((100 / total))", "UPDATE orders SET total = 0 WHERE id = 7"),
    Case("CREATE INDEX ON orders (id, (note::int) DESC) INCLUDE (email)", ""),
    Case("CREATE INDEX u ON orders (id) WHERE 100 / total > 3", "UPDATE orders SET total = 0 WHERE id = 7"),
    Case("CREATE INDEX ON orders (refuses(total)) WHERE id > 3", "UPDATE orders SET total = 777 WHERE id = 7"),
    Case("CREATE INDEX ON orders (CAST(email AS int))", ""),
    Case("CREATE INDEX ON orders (LOWER(email), (total / (id - 51)) int4_ops)", "UPDATE orders SET id = 51 WHERE id = 7"),
    Case("CREATE INDEX ON orders USING hash (('[' || note || ']')::json::text)".replace("('[' ", "(('[' ").replace("::text)", "::text))"), ""),
    Case("CREATE INDEX ON orders USING gin (CAST(note AS jsonb))", ""),
    Case("CREATE UNIQUE INDEX ON orders ((total::smallint) int2_ops)", "UPDATE orders SET total = 70000 WHERE id = 7"),
    Case("CREATE INDEX ON orders (unqualified(total))", "", since=17),
    Case("CREATE UNIQUE INDEX ON orders (unqualified(total))", "", since=17),
    Case("CREATE INDEX ON orders (id) WHERE unqualified(total) > 3", "", since=17),
    Case("CREATE INDEX ON uses ((big::positive))", "UPDATE uses SET big = -1"),
    Case("CREATE INDEX ON events ((100 / id))", "UPDATE events SET id = 0 WHERE at = 30"),
    Case("CREATE INDEX ON ONLY base ((100 / a))", "UPDATE base SET a = 0"),
    Case("CREATE INDEX ON orders USING gin (to_tsvector('simple', note))", "UPDATE orders SET note = (SELECT string_agg(md5(g::text), ' ') FROM generate_series(1, 60000) g) WHERE id = 7"),
    # PRIMARY KEY
    Case(ALTER + "ADD PRIMARY KEY (id, email)", "UPDATE orders SET email = NULL WHERE id = 7"),
    Case(ALTER + "ADD PRIMARY KEY (email)", "UPDATE orders SET email = 'e1' WHERE id = 7"),
    Case(ALTER + "ADD PRIMARY KEY (email)", "UPDATE orders SET email = 'e1' WHERE id = 7; UPDATE orders SET email = NULL WHERE id = 8"),
    # several at once: what Postgres comes to first
    Case(
        ALTER + "ADD FOREIGN KEY (customer_id) REFERENCES customers, ALTER note SET NOT NULL, ADD CONSTRAINT u UNIQUE (email)",
        "UPDATE orders SET customer_id = 99, note = NULL, email = 'e'",
    ),
    Case(
        ALTER + "ADD FOREIGN KEY (customer_id) REFERENCES customers, ALTER note SET NOT NULL",
        "UPDATE orders SET customer_id = 99, note = NULL",
    ),
]  # fmt: skip


class Pair:
    """One connection on which a statement is tried, and its probes, each in a transaction that is rolled back."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.notices: list[str] = []
        self.connection.add_notice_handler(lambda d: self.notices.append(d.message_primary or ""))

    def execute(self, sql: str) -> None:
        self.connection.execute(sql.encode())

    def direct(self, sql: str) -> dict[str, str | None] | None:
        """The fields of the statement's error; None if it has none."""
        return self._tried([sql])

    def probed(self, sql: str, bound_ms: int = 60_000) -> dict[str, str | None] | None:
        return self._tried(self.probes(sql, bound_ms))

    def probes(self, sql: str, bound_ms: int = 60_000, after: str = "0") -> list[str]:
        statement = statement_of(sql)
        found = probes(statement, facts_for(self.connection, statement))
        return [text for probe in found for text in probe.within(bound_ms, after)]

    def _tried(self, texts: list[str]) -> dict[str, str | None] | None:
        self.notices.clear()
        try:
            with self.connection.transaction(force_rollback=True):
                for text in texts:
                    self.connection.execute(text.encode())
        except psycopg.Error as error:
            return {field: getattr(error.diag, field) for field in FIELDS}
        return None


@pytest.fixture
def pair(database: str) -> Iterator[Pair]:
    made = Pair(database)
    for part in TABLES.split(";\n"):
        if part.strip():
            made.execute(part)
    yield made
    made.connection.close()


@pytest.mark.parametrize("case", IN_THE_WAY, ids=[f"{n}-{case.sql[:60]}" for n, case in enumerate(IN_THE_WAY)])
def test_the_error_is_the_statements_own(case: Case, pair: Pair, postgres: Server) -> None:
    if case.rows:
        assert pair.direct(case.sql) is None
        assert pair.probed(case.sql) is None
        assert not pair.notices
    pair.execute(case.rows)
    wanted = pair.direct(case.sql)
    assert wanted is not None
    assert pair.probed(case.sql) == wanted


# ---------------------------------------------------------------- no false alarm

CASELESS = """
CREATE EXTENSION citext;
CREATE TABLE words (word citext PRIMARY KEY);
CREATE TABLE said (word citext, plain text);
INSERT INTO words VALUES ('Hello'); INSERT INTO said VALUES ('hello', 'a'), (NULL, 'a')
"""
# Statements that do work, though a query that is a little wrong would find rows in their way.
FINE = [
    Case("ALTER TABLE said ADD FOREIGN KEY (word) REFERENCES words", ""),
    Case("ALTER TABLE orders ADD CHECK (total > 0)", "UPDATE orders SET total = NULL WHERE id = 7"),
    Case("ALTER TABLE base ADD CHECK (a > 0) NO INHERIT", "INSERT INTO other.derived VALUES (-1, 1, 1)"),
    Case("ALTER TABLE ONLY base ADD CHECK (a > 0) NO INHERIT", "INSERT INTO other.derived VALUES (-1, 1, 1)"),
    Case("CREATE UNIQUE INDEX ON base (a)", "INSERT INTO other.derived VALUES (1, 1, 1)"),
    Case("ALTER TABLE base ADD UNIQUE (a)", "INSERT INTO other.derived VALUES (1, 1, 1)"),
    Case("ALTER TABLE base ADD FOREIGN KEY (a) REFERENCES customers", "INSERT INTO other.derived VALUES (99, 1, 1)"),
    Case("ALTER TABLE ONLY base ALTER a SET NOT NULL", "INSERT INTO other.derived VALUES (NULL, 1, 1)", since=18),
    Case("CREATE UNIQUE INDEX ON orders (email)", "UPDATE orders SET email = NULL"),
    Case("CREATE UNIQUE INDEX ON orders (email, total)", "UPDATE orders SET email = NULL, total = 1"),
    Case("CREATE UNIQUE INDEX ON orders (email) WHERE note <> ' nulls not distinct '", "UPDATE orders SET email = NULL"),
    Case("CREATE UNIQUE INDEX u ON orders (email) WHERE total > 3", "UPDATE orders SET email = 'e' WHERE total <= 3"),
    Case("CREATE UNIQUE INDEX u ON orders (email) WHERE total > 3", "UPDATE orders SET email = 'e', total = NULL"),
    Case(
        "CREATE UNIQUE INDEX u ON orders ((total + 0 * (100 / total))) WHERE slow(total) <> 0",
        "UPDATE orders SET total = 0 WHERE id IN (7, 8)",
    ),
    Case("ALTER TABLE orders ADD CHECK (slow(total) = 0 OR 100 / total >= 0)", "UPDATE orders SET total = 0 WHERE id = 7"),
    Case('CREATE UNIQUE INDEX u ON orders (email COLLATE "C", total)', "UPDATE orders SET email = 'e'"),
    Case("CREATE UNIQUE INDEX u ON orders (email text_pattern_ops)", ""),
    Case("CREATE INDEX u ON orders (email)", "UPDATE orders SET email = 'e'"),
    Case("CREATE INDEX ON orders (unqualified(total))", "", until=16),
    Case("CREATE UNIQUE INDEX ON orders (unqualified(total), id)", "", until=16),
    Case("CREATE INDEX ON orders ((100 / total)) WHERE slow(total) <> 0", "UPDATE orders SET total = 0 WHERE id = 7"),
    Case("CREATE INDEX ON base ((100 / a))", "INSERT INTO other.derived VALUES (0, 1, 1)"),
    Case("CREATE INDEX ON ONLY events ((100 / id))", "UPDATE events SET id = 0 WHERE at = 30"),
    Case("CREATE INDEX IF NOT EXISTS orders_lookup ON orders ((100 / total))", "UPDATE orders SET total = 0 WHERE id = 7"),
    Case("CREATE UNIQUE INDEX IF NOT EXISTS orders_lookup ON orders (email)", "UPDATE orders SET email = 'e'"),
    Case(ALTER + "ADD FOREIGN KEY (customer_id) REFERENCES customers NOT VALID", "UPDATE orders SET customer_id = 99"),
    Case(ALTER + "ADD FOREIGN KEY (customer_id) REFERENCES customers", "UPDATE orders SET customer_id = NULL"),
    Case(
        ALTER + "ADD FOREIGN KEY (customer_id, region) REFERENCES customers (id, region)",
        "UPDATE orders SET region = NULL, customer_id = 99",
    ),
    Case(
        ALTER + "ADD FOREIGN KEY (customer_id, region) REFERENCES customers (id, region) MATCH FULL",
        "UPDATE orders SET region = NULL, customer_id = NULL",
    ),
    Case(ALTER + "ADD CHECK (total > 0) NOT VALID", "UPDATE orders SET total = -1"),
    Case(ALTER + "ADD CONSTRAINT c CHECK (total > 0) NOT ENFORCED", "UPDATE orders SET total = -1", since=18),
    Case(ALTER + "ALTER total TYPE int USING total + 100, ADD CHECK (total > 100)", ""),
    Case(ALTER + "DROP total, ADD total int DEFAULT 100, ADD CHECK (total > 50)", ""),
    Case(ALTER + "ADD COLUMN z int DEFAULT 1, ADD CHECK (z > 0), ADD UNIQUE (z, id)", ""),
    Case("ALTER TABLE uses ADD UNIQUE (j, ts), ADD UNIQUE (f, arr), ADD UNIQUE (bits)", ""),
    Case("CREATE UNIQUE INDEX ON kinds USING btree (v ASC NULLS FIRST)", ""),
]  # fmt: skip


@pytest.mark.parametrize("case", FINE, ids=[f"{n}-{case.sql[:60]}" for n, case in enumerate(FINE)])
def test_no_false_alarm(case: Case, pair: Pair, postgres: Server) -> None:
    pair.execute(CASELESS)
    pair.execute(case.rows)
    assert pair.direct(case.sql) is None
    assert pair.probed(case.sql) is None


def test_a_type_with_an_equality_of_its_own(pair: Pair) -> None:
    pair.execute(CASELESS)
    pair.execute("INSERT INTO said VALUES ('bye')")
    for sql in ("ALTER TABLE said ADD FOREIGN KEY (word) REFERENCES words",):
        wanted = pair.direct(sql)
        assert wanted is not None
        assert pair.probed(sql) == wanted
    pair.execute("INSERT INTO said VALUES ('BYE')")
    sql = "CREATE UNIQUE INDEX u ON said (word)"
    wanted, got = pair.direct(sql), pair.probed(sql)
    assert wanted is not None
    assert got is not None
    assert wanted | {"message_detail": ""} == got | {"message_detail": ""}
    assert (got["message_detail"] or "").lower() == (
        wanted["message_detail"] or ""
    ).lower()  # which of the two is shown


@pytest.mark.parametrize(
    "sql",
    [
        ALTER + "ADD CONSTRAINT orders_check CHECK (total > 0)",
        ALTER + "ADD CONSTRAINT orders_lookup UNIQUE (email)",
        "CREATE UNIQUE INDEX orders_lookup ON orders (email)",
        ALTER + "ADD CHECK (nothing > 0)",
        ALTER + "ALTER nothing SET NOT NULL",
        ALTER + "ADD FOREIGN KEY (nothing) REFERENCES customers",
        ALTER + "ADD FOREIGN KEY (email) REFERENCES customers (id)",
        "CREATE UNIQUE INDEX u ON orders (nothing)",
        "CREATE UNIQUE INDEX u ON orders ((j::text))",
        "CREATE UNIQUE INDEX u ON uses (j) WHERE nothing",
    ],
)
def test_what_postgres_refuses_before_it_reads_is_left_to_it(sql: str, pair: Pair) -> None:
    """There are rows in the way too, but the statement does not come to them."""
    pair.execute(ALTER + "ADD CONSTRAINT orders_check CHECK (id > 0)")
    pair.execute("UPDATE orders SET total = -1, email = 'e'")
    wanted = pair.direct(sql)
    assert wanted is not None
    assert (wanted["sqlstate"] or "").startswith("42")
    assert pair.probed(sql) is None


# ---------------------------------------------------------------- what cannot be seen


def as_role(pair: Pair, postgres: Server, *grants: str) -> str:
    role = f"owner_{pair.connection.info.dbname}"
    pair.execute(f"CREATE ROLE {role}; GRANT CREATE ON SCHEMA public TO {role}; ALTER TABLE orders OWNER TO {role}")
    for grant in grants:
        pair.execute(grant.format(role=role))
    return role


def drop_role(pair: Pair, role: str) -> None:
    pair.execute(f"RESET ROLE; REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")


UNREAD = "interlock: the rows could not be looked through, for this role may not read them all; whether they fit shows after COMMIT"


def test_rows_that_a_policy_hides(pair: Pair, postgres: Server) -> None:
    role = as_role(
        pair,
        postgres,
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "CREATE POLICY few ON orders USING (id < 5)",
    )
    pair.execute("UPDATE orders SET total = -1, email = NULL WHERE id = 7")
    pair.execute(f"SET ROLE {role}")
    for sql in (
        ALTER + "ADD CHECK (total > 0)",
        ALTER + "ALTER email SET NOT NULL",
        "CREATE UNIQUE INDEX u ON orders (email)",
    ):
        assert pair.probed(sql) is None
        assert pair.notices == [UNREAD]
    assert pair.connection.execute("SHOW row_security").fetchone() == ("on",)
    pair.execute("RESET ROLE")  # a superuser is not subject to it
    assert (pair.probed(ALTER + "ADD CHECK (total > 0)") or {})["sqlstate"] == "23514"
    drop_role(pair, role)


def test_rows_that_the_role_may_not_read(pair: Pair, postgres: Server) -> None:
    role = as_role(pair, postgres, "REVOKE SELECT ON orders FROM {role}", "GRANT REFERENCES ON customers TO {role}")
    pair.execute(f"UPDATE orders SET customer_id = 99 WHERE id = 7; SET ROLE {role}")
    for sql in (ALTER + "ADD CHECK (total > 0)", ALTER + "ADD FOREIGN KEY (customer_id) REFERENCES customers"):
        assert pair.probed(sql) is None
        assert pair.notices == [UNREAD]
    pair.execute(f"GRANT SELECT ON orders TO {role}")
    assert pair.probed(ALTER + "ADD FOREIGN KEY (customer_id) REFERENCES customers") is None  # nor those of customers
    assert pair.notices == [UNREAD]
    drop_role(pair, role)


def test_no_longer_than_the_time_allows(pair: Pair) -> None:
    pair.execute(
        "CREATE FUNCTION naps(int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN true; END'"
    )
    assert pair.probed(ALTER + "ADD CHECK (naps(total))", 500) is None
    assert pair.notices == [
        "interlock: the rows could not be looked through in the time that the policy allows; whether they fit"
        " shows after COMMIT"
    ]


def test_each_has_its_own_time_and_leaves_the_clients_bound_as_it_was(pair: Pair) -> None:
    """One by one and in one Query, whose statements have a clock each."""
    pair.execute(
        "CREATE FUNCTION naps(int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.7) WHERE $1 = 1; RETURN true; END'"
    )
    texts = pair.probes(ALTER + "ADD CHECK (naps(total)), ADD CHECK (naps(total + 0))", 1_000, "1h")
    assert len(texts) == 4
    for sent in (texts, ["; ".join(texts)]):
        pair.notices.clear()
        with pair.connection.transaction():
            for text in sent:
                pair.execute(text)
            assert pair.connection.execute("SHOW statement_timeout").fetchone() == ("1h",)
        assert pair.notices == []
        assert pair.connection.execute("SHOW statement_timeout").fetchone() == ("0",)


@pytest.mark.parametrize("bound", [0, 3_600_000])
def test_a_cancel_request_is_not_taken_for_that(bound: int, pair: Pair, postgres: Server) -> None:
    pair.execute(
        "CREATE FUNCTION stops(int) RETURNS bool IMMUTABLE LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM pg_cancel_backend(pg_backend_pid()); PERFORM pg_sleep(30); RETURN true; END'"
    )
    got = pair.probed(ALTER + "ADD CHECK (stops(total))", bound)
    assert got is not None
    assert got["message_primary"] == "canceling statement due to user request"


@pytest.mark.parametrize(
    "sql",
    [
        ALTER + "ALTER email SET NOT NULL",
        ALTER + "ADD CHECK (total > 0)",
        ALTER + "ADD FOREIGN KEY (customer_id) REFERENCES customers",
        ALTER + "ADD UNIQUE (email)",
        "CREATE UNIQUE INDEX u ON orders (lower(email))",
    ],
)
def test_it_only_reads(sql: str, pair: Pair) -> None:
    """No lock stronger than a reader's; nothing written; and the transaction's own rows are seen."""
    found = pair.probes(sql)
    assert found
    with pair.connection.transaction(force_rollback=True):
        for text in found:
            pair.execute(text)
        modes = "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
        assert pair.connection.execute(modes).fetchall() == [("AccessShareLock",)]
        assert pair.connection.execute("SELECT pg_current_xact_id_if_assigned()").fetchone() == (None,)
    with pair.connection.transaction(force_rollback=True):
        pair.execute("INSERT INTO orders VALUES (99, 99, NULL, -1), (98, 1, 'e1', 1), (97, 1, 'e1', 1)")
        with pytest.raises(psycopg.errors.IntegrityError), pair.connection.transaction():
            for text in found:
                pair.execute(text)


def test_hostile_search_path(pair: Pair) -> None:
    """What stands first in the search_path is called by the author's expressions only."""
    pair.execute(
        "CREATE SCHEMA evil; CREATE FUNCTION evil.concat(VARIADIC text[]) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$;"
        " CREATE FUNCTION evil.count() RETURNS int LANGUAGE sql AS 'SELECT 0';"
        " CREATE FUNCTION evil.eq(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false';"
        " CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.eq);"
        " CREATE FUNCTION evil.eq(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false';"
        " CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.eq);"
        " CREATE DOMAIN evil.text AS pg_catalog.text CHECK (false); SET search_path = evil, pg_catalog, public"
    )
    pair.execute("UPDATE orders SET customer_id = 99, email = 'e', note = NULL, total = -1 WHERE id > 6")
    for sql in (
        ALTER + "ALTER note SET NOT NULL",
        ALTER + "ADD CHECK (total OPERATOR(pg_catalog.>) 0)",
        ALTER + "ADD FOREIGN KEY (customer_id) REFERENCES customers",
        ALTER + "ADD UNIQUE (email)",
        "CREATE UNIQUE INDEX u ON orders (pg_catalog.upper(email))",
    ):
        wanted = pair.direct(sql)
        assert wanted is not None
        assert pair.probed(sql) == wanted
