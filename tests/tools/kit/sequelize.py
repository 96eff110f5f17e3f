"""Sequelize: no transactions but those that a migration opens itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.scenario import Tool, run_program, sources
from tests.tools.ways import Ran, Way

MIGRATIONS = sources("sequelize/migrations", "migrations/")


def sequelize(folder: Path, way: Way, command: str = "db:migrate") -> Ran:
    return run_program(folder, "node_modules/.bin/sequelize-cli", command, "--url", way.url)


REMEDIED = """module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.addColumn('posts', 'slug', Sequelize.TEXT);
    await queryInterface.addIndex('posts', ['slug']);
  },
  async down() {},
};
"""
SEQUELIZE = Tool(
    "Sequelize 6.37 (pg 8.23)",
    MIGRATIONS,
    sequelize,
    node="sequelize",
    back=partial(sequelize, command="db:migrate:undo"),
    remedied=dict.fromkeys(MIGRATIONS[-1], REMEDIED),
    shown=("in Sequelize: leave the transaction option out of this call",),
)
TOOLS = {"sequelize": SEQUELIZE}
