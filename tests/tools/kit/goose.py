"""goose: each migration in a transaction, one statement at a time."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.packages import go_program
from tests.tools.scenario import Step, Tool, fetched, rendered, run_program
from tests.tools.ways import Ran, Way


def goose(folder: Path, way: Way, command: str = "up") -> Ran:
    url = way.url + "?sslmode=disable"
    return run_program(folder, go_program("goose"), "-dir", "migrations", "postgres", url, command)


def file(step: Step, *, transactional: bool = True) -> str:
    head = "" if step.transactional and transactional else "-- +goose NO TRANSACTION\n"
    return f"{head}-- +goose Up\n{step.up}" + (f"-- +goose Down\n{step.down}" if step.down else "")


MIGRATIONS = rendered("migrations/{name}.sql", file)
GOOSE = Tool(
    "goose 3.26 (pgx 5)",
    MIGRATIONS,
    goose,
    back=partial(goose, command="down"),
    remedied={path: "-- +goose NO TRANSACTION\n" + text for path, text in MIGRATIONS[-1].items()},
    shown=("in goose: put -- +goose NO TRANSACTION at the top",),
    absent=fetched(partial(go_program, "goose")),
)
TOOLS = {"goose": GOOSE}
