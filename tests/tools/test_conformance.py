"""Real migration tools migrate through Interlock, and everything is as if they had not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.servers import Server
from tests.tools.pages import as_documented
from tests.tools.scenario import Tool
from tests.tools.table import Outcome, outcome
from tests.tools.ways import Way, direct, same

FORBIDDEN = 'CREATE INDEX would block writes to "posts" until it is built [index-not-concurrent]'
NO_WAITING = "rules: { index-not-concurrent: { action: rewrite, in_transaction: reject }, truncate: reject }"
STRICT = "strict"


@pytest.fixture
def straight(postgres: Server) -> Iterator[Way]:
    with direct(postgres) as way:
        yield way


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_tool(
    tool: Tool,
    postgres: Server,
    straight: Way,
    guarded: Way,
    start_way: Callable[..., Way],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    if why := tool.absent():
        record_property("outcome", json.dumps(asdict(Outcome(tool.name, postgres.version, why))))
        pytest.skip(why)
    if tool.fails:
        why, printed = tool.fails
        folder = tmp_path / "direct"
        tool.applied(tool.project(folder, until=1), straight)
        straight.populate()
        ran = tool.run(tool.project(folder, until=len(tool.migrations)), straight)
        assert ran.status != 0
        assert printed in ran.output, ran.output
        record_property("outcome", json.dumps(asdict(Outcome(tool.name, postgres.version, f"fails directly: {why}"))))
        return
    record_property("outcome", json.dumps(asdict(Outcome(tool.name, postgres.version, "different"))))
    here = Runs(tool, straight, tmp_path / "direct")
    there = Runs(tool, guarded, tmp_path / "guarded")

    for runs in (here, there):
        runs.until_the_last()
    same(straight, guarded)
    refusing = start_way(straight, NO_WAITING if tool.shown else STRICT)
    strict = start_way(straight, STRICT)
    plain = straight.fork()
    before = straight.schema
    for runs in (here, there):
        runs.last()
    same(straight, guarded)
    tool.check(there.folder, guarded)
    if tool.back:
        for runs in (here, there):
            runs.back()
        assert straight.schema == before
        same(straight, guarded)
    if tool.farther:
        for runs in (here, there):
            ran = tool.farther(runs.folder, runs.way)
            assert ran.status == 0, ran.output
        same(straight, guarded)

    ended, printed = _where_nothing_may_wait(tool, plain, refusing, tmp_path)
    record_property("outcome", json.dumps(asdict(outcome(tool.name, straight, guarded, ended, printed))))
    as_documented(tool, printed, _refused(tool, strict, tmp_path / "strict"))
    for way in (plain, refusing, strict):
        postgres.drop_database(way.database)


class Runs:
    """A project, and the database that it migrates step by step."""

    def __init__(self, tool: Tool, way: Way, folder: Path) -> None:
        self.tool = tool
        self.way = way
        self.folder = folder

    def until_the_last(self) -> None:
        tool, way, allowed = self.tool, self.way, self.tool.allowed
        tool.applied(tool.project(self.folder, until=1), way)
        way.populate()
        tool.applied(tool.project(self.folder, until=allowed), way)
        if way.audit:
            self._refused_without_exception(allowed + 1)
        tool.applied(tool.project(self.folder, until=allowed + 1), way)
        tool.applied(tool.project(self.folder, until=len(tool.migrations) - 1), way)

    def _refused_without_exception(self, until: int) -> None:
        before = self.way.schema
        ran = self.tool.run(self.tool.project(self.folder, until=until, plainly=True), self.way)
        assert ran.status != 0, ran.output
        assert self.tool.silent or "[column-type-rewrite]" in ran.output
        assert self.way.schema == before
        self.tool.recover(self.folder, self.way)

    def last(self) -> None:
        self.tool.applied(self.tool.project(self.folder, until=len(self.tool.migrations)), self.way)

    def back(self) -> None:
        assert self.tool.back
        ran = self.tool.back(self.folder, self.way)
        assert ran.status == 0, ran.output


def _refused(tool: Tool, way: Way, folder: Path) -> str:
    """The last migration is refused, and nothing of it is there.  What the tool printed goes into docs/tools."""
    before = way.schema, way.rows
    project = tool.project(folder, until=len(tool.migrations))
    ran = tool.run(project, way)
    print(ran.output)  # pytest -rP shows it
    assert ran.status != 0
    assert tool.silent or FORBIDDEN in ran.output, ran.output
    tool.recover(project, way)
    if tool.shown:  # it is in a transaction
        assert (way.schema, way.rows) == before
    return ran.output


def _where_nothing_may_wait(tool: Tool, straight: Way, refusing: Way, tmp_path: Path) -> tuple[str, str]:
    """The last migration is refused with a message that the tool shows, and runs when the message has been followed."""
    folder = tmp_path / "refusing"
    output = _refused(tool, refusing, folder)
    if not tool.shown:
        return "it never waits", output
    for text in tool.shown:
        assert tool.silent or text in output, output
    if not tool.remedied:
        return "refused", output
    tool.replace_last(folder)
    for way in (straight, refusing):
        tool.applied(folder, way)
    same(straight, refusing)
    return "refused; remedied", output
