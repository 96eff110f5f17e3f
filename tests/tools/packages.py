"""The migration tools themselves, from npm and Maven Central: fetched once per machine, in exactly these versions.

They are kept in ``CACHE``, outside the repository; a version is part of a folder's name, so that a newer one is
fetched beside the old.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.binaries import CACHE, ServerError, locked

NODE = {
    "knex": ("knex@3.3.0", "pg@8.23.1"),
    "typeorm": ("typeorm@1.1.1", "pg@8.23.1"),
    "drizzle": ("drizzle-orm@0.45.4", "drizzle-kit@0.31.11", "pg@8.23.1"),
    "sequelize": ("sequelize@6.37.8", "sequelize-cli@6.6.5", "pg@8.23.1", "pg-hstore@2.3.4"),
    "dbmate": ("dbmate@2.36.0",),
    "liquibase": ("liquibase@4.28.1",),
}


def node_modules(tool: str) -> Path:
    """The folder with that tool and all that it needs, for ``node_modules`` of a project.

    Raises ``ServerError`` where npm or its registry is not there.
    """
    packages = NODE[tool]
    home = CACHE / f"tool-{tool}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:8]}"
    if not home.exists():
        with locked(f"tool-{tool}"):
            if not home.exists():
                _install(packages, home)
    return home / "node_modules"


def _install(packages: tuple[str, ...], home: Path) -> None:
    if not shutil.which("npm"):
        raise ServerError(f"npm is needed to fetch {packages[0]}: install Node.js")
    scratch = Path(tempfile.mkdtemp(prefix="fetch-", dir=CACHE))
    try:
        (scratch / "package.json").write_text("{}")
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--loglevel=error")
        got = subprocess.run(["npm", "install", *options, *packages], cwd=scratch, capture_output=True, text=True)
        if got.returncode:
            raise ServerError(f"cannot fetch {packages[0]}: check the npm registry and the network\n{got.stderr}")
        scratch.chmod(0o755)
        scratch.rename(home)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
