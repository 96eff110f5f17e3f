"""``python -m tests.transparency [--pg 13,18] [--ways direct,observe,enforce] [SUITE …]``: others' tests, directly and through Interlock.

Prints passed/failed/skipped of each, and every difference from the direct run that ``explained`` does not know.  Exits 1 if there is one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping

from tests import servers
from tests.transparency import drivers, programs, regress
from tests.transparency.explained import because
from tests.transparency.outcome import Difference, Outcomes, counts, differences
from tests.transparency.ways import WAYS, Place, place


def _driver(run: Callable[..., Outcomes]) -> Callable[[Place], Outcomes]:
    return lambda where: run(where.url(where.server.create_database()), where.folder)


SUITES: Mapping[str, Callable[[Place], Outcomes]] = {
    "programs": programs.programs,
    "libpq_pipeline": programs.libpq_pipeline,
    "postgres.js": programs.postgres_js,
    "psycopg2": _driver(drivers.psycopg2),
    "asyncpg": _driver(drivers.asyncpg),
    "pg8000": _driver(drivers.pg8000),
    "node-postgres": _driver(drivers.node_postgres),
    "psycopg (by SQLAlchemy)": _driver(drivers.sqlalchemy),
    "PostgreSQL": lambda where: regress.run(where.server.url(), where.url(), where.server.version, where.folder),
}
ONLY = {"rewrite": "PostgreSQL"}  # a way that one suite takes only
LINE = "{:26} {:>3}  " + "{:>16} " * len(WAYS) + " {}"


def compare(suite: str, version: int, ways: list[str]) -> list[str]:
    """Run a suite every way, print its line, and return what is not explained."""
    runs: dict[str, Outcomes] = {}
    wrong: list[str] = []
    begun = time.monotonic()
    ways = [way for way in ways if ONLY.get(way, suite) == suite]
    for way in ways:
        with place(version, way) as where:
            runs[way] = SUITES[suite](where)
            wrong += [f"{suite} {version} {way}: {fault}" for fault in where.faults()]
    known: dict[str, int] = {}
    for way in ways[1:]:
        for difference in differences(runs[ways[0]], runs[way]):
            if reason := because(suite, version, way, difference):
                known[reason] = known.get(reason, 0) + 1
            else:
                wrong.append(f"{suite} {version} {way}: {_told(difference)}")
    cells = [counts(runs[way]) if way in runs else "" for way in WAYS]
    print(LINE.format(suite, version, *cells, f"{time.monotonic() - begun:.0f} s"), flush=True)
    for reason, number in known.items():
        print(f"{'':32}{number} explained: {reason}", flush=True)
    for line in wrong:
        print(f"  DIFFERS  {line}", flush=True)
    return wrong


def _told(difference: Difference) -> str:
    one, other = difference.direct, difference.through
    if one and other and one.status == other.status:
        return f"{difference.test}: {regress.diff(one.said, other.said)}"
    words = [outcome.status if outcome else "not there" for outcome in (one, other)]
    return f"{difference.test}: {words[0]} directly, {words[1]} through\n{other.detail[-800:] if other else ''}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.transparency")
    parser.add_argument("--pg", default="13,18")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    chosen = parser.parse_args()
    if unknown := set(chosen.suites) - set(SUITES):
        parser.error(f"no suite {sorted(unknown)[0]}; there are {', '.join(SUITES)}")
    servers.in_memory()
    print(LINE.format("suite", "pg", *WAYS, "passed/failed/skipped"), flush=True)
    wrong = []
    for version in map(int, chosen.pg.split(",")):
        for suite in chosen.suites or SUITES:
            wrong += compare(suite, version, chosen.ways.split(","))
    print(f"{len(wrong)} differences without an explanation")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
