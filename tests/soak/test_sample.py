"""A sample of ``make soak``: a few seconds of everything at once, and nothing is lost, altered or left behind."""

from __future__ import annotations

import pytest

from tests.servers import Server
from tests.soak.__main__ import soak


@pytest.mark.sampled(2)
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_few_seconds(postgres: Server) -> None:
    assert soak(0.1, postgres.version, 2) == []
