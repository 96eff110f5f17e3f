"""Laravel's migrator, by PDO: each statement prepared by name, and recorded after COMMIT.  Debian's (``PACKAGES``)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tests.tools.scenario import Tool, run_program, sources
from tests.tools.ways import Ran, Way

MIGRATIONS = sources("laravel/migrations", "migrations/")
ILLUMINATE = Path("/usr/share/php/Illuminate")
PACKAGES = (
    "php-cli php-pgsql php-illuminate-database php-illuminate-events php-illuminate-filesystem php-illuminate-console"
)


def absent() -> str | None:
    there = all(
        (ILLUMINATE / part / "autoload.php").exists() for part in ("Database", "Events", "Filesystem", "Console")
    )
    return None if there else f"no Laravel: apt-get install {PACKAGES}"


def laravel(folder: Path, way: Way, command: str = "run") -> Ran:
    url = urlsplit(way.url)
    env = {
        "DB_HOST": str(url.hostname),
        "DB_PORT": str(url.port),
        "DB_USER": str(url.username),
        "DB_NAME": way.database,
    }
    return run_program(folder, "php", "-d", "display_errors=stderr", "migrate.php", command, env=env)


LARAVEL = Tool(
    "Laravel 8.83 (PDO, libpq)",
    MIGRATIONS,
    laravel,
    folder="laravel",
    back=partial(laravel, command="rollback"),
    remedied={
        path: text.replace("Migration {\n", "Migration {\n    public $withinTransaction = false;\n\n", 1)
        for path, text in MIGRATIONS[-1].items()
    },
    shown=("in Laravel: put public $withinTransaction = false; into the migration class",),
    absent=absent,
)
TOOLS = {"laravel": LARAVEL}
