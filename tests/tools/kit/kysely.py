"""Kysely's Migrator: all migrations in one transaction, or none."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from tests.tools.scenario import Step, Tool, only_transactions, rendered, run_program, without_transactions
from tests.tools.ways import Ran, Way


def file(step: Step) -> str:
    def body(statements: list[str]) -> str:
        return "".join(f"  await sql.raw({json.dumps(statement)}).execute(db);\n" for statement in statements)

    up, down = body(step.statements()), body(step.down.splitlines())
    return (
        f"import {{ sql }} from 'kysely';\n\nexport async function up(db) {{\n{up}}}\n\n"
        f"export async function down(db) {{\n{down}}}\n"
    )


def kysely(mode: str, folder: Path, way: Way, command: str = "migrateToLatest") -> Ran:
    env = {"DATABASE_URL": way.url, "KYSELY_MODE": mode}
    return run_program(folder, "node", "migrate.mjs", command, env=env)


SHOWN = ("in Kysely: run these migrations with new Migrator({ …, disableTransactions: true })",)
TOOLS = {
    f"kysely-{mode}": Tool(
        f"Kysely 0.29, {told} (pg 8.23)",
        rendered("migrations/{name}.mjs", file, steps),
        partial(kysely, mode),
        folder="kysely",
        node="kysely",
        back=partial(kysely, mode, command="migrateDown"),
        shown=shown,
    )
    for mode, told, steps, shown in (
        ("all", "all in one", only_transactions(), SHOWN),
        ("none", "disableTransactions", without_transactions(), ()),
    )
}
