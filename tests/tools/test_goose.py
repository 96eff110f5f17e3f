"""goose migrates through Interlock: each migration in a transaction, one statement at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, same
from tests.tools.packages import go_program
from tests.tools.scenario import Tool, migrated_by, refused, run_program, sources

SOURCES = {path: f"-- +goose Up\n{text}" for path, text in sources(HERE / "sql", "migrations/").items()}
LAST = [*SOURCES][-1]


def goose(folder: Path, way: Way) -> Ran:
    url = way.url + "?sslmode=disable"
    return run_program(folder, str(go_program("goose")), "-dir", "migrations", "postgres", url, "up")


GOOSE = Tool("goose", SOURCES, goose, {LAST: "-- +goose NO TRANSACTION\n" + SOURCES[LAST]})


@pytest.fixture(scope="module")
def migrated(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with migrated_by(GOOSE, postgres, tmp_path_factory.mktemp("goose")) as way:
        yield way


@pytest.mark.slow
def test_all_migrations(migrated: Way, guarded: Way, tmp_path: Path) -> None:
    GOOSE.migrate(tmp_path, guarded)
    same(migrated, guarded)


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
def test_a_migration_that_may_not_wait(forked: Ways, tmp_path: Path) -> None:
    refused(GOOSE, tmp_path, forked, shown=("in goose: put -- +goose NO TRANSACTION at the top",))
