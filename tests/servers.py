"""Real Postgres servers for tests: ``start(18)`` gives one of any version from 13 to 18, on a random loopback port.

A cluster is a copy of one made earlier, so that starting takes a third of a second.  Programs come from
``tests/binaries.py``.

As a program, ``python -m tests.servers 13 18`` prints a URL for each version and stops them when it is interrupted.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import hashlib
import itertools
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from tests.binaries import CACHE, VERSIONS, ServerError, binaries, client, locked, run, run_client

__all__ = ["CACHE", "VERSIONS", "Server", "ServerError", "client", "database_name", "run_client", "shared", "start"]

_SETTINGS: Mapping[str, object] = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "max_connections": 200,
    "max_prepared_transactions": 10,
    "wal_level": "logical",
    "max_wal_size": "256MB",
    "log_statement": "all",
    "log_line_prefix": "%p %d ",
    "lc_messages": "C",
    "timezone": "UTC",
}
_numbers = itertools.count(1)
_MEMORY = Path("/dev/shm")
_ROOM = 6 * 2**30  # bytes that a whole test run may need there
_runs = CACHE / "run"  # where clusters live while they run


def in_memory() -> None:
    """Put the clusters that this process starts from now on in memory, if there is plenty.

    CREATE DATABASE writes 300 files: 150 ms on a slow disk, 20 ms there.  Not for what measures how fast Postgres is.
    """
    global _runs
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(_MEMORY).free
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
        if min(free, available) > _ROOM:
            _runs = _MEMORY / f"{CACHE.name}-{os.getuid()}"


def _owner() -> str | None:
    """The user that Postgres must run as, for it refuses root; None if we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise ServerError("running as root, and neither a user postgres nor nobody exists to run Postgres as")


def _as_owner(*command: str | Path) -> list[str]:
    owner = _owner()
    words = [str(word) for word in command]
    return words if owner is None else ["runuser", "-u", owner, "--", *words]


def _template(version: int) -> Path:
    """A cluster just made by initdb, for copying."""
    programs = binaries(version)
    made_by = hashlib.sha256(f"{programs} {_owner() or os.geteuid()}".encode()).hexdigest()[:8]
    home = CACHE / f"cluster-{version}-{made_by}"
    if not home.exists():
        with locked(f"cluster-{version}"):
            if not home.exists():
                scratch = Path(tempfile.mkdtemp(prefix="cluster-", dir=CACHE))
                try:
                    _give(scratch)
                    how = ("-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")
                    run(*_as_owner(programs / "initdb", "-D", scratch, *how))
                    scratch.rename(home)
                finally:
                    shutil.rmtree(scratch, ignore_errors=True)
    return home


def _give(path: Path) -> None:
    if owner := _owner():
        shutil.chown(path, owner)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def database_name(database: str) -> str:
    """The name in a URL of this file's kind, or the name itself: methods that want a database take both."""
    return database.rpartition("/")[2]


class Server:
    """A running Postgres of one test run.  Stopped by ``stop``, at exit, and also when this process is killed."""

    def __init__(self, version: int, folder: Path, watch: subprocess.Popen[bytes]) -> None:
        self.version = version
        self.port = 0
        self.data = folder / "data"
        self.socket_folder = folder
        self.log = folder / "log"
        self._watch = watch

    def url(self, database: str = "postgres", *, user: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database_name(database)}"

    def connect(self, database: str = "postgres", *, autocommit: bool = True) -> psycopg.Connection:
        return psycopg.connect(self.url(database), autocommit=autocommit)

    def create_database(self) -> str:
        """Make an empty database and return its name."""
        name = f"t{os.getpid()}_{next(_numbers)}"
        copying = (
            "STRATEGY file_copy" if self.version >= 15 else ""
        )  # the only one before; by WAL it takes three times as long
        with self.connect() as session:
            session.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 {}").format(sql.Identifier(name), sql.SQL(copying))
            )
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database and end whatever sessions it still has."""
        with self.connect() as session:
            session.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database_name(name)))
            )

    def sessions(self, database: str) -> list[str]:
        """The client sessions that a database has now, one line each: application, state and last statement."""
        with self.connect() as session:
            rows = session.execute(
                "SELECT concat_ws(' ', pid, application_name, state, query) FROM pg_stat_activity"
                " WHERE datname = %s AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
                (database_name(database),),
            )
            return [line for (line,) in rows]

    @property
    def log_bytes(self) -> int:
        """How long the server's log is by now."""
        return self.log.stat().st_size

    def log_text(self, database: str | None = None, *, since: int = 0) -> str:
        """The server's log from a byte on; of one database only, if named (continuation lines included)."""
        with self.log.open("rb") as file:
            file.seek(since)
            text = file.read().decode(errors="replace")
        if database is None:
            return text
        kept, keep = [], False
        for line in text.splitlines(keepends=True):
            if head := re.match(r"\d+ (\S*) ", line):
                keep = head[1] == database_name(database)
            if keep:
                kept.append(line)
        return "".join(kept)

    def statements(self, database: str, *, since: int = 0) -> list[str]:
        """What the server was told to run in a database, in order: simple queries and executions, as it logged them.

        ``since``: a ``log_bytes`` of earlier.
        """
        found: list[str] = []
        within = False
        for line in self.log_text(database, since=since).splitlines():
            if head := re.match(r"\d+ \S* \w+:  (?:statement|execute [^:]*): (.*)", line):
                found.append(head[1])
                within = True
            elif not line.startswith("\t"):
                within = False  # a DETAIL may have continuation lines, too
            elif within:
                found[-1] += "\n" + line[1:]
        return found

    def dump(self, database: str, *, schema_only: bool = True) -> str:
        """``pg_dump``, without what differs between two dumps of one schema: comments, blank lines, the restrict key.

        And without Interlock's own schema, in which it writes down what waits for COMMIT.
        """
        options = ["--exclude-schema=interlock", *(["--schema-only"] if schema_only else [])]
        text = self.run("pg_dump", "--no-sync", *options, database=database).stdout
        lines = (line for line in text.splitlines() if line.strip())
        return "\n".join(line for line in lines if not line.startswith(("--", "\\restrict", "\\unrestrict"))) + "\n"

    def run(
        self, program: str, *arguments: str, database: str = "postgres", text: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run psql, pg_dump, pgbench or another client program on a database, with ``text`` on its standard input."""
        return run_client(program, *arguments, url=self.url(database), text=text, check=check)

    def become_standby(self) -> None:
        """Restart as a hot standby that has no primary: all can be read, and nothing written."""
        (self.data / "standby.signal").touch()
        _give(self.data / "standby.signal")
        pg_ctl = binaries(self.version) / "pg_ctl"
        run(*_as_owner(pg_ctl, "-D", self.data, "-w", "-s", "-m", "fast", "-l", self.log, "restart"))

    def restart(self, how: str = "fast") -> None:
        """Stop it as ``pg_ctl -m`` says, and start it on the same port."""
        pg_ctl = binaries(self.version) / "pg_ctl"
        run(*_as_owner(pg_ctl, "-D", self.data, "-w", "-s", "-m", how, "-l", self.log, "restart"))

    def stop(self) -> None:
        """Stop the server and remove its data; calling twice does no harm."""
        if self._watch.stdin and not self._watch.stdin.closed:
            self._watch.stdin.close()
        self._watch.wait(timeout=60)


# The watcher outlives its parent by a moment: when its standard input ends, for whatever reason, it stops the server.
_WATCH = 'cat >/dev/null; "$@" -m immediate stop >/dev/null 2>&1; rm -rf "$INTERLOCK_FOLDER" "$INTERLOCK_FOLDER.lock"'


def start(
    version: int,
    *,
    settings: Mapping[str, object] | None = None,
    hba: str | None = None,
    files: Mapping[str, bytes] | None = None,
    databases: Sequence[str] = (),
) -> Server:
    """Start a server of a major version, with superuser ``postgres`` trusted from anywhere.

    ``settings`` are added to postgresql.conf; ``hba`` replaces pg_hba.conf, but for the superuser's own line on the
    maintenance database; ``files`` are put into the data folder (mode 600, the server's own).
    Raises ``ServerError`` if there are no binaries or the server does not start; its log is in the message.
    """
    template = _template(version)
    runs = _runs
    runs.mkdir(exist_ok=True)
    runs.chmod(0o755)
    with locked("run"):  # else another process could sweep a folder whose lock is not taken yet
        _sweep(runs)
        folder, watch = _watched_folder(runs, version)
    server = Server(version, folder, watch)
    atexit.register(server.stop)
    try:
        run("cp", "-a", str(template), str(server.data))
        for name, content in (files or {}).items():
            (server.data / name).write_bytes(content)
            (server.data / name).chmod(0o600)
            _give(server.data / name)
        if hba is not None:
            first = "host postgres postgres 127.0.0.1/32 trust\n"
            (server.data / "pg_hba.conf").write_text(first + hba.rstrip("\n") + "\n")
        _launch(server, {**_SETTINGS, "unix_socket_directories": str(folder), **(settings or {})})
        for name in databases:
            with server.connect() as session:
                session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except BaseException:
        server.stop()
        raise
    return server


def _watched_folder(runs: Path, version: int) -> tuple[Path, subprocess.Popen[bytes]]:
    """A new folder, and the process that will clear it; that process holds the folder's lock while it lives."""
    folder = Path(tempfile.mkdtemp(prefix=f"{version}-", dir=runs))
    folder.chmod(0o755)
    _give(folder)
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        watch = subprocess.Popen(
            ["sh", "-c", _WATCH, "watch", *_as_owner(binaries(version) / "pg_ctl", "-D", folder / "data")],
            stdin=subprocess.PIPE,
            cwd="/",
            env={**os.environ, "INTERLOCK_FOLDER": str(folder)},
            pass_fds=[lock.fileno()],
            start_new_session=True,  # Ctrl-C in a terminal goes to the whole group
        )
    return folder, watch


def _launch(server: Server, settings: Mapping[str, object]) -> None:
    conf = server.data / "postgresql.conf"
    own = conf.read_text()
    for _attempt in range(5):  # another process may take the port between our look and Postgres's bind
        server.port = _free_port()
        values = {**settings, "port": server.port}
        conf.write_text(own + "".join(f"{name} = '{_quoted(value)}'\n" for name, value in values.items()))
        try:
            run(
                *_as_owner(
                    binaries(server.version) / "pg_ctl", "-D", server.data, "-w", "-s", "-l", server.log, "start"
                )
            )
        except ServerError as error:
            log = server.log.read_text() if server.log.exists() else str(error)
            if "Address already in use" not in log:
                raise ServerError(f"Postgres {server.version} did not start\n{log}") from None
        else:
            return
    raise ServerError("found no free port on 127.0.0.1 in five attempts")


def _quoted(value: object) -> str:
    return str(value).replace("'", "''")


def _sweep(runs: Path) -> None:
    """Clear what a watcher could not (the machine went down, the watcher was killed)."""
    for path in runs.glob("*.lock"):
        with contextlib.suppress(OSError), path.open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder = path.with_suffix("")
            version = int(folder.name.partition("-")[0])
            command = _as_owner(binaries(version) / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
            subprocess.run(command, capture_output=True, cwd="/")
            shutil.rmtree(folder, ignore_errors=True)
            path.unlink(missing_ok=True)


@functools.cache
def shared(version: int) -> Server:
    """The one server of that version that the tests of this process share; each takes a database of its own."""
    return start(version)


def main() -> None:
    for version in sys.argv[1:] or ["18"]:
        print(start(int(version)).url(), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


if __name__ == "__main__":
    main()
