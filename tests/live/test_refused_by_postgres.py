"""What Postgres refuses anyway gets Postgres's own error, whatever rule it would break."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg
import pytest

from proxy.wire import messages as m
from tests.live.conftest import POLICY, through
from tests.live.raw import Raw
from tests.proxies import Proxy
from tests.servers import Server

TABLES = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b int);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION noise() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE t (
    id bigint PRIMARY KEY, email text, code varchar(20), n int, big bigint, amount numeric, flag boolean, at timestamp, day date,
    raw bytea, doc jsonb, old json, uid uuid, feeling mood, both_ pair, list int[], words text[], small positive, ip inet, xy point,
    net cidr, span interval, bits bit(3), shown int, watched int, twice int GENERATED ALWAYS AS (n * 2) STORED,
    tick int GENERATED ALWAYS AS IDENTITY
);
INSERT INTO t (id, email, n, big, code) SELECT g, 'e' || g, g, g, g FROM generate_series(1, 2000) g;
CREATE VIEW seen AS SELECT shown FROM t;
CREATE MATERIALIZED VIEW stored AS SELECT shown FROM t;
CREATE TRIGGER watching BEFORE UPDATE ON t FOR EACH ROW WHEN (NEW.watched > 0) EXECUTE FUNCTION noise();
CREATE TABLE other (id bigint PRIMARY KEY, t_id bigint CONSTRAINT other_t_fkey REFERENCES t, name text, loose int);
INSERT INTO other SELECT g, nullif(g, greatest(g, 2001)), 'n' FROM generate_series(1, 4000) g;
CREATE INDEX other_name_idx ON other (name);
CREATE TABLE base (id int, v int);
CREATE TABLE heir (w int) INHERITS (base);
CREATE TABLE parts (id int, v text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE wrong (id bigint, v text);
INSERT INTO parts SELECT g % 10, g FROM generate_series(1, 2000) g;
INSERT INTO base SELECT g, g FROM generate_series(1, 2000) g;
INSERT INTO heir SELECT g, g, g FROM generate_series(1, 2000) g;
CREATE TABLE typed OF pair;
CREATE SEQUENCE numbers;
CREATE VIEW seen_again AS SELECT s.shown FROM seen s JOIN t ON t.shown = s.shown;
CREATE VIEW last AS SELECT a.shown FROM seen_again a, seen b;
CREATE FUNCTION takes(t) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE third (t_id bigint CONSTRAINT third_fk REFERENCES t, o_id bigint CONSTRAINT third_o REFERENCES other);
CREATE TABLE rows_ (v int);
CREATE TABLE holds (r rows_[]);
CREATE TABLE root (v int, w int);
CREATE TABLE root_2 (v int, w int);
CREATE TABLE below () INHERITS (root, root_2);
CREATE TABLE above (v int, w int);
CREATE TABLE beneath (id int PRIMARY KEY) INHERITS (above);
CREATE TABLE to_heir (id int REFERENCES beneath);
CREATE VIEW of_heir AS SELECT w FROM beneath;
INSERT INTO rows_ SELECT g FROM generate_series(1, 2000) g;
INSERT INTO root SELECT g, g FROM generate_series(1, 2000) g;
INSERT INTO above SELECT g, g FROM generate_series(1, 2000) g;
CREATE SCHEMA elsewhere CREATE TABLE t (id int);
"""

TYPES = {  # changes that no cast makes without being told how
    "email": ("int", "bigint", "numeric", "boolean", "date", "timestamptz", "uuid", "jsonb", "json", "bytea", "inet", "mood", "int[]", "pair", "positive", "interval"),
    "code": ("int", "boolean", "uuid", "jsonb", "date"),
    "n": ("boolean", "date", "timestamp", "uuid", "jsonb", "bytea", "int[]", "mood", "interval", "inet"),
    "big": ("boolean", "uuid", "interval", "timestamptz"),
    "amount": ("boolean", "money[]", "date", "uuid"),
    "flag": ("int", "bigint", "numeric", "jsonb", "uuid"),
    "at": ("int", "bigint", "interval", "uuid", "jsonb"),
    "day": ("int", "time", "interval"),
    "raw": ("int", "uuid", "jsonb"),
    "doc": ("int", "text[]", "numeric", "boolean"),
    "old": ("int", "text[]"),
    "uid": ("int", "bytea", "bigint"),
    "feeling": ("int", "boolean"),
    "list": ("int", "boolean[]", "date[]", "jsonb"),
    "words": ("int[]", "jsonb", "int"),
    "small": ("boolean", "date", "mood"),
    "ip": ("int", "uuid"),
    "xy": ("int", "jsonb"),
    "span": ("int", "numeric", "date"),
    "bits": ("boolean", "numeric"),
}  # fmt: skip

STATEMENTS = (
    *(f"ALTER TABLE t ALTER COLUMN {column} TYPE {to}" for column, types in TYPES.items() for to in types),
    "ALTER TABLE t ALTER COLUMN n TYPE nonsense",
    "ALTER TABLE t ALTER COLUMN n TYPE int USING nothing::int",
    "ALTER TABLE t ALTER COLUMN email TYPE int USING email",
    "ALTER TABLE t ALTER COLUMN n TYPE bigint USING n::date",
    "ALTER TABLE t ALTER COLUMN shown TYPE bigint",
    "ALTER TABLE t ALTER COLUMN watched TYPE bigint",
    "ALTER TABLE t ALTER COLUMN tick TYPE text",
    "ALTER TABLE t ALTER COLUMN ctid TYPE text",
    "ALTER TABLE heir ALTER COLUMN v TYPE bigint",
    "ALTER TABLE ONLY base ALTER COLUMN v TYPE bigint",
    "ALTER TABLE parts ALTER COLUMN id TYPE bigint",
    "ALTER TABLE parts_1 ALTER COLUMN v TYPE varchar",
    "ALTER TABLE typed ALTER COLUMN a TYPE bigint",
    "ALTER TABLE seen ALTER COLUMN shown TYPE bigint",
    "CREATE INDEX ON seen (shown)",
    "CREATE INDEX ON t (old)",
    "CREATE INDEX ON t (xy)",
    "CREATE INDEX ON t USING nothing (id)",
    "CREATE INDEX ON t USING gin (n)",
    "CREATE INDEX ON t USING hash (id, n)",
    "CREATE UNIQUE INDEX ON t USING hash (id)",
    "CREATE INDEX ON t (now())",
    "CREATE INDEX ON t (random())",
    "CREATE INDEX ON t (n) WHERE sum(n) > 1",
    "CREATE INDEX ON t (n) WHERE n",
    "CREATE INDEX ON t (n nothing_ops)",
    "CREATE INDEX ON t (email COLLATE nothing)",
    "CREATE INDEX ON t (n COLLATE \"C\")",
    "CREATE INDEX ON t (n) INCLUDE (n + 1)",
    "CREATE INDEX ON t (n) WITH (nothing = 1)",
    "CREATE INDEX ON t (n) WITH (fillfactor = 5)",
    "CREATE INDEX ON t (n) TABLESPACE nothing",
    "CREATE INDEX other_name_idx ON t (n)",
    "CREATE INDEX t ON t (n)",
    "CREATE INDEX ON ONLY t (nothing)",
    "CREATE INDEX ON numbers (last_value)",
    "CREATE INDEX ON t ((SELECT 1))",
    "CREATE UNIQUE INDEX ON parts (v)",
    "CREATE INDEX CONCURRENTLY ON parts (v)",
    "DROP INDEX nothing",
    "DROP INDEX t_pkey",
    "DROP INDEX t",
    "DROP INDEX other_name_idx, nothing",
    "REINDEX INDEX nothing",
    "REINDEX TABLE nothing",
    "REINDEX INDEX t",
    "ALTER TABLE t ADD FOREIGN KEY (email) REFERENCES other",
    "ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES other (loose)",
    "ALTER TABLE t ADD FOREIGN KEY (n, big) REFERENCES other (id)",
    "ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES other (nothing)",
    "ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES seen",
    "ALTER TABLE t ADD FOREIGN KEY (twice) REFERENCES other ON DELETE SET NULL",
    "ALTER TABLE seen ADD FOREIGN KEY (shown) REFERENCES other",
    "ALTER TABLE other ADD CONSTRAINT other_t_fkey FOREIGN KEY (t_id) REFERENCES t",
    "ALTER TABLE t ADD CHECK (n)",
    "ALTER TABLE t ADD CHECK (sum(n) > 0)",
    "ALTER TABLE t ADD CHECK (n > (SELECT 1))",
    "ALTER TABLE t ADD CHECK (nothing > 0)",
    "ALTER TABLE t ADD CHECK (n > 'x')",
    "ALTER TABLE t ADD CHECK (no_such_function(n))",
    "ALTER TABLE t ADD CHECK (email > 1)",
    "ALTER TABLE seen ADD CHECK (shown > 0)",
    "ALTER TABLE t ADD UNIQUE (nothing)",
    "ALTER TABLE t ADD UNIQUE (old)",
    "ALTER TABLE t ADD UNIQUE (n, n)",
    "ALTER TABLE t ADD PRIMARY KEY (n)",
    "ALTER TABLE t ADD CONSTRAINT t_pkey UNIQUE (n)",
    "ALTER TABLE t ADD UNIQUE USING INDEX nothing",
    "ALTER TABLE other ADD UNIQUE USING INDEX other_name_idx",
    "ALTER TABLE parts ADD UNIQUE (v)",
    "ALTER TABLE t ADD EXCLUDE USING gist (n WITH =)",
    "ALTER TABLE t ADD EXCLUDE (n WITH &&)",
    "ALTER TABLE t ALTER COLUMN nothing SET NOT NULL",
    "ALTER TABLE seen ALTER COLUMN shown SET NOT NULL",
    "ALTER TABLE t ALTER COLUMN ctid SET NOT NULL",
    "ALTER TABLE t ALTER COLUMN id DROP NOT NULL",
    "ALTER TABLE t ALTER COLUMN tick DROP NOT NULL",
    "ALTER TABLE t ALTER COLUMN n SET DEFAULT 'x'",
    "ALTER TABLE t ALTER COLUMN twice SET DEFAULT 1",
    "ALTER TABLE t ALTER COLUMN nothing SET DEFAULT 1",
    "ALTER TABLE t ADD COLUMN n int",
    "ALTER TABLE t ADD COLUMN ctid int",
    "ALTER TABLE t ADD COLUMN x nonsense",
    "ALTER TABLE t ADD COLUMN x int DEFAULT 'y'",
    "ALTER TABLE t ADD COLUMN x int DEFAULT now()",
    "ALTER TABLE t ADD COLUMN x int DEFAULT no_such_function()",
    "ALTER TABLE t ADD COLUMN x int DEFAULT n",
    "ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (random()) STORED",
    "ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (nothing) STORED",
    "ALTER TABLE t ADD COLUMN x int DEFAULT 1 GENERATED ALWAYS AS (n) STORED",
    "ALTER TABLE t ADD COLUMN x uuid GENERATED ALWAYS AS IDENTITY",
    "ALTER TABLE t ADD COLUMN x int REFERENCES nothing",
    "ALTER TABLE t ADD COLUMN x int REFERENCES other (loose)",
    "ALTER TABLE t ADD COLUMN x date REFERENCES other",
    "ALTER TABLE t ADD COLUMN x int CHECK (x)",
    "ALTER TABLE t ADD COLUMN x int CHECK (nothing > 1)",
    "ALTER TABLE t ADD COLUMN x json UNIQUE",
    "ALTER TABLE t ADD COLUMN x int PRIMARY KEY",
    "ALTER TABLE t ADD COLUMN x int CONSTRAINT t_pkey UNIQUE",
    "ALTER TABLE t ADD COLUMN x int CONSTRAINT other_name_idx UNIQUE",
    "ALTER TABLE t ADD COLUMN x point CONSTRAINT x UNIQUE",
    "ALTER TABLE t ADD COLUMN x xml PRIMARY KEY",
    "ALTER TABLE t ADD COLUMN x text COLLATE nothing",
    "ALTER TABLE t ADD COLUMN x int COLLATE \"C\"",
    "ALTER TABLE t ADD COLUMN x serial DEFAULT 1",
    "ALTER TABLE t ADD COLUMN x numeric(2000)",
    "ALTER TABLE t ADD COLUMN x varchar(0)",
    "ALTER TABLE seen ADD COLUMN x int",
    "ALTER TABLE parts_1 ADD COLUMN x int",
    "ALTER TABLE typed ADD COLUMN x int",
    "ALTER TABLE t DROP COLUMN nothing",
    "ALTER TABLE t DROP COLUMN shown",
    "ALTER TABLE t DROP COLUMN watched",
    "ALTER TABLE t DROP COLUMN ctid",
    "ALTER TABLE heir DROP COLUMN v",
    "ALTER TABLE parts DROP COLUMN id",
    "ALTER TABLE t DROP CONSTRAINT nothing",
    "ALTER TABLE t DROP CONSTRAINT t_pkey",
    "ALTER TABLE t VALIDATE CONSTRAINT nothing",
    "ALTER TABLE t VALIDATE CONSTRAINT t_pkey",
    "ALTER TABLE t RENAME COLUMN nothing TO x",
    "ALTER TABLE t RENAME COLUMN n TO id",
    "ALTER TABLE heir RENAME COLUMN v TO x",
    "ALTER TABLE t RENAME TO other",
    "ALTER TABLE nothing RENAME TO x",
    "ALTER TABLE t SET SCHEMA nothing",
    "ALTER TABLE t SET TABLESPACE nothing",
    "ALTER TABLE t SET ACCESS METHOD nothing",
    "ALTER TABLE t CLUSTER ON nothing",
    "ALTER TABLE t SET UNLOGGED",
    "ALTER TABLE t INHERIT base",
    "ALTER TABLE t ATTACH PARTITION parts_1 DEFAULT",
    "ALTER TABLE parts ATTACH PARTITION wrong FOR VALUES FROM (10) TO (20)",
    "ALTER TABLE parts ATTACH PARTITION nothing FOR VALUES FROM (10) TO (20)",
    "ALTER TABLE parts ATTACH PARTITION parts_1 FOR VALUES FROM (10) TO (20)",
    "ALTER TABLE parts DETACH PARTITION wrong",
    "ALTER TABLE parts DETACH PARTITION nothing CONCURRENTLY",
    "CREATE TABLE x PARTITION OF parts FOR VALUES FROM (5) TO (15)",
    "CREATE TABLE x PARTITION OF t FOR VALUES FROM (5) TO (15)",
    "CREATE TABLE x (id int REFERENCES nothing)",
    "CREATE TABLE x (id int REFERENCES other (loose))",
    "CREATE TABLE x (id date REFERENCES other)",
    "CREATE TABLE t (id int)",
    "CREATE TABLE x (id int, id int)",
    "DROP TABLE t",
    "DROP TABLE nothing",
    "DROP TABLE base",
    "DROP TABLE seen",
    "DROP VIEW t",
    "DROP TYPE mood",
    "TRUNCATE t",
    "TRUNCATE nothing",
    "TRUNCATE seen",
    "CLUSTER t",
    "CLUSTER t USING nothing",
    "CLUSTER nothing",
    "VACUUM FULL nothing",
    "REFRESH MATERIALIZED VIEW nothing",
    "REFRESH MATERIALIZED VIEW seen",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY stored",
    "ALTER DOMAIN positive ADD CHECK (nothing)",
    "ALTER DOMAIN nothing SET NOT NULL",
    "ALTER DOMAIN positive VALIDATE CONSTRAINT nothing",
    "ALTER TYPE mood ADD VALUE 'ok'",
    "ALTER TYPE mood RENAME VALUE 'nothing' TO 'x'",
    "ALTER TYPE nothing ADD VALUE 'x'",
    "ALTER TYPE pair ALTER ATTRIBUTE a TYPE bigint",
    "CREATE TRIGGER watching BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION noise()",
    "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION nothing()",
    "LOCK TABLE nothing",
    "ALTER TABLE other ALTER COLUMN t_id TYPE text",
    "ALTER TABLE t ALTER COLUMN id TYPE text",
    "ALTER TABLE t ALTER COLUMN id TYPE uuid USING NULL",
    "ALTER TABLE rows_ ALTER COLUMN v TYPE numeric",
    "ALTER TABLE root ALTER COLUMN v TYPE numeric",
    "ALTER TABLE above ALTER COLUMN w TYPE numeric",
    "ALTER TABLE ONLY above RENAME COLUMN w TO x",
    "ALTER TABLE ONLY above ADD COLUMN x int",
    "ALTER TABLE typed RENAME COLUMN a TO x",
    "ALTER TABLE typed DROP COLUMN a",
    "ALTER TABLE t SET SCHEMA elsewhere",
    "ALTER TABLE t DROP COLUMN id",
    "ALTER TABLE t DROP COLUMN email, DROP COLUMN shown",
    "ALTER TABLE other DROP COLUMN id, ADD COLUMN x text",
    "DROP TABLE other",
    "DROP TABLE root",
    "TRUNCATE other",
    "TRUNCATE t, other",
    "TRUNCATE beneath",
    "ALTER TABLE t DETACH PARTITION parts_1 CONCURRENTLY",
    "COMMENT ON COLUMN t.nothing IS 'x'",
)  # fmt: skip


STRICT = "version: 1\nextends: strict\nsmall_tables: { under: 0kB }\n"


@pytest.fixture
def tables(orders: str) -> str:
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute(TABLES)
    return orders


def told(connection: psycopg.Connection, sql: str, *, block: bool, prepare: bool = False) -> tuple[str | None, ...]:
    try:
        if block:
            connection.execute("BEGIN")
        connection.execute(sql, prepare=prepare)
    except psycopg.Error as error:
        d = error.diag
        return d.sqlstate, d.message_primary, d.message_detail, d.message_hint, d.statement_position
    finally:
        connection.execute("ROLLBACK")
    return (None,)


def differences(direct_url: str, guarded_url: str, statements: Sequence[str], *, prepare: bool = False) -> list[str]:
    wrong = []
    with (
        psycopg.connect(direct_url, autocommit=True) as direct,
        psycopg.connect(guarded_url, autocommit=True) as guarded,
    ):
        for sql in statements:
            for block in (False, True):
                expected = told(direct, sql, block=block)
                assert expected[0], f"{sql} is not refused"
                found = told(guarded, sql, block=block, prepare=prepare)
                if found[:4] != expected[:4] or found[4:] not in (expected[4:], (None,)):  # its place, or none
                    wrong.append(f"{'in a transaction ' if block else ''}{sql}\n    {expected}\n    {found}")
    return wrong


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_it_is_the_error_that_it_would_be_directly(
    prepare: bool, tables: str, share_proxy: Callable[[str], Proxy], postgres: Server
) -> None:
    before = postgres.dump(tables.rpartition("/")[2])
    wrong = differences(tables, through(share_proxy(POLICY), tables), STATEMENTS, prepare=prepare)
    assert not wrong, "\n".join(wrong)
    assert postgres.dump(tables.rpartition("/")[2]) == before


def test_under_a_policy_that_rejects(tables: str, share_proxy: Callable[[str], Proxy], postgres: Server) -> None:
    before = postgres.dump(tables.rpartition("/")[2])
    statements = [
        sql for sql in STATEMENTS if "CONCURRENTLY" not in sql
    ]  # of which a rule says that Postgres refuses it
    wrong = differences(tables, through(share_proxy(STRICT), tables), statements)
    assert not wrong, "\n".join(wrong)
    assert postgres.dump(tables.rpartition("/")[2]) == before


STRICTLY_REJECTED = (
    "ALTER TABLE t DROP COLUMN email",
    "ALTER TABLE t DROP COLUMN shown CASCADE",
    "ALTER TABLE t DROP COLUMN IF EXISTS nothing, DROP COLUMN email",
    "TRUNCATE ONLY above",
    "ALTER TABLE t RENAME COLUMN email TO x",
    "ALTER TABLE t RENAME TO x",
    "ALTER TABLE rows_ SET SCHEMA elsewhere",
    "ALTER TABLE other ADD FOREIGN KEY (id) REFERENCES t",
    "CREATE INDEX ON parts (v)",
    "CREATE UNIQUE INDEX ON parts (v, id)",
    "CREATE TABLE x PARTITION OF parts FOR VALUES FROM (10) TO (20)",
    "DROP TABLE third",
    "DROP TABLE t CASCADE",
    "TRUNCATE t, other, third",
    "TRUNCATE t CASCADE",
    "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'",
    "ALTER TABLE above ALTER COLUMN v TYPE numeric",
    "ALTER TABLE third ALTER COLUMN t_id TYPE int",
)


def test_what_postgres_would_take_is_rejected_strictly_and_nothing_is_left(
    tables: str, share_proxy: Callable[[str], Proxy], postgres: Server
) -> None:
    """With a reader and a writer in the midst of a transaction, which nothing waits for, too."""
    before = postgres.dump(tables.rpartition("/")[2])
    with (
        psycopg.connect(through(share_proxy(STRICT), tables), autocommit=True) as guarded,
        psycopg.connect(tables, autocommit=True) as others,
    ):
        for busy in (
            "",
            "BEGIN; UPDATE t SET email = email WHERE id = 1; LOCK TABLE t, parts, other, third, rows_ IN ROW EXCLUSIVE MODE",
        ):
            others.execute(busy)
            for sql in STRICTLY_REJECTED:
                found = [told(guarded, sql, block=block)[0] for block in (False, True)]
                assert found == ["IL001", "IL001"], sql
        others.execute("COMMIT")
    assert postgres.dump(tables.rpartition("/")[2]) == before


def test_no_reader_is_kept_out_for_the_sake_of_an_error(tables: str, share_proxy: Callable[[str], Proxy]) -> None:
    """Whoever reads keeps ACCESS EXCLUSIVE away: what is told all the same was found without."""
    with (
        psycopg.connect(through(share_proxy(STRICT), tables), autocommit=True) as guarded,
        psycopg.connect(tables) as reader,
    ):
        reader.execute("LOCK TABLE t, other, third, parts, rows_, root, seen IN ACCESS SHARE MODE")
        for sql, error in (
            ("ALTER TABLE t DROP COLUMN shown", "2BP01"),
            ("DROP TABLE t", "2BP01"),
            ("TRUNCATE t", "0A000"),
            ("ALTER TABLE t RENAME TO other", "42P07"),
            ("ALTER TABLE t SET SCHEMA elsewhere", "42P07"),
            ("ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES other (loose)", "42830"),
            ("CREATE UNIQUE INDEX ON parts (v)", "0A000"),
            ("CREATE TABLE x PARTITION OF parts FOR VALUES FROM (5) TO (15)", "42P17"),
            ("ALTER TABLE rows_ ALTER COLUMN v TYPE numeric", "0A000"),
            ("ALTER TABLE root ALTER COLUMN v TYPE numeric", "42P16"),
            ("ALTER TABLE t ALTER COLUMN id TYPE text", "42804"),
        ):
            assert told(guarded, sql, block=False)[0] == error, sql


REJECTED = (
    "ALTER TABLE t ALTER COLUMN big TYPE numeric",
    "ALTER TABLE t ALTER COLUMN email TYPE int USING length(email)",
    "ALTER TABLE t ADD EXCLUDE (n WITH =)",
    "ALTER TABLE third SET UNLOGGED",
    "CLUSTER t USING t_pkey",
    "ALTER DOMAIN positive ADD CHECK (VALUE > 1)",
)


def test_what_postgres_would_take_is_rejected_and_nothing_is_left(
    tables: str, share_proxy: Callable[[str], Proxy], postgres: Server
) -> None:
    before = postgres.dump(tables.rpartition("/")[2])
    with psycopg.connect(through(share_proxy(POLICY), tables), autocommit=True) as guarded:
        for sql in REJECTED:
            assert [told(guarded, sql, block=block)[0] for block in (False, True)] == ["IL001", "IL001"], sql
    assert postgres.dump(tables.rpartition("/")[2]) == before


def test_where_it_cannot_be_tried_it_is_rejected(tables: str, share_proxy: Callable[[str], Proxy]) -> None:
    """The owner of a table need not be allowed to make another one beside it."""
    name = tables.rpartition("/")[2]
    with psycopg.connect(tables, autocommit=True) as direct:
        direct.execute(f"CREATE ROLE own_{name}")
        direct.execute("CREATE SCHEMA closed")
        direct.execute("CREATE TABLE closed.x (a text); INSERT INTO closed.x SELECT g FROM generate_series(1, 2000) g")
        direct.execute(f"GRANT USAGE ON SCHEMA closed TO own_{name}")
        direct.execute(f"ALTER TABLE closed.x OWNER TO own_{name}")
        with psycopg.connect(through(share_proxy(POLICY), tables), autocommit=True) as guarded:
            guarded.execute(f"SET ROLE own_{name}")
            assert told(guarded, "ALTER TABLE closed.x ALTER a TYPE int", block=False)[0] == "IL001"
            direct.execute(f"GRANT CREATE ON SCHEMA closed TO own_{name}")
            assert told(guarded, "ALTER TABLE closed.x ALTER a TYPE int", block=False)[0] == "42804"
            direct.execute("REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC")
            assert told(guarded, "ALTER TABLE closed.x ALTER a TYPE int", block=False)[0] == "IL001"
            direct.execute("GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC")
            assert told(guarded, "ALTER TABLE t ALTER email TYPE int", block=False)[:2] == (
                "42501", "must be owner of table t"
            )  # fmt: skip
        direct.execute(f"DROP OWNED BY own_{name}")
        direct.execute(f"DROP ROLE own_{name}")


def test_behind_somebody_who_keeps_the_table_it_is_rejected(tables: str, share_proxy: Callable[[str], Proxy]) -> None:
    both = (
        (through(share_proxy(POLICY), tables), "ALTER TABLE t ALTER email TYPE int", "42804"),
        (through(share_proxy(STRICT), tables), "CREATE INDEX ON t (nothing)", "42703"),
        (through(share_proxy(STRICT), tables), "CREATE INDEX ON t (old)", "42704"),
    )
    with psycopg.connect(tables) as holder:
        for url, sql, state in both:
            with psycopg.connect(url, autocommit=True) as guarded:
                holder.execute("LOCK TABLE t")
                assert told(guarded, sql, block=False)[0] == "IL001"
                holder.rollback()
                assert told(guarded, sql, block=False)[0] == state


def test_in_a_read_only_transaction(tables: str, share_proxy: Callable[[str], Proxy]) -> None:
    said = []
    for url in (tables, through(share_proxy(POLICY), tables)):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("BEGIN READ ONLY")
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as caught:
                connection.execute("ALTER TABLE t ALTER COLUMN n TYPE numeric")
            said.append(caught.value.diag.message_primary)
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
            connection.execute("ROLLBACK")
    assert said[0] == said[1]


NO_INDEX, NO_KEY, NO_DROP = (
    f"rules: {{ {rule}: {{ action: rewrite, in_transaction: reject }} }}\n"
    for rule in ("index-not-concurrent", "foreign-key-validated", "drop-column")
)


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize(
    ("rules", "waits", "sql"),
    [
        ("", "CREATE INDEX w ON t (email)", "CLUSTER t USING w"),
        ("", "CREATE UNIQUE INDEX w ON stored (shown)", "CLUSTER stored USING w"),
        ("", "CREATE INDEX w ON t (email)", "CLUSTER T USING W"),
        ("", "DROP INDEX other_name_idx", "ALTER TABLE other ALTER name TYPE json USING null"),
        (NO_INDEX, "ALTER TABLE t ADD COLUMN z int", "CREATE INDEX ON t (z)"),
        (NO_KEY, "CREATE UNIQUE INDEX w ON t (n)", "ALTER TABLE other ADD FOREIGN KEY (loose) REFERENCES t (n)"),
        (NO_KEY, "ALTER TABLE t ADD COLUMN z int", "ALTER TABLE t ADD FOREIGN KEY (z) REFERENCES t (id)"),
        (NO_KEY, "ALTER TABLE t ADD CONSTRAINT w UNIQUE (n)", "ALTER TABLE other ADD FOREIGN KEY (loose) REFERENCES t (n)"),
    ],
)  # fmt: skip
def test_what_waits_for_commit_is_not_missed(
    rules: str, waits: str, sql: str, prepare: bool, tables: str, share_proxy: Callable[[str], Proxy]
) -> None:
    """Once that is done Postgres would take it: what it says now is no reason."""
    for url, error in ((tables, None), (through(share_proxy(POLICY + rules), tables), "IL001")):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("BEGIN")
            connection.execute(waits.encode())
            if error is None:
                connection.execute(sql.encode())
                connection.execute("ROLLBACK")
                continue
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(sql.encode(), prepare=prepare)
            assert caught.value.sqlstate == error, caught.value


def test_in_a_string_only_the_first_is_tried(tables: str, share_proxy: Callable[[str], Proxy]) -> None:
    """Behind another statement nobody knows yet what is there."""
    with psycopg.connect(through(share_proxy(POLICY), tables), autocommit=True) as guarded:
        refused = "ALTER TABLE t ALTER email TYPE int"
        assert told(guarded, f"{refused}; SELECT 1", block=False)[0] == "42804"
        assert told(guarded, f"SELECT 1; {refused}", block=False)[0] == "IL001"


def test_many_views_upon_views_take_no_time(tables: str, share_proxy: Callable[[str], Proxy]) -> None:
    """Each uses every column of the two before: two to the power of thirty ways lead to the last one."""
    with psycopg.connect(tables, autocommit=True) as direct:
        direct.execute("CREATE TABLE v0 (a int, b int, c int); CREATE VIEW v1 AS SELECT * FROM v0")
        direct.execute("INSERT INTO v0 SELECT 1, 2, 3 FROM generate_series(1, 2000)")
        for n in range(2, 30):
            direct.execute(
                f"CREATE VIEW v{n} AS SELECT x.a, y.b, x.c FROM v{n - 1} x, v{n - 2} y WHERE x.b = y.c".encode()
            )
        with psycopg.connect(through(share_proxy(STRICT), tables), autocommit=True) as guarded:
            for sql in ("ALTER TABLE v0 DROP COLUMN a", "DROP TABLE v0"):
                assert told(guarded, sql, block=False)[0] == "2BP01", sql


def test_what_the_same_text_makes_is_not_missed(tables: str, share_proxy: Callable[[str], Proxy]) -> None:
    """The server would not know a routine that the text itself makes first."""
    made = "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN CREATE INDEX ON t (n); END'; CALL p()"
    with psycopg.connect(through(share_proxy(STRICT), tables), autocommit=True) as guarded:
        assert told(guarded, made, block=False)[0] == "IL001"


@pytest.mark.parametrize("sql", ["CREATE INDEX i ON a.b.c.d (n)", "CREATE INDEX i ON t (n)"])
def test_nothing_of_a_pipeline_is_committed_for_the_sake_of_an_error(
    sql: str, tables: str, share_proxy: Callable[[str], Proxy]
) -> None:
    """A statement that cannot be read, and one that is rejected, behind an INSERT without a Sync between them."""
    insert = m.parse(b"", b"INSERT INTO wrong VALUES (1)") + m.bind(b"", b"", ()) + m.execute(b"")
    with Raw(through(share_proxy(STRICT), tables)) as raw:
        raw.send(insert + m.query(sql.encode()) + m.sync())
        said = [*raw.until("Z"), *raw.until("Z")]
    assert [m.read_fields(body)["C"] for kind, body in said if kind == "E"] in (["IL001"], ["IL002"])
    with psycopg.connect(tables) as direct:
        assert direct.execute("SELECT count(*) FROM wrong").fetchone() == (0,)
