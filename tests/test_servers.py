"""The servers that the other tests stand on: each promise of tests/servers.py, kept."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests import binaries, servers
from tests.servers import Server

ROOT = Path(__file__).parent.parent


def test_the_version_asked_for_answers(postgres: Server) -> None:
    with postgres.connect() as session:
        assert session.info.server_version // 10_000 == postgres.version


def test_the_log_shows_what_ran_in_one_database(postgres: Server, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("SELECT 1 AS\n  simple")
        session.execute("SELECT %s::int AS extended", (2,))
        session.execute("PREPARE two AS\n  SELECT 2")
        session.execute("EXECUTE two")  # logged with a DETAIL of two lines
    said = ["SELECT 1 AS\n  simple", "SELECT $1::int AS extended", "PREPARE two AS\n  SELECT 2", "EXECUTE two"]
    assert postgres.statements(database) == said
    assert postgres.statements("postgres").count("SELECT 1 AS\n  simple") == 0


def test_equal_schemas_give_equal_dumps(postgres: Server) -> None:
    names = [postgres.create_database() for _ in range(3)]
    for name, column in zip(names, ("a", "a", "b"), strict=True):
        with postgres.connect(name) as session:
            session.execute(f"CREATE TABLE things ({column} int PRIMARY KEY)")
    same, again, other = (postgres.dump(name) for name in names)
    for name in names:
        postgres.drop_database(name)
    assert same == again
    assert same != other


def test_settings_files_and_hba_reach_the_server() -> None:
    server = servers.start(
        18,
        settings={"work_mem": "7MB", "password_encryption": "scram-sha-256"},
        hba="host all all 127.0.0.1/32 scram-sha-256",
        files={"note.txt": b"hello"},
        databases=["shop"],
    )
    try:
        with server.connect() as session:
            assert session.execute("SHOW work_mem").fetchone() == ("7MB",)
            assert session.execute("SELECT pg_read_file('note.txt')").fetchone() == ("hello",)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.url("shop"))
    finally:
        server.stop()
    assert not server.socket_folder.exists()


def test_a_server_that_cannot_start_says_why() -> None:
    with pytest.raises(servers.ServerError, match='unrecognized configuration parameter "colour"'):
        servers.start(18, settings={"colour": "red"})


def test_nothing_is_left_when_the_test_run_is_killed() -> None:
    code = "import signal; from tests import servers; s = servers.start(18); print(s.data, flush=True); signal.pause()"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    data = Path(process.stdout.readline().strip())
    port = int((data / "postmaster.pid").read_text().split()[3])
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 30
    while data.parent.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not data.parent.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def test_without_npm_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binaries, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(servers.ServerError, match=r"npm is needed.*INTERLOCK_TEST_POSTGRES_13"):
        binaries.binaries(13)
