"""refinery: each file one query string in a transaction, with its bookkeeping in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.packages import cargo_program
from tests.tools.scenario import Tool, fetched, only_transactions, rendered, run_program
from tests.tools.ways import Ran, Way


def refinery(folder: Path, way: Way) -> Ran:
    env = {"DATABASE_URL": way.url + "?sslmode=disable"}
    return run_program(folder, cargo_program("refinery"), "migrate", "-e", "DATABASE_URL", "-p", "migrations", env=env)


REFINERY = Tool(
    "refinery 0.8",
    rendered("migrations/V{number}__{title}.sql", lambda step: step.up, only_transactions()),
    refinery,
    shown=("refinery has no switch for it: run this statement with psql, without BEGIN, before the migration",),
    absent=fetched(partial(cargo_program, "refinery")),
)
TOOLS = {"refinery": REFINERY}
