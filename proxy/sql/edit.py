"""Splicing a client's text, and mapping positions in the result back to it."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Protocol

PLACE = attrgetter("start", "end")


class Edit(Protocol):
    """Replace the code points ``start:end`` (0-based, half-open) by ``text``; ``start == end`` inserts."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def text(self) -> str: ...


def apply(sql: str, edits: Sequence[Edit], begin: int = 0) -> str:
    """``sql`` with all ``edits`` made; they name places in the original and must not overlap.

    ``begin``: the place that ``sql`` begins at, where it is a part.  Insertions at the same place keep their
    order.  Raises ValueError if edits overlap or lie outside.
    """
    out: list[str] = []
    at, end = begin, begin + len(sql)
    for edit in _in_order(edits):
        first, last = edit.start, edit.end
        if not at <= first <= last <= end:
            raise ValueError(f"edit {first}:{last} overlaps another or lies outside the statement")
        out += (sql[at - begin : first - begin], edit.text)
        at = last
    out.append(sql[at - begin :])
    return "".join(out)


def original_position(position: int, edits: Sequence[Edit]) -> int | None:
    """Where the character at ``position`` of the edited text stood in the original; both count from 1.

    That is how Postgres counts in an error's ``P`` field.  None if the character was put there by an edit.
    """
    offset, shift = position - 1, 0  # shift: how much longer the edited text is, up to here
    for edit in _in_order(edits):
        start = edit.start + shift
        if offset < start:
            break
        if offset < start + len(edit.text):
            return None
        shift += len(edit.text) - (edit.end - edit.start)
    return offset - shift + 1


def _in_order(edits: Sequence[Edit]) -> Sequence[Edit]:
    return sorted(edits, key=PLACE) if len(edits) > 1 else edits
