"""One owner a log: a lock file beside it that names it; and, among the workers of one owner, one that writes at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from proxy.audit.chain import GENESIS, AuditError


class InUse(AuditError):
    """Another process has the log."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A held ``.<name>.lock``.  The kernel frees it when its process ends, however it ends.

    It belongs to the path, not to the file that it guards: that one is renamed by rotation.
    """

    path: Path
    fd: int

    @classmethod
    def take(cls, guarded: Path) -> Self:
        """Lock ``guarded`` against other processes; raises InUse if one has it, AuditError if the folder cannot be written."""
        path = guarded.parent / f".{guarded.name}.lock"
        while True:
            try:
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            except OSError as error:
                raise AuditError(f"cannot open audit file {guarded}: {error.strerror} ({path.parent})") from error
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                owner = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
                os.close(fd)
                by = f"pid {owner}" if owner else "another process"
                raise InUse(f"audit file {guarded} is in use by {by}; give each proxy a file of its own") from error
            try:
                # The owner before us unlinks the file as it goes: a lock on an unlinked file guards nothing.
                ours = os.path.samestat(os.fstat(fd), os.stat(path))
            except FileNotFoundError:
                ours = False
            if ours:
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
                return cls(path, fd)
            os.close(fd)

    def release(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.fd)


@dataclass(frozen=True, slots=True)
class Turn:
    """An open ``.<name>.turn``, locked for each record by all who write one chain; freed by the kernel when its holder dies.

    It holds where the chain has come to, for those who find a file that was rotated just now and is empty.
    """

    fd: int

    @classmethod
    def open(cls, guarded: Path) -> Self:
        path = guarded.parent / f".{guarded.name}.turn"
        try:
            return cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
        except OSError as error:
            raise AuditError(f"cannot open audit file {guarded}: {error.strerror} ({path.parent})") from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        fcntl.flock(self.fd, fcntl.LOCK_EX)  # for the moment that a record takes
        try:
            yield
        finally:
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    def note(self, seq: int, head: str) -> None:
        with contextlib.suppress(OSError):  # a full disk; whoever wants to know reads the file's last line
            os.pwrite(self.fd, f"{seq:020d} {head}\n".encode(), 0)

    def noted(self) -> tuple[int, str] | None:
        """seq and hash of the newest record, as far as anybody has noted them."""
        seq, _, head = os.pread(self.fd, 256, 0).decode("ascii", "replace").strip().partition(" ")
        return (int(seq), head) if seq.isdigit() and len(head) == len(GENESIS) else None

    def close(self) -> None:
        os.close(self.fd)
