"""Where lines go: a file that survives crashes and rotation with its chain unbroken, or stdout.

Nothing here decides what to do when a line cannot be written: ``AuditError`` says what happened, and the
policy's ``audit: on_failure`` says whether statements go on.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from proxy.audit.chain import GENESIS, AuditError, NotARecord, decode, encode
from proxy.audit.lock import InUse, Lock, Turn
from proxy.audit.room import reserve
from proxy.audit.sync import Sync, with_sync

Fsync = Literal["always", "guarded", "never"]
"""``always``: nothing goes on before a record is on the disk.  ``guarded``: those of statements that were not simply
allowed are brought there at once, but nobody waits for it."""

RECORD_BYTES = 64 << 10  # more than nearly any record
ROOM_BYTES = 256 << 10  # set aside at a time


def utc_now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """An open log.  Open it with ``open``; ``append`` is safe between tasks of one thread, not between threads."""

    def __init__(self, path: str, *, fsync: Fsync, max_bytes: int | None, clock: Callable[[], datetime]) -> None:
        self.path = path
        self.seq = 0  # of the newest record
        self.head = GENESIS  # hash of the newest record
        self._fsync = fsync
        self._max_bytes = max_bytes
        self._clock = clock
        self._fd = -1
        self._size: int | None = None  # of the whole lines in a regular file; None for stdout, pipes and devices
        self._lock: Lock | None = None
        self._sync = Sync()
        self._room = 0  # up to where the file can grow for certain
        self._turn: Turn | None = None  # among all who write one chain; None for what is no file

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        fsync: Fsync = "guarded",
        max_bytes: int | None = None,
        shared: bool = False,
        joins: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> Self:
        """Open ``path`` for appending (``-`` is stdout), going on with the chain that its last whole line ends.

        A last line that a crash has cut short is moved to ``path.torn``, and a record of kind ``recovered`` says so.
        A file that would grow past ``max_bytes`` is renamed to ``path.<seq of its last record>`` first.
        ``shared``: by one of the workers of a process that has opened and closed it, and holds its ``Lock``; they write one chain.
        ``joins``: if another process has it, write into that one's chain, for a moment.
        Raises AuditError if it cannot be written, is no audit log, or is in use by another process.
        """
        log = cls(str(path), fsync=fsync, max_bytes=max_bytes, clock=clock)
        if log.path == "-":
            log._fd = os.dup(1)
            return log
        try:
            if not os.path.exists(path) or os.path.isfile(path):  # not for /dev/stderr, a pipe …
                log._take(Path(path), shared=shared, joins=joins)
            with log._in_turn():
                log._begin()
        except BaseException:
            log.close()
            raise
        return log

    def _take(self, path: Path, *, shared: bool, joins: bool) -> None:
        if not shared:
            try:
                self._lock = Lock.take(path)
            except InUse:
                if not joins:
                    raise
        self._turn = Turn.open(path)

    def _begin(self) -> None:
        """In the file, or, as a guest or a worker where that was renamed just now, in a new one that goes on with it."""
        if self._turn is not None and self._lock is None and (noted := self._turn.noted()):
            self.seq, self.head = noted
        self._open()
        if self._turn is not None:
            self._turn.note(self.seq, self.head)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record, after adding ``v``, ``seq``, ``at`` and ``prev``; its hash is in ``head`` then.

        Raises AuditError if that fails (disk full, …): then the file ends in the last whole line still.
        """
        if self._fd < 0:
            raise AuditError(f"cannot write audit file {self.path}: it is closed")
        with self._in_turn():
            self._catch_up()
            self._append(record)

    def _append(self, record: Mapping[str, Any]) -> None:
        line, digest = self._line(record)
        if self._max_bytes and self._size and self._size + len(line) > self._max_bytes:
            self._rotate()
            line, digest = self._line(record)
        try:
            self._write(line)
            if self._fsync == "always":
                with_sync(self._fd)
            elif self._fsync == "guarded" and is_guarded(record):
                self._sync.soon(self._fd)
        except OSError as error:
            self._take_back()
            raise AuditError(f"cannot write audit file {self.path}: {error.strerror or error}") from error
        self.seq, self.head = self.seq + 1, digest
        if self._turn is not None:
            self._turn.note(self.seq, self.head)
        if self._size is not None:
            self._size += len(line)

    def _in_turn(self) -> AbstractContextManager[None]:
        return self._turn.held() if self._turn is not None else nullcontext()

    def _catch_up(self) -> None:
        """Before a record: what others have written or renamed since ours."""
        if self._turn is None or self._size is None:
            return
        with suppress(FileNotFoundError, AuditError):  # renamed, and nobody has been told to reopen yet: we go on in it
            if not os.path.samestat(os.stat(self.path), os.fstat(self._fd)):
                self._reopen()
        if os.fstat(self._fd).st_size != self._size and (torn := self._resume(self._fd)):  # one died as it wrote
            self._append({"kind": "recovered", "torn_bytes": torn, "torn_file": f"{self.path}.torn"})

    def make_room(self, records: int = 1) -> None:
        """Make sure, before something is run, that its record can be written, and those that are still to come.  Raises AuditError.

        Room is set aside behind the file's end.  Of a pipe or a device nothing can be told before it is written to.
        """
        if self._fd < 0 or self._size is None:
            return
        size = os.fstat(self._fd).st_size
        try:
            self._sync.check(self._fd)
            needed = records * RECORD_BYTES
            if size + needed <= self._room:
                return
            more = max(ROOM_BYTES, needed)
            reserve(self._fd, size, more)
        except OSError as error:
            raise AuditError(f"cannot write audit file {self.path}: {error.strerror or error}") from error
        self._room = size + more

    def _line(self, record: Mapping[str, Any]) -> tuple[bytes, str]:
        at = self._clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assigned = {"v": 1, "seq": self.seq + 1, "at": at, "prev": self.head}
        return encode(assigned | {k: v for k, v in record.items() if k not in assigned and k != "hash"})

    def _write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def _take_back(self) -> None:
        """Cut off what a failed write left of a line."""
        if self._size is not None:
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)

    def rotate(self) -> None:
        """Rename the file to ``path.<seq of its last record>`` and go on with its chain in a new one."""
        with self._in_turn():
            self._catch_up()
            self._rotate()

    def _rotate(self) -> None:
        if self._size is None:
            return
        name = f"{self.path}.{self.seq:09d}"
        while os.path.exists(name):  # of an older chain
            name += "+"
        try:
            os.rename(self.path, name)
        except OSError as error:
            raise AuditError(f"cannot rotate audit file {self.path}: {error.strerror}") from error
        self._reopen()

    def reopen(self) -> None:
        """Go on in the file that has the path now: after SIGHUP, when logrotate has renamed the old one.

        Without a file of that name a new one is made, whose first record is of kind ``continued``: its ``prev`` is the
        old one's last hash, and it shows that the file has lost nothing in front of it.  If that fails, the old file stays in use.  Raises AuditError.
        """
        with self._in_turn():
            self._catch_up()
            self._reopen()

    def _reopen(self) -> None:
        if self._size is None:
            return
        old = self._fd, self._size, self.seq, self.head
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self.path), os.fstat(self._fd)):
                return
        try:
            self._open()
        except AuditError:
            if self._fd != old[0]:
                os.close(self._fd)
            self._fd, self._size, self.seq, self.head = old
            raise
        os.close(old[0])

    def close(self) -> None:
        self._sync.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._lock:
            self._lock.release()
            self._lock = None
        if self._turn:
            self._turn.close()
            self._turn = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise AuditError(f"cannot open audit file {self.path}: {error.strerror}") from error
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                self._fd = fd
                return
            torn = self._resume(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd, self._room = fd, 0
        if self._size == 0 and self.seq:
            self._append({"kind": "continued"})
        if torn:
            self._append({"kind": "recovered", "torn_bytes": torn, "torn_file": f"{self.path}.torn"})

    def _resume(self, fd: int) -> int:
        """Take up the chain from the file's last whole line; returns how many bytes of a torn one were set aside."""
        size = os.fstat(fd).st_size
        tail, whole = last_line(fd, size)
        torn = os.pread(fd, size - whole, whole)
        if torn and is_whole(torn, after=tail):
            os.write(fd, b"\n")  # only its newline was lost
            tail, whole, torn = torn, size + 1, b""
        seq, head = self._ends_in(tail) if tail else (self.seq, self.head)
        if torn:
            aside(Path(f"{self.path}.torn"), torn)
            os.ftruncate(fd, whole)
        self.seq, self.head, self._size = seq, head, whole
        return len(torn)

    def _ends_in(self, tail: bytes) -> tuple[int, str]:
        """seq and hash of the last line, if it is intact."""
        try:
            line = decode(tail)
            if line.intact:
                return line.seq, line.hash
            why = "it was changed after it was written"
        except NotARecord as error:
            why = str(error)
        raise AuditError(
            f"audit file {self.path}: its last line is not as Interlock wrote it ({why}); "
            f"move the file away to start a new one, or look closer: interlock audit verify {self.path}"
        )


def is_guarded(record: Mapping[str, Any]) -> bool:
    """Whether a record tells of more than a statement that was simply allowed."""
    return record.get("action", "") != "allow" or bool(record.get("findings"))


def last_line(fd: int, size: int) -> tuple[bytes, int]:
    """The last line that ends in a newline (without it; empty if there is none), and the offset behind it."""
    start, block = size, b""
    while start > 0 and block.count(b"\n") < 2:
        length = min(start, max(65536, len(block)))
        start -= length
        block = os.pread(fd, length, start) + block
    newline = block.rfind(b"\n")
    return block[block.rfind(b"\n", 0, max(newline, 0)) + 1 : max(newline, 0)], start + newline + 1


def is_whole(torn: bytes, *, after: bytes) -> bool:
    """Whether a line without a newline is a record all the same, and follows the one before it."""
    try:
        line = decode(torn)
        return line.intact and line.prev == (decode(after).hash if after else line.prev)
    except NotARecord:
        return False


def aside(path: Path, torn: bytes) -> None:
    """Keep the bytes of a torn line where somebody can look at them."""
    try:
        with path.open("ab") as file:
            file.write(torn + b"\n")
    except OSError as error:
        raise AuditError(f"cannot keep the torn last line in {path}: {error.strerror}") from error
