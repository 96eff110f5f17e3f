"""dbmate migrates through Interlock: each file is one query string, in a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, same
from tests.tools.scenario import Tool, migrated_by, refused, run_program, sources

UP = "-- migrate:up\n{}\n-- migrate:down\n"
SOURCES = {path: UP.format(text) for path, text in sources(HERE / "sql", "db/migrations/").items()}


def dbmate(folder: Path, way: Way) -> Ran:
    url = way.url + "?sslmode=disable"
    return run_program(folder, "node_modules/.bin/dbmate", "--url", url, "--no-dump-schema", "up")


DBMATE = Tool(
    "dbmate",
    SOURCES,
    dbmate,
    {
        "db/migrations/11_slug.sql": UP.format("ALTER TABLE posts ADD COLUMN slug text;\n"),
        "db/migrations/12_slug_index.sql": UP.replace("up", "up transaction:false").format(
            "CREATE INDEX posts_slug_idx ON posts (slug);\n"
        ),
    },
)


@pytest.fixture(scope="module")
def migrated(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with migrated_by(DBMATE, postgres, tmp_path_factory.mktemp("dbmate")) as way:
        yield way


@pytest.mark.slow
def test_all_migrations(migrated: Way, guarded: Way, tmp_path: Path) -> None:
    DBMATE.migrate(tmp_path, guarded)
    same(migrated, guarded)


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
def test_a_migration_that_may_not_wait(forked: Ways, tmp_path: Path) -> None:
    refused(DBMATE, tmp_path, forked, shown=("in dbmate: begin the migration with: -- migrate:up transaction:false",))
