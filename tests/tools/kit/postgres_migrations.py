"""postgres-migrations: each file one query string in a transaction."""

from __future__ import annotations

from pathlib import Path

from tests.tools.scenario import STEPS, Step, Tool, rendered, run_program
from tests.tools.ways import Ran, Way

OUTSIDE = "-- postgres-migrations disable-transaction\n"


def file(step: Step) -> str:
    return ("" if step.transactional else OUTSIDE) + step.up


def migrate(folder: Path, way: Way) -> Ran:
    return run_program(folder, "node", "migrate.js", env={"DATABASE_URL": way.url})


MIGRATIONS = Tool(
    "postgres-migrations 5.3 (pg 8)",
    rendered("migrations/{number:02}_{title}.sql", file),
    migrate,
    folder="postgres-migrations",
    node="postgres-migrations",
    remedied={
        "migrations/17_slug.sql": STEPS[-1].statements()[0],
        "migrations/18_slug-index.sql": OUTSIDE + STEPS[-1].statements()[1],
    },
    shown=("in postgres-migrations: make -- postgres-migrations disable-transaction the first line",),
)
TOOLS = {"postgres-migrations": MIGRATIONS}
