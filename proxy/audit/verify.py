"""Whether a log is still as it was written: no line edited, removed, added or moved, and the tail not cut.

The chain proves everything but the tail: a log that was cut between two lines is a shorter log.  So that is proven
against a ``head``, a hash that somebody noted earlier (``interlock audit tail`` prints it).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from proxy.audit.chain import GENESIS, AuditError, Line, NotARecord, decode


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written, at a line (1-based) of a file."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Report:
    """What ``verify`` saw.  ``head`` and ``seq`` are the newest record's."""

    files: tuple[str, ...]  # oldest first
    records: int
    head: str
    seq: int
    problems: tuple[Problem, ...]
    starts_at: int = 1  # seq of the oldest record: past 1 if older files were not given
    after_head: int | None = None  # records after the given head; None if no head was given or it was not found

    @property
    def intact(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the reading stands: the line that was read last."""

    file: str = ""
    line: int = 0
    seq: int = 0
    head: str = GENESIS


def verify(paths: Sequence[str | Path], *, head: str | None = None) -> Report:
    """Read the files of one log, in any order, and report everything that is not as it was written.

    ``head``: a hash that must occur, and that all records up to it must lead to.  Raises AuditError if a file cannot be read.
    """
    files = _in_order([str(path) for path in paths])
    problems: list[Problem] = []
    at, records, starts_at, found_at = _Place(), 0, 1, None
    for file in files:
        for number, text in enumerate(_lines(file), 1):
            line = _read(text)
            if isinstance(line, str):
                problems.append(Problem(file, number, line))
                at = replace(at, file=file, line=number)
                continue
            if not records and line.record.get("kind") == "continued":
                starts_at = line.seq  # older files were not given: nothing can be said about them
            elif line.prev != at.head:
                problems.append(Problem(file, number, _out_of_step(line, at)))
            if not line.intact:
                problems.append(
                    Problem(file, number, f"record {line.seq} was changed: its hash does not fit its content")
                )
            records += 1
            at = _Place(file, number, line.seq, line.hash)
            if line.hash == head:
                found_at = records
    if head and found_at is None:
        message = f"no record has the hash {head}: the log was cut off before it, or written anew"
        problems.append(Problem(at.file or files[-1], at.line, message))
    after = None if found_at is None else records - found_at
    return Report(tuple(files), records, at.head, at.seq, tuple(problems), starts_at, after)


def _read(text: bytes) -> Line | str:
    """The line, or what is wrong with it."""
    if not text.endswith(b"\n"):
        return "the line is torn: it has no newline (a crash, or the file was cut); starting the proxy sets it aside"
    try:
        return decode(text[:-1])
    except NotARecord as error:
        return f"not a record: {error}"


def _out_of_step(line: Line, at: _Place) -> str:
    """Why a line does not follow the one before it, as far as the numbers tell."""
    if line.prev == GENESIS:
        return f"a new chain begins here; what stood between it and record {at.seq} cannot be known"
    if line.seq > at.seq + 2:
        return f"records {at.seq + 1} to {line.seq - 1} are missing before it"
    if line.seq == at.seq + 2:
        return f"record {at.seq + 1} is missing before it"
    if line.seq <= at.seq:
        return f"record {line.seq} stands after record {at.seq}: it was moved or copied here"
    return f"record {line.seq} does not follow record {at.seq}: one of the two was replaced"


def _lines(file: str) -> Iterator[bytes]:
    try:
        with open(file, "rb") as opened:
            yield from opened
    except OSError as error:
        raise AuditError(f"cannot read audit file {file}: {error.strerror}") from error


def _in_order(files: list[str]) -> list[str]:
    """Oldest first, by the seq of the first record: a rotated log's names sort in many ways, its numbers in one."""

    def first(file: str) -> int:
        for text in _lines(file):
            try:
                return decode(text.rstrip(b"\n")).seq
            except NotARecord:
                continue
        return 2**63  # empty, or nothing readable: the newest

    return sorted(files, key=first)
