"""A Sequelize project migrates through Interlock: no transactions but those that a migration opens itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, same
from tests.tools.scenario import Tool, migrated_by, refused, run_program, sources

SOURCES = sources(HERE / "sequelize/migrations", "migrations/")
LAST = [*SOURCES][-1]


def sequelize(folder: Path, way: Way) -> Ran:
    return run_program(folder, "node_modules/.bin/sequelize-cli", "db:migrate", "--url", way.url)


REMEDIED = """module.exports = {
  async up(queryInterface, Sequelize) {
    await queryInterface.addColumn('posts', 'slug', Sequelize.TEXT);
    await queryInterface.addIndex('posts', ['slug']);
  },
  async down() {},
};
"""
SEQUELIZE = Tool("sequelize", SOURCES, sequelize, {LAST: REMEDIED})


@pytest.fixture(scope="module")
def migrated(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with migrated_by(SEQUELIZE, postgres, tmp_path_factory.mktemp("sequelize")) as way:
        yield way


@pytest.mark.slow
def test_all_migrations(migrated: Way, guarded: Way, tmp_path: Path) -> None:
    SEQUELIZE.migrate(tmp_path, guarded)
    same(migrated, guarded)


@pytest.mark.slow
def test_a_migration_in_a_transaction(forked: Ways, tmp_path: Path) -> None:
    for way in forked:
        SEQUELIZE.applied(SEQUELIZE.project(tmp_path, until=11), way)
    same(*forked)


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
def test_a_migration_that_may_not_wait(forked: Ways, tmp_path: Path) -> None:
    refused(SEQUELIZE, tmp_path, forked, shown=("in Sequelize: leave the transaction option out of this call",))
