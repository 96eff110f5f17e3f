"""Runs of messages of one type and length, as rows of numbers make them: passed at once instead of one by one."""

from __future__ import annotations

from typing import Final

WORTH: Final = 16  # so many must have room behind a message before it pays to look whether they are alike


def end_of_run(data: bytes, at: int) -> int:
    """Where the run of messages ends that have the type and length of the whole one at ``at``; they are whole, too.

    Message n + 1 begins where n ends; so if as many bytes as the first one has lie between two equal headers, and
    between each two of all before, then these are the headers.  Each of their five bytes is compared in one step.
    """
    size = 1 + int.from_bytes(data[at + 1 : at + 5], "big")
    count = (len(data) - at) // size
    for byte in (4, 3, 2, 1, 0):  # the last of the length is the one most likely to differ
        column = data[at + byte : at + count * size : size]
        count = len(column) - len(column.lstrip(column[:1]))
    return at + count * size
