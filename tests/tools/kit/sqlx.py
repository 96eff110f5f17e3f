"""sqlx-cli: each file one query string in a transaction."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.packages import cargo_program
from tests.tools.scenario import STEPS, Step, Tool, fetched, run_program
from tests.tools.ways import Ran, Way

OUTSIDE = "-- no-transaction\n"


def files(step: Step) -> dict[str, str]:
    head = "" if step.transactional else OUTSIDE
    path = f"migrations/{step.number:04}_{step.title}"
    return {f"{path}.up.sql": head + step.up, f"{path}.down.sql": step.down}


def sqlx(folder: Path, way: Way, command: str = "run") -> Ran:
    options = ("--source", "migrations", "--database-url", way.url + "?sslmode=disable")
    return run_program(folder, cargo_program("sqlx"), "migrate", command, *options)


SQLX = Tool(
    "sqlx-cli 0.8",
    [*map(files, STEPS)],
    sqlx,
    back=partial(sqlx, command="revert"),
    remedied={
        "migrations/0017_slug.up.sql": STEPS[-1].statements()[0],
        "migrations/0017_slug.down.sql": "",
        "migrations/0018_slug_index.up.sql": OUTSIDE + STEPS[-1].statements()[1],
        "migrations/0018_slug_index.down.sql": "",
    },
    shown=("in sqlx: make -- no-transaction the first line of the migration file",),
    absent=fetched(partial(cargo_program, "sqlx")),
)
TOOLS = {"sqlx": SQLX}
