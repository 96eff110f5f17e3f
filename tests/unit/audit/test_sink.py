"""A log goes on where it ended: after a crash, a rotation, a full disk; and belongs to one process."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.audit.chain import AuditError, decode
from proxy.audit.sink import AuditLog
from proxy.audit.verify import verify


def record(number: int) -> dict[str, Any]:
    return {"statement": f"CREATE INDEX i{number} ON t (a)", "action": "rewrite"}


def write(path: Path, numbers: range, **options: Any) -> str:
    with AuditLog.open(path, **options) as log:
        for number in numbers:
            log.append(record(number))
        return log.head


def statements(path: Path) -> list[str]:
    return [
        decode(line).record.get("statement", decode(line).record.get("kind")) for line in path.read_bytes().splitlines()
    ]


def test_a_second_run_goes_on_with_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, range(3))
    head = write(path, range(3, 5))
    report = verify([path], head=head)
    assert (report.intact, report.records, report.seq, report.head) == (True, 5, 5, head)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".audit.jsonl.turn", "audit.jsonl"]  # no lock stays


@settings(max_examples=40, deadline=None)
@given(kept=st.floats(0, 1))
def test_wherever_a_crash_cuts_the_last_line_the_chain_goes_on(
    tmp_path_factory: pytest.TempPathFactory, kept: float
) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    write(path, range(3))
    lines = path.read_bytes().splitlines(keepends=True)
    torn = lines[2][: round(kept * len(lines[2]))]
    path.write_bytes(lines[0] + lines[1] + torn)
    write(path, range(3, 4))
    assert verify([path]).intact
    if torn in (b"", lines[2]):
        assert "recovered" not in statements(path)
    elif torn == lines[2][:-1]:  # only the newline was lost: the record is kept
        assert len(statements(path)) == 4
    else:
        recovered = decode(path.read_bytes().splitlines()[2]).record
        assert (recovered["kind"], recovered["torn_bytes"]) == ("recovered", len(torn))
        assert Path(recovered["torn_file"]).read_bytes() == torn + b"\n"


def test_a_file_that_is_no_audit_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\n")
    with pytest.raises(
        AuditError, match=r"notes\.txt: its last line is not as Interlock wrote it .* move the file away"
    ):
        AuditLog.open(path)
    assert path.read_text() == "hello\n"


def test_an_edited_last_line_is_not_built_upon(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, range(2))
    path.write_bytes(path.read_bytes().replace(b"i1", b"i7"))
    with pytest.raises(AuditError, match="it was changed after it was written"):
        AuditLog.open(path)


def test_a_second_process_is_told_who_has_the_file(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    program = f"from proxy.audit.sink import AuditLog; AuditLog.open({str(path)!r}); print('open', flush=True); input()"
    owner = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdin is not None
    assert owner.stdout is not None
    assert owner.stdout.readline() == "open\n"
    with pytest.raises(
        AuditError, match=f"audit.jsonl is in use by pid {owner.pid}; give each proxy a file of its own"
    ):
        AuditLog.open(path)
    owner.kill()
    owner.wait()
    owner.stdin.close()
    owner.stdout.close()
    write(path, range(1))  # a dead owner's lock is free
    assert verify([path]).records == 1


def test_two_logs_of_one_process_do_not_share_a_file_either(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path / "a"), pytest.raises(AuditError, match=f"in use by pid {os.getpid()}"):
        AuditLog.open(tmp_path / "a")


def test_a_guest_writes_into_the_owners_chain(tmp_path: Path) -> None:
    """Also where the file was renamed just now and its owner has not been told."""
    path = tmp_path / "audit.jsonl"
    with AuditLog.open(path) as owner:
        owner.append({"statement": "the owner's"})
        with AuditLog.open(path, joins=True) as guest:
            guest.append({"statement": "a guest's"})
        owner.append({"statement": "the owner's, behind it"})
        path.rename(tmp_path / "audit.jsonl.1")
        with AuditLog.open(path, joins=True) as guest:
            guest.append({"statement": "another guest's"})
        owner.append({"statement": "the owner's, in the new file"})
    assert [json.loads(line).get("statement") for line in path.read_text().splitlines()] == [
        None,  # it goes on from a rotated file
        "another guest's",
        "the owner's, in the new file",
    ]
    report = verify([path, tmp_path / "audit.jsonl.1"])
    assert report.intact, report.problems
    assert report.records == 6
    path.unlink()
    (tmp_path / "audit.jsonl.1").unlink()
    with AuditLog.open(path, joins=True) as alone:  # nobody has it: a chain of its own, from the beginning
        alone.append({"statement": "first"})
    assert verify([path]).starts_at == 1


@pytest.mark.parametrize("where", ["missing/audit.jsonl", "."])
def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path, where: str) -> None:
    with pytest.raises(AuditError, match=f"cannot open audit file {tmp_path / where}"):
        AuditLog.open(tmp_path / where)


def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    program = f"""
import resource
from proxy.audit.sink import AuditError, AuditLog
log = AuditLog.open({str(path)!r})
log.append({{"statement": "first"}})
resource.setrlimit(resource.RLIMIT_FSIZE, (log._size + 100, resource.RLIM_INFINITY))
try:
    log.append({{"statement": "x" * 1000}})
except AuditError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.append({{"statement": "second"}})
"""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out == f"cannot write audit file {path}: File too large\n"
    assert statements(path) == ["first", "second"]
    assert verify([path]).intact


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device_is_an_error() -> None:
    with AuditLog.open("/dev/full") as log, pytest.raises(AuditError, match="No space left on device"):
        log.append(record(1))


def test_size_rotates_and_the_chain_runs_through_all_files(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, range(20), max_bytes=2000, fsync="never")
    write(path, range(20, 40), max_bytes=2000, fsync="never")
    files = sorted(tmp_path.glob("audit*"))
    assert len(files) > 3
    assert all(file.stat().st_size <= 2000 for file in files)
    report = verify(files)
    assert report.intact
    assert [s for file in report.files for s in statements(Path(file)) if s != "continued"] == [
        record(n)["statement"] for n in range(40)
    ]
    assert not verify([*files[:2], *files[3:]]).intact  # a file from the middle is missing
    newest = verify([path])
    assert newest.intact
    assert newest.starts_at > 1


def test_after_a_rename_reopen_goes_on_in_a_new_file(tmp_path: Path) -> None:
    path, old = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    with AuditLog.open(path) as log:
        log.append(record(0))
        path.rename(old)
        log.append(record(1))  # until SIGHUP, lines go where they went
        log.reopen()
        log.append(record(2))
        log.reopen()  # nothing was renamed: nothing happens
        log.append(record(3))
    assert statements(old) == [record(0)["statement"], record(1)["statement"]]
    assert statements(path) == ["continued", record(2)["statement"], record(3)["statement"]]
    assert verify([path, old]).intact


def test_a_reopen_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    path, old = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    with AuditLog.open(path) as log:
        log.append(record(0))
        path.rename(old)
        path.mkdir()
        with pytest.raises(AuditError, match="cannot open audit file"):
            log.reopen()
        log.append(record(1))
    assert verify([old]).records == 2


def test_dash_is_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    with AuditLog.open("-") as log:
        log.append(record(1))
        log.append(record(2))
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert lines[1]["prev"] == lines[0]["hash"]


def test_a_record_cannot_name_its_own_place(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with AuditLog.open(path) as log:
        log.append({"seq": 99, "prev": "f" * 64, "hash": "x", "v": 7})
    assert verify([path]).intact


def test_a_closed_log_says_so(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "a")
    log.close()
    with pytest.raises(AuditError, match="it is closed"):
        log.append(record(1))


def test_a_disk_that_fails_is_told_before_the_next_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before it failed stays, and nothing is written behind it until the disk takes it."""

    def fails(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    path = tmp_path / "audit.jsonl"
    with AuditLog.open(path) as log:
        with monkeypatch.context() as broken:
            broken.setattr(os, "fsync", fails)
            log.append(record(1))
            log._sync.close()
            with pytest.raises(AuditError, match="Input/output error"):
                log.make_room()
            with pytest.raises(AuditError, match="Input/output error"):
                log.append(record(2))
        log.make_room()
        log.append(record(3))
    assert verify([path]).intact
    assert statements(path) == [record(n)["statement"] for n in (1, 3)]


def test_nobody_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, goes_on, synced = threading.Event(), threading.Event(), 0

    def slow(fd: int) -> None:
        nonlocal synced
        begun.set()
        goes_on.wait(20)
        synced += 1

    monkeypatch.setattr(os, "fsync", slow)
    path = tmp_path / "audit.jsonl"
    with AuditLog.open(path) as log:
        log.append(record(0))
        assert begun.wait(20)
        for number in range(1, 10):
            log.append(record(number))
        goes_on.set()
    assert synced == 2  # the first, and all others together
    assert len(statements(path)) == 10
