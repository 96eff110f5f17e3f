"""Rails' ActiveRecord migrates through Interlock: a transaction for each migration, the lock on a second connection.

It is Debian's (apt-get install ruby-activerecord ruby-pg) or any other that ``ruby`` finds; skipped where there is none.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, same
from tests.tools.scenario import Tool, migrated_by, refused, run_program, sources

SOURCES = sources(HERE / "rails/migrations", "migrations/")
LAST = [*SOURCES][-1]


@functools.cache
def is_installed() -> bool:
    test = ["ruby", "-e", 'require "active_record"; require "pg"']
    return shutil.which("ruby") is not None and subprocess.run(test, capture_output=True).returncode == 0


def rails(folder: Path, way: Way) -> Ran:
    return run_program(folder, "ruby", "migrate.rb", env={"DATABASE_URL": way.url})


REMEDIED = SOURCES[LAST].replace("[6.1]\n", "[6.1]\n  disable_ddl_transaction!\n\n", 1)
RAILS = Tool("rails", SOURCES, rails, {LAST: REMEDIED})


@pytest.fixture(scope="module")
def migrated(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    if not is_installed():
        pytest.skip("no Ruby with activerecord and pg: apt-get install ruby-activerecord ruby-pg")
    with migrated_by(RAILS, postgres, tmp_path_factory.mktemp("rails")) as way:
        yield way


@pytest.mark.slow
def test_all_migrations(migrated: Way, guarded: Way, tmp_path: Path) -> None:
    RAILS.migrate(tmp_path, guarded)
    same(migrated, guarded)


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
def test_a_migration_that_may_not_wait(forked: Ways, tmp_path: Path) -> None:
    refused(RAILS, tmp_path, forked, shown=("in Rails: put disable_ddl_transaction! into the migration class",))
