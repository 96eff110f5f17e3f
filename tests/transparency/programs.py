"""PostgreSQL's own programs and what is seldom used of its protocol: each as one test, with what it has to say either way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import psycopg2

from tests.binaries import ServerError, client, run_client
from tests.transparency import sources
from tests.transparency.outcome import Outcome, Outcomes
from tests.transparency.ways import Place

HERE = Path(__file__).parent
ROWS = 20_000


Work = Callable[[Place, str], str]


def programs(place: Place, only: Sequence[Work] = ()) -> Outcomes:
    """Each as one test; of what an older server lacks, directly as well, the error is what is compared."""
    found = {}
    for work in only or WORK:
        database = place.server.create_database()
        try:
            found[work.__name__] = Outcome("passed", work(place, database))
        except (ServerError, psycopg.Error, psycopg2.Error, subprocess.SubprocessError, AssertionError) as error:
            found[work.__name__] = Outcome("failed", type(error).__name__, str(error)[-3000:])
    return found


def libpq_pipeline(place: Place) -> Outcomes:
    program = sources.libpq_pipeline(place.server.version)
    names = subprocess.run([program, "tests"], capture_output=True, text=True, check=True).stdout.split()
    found = {}
    for name in names:
        command = [program, name, place.url(place.server.create_database())]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        found[name] = Outcome("failed" if done.returncode else "passed", detail=done.stderr[-2000:])
    return found


def postgres_js(place: Place) -> Outcomes:
    modules = sources.node_packages("postgres-js", "postgres@3.4.9")
    env = {**os.environ, "URL": place.url(place.server.create_database()), "MODULES": str(modules.parent)}
    done = subprocess.run(
        ["node", str(HERE / "postgres_js.mjs")], env=env, capture_output=True, text=True, timeout=300, check=False
    )
    said = json.loads(done.stdout) if done.returncode == 0 else {"all of it": done.stderr[-3000:]}
    return {name: Outcome("failed" if done.returncode else "passed", json.dumps(value)) for name, value in said.items()}


def _pgbench(mode: str) -> Work:
    def pgbench(place: Place, database: str) -> str:
        url = place.url(database)
        run_client("pgbench", "-i", "-q", url=url)
        run_client("pgbench", "-M", mode, "-c", "8", "-j", "2", "-t", "250", "--failures-detailed", url=url)
        with place.server.connect(database) as session:
            sums = session.execute(
                "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = sum(delta), (SELECT sum(tbalance) FROM pgbench_tellers)"
                " = sum(delta), (SELECT sum(bbalance) FROM pgbench_branches) = sum(delta), count(*) FROM pgbench_history"
            ).fetchone()
        assert sums == (True, True, True, 2000), sums
        return str(sums)

    pgbench.__name__ = f"pgbench_{mode}"
    return pgbench


def _filled(place: Place, database: str) -> None:
    with place.server.connect(database) as session:
        session.execute("CREATE TABLE items (id int PRIMARY KEY, name text, at timestamptz, body bytea)")
        session.execute(
            f"INSERT INTO items SELECT g, 'n' || g, '2024-01-01'::timestamptz + g * interval '1 min', sha256(g::text::bytea)"
            f" FROM generate_series(1, {ROWS}) g"
        )
        session.execute("CREATE INDEX ON items (name)")
        session.execute("CREATE TABLE parts (item int REFERENCES items, n int, CHECK (n > 0))")
        session.execute("INSERT INTO parts SELECT g, g FROM generate_series(1, 1000) g")
        session.execute("CREATE VIEW few AS SELECT id FROM items WHERE id < 10")


def pg_dump(place: Place, database: str) -> str:
    _filled(place, database)
    text = run_client("pg_dump", url=place.url(database)).stdout
    kept = [line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
    return f"{len(kept)} lines {hashlib.sha256(chr(10).join(kept).encode()).hexdigest()}"


def pg_restore(place: Place, database: str) -> str:
    _filled(place, database)
    archive = place.folder / f"archive-{database}"
    run_client("pg_dump", "-Fd", "-j4", "-f", str(archive), url=place.url(database))
    target = place.server.create_database()
    done = run_client("pg_restore", "-j4", str(archive), url=place.url(target), check=False)
    dumped = place.server.dump(target, schema_only=False)
    assert dumped == place.server.dump(database, schema_only=False), "the copy differs"
    return f"{done.returncode} {hashlib.sha256(dumped.encode()).hexdigest()}"


def pg_basebackup(place: Place, database: str) -> str:
    target = place.folder / f"backup-{database}"
    url = place.url().rpartition("/")[0] + "/"  # it names no database
    command = [client("pg_basebackup"), "-d", url, "-D", target, "-X", "stream", "-c", "fast", "--no-sync"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if place.server.version < 18:  # the program of 18 looks for what an older backup has not
        return str(done.returncode)
    assert done.returncode == 0, done.stderr
    checked = subprocess.run([client("pg_verifybackup"), target], capture_output=True, text=True, check=False)
    return f"{checked.returncode} {checked.stdout.strip()}"


def logical_replication(place: Place, database: str) -> str:
    """A subscription of another database, whose walreceiver and table synchronisation connect this way."""
    _filled(place, database)
    target = place.server.create_database()
    tables = "CREATE TABLE items (id int PRIMARY KEY, name text, at timestamptz, body bytea)"
    with place.server.connect(database) as origin, place.server.connect(target) as subscriber:
        origin.execute("CREATE PUBLICATION p FOR TABLE items")
        origin.execute("SELECT pg_create_logical_replication_slot('transparency', 'pgoutput')")
        subscriber.execute(tables)
        conninfo = place.url(database)
        subscriber.execute(
            f"CREATE SUBSCRIPTION s CONNECTION '{conninfo}' PUBLICATION p WITH (create_slot = false, slot_name = transparency)"
        )
        origin.execute("UPDATE items SET name = upper(name) WHERE id % 3 = 0")
        origin.execute("DELETE FROM items WHERE id % 7 = 0 AND id > 1000")
        look = "SELECT md5(string_agg(i::text, ',' ORDER BY id)), count(*) FROM items i"
        wanted = origin.execute(look).fetchone()
        for _ in range(600):
            if (got := subscriber.execute(look).fetchone()) == wanted:
                break
            subscriber.execute("SELECT pg_sleep(0.1)")
        subscriber.execute("DROP SUBSCRIPTION s")
        assert got == wanted, f"{got}, not {wanted}"
    return str(got)


def listen_notify(place: Place, database: str) -> str:
    with psycopg.connect(place.url(database), autocommit=True) as ear, psycopg.connect(place.url(database)) as mouth:
        ear.execute("LISTEN news")
        for n in range(200):
            mouth.execute("SELECT pg_notify('news', %s)", (f"{n} " + "x" * (n * 30),))
            if n % 10 == 9:
                mouth.commit()
        heard = [notify.payload for notify in ear.notifies(timeout=60, stop_after=200)]
    return f"{len(heard)} {hashlib.sha256(chr(10).join(heard).encode()).hexdigest()}"


def large_objects(place: Place, database: str) -> str:
    """By libpq's functions: FunctionCall messages."""
    data = hashlib.sha256(b"seed").digest() * 100_000
    with contextlib.closing(psycopg2.connect(place.url(database))) as session:
        written = session.lobject(0, "wb")
        for at in range(0, len(data), 100_000):
            written.write(data[at : at + 100_000])
        written.close()
        session.commit()
        read = session.lobject(written.oid, "rb")
        read.seek(1_000_000)
        rest = read.read()
        read.close()
        session.lobject(written.oid).unlink()
        session.commit()
    assert rest == data[1_000_000:]
    return hashlib.sha256(rest).hexdigest()


def copy_binary(place: Place, database: str) -> str:
    _filled(place, database)
    digest = hashlib.sha256()
    with psycopg.connect(place.url(database)) as session, psycopg.connect(place.url(database)) as other:
        session.execute("CREATE TABLE copied (LIKE items)")
        with (
            other.cursor().copy("COPY (SELECT * FROM items ORDER BY id) TO STDOUT (FORMAT binary)") as out,
            session.cursor().copy("COPY copied FROM STDIN (FORMAT binary)") as into,
        ):
            for block in out:
                digest.update(block)
                into.write(bytes(block))
        row = session.execute("SELECT md5(string_agg(c::text, ',' ORDER BY id)), count(*) FROM copied c").fetchone()
    return f"{digest.hexdigest()} {row}"


def two_phase_commit(place: Place, database: str) -> str:
    said = []
    with place.server.connect(database) as direct:
        direct.execute("CREATE TABLE t (a int)")
        for n in range(20):
            with contextlib.closing(psycopg.connect(place.url(database))) as session:
                session.tpc_begin(session.xid(1, f"{database}-{n}", "b"))
                session.execute("INSERT INTO t VALUES (%s)", (n,))
                session.tpc_prepare()
            with psycopg.connect(place.url(database), autocommit=True) as session:
                (xid,) = [x for x in session.tpc_recover() if x.gtrid == f"{database}-{n}"]
                session.tpc_commit(xid) if n % 2 else session.tpc_rollback(xid)
        said = direct.execute(
            "SELECT array_agg(a ORDER BY a), (SELECT count(*) FROM pg_prepared_xacts) FROM t"
        ).fetchone()
    return str(said)


WORK = (
    _pgbench("simple"), _pgbench("extended"), _pgbench("prepared"), pg_dump, pg_restore, pg_basebackup, logical_replication,
    listen_notify, large_objects, copy_binary, two_phase_commit,
)  # fmt: skip
