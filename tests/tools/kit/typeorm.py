"""TypeORM: by default all migrations are in one transaction."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.scenario import Tool, run_program, sources
from tests.tools.ways import Ran, Way

ALL = sources("typeorm/migrations", "migrations/")
EACH = sorted(ALL + sources("typeorm/each", "migrations/"), key=lambda files: min(files))
SLUG = ALL[-1]


def typeorm(mode: str, folder: Path, way: Way, command: str = "migration:run") -> Ran:
    env = {"DATABASE_URL": way.url, "TYPEORM_MODE": mode}
    return run_program(folder, "node_modules/.bin/typeorm", command, "-d", "datasource.js", env=env)


TOOLS = {
    f"typeorm-{mode}": Tool(
        f"TypeORM 1.1, {mode} (pg 8.23)",
        migrations,
        partial(typeorm, mode),
        folder="typeorm",
        node="typeorm",
        back=partial(typeorm, mode, command="migration:revert"),
        remedied={
            path: text.replace("async up(", "transaction = false;\n\n  async up(", 1) for path, text in SLUG.items()
        }
        if mode == "each"
        else {},
        shown=("in TypeORM: put transaction = false into the migration class",),
    )
    for mode, migrations in (("all", ALL), ("each", EACH))
}
