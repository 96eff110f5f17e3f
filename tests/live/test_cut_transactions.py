"""Whoever dies at whichever message of a migration in a transaction: the jobs are there if and only if it was committed,
and whoever comes next does them.

``make cuts`` cuts at every message of every form, for every victim; ``make cuts N=25`` at so many of each; ``make test`` at a few.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from proxy.cli import main
from tests import proxies
from tests.live.conftest import POLICY
from tests.live.cutter import Cutter
from tests.live.raw import Ended, Raw
from tests.live.stories import TABLES
from tests.live.test_patience import until
from tests.live.test_same_transactions import INVALID, Flight, send
from tests.proxies import Proxy
from tests.servers import Server

CUTS = os.environ.get("INTERLOCK_CUTS", "")  # points of each form, or "all"
SAMPLE = 2
VICTIMS = ("proxy", "session", "client")
FIRST = (
    "INSERT INTO customers VALUES (500, 'committed', 500)",
    "CREATE INDEX i1 ON orders (email)",
    "SAVEPOINT a",
    "CREATE INDEX given_up ON orders (id)",
    "ROLLBACK TO a",
    "ALTER TABLE orders ADD CONSTRAINT u1 UNIQUE (id), ADD CONSTRAINT f1 FOREIGN KEY (customer_id) REFERENCES customers",
    "ALTER TABLE orders ALTER email SET NOT NULL, ADD COLUMN y int NOT NULL DEFAULT (random() * 0)::int",
    "DROP INDEX orders_total_idx",
    "COMMENT ON INDEX i1 IS 'x'",
    "ALTER TABLE schema_migrations ADD CONSTRAINT c1 CHECK (version <> '')",  # run just before COMMIT
    "SELECT conname FROM pg_constraint WHERE conname = 'c1'",  # sees it before
)
BEHIND = (  # what comes as it is written, behind what waits
    "INSERT INTO customers VALUES (500, 'committed', 500)",
    "CREATE UNIQUE INDEX i1 ON orders (id)",
    "ALTER INDEX i1 RENAME TO i2",
    "ALTER TABLE orders ADD CONSTRAINT u UNIQUE USING INDEX i2",
    "ALTER TABLE orders RENAME CONSTRAINT u TO u1",
    "CREATE TABLE lines (o bigint REFERENCES orders (id))",
    "ALTER TABLE base ADD FOREIGN KEY (id) REFERENCES orders (id) NOT VALID",
    "ALTER TABLE orders ADD COLUMN y int DEFAULT (random() * 0)::int",
    "ALTER TABLE orders ADD CHECK (y >= 0) NOT VALID",
    "ALTER TABLE orders ADD CHECK (y > -1), ALTER y SET NOT NULL",
)
MIGRATIONS = {"first": (FIRST, 6), "behind": (BEHIND, 9)}
"""What is sent between BEGIN and COMMIT, and how many jobs that makes."""
WAYS = {"simple": "simple", "extended": "extended", "one string": "string", "one Sync": "pipeline"}
OTHERS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)

pytestmark = pytest.mark.slow


@dataclass
class Place:
    """A server, a relay before it, and an Interlock before that, which may be killed."""

    server: Server
    folder: Path
    cutter: Cutter
    proxy: Proxy | None = None
    before: str = ""
    wanted: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = self.server.create_database()
        self.looking = psycopg.connect(self.server.url(self.name), autocommit=True)
        (self.folder / "policy.yaml").write_text(POLICY)
        self.reset()
        self.before = self.server.dump(self.name, schema_only=False)
        for called, (statements, _) in MIGRATIONS.items():
            for sql in statements:
                if "SAVEPOINT" not in sql and "given_up" not in sql and "ROLLBACK" not in sql:
                    self.looking.execute(sql)
            self.wanted[called] = self.server.dump(self.name, schema_only=False)
            self.reset()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        return self.looking.execute(sql).fetchall()

    def reset(self) -> None:
        self.looking.execute(
            "SET client_min_messages = warning; DROP SCHEMA IF EXISTS interlock, aside, public CASCADE; CREATE SCHEMA public"
        )
        self.looking.execute(TABLES)

    def url(self) -> str:
        if self.proxy is None or self.proxy.process.poll() is not None:
            upstream = f"postgresql://postgres@127.0.0.1:{self.cutter.port}/postgres?sslmode=disable"
            self.proxy = proxies.start(
                self.server, self.folder, "--upstream", upstream, policy=str(self.folder / "policy.yaml")
            )
        return self.proxy.url(self.name)

    def migrate(self, called: str, form: str, at: int, victim: str, *, tag: bytes = b"") -> int:
        """Send a migration; the victim dies at a message of it.  How many messages there were."""
        url = self.url()
        self.cutter.arm(at, tag=tag)
        with Raw(url) as raw, ThreadPoolExecutor(1) as pool:
            sent = pool.submit(_play, raw, Flight(WAYS[form], ("BEGIN", *MIGRATIONS[called][0], "COMMIT")))
            until(lambda: sent.done() or self.cutter.reached.is_set(), f"{form}, {at}: it should come so far")
            if self.cutter.reached.is_set():
                self._kill(victim, raw)
            sent.result(timeout=60)
        until(lambda: self.rows(OTHERS) == [], f"{form}, {at}, {victim}: what is under way should end")
        return self.cutter.count

    def _kill(self, victim: str, raw: Raw) -> None:
        match victim:
            case "proxy":
                assert self.proxy is not None
                self.proxy.kill()
            case "session":
                for (pid,) in self.rows(OTHERS):
                    self.rows(f"SELECT pg_terminate_backend({pid})")
            case _:
                raw.reset()
        self.cutter.release(cuts=victim == "proxy")

    def check(self, called: str, point: str, *, by_command: bool) -> bool:
        """What is there; whether it was committed."""
        committed = self.rows("SELECT count(*) FROM customers WHERE id = 500") == [(1,)]
        there = self.rows("SELECT to_regclass('interlock.jobs') IS NOT NULL") == [(True,)]
        jobs = self.rows("SELECT state, statement, error FROM interlock.jobs ORDER BY id") if there else []
        assert len(jobs) == (MIGRATIONS[called][1] if committed else 0), (point, jobs)
        assert not [job for job in jobs if job[0] in ("failed", "cancelled")], (point, jobs)
        if by_command:
            url = self.server.url(self.name)
            ran = CliRunner().invoke(main, ["jobs", "run", "--wait", "--database", url])
            assert ran.exit_code == 0, (point, ran.output)
        elif committed:
            with psycopg.connect(self.url(), autocommit=True) as session:
                session.execute("SELECT 1")
                until(lambda: self.rows("SELECT FROM interlock.jobs WHERE state <> 'done'") == [], f"{point}: the rest")
        assert self.server.dump(self.name, schema_only=False) == (self.wanted[called] if committed else self.before), (
            point
        )
        assert self.rows(INVALID) == [], point
        until(lambda: self.rows("SELECT objid FROM pg_locks WHERE locktype = 'advisory'") == [], f"{point}: locks")
        return committed


def test_when_the_answer_to_commit_is_lost_the_next_session_of_the_same_proxy_does_the_jobs(place: Place) -> None:
    place.reset()
    place.migrate("first", "simple", 0, "session", tag=b"COMMIT")
    assert place.rows("SELECT count(*) FROM interlock.jobs WHERE state = 'waiting'") == [(MIGRATIONS["first"][1],)]
    assert place.check("first", "the answer to COMMIT is lost", by_command=False)


def _play(raw: Raw, flight: Flight) -> None:
    with contextlib.suppress(Ended, OSError, ValueError):
        send(raw, flight)


@pytest.fixture(scope="module")
def places() -> Iterator[dict[int, Place]]:
    made: dict[int, Place] = {}
    yield made
    for place in made.values():
        if place.proxy is not None and place.proxy.process.poll() is None:
            place.proxy.stop()
        place.looking.close()
        place.cutter.close()


@pytest.fixture
def place(postgres: Server, places: dict[int, Place], tmp_path_factory: pytest.TempPathFactory) -> Place:
    if postgres.version not in places:
        cutter = Cutter(("127.0.0.1", postgres.port))
        places[postgres.version] = Place(postgres, tmp_path_factory.mktemp("cuts"), cutter)
    return places[postgres.version]


@pytest.mark.timeout(20_000 if CUTS else 180)
@pytest.mark.parametrize("form", WAYS)
@pytest.mark.parametrize("called", MIGRATIONS)
def test_cut_at_a_message(called: str, form: str, place: Place) -> None:
    place.reset()
    messages = place.migrate(called, form, 0, "")
    print(called, form, messages)
    assert place.check(called, f"{form}, uncut", by_command=True)
    many = messages if CUTS == "all" else int(CUTS or SAMPLE)
    points = range(1, messages + 1, -(-messages // many))
    committed = 0
    victims = VICTIMS if CUTS else ("",)
    for number, at in enumerate(points):
        for victim in victims:
            place.reset()
            one = victim or VICTIMS[(number + len(form)) % 3]
            place.migrate(called, form, at, one)
            committed += place.check(called, f"{form}, message {at} of {messages}, {one}", by_command=number % 2 == 0)
    assert committed > 0
    assert not CUTS or committed < len(points) * len(victims)
