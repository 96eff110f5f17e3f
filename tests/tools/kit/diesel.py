"""Diesel: each file one query string in a transaction, by libpq."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.packages import cargo_program
from tests.tools.scenario import STEPS, Step, Tool, fetched, run_program
from tests.tools.ways import Ran, Way

OUTSIDE = "run_in_transaction = false\n"


def files(step: Step, *, transactional: bool = True) -> dict[str, str]:
    folder = f"migrations/2026-01-01-0000{step.number:02}_{step.title}"
    found = {f"{folder}/up.sql": step.up, f"{folder}/down.sql": step.down or "SELECT 1;\n"}
    return found if step.transactional and transactional else {**found, f"{folder}/metadata.toml": OUTSIDE}


def alone(number: int, title: str, sql: str) -> dict[str, str]:
    return files(Step(f"{number}_{title}", sql, "", "INDEX" not in sql))


def diesel(folder: Path, way: Way, command: str = "run") -> Ran:
    (folder / "diesel.toml").touch()
    options = ("--database-url", way.url, "--migration-dir", "migrations")
    return run_program(folder, cargo_program("diesel"), "migration", command, *options)


DIESEL = Tool(
    "Diesel CLI 2.2 (libpq 15)",
    [*map(files, STEPS)],
    diesel,
    back=partial(diesel, command="revert"),
    remedied=alone(17, "slug", STEPS[-1].statements()[0]) | alone(18, "slug_index", STEPS[-1].statements()[1]),
    shown=("in Diesel: put run_in_transaction = false into the migration's metadata.toml",),
    absent=fetched(partial(cargo_program, "diesel")),
)
TOOLS = {"diesel": DIESEL}
