"""The pipes that docs/check.md shows, with the tools themselves: what they print is what ``interlock check`` reads."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import Server

HERE = Path(__file__).parent
DOCS = (HERE.parents[1] / "docs/check.md").read_text(encoding="utf-8")
DJANGO = HERE.parent / "tools/django"
PROGRAMS = Path(sys.executable).parent  # python, alembic, interlock
REVISION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "{0}", {1}
def upgrade():
    {2}
"""


def piped(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of a command that the documentation shows."""
    assert command in DOCS, f"docs/check.md does not show: {command}"
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    known = {k: v for k, v in os.environ.items() if k != "GITHUB_ACTIONS"}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env={**known, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def findings(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Action and rule of each."""
    return [" ".join(line.split(": ")[1].split()) for line in done.stdout.splitlines() if line.startswith("-:")]


def test_django(postgres: Server, database: str, tmp_path: Path) -> None:
    """sqlmigrate prints one migration, in the transaction that Django would run it in."""
    if postgres.version < 14:
        pytest.skip("this Django wants Postgres 14")
    project = tmp_path / "project"
    shutil.copytree(DJANGO, project, ignore=shutil.ignore_patterns("__pycache__"))
    (project / "shop/migrations/0002_index.py").write_text(
        "from django.db import migrations, models\n"
        "class Migration(migrations.Migration):\n"
        "    dependencies = [('shop', '0001_tables')]\n"
        "    operations = [migrations.RunSQL('ALTER TABLE users ALTER COLUMN email SET NOT NULL')]\n"
    )
    for later in sorted((project / "shop/migrations").glob("00*.py")):
        if later.name not in ("0001_tables.py", "0002_index.py"):
            later.unlink()
    done = piped("python manage.py sqlmigrate shop 0002 | interlock check -", project, DATABASE_URL=database)
    assert done.returncode == 0, done.stdout + done.stderr
    assert findings(done) == ["defer not-null-scan"]


@pytest.fixture(scope="module")
def alembic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as ``alembic init`` makes it, with two revisions."""
    project = tmp_path_factory.mktemp("alembic")
    subprocess.run(
        [PROGRAMS / "alembic", "init", "migrations"], cwd=project, check=True, capture_output=True, timeout=60
    )
    settings = project / "alembic.ini"
    settings.write_text(settings.read_text().replace("driver://user:pass@localhost/dbname", "postgresql:///shop"))
    table = (
        'op.create_table("purchase", sa.Column("id", sa.Integer, primary_key=True), sa.Column("placed_at", sa.Date))'
    )
    index = 'op.create_index("purchase_placed_at_idx", "purchase", ["placed_at"])'
    for number, before, body in (("0041", None, table), ("0042", "0041", index)):
        text = REVISION.format(number, f'"{before}"' if before else None, body)
        (project / f"migrations/versions/{number}_.py").write_text(text)
    return project


def test_alembic(alembic: Path) -> None:
    """Nothing is left to say of the index: its table is made in the same transaction, above it."""
    done = piped("alembic upgrade head --sql | interlock check -", alembic)
    assert done.returncode == 0, done.stdout + done.stderr
    assert findings(done) == []
    assert "nothing to say" in done.stderr


def test_a_range_of_alembic(alembic: Path) -> None:
    done = piped("alembic upgrade 0041:head --sql | interlock check - --pg-version 17", alembic)
    assert done.returncode == 0, done.stdout + done.stderr
    assert findings(done) == ["defer index-not-concurrent"]
    shown = [line for line in done.stdout.splitlines() if "CREATE INDEX" in line]
    assert all(line in DOCS for line in shown if " | " not in line), shlex.join(shown)
