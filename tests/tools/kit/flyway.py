"""Flyway, by pgjdbc: its lock in a transaction on a connection of its own, open over the migration on the other."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tests.tools.packages import jars
from tests.tools.scenario import STEPS, Tool, fetched, only_transactions, rendered, run_program
from tests.tools.ways import Ran, Way


def flyway(lock: str, folder: Path, way: Way) -> Ran:
    url = urlsplit(way.url)
    return run_program(
        folder,
        *("java", "-XX:TieredStopAtLevel=1", "-cp", os.pathsep.join(map(str, jars("flyway"))), "Migrate.java"),
        *(f"jdbc:postgresql://{url.hostname}:{url.port}{url.path}", str(url.username), lock),
    )


SLUG = "migrations/V17__slug.sql"
TOOLS = {
    f"flyway-{lock}": Tool(
        f"Flyway 11.20, {told} (pgjdbc 42.7)",
        rendered("migrations/V{number}__{title}.sql", lambda step: step.up, steps),
        partial(flyway, lock),
        folder="flyway",
        remedied={SLUG: STEPS[-1].up, SLUG + ".conf": "executeInTransaction=false\n"},
        shown=("in Flyway: put executeInTransaction=false into the script's .conf file",),
        absent=fetched(partial(jars, "flyway")),
    )
    for lock, told, steps in (
        ("default", "lock in a transaction", only_transactions()),  # directly CONCURRENTLY waits for that for ever
        ("session", "session lock", STEPS),
    )
}
