"""The migration tools themselves, from npm and the Go module proxy: fetched once per machine, in exactly these versions.

They are kept in ``CACHE``, outside the repository; a version is part of a folder's name, so that a newer one is
fetched beside the old.
"""

from __future__ import annotations

import hashlib
import os
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
GO = {
    "golang-migrate": ("postgres", "github.com/golang-migrate/migrate/v4/cmd/migrate@v4.18.3"),
    "goose": (
        "no_clickhouse no_libsql no_mssql no_mysql no_sqlite3 no_vertica no_ydb no_redshift no_tidb no_turso no_spanner",
        "github.com/pressly/goose/v3/cmd/goose@v3.26.0",
    ),
}


def node_modules(tool: str) -> Path:
    """The folder with that tool and all that it needs, for ``node_modules`` of a project.

    Raises ``ServerError`` where npm or its registry is not there.
    """
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--loglevel=error")
    return _fetched(tool, NODE[tool], ["npm", "install", *options, *NODE[tool]]) / "node_modules"


def go_program(tool: str) -> Path:
    """That tool, compiled.  Raises ``ServerError`` where Go or the module proxy is not there."""
    tags, module = GO[tool]
    home = _fetched(tool, GO[tool], ["go", "install", "-p", "1", "-tags", tags, module])
    return home / module.partition("@")[0].rpartition("/")[2]


def _fetched(tool: str, key: tuple[str, ...], command: list[str]) -> Path:
    """The folder that the command, run in an empty one, has filled."""
    home = CACHE / f"tool-{tool}-{hashlib.sha256(' '.join(key).encode()).hexdigest()[:8]}"
    if not home.exists():
        with locked(f"tool-{tool}"):
            if not home.exists():
                _fetch(tool, command, home)
    return home


def _fetch(tool: str, command: list[str], home: Path) -> None:
    if not shutil.which(command[0]):
        raise ServerError(f"{command[0]} is needed to fetch {tool}: install it")
    scratch = Path(tempfile.mkdtemp(prefix="fetch-", dir=CACHE))
    try:
        (scratch / "package.json").write_text("{}")
        env = {**os.environ, "GOBIN": str(scratch)}
        got = subprocess.run(command, cwd=scratch, env=env, capture_output=True, text=True)
        if got.returncode:
            raise ServerError(f"cannot fetch {tool}: check its registry and the network\n{got.stderr}")
        scratch.chmod(0o755)
        scratch.rename(home)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
