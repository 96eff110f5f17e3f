"""How long a migration holds up the application: the same migration, run straight and through Interlock.

While writers and readers work on a table of two million rows, each migration is run by both ways; the worst latency
of any of the application's statements meanwhile is the figure.  The application always talks to the server itself.

    python -m bench.blocking                                      starts a Postgres and an Interlock of its own
    python -m bench.blocking --url-direct URL --url-proxy URL     an empty database, and the same through Interlock
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench import writer
from tests import proxies, servers


@dataclass(frozen=True, slots=True)
class Migration:
    """``sql`` is what the author wrote; ``before`` makes what it needs, ``after`` takes its effect back."""

    name: str
    sql: str
    before: str = "SELECT 1"
    after: str = "SELECT 1"
    behind_reader: bool = False  # a report reads the table when the migration arrives


MIGRATIONS = (
    Migration(
        "CREATE INDEX", "CREATE INDEX orders_email_idx ON orders (email)", after="DROP INDEX IF EXISTS orders_email_idx"
    ),
    Migration(
        "CREATE UNIQUE INDEX",
        "CREATE UNIQUE INDEX orders_email_key ON orders (email)",
        after="DROP INDEX IF EXISTS orders_email_key",
    ),
    Migration(
        "DROP INDEX behind a report",
        "DROP INDEX orders_total_idx",
        before="CREATE INDEX IF NOT EXISTS orders_total_idx ON orders (total)",
        after="DROP INDEX IF EXISTS orders_total_idx",
        behind_reader=True,
    ),
    Migration(
        "ADD FOREIGN KEY",
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id)",
        after="ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_customer_id_fkey",
    ),
    Migration(
        "ADD CHECK",
        "ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total >= 0)",
        after="ALTER TABLE orders DROP CONSTRAINT IF EXISTS total_positive",
    ),
    Migration(
        "SET NOT NULL",
        "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL",
        after="ALTER TABLE orders ALTER COLUMN customer_id DROP NOT NULL",
    ),
    Migration(
        "ADD UNIQUE",
        "ALTER TABLE orders ADD UNIQUE (email)",
        after="ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_email_key",
    ),
    Migration(
        "ADD PRIMARY KEY",
        "ALTER TABLE orders ADD PRIMARY KEY (id)",
        after="ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_pkey",
    ),
    Migration(
        "ADD COLUMN behind a report",
        "ALTER TABLE orders ADD COLUMN shipped_at timestamptz",
        after="ALTER TABLE orders DROP COLUMN IF EXISTS shipped_at",
        behind_reader=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the application felt while a migration ran, and how long that took."""

    worst_ms: float
    p99_ms: float
    statements: int
    took_s: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    writers: int
    readers: int
    rows: int


# ---------------------------------------------------------------- the application, in a process of its own


def _apply_load(url: str, load: Load, pipe: multiprocessing.connection.Connection) -> None:
    """Work until told to stop; answer each (start, end) with the latencies of that time."""
    application = writer.Application(url, writers=load.writers, readers=load.readers, rows=load.rows)
    application.start()
    pipe.send("started")
    start, end = pipe.recv()
    application.stop()
    pipe.send(application.latencies_s(start, end))


@contextlib.contextmanager
def _application(url: str, load: Load) -> Iterator[multiprocessing.connection.Connection]:
    # Spawned, not threads here: the migration's own waiting must not share an interpreter with the clock.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_apply_load, args=(url, load, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        ours.recv()
        yield ours
    finally:
        process.join(30)
        if process.is_alive():
            process.kill()
        ours.close()


# ---------------------------------------------------------------- one migration, one way


def measure(migration: Migration | None, *, application: str, by: str, load: Load, report_s: float) -> Outcome:
    """Run a migration over the URL ``by`` while the application works; None measures three seconds of quiet."""
    if migration:
        _execute(application, migration.before)
    with _application(application, load) as told:
        time.sleep(1)  # the application's first statements are slow: plans and pages are not cached yet
        reader = _report(application, report_s) if migration and migration.behind_reader else None
        start = time.monotonic()
        error = ""
        try:
            if migration:
                _execute(by, migration.sql)
            else:
                time.sleep(3)
        except psycopg.Error as failure:
            error = str(failure).strip().splitlines()[0]
        end = time.monotonic()
        if reader:
            reader.join()
        told.send((start, end))
        latencies = told.recv()
    if migration:
        _execute(application, migration.after)
    p99 = latencies[int(len(latencies) * 0.99)]
    return Outcome(1000 * latencies[-1], 1000 * p99, len(latencies), end - start, error)


def _execute(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True, application_name="migration") as session:
        session.execute(sql.encode())


def _report(url: str, seconds: float) -> threading.Thread:
    """A transaction that has read ``orders`` and stays open: returned when it holds its lock."""
    reading = threading.Event()

    def read() -> None:
        with psycopg.connect(url, application_name="report") as session:
            session.execute("SELECT id FROM orders LIMIT 1")
            reading.set()
            session.execute("SELECT pg_sleep(%s)", (seconds,))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    reading.wait()
    return thread


# ---------------------------------------------------------------- the table


def run(direct: str, proxy: str, chosen: list[Migration], load: Load, report_s: float) -> list[str]:
    """Measure everything, print the table row by row as it grows, and return what failed."""
    quiet = measure(None, application=direct, by=direct, load=load, report_s=report_s)
    print(f"\nNo migration: worst {quiet.worst_ms:.0f} ms, p99 {quiet.p99_ms:.1f} ms.\n")
    print("| migration | direct: worst | p99 | took | Interlock: worst | p99 | took |")
    print("|---|--:|--:|--:|--:|--:|--:|", flush=True)
    failed = []
    for migration in chosen:
        cells = [migration.name]
        for way, by in (("direct", direct), ("through Interlock", proxy)):
            got = measure(migration, application=direct, by=by, load=load, report_s=report_s)
            if got.error:
                failed.append(f"{migration.name} {way}: {got.error}")
            cells += [
                f"{got.worst_ms:,.0f} ms",
                f"{got.p99_ms:,.1f} ms",
                "failed" if got.error else f"{got.took_s:.1f} s",
            ]
        print("| " + " | ".join(cells) + " |", flush=True)
    return failed


def _about(url: str, load: Load) -> str:
    with psycopg.connect(url) as session:
        version = session.info.parameter_status("server_version")
        (fsync,) = session.execute("SELECT current_setting('fsync')").fetchone() or ("?",)
    clients = f"{load.writers} writers and {load.readers} readers straight to the server"
    return f"Postgres {version}, {load.rows:,} rows, {clients}, {os.cpu_count()} cores for everything, fsync {fsync}."


@contextlib.contextmanager
def _own_servers(version: int) -> Iterator[tuple[str, str]]:
    """A Postgres with its default settings but for fsync, and an Interlock before it."""
    server = servers.start(
        version, settings={"log_statement": "none", "max_wal_size": "4GB", "synchronous_commit": "on"}
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            proxy = proxies.start(server, Path(folder))
            try:
                name = server.create_database()
                yield server.url(name), proxy.url(name)
            finally:
                proxy.stop()
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the table (%(default)s)")
    parser.add_argument("--pg", type=int, default=18, choices=servers.VERSIONS, help="version of the own Postgres")
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--report", type=float, default=5.0, help="seconds that the report reads (%(default)s)")
    parser.add_argument("--only", default="", help="only migrations whose name contains this")
    parser.add_argument("--url-direct", help="a database on the server itself; orders and customers are made in it")
    parser.add_argument("--url-proxy", help="the same database through Interlock")
    arguments = parser.parse_args()
    if bool(arguments.url_direct) != bool(arguments.url_proxy):
        parser.error("--url-direct and --url-proxy go together")
    chosen = [migration for migration in MIGRATIONS if arguments.only.lower() in migration.name.lower()]
    if not chosen:
        parser.error(f"no migration is called {arguments.only!r}: {', '.join(m.name for m in MIGRATIONS)}")
    load = Load(arguments.writers, arguments.readers, arguments.rows)
    urls = contextlib.nullcontext((arguments.url_direct, arguments.url_proxy))
    try:
        with urls if arguments.url_direct else _own_servers(arguments.pg) as (direct, proxy):
            writer.prepare(direct, arguments.rows)
            print(_about(direct, load), flush=True)
            failed = run(direct, proxy, chosen, load, arguments.report)
    except (RuntimeError, psycopg.Error) as error:
        sys.exit(f"bench: {str(error).strip()}")
    if failed:
        sys.exit("failed:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
