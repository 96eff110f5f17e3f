"""A Django project migrates through Interlock: psycopg 3 and 2, the usual apps and one of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.conftest import HERE, REJECTING, Ran, Way, Ways, direct, run_python, same

django = pytest.importorskip("django")
OLDEST = 14  # that Django 5.2 and 6 take

LATER = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("shop", "0014_staged_validate"),)
    operations = (
        migrations.AddField("Post", "slug", models.TextField(null=True)),
        migrations.AddIndex("Post", models.Index(fields=["slug"], name="posts_slug_idx")),
    )
"""


def manage(project: Path, way: Way, *arguments: str, driver: str = "psycopg") -> Ran:
    return run_python(project, "manage.py", *arguments, env={"DATABASE_URL": way.url, "DRIVER": driver})


def migrate(project: Path, way: Way, driver: str = "psycopg") -> Ran:
    """Every migration, with rows in the tables from the first one of the shop on."""
    ran = manage(project, way, "migrate", "shop", "0001", driver=driver)
    assert ran.status == 0, ran.output
    way.populate()
    ran = manage(project, way, "migrate", driver=driver)
    assert ran.status == 0, ran.output
    return ran


@pytest.fixture(scope="module")
def migrated(postgres: Server) -> Iterator[Way]:
    if postgres.version < OLDEST:
        pytest.skip(f"Django {django.get_version()} does not support Postgres {postgres.version}")
    with direct(postgres) as way:
        migrate(HERE / "django", way)
        yield way


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HERE / "django", tmp_path / "django", ignore=shutil.ignore_patterns("__pycache__")))


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_all_migrations(driver: str, migrated: Way, guarded: Way, project: Path) -> None:
    migrate(project, guarded, driver)
    same(migrated, guarded)
    assert "No changes detected" in manage(project, guarded, "makemigrations", "--check", driver=driver).output


@pytest.mark.slow
def test_a_migration_in_a_transaction(forked: Ways, project: Path) -> None:
    """Its index is there when the tool is done, and was built without holding anybody up."""
    (project / "shop/migrations/0015_slug.py").write_text(LATER)
    for way in forked:
        ran = manage(project, way, "migrate")
        assert ran.status == 0, ran.output
    same(*forked)


@pytest.mark.slow
@pytest.mark.parametrize("more", [REJECTING], ids=["rejecting"])
def test_a_migration_in_a_transaction_that_may_not_wait(forked: Ways, project: Path) -> None:
    """Refused as a whole, and recorded as not applied; with the remedy of the message it runs."""
    way = forked.guarded
    before = way.schema, way.rows
    later = project / "shop/migrations/0015_slug.py"
    later.write_text(LATER)

    ran = manage(project, way, "migrate")
    assert ran.status != 0
    assert 'CREATE INDEX would block writes to "posts" until it is built [index-not-concurrent]' in ran.output
    assert "in Django: set atomic = False on the Migration class" in ran.output
    assert "More: interlock rules index-not-concurrent" in ran.output
    assert (way.schema, way.rows) == before

    assert manage(project, forked.direct, "migrate").status == 0
    later.write_text(LATER.replace("    dependencies", "    atomic = False\n\n    dependencies"))
    ran = manage(project, way, "migrate")
    assert ran.status == 0, ran.output
    assert "Applying shop.0015_slug... OK" in ran.output
    same(*forked)


@pytest.mark.slow
def test_backwards(forked: Ways, project: Path) -> None:
    for way in forked:
        ran = manage(project, way, "migrate", "shop", "0004")
        assert ran.status == 0, ran.output
    same(*forked)
