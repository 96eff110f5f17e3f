"""What might tell that something waits for the end of its transaction, in ways that are not written in its text, cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg
import pytest

from proxy.wire import messages as m
from tests.live.conftest import ORDERS, POLICY, through
from tests.live.raw import Raw
from tests.live.test_same_transactions import CATALOG
from tests.proxies import Proxy
from tests.servers import Server

TABLES = (
    ORDERS
    + """
CREATE INDEX customers_name_idx ON orders (lower(email));
CREATE SEQUENCE owned OWNED BY orders.email;
CREATE TABLE schema_migrations (version text PRIMARY KEY, more text);
CREATE TABLE values (a int);
CREATE TABLE ev (id int NOT NULL, k text NOT NULL) PARTITION BY LIST (id);
CREATE TABLE ev1 PARTITION OF ev FOR VALUES IN (1);
CREATE TABLE ba (id int, k text);
CREATE TABLE he () INHERITS (ba);
CREATE TABLE holders (o orders);
CREATE TABLE seen (version text);
CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO seen SELECT count(*)::text FROM information_schema.columns WHERE table_name = 'orders'; RETURN NEW; END $$;
CREATE UNIQUE INDEX customers_name_key ON customers (name);
CREATE OPERATOR === (leftarg = int, rightarg = int, function = int4eq);
"""
)
NOTE = "INSERT INTO schema_migrations VALUES ('1')"
ADD = "ALTER TABLE orders ADD COLUMN more text"
DROP = "ALTER TABLE orders DROP COLUMN email"
RENAME = "ALTER TABLE orders RENAME email TO mail"
CHECKED = "ALTER TABLE orders ADD CHECK (total > 0) NOT VALID"
COLUMNS = "(SELECT count(*) FROM information_schema.columns WHERE table_name = 'orders')"

STORIES: tuple[tuple[str, ...], ...] = (
    # names of constraints that nobody has said
    (CHECKED, "ALTER TABLE orders ADD CONSTRAINT orders_total_check UNIQUE (id)"),
    (CHECKED, "ALTER TABLE orders ADD CONSTRAINT orders_total_check PRIMARY KEY (id)"),
    ("ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers NOT VALID", "ALTER TABLE orders ADD CONSTRAINT orders_customer_id_fkey UNIQUE (id)"),
    ("SET LOCAL standard_conforming_strings = off", "ALTER TABLE orders ADD CONSTRAINT c CHECK (email <> '\\'') NOT VALID", "ALTER TABLE orders ADD CONSTRAINT c UNIQUE (id)"),
    # what is planned behind it
    ("ALTER TABLE orders ALTER id DROP NOT NULL", "CREATE UNIQUE INDEX u ON orders (id)", "ALTER TABLE orders REPLICA IDENTITY USING INDEX u"),
    ("CREATE UNIQUE INDEX u ON orders (id)", "ALTER TABLE orders ALTER id DROP NOT NULL", "ALTER TABLE orders REPLICA IDENTITY USING INDEX u"),
    ("ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (email) REFERENCES customers (name) NOT VALID", "DROP INDEX customers_name_key"),
    # tables below and above
    ("ALTER TABLE ev ALTER k DROP NOT NULL", "ALTER TABLE ev1 ALTER k DROP NOT NULL"),
    ("ALTER TABLE ba ADD CHECK (id > 0) NOT VALID", "ALTER TABLE he ADD CONSTRAINT ba_id_check CHECK (id > 1) NOT VALID"),
    ("ALTER TABLE he ADD CONSTRAINT c CHECK (id > 0) NOT VALID", "ALTER TABLE ba ADD CONSTRAINT c CHECK (id > 1) NOT VALID"),
    # rows as values
    ("ALTER TABLE customers ADD COLUMN c schema_migrations", "ALTER TABLE schema_migrations ADD COLUMN o customers"),
    ("ALTER TABLE holders ADD CHECK ((o).email IS NULL) NOT VALID", DROP),
    ("ALTER TABLE customers ALTER name SET DEFAULT length((NULL::orders).email)", DROP),
    (RENAME, "ALTER TABLE holders ADD CHECK ((o).email IS NULL) NOT VALID"),
    (ADD, "ALTER TABLE holders ADD CHECK ((o).more IS NULL)"),
    (ADD, "CREATE INDEX i ON holders (((o).more))"),
    (ADD, "SELECT (NULL::orders).more"),
    (ADD, "SELECT '(1,2,3,4,5,6)'::orders"),
    (ADD, "INSERT INTO schema_migrations VALUES ('(1,2,3,4,5,6)'::orders::text)"),
    ("ALTER TABLE values ADD COLUMN b int", "SELECT b FROM values"),
    # what a column has hanging on it
    (DROP, "CREATE INDEX ON customers (name)"),
    (DROP, "SELECT 'customers_name_idx'::regclass"),
    (DROP, "SELECT to_regclass('customers_name_idx') IS NULL"),
    (DROP, "ALTER TABLE customers ALTER id SET DEFAULT nextval('owned')"),
    ("ALTER TABLE customers ALTER id SET DEFAULT nextval('owned')", DROP),
    # modes that are sent on by themselves
    (ADD, "SET TRANSACTION READ ONLY; SELECT 1"),
    (ADD, NOTE, "SET LOCAL transaction_read_only = on; SELECT 1"),
    (ADD, "SET TRANSACTION READ ONLY"),
    # notes that set off more than they say
    ("CREATE TRIGGER t AFTER INSERT ON schema_migrations FOR EACH ROW EXECUTE FUNCTION counted()", ADD, NOTE, "SELECT * FROM seen"),
    (ADD, "INSERT INTO schema_migrations VALUES ((SELECT count(*)::text FROM information_schema.columns WHERE table_name = 'orders'))"),
    (ADD, f"SELECT 1 === 2, {COLUMNS}"),
    (ADD, "SELECT 1 === 2 FROM pg_class LIMIT 1", f"SELECT {COLUMNS}"),
    ("SET LOCAL standard_conforming_strings = off", ADD, f"SELECT '\\'' || {COLUMNS}::text /*'*/ || 'z'"),
)  # fmt: skip
MANY = 40  # more than wait at a time


@pytest.fixture
def seen(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
    return database


def told(url: str, statements: Sequence[str], *, prepare: bool) -> list[object]:
    """What each statement was answered, the transaction around them included."""
    said: list[object] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for sql in ("BEGIN", *statements, "COMMIT"):
            extended = prepare and ";" not in sql
            try:
                cursor = connection.execute(sql, prepare=extended) if extended else connection.execute(sql)
                said.append((cursor.statusmessage, cursor.fetchall() if cursor.description else None))
            except psycopg.Error as error:
                said.append((error.diag.sqlstate, error.diag.message_primary))
    return said


def played(
    postgres: Server, seen: str, guarded: str, statements: Sequence[str], *, prepare: bool = False
) -> tuple[list[object], list[object]]:
    """Directly and through Interlock: what was said, and the catalog as it is then."""
    direct = postgres.create_database()
    found = []
    try:
        with psycopg.connect(postgres.url(direct), autocommit=True) as connection:
            connection.execute(TABLES)
        for way, database in ((postgres.url(direct), postgres.url(direct)), (guarded, seen)):
            said = told(way, statements, prepare=prepare)
            with psycopg.connect(database, autocommit=True) as connection:
                rows = connection.execute("SELECT count(*), min(version) FROM schema_migrations").fetchall()
                found.append([*said, connection.execute(CATALOG.encode()).fetchall(), rows])
    finally:
        postgres.drop_database(direct)
    return found[0], found[1]


@pytest.fixture
def through_interlock(seen: str, share_proxy: Callable[[str], Proxy]) -> str:
    return through(share_proxy(POLICY), seen)


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("number", range(len(STORIES)), ids=lambda n: f"{n}")
def test_it_is_as_it_would_be_directly(
    number: int, prepare: bool, postgres: Server, seen: str, through_interlock: str
) -> None:
    direct, guarded = played(postgres, seen, through_interlock, STORIES[number], prepare=prepare)
    assert guarded == direct, STORIES[number]


def test_more_than_can_wait(postgres: Server, seen: str, through_interlock: str) -> None:
    """They are run when there are too many, and the rest waits again, or not, as its table is kept from others by then."""
    many = [f"ALTER TABLE {t} ADD COLUMN c{n} int" for n in range(MANY) for t in ("orders", "customers")]
    direct, guarded = played(postgres, seen, through_interlock, many)
    assert guarded == direct


def test_a_primary_key_behind_drop_not_null_reads_no_row_under_its_lock(through_interlock: str) -> None:
    said: list[str] = []
    with psycopg.connect(through_interlock, autocommit=True) as connection:
        connection.add_notice_handler(lambda d: said.append(d.message_primary or ""))
        connection.execute("BEGIN")
        connection.execute("ALTER TABLE orders ALTER id DROP NOT NULL")
        connection.execute("ALTER TABLE orders ADD PRIMARY KEY (id)")
        connection.execute("COMMIT")
    assert any("VALIDATE CONSTRAINT" in line for line in said)


@pytest.mark.parametrize(
    ("named", "text", "changes"),
    [
        (b"s", "SELECT * FROM orders", ADD),
        (b"s", "SELECT email FROM orders", RENAME),
        (b"", "SELECT * FROM orders", ADD),
    ],
)
def test_a_statement_of_before_is_described_as_it_is_then(
    named: bytes, text: str, changes: str, seen: str, through_interlock: str
) -> None:
    said = []
    for url in (seen, through_interlock):
        with Raw(url) as raw:
            raw.query("BEGIN")
            raw.send(m.parse(named, text.encode()), m.sync())
            raw.until("Z")
            raw.send(m.parse(b"a", changes.encode()), m.bind(b"n", b"a"), m.execute(b"n"), m.sync())
            raw.until("Z")
            raw.send(m.describe(b"S", named), m.sync())
            said.append([(kind, m.read_fields(body)["C"] if kind == "E" else body) for kind, body in raw.until("Z")])
            raw.query("ROLLBACK")
    assert said[0] == said[1]


def test_an_unnamed_statement_of_before_runs_as_it_is_then(seen: str, through_interlock: str) -> None:
    """Also if another one was parsed while something waited in an earlier transaction."""
    said = []
    for url in (seen, through_interlock):
        with Raw(url) as raw:
            raw.query("BEGIN")
            raw.query(ADD)
            raw.send(m.parse(b"", b"SELECT 1"), m.bind(b"", b""), m.execute(b""), m.sync())
            raw.until("Z")
            raw.query("ROLLBACK")
            raw.send(m.parse(b"a", RENAME.encode()), m.sync())
            raw.until("Z")
            raw.send(m.parse(b"b", b"BEGIN"), m.bind(b"", b"b"), m.execute(b""), m.sync())
            raw.until("Z")
            raw.send(m.parse(b"", b"SELECT email FROM orders LIMIT 1"), m.sync())
            raw.until("Z")
            raw.send(m.bind(b"n", b"a"), m.execute(b"n"), m.sync())
            raw.until("Z")
            raw.send(m.bind(b"", b""), m.execute(b""), m.sync())
            said.append([(kind, m.read_fields(body)["C"] if kind == "E" else body) for kind, body in raw.until("Z")])
            raw.query("ROLLBACK")
    assert said[0] == said[1]


@pytest.mark.parametrize("end", [b"COMMIT", b"ROLLBACK", b"ROLLBACK TO a", b"SELECT 1"])
@pytest.mark.parametrize("flight", ["one by one", "in one flight", "behind one Sync"])
def test_a_failed_transaction_is_ended_by_a_statement_of_before(
    end: bytes, flight: str, seen: str, through_interlock: str
) -> None:
    """Drivers prepare what they send often: psycopg and pgjdbc from the fifth time on."""
    said = []
    for url in (seen, through_interlock):
        with Raw(url) as raw:
            raw.send(m.parse(b"end", end), m.sync())
            raw.until("Z")
            raw.query("BEGIN")
            raw.query("SAVEPOINT a")
            raw.query(CHECKED)
            fails = m.parse(b"", b"SELECT 1/0") + m.bind(b"", b"") + m.execute(b"")
            ends = m.bind(b"", b"end") + m.execute(b"")
            if flight == "behind one Sync":
                raw.send(fails, ends, m.sync())
                answers = raw.until("Z")
            elif flight == "in one flight":
                raw.send(fails, m.sync(), ends, m.sync())
                answers = [*raw.until("Z"), *raw.until("Z")]
            else:
                raw.send(fails, m.sync())
                answers = raw.until("Z")
                raw.send(ends, m.sync())
                answers += raw.until("Z")
            said.append(
                [(kind, m.read_fields(body)["C"] if kind == "E" else body) for kind, body in answers if kind != "N"]
            )
            raw.query("ROLLBACK")
            said[-1] += raw.query(CHECKED)[-1:]
    assert said[0] == said[1]


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE orders ADD CONSTRAINT orders_total_check UNIQUE (id)", CHECKED),
        ("DROP INDEX customers_name_key", "ALTER TABLE orders ADD FOREIGN KEY (email) REFERENCES customers (name)"),
    ],
)
def test_what_would_take_the_ground_of_a_job_is_refused(statements: tuple[str, str], through_interlock: str) -> None:
    with psycopg.connect(through_interlock, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(statements[0])
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(statements[1])
        assert caught.value.diag.sqlstate == "IL001"
        connection.execute("ROLLBACK")
