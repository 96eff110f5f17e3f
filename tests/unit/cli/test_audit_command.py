"""``interlock audit``: what a person sees of the log."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.audit.sink import AuditLog
from proxy.cli import main

AT = datetime(2026, 11, 22, 20, 21, 25, tzinfo=UTC)


def index(number: int) -> dict[str, object]:
    return {
        "session": {"user": "app", "database": "shop", "client": "10.0.0.7:51234", "tool": "alembic"},
        "statement": f"CREATE INDEX i{number}\nON orders (email)",
        "kind": "CREATE INDEX",
        "relations": ["public.orders"],
        "action": "rewrite",
        "findings": [{"rule": "index-not-concurrent"}],
        "outcome": "done",
        "sqlstate": "",
        "took_ms": 552_000,
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    with AuditLog.open(path, clock=lambda: AT) as log:
        for number in range(12):
            log.append(index(number))
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["audit", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def head_of(file: Path) -> str:
    return run("tail", "-n", 1, file)[2].split()[1]


def test_tail_tells_a_record_in_two_lines_and_the_head(file: Path) -> None:
    code, out, talk = run("tail", "-n", 1, file)
    assert code == 0
    assert out == (
        "2026-11-22 20:21:25Z  rewrite  CREATE INDEX  public.orders  app@shop (alembic)  done in 9.2 min"
        "  [index-not-concurrent]\n    CREATE INDEX i11 …\n"
    )
    assert talk.startswith("head ")
    assert talk.endswith(" (record 12)\n")


@pytest.mark.parametrize(("lines", "shown"), [(0, 0), (3, 3), (10, 10), (50, 12)])
def test_tail_as_json_is_the_last_lines_as_they_are(file: Path, lines: int, shown: int) -> None:
    _, out, _ = run("tail", "--format", "json", "-n", lines, file)
    assert out.splitlines() == file.read_text().splitlines()[12 - shown :]


def test_tail_takes_the_file_from_the_variable_of_serve(file: Path) -> None:
    result = CliRunner().invoke(main, ["audit", "tail", "-n", "1"], env={"INTERLOCK_AUDIT": str(file)})
    assert "i11" in result.stdout


def test_tail_follows_through_a_rotation(file: Path) -> None:
    command = [sys.executable, "-m", "proxy", "audit", "tail", "-f", "-n", "1", "--format", "json", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        assert '"seq":12,' in following.stdout.readline()
        with AuditLog.open(file) as log:
            log.append(index(13))
            assert '"seq":13,' in following.stdout.readline()
            log.append(index(14))
            log.rotate()
            log.append(index(15))
            assert [following.stdout.readline()[7:16] for _ in range(3)] == ['"seq":14,', '"seq":15,', '"seq":16,']
        following.kill()


def test_verify_says_that_all_is_well(file: Path) -> None:
    head = head_of(file)
    code, out, _ = run("verify", file, "--head", head)
    assert code == 0
    assert out == (
        f"12 records in 1 file, as they were written; head {head}\nThe given head is there, and 0 came after it.\n"
    )


def test_verify_names_the_line_that_was_edited(file: Path) -> None:
    file.write_text(file.read_text().replace("i7\\n", "i8\\n"))
    code, out, talk = run("verify", file)
    assert code == 1
    assert out == f"{file}:8: record 8 was changed: its hash does not fit its content\n"
    assert talk == "12 records in 1 file: 1 place is not as written\n"


def test_verify_tells_a_cut_tail_by_the_head(file: Path) -> None:
    head = head_of(file)
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert run("verify", file)[0] == 0
    code, out, _ = run("verify", file, "--head", head)
    assert code == 1
    assert "the log was cut off before it, or written anew" in out
