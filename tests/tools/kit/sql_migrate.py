"""sql-migrate: each file in a transaction, one statement at a time, by lib/pq."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.tools.packages import go_program
from tests.tools.scenario import STEPS, Step, Tool, fetched, rendered, run_program
from tests.tools.ways import Ran, Way

CONFIG = "development: { dialect: postgres, datasource: '${DATABASE_URL}?sslmode=disable', dir: migrations }\n"


def file(step: Step, *, transactional: bool = True) -> str:
    how = "" if step.transactional and transactional else " notransaction"
    return f"-- +migrate Up{how}\n{step.up}-- +migrate Down\n{step.down}"


def sql_migrate(folder: Path, way: Way, *command: str) -> Ran:
    (folder / "dbconfig.yml").write_text(CONFIG)
    return run_program(folder, go_program("sql-migrate"), *(command or ("up",)), env={"DATABASE_URL": way.url})


SQL_MIGRATE = Tool(
    "sql-migrate 1.8 (lib/pq)",
    rendered("migrations/{name}.sql", file),
    sql_migrate,
    back=lambda folder, way: sql_migrate(folder, way, "down", "-limit=1"),
    remedied={"migrations/17_slug.sql": file(STEPS[-1], transactional=False)},
    shown=("in sql-migrate: begin the migration with: -- +migrate Up notransaction",),
    absent=fetched(partial(go_program, "sql-migrate")),
)
TOOLS = {"sql-migrate": SQL_MIGRATE}
