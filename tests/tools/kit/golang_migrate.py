"""golang-migrate: each file is one query string, and so a transaction without BEGIN."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.packages import go_program
from tests.tools.scenario import STEPS, Tool, fetched, run_program
from tests.tools.ways import Ran, Way


def migrate(folder: Path, way: Way, *arguments: str) -> Ran:
    url = way.url + "?sslmode=disable"
    command = arguments or ("up",)
    return run_program(folder, go_program("golang-migrate"), "-path", "migrations", "-database", url, *command)


def mend(folder: Path, way: Way) -> None:
    """The failed version is marked dirty: back to the one before it."""
    files = sorted((folder / "migrations").glob("*.up.sql"))
    migrate(folder, way, "force", str(int(files[-1].name[:2]) - 1))


SLUG = STEPS[-1]
MIGRATE = Tool(
    "golang-migrate 4.18 (lib/pq)",
    [{f"migrations/{s.name}.up.sql": s.up, f"migrations/{s.name}.down.sql": s.down} for s in STEPS],
    migrate,
    back=lambda folder, way: migrate(folder, way, "down", "1"),
    remedied={
        "migrations/17_slug.up.sql": SLUG.statements()[0],
        "migrations/18_slug_index.up.sql": SLUG.statements()[1],
    },
    shown=("in golang-migrate: put this statement alone into a migration file",),
    recover=mend,
    absent=fetched(partial(go_program, "golang-migrate")),
)
TOOLS = {"golang-migrate": MIGRATE}
