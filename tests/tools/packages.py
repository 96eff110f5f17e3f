"""The migration tools themselves, from npm, PyPI, crates.io, Maven Central and the Go module proxy, once per machine.

In exactly these versions.  They are kept in ``CACHE``, outside the repository; a version is part of a folder's name, so
that a newer one is fetched beside the old.  All functions raise ``ServerError`` where a tool or its registry is not there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.binaries import CACHE, ServerError, locked

PG = "pg@8.23.1"
NODE = {
    "knex": ("knex@3.3.0", PG),
    "typeorm": ("typeorm@1.1.1", PG),
    "drizzle": ("drizzle-orm@0.45.4", "drizzle-kit@0.31.11", PG),
    "sequelize": ("sequelize@6.37.8", "sequelize-cli@6.6.5", PG, "pg-hstore@2.3.4"),
    "dbmate": ("dbmate@2.36.0",),
    "liquibase": ("liquibase@4.28.1",),
    "prisma": ("prisma@6.19.3", "@prisma/adapter-pg@7.10.1", PG),
    "node-pg-migrate": ("node-pg-migrate@9.0.0", PG),
    "kysely": ("kysely@0.29.9", PG),
    "mikro-orm": ("@mikro-orm/core@6.6.7", "@mikro-orm/postgresql@6.6.7", "@mikro-orm/migrations@6.6.7"),
    "graphile-migrate": ("graphile-migrate@1.4.1",),
    "postgres-migrations": ("postgres-migrations@5.3.0",),
    "unleash": ("unleash-server@8.2.0",),
    "db-migrate": ("db-migrate@0.11.14", "db-migrate-pg@1.5.2"),
}
GO: dict[str, tuple[str, ...]] = {  # build tags, and modules: the tool's, and newer ones than it asks for
    "golang-migrate": ("postgres", "github.com/golang-migrate/migrate/v4/cmd/migrate@v4.18.3"),
    "goose": (
        "no_clickhouse no_libsql no_mssql no_mysql no_sqlite3 no_vertica no_ydb no_redshift no_tidb no_turso no_spanner",
        "github.com/pressly/goose/v3/cmd/goose@v3.26.0",
    ),
    "tern": ("", "github.com/jackc/tern/v2@v2.3.3"),
    "atlas": (
        "",
        "ariga.io/atlas/cmd/atlas@v0.13.1",
        "golang.org/x/tools@v0.30.0",
    ),  # which its own is too old for today's Go
    "sql-migrate": ("", "github.com/rubenv/sql-migrate/sql-migrate@v1.8.0"),
}
PYTHON = {
    "aerich": ("aerich==0.10.1", "tortoise-orm==1.1.9", "asyncpg==0.32.0"),
    "piccolo": ("piccolo[postgres]==1.38.0",),
    "mlflow": ("mlflow-skinny==3.17.2", "sqlalchemy==2.1.9", "alembic==1.20.1", "psycopg2-binary==2.9.13"),
    "wagtail": ("wagtail==8.0.1", "django==5.2.19", "psycopg[binary]==3.3.9"),
    "airflow": ("apache-airflow==2.11.0", "psycopg2-binary==2.9.13"),
    "peewee-migrate": ("peewee-migrate==2.3.0", "peewee==4.5.3", "psycopg2-binary==2.9.13"),
}
CARGO: dict[str, tuple[str, ...]] = {  # build tags, and modules: the tool's, and newer ones than it asks for
    "sqlx": ("sqlx-cli@0.8.6", "--no-default-features", "--features", "postgres,rustls"),
    "diesel": ("diesel_cli@2.2.12", "--no-default-features", "--features", "postgres"),
    "refinery": ("refinery_cli@0.8.16", "--no-default-features", "--features", "postgresql"),
    "seaorm": ("--debug", "--path"),  # a project of ours: SeaORM's migrations are programs
}
MAVEN = {
    "flyway": (
        "org.flywaydb:flyway-database-postgresql:11.20.3",
        "org.postgresql:postgresql:42.7.7",
    )
}
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tools</groupId><artifactId>tool</artifactId><version>1</version><dependencies>{}</dependencies></project>"""


def node_modules(tool: str) -> Path:
    """The folder with that tool and all that it needs, for ``node_modules`` of a project."""
    options = ("--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--loglevel=error")
    return _fetched(tool, NODE[tool], ["npm", "install", *options, *NODE[tool]]) / "node_modules"


def go_program(tool: str) -> Path:
    """That tool, compiled."""
    tags, module, *newer = GO[tool]
    command = ["go", "install", "-p", "1", "-tags", tags, module]
    if newer:  # by a module of our own, which go install NAME@VERSION has not
        path = module.partition("@")[0]
        command = ["sh", "-ec", f"go mod init tool; go get {' '.join([module, *newer])}; go install -p 1 {path}"]
    home = _fetched(tool, GO[tool], command)
    name = module.partition("@")[0].rpartition("/")[2]
    return home / (tool if name.startswith("v") else name)


def cargo_program(tool: str) -> Path:
    """That tool, compiled: minutes."""
    command = ["cargo", "install", "--quiet", "--locked", "--jobs", "2", "--root", ".", *CARGO[tool]]
    key = CARGO[tool]
    if key[-1] == "--path":
        project = Path(__file__).parent / tool
        command.append(str(project))
        key = (*key, (project / "src/main.rs").read_text(), (project / "Cargo.lock").read_text())
    home = _fetched(tool, key, command)
    return home / "bin" / tool


def python_path(tool: str) -> Path:
    """The folder with that tool and all that it needs, for PYTHONPATH: apart, for their demands contradict each other."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", "site", *PYTHON[tool]]
    return _fetched(tool, PYTHON[tool], command) / "site"


def jars(tool: str) -> list[Path]:
    """That tool's classpath."""
    home = _fetched(tool, MAVEN[tool], ["mvn", "-q", "dependency:copy-dependencies", "-DoutputDirectory=jars"])
    return sorted((home / "jars").glob("*.jar"))


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
        (scratch / "pom.xml").write_text(POM.format("".join(map(_dependency, MAVEN.get(tool, ())))))
        env = {**os.environ, "GOBIN": str(scratch), "CARGO_TARGET_DIR": str(scratch / "target")}
        got = subprocess.run(command, cwd=scratch, env=env, capture_output=True, text=True)
        if got.returncode:
            raise ServerError(f"cannot fetch {tool}: check its registry and the network\n{got.stdout}{got.stderr}")
        shutil.rmtree(scratch / "target", ignore_errors=True)
        scratch.chmod(0o755)
        scratch.rename(home)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _dependency(coordinates: str) -> str:
    group, artifact, version = coordinates.split(":")
    names = f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
    return f"<dependency>{names}</dependency>"


def main() -> None:
    """Fetch the tools that the command line names."""
    for tool in sys.argv[1:]:
        for table, fetch in ((NODE, node_modules), (GO, go_program), (PYTHON, python_path), (CARGO, cargo_program)):
            if tool in table:
                print(fetch(tool))
        if tool in MAVEN:
            print(*jars(tool), sep="\n")


if __name__ == "__main__":
    main()
