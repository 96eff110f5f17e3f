"""A TypeORM project migrates through Interlock: by default all migrations are in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, same
from tests.tools.scenario import Tool, migrated_by, refused, run_program, sources

SOURCES = sources(HERE / "typeorm/migrations", "migrations/")
LAST = [*SOURCES][-1]
COMMAND = ("node_modules/.bin/typeorm", "migration:run", "-d", "datasource.js")


def typeorm(folder: Path, way: Way) -> Ran:
    return run_program(folder, *COMMAND, env={"DATABASE_URL": way.url, "TYPEORM_MODE": "all"})


def each(folder: Path, way: Way) -> Ran:
    return run_program(folder, *COMMAND, env={"DATABASE_URL": way.url, "TYPEORM_MODE": "each"})


REMEDIED = {LAST: SOURCES[LAST].replace("async up(", "transaction = false;\n\n  async up(", 1)}
MODES = {"all": Tool("typeorm", SOURCES, typeorm, {}), "each": Tool("typeorm", SOURCES, each, REMEDIED)}


@pytest.fixture(scope="module")
def migrated(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with migrated_by(MODES["all"], postgres, tmp_path_factory.mktemp("typeorm")) as way:
        yield way


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_all_migrations(mode: str, migrated: Way, guarded: Way, tmp_path: Path) -> None:
    MODES[mode].migrate(tmp_path, guarded)
    same(migrated, guarded)


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
def test_a_migration_that_may_not_wait(forked: Ways, tmp_path: Path) -> None:
    refused(MODES["each"], tmp_path, forked, shown=("in TypeORM: put transaction = false into the migration class",))
