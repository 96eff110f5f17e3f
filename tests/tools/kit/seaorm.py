"""SeaORM: each migration a transaction, its statements prepared, on one connection of a pool."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.packages import cargo_program
from tests.tools.scenario import STEPS, Step, Tool, fetched, run_program
from tests.tools.ways import Ran, Way

OUTSIDE = "-- use_transaction: false\n"  # to tests/tools/seaorm, in the place of fn use_transaction


def files(step: Step) -> dict[str, str]:
    head = "" if step.transactional else OUTSIDE
    path = f"migrations/m20260101_{step.number:06}_{step.title}"
    return {f"{path}.up.sql": head + step.up, f"{path}.down.sql": step.down}


def migrate(folder: Path, way: Way, *command: str) -> Ran:
    env = {"DATABASE_URL": way.url + "?sslmode=disable"}
    return run_program(folder, cargo_program("seaorm"), *(command or ("up",)), env=env)


SLUG, INDEX = STEPS[-1].statements()
SEAORM = Tool(
    "SeaORM 2.0 (sqlx 0.9)",
    [*map(files, STEPS)],
    migrate,
    back=lambda folder, way: migrate(folder, way, "down", "-n", "1"),
    remedied=files(Step("17_slug", SLUG, "", True)) | files(Step("18_slug_index", INDEX, "", False)),
    shown=("in SeaORM: add fn use_transaction(&self) -> Option<bool> { Some(false) } to the migration",),
    absent=fetched(partial(cargo_program, "seaorm")),
)
TOOLS = {"seaorm": SEAORM}
