"""peewee-migrate: each migration in a transaction with a savepoint in it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.tools.packages import python_path
from tests.tools.scenario import Step, Tool, fetched, only_transactions, rendered, run_program
from tests.tools.ways import Ran, Way


def file(step: Step) -> str:
    def body(statements: list[str]) -> str:
        return "".join(f"    migrator.sql({statement!r})\n" for statement in statements) or "    pass\n"

    return (
        f"def migrate(migrator, database, *, fake=False):\n{body(step.statements())}\n\n"
        f"def rollback(migrator, database, *, fake=False):\n{body(step.down.splitlines())}"
    )


def peewee(folder: Path, way: Way, command: str = "migrate") -> Ran:
    site = python_path("peewee-migrate")
    options = (command, "--database", way.url, "--directory", "migrations")
    return run_program(folder, sys.executable, site / "bin/pw_migrate", *options, env={"PYTHONPATH": str(site)})


PEEWEE = Tool(
    "peewee-migrate 2.3 (psycopg2 2.9)",
    rendered("migrations/{number:03}_{title}.py", file, only_transactions()),
    peewee,
    back=partial(peewee, command="rollback"),
    shown=("peewee-migrate has no switch for it: run this statement with psql",),
    absent=fetched(partial(python_path, "peewee-migrate")),
)
TOOLS = {"peewee-migrate": PEEWEE}
