"""Where things stand in the packs, so that tests need not count their lines."""

from __future__ import annotations

from pathlib import Path

POLICIES = Path(__file__).parents[3] / "policies"


def line_of(pack: str, start: str) -> str:
    """``policies/strict.yaml:16`` for the line that starts so."""
    lines = (POLICIES / f"{pack}.yaml").read_text().splitlines()
    return f"policies/{pack}.yaml:{next(i for i, line in enumerate(lines, 1) if line.startswith(start))}"
