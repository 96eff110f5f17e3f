"""dbmate: each file is one query string, in a transaction."""

from __future__ import annotations

from pathlib import Path

from tests.tools.scenario import Step, Tool, rendered, run_program
from tests.tools.ways import Ran, Way

UP = "-- migrate:up{}\n{}\n-- migrate:down\n{}"


def dbmate(folder: Path, way: Way, command: str = "up") -> Ran:
    url = way.url + "?sslmode=disable"
    return run_program(folder, "node_modules/.bin/dbmate", "--url", url, "--no-dump-schema", command)


def file(step: Step) -> str:
    return UP.format("" if step.transactional else " transaction:false", step.up, step.down)


DBMATE = Tool(
    "dbmate 2.36 (lib/pq 1.12)",
    rendered("db/migrations/{name}.sql", file),
    dbmate,
    node="dbmate",
    back=lambda folder, way: dbmate(folder, way, "rollback"),
    remedied={
        "db/migrations/17_slug.sql": UP.format("", "ALTER TABLE posts ADD COLUMN slug text;\n", ""),
        "db/migrations/18_slug_index.sql": UP.format(
            " transaction:false", "CREATE INDEX posts_slug_idx ON posts (slug);\n", ""
        ),
    },
    shown=("in dbmate: begin the migration with: -- migrate:up transaction:false",),
)
TOOLS = {"dbmate": DBMATE}
