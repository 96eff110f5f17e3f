"""Alembic, a transaction for each revision, by four drivers."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.tools.scenario import Tool, run_program, sources
from tests.tools.ways import Ran, Way

MIGRATIONS = sources("alembic/versions", "versions/")


def alembic(driver: str, folder: Path, way: Way, *command: str) -> Ran:
    url = way.url.replace("postgresql://", f"postgresql+{driver}://")
    return run_program(
        folder, sys.executable, "-m", "alembic", *(command or ("upgrade", "head")), env={"DATABASE_URL": url}
    )


def back(driver: str, folder: Path, way: Way) -> Ran:
    return alembic(driver, folder, way, "downgrade", "-1")


FAILS = {"pg8000": ("its autocommit_block is in a transaction", "cannot run inside a transaction block")}


REMEDIED = {
    path: text.replace("    op.create_index", "    with op.get_context().autocommit_block():\n        op.create_index")
    for path, text in MIGRATIONS[-1].items()
}
TOOLS = {
    f"alembic-{driver}": Tool(
        f"Alembic 1.20, SQLAlchemy 2.1 ({driver} {version})",
        MIGRATIONS,
        partial(alembic, driver),
        folder="alembic",
        back=partial(back, driver),
        remedied=REMEDIED,
        shown=("in Alembic: put the operation into a block: with op.get_context().autocommit_block():",),
        fails=FAILS.get(driver),
    )
    for driver, version in (("psycopg2", "2.9"), ("psycopg", "3.3"), ("asyncpg", "0.32"), ("pg8000", "1.31"))
}
