"""One migration history told by any tool: run directly and through Interlock, in the tool's own transactions.

The histories have the same migrations, 01 to 11.  Rows are in the tables from 01 on; 11 is the one that a policy
refuses in ``refused``, until it is written as the message says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import Server
from tests.tools.conftest import HERE, Ran, Way, Ways, direct, same
from tests.tools.packages import NODE, node_modules

FORBIDDEN = 'CREATE INDEX would block writes to "posts" until it is built [index-not-concurrent]'


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    """The folder in ``tests/tools`` with the project, and the one in the cache with the tool."""
    files: Mapping[str, str]
    """The migrations: paths in the project and texts, in their order, the last one being 11."""
    run: Callable[[Path, Way], Ran]
    """Apply in this project what is not applied yet."""
    remedied: Mapping[str, str]
    """What stands in the place of 11 so that nothing is in a transaction; empty where the tool has no way."""
    finish: Callable[[Path], None] = lambda folder: None
    """Called when the files of a project have changed."""

    def project(self, folder: Path, *, until: int = 10) -> Path:
        """A project with the first migrations, in a folder that may hold an earlier state of it."""
        source = HERE / self.name
        if source.exists():
            shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("migrations"))
        write(folder, dict([*self.files.items()][:until]))
        if self.name in NODE and not (folder / "node_modules").exists():
            (folder / "node_modules").symlink_to(node_modules(self.name))
        self.finish(folder)
        return folder

    def migrate(self, folder: Path, way: Way, *, until: int = 10) -> None:
        """The whole history but 11, on tables with rows."""
        self.applied(self.project(folder, until=1), way)
        way.populate()
        self.applied(self.project(folder, until=until), way)

    def applied(self, folder: Path, way: Way) -> str:
        ran = self.run(folder, way)
        assert ran.status == 0, ran.output
        return ran.output


@contextmanager
def migrated_by(tool: Tool, server: Server, folder: Path) -> Iterator[Way]:
    """The database to which the tool went directly."""
    with direct(server) as way:
        tool.migrate(folder, way)
        yield way


def refused(tool: Tool, folder: Path, ways: Ways, *, shown: tuple[str, ...]) -> str:
    """A policy that lets nothing wait: 11 is refused as a whole with a message that the tool shows, then remedied."""
    way = ways.guarded
    before = way.schema, way.rows
    project = tool.project(folder, until=11)
    ran = tool.run(project, way)
    print(ran.output)  # what docs/tools shows: pytest -rP
    assert ran.status != 0
    for text in (FORBIDDEN, *shown):
        assert text in ran.output, ran.output
    assert (way.schema, way.rows) == before
    if tool.remedied:
        (project / [*tool.files][-1]).unlink()
        write(project, tool.remedied)
        tool.finish(project)
        for each in ways:
            tool.applied(project, each)
        same(*ways)
    return ran.output


def write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def sources(folder: Path, into: str = "") -> dict[str, str]:
    """The files of a folder, by the path that they have in a project."""
    return {into + path.name: path.read_text() for path in sorted(folder.iterdir())}


def run_program(folder: Path, *command: str, env: Mapping[str, str] | None = None) -> Ran:
    """Run a tool in a project's folder, as its users do from a shell."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DATABASE_", "NODE_"))}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**clean, "NO_COLOR": "1", "CI": "true", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    return Ran(done.returncode, done.stdout)
