"""Unleash: db-migrate, no transactions but for what each script of several statements is by itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.application import HISTORY_S, Application
from tests.tools.packages import node_modules
from tests.tools.scenario import fetched, run_program
from tests.tools.ways import Ran, Way

MODULES = partial(node_modules, "unleash")
MIGRATE = """
import { migrateDb } from './node_modules/unleash-server/dist/migrator.js';
const url = new URL(process.argv[2]);
const db = {
  driver: 'pg', user: url.username, password: '', host: url.hostname, port: +url.port, database: url.pathname.slice(1),
  schema: 'public', ssl: false, disableMigration: false, applicationName: 'unleash',
};
try {
  await migrateDb({ db }, process.argv[3] || undefined);
} catch (error) {
  console.error(error);
  process.exit(1);
}
process.exit(0);
"""


def migrate(folder: Path, way: Way, until: str) -> Ran:
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(MODULES())
    (folder / "migrate.mjs").write_text(MIGRATE)
    return run_program(folder, "node", "migrate.mjs", way.url, until, timeout_s=HISTORY_S)


APPLICATION = Application(
    "Unleash 8.2",
    "db-migrate 0.11 (pg 8)",
    "db-migrate",
    migrate,
    early="20221128165141-change-request-min-approvals",
    count=lambda: len([*(MODULES() / "unleash-server/dist/migrations").glob("*.js")]),
    # A number that is made up, and ids in the order of a SELECT without ORDER BY.
    differs={"settings": ["content"], "role_permission": ["id"]},
    absent=fetched(MODULES),
)
