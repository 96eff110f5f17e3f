"""docs/hazards.md says what the rules and the packs say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proxy.policy.load import load
from proxy.rules.base import rules

PAGE = (Path(__file__).parents[3] / "docs" / "hazards.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
NUMBERED = [row for row in ROWS if row[0].isdigit()]


def named(cell: str) -> list[str]:
    return [name for name in re.findall(r"`([a-z-]+)`", cell) if name in rules()]


def test_every_hazard_has_a_row_with_a_rule_or_a_reason() -> None:
    assert [int(row[0]) for row in NUMBERED] == list(range(1, 111))
    assert all(row[2] for row in NUMBERED)
    assert all(bool(named(row[2])) == bool(row[3]) for row in NUMBERED)


def test_every_rule_is_there() -> None:
    assert {name for row in ROWS for cell in row for name in named(cell)} == set(rules())


@pytest.mark.parametrize(("pack", "column"), [("recommended", -2), ("strict", -1)])
def test_actions_are_those_of_the_packs(pack: str, column: int) -> None:
    policy = load(pack)
    for row in ROWS:
        if names := [name for cell in row[:3] for name in named(cell)]:
            actions = [policy.rule(name).action for name in names]
            said = row[column].split(" · ")
            assert said == [str(a) for a in (actions if len(set(actions)) > 1 else actions[:1])], row
