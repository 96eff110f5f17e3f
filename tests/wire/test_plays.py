"""Every play in this folder, and that a play can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wire.plays import perform

PLAYS = sorted(Path(__file__).parent.glob("*.play"))


@pytest.mark.parametrize("path", PLAYS, ids=lambda path: path.stem)
def test_play(path: Path) -> None:
    perform(path)


@pytest.mark.parametrize(
    "line",
    [
        'S< Query "select 2"',
        "is status=I owed=Q",
        "is quiet status=T",
        "S>C ReadyForQuery T\nis quiet status=I",
        "",
    ],
)
def test_a_play_that_goes_otherwise_fails(tmp_path: Path, line: str) -> None:
    play = tmp_path / "wrong.play"
    play.write_text(f'A wrong play.\n\nC> Query "select 1"\n{line}\n')
    with pytest.raises(AssertionError):
        perform(play)
