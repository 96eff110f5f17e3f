"""Splices are where they should be, and positions find their way back."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sql import edit


class Edit(NamedTuple):
    start: int
    end: int
    text: str


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    """A text and edits that do not overlap, in any order."""
    sql = draw(st.text(max_size=30))
    cuts = sorted(draw(st.lists(st.integers(0, len(sql)), max_size=8)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    edits = [Edit(a, b, draw(st.text(max_size=4))) for a, b in pairs]
    return sql, draw(st.permutations(edits)) if len({e.start for e in edits}) == len(edits) else edits


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([], "CREATE INDEX ON t (a)"),
        ([Edit(12, 12, " CONCURRENTLY")], "CREATE INDEX CONCURRENTLY ON t (a)"),
        ([Edit(13, 15, "on"), Edit(0, 6, "Create")], "Create INDEX on t (a)"),
        ([Edit(21, 21, ";"), Edit(21, 21, "!")], "CREATE INDEX ON t (a);!"),
        ([Edit(0, 21, "")], ""),
    ],
)
def test_apply(edits: list[Edit], expected: str) -> None:
    assert edit.apply("CREATE INDEX ON t (a)", edits) == expected


@pytest.mark.parametrize("edits", [[Edit(0, 3, ""), Edit(2, 4, "")], [Edit(0, 99, "")], [Edit(-1, 0, "")]])
def test_edits_that_overlap_or_lie_outside_are_refused(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="overlaps another or lies outside"):
        edit.apply("CREATE", edits)


@pytest.mark.parametrize(("position", "original"), [(1, 1), (12, 12), (13, None), (25, None), (26, 13), (34, 21)])
def test_original_position(position: int, original: int | None) -> None:
    assert edit.original_position(position, [Edit(12, 12, " CONCURRENTLY")]) == original


@given(edited())
def test_a_position_leads_back_to_the_same_character(case: tuple[str, list[Edit]]) -> None:
    """Every character of the edited text either is the original's at the position given, or came with an edit."""
    sql, edits = case
    result = edit.apply(sql, edits)
    back = [edit.original_position(n, edits) for n in range(1, len(result) + 1)]
    assert all(at is None or sql[at - 1] == result[n] for n, at in enumerate(back))
    kept = [at for at in back if at is not None]
    removed = {at for e in edits for at in range(e.start + 1, e.end + 1)}
    assert kept == [at for at in range(1, len(sql) + 1) if at not in removed]
