"""Aerich (Tortoise ORM): each migration one query string in a transaction, by asyncpg."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.tools.packages import python_path
from tests.tools.scenario import STEPS, Step, Tool, fetched, rendered, run_program
from tests.tools.ways import Ran, Way

CONFIG = '[tool.aerich]\ntortoise_orm = "settings.TORTOISE_ORM"\nlocation = "./migrations"\nsrc_folder = "./."\n'
SETTINGS = """import os

TORTOISE_ORM = {
    "connections": {"default": os.environ["DATABASE_URL"].replace("postgresql:", "asyncpg:")},
    "apps": {"models": {"models": ["aerich.models"], "default_connection": "default"}},
}
"""


OWN = """CREATE TABLE IF NOT EXISTS "aerich" (
    "id" SERIAL NOT NULL PRIMARY KEY,
    "version" VARCHAR(255) NOT NULL,
    "app" VARCHAR(100) NOT NULL,
    "content" JSONB NOT NULL
);
"""


def file(step: Step, *, transactional: bool = True) -> str:
    head = "" if step.transactional and transactional else "RUN_IN_TRANSACTION = False\n"
    up = OWN + step.up if step.number == 1 else step.up
    return (
        f"from tortoise import BaseDBAsyncClient\n\n{head}\n"
        f'async def upgrade(db: BaseDBAsyncClient) -> str:\n    return """\n{up}"""\n\n\n'
        f'async def downgrade(db: BaseDBAsyncClient) -> str:\n    return """\n{step.down}"""\n'
    )


def configure(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(CONFIG)
    (folder / "settings.py").write_text(SETTINGS)


def aerich(folder: Path, way: Way, *command: str) -> Ran:
    site = python_path("aerich")
    env = {"DATABASE_URL": way.url, "PYTHONPATH": f"{site}:{folder}"}
    return run_program(folder, sys.executable, site / "bin/aerich", *(command or ("upgrade",)), env=env)


PATH = "migrations/models/{number}_202601010000{number:02}_{title}.py"
AERICH = Tool(
    "Aerich 0.10, Tortoise 1.1 (asyncpg 0.32)",
    rendered(PATH, file),
    aerich,
    back=lambda folder, way: aerich(folder, way, "downgrade", "--yes"),
    remedied={
        PATH.format(number=n, title=title): file(Step(f"{n}_{title}", sql, "", alone), transactional=alone)
        for n, title, sql, alone in (
            (17, "slug", STEPS[-1].statements()[0], True),
            (18, "slug_index", STEPS[-1].statements()[1], False),
        )
    },
    shown=("in Aerich: put RUN_IN_TRANSACTION = False into a migration file with this statement only",),
    finish=configure,
    absent=fetched(partial(python_path, "aerich")),
)
TOOLS = {"aerich": AERICH}
