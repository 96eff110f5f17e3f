"""yoyo migrates through Interlock: a connection and a transaction for each migration, a savepoint for each step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, same
from tests.tools.scenario import Tool, migrated_by, refused, run_program, sources

pytest.importorskip("yoyo")

SOURCES = sources(HERE / "sql", "migrations/")


def yoyo(scheme: str, folder: Path, way: Way) -> Ran:
    url = way.url.replace("postgresql", scheme, 1)
    options = ("--batch", "--no-config-file", "--database", url)
    return run_program(folder, sys.executable, "-m", "yoyo", "apply", *options, "migrations")


REMEDIED = {"migrations/11_slug.sql": "-- transactional: false\n\n" + SOURCES["migrations/11_slug.sql"]}
DRIVERS = {
    driver: Tool("yoyo", SOURCES, partial(yoyo, scheme), REMEDIED)
    for driver, scheme in (("psycopg2", "postgresql"), ("psycopg", "postgresql+psycopg"))
}


@pytest.fixture(scope="module")
def migrated(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with migrated_by(DRIVERS["psycopg2"], postgres, tmp_path_factory.mktemp("yoyo")) as way:
        yield way


@pytest.mark.slow
@pytest.mark.parametrize("driver", DRIVERS)
def test_all_migrations(driver: str, migrated: Way, guarded: Way, tmp_path: Path) -> None:
    DRIVERS[driver].migrate(tmp_path, guarded)
    same(migrated, guarded)


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
def test_a_migration_that_may_not_wait(forked: Ways, tmp_path: Path) -> None:
    refused(DRIVERS["psycopg2"], tmp_path, forked, shown=("in yoyo: put __transactional__ = False",))
