"""Drizzle: all migrations in one transaction, always."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tools.scenario import Step, Tool, only_transactions, rendered, run_program
from tests.tools.ways import Ran, Way


def file(step: Step) -> str:
    return "--> statement-breakpoint\n".join(f"{statement}\n" for statement in step.statements())


def by_the_orm(folder: Path, way: Way) -> Ran:
    return run_program(folder, "node", "migrate.mjs", env={"DATABASE_URL": way.url})


def by_the_kit(folder: Path, way: Way) -> Ran:
    return run_program(folder, "node_modules/.bin/drizzle-kit", "migrate", env={"DATABASE_URL": way.url})


def journal(folder: Path) -> None:
    """The list of migrations, which Drizzle writes when it generates one."""
    names = sorted(path.stem for path in (folder / "drizzle").glob("*.sql"))
    entries = [
        {"idx": n, "version": "7", "when": 1767225600000 + 1000 * n, "tag": name, "breakpoints": True}
        for n, name in enumerate(names)
    ]
    (folder / "drizzle/meta").mkdir(exist_ok=True)
    journal = {"version": "7", "dialect": "postgresql", "entries": entries}
    (folder / "drizzle/meta/_journal.json").write_text(json.dumps(journal))


TOOLS = {
    f"drizzle-{runner}": Tool(
        name,
        rendered("drizzle/{name}.sql", file, only_transactions()),
        run,
        folder="drizzle",
        node="drizzle",
        shown=("Drizzle has no switch for it: run this statement with psql",),
        finish=journal,
        silent=runner == "kit",
    )
    for runner, name, run in (
        ("orm", "drizzle-orm 0.45 (pg 8.23)", by_the_orm),
        ("kit", "drizzle-kit 0.31 (pg 8.23)", by_the_kit),
    )
}
