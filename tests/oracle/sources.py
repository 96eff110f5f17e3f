"""Where the corpus comes from: SQL inside packages of PyPI, npm and Debian, fetched once into the test cache.

PyPI and npm packages are pinned; Debian's are whatever its unstable release has today.  Nothing is built or installed.
A source that cannot be had is named, never passed over in silence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tests.binaries import CACHE

HOME = CACHE / "sql-corpus"
OWN = Path(__file__).parent.parent / "unit/sql/corpus"  # hand-written forms, and what Django sends


class Missing(Exception):
    """A package cannot be had; the message is what the registry's client said last."""


@dataclass(frozen=True, slots=True)
class Source:
    """A package with SQL in it: files whose path matches one of ``wanted`` and none of ``unwanted``."""

    name: str
    registry: str  # pypi-wheel, pypi-sdist, npm, debian
    package: str
    version: str = ""
    wanted: tuple[str, ...] = ("*.sql", "*.sql.in", "*.sql.postgres")
    unwanted: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.package} {self.version}".strip()


def _npm(package: str, version: str) -> Source:
    return Source(f"npm_{package.removeprefix('@').replace('/', '-')}", "npm", package, version)


PGPM = {"types": "0.16.0", "verify": "0.20.0", "base32": "0.20.0", "database-jobs": "0.16.0", "inflection": "0.16.0",
        "metaschema-modules": "0.16.4", "metaschema-schema": "0.16.3", "services": "0.16.3"}  # fmt: skip
SOURCES = (
    # libpg_query's tests hold the regression suite of PostgreSQL 18.6.
    Source("pg_regress", "pypi-sdist", "pglast", "8.8", ("*/postgres_regress/*.sql",)),
    Source("pglast_tests", "pypi-sdist", "pglast", "8.8", ("*/test_printers_roundtrip/*/*.sql",)),
    Source("squawk", "pypi-sdist", "squawk-cli", "2.70.0", ("*.sql", "*/squawk_linter/src/rules/*.rs"), ("*/crates/squawk_ide/*",)),
    Source("matrix_synapse", "pypi-wheel", "matrix-synapse", "1.163.2"),
    Source("procrastinate", "pypi-wheel", "procrastinate", "3.10.0"),
    Source("pgmq", "pypi-wheel", "pgmq", "1.1.4"),
    Source("fraiseql_confiture", "pypi-wheel", "fraiseql-confiture", "1.29.0"),
    _npm("graphile-worker", "0.17.3"),
    *(_npm(f"@pgpm/{name}", version) for name, version in PGPM.items()),
    Source("postgresql", "debian", "postgresql-18", unwanted=("*/src/test/regress/*",)),  # the same as pg_regress
    Source("pg_partman", "debian", "pg-partman"),
    Source("pgtap", "debian", "pgtap"),
    Source("pgq", "debian", "pgq"),
)  # fmt: skip


def files(say: Callable[[str], None]) -> Iterator[tuple[str, str, str]]:
    """Source, path inside it and text of every file with SQL, fetched if need be; ``say`` is told what is missing."""
    for path in sorted(OWN.glob("*.sql")):
        yield "interlock", path.name, path.read_text()
    for source in SOURCES:
        try:
            archive = _archive(source)
        except Missing as error:
            say(f"missing: {source.label} ({source.registry}): {error}")
            continue
        for name, raw in sorted(_members(archive)):
            if _is_wanted(source, name):
                yield source.name, name, _text(raw)


def _is_wanted(source: Source, name: str) -> bool:
    return any(fnmatch(name, w) for w in source.wanted) and not any(fnmatch(name, u) for u in source.unwanted)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in wheel.namelist():
                yield name, wheel.read(name)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and (file := tar.extractfile(member)) is not None:
                yield member.name, file.read()


# ---------------------------------------------------------------- fetching


def _archive(source: Source) -> Path:
    """The package's file, from the cache or the registry.  Raises Missing."""
    folder = HOME / "archives" / f"{source.registry}-{source.label.replace('/', '-').replace(' ', '-')}"
    done = folder / ".complete"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        FETCH[source.registry](source, folder)
        done.touch()
    found = [p for p in folder.iterdir() if p.suffix == ".whl" or ".tar." in p.name or p.suffix == ".tgz"]
    wanted = [p for p in found if source.registry != "debian" or (".orig.tar." in p.name and p.suffix != ".asc")]
    if len(wanted) != 1:
        raise Missing(f"no archive among {', '.join(p.name for p in found) or 'nothing'}")
    return wanted[0]


def _run(*command: str, cwd: Path, environment: dict[str, str] | None = None) -> str:
    if shutil.which(command[0]) is None:
        raise Missing(f"there is no {command[0]} here")
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        telling = [line for line in said if "error" in line.lower()] or said
        raise Missing(telling[-1].strip() if telling else f"{command[0]} ended with {done.returncode}")
    return done.stdout


def _wheel(source: Source, folder: Path) -> None:
    wanted = f"{source.package}=={source.version}"
    _run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", wanted, cwd=folder)


# pip builds a source package's metadata before it hands over the file; this stands in for whatever would build it.
BACKEND = """
import os

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    name, version = os.environ["SDIST_NAME"], os.environ["SDIST_VERSION"]
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    os.makedirs(os.path.join(directory, info))
    with open(os.path.join(directory, info, "METADATA"), "w") as file:
        file.write(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return info
"""


def _sdist(source: Source, folder: Path) -> None:
    backends = HOME / "backends"
    backends.mkdir(parents=True, exist_ok=True)
    for name in ("maturin.py", "setuptools/__init__.py", "setuptools/build_meta.py"):
        (backends / name).parent.mkdir(exist_ok=True)
        (backends / name).write_text("" if name.endswith("__init__.py") else BACKEND)
    _run(
        sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation", "--no-binary", source.package,
        f"{source.package}=={source.version}", cwd=folder,
        environment={"PYTHONPATH": str(backends), "SDIST_NAME": source.package, "SDIST_VERSION": source.version},
    )  # fmt: skip


def _pack(source: Source, folder: Path) -> None:
    _run("npm", "pack", "--silent", f"{source.package}@{source.version}", cwd=folder)


def _debian(source: Source, folder: Path) -> None:
    """With an apt state of our own: the machine's is left alone."""
    state = HOME / "apt"
    settings = state / "apt.conf"
    environment = {"APT_CONFIG": str(settings)}
    if not (state / ".complete").exists():
        (state / "lists/partial").mkdir(parents=True, exist_ok=True)
        (state / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
        (state / "sources.list").write_text(f"deb-src {_mirror(state)} {os.environ.get('DEBIAN_SUITE', 'sid')} main\n")
        settings.write_text(
            f'Dir::Etc::sourcelist "{state}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
            f'Dir::State::lists "{state}/lists";\nDir::Cache "{state}/cache";\n'
        )
        _run("apt-get", "update", "-qq", cwd=state, environment=environment)
        (state / ".complete").touch()
    try:
        _run("apt-get", "source", "-qq", "--download-only", "--only-source", source.package, cwd=folder, environment=environment)  # fmt: skip
    except Missing:  # a mirror may lack the packaging's own files; only the upstream archive matters
        if not any(".orig.tar." in p.name for p in folder.iterdir()):
            raise


def _mirror(folder: Path) -> str:
    """The machine's own Debian mirror, or the one that the environment names."""
    if given := os.environ.get("DEBIAN_MIRROR"):
        return given
    listed = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", cwd=folder).splitlines()
    return next((uri for uri in listed if "debian" in uri and "security" not in uri), "http://deb.debian.org/debian/")


FETCH: dict[str, Callable[[Source, Path], None]] = {
    "pypi-wheel": _wheel,
    "pypi-sdist": _sdist,
    "npm": _pack,
    "debian": _debian,
}
