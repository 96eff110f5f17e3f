"""Many proxies, and many jobs that one of them has left: each is done once, whoever dies meanwhile."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.forked import ROOT, bare_environment
from tests.live.conftest import POLICY
from tests.proxies import Proxy
from tests.servers import Server, database_name

TABLES = 10
DONE = "SELECT count(*) FROM interlock.jobs WHERE state = 'done'"
STATES = "SELECT state, count(*) FROM interlock.jobs GROUP BY state"
VALID = "SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid::regclass::text ~ '^i[0-9]'"
HURRIED = "from proxy.session import group; group.AGAIN_S = 1.0; from proxy.cli import main; main()"
LEFT = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("many", "number"), [(3, 12), pytest.param(10, 100, marks=pytest.mark.sampled(1 << 30))], ids=["few", "many"]
)
def test_each_job_is_done_and_by_one(
    many: int, number: int, database: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    with psycopg.connect(database, autocommit=True) as looking:
        for n in range(TABLES):
            looking.execute(f"CREATE TABLE t{n} AS SELECT g AS a FROM generate_series(1, 20) g")
        name = database_name(database)
        first = start_proxy(policy=policy)
        lock, work = (psycopg.connect(first.url(name), autocommit=True) for _ in range(2))
        with contextlib.closing(lock), contextlib.closing(work):
            lock.execute("BEGIN; SELECT 1")  # and stays in its transaction, so that the jobs are left
            work.execute("BEGIN")
            for n in range(number):
                work.execute(f"CREATE INDEX i{n} ON t{n % TABLES} (a)")
            work.execute("COMMIT")
            assert looking.execute(STATES).fetchall() == [("waiting", number)]
            first.kill()
        proxies = [start_proxy(policy=policy) for _ in range(many)]
        ended = threading.Event()
        threads = [threading.Thread(target=_use, args=(one.url(name), ended), daemon=True) for one in proxies]
        for thread in threads:
            thread.start()
        try:
            until(looking, DONE, lambda done: done > 0)
            proxies[0].kill()
            until(looking, DONE, lambda done: done == number)
        finally:
            ended.set()
            for thread in threads:
                thread.join(30)
        assert looking.execute(VALID).fetchone() == (number,)
        assert looking.execute(LEFT).fetchone() == (0,)
        tried = looking.execute("SELECT sum(attempts - 1), max(attempts) FROM interlock.jobs").fetchone()
        assert tried is not None
        assert tried[0] <= 1  # what the one that was killed had begun
        until(looking, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", lambda claims: claims == 0)


@pytest.fixture
def hurried(postgres: Server, tmp_path: Path) -> Iterator[Proxy]:
    """An Interlock that looks every second, not every minute, for what others have left."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    command = [sys.executable, "-c", HURRIED, "serve", "--listen", "127.0.0.1:0", "--upstream", postgres.url()]
    command += ["--policy", str(tmp_path / "policy.yaml")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=bare_environment())
    proxy = Proxy(postgres, tmp_path / "audit.jsonl", process)
    proxy.wait_ready(20)
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("comes", ["a session", "DDL", "another's transaction"])
def test_a_proxy_with_steady_sessions_does_what_a_dead_one_has_left(
    comes: str, database: str, hurried: Proxy, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    name = database_name(database)
    with (
        psycopg.connect(database, autocommit=True) as looking,
        psycopg.connect(hurried.url(name), autocommit=True) as steady,
    ):
        looking.execute("CREATE TABLE t AS SELECT g AS a FROM generate_series(1, 20) g")
        steady.execute("SELECT 1")  # nothing is there yet
        dying = start_proxy(policy=tmp_path / "policy.yaml")
        lock, work = (psycopg.connect(dying.url(name), autocommit=True) for _ in range(2))
        with contextlib.closing(lock), contextlib.closing(work):
            lock.execute("BEGIN; SELECT 1")
            work.execute("BEGIN; CREATE INDEX i1 ON t (a)")
            work.execute("COMMIT")
            dying.kill()
        until(looking, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()", lambda n: n == 2)
        time.sleep(1.1)
        if comes == "DDL":
            steady.execute("CREATE TABLE nn (x int)")
        elif comes == "a session":
            with psycopg.connect(hurried.url(name), autocommit=True) as new:
                new.execute("SELECT 1")
                assert looking.execute(DONE).fetchone() == (1,)
        else:
            steady.execute("BEGIN; SELECT 1")
            with psycopg.connect(hurried.url(name), autocommit=True) as new:
                new.execute("SELECT 1")
            assert looking.execute(DONE).fetchone() == (0,)  # not while one of the group is in a transaction
            steady.execute("COMMIT")
        assert looking.execute(DONE).fetchone() == (1,)


def until(looking: psycopg.Connection, question: str, answer: Callable[[int], bool]) -> None:
    deadline = time.monotonic() + 200
    while not answer(found := looking.execute(question.encode()).fetchall()[0][0]):
        assert time.monotonic() < deadline, (question, found)
        time.sleep(0.05)


def _use(url: str, ended: threading.Event) -> None:
    """An application of that login: whenever it is in no transaction, a job may be done on its connection."""
    try:
        with psycopg.connect(url, autocommit=True) as session:
            while not ended.wait(0.01):
                session.execute("BEGIN; SELECT 1; COMMIT")
    except psycopg.OperationalError:
        pass  # its proxy was killed
