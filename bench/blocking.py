"""How long a migration holds up the application: the same migration as written, by an expert's hand, by a peer, and through Interlock.

While writers and readers work on a table of two million rows, each migration is run by every way; what the application's
statements felt meanwhile are the figures.  The application always talks to the server itself.

    python -m bench.blocking                                      starts a Postgres and an Interlock of its own
    python -m bench.blocking --url-direct URL --url-proxy URL     an empty database, and the same through Interlock
    python -m bench.blocking --picture docs/blocking.svg          draws latency over time, too
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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench import picture, writer
from bench.ways import WAYS, Migration, knows
from tests import proxies, servers

FELT_S = 0.05  # a statement that takes longer has been held up
KEY = "ALTER TABLE orders ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers (id)"

MIGRATIONS = (
    Migration(
        "CREATE INDEX",
        "CREATE INDEX orders_email_idx ON orders (email)",
        ("CREATE INDEX CONCURRENTLY orders_email_idx ON orders (email)",),
        "CREATE INDEX",
        after="DROP INDEX IF EXISTS orders_email_idx",
    ),
    Migration(
        "CREATE UNIQUE INDEX",
        "CREATE UNIQUE INDEX orders_email_key ON orders (email)",
        ("CREATE UNIQUE INDEX CONCURRENTLY orders_email_key ON orders (email)",),
        after="DROP INDEX IF EXISTS orders_email_key",
    ),
    Migration(
        "DROP INDEX behind a report",
        "DROP INDEX orders_total_idx",
        ("DROP INDEX CONCURRENTLY orders_total_idx",),
        "DROP INDEX",
        before="CREATE INDEX IF NOT EXISTS orders_total_idx ON orders (total)",
        after="DROP INDEX IF EXISTS orders_total_idx",
        behind="reader",
    ),
    Migration(
        "ADD FOREIGN KEY",
        "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id)",
        (f"{KEY} NOT VALID", "ALTER TABLE orders VALIDATE CONSTRAINT orders_customer_id_fkey"),
        "ADD FOREIGN KEY",
        after="DO $$ DECLARE k text; BEGIN FOR k IN SELECT conname FROM pg_constraint WHERE conrelid = 'orders'::regclass"
        " AND contype = 'f' LOOP EXECUTE format('ALTER TABLE orders DROP CONSTRAINT %I', k); END LOOP; END $$",
    ),
    Migration(
        "ADD CHECK",
        "ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total >= 0)",
        (
            "ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total >= 0) NOT VALID",
            "ALTER TABLE orders VALIDATE CONSTRAINT total_positive",
        ),
        "ADD CHECK",
        after="ALTER TABLE orders DROP CONSTRAINT IF EXISTS total_positive",
    ),
    Migration(
        "SET NOT NULL",
        "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL",
        (
            "ALTER TABLE orders ADD CONSTRAINT proof CHECK (customer_id IS NOT NULL) NOT VALID",
            "ALTER TABLE orders VALIDATE CONSTRAINT proof",
            "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL",
            "ALTER TABLE orders DROP CONSTRAINT proof",
        ),
        "SET NOT NULL",
        after="ALTER TABLE orders ALTER COLUMN customer_id DROP NOT NULL",
    ),
    Migration(
        "ADD UNIQUE",
        "ALTER TABLE orders ADD UNIQUE (email)",
        (
            "CREATE UNIQUE INDEX CONCURRENTLY orders_email_key ON orders (email)",
            "ALTER TABLE orders ADD CONSTRAINT orders_email_key UNIQUE USING INDEX orders_email_key",
        ),
        "ADD UNIQUE",
        after="ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_email_key",
    ),
    Migration(
        "ADD PRIMARY KEY",
        "ALTER TABLE orders ADD PRIMARY KEY (id)",
        (
            "CREATE UNIQUE INDEX CONCURRENTLY orders_pkey ON orders (id)",
            "ALTER TABLE orders ADD CONSTRAINT orders_pkey PRIMARY KEY USING INDEX orders_pkey",
        ),
        after="ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_pkey",
    ),
    Migration(
        "all in one transaction",
        "",
        (
            "CREATE INDEX CONCURRENTLY orders_email_idx ON orders (email)",
            f"{KEY} NOT VALID",
            "ALTER TABLE orders VALIDATE CONSTRAINT orders_customer_id_fkey",
            "ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total >= 0) NOT VALID",
            "ALTER TABLE orders VALIDATE CONSTRAINT total_positive",
            "ALTER TABLE orders ADD CONSTRAINT proof CHECK (customer_id IS NOT NULL) NOT VALID",
            "ALTER TABLE orders VALIDATE CONSTRAINT proof",
            "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL",
            "ALTER TABLE orders DROP CONSTRAINT proof",
            "CREATE UNIQUE INDEX CONCURRENTLY orders_email_key ON orders (email)",
            "ALTER TABLE orders ADD CONSTRAINT orders_email_key UNIQUE USING INDEX orders_email_key",
            "CREATE UNIQUE INDEX CONCURRENTLY orders_pkey ON orders (id)",
            "ALTER TABLE orders ADD CONSTRAINT orders_pkey PRIMARY KEY USING INDEX orders_pkey",
            "DROP INDEX CONCURRENTLY orders_total_idx",
        ),
        before="CREATE INDEX IF NOT EXISTS orders_total_idx ON orders (total)",
        after="DROP INDEX IF EXISTS orders_email_idx, orders_total_idx; ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_pkey,"
        " DROP CONSTRAINT IF EXISTS orders_email_key, DROP CONSTRAINT IF EXISTS total_positive,"
        " DROP CONSTRAINT IF EXISTS orders_customer_id_fkey, ALTER COLUMN customer_id DROP NOT NULL",
        several=(
            "BEGIN",
            "CREATE INDEX orders_email_idx ON orders (email)",
            KEY,
            "ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total >= 0)",
            "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL",
            "ALTER TABLE orders ADD UNIQUE (email)",
            "ALTER TABLE orders ADD PRIMARY KEY (id)",
            "DROP INDEX orders_total_idx",
            "COMMIT",
        ),
    ),
    *(
        Migration(
            f"ADD COLUMN behind a {behind}",
            "ALTER TABLE orders ADD COLUMN shipped_at timestamptz",
            ("ALTER TABLE orders ADD COLUMN shipped_at timestamptz",),
            "ADD COLUMN",
            after="ALTER TABLE orders DROP COLUMN IF EXISTS shipped_at",
            behind=behind,
        )
        for behind in ("reader", "writer", "sleeper")
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the application felt while a migration ran, and how long that took."""

    worst_ms: float
    p99_ms: float
    blocked_s: float  # how long at least one of its statements had been waiting for longer than FELT_S
    took_s: float
    line: picture.Line
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
    pipe.send(application.samples_s(start, end))


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


def measure(
    migration: Migration | None, way: str, url: str, *, application: str, load: Load, report_s: float
) -> Outcome:
    """Run a migration over ``url`` while the application works; None measures three seconds of quiet."""
    if migration:
        _execute(application, migration.before)
    with _application(application, load) as told:
        time.sleep(1)  # the application's first statements are slow: plans and pages are not cached yet
        others: list[threading.Thread] = []

        def begin() -> None:
            if migration and migration.behind:
                others.append(_in_the_way(application, migration.behind, report_s))

        if migration:
            start, end, error = WAYS[way](url, migration, begin)
        else:
            start, error = time.monotonic(), ""
            time.sleep(3)
            end = time.monotonic()
        for other in others:
            other.join()
        told.send((start, end))
        samples: list[tuple[float, float]] = told.recv()
    if migration:
        _execute(application, migration.after)
    took = sorted(t for _, t in samples)
    p99 = took[int(len(took) * 0.99)]
    line = [(began - start, t) for began, t in samples]
    return Outcome(1000 * took[-1], 1000 * p99, _blocked_s(samples), end - start, line, error)


def _blocked_s(samples: Sequence[tuple[float, float]]) -> float:
    """The length of all the times together in which a statement had waited for longer than FELT_S."""
    total, until = 0.0, 0.0
    for start, end in sorted((began + FELT_S, began + took) for began, took in samples if took > FELT_S):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _execute(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True, application_name="migration") as session:
        session.execute(sql.encode())


BEHIND = {
    "reader": ("SELECT id FROM orders LIMIT 1", "SELECT pg_sleep(%s)"),
    "writer": ("UPDATE orders SET note = 'busy' WHERE id = 1", "SELECT pg_sleep(%s)"),
    "sleeper": ("SELECT id FROM orders LIMIT 1", ""),  # idle in its transaction
}


def _in_the_way(url: str, what: str, seconds: float) -> threading.Thread:
    """A transaction that has used ``orders`` and stays open: returned when it holds its lock."""
    holding = threading.Event()
    first, then = BEHIND[what]

    def hold() -> None:
        with psycopg.connect(url, application_name=what) as session:
            session.execute(first.encode())
            holding.set()
            if then:
                session.execute(then.encode(), (seconds,))
            else:
                time.sleep(seconds)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    holding.wait()
    return thread


# ---------------------------------------------------------------- the table


def run(
    direct: str, proxy: str, chosen: list[Migration], ways: list[str], load: Load, report_s: float
) -> tuple[list[str], dict[str, dict[str, picture.Line]]]:
    """Measure everything, print the table row by row as it grows; what failed, and the lines of the picture."""
    quiet = measure(None, "", direct, application=direct, load=load, report_s=report_s)
    print(f"\nNo migration: worst {quiet.worst_ms:.0f} ms, p99 {quiet.p99_ms:.1f} ms.\n")
    print("| migration | way | worst | p99 | blocked | took |")
    print("|---|---|--:|--:|--:|--:|", flush=True)
    failed: list[str] = []
    panels: dict[str, dict[str, picture.Line]] = {}
    for migration in chosen:
        panels[migration.name] = {}
        for way in ways:
            if not knows(way, migration):
                continue
            url = proxy if way == "Interlock" else direct
            got = measure(migration, way, url, application=direct, load=load, report_s=report_s)
            panels[migration.name][way] = got.line
            if got.error and way == "Interlock":
                failed.append(f"{migration.name}: {got.error}")
            took = (
                f"failed: {got.error.removeprefix('django.db.utils.OperationalError: ')[:60]}"
                if got.error
                else f"{got.took_s:.1f} s"
            )
            cells = (
                migration.name,
                way,
                f"{got.worst_ms:,.0f} ms",
                f"{got.p99_ms:,.1f} ms",
                f"{got.blocked_s:.1f} s",
                took,
            )
            print("| " + " | ".join(cells) + " |", flush=True)
    return failed, panels


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
            proxy = proxies.start(server, Path(folder), forked=False)
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
    parser.add_argument("--report", type=float, default=6.0, help="seconds that who is in the way stays (%(default)s)")
    parser.add_argument("--ways", default=",".join(WAYS), help="which ways to run them (%(default)s)")
    parser.add_argument("--picture", type=Path, help="where to draw latency over time, as SVG")
    parser.add_argument("--only", default="", help="only migrations whose name contains this")
    parser.add_argument("--url-direct", help="a database on the server itself; orders and customers are made in it")
    parser.add_argument("--url-proxy", help="the same database through Interlock")
    arguments = parser.parse_args()
    if bool(arguments.url_direct) != bool(arguments.url_proxy):
        parser.error("--url-direct and --url-proxy go together")
    chosen = [migration for migration in MIGRATIONS if arguments.only.lower() in migration.name.lower()]
    if not chosen:
        parser.error(f"no migration is called {arguments.only!r}: {', '.join(m.name for m in MIGRATIONS)}")
    if unknown := set(arguments.ways.split(",")) - WAYS.keys():
        parser.error(f"no such way: {', '.join(unknown)}; there are {', '.join(WAYS)}")
    load = Load(arguments.writers, arguments.readers, arguments.rows)
    urls = contextlib.nullcontext((arguments.url_direct, arguments.url_proxy))
    try:
        with urls if arguments.url_direct else _own_servers(arguments.pg) as (direct, proxy):
            writer.prepare(direct, arguments.rows)
            print(_about(direct, load), flush=True)
            failed, panels = run(direct, proxy, chosen, arguments.ways.split(","), load, arguments.report)
    except (RuntimeError, psycopg.Error) as error:
        sys.exit(f"bench: {str(error).strip()}")
    if arguments.picture:
        arguments.picture.write_text(picture.svg(panels))
    if failed:
        sys.exit("failed:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
