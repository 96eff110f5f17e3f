"""db-migrate: each migration in a transaction, or none."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tests.tools.scenario import Step, Tool, only_transactions, rendered, run_program, without_transactions
from tests.tools.ways import Ran, Way


def file(step: Step) -> str:
    up = "".join(f"  await db.runSql({json.dumps(statement)});\n" for statement in step.statements())
    down = "".join(f"  await db.runSql({json.dumps(line)});\n" for line in step.down.splitlines())
    return f"exports.up = async (db) => {{\n{up}}};\nexports.down = async (db) => {{\n{down}}};\n"


def db_migrate(options: tuple[str, ...], folder: Path, way: Way, command: str = "up") -> Ran:
    (folder / "database.json").write_text('{"dev": {"ENV": "DATABASE_URL"}}')
    program = "node_modules/.bin/db-migrate"
    return run_program(folder, program, command, *options, env={"DATABASE_URL": way.url})


PATH = "migrations/202601010000{number:02}-{title}.js"
NONE = ("--non-transactional",)
TOOLS = {
    f"db-migrate-{mode}": Tool(
        f"db-migrate 0.11, {told} (pg 8)",
        rendered(PATH, file, steps),
        partial(db_migrate, options),
        node="db-migrate",
        back=partial(db_migrate, options, command="down"),
        shown=shown,
    )
    for mode, told, options, steps, shown in (
        ("each", "each in its own", (), only_transactions(), ("in db-migrate: run it with db-migrate up",)),
        ("none", "non-transactional", NONE, without_transactions(), ()),
    )
}
