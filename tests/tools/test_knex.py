"""A Knex project migrates through Interlock: each migration in a transaction, the bookkeeping after its COMMIT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, same
from tests.tools.scenario import Tool, migrated_by, refused, run_program, sources

SOURCES = sources(HERE / "knex/migrations", "migrations/")


def knex(folder: Path, way: Way) -> Ran:
    return run_program(folder, "node_modules/.bin/knex", "migrate:latest", env={"DATABASE_URL": way.url})


KNEX = Tool(
    "knex",
    SOURCES,
    knex,
    {"migrations/11_slug.js": SOURCES["migrations/11_slug.js"] + "exports.config = { transaction: false };\n"},
)


@pytest.fixture(scope="module")
def migrated(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with migrated_by(KNEX, postgres, tmp_path_factory.mktemp("knex")) as way:
        yield way


@pytest.mark.slow
def test_all_migrations(migrated: Way, guarded: Way, tmp_path: Path) -> None:
    KNEX.migrate(tmp_path, guarded)
    same(migrated, guarded)


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
def test_a_migration_that_may_not_wait(forked: Ways, tmp_path: Path) -> None:
    refused(KNEX, tmp_path, forked, shown=("in Knex: put exports.config = { transaction: false };",))
