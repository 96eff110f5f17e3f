"""tern: each file one query string in a transaction, by pgx."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.packages import go_program
from tests.tools.scenario import STEPS, Step, Tool, fetched, rendered, run_program
from tests.tools.ways import Ran, Way

OUTSIDE = "---- tern: disable-tx ----\n"


def file(step: Step) -> str:
    head = "" if step.transactional else OUTSIDE
    return f"{head}{step.up}" + (f"---- create above / drop below ----\n{step.down}" if step.down else "")


def tern(folder: Path, way: Way, *options: str) -> Ran:
    where = ("--migrations", "migrations", "--conn-string", way.url + "?sslmode=disable")
    return run_program(folder, go_program("tern"), "migrate", *where, *options)


TERN = Tool(
    "tern 2.3 (pgx 5)",
    rendered("migrations/{number:03}_{title}.sql", file),
    tern,
    back=lambda folder, way: tern(folder, way, "--destination", "-1"),
    remedied={
        "migrations/017_slug.sql": STEPS[-1].statements()[0] + "\n",
        "migrations/018_slug_index.sql": OUTSIDE + STEPS[-1].statements()[1] + "\n",
    },
    shown=("in tern: put ---- tern: disable-tx ---- into the migration file",),
    absent=fetched(partial(go_program, "tern")),
)
TOOLS = {"tern": TERN}
