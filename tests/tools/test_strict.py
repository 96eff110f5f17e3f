"""Under ``strict`` each unsafe form is refused through each tool, and the tool shows its user why: how much of it, is written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.live.raw import eventually
from tests.proxies import Proxy
from tests.servers import Server
from tests.tools.forms import forms
from tests.tools.scenario import Tool
from tests.tools.shown import PARTS, Shown
from tests.tools.ways import Way, direct, through

POLICY = "version: 1\nextends: strict\n"


@pytest.fixture
def straight(postgres: Server) -> Iterator[Way]:
    with direct(postgres) as way:
        yield way


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_unsafe_form_is_refused_and_shown(
    strict_tool: Tool,
    postgres: Server,
    straight: Way,
    start_proxy: Callable[..., Proxy],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    tool = strict_tool
    if why := tool.absent():
        pytest.skip(why)
    if tool.fails:
        return
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    proxy = start_proxy(policy=str(policy))
    folder = tmp_path / "direct"
    tool.applied(tool.project(folder, until=1), straight)
    straight.populate()
    shown = Shown(tool.name)
    for number in range(2, len(tool.migrations) + 1):
        before = straight.fork()
        known = len(straight.heavy), len(straight.copies)
        tool.applied(tool.project(folder, until=number), straight)
        unsafe = _forms([*straight.heavy[known[0] :], *straight.copies[known[1] :]])
        if unsafe:
            _refused(tool, number, before, proxy, policy, tmp_path, unsafe, shown)
        postgres.drop_database(before.database)
    assert shown.forms, "nothing was refused: this shows nothing"
    record_property("shown", json.dumps(asdict(shown)))


def _forms(statements: list[str]) -> set[str]:
    return {form for statement in statements for form in forms(statement)}


def _refused(
    tool: Tool, number: int, before: Way, proxy: Proxy, policy: Path, tmp_path: Path, unsafe: set[str], shown: Shown
) -> None:
    """That migration is refused, once for each unsafe form in it: what has been refused is let off for the next try."""
    let_off: list[tuple[str, str]] = []
    left = set(unsafe)
    while left:
        _in_force(policy, proxy, let_off)
        copy = through(proxy, before.server, before.fork().database)
        folder = tmp_path / f"strict-{number}-{len(let_off)}"
        earlier = len(copy.records)
        ran = tool.run(tool.project(folder, until=number, plainly=number == tool.allowed + 1), copy)
        if ran.status != 0:  # the tool may be told before that is written down
            eventually("the refusal is recorded", partial(_rejected, copy, earlier))
        rejected = _rejected(copy, earlier)
        before.server.drop_database(copy.database)
        if let_off and not rejected and ran.status == 0:
            return  # the others have the same rule and table
        assert ran.status != 0, (left, let_off, ran.output)
        assert rejected, ran.output
        found = [one for one in rejected[0]["findings"] if one["action"] == "reject"]
        assert tool.silent or f"[{found[0]['rule']}]" in ran.output, ran.output
        here = forms(rejected[0]["statement"])
        shown.add(here & unsafe, found[0], ran.output)
        left -= here
        table = rejected[0]["relations"][0] if rejected[0]["relations"] else "*"
        more = [(one["rule"], table) for one in found if (one["rule"], table) not in let_off]
        assert more, (rejected[0], let_off)
        let_off += more


def _rejected(way: Way, earlier: int) -> list[dict[str, Any]]:
    return [record for record in way.records[earlier:] if record["outcome"] == "rejected"]


def _in_force(policy: Path, proxy: Proxy, let_off: list[tuple[str, str]]) -> None:
    known = proxy.line_count
    exceptions = [
        {"match": {"table": table}, "rules": [rule], "action": "allow", "reason": "the next one"}
        for rule, table in let_off
    ]
    policy.write_text(POLICY + f"exceptions: {json.dumps(exceptions)}\n")
    proxy.reload()
    eventually("the policy is in force", lambda: "policy reloaded" in proxy.stderr_text(since=known))


def test_the_parts_are_told_apart() -> None:
    found: dict[str, Any] = {
        "problem": "CREATE INDEX would block",
        "rule": "r",
        "detail": "A lock. Of 3 rows.",
        "hint": "Use\nthis",
    }
    shown = Shown("x")
    shown.add({"index"}, found, "Error: CREATE INDEX would\n block [r]\nUse instead: y\n")
    assert shown.parts == [PARTS[0], PARTS[1]]
