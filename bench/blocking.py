"""How long a migration holds up the application: the same migration as written, by an expert's hand, by a peer, and through Interlock.

While writers and readers work on a table of two million rows, each migration is run by every way; what the application's
statements felt meanwhile are the figures.  The application always talks to the server itself.

    python -m bench.blocking                                      starts a Postgres and an Interlock of its own
    python -m bench.blocking --rounds 5                           each way five times by turns: for how long it took
    python -m bench.blocking --writers 150 --readers 50           200 connections
    python -m bench.blocking --partitions 50                      the same table in 50 parts
    python -m bench.blocking --url-direct URL --url-proxy URL     an empty database, and the same through Interlock
    python -m bench.blocking --picture docs/blocking.svg          draws latency over time, too
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench import picture, writer
from bench.migrations import migrations
from bench.ways import WAYS, Migration, Ran, knows
from tests import proxies, servers

SETTINGS = {
    "log_statement": "none",
    "max_wal_size": "4GB",
    "min_wal_size": "2GB",
    "synchronous_commit": "on",
    "max_connections": "300",
}
ORDERS = writer.Statements()
SEGMENTS = 64  # of the server's log, which are there to be used again
FELT_S = 0.05  # a statement that takes longer has been held up
POLICY = (
    "version: 1\nextends: recommended\nrules: { column-type-rewrite: rewrite }\n"  # which only who asks for it gets
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
    partitions: int = 0
    statements: writer.Statements = ORDERS


# ---------------------------------------------------------------- the application, in a process of its own


def _apply_load(url: str, load: Load, pipe: multiprocessing.connection.Connection) -> None:
    """Work until told to stop; answer each (start, end) with the latencies of that time."""
    chosen = {"writers": load.writers, "readers": load.readers, "rows": load.rows}
    application = writer.Application(url, **chosen, statements=load.statements)
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
    if migration is None:
        return while_working(application, load, nothing)
    _execute(application, *migration.before)
    others: list[threading.Thread] = []

    def begin() -> None:
        if migration.behind:
            others.append(_in_the_way(application, migration.behind, report_s))

    def act() -> Ran:
        ran = WAYS[way](url, migration, begin)
        for other in others:
            other.join()
        return ran

    outcome = while_working(application, load, act)
    _execute(
        application, *migration.after, "CHECKPOINT"
    )  # or the next one would meet it, and find each page a first time in the log
    return outcome


def nothing() -> Ran:
    """Three seconds of quiet."""
    start = time.monotonic()
    time.sleep(3)
    return start, time.monotonic(), ""


def while_working(url: str, load: Load, act: Callable[[], Ran]) -> Outcome:
    """What the application feels while something is done."""
    with _application(url, load) as told:
        time.sleep(1)  # the application's first statements are slow: plans and pages are not cached yet
        start, end, error = act()
        told.send((start, end))
        samples: list[tuple[float, float]] = told.recv()
    took = sorted(t for _, t in samples)
    if not took:  # it was over before anybody had sent a statement
        took = [0.0]
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


def _execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True, application_name="migration") as session:
        for sql in statements:
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


COLUMNS = ("migration", "way", "worst", "above quiet", "p99", "blocked", "took", "of by hand")


def run(
    direct: str, proxy: str, chosen: Sequence[Migration], ways: list[str], load: Load, report_s: float, rounds: int
) -> tuple[list[str], dict[str, dict[str, picture.Line]]]:
    """Measure everything, print the table row by row as it grows; what failed, and the lines of the picture."""
    quiet = measure(None, "", direct, application=direct, load=load, report_s=report_s)
    print(f"\nNo migration: worst {quiet.worst_ms:.0f} ms, p99 {quiet.p99_ms:.1f} ms.\n")
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---|---" + "|--:" * (len(COLUMNS) - 2) + "|", flush=True)
    failed: list[str] = []
    panels: dict[str, dict[str, picture.Line]] = {}
    for migration in chosen:
        known = [way for way in ways if knows(way, migration)]
        every: dict[str, list[Outcome]] = {way: [] for way in known}
        for _ in range(rounds):  # by turns, for the table is never quite the same again, nor is the machine
            for way in known:
                url = proxy if way == "Interlock" else direct
                every[way].append(measure(migration, way, url, application=direct, load=load, report_s=report_s))
        panels[migration.name] = {way: got[0].line for way, got in every.items()}
        for way in known:
            error = next((one.error for one in every[way] if one.error), "")
            if error and way == "Interlock":
                failed.append(f"{migration.name}: {error}")
            print(f"| {' | '.join(_cells(migration, way, every, quiet))} |", flush=True)
    return failed, panels


def _cells(migration: Migration, way: str, every: dict[str, list[Outcome]], quiet: Outcome) -> Sequence[str]:
    """One row: the worst of all rounds, and medians."""
    got = every[way]
    took = statistics.median(one.took_s for one in got)
    said, ratio = f"{took:.1f} s", ""
    if error := next((one.error for one in got if one.error), ""):
        said = f"failed: {error.rsplit('Error: ', 1)[-1].rsplit('Unsafe: ', 1)[-1][:60]}"
    elif by_hand := every.get("by hand"):
        ratio = f"{took / statistics.median(one.took_s for one in by_hand):.2f}"
    worst = max(one.worst_ms for one in got)
    return (
        migration.name,
        way,
        f"{worst:,.0f} ms",
        f"{max(0.0, worst - quiet.worst_ms):,.0f} ms",
        f"{statistics.median(one.p99_ms for one in got):,.1f} ms",
        f"{max(one.blocked_s for one in got):.1f} s",
        said,
        ratio,
    )


def _about(url: str, load: Load) -> str:
    with psycopg.connect(url) as session:
        version = session.info.parameter_status("server_version")
        (fsync,) = session.execute("SELECT current_setting('fsync')").fetchone() or ("?",)
    parts = f" in {load.partitions} partitions" if load.partitions else ""
    clients = f"{load.writers} writers and {load.readers} readers straight to the server"
    return f"Postgres {version}, {load.rows:,} rows{parts}, {clients}, {os.cpu_count()} cores for everything, fsync {fsync}."


@contextlib.contextmanager
def guarded(version: int, policy: str) -> Iterator[tuple[servers.Server, proxies.Proxy]]:
    """A Postgres with its default settings but for fsync, and an Interlock before it under that policy."""
    server = servers.start(version, settings=SETTINGS)
    try:
        wear_in(server)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "policy.yaml")
            file.write_text(policy)
            proxy = proxies.start(server, Path(folder), policy=str(file), forked=False)
            try:
                yield server, proxy
            finally:
                proxy.stop()
    finally:
        server.stop()


def wear_in(server: servers.Server) -> None:
    """Give a new server old segments of its log: a new one it fills with zeros first, for which all commits wait (55 ms here)."""
    with server.connect() as session:
        for _ in range(SEGMENTS):
            session.execute("SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()")
        session.execute("CHECKPOINT")


@contextlib.contextmanager
def _own_servers(version: int) -> Iterator[tuple[str, str]]:
    with guarded(version, POLICY) as (server, proxy):
        name = server.create_database()
        yield server.url(name), proxy.url(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows of the table (%(default)s)")
    parser.add_argument("--pg", type=int, default=18, choices=servers.VERSIONS, help="version of the own Postgres")
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--partitions", type=int, default=0, help="hash partitions of the table (%(default)s: none)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each way is measured, by turns (%(default)s)")
    parser.add_argument("--report", type=float, default=6.0, help="seconds that who is in the way stays (%(default)s)")
    parser.add_argument("--ways", default=",".join(WAYS), help="which ways to run them (%(default)s)")
    parser.add_argument("--picture", type=Path, help="where to draw latency over time, as SVG")
    parser.add_argument("--only", default="", help="only migrations whose name contains this")
    parser.add_argument("--url-direct", help="a database on the server itself; orders and customers are made in it")
    parser.add_argument("--url-proxy", help="the same database through Interlock")
    arguments = parser.parse_args()
    if bool(arguments.url_direct) != bool(arguments.url_proxy):
        parser.error("--url-direct and --url-proxy go together")
    known = migrations(arguments.partitions)
    chosen = [migration for migration in known if arguments.only.lower() in migration.name.lower()]
    if not chosen:
        parser.error(f"no migration is called {arguments.only!r}: {', '.join(m.name for m in known)}")
    if unknown := set(arguments.ways.split(",")) - WAYS.keys():
        parser.error(f"no such way: {', '.join(unknown)}; there are {', '.join(WAYS)}")
    load = Load(arguments.writers, arguments.readers, arguments.rows, arguments.partitions)
    urls = contextlib.nullcontext((arguments.url_direct, arguments.url_proxy))
    try:
        with urls if arguments.url_direct else _own_servers(arguments.pg) as (direct, proxy):
            writer.prepare(direct, arguments.rows, arguments.partitions)
            print(_about(direct, load), flush=True)
            ways = arguments.ways.split(",")
            failed, panels = run(direct, proxy, chosen, ways, load, arguments.report, arguments.rounds)
    except (RuntimeError, psycopg.Error) as error:
        sys.exit(f"bench: {str(error).strip()}")
    if arguments.picture:
        arguments.picture.write_text(picture.svg(panels))
    if failed:
        sys.exit("failed:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
