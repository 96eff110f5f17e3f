"""Django: psycopg 3 and 2, the usual apps and one of its own."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests.tools.scenario import Tool, run_program, sources
from tests.tools.ways import Ran, Way

PATH = "shop/migrations/"
MIGRATIONS = [files for files in sources("django/shop/migrations", PATH) if PATH + "__init__.py" not in files]


def manage(driver: str, folder: Path, way: Way, *command: str) -> Ran:
    env = {"DATABASE_URL": way.url, "DRIVER": driver}
    return run_program(folder, sys.executable, "manage.py", *(command or ("migrate",)), env=env)


def back(driver: str, folder: Path, way: Way) -> Ran:
    return manage(driver, folder, way, "migrate", "shop", "0015")


def far_back(driver: str, folder: Path, way: Way) -> Ran:
    return manage(driver, folder, way, "migrate", "shop", "0004")


def package(folder: Path) -> None:
    (folder / PATH / "__init__.py").touch()


def nothing_left_to_make(driver: str, folder: Path, way: Way) -> None:
    assert "No changes detected" in manage(driver, folder, way, "makemigrations", "--check").output


TOOLS = {
    f"django-{driver}": Tool(
        f"Django 5.2 ({driver} {version})",
        MIGRATIONS,
        partial(manage, driver),
        folder="django",
        back=partial(back, driver),
        farther=partial(far_back, driver),
        remedied={
            path: text.replace("    dependencies", "    atomic = False\n\n    dependencies")
            for path, text in MIGRATIONS[-1].items()
        },
        shown=("in Django: set atomic = False on the Migration class", "More: interlock rules index-not-concurrent"),
        finish=package,
        check=partial(nothing_left_to_make, driver),
        oldest=14,
    )
    for driver, version in (("psycopg", "3.3"), ("psycopg2", "2.9"))
}
