"""What an index that waits for COMMIT would meet at once: the same errors, at the same places, as of the statement itself."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from proxy.plans.rehearsal import position, rehearsals, renamed
from tests.live.plan_runner import facts_for, statement_of
from tests.servers import Server

TABLES = """
CREATE TABLE orders (id int CONSTRAINT orders_pkey PRIMARY KEY, email text, total int, note text, doc json, at timestamptz);
CREATE TABLE "We""ird T" ("Id" int, "a b" text);
CREATE MATERIALIZED VIEW totals AS SELECT total, email FROM orders;
CREATE FUNCTION vol(int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN $1; END';
CREATE TABLE stored (a int, b int GENERATED ALWAYS AS (a + 1) STORED);
CREATE TABLE taken (a int);
"""
FIELDS = (
    "sqlstate", "message_primary", "message_detail", "message_hint", "schema_name", "table_name", "column_name",
    "constraint_name", "statement_position",
)  # fmt: skip
# Statements that Postgres refuses whatever the rows are.
REFUSED = [
    "CREATE INDEX i ON orders (nothing)",
    "CREATE INDEX i ON orders (email, nothing, total)",
    "CREATE INDEX i\n  ON -- here: ü\n  public . orders  USING btree (id,\n\tnothing)",
    'CREATE INDEX "Ünïcödé 😀" ON orders (email, "nöthing")',
    "CREATE INDEX i ON orders (lower(nothing))",
    "CREATE INDEX i ON orders (lower(mail))",
    'CREATE UNIQUE INDEX i ON "We""ird T" (lower("ab"))',
    "CREATE INDEX i ON orders (email) INCLUDE (nothing)",
    "CREATE INDEX i ON orders (email) WHERE nothing > 1",
    "CREATE INDEX i ON orders (email) WHERE total + 1",
    "CREATE INDEX i ON orders (email) WHERE total > 'x'",
    "CREATE INDEX i ON orders (email) WHERE count(*) > 1",
    "CREATE INDEX i ON orders (email) WHERE total IN (SELECT 1)",
    "CREATE INDEX i ON orders (email nothing_ops)",
    "CREATE INDEX i ON orders (total text_pattern_ops)",
    "CREATE INDEX i ON orders (doc)",
    "CREATE INDEX i ON orders USING nothing (email)",
    "CREATE INDEX i ON orders USING hash (email, total)",
    "CREATE UNIQUE INDEX i ON orders USING hash (email)",
    "CREATE INDEX i ON orders USING gin (email)",
    "CREATE INDEX i ON orders (vol(total))",
    "CREATE INDEX i ON orders ((at::date))",
    "CREATE INDEX i ON orders (email) WHERE at < now()",
    "CREATE INDEX i ON orders (nothing(email))",
    "CREATE INDEX i ON orders ((email + 1))",
    "CREATE INDEX i ON orders (total COLLATE \"C\")",
    "CREATE INDEX i ON orders (email COLLATE nothing)",
    "CREATE INDEX i ON orders (email) WITH (fillfactor = 5)",
    "CREATE INDEX i ON orders (email) WITH (nothing = 5)",
    "CREATE INDEX i ON orders (email) TABLESPACE nothing",
    "CREATE INDEX i ON orders (email DESC) WHERE total > 1 AND nothing = 2",
    "CREATE INDEX taken ON orders (email)",
    "CREATE INDEX orders_pkey ON orders (email)",
    'CREATE INDEX i ON "We""ird T" ("a b", nothing)',
    "CREATE INDEX i ON totals (nothing)",
    "CREATE INDEX i ON orders (tableoid)",
    "CREATE INDEX ON orders (" + ", ".join(["email"] * 33) + ")",
    "ALTER TABLE orders ADD UNIQUE (nothing)",
    "ALTER TABLE orders ADD CONSTRAINT taken UNIQUE (email)",
    "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email) USING INDEX TABLESPACE nothing",
    "ALTER TABLE orders ADD PRIMARY KEY (email)",
    "ALTER TABLE orders ADD UNIQUE (email, email)",
    "ALTER TABLE orders ADD COLUMN ü int, ADD CONSTRAINT u UNIQUE (email), ADD UNIQUE (total, note, total)",
    "ALTER TABLE orders ADD UNIQUE (doc)",
    "ALTER TABLE orders ADD UNIQUE (email) NOT DEFERRABLE INITIALLY DEFERRED",
    "ALTER TABLE orders ADD UNIQUE (email) INCLUDE (nothing)",
    "ALTER TABLE orders ADD UNIQUE (email) WITH (fillfactor = 5)",
]  # fmt: skip
ALLOWED = [
    "CREATE INDEX i ON orders (email)",
    "CREATE INDEX ON orders (lower(email), (total + 1)) INCLUDE (note) WITH (fillfactor = 70) WHERE total > 3",
    "CREATE UNIQUE INDEX IF NOT EXISTS i ON ONLY orders USING btree (email DESC NULLS LAST)",
    'CREATE INDEX "My Index" ON "We""ird T" (lower("a b"))',
    "CREATE INDEX i ON totals (total)",
    "CREATE INDEX i ON stored (b)",
    "CREATE INDEX i ON orders ((orders.total + 1))",
    "CREATE INDEX i ON orders USING hash (email)",
    "ALTER TABLE orders ADD UNIQUE (email), ADD CONSTRAINT u UNIQUE (total, note) DEFERRABLE",
    "ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (email)",
]


class Pair:
    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)

    def execute(self, sql: str) -> None:
        self.connection.execute(sql.encode())

    def direct(self, sql: str) -> dict[str, str | None] | None:
        error = self._tried([sql])
        return None if error is None else {field: getattr(error.diag, field) for field in FIELDS}

    def rehearsed(self, sql: str) -> dict[str, str | None] | None:
        statement = statement_of(sql)
        facts = facts_for(self.connection, statement)
        error = self._tried(rehearsals(statement, facts))
        if error is None:
            return None
        told = {field: getattr(error.diag, field) for field in FIELDS}
        found = {field: value and renamed(value, facts) for field, value in told.items()}
        inner = {"p": error.diag.internal_position or "", "q": error.diag.internal_query or ""}
        return found | {"statement_position": position(inner, statement, facts)}

    def _tried(self, texts: object) -> psycopg.Error | None:
        try:
            with self.connection.transaction(force_rollback=True):
                for text in texts:  # type: ignore[attr-defined]
                    self.connection.execute(text.encode())
        except psycopg.Error as error:
            return error
        return None


@pytest.fixture
def pair(database: str) -> Iterator[Pair]:
    made = Pair(database)
    made.execute(TABLES)
    yield made
    made.connection.close()


@pytest.mark.parametrize("sql", REFUSED, ids=[f"{n}-{sql[:60]}" for n, sql in enumerate(REFUSED)])
def test_the_error_is_the_statements_own(sql: str, pair: Pair) -> None:
    wanted = pair.direct(sql)
    assert wanted is not None
    assert pair.rehearsed(sql) == wanted


@pytest.mark.parametrize("sql", ALLOWED)
def test_what_postgres_allows_passes(sql: str, pair: Pair) -> None:
    assert pair.direct(sql) is None
    assert pair.rehearsed(sql) is None


def test_whose_it_is(pair: Pair) -> None:
    role = f"guest_{pair.connection.info.dbname}"
    pair.execute(
        f"CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; GRANT CREATE ON SCHEMA public TO {role}"
    )
    pair.execute(f"SET ROLE {role}")
    for sql in ("CREATE INDEX i ON orders (email)", "CREATE INDEX i ON totals (email)"):
        wanted = pair.direct(sql)
        assert wanted is not None
        assert wanted["sqlstate"] == "42501"
        assert pair.rehearsed(sql) == wanted
    pair.execute(
        f"RESET ROLE; REVOKE CREATE ON SCHEMA public FROM {role}, PUBLIC; ALTER TABLE orders OWNER TO {role}; SET ROLE {role}"
    )
    for sql in ("CREATE INDEX i ON orders (email)", "ALTER TABLE orders ADD UNIQUE (email)"):
        wanted = pair.direct(sql)
        assert wanted is not None
        assert pair.rehearsed(sql) == wanted
    pair.execute(f"RESET ROLE; REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_unique_constraint_that_surely_fits_is_not_tried(pair: Pair) -> None:
    """But where its name is taken, or the role may not make it, Postgres says so itself."""
    copies = "SELECT count(*) FROM made"
    pair.execute("CREATE TABLE made (tag text)")
    pair.execute(
        "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO made VALUES (tg_tag); RAISE NOTICE '%', tg_tag; END$$;"
        " CREATE EVENT TRIGGER noted ON ddl_command_start WHEN tag IN ('CREATE TABLE') EXECUTE FUNCTION note()"
    )
    told: list[str] = []
    pair.connection.add_notice_handler(lambda d: told.append(d.message_primary or ""))
    try:
        for sql, tried in (
            ("ALTER TABLE orders ADD UNIQUE (email)", False),
            ("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email, total)", False),
            ("ALTER TABLE orders ADD UNIQUE (email) WITH (fillfactor = 50)", True),
        ):
            told.clear()
            assert pair.rehearsed(sql) is None
            assert ("CREATE TABLE" in told) is tried, sql
        told.clear()
        assert pair.rehearsed("ALTER TABLE orders ADD CONSTRAINT taken UNIQUE (email)") is not None
        assert "CREATE TABLE" in told
        assert pair.connection.execute(copies).fetchone() == (0,)
    finally:
        pair.execute("DROP EVENT TRIGGER noted")


@pytest.mark.parametrize("sql", ["CREATE INDEX i ON orders (lower(email))", "ALTER TABLE orders ADD UNIQUE (email)"])
def test_it_leaves_nothing_and_touches_nothing(sql: str, pair: Pair, postgres: Server) -> None:
    """A reader's lock on the table is all that the transaction has of it afterwards, and it can still be prepared."""
    names = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    before = pair.connection.execute(names).fetchall()
    statement = statement_of(sql)
    texts = rehearsals(statement, facts_for(pair.connection, statement))
    assert texts
    pair.execute("BEGIN")
    for text in texts:
        pair.execute(text)
    assert pair.connection.execute(names).fetchall() == before
    modes = "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = 'orders'::regclass"
    assert pair.connection.execute(modes).fetchall() in ([("AccessShareLock",)], [])
    pair.execute("PREPARE TRANSACTION 'rehearsed_" + (pair.connection.info.dbname) + "'")
    pair.execute("ROLLBACK PREPARED 'rehearsed_" + (pair.connection.info.dbname) + "'")
