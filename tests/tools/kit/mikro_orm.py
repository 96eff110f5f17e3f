"""MikroORM: all migrations in one transaction with a savepoint for each, or each in its own."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tests.tools.scenario import STEPS, Step, Tool, only_transactions, rendered, run_program
from tests.tools.ways import Ran, Way


def file(step: Step, *, transactional: bool = True) -> str:
    name = f"Migration202601010000{step.number:02}"
    head = "" if step.transactional and transactional else "  isTransactional() {\n    return false;\n  }\n\n"
    up = "".join(f"    this.addSql({json.dumps(statement)});\n" for statement in step.statements())
    down = "".join(f"    this.addSql({json.dumps(line)});\n" for line in step.down.splitlines())
    return (
        "const { Migration } = require('@mikro-orm/migrations');\n\n"
        f"module.exports.{name} = class {name} extends Migration {{\n{head}"
        f"  async up() {{\n{up}  }}\n\n  async down() {{\n{down}  }}\n}};\n"
    )


def mikro_orm(mode: str, folder: Path, way: Way, command: str = "up") -> Ran:
    return run_program(folder, "node", "migrate.js", command, env={"DATABASE_URL": way.url, "MIKRO_MODE": mode})


PATH = "migrations/Migration202601010000{number:02}.js"
TOOLS = {
    f"mikro-orm-{mode}": Tool(
        f"MikroORM 6.6, {mode} (pg 8)",
        rendered(PATH, file, steps),
        partial(mikro_orm, mode),
        folder="mikro-orm",
        node="mikro-orm",
        back=partial(mikro_orm, mode, command="down"),
        remedied={PATH.format(number=17): file(STEPS[-1], transactional=False)} if mode == "each" else {},
        shown=("in MikroORM: add isTransactional() { return false; } to the migration",),
    )
    for mode, steps in (("all", only_transactions()), ("each", STEPS))
}
