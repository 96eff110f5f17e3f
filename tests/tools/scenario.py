"""One migration history told by any tool: run directly and through Interlock, in the tool's own transactions.

The histories have the same migrations (``sql/`` has them as SQL).  Rows are in the tables from the first on; one
contains ``interlock.allow``, without which it is refused; the last one is rolled back, and refused where the policy lets nothing wait.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.binaries import ServerError
from tests.tools.packages import NODE, node_modules
from tests.tools.ways import HERE, Ran, Way

Files = Mapping[str, str]
"""Paths in a project, and the texts."""


@dataclass(frozen=True, slots=True)
class Step:
    """A migration as SQL, for tools whose migrations are SQL."""

    name: str
    """``01_tables``"""
    up: str
    down: str
    transactional: bool
    """Whether it may run in a transaction."""

    @property
    def number(self) -> int:
        return int(self.name[:2])

    @property
    def title(self) -> str:
        return self.name[3:]

    def statements(self) -> list[str]:
        return [statement + ";" for statement in self.up.rstrip().removesuffix(";").split(";\n")]


STEPS = tuple(
    Step(
        path.stem,
        path.read_text(),
        (HERE / "sql/down" / path.name).read_text() if (HERE / "sql/down" / path.name).exists() else "",
        "CONCURRENTLY" not in path.read_text(),
    )
    for path in sorted((HERE / "sql").glob("*.sql"))
)


def without_transactions(steps: Sequence[Step] = STEPS) -> list[Step]:
    """For tools that never open one: SET LOCAL would do nothing."""
    return [Step(s.name, s.up.replace("SET LOCAL", "SET"), s.down, s.transactional) for s in steps]


def only_transactions(steps: Sequence[Step] = STEPS) -> list[Step]:
    """For tools that always open one."""
    return [step for step in steps if step.transactional]


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    """With its version, and the driver's: ``Knex 3.3 (pg 8.23)``."""
    migrations: Sequence[Files]
    """In their order."""
    run: Callable[[Path, Way], Ran]
    """Apply in this project what is not applied yet."""
    folder: str = ""
    """In ``tests/tools``, with what else the project has."""
    node: str = ""
    """Whose ``node_modules`` the project has."""
    back: Callable[[Path, Way], Ran] | None = None
    """Roll back the last migration."""
    farther: Callable[[Path, Way], Ran] | None = None
    """Then, many more."""
    remedied: Files = field(default_factory=dict)
    """What stands in the place of the last migration so that nothing is in a transaction; empty where the tool has no way."""
    shown: tuple[str, ...] = ()
    """What the tool shows, besides the first line, of the message that refuses the last migration in a transaction; empty
    where it is not in one."""
    finish: Callable[[Path], None] = lambda folder: None
    """Called when the files of a project have changed."""
    recover: Callable[[Path, Way], object] = lambda folder, way: None
    """What its user does after a migration that failed, before the next try."""
    check: Callable[[Path, Way], object] = lambda folder, way: None
    """Anything else that is true after the whole history."""
    absent: Callable[[], str | None] = lambda: None
    """Why it cannot run here."""
    fails: tuple[str, str] | None = None
    """Why it does not come through the history even directly, and what it prints then."""
    silent: bool = False
    """Whether it says that it failed, but not why."""
    oldest: int = 13
    """The oldest Postgres that it takes."""
    newest: int = 18
    """The newest one that this release takes."""

    def on(self, version: int) -> bool:
        """Whether it takes that Postgres: else it is no case there, but a line of the table."""
        return self.oldest <= version <= self.newest

    @property
    def allowed(self) -> int:
        """How many migrations come before the one with an exception."""
        return next(n for n, files in enumerate(self.migrations) if any(map(has_exception, files.values())))

    def project(self, folder: Path, *, until: int, plainly: bool = False) -> Path:
        """A project with the first migrations, in a folder that may hold an earlier state of it.

        ``plainly``: without the exception in the last of them.
        """
        folder.mkdir(exist_ok=True)
        if self.folder:
            ignored = shutil.ignore_patterns("migrations", "versions", "__pycache__")
            shutil.copytree(HERE / self.folder, folder, dirs_exist_ok=True, ignore=ignored)
        for files in self.migrations[:until]:
            write(folder, files)
        if plainly:
            last = self.migrations[until - 1]
            write(folder, {path: without_exception(text) for path, text in last.items()})
        if self.node in NODE and not (folder / "node_modules").exists():
            (folder / "node_modules").symlink_to(node_modules(self.node))
        self.finish(folder)
        return folder

    def replace_last(self, folder: Path) -> Path:
        """The project, with the remedy in the place of the last migration."""
        for path in self.migrations[-1]:
            (folder / path).unlink()
        write(folder, self.remedied)
        self.finish(folder)
        return folder

    def applied(self, folder: Path, way: Way) -> str:
        ran = self.run(folder, way)
        assert ran.status == 0, ran.output
        return ran.output


def has_exception(text: str) -> bool:
    return "interlock.allow" in text


def without_exception(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not has_exception(line))


def write(folder: Path, files: Files) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def sources(folder: str, into: str = "") -> list[Files]:
    """The migrations in a folder of ``tests/tools``, a file each, by the path that they have in a project."""
    return [{into + path.name: path.read_text()} for path in sorted((HERE / folder).iterdir()) if path.is_file()]


def rendered(path: str, render: Callable[[Step], str], steps: Sequence[Step] = STEPS) -> list[Files]:
    """The SQL migrations, a file each: ``path`` has ``{name}``, ``{number}`` and ``{title}``."""
    return [{path.format(name=s.name, number=s.number, title=s.title): render(s)} for s in steps]


def run_program(
    folder: Path, *command: str | Path, env: Mapping[str, str] | None = None, timeout_s: float = 110
) -> Ran:
    """Run a tool in a project's folder, as its users do from a shell."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "DATABASE_", "NODE_", "DJANGO_", "PYTHON"))
    }
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env={**clean, "NO_COLOR": "1", "CI": "true", "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
    )
    return Ran(done.returncode, done.stdout)


def needs(*programs: str, hint: str) -> Callable[[], str | None]:
    """For ``Tool.absent``: these programs must be installed."""

    def absent() -> str | None:
        missing = [program for program in programs if not shutil.which(program)]
        return f"no {', '.join(missing)}: {hint}" if missing else None

    return absent


def fetched(fetch: Callable[[], object]) -> Callable[[], str | None]:
    """For ``Tool.absent``: the package must be had."""

    def absent() -> str | None:
        try:
            fetch()
        except ServerError as error:
            return str(error).splitlines()[0]
        return None

    return absent
