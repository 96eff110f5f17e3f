"""A Drizzle project migrates through Interlock: all migrations in one transaction, always."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, same
from tests.tools.scenario import Tool, migrated_by, refused, run_program, sources

SOURCES = {
    path: text.replace(";\n", ";--> statement-breakpoint\n").removesuffix("--> statement-breakpoint\n")
    for path, text in sources(HERE / "sql", "drizzle/").items()
}


def by_the_orm(folder: Path, way: Way) -> Ran:
    return run_program(folder, "node", "migrate.mjs", env={"DATABASE_URL": way.url})


def by_the_kit(folder: Path, way: Way) -> Ran:
    return run_program(folder, "node_modules/.bin/drizzle-kit", "migrate", env={"DATABASE_URL": way.url})


def journal(folder: Path) -> None:
    """The list of migrations, which Drizzle writes when it generates one."""
    names = sorted(path.stem for path in (folder / "drizzle").glob("*.sql"))
    entries = [
        {"idx": n, "version": "7", "when": 1767225600000 + 1000 * n, "tag": name, "breakpoints": True}
        for n, name in enumerate(names)
    ]
    (folder / "drizzle/meta").mkdir(exist_ok=True)
    journal = {"version": "7", "dialect": "postgresql", "entries": entries}
    (folder / "drizzle/meta/_journal.json").write_text(json.dumps(journal))


RUNNERS = {
    "orm": Tool("drizzle", SOURCES, by_the_orm, {}, journal),
    "kit": Tool("drizzle", SOURCES, by_the_kit, {}, journal),
}


def recorded(way: Way) -> list[tuple[str, int]]:
    with way.server.connect(way.database) as session:
        return session.execute("SELECT hash, created_at FROM drizzle.__drizzle_migrations ORDER BY id").fetchall()


@pytest.fixture(scope="module")
def migrated(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with migrated_by(RUNNERS["orm"], postgres, tmp_path_factory.mktemp("drizzle")) as way:
        yield way


@pytest.mark.slow
@pytest.mark.parametrize("runner", RUNNERS)
def test_all_migrations(runner: str, migrated: Way, guarded: Way, tmp_path: Path) -> None:
    RUNNERS[runner].migrate(tmp_path, guarded)
    same(migrated, guarded)
    assert len(recorded(guarded)) == 10
    assert recorded(guarded) == recorded(migrated)


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
def test_a_migration_that_may_not_wait(forked: Ways, tmp_path: Path) -> None:
    """There is no remedy in Drizzle itself; psql makes the index before, and the migration finds it made."""
    ran = refused(
        RUNNERS["orm"], tmp_path, forked, shown=("Drizzle has no switch for it: run this statement with psql",)
    )
    assert len(recorded(forked.guarded)) == 10, ran
