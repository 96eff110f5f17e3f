"""No step of a plan both locks out writers from a table that was there and reads, builds or rewrites it.

Measured, not read from the plan: what Postgres says that it does (debug1), which tables it has read (its statistics of
the transaction), and which locks the session holds, at the end of a transaction or in the midst of a concurrent build.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psycopg
import pytest

from proxy.plans.plan import Lock, Step
from tests.live.part_cases import PARTS, make_tablespace
from tests.live.plan_cases import CASES, Case
from tests.live.plan_runner import EXISTING, Session, of_others, plan_for
from tests.live.test_patience import until
from tests.servers import Server

HELD = """
    SELECT l.relation, l.relation::regclass::text, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = %s AND l.granted AND c.relkind IN ('r', 'p', 'm') AND c.relnamespace <> 'pg_catalog'::regnamespace
        AND NOT (c.relkind = 'm' AND l.mode = 'ExclusiveLock')  -- a materialized view has no writers
"""
READ = "SELECT relid, seq_scan + coalesce(idx_scan, 0) FROM pg_stat_xact_user_tables"
TABLES_NOW = "SELECT oid FROM pg_class WHERE relkind IN ('r', 'p', 'm')"
WAITS = "SELECT FROM pg_locks WHERE pid = %s AND locktype = 'virtualxid' AND NOT granted"


@dataclass
class Measured:
    """``strong``: tables that were there before, by name, on which a lock is held that keeps writers out."""

    strong: dict[str, str] = field(default_factory=dict)
    work: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)  # of the strongly locked tables

    @property
    def is_hazard(self) -> bool:
        return bool(self.strong and (self.work or self.read))


class Ground:
    """A database in which one case at a time is tried, in a schema of its own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.url(server.create_database())
        make_tablespace(server)
        self.count = 0

    def session(self, case: Case) -> Session:
        self.count += 1
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA s{self.count}")
        session = Session(self.url, f"s{self.count}")
        for sql in (case.tables, case.before):
            if sql:
                session.execute(sql)
        return session

    def measure(self, session: Session, step: Step) -> Measured:
        """Run a step, which was not done before."""
        there = {oid for (oid,) in session.connection.execute(TABLES_NOW).fetchall()}
        if step.transaction or step.batch is not None:
            return self._transaction(session, step, there)
        found = Measured()
        for sql in step.statements:
            held, work = self._concurrently(session, sql, there)
            found.strong |= held
            found.work += work
        return found

    def _transaction(self, session: Session, step: Step, there: set[int]) -> Measured:
        names_before = set(session.connection.execute(EXISTING).fetchall())
        with session.watching() as work, session.connection.transaction():
            before = dict(session.connection.execute(READ).fetchall())  # of transactions not long ago, too
            if step.batch is not None:  # all batches together hold what each of them holds
                session.batch(step.batch)
            else:
                for sql in step.statements:
                    session.execute(sql)
            locked = strong(session.connection, session.connection.info.backend_pid, there)
            after = session.connection.execute(READ).fetchall()
            read = {oid for oid, scans in after if scans > before.get(oid, 0)}
            names = {name for oid, name, _ in locked if oid in read}
            done = of_others(work, names_before, step)
            return Measured({name: mode for _, name, mode in locked}, done, sorted(names))

    def _concurrently(self, session: Session, sql: str, there: set[int]) -> tuple[dict[str, str], list[str]]:
        """A build waits for every old snapshot, a drop for whoever has the table: there it stands still to be looked at."""
        pid = session.connection.info.backend_pid
        with psycopg.connect(self.url) as holder, psycopg.connect(self.url, autocommit=True) as other:
            holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            holder.execute("SELECT FROM pg_class LIMIT 1")
            if sql.upper().startswith("DROP") or "DETACH" in sql:
                tables = "pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p') AND nspname = %s"
                for (name,) in other.execute(
                    f"SELECT c.oid::regclass::text FROM {tables}", (session.schema,)
                ).fetchall():
                    holder.execute(f"LOCK TABLE ONLY {name} IN ACCESS SHARE MODE")
            with session.watching() as work, ThreadPoolExecutor(1) as pool:
                running = pool.submit(session.execute, sql)
                try:
                    until(lambda: running.done() or other.execute(WAITS, (pid,)).fetchone() is not None, sql)
                    if running.done():
                        assert "IF EXISTS" in sql.upper(), f"it did not wait: {running.exception() or sql}"
                    locked = strong(other, pid, there)
                finally:
                    holder.rollback()
                running.result(timeout=60)
            return {name: mode for _, name, mode in locked}, list(work)


def strong(connection: psycopg.Connection, pid: int, there: set[int]) -> list[tuple[int, str, str]]:
    held = connection.execute(HELD, (pid,)).fetchall()
    return [row for row in held if row[0] in there and Lock(row[2]).rank >= Lock.SHARE.rank]


@pytest.fixture(scope="module")
def grounds() -> Iterator[dict[int, Ground]]:
    made: dict[int, Ground] = {}
    yield made
    for ground in made.values():
        ground.server.drop_database(ground.url)


@pytest.fixture
def ground(postgres: Server, grounds: dict[int, Ground]) -> Ground:
    if postgres.version not in grounds:
        grounds[postgres.version] = Ground(postgres)
    return grounds[postgres.version]


EVERY = [*CASES, *PARTS]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", EVERY, ids=[f"{n}-{case.id}" for n, case in enumerate(EVERY)])
def test_any_step_works_or_locks_but_not_both(case: Case, ground: Ground) -> None:
    session = ground.session(case)
    try:
        plan = plan_for(session.connection, case.sql)
        assert plan is not None
        for step in plan.steps:
            if session.is_done(step):
                continue
            measured = ground.measure(session, step)
            assert not measured.is_hazard, f"{measured}\n{step.sql}"
            if not step.transaction or step.budget == "builds":
                assert not measured.strong, f"{measured}\n{step.sql}"
    finally:
        session.execute(f"DROP SCHEMA {session.schema} CASCADE")
        session.close()


HAZARDS = [
    "CREATE INDEX ON orders (email)",
    "ALTER TABLE orders ADD CHECK (total > 0)",
    "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers",
    "ALTER TABLE orders ALTER email SET NOT NULL",
    "ALTER TABLE orders ADD UNIQUE (email)",
    "ALTER TABLE orders ALTER parent TYPE bigint",
    "ALTER TABLE events ATTACH PARTITION later FOR VALUES FROM (100) TO (200)",
    "LOCK TABLE orders; SELECT count(*) FROM orders",
]


@pytest.mark.parametrize("sql", HAZARDS)
def test_any_hazard_is_seen_by_this_instrument(sql: str, ground: Ground) -> None:
    later = "CREATE TABLE later (id int, at int, kind text); INSERT INTO later SELECT g, g, '' FROM generate_series(100, 150) g"
    session = ground.session(Case("", before=later))
    try:
        step = Step(tuple(sql.split("; ")), Lock.ACCESS_EXCLUSIVE, "as written")
        assert ground.measure(session, step).is_hazard
    finally:
        session.execute(f"DROP SCHEMA {session.schema} CASCADE")
        session.close()
