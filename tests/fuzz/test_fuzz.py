"""A sample of ``make fuzz``: every seed, everything that once went wrong, and some mutants of each, always the same."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.__main__ import mutant
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_seeds_and_mutants(target: str) -> None:
    rng, pool = random.Random(target), seeds(target)
    for data in (*pool, *(mutant(rng, pool) for _ in range(150 if target == "sql" else 1500))):
        TARGETS[target](data)


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "sql"])
def test_any_bytes(target: str) -> None:
    @given(st.binary(max_size=200))
    def holds(data: bytes) -> None:
        TARGETS[target](data)

    holds()
