"""node-pg-migrate: all migrations in one transaction, or each in its own."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tests.tools.scenario import STEPS, Step, Tool, only_transactions, rendered, run_program
from tests.tools.ways import Ran, Way


def file(step: Step, *, transactional: bool = True) -> str:
    head = "" if step.transactional and transactional else "  pgm.noTransaction();\n"
    up = "".join(f"  pgm.sql({json.dumps(statement)});\n" for statement in step.statements())
    down = "".join(f"  pgm.sql({json.dumps(line)});\n" for line in step.down.splitlines())
    return f"exports.up = (pgm) => {{\n{head}{up}}};\nexports.down = (pgm) => {{\n{down}}};\n"


def migrate(options: tuple[str, ...], folder: Path, way: Way, command: str = "up") -> Ran:
    program = "node_modules/.bin/node-pg-migrate"
    return run_program(folder, program, command, "-m", "migrations", *options, env={"DATABASE_URL": way.url})


PATH = "migrations/17670000000{number:02}_{title}.js"
TOOLS = {
    f"node-pg-migrate-{mode}": Tool(
        f"node-pg-migrate 9.0, {mode} (pg 8.23)",
        rendered(PATH, file, steps),
        partial(migrate, options),
        node="node-pg-migrate",
        back=partial(migrate, options, command="down"),
        remedied={"migrations/1767000000017_slug.js": file(STEPS[-1], transactional=False)},
        shown=("in node-pg-migrate: call pgm.noTransaction() in the migration",),
    )
    for mode, options, steps in (("all", (), only_transactions()), ("each", ("--no-single-transaction",), STEPS))
}
