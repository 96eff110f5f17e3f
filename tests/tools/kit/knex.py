"""Knex: each migration in a transaction, the bookkeeping after its COMMIT."""

from __future__ import annotations

from pathlib import Path

from tests.tools.scenario import Tool, run_program, sources
from tests.tools.ways import Ran, Way

MIGRATIONS = sources("knex/migrations", "migrations/")


def knex(folder: Path, way: Way, command: str = "migrate:latest") -> Ran:
    return run_program(folder, "node_modules/.bin/knex", command, env={"DATABASE_URL": way.url})


def back(folder: Path, way: Way) -> Ran:
    return knex(folder, way, "migrate:down")


KNEX = Tool(
    "Knex 3.3 (pg 8.23)",
    MIGRATIONS,
    knex,
    folder="knex",
    node="knex",
    back=back,
    remedied={path: text + "exports.config = { transaction: false };\n" for path, text in MIGRATIONS[-1].items()},
    shown=("in Knex: put exports.config = { transaction: false };",),
)
TOOLS = {"knex": KNEX}
