"""Liquibase migrates through Interlock by pgjdbc, whose BEGIN rides with the first statement and whose COMMIT has no text."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, same
from tests.tools.packages import node_modules
from tests.tools.scenario import Tool, migrated_by, refused, run_program, sources

SOURCES = sources(HERE / "liquibase/migrations", "migrations/")
LAST = [*SOURCES][-1]


def liquibase(folder: Path, way: Way) -> Ran:
    libraries = node_modules("liquibase") / "liquibase/dist/liquibase/internal/lib"
    url = urlsplit(way.url)
    return run_program(
        folder,
        *("java", "-XX:TieredStopAtLevel=1", "-cp", os.pathsep.join(map(str, libraries.glob("*.jar")))),
        *("liquibase.integration.commandline.LiquibaseCommandLine", "--show-banner=false", "update"),
        *("--changelog-file=changelog.xml", f"--username={url.username}", "--password="),
        f"--url=jdbc:postgresql://{url.hostname}:{url.port}{url.path}",
    )


REMEDIED = SOURCES[LAST].replace('author="shop"', 'author="shop" runInTransaction="false"')
LIQUIBASE = Tool("liquibase", SOURCES, liquibase, {LAST: REMEDIED})


@pytest.fixture(scope="module")
def migrated(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    if not shutil.which("java"):
        pytest.skip("no java: install a JDK, 17 or newer")
    with migrated_by(LIQUIBASE, postgres, tmp_path_factory.mktemp("liquibase")) as way:
        yield way


@pytest.mark.slow
def test_all_migrations(migrated: Way, guarded: Way, tmp_path: Path) -> None:
    LIQUIBASE.migrate(tmp_path, guarded)
    same(migrated, guarded)


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
def test_a_migration_that_may_not_wait(forked: Ways, tmp_path: Path) -> None:
    refused(LIQUIBASE, tmp_path, forked, shown=("in Liquibase: set runInTransaction",))
