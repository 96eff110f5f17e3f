"""Liquibase, by pgjdbc, whose BEGIN rides with the first statement and whose COMMIT has no text."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from tests.tools.packages import node_modules
from tests.tools.scenario import Tool, needs, run_program, sources
from tests.tools.ways import Ran, Way

MIGRATIONS = sources("liquibase/migrations", "migrations/")


def liquibase(folder: Path, way: Way, *command: str) -> Ran:
    libraries = node_modules("liquibase") / "liquibase/dist/liquibase/internal/lib"
    url = urlsplit(way.url)
    return run_program(
        folder,
        *("java", "-XX:TieredStopAtLevel=1", "-cp", os.pathsep.join(map(str, libraries.glob("*.jar")))),
        *("liquibase.integration.commandline.LiquibaseCommandLine", "--show-banner=false", *(command or ("update",))),
        *("--changelog-file=changelog.xml", f"--username={url.username}", "--password="),
        f"--url=jdbc:postgresql://{url.hostname}:{url.port}{url.path}",
    )


LIQUIBASE = Tool(
    "Liquibase 4.28 (pgjdbc 42.7)",
    MIGRATIONS,
    liquibase,
    folder="liquibase",
    back=lambda folder, way: liquibase(folder, way, "rollback-count", "--count=1"),
    remedied={
        path: text.replace('author="shop"', 'author="shop" runInTransaction="false"')
        for path, text in MIGRATIONS[-1].items()
    },
    shown=("in Liquibase: set runInTransaction",),
    absent=needs("java", hint="install a JDK, 17 or newer"),
)
TOOLS = {"liquibase": LIQUIBASE}
