"""The chain proves every edit, gap and move; a known head proves the tail."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.audit.chain import GENESIS, NotARecord, decode, encode
from proxy.audit.sink import AuditLog
from proxy.audit.verify import verify

SQL = [
    "CREATE INDEX i ON t (a)",
    "ALTER TABLE t ADD c text DEFAULT 'häß\n\x00'",
    "DROP TABLE \udcff",
    "",
    "SELECT 1;" * 50,
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    with AuditLog.open(path, fsync="never") as log:
        for sql in SQL:
            log.append({"statement": sql, "action": "allow", "took_ms": 1.25})
    return path.read_bytes()


def problems(tmp_path_factory: pytest.TempPathFactory, content: bytes, head: str | None = None) -> list[str]:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    path.write_bytes(content)
    return [str(p).removeprefix(f"{path}:") for p in verify([path], head=head).problems]


def test_what_was_written_is_intact(written: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert problems(tmp_path_factory, written) == []
    records = [decode(line).record for line in written.splitlines()]
    assert [r["statement"] for r in records] == SQL
    assert [r["seq"] for r in records] == [1, 2, 3, 4, 5]
    assert records[0]["prev"] == GENESIS


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_edit_of_one_byte_is_found(
    written: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(written) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != written[at]))
    assert problems(tmp_path_factory, written[:at] + bytes([byte]) + written[at + 1 :])


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_byte_removed_or_added_is_found(
    written: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(written) - 1))
    added = data.draw(st.binary(max_size=3))
    changed = written[:at] + added + written[at + (not added) :]
    assert problems(tmp_path_factory, changed)


@settings(max_examples=60, deadline=None)
@given(order=st.permutations(range(5)).filter(lambda o: o != [0, 1, 2, 3, 4]))
def test_lines_in_any_other_order_are_found(
    written: bytes, tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    lines = written.splitlines(keepends=True)
    assert problems(tmp_path_factory, b"".join(lines[i] for i in order))


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ([1, 2, 3, 4], "1: record 1 is missing before it"),
        ([3, 4], "1: records 1 to 3 are missing before it"),
        ([0, 2, 3, 4], "2: record 2 is missing before it"),
        ([0, 1, 4], "3: records 3 to 4 are missing before it"),
        ([0, 1, 1, 2, 3, 4], "3: record 2 stands after record 2: it was moved or copied here"),
    ],
)
def test_missing_and_copied_lines_are_named(
    written: bytes, tmp_path_factory: pytest.TempPathFactory, kept: list[int], said: str
) -> None:
    lines = written.splitlines(keepends=True)
    assert problems(tmp_path_factory, b"".join(lines[i] for i in kept))[0] == said


def test_a_changed_line_is_named_and_the_rest_is_not_blamed(
    written: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    changed = written.replace(b"CREATE INDEX i", b"CREATE INDEX j")
    assert problems(tmp_path_factory, changed) == ["1: record 1 was changed: its hash does not fit its content"]


def test_a_rewritten_line_breaks_the_next(written: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    lines = written.splitlines(keepends=True)
    forged = {k: v for k, v in decode(lines[1][:-1]).record.items() if k != "hash"} | {"statement": "SELECT 1"}
    lines[1] = encode(forged)[0]
    assert problems(tmp_path_factory, b"".join(lines)) == [
        "3: record 3 does not follow record 2: one of the two was replaced"
    ]


def test_the_tail_is_proven_by_a_head(written: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    lines = written.splitlines(keepends=True)
    head = decode(lines[-1][:-1]).hash
    cut = b"".join(lines[:-1])
    assert problems(tmp_path_factory, written, head) == []
    assert problems(tmp_path_factory, cut) == []
    assert problems(tmp_path_factory, cut, head) == [
        f"4: no record has the hash {head}: the log was cut off before it, or written anew"
    ]


def test_an_older_head_is_found_further_up(written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(written)
    report = verify([path], head=decode(written.splitlines()[1]).hash)
    assert report.intact
    assert report.after_head == 3


def test_an_empty_log_cannot_lead_to_a_head(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.touch()
    assert verify([path]).intact
    assert not verify([path], head="0" * 63 + "1").intact


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs sha256sum")
def test_a_line_can_be_checked_with_sed_and_sha256sum(written: bytes) -> None:
    for line in written.splitlines():
        command = """sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\\n' | sha256sum"""
        out = subprocess.run(["sh", "-c", command], input=line, capture_output=True, check=True).stdout
        assert out.split()[0].decode() == decode(line).hash


@given(st.binary(max_size=200))
def test_decode_gives_a_line_or_says_what_is_wrong(line: bytes) -> None:
    with pytest.raises(NotARecord):
        decode(line)


@pytest.mark.parametrize(
    "body", [b'{"seq":1', b'{"seq":"1","prev":"x"', b"{" + b'"a":[' * 100000, b'{"a":NaN', b'["seq","prev"']
)
def test_a_body_that_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises(NotARecord):
        decode(body + b',"hash":"' + b"0" * 64 + b'"}')
