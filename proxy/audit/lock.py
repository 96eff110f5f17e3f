"""One owner a log: a lock file beside it that names it; and, among the workers of one owner, one that writes at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from proxy.audit.chain import AuditError


@dataclass(frozen=True, slots=True)
class Lock:
    """A held ``.<name>.lock``.  The kernel frees it when its process ends, however it ends.

    It belongs to the path, not to the file that it guards: that one is renamed by rotation.
    """

    path: Path
    fd: int

    @classmethod
    def take(cls, guarded: Path) -> Self:
        """Lock ``guarded`` against other processes; raises AuditError if one has it, or the folder cannot be written."""
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
                raise AuditError(
                    f"audit file {guarded} is in use by {by}; give each proxy a file of its own"
                ) from error
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
    """An open ``.<name>.turn``, that workers lock for each record; freed by the kernel when its holder dies."""

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

    def close(self) -> None:
        os.close(self.fd)
