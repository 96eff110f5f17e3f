"""How long real migration tools hold up the application, each statement of theirs in a transaction of the tool's own.

The history that all tools tell (``tests/tools``) is migrated through Interlock in parts, while writers and readers work on its tables.
Not measured are the first migration (nobody uses the tables yet), the two that update all rows of a table (which locks those rows,
and in one of them what the transaction has locked before, for as long as it takes), and the one that is let rewrite its table by an exception.

    python -m bench.tools                          eight tools, on 500,000 rows in each of four tables
    python -m bench.tools --only django --rounds 1
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psycopg

from bench.blocking import Load, Outcome, guarded, nothing, while_working
from bench.ways import Ran
from bench.writer import Statements
from tests import servers
from tests.proxies import Proxy
from tests.servers import Server
from tests.tools.kit import TOOLS
from tests.tools.scenario import Files
from tests.tools.ways import HERE, Way, through

CHOSEN = (
    "django-psycopg",
    "alembic-psycopg",
    "rails",
    "knex",
    "typeorm-all",
    "drizzle-orm",
    "liquibase",
    "dbmate",
)
POLICY = "version: 1\nextends: recommended\n"
# Rows that every migration of the history allows, under names that all of them leave.
STATEMENTS = Statements(
    writes=(
        "UPDATE products SET price = price + 1 WHERE id = %(id)s",
        "UPDATE posts SET body = 'new' WHERE id = %(id)s",
        "UPDATE users SET name = 'new' WHERE id = %(id)s",
        "INSERT INTO products (sku, price, owner_id) VALUES ('NEW' || gen_random_uuid(), 1, %(id)s)",
    ),
    reads=(
        "SELECT id, title, body FROM posts WHERE id = %(id)s",
        "SELECT id, email, name FROM users WHERE id = %(id)s",
        "SELECT id, sku, price FROM products WHERE id = %(id)s",
    ),
)
COLUMNS = (
    "tool",
    "worst",
    "above load",
    "in a queue for a table",
    "p99",
    "above load",
    "load alone: worst, p99",
    "took",
    "directly: worst",
    "in a queue",
    "took",
)
QUEUED = """SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)::float8 FROM pg_stat_activity
WHERE application_name = 'application' AND wait_event_type = 'Lock' AND wait_event = 'relation'"""
LOOK_S = 0.004


def all_in_one(folder: Path) -> None:
    """Alembic's own default: one transaction for all revisions."""
    env = folder / "env.py"
    env.write_text(env.read_text().replace("transaction_per_migration=True", "transaction_per_migration=False"))


ALL_IN_ONE = {"alembic-psycopg": all_in_one}


class Queue:
    """Looks how long the application waits for locks on tables, which a busy machine has no part in."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopped = threading.Event()
        self.longest_s = 0.0

    def __enter__(self) -> Queue:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        with psycopg.connect(self._url, autocommit=True, prepare_threshold=0) as session:
            while not self._stopped.wait(LOOK_S):
                row = session.execute(QUEUED).fetchone()
                self.longest_s = max(self.longest_s, row[0] if row else 0.0)


@dataclass(frozen=True, slots=True)
class Round:
    """What the application felt while one tool migrated; and just before and after, when nobody did."""

    felt: Sequence[Outcome]
    alone: Sequence[Outcome]
    queued_s: float

    @property
    def worst_ms(self) -> float:
        return max(one.worst_ms for one in self.felt)

    @property
    def p99_ms(self) -> float:
        return max(one.p99_ms for one in self.felt)

    @property
    def took_s(self) -> float:
        return sum(one.took_s for one in self.felt)

    @property
    def alone_worst_ms(self) -> float:
        return max(one.worst_ms for one in self.alone)

    @property
    def alone_p99_ms(self) -> float:
        return max(one.p99_ms for one in self.alone)


def _updates_all(files: Files) -> bool:
    """Whether a migration of the history updates all rows of a table: 04, and 16 behind the lock of its ADD COLUMN."""
    names = ["".join(filter(str.isalpha, Path(path).stem.lower())) for path in files]
    return any(name.endswith(("fill", "uuidkeys")) for name in names)


class Project:
    """A tool's project, and the database that it migrates through Interlock."""

    def __init__(self, name: str, folder: Path, way: Way) -> None:
        self.tool = TOOLS[name]
        self.folder = folder
        self.way = way
        finish = ALL_IN_ONE.get(name)
        if finish is not None:
            self.tool = replace(self.tool, finish=finish)

    @property
    def parts(self) -> list[tuple[int, bool]]:
        """Up to which migration each part goes, and whether it is measured."""
        tool = self.tool
        apart = sorted({tool.allowed, *(n for n, files in enumerate(tool.migrations) if _updates_all(files))})
        found: list[tuple[int, bool]] = []
        for n in apart:
            found += [(n, True), (n + 1, False)]
        return [*found, (len(tool.migrations), True)]

    def migrate(self, until: int) -> Ran:
        """As a way of ``bench.ways`` does: from when to when, and the error if it failed, in a line."""
        folder = self.tool.project(self.folder, until=until)
        begun = time.monotonic()
        ran = self.tool.run(folder, self.way)
        return begun, time.monotonic(), "" if ran.status == 0 else " ".join(ran.output.split())[-200:]


def measured(project: Project, load: Load) -> Round:
    """The whole history but its first migration.  Raises RuntimeError if the tool fails."""
    direct = project.way.server.url(project.way.database)
    felt, alone, queued_s = [], [while_working(direct, load, nothing)], 0.0
    for until, counts in project.parts:
        if counts:
            with Queue(direct) as queue:
                one = while_working(direct, load, partial(project.migrate, until))
            queued_s = max(queued_s, queue.longest_s)
            felt.append(one)
            error = one.error
        else:
            _, _, error = project.migrate(until)
        if error:
            raise RuntimeError(f"{project.tool.name}: {error}")
    alone.append(while_working(direct, load, nothing))
    return Round(felt, alone, queued_s)


def rounds(name: str, server: Server, proxy: Proxy, load: Load, many: int) -> tuple[list[Round], Round]:
    """Through Interlock, and once directly; each on a copy of one database with rows."""
    with tempfile.TemporaryDirectory() as scratch:
        base = server.create_database()
        first = Project(name, Path(scratch) / "first", through(proxy, server, base))
        if error := first.migrate(1)[2]:
            raise RuntimeError(f"{first.tool.name}: {error}")
        with server.connect(base) as session:
            session.execute((HERE / "rows.sql").read_text().replace("3000", str(load.rows)).encode())
            session.execute("VACUUM")
        found = []
        for number, by in enumerate([*[proxy] * many, None]):
            copy = first.way.fork(by)
            with server.connect(base) as session:
                session.execute("CHECKPOINT")  # segments of the log that are done with are there to be used again
            found.append(measured(Project(name, Path(scratch) / str(number), copy), load))
            server.drop_database(copy.database)
        server.drop_database(base)
        return found[:-1], found[-1]


def row(name: str, found: Sequence[Round], direct: Round) -> Sequence[str]:
    """The worst of all rounds; p99, times and what the load does alone are medians."""
    worst = max(one.worst_ms for one in found)
    p99 = statistics.median(one.p99_ms for one in found)
    alone_worst = statistics.median(one.alone_worst_ms for one in found)
    alone_p99 = statistics.median(one.alone_p99_ms for one in found)
    return (
        TOOLS[name].name + (", all in one" if name in ALL_IN_ONE else ""),
        f"{worst:,.0f} ms",
        f"{max(0.0, worst - alone_worst):,.0f} ms",
        f"{1000 * max(one.queued_s for one in found):,.0f} ms",
        f"{p99:,.1f} ms",
        f"{max(0.0, p99 - alone_p99):,.1f} ms",
        f"{alone_worst:,.0f} ms, {alone_p99:,.1f} ms",
        f"{statistics.median(one.took_s for one in found):.1f} s",
        f"{direct.worst_ms:,.0f} ms",
        f"{1000 * direct.queued_s:,.0f} ms",
        f"{direct.took_s:.1f} s",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000, help="rows of each table (%(default)s)")
    parser.add_argument("--pg", type=int, default=18, choices=servers.VERSIONS, help="version of the own Postgres")
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="how often each tool migrates (%(default)s)")
    parser.add_argument("--only", default="", help="only tools whose name contains this")
    arguments = parser.parse_args()
    chosen = [name for name in CHOSEN if arguments.only in name]
    if not chosen:
        parser.error(f"no tool is called {arguments.only!r}: {', '.join(CHOSEN)}")
    load = Load(arguments.writers, arguments.readers, arguments.rows, statements=STATEMENTS)
    failed = []
    with guarded(arguments.pg, POLICY) as (server, proxy):
        print(f"Postgres {arguments.pg}, {load.rows:,} rows in each of four tables,", end=" ")
        print(f"{load.writers} writers and {load.readers} readers straight to the server.\n")
        print(f"| {' | '.join(COLUMNS)} |")
        print("|---" + "|--:" * (len(COLUMNS) - 1) + "|", flush=True)
        for name in chosen:
            try:
                found, direct = rounds(name, server, proxy, load, arguments.rounds)
            except RuntimeError as error:
                failed.append(str(error))
                continue
            print(f"| {' | '.join(row(name, found, direct))} |", flush=True)
    if failed:
        sys.exit("failed:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
