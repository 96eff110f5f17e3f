"""golang-migrate migrates through Interlock: each file is one query string, and so a transaction without BEGIN."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, Ran, Way, same
from tests.tools.packages import go_program
from tests.tools.scenario import Tool, migrated_by, run_program, sources

SOURCES = {path.replace(".sql", ".up.sql"): text for path, text in sources(HERE / "sql", "migrations/").items()}


def migrate(folder: Path, way: Way) -> Ran:
    url = way.url + "?sslmode=disable"
    return run_program(folder, str(go_program("golang-migrate")), "-path", "migrations", "-database", url, "up")


MIGRATE = Tool("golang-migrate", SOURCES, migrate, {})


@pytest.fixture(scope="module")
def migrated(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with migrated_by(MIGRATE, postgres, tmp_path_factory.mktemp("migrate")) as way:
        yield way


@pytest.mark.slow
@pytest.mark.parametrize("more", ["rules: { truncate: reject }"], ids=["its own table may be emptied"])
def test_all_migrations(migrated: Way, guarded: Way, tmp_path: Path) -> None:
    MIGRATE.migrate(tmp_path, guarded)
    same(migrated, guarded)
