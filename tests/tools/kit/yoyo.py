"""yoyo: a connection and a transaction for each migration, a savepoint for each step."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.tools.scenario import STEPS, Step, Tool, run_program
from tests.tools.ways import Ran, Way


def yoyo(scheme: str, folder: Path, way: Way, *command: str) -> Ran:
    url = way.url.replace("postgresql", scheme, 1)
    options = ("--batch", "--no-config-file", "--database", url)
    return run_program(folder, sys.executable, "-m", "yoyo", *(command or ("apply",)), *options, "migrations")


def back(scheme: str, folder: Path, way: Way) -> Ran:
    return yoyo(scheme, folder, way, "rollback", "--revision", "17_slug")


def files(step: Step, *, transactional: bool = True) -> dict[str, str]:
    head = "" if step.transactional and transactional else "-- transactional: false\n\n"
    up = {f"migrations/{step.name}.sql": head + step.up}
    return up | ({f"migrations/{step.name}.rollback.sql": step.down} if step.down else {})


TOOLS = {
    f"yoyo-{driver}": Tool(
        f"yoyo 9.0 ({driver} {version})",
        [*map(files, STEPS)],
        partial(yoyo, scheme),
        back=partial(back, scheme),
        remedied=files(STEPS[-1], transactional=False),
        shown=("in yoyo: put __transactional__ = False",),
    )
    for driver, version, scheme in (("psycopg2", "2.9", "postgresql"), ("psycopg", "3.3", "postgresql+psycopg"))
}
