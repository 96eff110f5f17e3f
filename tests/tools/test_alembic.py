"""An Alembic project migrates through Interlock, by psycopg 2, psycopg 3 and asyncpg."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, direct, run_python, same

pytest.importorskip("alembic")

LATER = """
import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("posts", sa.Column("slug", sa.Text))
    {block}op.create_index("posts_slug_idx", "posts", ["slug"])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HERE / "alembic", tmp_path / "alembic", ignore=shutil.ignore_patterns("__pycache__")))


def alembic(project: Path, way: Way, *arguments: str, driver: str) -> Ran:
    url = way.url.replace("postgresql://", f"postgresql+{driver}://")
    return run_python(project, "-m", "alembic", *arguments, env={"DATABASE_URL": url})


def upgrade(project: Path, way: Way, driver: str) -> None:
    """Everything that the project holds, with rows in the tables from the first revision on."""
    ran = alembic(project, way, "upgrade", "0001", driver=driver)
    assert ran.status == 0, ran.output
    way.populate()
    ran = alembic(project, way, "upgrade", "head", driver=driver)
    assert ran.status == 0, ran.output
    assert "Running upgrade 0013 -> 0014" in ran.output


@pytest.fixture(scope="module")
def migrated(postgres: Server) -> Iterator[Way]:
    with direct(postgres) as way:
        upgrade(HERE / "alembic", way, "psycopg2")
        yield way


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["psycopg2", "psycopg", "asyncpg"])
def test_all_migrations(driver: str, migrated: Way, guarded: Way, project: Path) -> None:
    upgrade(project, guarded, driver)
    same(migrated, guarded)
    assert guarded.rows["alembic_version"] == ['{"version_num": "0014"}']


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["psycopg2", "asyncpg"])
def test_a_migration_in_a_transaction(driver: str, forked: Ways, project: Path) -> None:
    """Its index is there when the tool is done, and was built without holding anybody up."""
    (project / "versions/0015_slug.py").write_text(LATER.format(block=""))
    for way in forked:
        ran = alembic(project, way, "upgrade", "head", driver=driver)
        assert ran.status == 0, ran.output
    same(*forked)
    assert forked.guarded.rows["alembic_version"] == ['{"version_num": "0015"}']


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
@pytest.mark.parametrize("driver", ["psycopg2", "asyncpg"])
def test_a_migration_in_a_transaction_that_may_not_wait(driver: str, forked: Ways, project: Path) -> None:
    """Refused as a whole, and recorded as not applied; with the remedy of the message it runs."""
    way = forked.guarded
    before = way.schema, way.rows
    later = project / "versions/0015_slug.py"
    later.write_text(LATER.format(block=""))

    ran = alembic(project, way, "upgrade", "head", driver=driver)
    assert ran.status != 0
    assert 'CREATE INDEX would block writes to "posts" until it is built [index-not-concurrent]' in ran.output
    assert "in Alembic: put the operation into a block: with op.get_context().autocommit_block():" in ran.output
    assert (way.schema, way.rows) == before
    assert "0014" in alembic(project, way, "current", driver=driver).output

    assert alembic(project, forked.direct, "upgrade", "head", driver=driver).status == 0
    later.write_text(LATER.format(block="with op.get_context().autocommit_block():\n        "))
    ran = alembic(project, way, "upgrade", "head", driver=driver)
    assert ran.status == 0, ran.output
    same(*forked)
    assert way.rows["alembic_version"] == ['{"version_num": "0015"}']
