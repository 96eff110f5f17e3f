"""Piccolo: each migration in a transaction, recorded on another connection after its COMMIT; by asyncpg."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.tools.packages import python_path
from tests.tools.scenario import STEPS, Step, Tool, fetched, rendered, run_program
from tests.tools.ways import Ran, Way

CONF = """import os
from urllib.parse import urlsplit

from piccolo.conf.apps import AppRegistry
from piccolo.engine.postgres import PostgresEngine

url = urlsplit(os.environ["DATABASE_URL"])
DB = PostgresEngine(config={"host": url.hostname, "port": url.port, "user": url.username, "database": url.path[1:]})
APP_REGISTRY = AppRegistry(apps=["shop.piccolo_app"])
"""
APP = """import os

from piccolo.conf.apps import AppConfig

FOLDER = os.path.join(os.path.dirname(__file__), "piccolo_migrations")
APP_CONFIG = AppConfig(app_name="shop", migrations_folder_path=FOLDER, table_classes=[])
"""
MIGRATION = """from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine import engine_finder

ID = "{id}"
VERSION = "1.38.0"
DESCRIPTION = "{name}"


async def forwards():
    manager = MigrationManager(migration_id=ID, app_name="shop", description=DESCRIPTION{wrap})

    async def run():
        for sql in (
{up}        ):
            await engine_finder()._run_in_new_connection(sql) if {alone!r} else await engine_finder().run_ddl(sql)

    async def run_backwards():
        for sql in {down!r}:
            await engine_finder().run_ddl(sql)

    manager.add_raw(run)
    manager.add_raw_backwards(run_backwards)
    return manager
"""


def identity(step: Step) -> str:
    return f"2026-01-01T00:00:{step.number:02}:000000"


def file(step: Step, *, transactional: bool = True) -> str:
    alone = not (step.transactional and transactional)
    return MIGRATION.format(
        id=identity(step),
        name=step.title,
        wrap=", wrap_in_transaction=False" if alone else "",
        alone=alone,
        up="".join(f"            {statement!r},\n" for statement in step.statements()),
        down=step.down.splitlines(),
    )


def configure(folder: Path) -> None:
    (folder / "piccolo_conf.py").write_text(CONF)
    (folder / "shop/__init__.py").touch()
    (folder / "shop/piccolo_app.py").write_text(APP)
    (folder / "shop/piccolo_migrations/__init__.py").touch()


def piccolo(folder: Path, way: Way, *command: str) -> Ran:
    env = {"DATABASE_URL": way.url, "PYTHONPATH": f"{python_path('piccolo')}:{folder}", "PICCOLO_CONF": "piccolo_conf"}
    program = (sys.executable, "-m", "piccolo.main", "migrations", *(command or ("forwards", "shop")))
    return run_program(folder, *program, env=env)


PATH = "shop/piccolo_migrations/shop_2026_01_01t00_00_{number:02}_000000.py"
PICCOLO = Tool(
    "Piccolo 1.38 (asyncpg)",
    rendered(PATH, file),
    piccolo,
    back=lambda folder, way: piccolo(folder, way, "backwards", "shop", identity(STEPS[-1]), "--auto_agree"),
    remedied={PATH.format(number=17): file(STEPS[-1], transactional=False)},
    shown=("in Piccolo: give wrap_in_transaction=False to the MigrationManager",),
    finish=configure,
    absent=fetched(partial(python_path, "piccolo")),
)
TOOLS = {"piccolo": PICCOLO}
