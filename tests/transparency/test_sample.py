"""A sample of ``make transparency``: PostgreSQL's own programs, and what postgres.js does, in every mode."""

from __future__ import annotations

import pytest

from tests.servers import Server
from tests.transparency import programs
from tests.transparency.explained import because
from tests.transparency.outcome import Outcome, counts, differences
from tests.transparency.regress import only_ours, rejections
from tests.transparency.ways import place


@pytest.mark.slow
@pytest.mark.sampled(6)
@pytest.mark.parametrize("way", ["observe", "enforce"])
@pytest.mark.parametrize("work", programs.WORK, ids=lambda work: work.__name__)
def test_programs(work: programs.Work, way: str, postgres: Server) -> None:
    found = {}
    for one in ("direct", way):
        with place(postgres.version, one) as where:
            found[one] = programs.programs(where, [work])
            assert where.faults() == []
    assert counts(found[way]) == "1/0/0", found[way]
    assert [
        d for d in differences(found["direct"], found[way]) if not because("programs", postgres.version, way, d)
    ] == []


def test_what_counts_as_a_difference() -> None:
    one = {"a": Outcome("passed", "1"), "b": Outcome("passed"), "c": Outcome("skipped")}
    assert differences(one, one) == []
    other = {"a": Outcome("passed", "2"), "b": Outcome("failed"), "d": Outcome("passed")}
    assert [d.test for d in differences(one, other)] == ["a", "b", "c", "d"]
    assert counts(other) == "2/1/0"


def test_only_notices_of_our_own_are_overlooked() -> None:
    said = "CREATE INDEX i;\nCREATE INDEX\n(1 row)\n\n"
    told = "CREATE INDEX i;\nNOTICE:  interlock: x\nHINT:  in two\nlines\nCREATE INDEX\n(1 row)\n\n"
    assert only_ours(said, told)
    assert not only_ours(said, told.replace("(1 row)", "(2 rows)"))
    assert not only_ours(said, said + "more\n")
    assert rejections(said, said + "ERROR:  DROP TABLE would lose rows [drop-table]\n") == 1
