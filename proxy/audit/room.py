"""Room on a disk, set aside before it is needed."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from collections.abc import Callable
from typing import Any

_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE
_CANNOT = (errno.ENOSYS, errno.EOPNOTSUPP)


def reserve(fd: int, at: int, size: int) -> None:
    """Have the file system keep ``size`` bytes behind ``at`` for this file, whose length stays.  Raises OSError (ENOSPC, EFBIG …).

    Where it cannot do that, as many must be free now.  Source: Linux, fallocate(2).
    """
    call = _fallocate()
    if call is not None:
        if call(fd, _KEEP_SIZE, ctypes.c_int64(at), ctypes.c_int64(size)) == 0:
            return
        number = ctypes.get_errno()
        if number not in _CANNOT:
            raise OSError(number, os.strerror(number))
    found = os.fstatvfs(fd)
    if found.f_bavail * found.f_frsize < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@functools.cache
def _fallocate() -> Callable[..., Any] | None:
    call: Callable[..., Any] | None = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    return call
