"""Test suites of drivers and of PostgreSQL itself, from their source distributions, fetched once into ``tests.binaries.CACHE``.

Of PyPI by pip, of npm by npm, of Debian by apt-get with folders of its own (nothing is installed, no root is needed).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.binaries import CACHE, ServerError, client, locked

PYPI = {
    "psycopg2": "psycopg2==2.9.13",
    "asyncpg": "asyncpg==0.32.0",
    "pg8000": "pg8000==1.31.6",
    "sqlalchemy": "sqlalchemy==2.0.50",
}
DEBIAN = {  # source package: release, and what its unpacked folder holds
    "postgresql-18": "sid",
    "postgresql-15": "bookworm",
    "node-postgres": "sid",
}
DRIVERS = (  # of the same versions as the suites above, as wheels
    "psycopg[binary]>=3.2",
    "psycopg2-binary==2.9.13",
    "asyncpg==0.32.0",
    "pg8000==1.31.6",
    "sqlalchemy==2.0.50",
    "pytest<9",
    "pytest-timeout",
    "pytz",
    "greenlet",
    "distro",
    "cryptography",
    "uvloop",
)
MIRROR = "http://deb.debian.org/debian"


def python_suite(name: str) -> Path:
    """The unpacked source distribution of a Python driver."""

    def fetch(scratch: Path) -> None:
        # psycopg2 asks pg_config for its metadata, and is not built.
        path = f"{client('pg_config').parent}{os.pathsep}{os.environ['PATH']}"
        options = ("--quiet", "--no-deps", "--no-binary", name, "--dest", ".")
        _run([sys.executable, "-m", "pip", "download", *options, PYPI[name]], scratch, PATH=path)
        _unpack(next(scratch.glob("*.tar.gz")))
        for shadow in scratch.glob(f"*/{name}"):
            shutil.rmtree(shadow)  # not built: it would stand before the one that is installed

    return _fetched(f"{name}-{PYPI[name].rpartition('=')[2]}", fetch)


def drivers() -> Path:
    """The Python of an environment with the drivers and nothing of ours."""

    def fetch(scratch: Path) -> None:
        _run([sys.executable, "-m", "venv", "--copies", "."], scratch)
        _run(["bin/python", "-m", "pip", "install", "--quiet", *DRIVERS], scratch)

    return _fetched("drivers", fetch) / "bin/python"


def debian_suite(name: str) -> Path:
    """The unpacked upstream source of a Debian source package, in the newest version that its release has."""

    def fetch(scratch: Path) -> None:
        if not shutil.which("apt-get"):
            raise ServerError(f"the source of {name} comes from Debian: apt-get is needed")
        (scratch / "sources.list").write_text(f"deb-src {MIRROR} {DEBIAN[name]} main\n")
        for folder in ("lists/partial", "cache/archives/partial"):
            (scratch / folder).mkdir(parents=True)
        own = {"Dir::Etc::sourcelist": "sources.list", "Dir::State::lists": "lists", "Dir::Cache": "cache"}
        options = [f"-o{key}={scratch / value}" for key, value in own.items()]
        options += ["-oDir::Etc::sourceparts=/dev/null", f"-oAPT::Sandbox::User={'root' if os.getuid() == 0 else ''}"]
        _run(["apt-get", "-qq", *options, "update"], scratch)
        # Of a package of many parts the first is enough.
        subprocess.run(
            ["apt-get", "-qq", *options, "source", "--download-only", name], cwd=scratch, capture_output=True
        )
        found = [path for path in scratch.glob("*.orig.tar.*") if not path.name.endswith(".asc")]
        if not found:
            raise ServerError(f"{MIRROR} has no source of {name} in {DEBIAN[name]} now")
        _unpack(found[0])
        shutil.rmtree(scratch / "lists")

    return _fetched(name, fetch)


def node_packages(name: str, *packages: str) -> Path:
    """A ``node_modules`` with those packages of npm."""

    def fetch(scratch: Path) -> None:
        (scratch / "package.json").write_text("{}")
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--legacy-peer-deps")
        _run(["npm", "install", *options, *packages], scratch)

    return _fetched(name, fetch) / "node_modules"


def node_postgres() -> Path:
    """The folder of the package ``pg``, with its tests, and what they need beside it."""
    home = debian_suite("node-postgres")
    package = next(home.glob("*/packages/pg"))
    modules = package / "node_modules"
    if not modules.is_symlink():
        versions = ("pg@8.16.3", "async@2.6.4", "bluebird@3.7.2", "co@4.6.0", "pg-copy-streams@0.3.0")
        modules.symlink_to(node_packages("node-postgres-needs", *versions))
    return package


def libpq_pipeline(version: int) -> Path:
    """PostgreSQL's test program of libpq's pipeline mode, compiled for servers of that version.

    Of 15, whose source holds all that is generated elsewhere; one setting that it makes is called otherwise from 16 on.
    """
    source = next(debian_suite("postgresql-15").glob("postgresql-*/"))
    folder = source / "src/test/modules/libpq_pipeline"
    program = folder / ("libpq_pipeline-16" if version >= 16 else "libpq_pipeline-13")
    if not program.exists():
        with locked("libpq-pipeline"):
            lacking = ("readline", "zlib", "icu")
            _run(["./configure", "--quiet", *(f"--without-{what}" for what in lacking)], source)
            for part in ("src/include", "src/port", "src/common", "src/interfaces/libpq"):
                _run(["make", "-s", "-j2", "-C", part], source)
            text = (folder / "libpq_pipeline.c").read_text()
            for name, setting in (("13", "force_parallel_mode"), ("16", "debug_parallel_query")):
                (folder / "libpq_pipeline.c").write_text(text.replace("force_parallel_mode", setting))
                _run(["make", "-s", "-C", str(folder)], source)
                (folder / "libpq_pipeline").rename(folder / f"libpq_pipeline-{name}")
            (folder / "libpq_pipeline.c").write_text(text)
    return program


def _fetched(name: str, fetch: Callable[[Path], None]) -> Path:
    home = CACHE / f"suite-{name}"
    if not home.exists():
        with locked(f"suite-{name}"):
            if not home.exists():
                scratch = Path(tempfile.mkdtemp(prefix="fetch-", dir=CACHE))
                try:
                    fetch(scratch)
                    scratch.chmod(0o755)
                    scratch.rename(home)
                finally:
                    shutil.rmtree(scratch, ignore_errors=True)
    return home


def _unpack(archive: Path) -> None:
    _run(["tar", "xf", str(archive), "--no-same-owner"], archive.parent)
    archive.unlink()


def _run(command: list[str], folder: Path, **env: str) -> None:
    # PostgreSQL's Makefiles leave out headers that are to be generated where another make has called them: ``make transparency``.
    outside = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")}
    done = subprocess.run(command, cwd=folder, env={**outside, **env}, capture_output=True, text=True)
    if done.returncode:
        raise ServerError(f"{' '.join(command)} failed\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
