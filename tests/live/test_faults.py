"""Whoever dies at whichever point of a plan, sending the migration again ends in the author's schema, with nothing left over.

An event trigger holds the server at the point: before a step has done anything, or when it has done all but its
COMMIT.  A concurrent build is held in its midst, by a snapshot that it waits for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests import proxies, servers
from tests.live.conftest import ORDERS, POLICY
from tests.live.plan_runner import plan_for
from tests.live.test_patience import until
from tests.live.test_undo import INVALID, LEFT, rows
from tests.proxies import Proxy
from tests.servers import Server

GATE = 4711
GATES = f"""
CREATE SCHEMA gates;
CREATE TABLE gates.shut (sql text, event text);
CREATE FUNCTION gates.wait() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gates.shut WHERE sql = current_query() AND event = tg_event) THEN
        WHILE NOT pg_try_advisory_xact_lock({GATE}) LOOP  -- to wait for it would be subject to lock_timeout
            PERFORM pg_sleep(0.05);
        END LOOP;
    END IF;
END $$;
CREATE EVENT TRIGGER gate_before ON ddl_command_start EXECUTE FUNCTION gates.wait();
CREATE EVENT TRIGGER gate_behind ON ddl_command_end EXECUTE FUNCTION gates.wait();
"""
EMPTY = """
DO $$ DECLARE r record; BEGIN
    FOR r IN SELECT oid::regclass AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
        AND NOT relispartition
    LOOP EXECUTE format('DROP TABLE IF EXISTS %s CASCADE', r.name); END LOOP;
END $$
"""
NO_GATES = "DROP EVENT TRIGGER gate_before; DROP EVENT TRIGGER gate_behind; DROP SCHEMA gates CASCADE"
AT_GATE = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
IN_BUILD = "SELECT pid FROM pg_locks WHERE locktype = 'virtualxid' AND NOT granted"
OTHERS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)

# Without a name, what is finished when its sender dies would come a second time, as it would without Interlock.
PLANS = [
    "CREATE INDEX i ON orders (email)",
    "CREATE UNIQUE INDEX u ON orders (email)",
    "DROP INDEX orders_total_idx",
    "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers",
    "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)",
    "ALTER TABLE orders ALTER email SET NOT NULL",
    "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email)",
    "ALTER TABLE orders ADD PRIMARY KEY (id, email)",
    "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0), ADD CONSTRAINT u UNIQUE (email)",
    "ALTER TABLE orders ADD COLUMN rate int DEFAULT 1, ADD CONSTRAINT c CHECK (rate > 0), ALTER total SET DEFAULT 7",
]
VICTIMS = ["client", "proxy", "session"]
THERE_ALREADY = ("42P07", "42710", "42701", "42704", "42P16")  # what the same statement says when it is sent twice


@dataclass
class Place:
    """A server, with an Interlock before it that may be killed."""

    server: Server
    folder: Path
    proxy: Proxy | None = None

    def through(self, database: str) -> str:
        if self.proxy is None or self.proxy.process.poll() is not None:
            (self.folder / "policy.yaml").write_text(POLICY)
            self.proxy = proxies.start(self.server, self.folder, policy=str(self.folder / "policy.yaml"))
        return self.proxy.url(database)

    def is_up(self) -> bool:
        with suppress(psycopg.Error), self.server.connect():
            return True
        return False


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Place]]:
    made: dict[int, Place] = {}
    yield made
    for place in made.values():
        if place.proxy is not None and place.proxy.process.poll() is None:
            place.proxy.stop()
        assert place.proxy is None or "Traceback" not in place.proxy.stderr_text()
        place.server.stop()


@pytest.fixture
def place(postgres: Server, places: dict[int, Place], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A server of its own: some tests make it restart."""
    if postgres.version not in places:
        server = servers.start(postgres.version, settings={"synchronous_commit": "on"})
        places[postgres.version] = Place(server, tmp_path_factory.mktemp("faults"))
    return places[postgres.version]


class Story:
    """One database in which one migration meets its faults; ``wanted`` is what it makes when it meets none.

    ``tables`` makes what it is about; ``waits_for`` is what an open transaction must have read for a build to wait for it.
    """

    def __init__(self, place: Place, sql: str, tables: str = ORDERS, waits_for: str = "customers") -> None:
        self.place, self.sql, self.tables = place, sql, tables
        self.waits_for = "orders" if "DROP INDEX" in sql else waits_for  # it waits for who may use the index
        name = place.server.create_database()
        self.direct = place.server.url(name)
        with psycopg.connect(self.direct, autocommit=True) as session:
            session.execute(tables)
            plan = plan_for(session, sql)
            assert plan is not None
            self.steps = plan.steps
            self.before = place.server.dump(self.direct, schema_only=False)
            session.execute(sql)
            self.wanted = place.server.dump(self.direct, schema_only=False)
        self.reset()

    def reset(self) -> None:
        with psycopg.connect(self.direct, autocommit=True) as session:
            session.execute(EMPTY)
            session.execute(self.tables)
            session.execute(GATES)

    @property
    def points(self) -> list[tuple[int, str]]:
        """Before each step, and in it; the point behind a step is the one before the next, and behind the last is the last's."""
        return [(number, where) for number in range(len(self.steps)) for where in ("before", "in")]

    @contextmanager
    def held_at(self, number: int, where: str) -> Iterator[str]:
        """While this lasts the migration stops there; gives the query that finds it stopping."""
        step = self.steps[number]
        holder = psycopg.connect(self.direct, autocommit=True)
        try:
            if where == "in" and not step.transaction:
                holder.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM {self.waits_for} LIMIT 1")
                yield IN_BUILD
            elif where == "late":  # it waits for who uses the table, but for no snapshot
                holder.execute(f"BEGIN; SELECT FROM {self.waits_for} LIMIT 1")
                yield IN_BUILD
            else:
                at = (
                    (step.statements[0], "ddl_command_start")
                    if where == "before"
                    else (step.statements[-1], "ddl_command_end")
                )
                holder.execute("INSERT INTO gates.shut VALUES (%s, %s)", at)
                holder.execute("SELECT pg_advisory_lock(%s)", (GATE,))
                yield AT_GATE
        finally:
            holder.close()  # a server that has restarted has forgotten it

    def open_gates(self) -> None:
        with psycopg.connect(self.direct, autocommit=True) as session:
            session.execute("DELETE FROM gates.shut")

    def send(self) -> str:
        """The migration, over the place's proxy: "" or the SQLSTATE."""
        try:
            with psycopg.connect(self.place.through(self.direct), autocommit=True) as client:
                client.execute(self.sql)
        except psycopg.Error as error:
            return error.diag.sqlstate or "lost"
        return ""

    def check(self, wanted: str, point: str = "") -> None:
        with psycopg.connect(self.direct, autocommit=True) as session:
            session.execute(NO_GATES)
        assert self.place.server.dump(self.direct, schema_only=False) == wanted, point
        assert rows(self.direct, LEFT) + rows(self.direct, INVALID) == []
        assert rows(self.direct, "SELECT objid FROM pg_locks WHERE locktype = 'advisory'") == []


@pytest.fixture
def story(request: pytest.FixtureRequest, place: Place) -> Iterator[Story]:
    one = Story(place, request.param)
    yield one
    place.server.drop_database(one.direct)


every_plan = pytest.mark.parametrize("story", PLANS, indirect=True, ids=[sql[:60] for sql in PLANS])

CLIENT = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(sys.argv[2])"


@pytest.mark.sampled(12)
@pytest.mark.parametrize("victim", VICTIMS)
@every_plan
def test_the_same_migration_again_completes(victim: str, story: Story) -> None:
    strike(story, victim, story.points)


# A crash takes seconds to recover from: the plan whose builds leave most behind, and the one with most kinds of steps.
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("story", [PLANS[0], PLANS[7]], indirect=True, ids=["index", "primary key"])
def test_after_a_crash_of_the_server_too(story: Story) -> None:
    strike(story, "server", story.points)


def strike(story: Story, victim: str, points: list[tuple[int, str]], already: tuple[str, ...] = THERE_ALREADY) -> None:
    """Kill the victim at each point; afterwards the same statement completes."""
    for number, where in points:
        with ThreadPoolExecutor(1) as pool:
            with story.held_at(number, where) as stopped:
                running = begin(story, victim, pool)
                kill(story, victim, running, stopped_at(story, stopped, f"step {number}: should stop {where} it"))
                story.open_gates()
            if isinstance(running, Future):
                running.result(timeout=60)  # it may have been told of its end, or have got through
        until(lambda: rows(story.direct, OTHERS) == [], "what was under way should end")
        answer = story.send()
        assert answer == "" or answer in already, f"step {number}, {where}: {answer}"
        story.check(story.wanted, f"step {number}, {where}: {answer}")
        story.reset()


def stopped_at(story: Story, stopped: str, what: str) -> int:
    """Wait until the migration has stopped; the pid of its backend."""
    found: list[object] = []
    until(lambda: bool(found.extend(rows(story.direct, stopped)) or found), what)
    return int(str(found[0]))


def begin(story: Story, victim: str, pool: ThreadPoolExecutor) -> Future[str] | subprocess.Popen[bytes]:
    url = story.place.through(story.direct)
    if victim == "client":
        return subprocess.Popen([sys.executable, "-c", CLIENT, url, story.sql], stderr=subprocess.DEVNULL)
    return pool.submit(story.send)


def kill(story: Story, victim: str, running: object, pid: int) -> None:
    match victim:
        case "client":
            assert isinstance(running, subprocess.Popen)
            running.kill()
            running.wait()
        case "proxy":
            assert story.place.proxy is not None
            story.place.proxy.kill()
        case "session":
            assert rows(story.direct, f"SELECT pg_terminate_backend({pid})") == [True]
        case "server":
            with psycopg.connect(story.direct, autocommit=True) as probe:
                os.kill(pid, signal.SIGKILL)  # Postgres then ends all its sessions, and recovers
                until(lambda: not is_alive(probe), "the server should notice")
            until(story.place.is_up, "the server should come up again")


def is_alive(session: psycopg.Connection) -> bool:
    with suppress(psycopg.Error):
        session.execute("SELECT 1")
        return True
    return False


@pytest.mark.sampled(5)
@every_plan
def test_a_cancel_at_each_point_takes_all_back(story: Story) -> None:
    for number, where in story.points:
        with (
            psycopg.connect(story.place.through(story.direct), autocommit=True) as client,
            ThreadPoolExecutor(1) as pool,
        ):
            with story.held_at(number, where) as stopped:
                running = pool.submit(client.execute, story.sql)
                stopped_at(story, stopped, f"step {number}: should stop {where} it")
                story.open_gates()
                client.cancel_safe()
                until(lambda s=stopped, r=running: r.done() or rows(story.direct, s) != [], "the way back")
            with pytest.raises(psycopg.errors.QueryCanceled) as caught:
                running.result(timeout=60)
            for name in ("lock_timeout", "statement_timeout"):
                assert client.execute(f"SHOW {name}").fetchone() == ("0",)
        if "DROP INDEX" in story.sql and where == "in":  # half dropped: nothing brings it back
            assert "DROP INDEX CONCURRENTLY orders_total_idx" in (caught.value.diag.message_hint or "")
            assert story.send() == ""
            story.check(story.wanted)
        else:
            story.check(story.before)
        story.reset()


# ---------------------------------------------------------------- what others do meanwhile


@pytest.mark.parametrize(
    ("meanwhile", "sqlstate"),
    [("DROP TABLE orders", "42P01"), ("ALTER TABLE orders RENAME TO bestellungen", "42P01")],
    ids=["dropped", "renamed"],
)
@pytest.mark.parametrize(
    "story", [PLANS[0], PLANS[4], PLANS[6], PLANS[7]], indirect=True, ids=["index", "check", "unique", "key"]
)
def test_a_table_that_goes_away_meanwhile(meanwhile: str, sqlstate: str, story: Story) -> None:
    """Between the verdict and the first step, where no lock of ours is held: the error is Postgres's, and the session usable."""
    with psycopg.connect(story.place.through(story.direct), autocommit=True) as client, ThreadPoolExecutor(1) as pool:
        with story.held_at(0, "before") as stopped:
            running = pool.submit(client.execute, story.sql)
            stopped_at(story, stopped, "it should stop")
            with psycopg.connect(story.direct, autocommit=True) as other:
                other.execute(meanwhile)
            story.open_gates()
        with pytest.raises(psycopg.Error) as caught:
            running.result(timeout=60)
        assert caught.value.sqlstate == sqlstate
        assert client.execute("SELECT 1").fetchone() == (1,)
    assert rows(story.direct, LEFT) + rows(story.direct, INVALID) == []


@pytest.mark.parametrize("story", [PLANS[0], PLANS[1]], indirect=True, ids=["index", "unique index"])
def test_another_session_creates_the_same_index_meanwhile(story: Story) -> None:
    """Straight to the server: the client hears that it is there, and it stays."""
    with ThreadPoolExecutor(1) as pool:
        with story.held_at(0, "before") as stopped:
            running = pool.submit(story.send)
            stopped_at(story, stopped, "it should stop")
            story.open_gates()
            with psycopg.connect(story.direct, autocommit=True) as other:
                other.execute(story.sql)
        assert running.result(timeout=60) == "42P07"
    story.check(story.wanted)


@pytest.mark.parametrize("story", [PLANS[1], PLANS[6]], indirect=True, ids=["unique index", "constraint"])
def test_a_build_for_which_there_is_no_room(story: Story) -> None:
    """temp_file_limit stands in for a full disk: the sort fails in the midst of the build, as it would there."""
    name = story.direct.rpartition("/")[2]
    with psycopg.connect(story.direct, autocommit=True) as session:
        session.execute(
            "INSERT INTO orders SELECT g, 1, 'more' || g, g, repeat('x', 9) FROM generate_series(6000, 60000) g"
        )
        before = story.place.server.dump(story.direct, schema_only=False)
        session.execute(f"ALTER DATABASE {name} SET temp_file_limit = '64kB'")
        session.execute(f"ALTER DATABASE {name} SET maintenance_work_mem = '1MB'")
        session.execute(f"ALTER DATABASE {name} SET max_parallel_maintenance_workers = 0")
    assert story.send() == "53400"
    assert rows(story.direct, LEFT) + rows(story.direct, INVALID) == []
    with psycopg.connect(story.direct, autocommit=True) as session:
        session.execute(f"ALTER DATABASE {name} RESET ALL")
    assert story.place.server.dump(story.direct, schema_only=False) == before
    assert story.send() == ""
