"""Partitions, REINDEX and REFRESH through the running proxy: the same schema, nobody waits, and what a transaction makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import pytest

from proxy.catalog.unfinished import SQL as UNFINISHED
from tests.live.conftest import POLICY
from tests.live.plan_runner import facts_for, statement_of
from tests.live.raw import Raw
from tests.live.test_dependents import run
from tests.live.test_faults import IN_BUILD
from tests.live.test_part_faults import DEFAULT, NEW, TABLES, USE, VIEW
from tests.live.test_patience import Background, until
from tests.live.test_undo import INVALID, LEFT, rows
from tests.proxies import Proxy
from tests.servers import Server

KEY = "ALTER TABLE ev ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES people"
ATTACH = "ALTER TABLE ev ATTACH PARTITION new FOR VALUES FROM (40) TO (45)"
OF = "CREATE TABLE new PARTITION OF ev FOR VALUES FROM (40) TO (45)"
DETACH = "ALTER TABLE ev DETACH PARTITION ev_1"
REFRESH = "REFRESH MATERIALIZED VIEW seen"


@dataclass(frozen=True)
class Form:
    sql: str
    sent: str  # what the server must have been told
    more: str = ""  # to be made beside TABLES
    since: int = 13
    beside: bool = False  # it need not wait for who reads the tables


FORMS = {
    "key": Form(KEY, "VALIDATE CONSTRAINT"),
    "attach": Form(ATTACH, "CREATE INDEX CONCURRENTLY new_kind_idx", DEFAULT + NEW),
    "of": Form(OF, "ATTACH PARTITION new", beside=True),
    "of, with a default": Form(OF, "VALIDATE CONSTRAINT _interlock", DEFAULT),
    "detach": Form(DETACH, f"{DETACH} CONCURRENTLY", since=14),
    "reindex": Form("REINDEX TABLE people", "REINDEX TABLE CONCURRENTLY people"),
    "reindex of partitions": Form("REINDEX INDEX ev_kind_idx", "REINDEX INDEX CONCURRENTLY ev_kind_idx", since=14),
    "refresh": Form(REFRESH, "REFRESH MATERIALIZED VIEW CONCURRENTLY seen", VIEW, beside=True),
}


class Twins:
    """Two databases alike: one to be changed directly, the other through Interlock."""

    def __init__(self, postgres: Server, proxy: Proxy, more: str) -> None:
        self.server = postgres
        self.names = (postgres.create_database(), postgres.create_database())
        self.direct, self.behind = (postgres.url(name) for name in self.names)
        self.through = proxy.url(self.names[1])
        for url in (self.direct, self.behind):
            with psycopg.connect(url, autocommit=True) as session:
                session.execute(TABLES + more)

    def check(self) -> None:
        one, other = (self.server.dump(name, schema_only=False) for name in self.names)
        assert other == one
        assert rows(self.behind, LEFT) + rows(self.behind, INVALID) == []


@pytest.fixture
def twins(postgres: Server, share_proxy: Callable[[str], Proxy]) -> Iterator[Callable[[str], Twins]]:
    made: list[Twins] = []

    def make(more: str = "") -> Twins:
        made.append(Twins(postgres, share_proxy(POLICY), more))
        return made[-1]

    yield make
    for one in made:
        for name in one.names:
            postgres.drop_database(name)


def by_psycopg(url: str, sql: str) -> str:
    with psycopg.connect(url, autocommit=True) as session:
        return session.execute(sql).statusmessage or ""


def by_psycopg_prepared(url: str, sql: str) -> str:
    with psycopg.connect(url, autocommit=True) as session:
        return session.execute(sql, prepare=True).statusmessage or ""


def by_wire(url: str, sql: str) -> str:
    with Raw(url) as raw:
        return next(body.rstrip(b"\0").decode() for kind, body in raw.query(sql) if kind == "C")


def chosen(name: str, postgres: Server) -> Form:
    if postgres.version < FORMS[name].since:
        pytest.skip(f"from {FORMS[name].since} on")
    return FORMS[name]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("client", [by_psycopg, by_psycopg_prepared, by_wire], ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", FORMS)
def test_it_ends_as_it_would_directly(
    name: str, client: Callable[[str, str], str], postgres: Server, twins: Callable[[str], Twins]
) -> None:
    form = chosen(name, postgres)
    both = twins(form.more)
    assert client(both.through, form.sql) == by_psycopg(both.direct, form.sql)
    both.check()
    assert any(form.sent in sql for sql in postgres.statements(both.names[1]))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", FORMS)
def test_nobody_waits_behind_it_while_it_waits_for_a_long_reader(
    name: str, postgres: Server, twins: Callable[[str], Twins]
) -> None:
    form = chosen(name, postgres)
    both = twins(form.more)
    beside = form.beside or (name == "key" and postgres.version >= 18)  # up to 17 the keys of the partitions are merged
    with psycopg.connect(both.behind) as reader:
        for (table,) in reader.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'm') AND relnamespace = 'public'::regnamespace"
        ).fetchall():
            reader.execute(f"SELECT count(*) FROM {table}")  # and it stays in its transaction
        running = Background(both.through, form.sql)
        until(
            lambda: (
                not running.thread.is_alive()
                or any("waiting, without queueing" in notice for notice in running.notices)
                or rows(both.behind, IN_BUILD) != []
            ),
            "it should wait, or come to its end",
        )
        for _ in range(10):
            for url in (both.behind, both.direct):
                with psycopg.connect(url, autocommit=True) as application:
                    application.execute("SET lock_timeout = '1s'")
                    for sql in USE:
                        application.execute(sql)
        if beside:
            running.join()
        else:
            assert running.thread.is_alive()
        reader.rollback()
    if not beside:
        running.join()
    assert running.error is None, running.error
    by_psycopg(both.direct, form.sql)
    one, other = (postgres.dump(name) for name in both.names)
    assert other == one
    assert rows(both.behind, LEFT) + rows(both.behind, INVALID) == []


# ---------------------------------------------------------------- in a transaction

IN_TRANSACTION: list[Sequence[str]] = [
    (KEY,),
    (KEY, "COMMENT ON CONSTRAINT fk ON ev IS 'x'"),
    (KEY, "ALTER TABLE ev DROP CONSTRAINT fk"),
    (KEY, "ALTER TABLE ev RENAME CONSTRAINT fk TO other"),
    (KEY, "SAVEPOINT s", "ALTER TABLE ev DROP CONSTRAINT fk", "ROLLBACK TO s"),
    (KEY, "INSERT INTO people VALUES (500, 'x')", "INSERT INTO ev VALUES (500, 15, 'x')"),
    (OF, "INSERT INTO ev VALUES (1, 41, 'x')", "CREATE INDEX ON new (id)", "COMMENT ON TABLE new IS 'x'"),
    (OF + "; INSERT INTO ev VALUES (1, 41, 'x')",),
    (OF, "DROP TABLE new"),
    (DETACH, "DROP TABLE ev_1"),
    (DETACH, "ALTER TABLE ev_1 RENAME TO old", "INSERT INTO old VALUES (1, 1, 'x')"),
    ("REINDEX TABLE people",),
    ("REINDEX INDEX people_pkey", "INSERT INTO people VALUES (500, 'x')"),
    ("REINDEX TABLE people; INSERT INTO people VALUES (500, 'x')",),
    ("REINDEX TABLE people", "DROP TABLE people CASCADE"),
    ("REINDEX SCHEMA public",),
    ("REINDEX TABLE ev",),
    (REFRESH, "CREATE TABLE found AS SELECT count(*) FROM seen"),
    (f"{REFRESH}; CREATE TABLE found AS SELECT count(*) FROM seen",),
]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("statements", IN_TRANSACTION, ids=[" / ".join(s)[:80] for s in IN_TRANSACTION])
def test_a_transaction_ends_as_it_would_directly(
    statements: Sequence[str], prepare: bool, postgres: Server, twins: Callable[[str], Twins]
) -> None:
    both = twins(VIEW)
    assert run(both.through, statements, prepare=prepare) == run(both.direct, statements, prepare=prepare)
    both.check()
    if rows(both.behind, "SELECT to_regclass('interlock.jobs')") != [None]:
        assert rows(both.behind, "SELECT statement FROM interlock.jobs WHERE state <> 'done'") == []


@pytest.mark.parametrize(("sql", "more"), [(ATTACH, NEW), (ATTACH, DEFAULT + NEW), (OF, DEFAULT)])
def test_what_the_transaction_would_miss_is_rejected_in_it(sql: str, more: str, twins: Callable[[str], Twins]) -> None:
    both = twins(more)
    before = both.server.dump(both.names[1])
    with psycopg.connect(both.through) as client:
        with pytest.raises(psycopg.Error) as caught:
            client.execute(sql)
        assert caught.value.sqlstate == "IL001"
        assert "outside a transaction" in str(caught.value)
        client.rollback()
    assert both.server.dump(both.names[1]) == before


def test_a_view_that_is_refreshed_in_a_transaction_can_be_read(twins: Callable[[str], Twins]) -> None:
    both = twins(VIEW)
    with psycopg.connect(both.through) as client:
        client.execute(REFRESH)
        assert client.execute("SELECT count(*) FROM seen").fetchone() == (101,)
        with psycopg.connect(both.behind, autocommit=True) as reader:
            reader.execute("SET lock_timeout = '1s'")
            assert reader.execute("SELECT count(*) FROM seen").fetchone() == (100,)
        with pytest.raises(psycopg.errors.UndefinedColumn) as caught:
            client.execute("SELECT nothing FROM seen")
        assert caught.value.diag.statement_position == "8"


def test_a_row_that_is_twice_in_a_view_is_told_as_directly(twins: Callable[[str], Twins]) -> None:
    both = twins(VIEW.replace("INSERT", "ALTER TABLE people DROP CONSTRAINT people_pkey; INSERT").replace("100", "99"))
    for opening in ("", "BEGIN"):
        told = []
        for url in (both.direct, both.through):
            with psycopg.connect(url, autocommit=True) as client:
                if opening:
                    client.execute(opening)
                with pytest.raises(psycopg.Error) as caught:
                    client.execute(REFRESH)
                told.append(
                    (caught.value.sqlstate, caught.value.diag.message_primary, caught.value.diag.constraint_name)
                )
        assert told[0] == told[1]


def test_a_reindex_that_waits_for_commit_and_is_interrupted_is_done_by_whoever_comes_next(
    twins: Callable[[str], Twins],
) -> None:
    both = twins("")
    with (
        psycopg.connect(both.behind) as reader,
        psycopg.connect(both.through, autocommit=True) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        report = pool.submit(reader.execute, "SELECT pg_sleep(100)")  # the build waits for its snapshot
        client.execute("BEGIN")
        client.execute("REINDEX TABLE people")
        answer = pool.submit(client.execute, "COMMIT")
        until(lambda: rows(both.behind, IN_BUILD) != [], "it should build")
        rows(both.behind, f"SELECT pg_terminate_backend(pid) FROM ({IN_BUILD}) AS b")
        with pytest.raises(psycopg.Error):
            answer.result(timeout=60)
        assert "people_pkey_ccnew" in rows(both.behind, INVALID)
        reader.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            report.result()
    with psycopg.connect(both.through, autocommit=True) as client:
        client.execute("SELECT 1")
    until(lambda: rows(both.behind, "SELECT state FROM interlock.jobs") == ["done"], "the next session should do it")
    assert rows(both.behind, INVALID) == []


# ---------------------------------------------------------------- keys to a partitioned table

REGIONS = """
CREATE TABLE regions (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE regions_1 PARTITION OF regions FOR VALUES FROM (0) TO (5);
CREATE TABLE regions_2 PARTITION OF regions FOR VALUES FROM (5) TO (100) PARTITION BY RANGE (id);
CREATE TABLE regions_2a PARTITION OF regions_2 FOR VALUES FROM (5) TO (50);
CREATE TABLE regions_3 PARTITION OF regions FOR VALUES FROM (100) TO (200);
INSERT INTO regions SELECT g FROM generate_series(0, 9) g;
CREATE TABLE orders (id int, region int);
INSERT INTO orders SELECT g, g % 10 FROM generate_series(1, 1000) g;
ANALYZE;
"""
TO_REGIONS = "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (region) REFERENCES regions ON UPDATE CASCADE"
ROWS = "SELECT count(*) FROM pg_constraint WHERE conname <> 'f' AND contype = 'f' AND NOT convalidated"
TRIED = [  # all that a key does, and whoever might look at whether it is valid
    "INSERT INTO orders VALUES (1, 77)",
    "UPDATE orders SET region = 88 WHERE id = 1",
    "DELETE FROM regions WHERE id = 3",
    "DELETE FROM regions_2a WHERE id = 7",
    "UPDATE regions SET id = 4000 WHERE id = 4",
    "TRUNCATE regions_1",
    "UPDATE regions SET id = id + 20 WHERE id = 9",
    "EXPLAIN SELECT FROM orders JOIN regions ON region = regions.id",
    "EXPLAIN SELECT FROM orders JOIN regions_1 ON region = regions_1.id",
    "EXPLAIN SELECT region, count(*) FROM orders GROUP BY region",
    "ALTER TABLE orders VALIDATE CONSTRAINT f",
    "ALTER TABLE regions DETACH PARTITION regions_1",
    "ALTER TABLE regions DETACH PARTITION regions_3",
    "INSERT INTO regions_3 VALUES (300)",
    "CREATE TABLE regions_4 (id int PRIMARY KEY)",
    "ALTER TABLE regions ATTACH PARTITION regions_4 FOR VALUES FROM (200) TO (300)",
    "DELETE FROM orders WHERE region < 5",
    "ALTER TABLE regions DETACH PARTITION regions_1",
    "DROP TABLE regions_1",
    "ALTER TABLE orders ALTER CONSTRAINT f DEFERRABLE",
    "ALTER TABLE orders RENAME CONSTRAINT f TO g",
    "ALTER TABLE regions DROP CONSTRAINT regions_pkey",
    "ALTER TABLE orders DROP CONSTRAINT g",
]


def tried(url: str) -> list[object]:
    said: list[object] = []
    with psycopg.connect(url, autocommit=True) as session:
        for sql in TRIED:
            try:
                cursor = session.execute(sql)
                said.append((sql, cursor.statusmessage, cursor.fetchall() if cursor.description else None))
            except psycopg.Error as error:
                said.append((sql, error.sqlstate, error.diag.message_primary))
    return said


def test_the_rows_that_validate_leaves_up_to_17_mean_nothing(
    postgres: Server, twins: Callable[[str], Twins], database: str
) -> None:
    """docs/limits.md: everything that can be done to the tables gives the same answers, and a dump that is restored has no such rows."""
    both = twins(REGIONS)
    by_psycopg(both.direct, TO_REGIONS)
    by_psycopg(both.through, TO_REGIONS)
    assert rows(both.direct, ROWS) == [0]
    assert rows(both.behind, ROWS) == [4 if postgres.version < 18 else 0]  # of every partition, at any remove
    assert rows(both.behind, UNFINISHED) == []
    with psycopg.connect(both.behind) as session:
        found = facts_for(session, statement_of("ALTER TABLE orders ADD COLUMN x int")).relations["orders",]
        assert all(constraint.validated for constraint in found.constraints.values())
    by_psycopg(
        database, "\n".join(x for x in postgres.dump(both.names[1]).splitlines() if "transaction_timeout" not in x)
    )
    assert rows(database, ROWS) == [0]
    assert tried(both.behind) == tried(both.direct)
    assert rows(both.behind, ROWS) == [0]
