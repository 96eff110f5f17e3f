"""The migration tools to test, and the table of what became of their migrations."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.live.conftest import start_guard
from tests.proxies import Proxy
from tests.servers import Server
from tests.tools.kit import TOOLS
from tests.tools.table import Outcome, markdown, text
from tests.tools.ways import HERE, Way, through

SAMPLED = ("knex", "dbmate")
COMPATIBILITY = HERE.parent.parent / "docs/compatibility.md"
KEPT = COMPATIBILITY.with_suffix(".json")  # so that a run of some tools writes their rows anew, and leaves the others
BEGIN, END = "<!-- made by make conformance -->\n", "<!-- end -->\n"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "tool" in metafunc.fixturenames:
        metafunc.parametrize("tool", TOOLS.values(), ids=TOOLS.keys())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``make test`` runs a sample of the tools, on one version; ``make conformance`` runs them all."""
    for item in items:
        if item.path.parent == HERE and not ("pg18" in item.name and any(f"-{s}]" in item.name for s in SAMPLED)):
            item.add_marker("conformance")


@pytest.fixture
def start_way(start_proxy: Callable[..., Proxy], postgres: Server, tmp_path: Path) -> Callable[..., Way]:
    """``start_way(of, more)`` is a copy of a database behind an Interlock to which no table is small."""

    def start(of: Way, more: str = "") -> Way:
        return of.fork(start_guard(start_proxy, tmp_path, more))

    return start


@pytest.fixture
def guarded(postgres: Server, database: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> Way:
    """An empty database behind an Interlock to which no table is small."""
    return through(start_guard(start_proxy, tmp_path), postgres, database)


def _outcomes(reports: list[pytest.TestReport]) -> list[Outcome]:
    found = []
    for report in reports:
        told = dict(report.user_properties).get("outcome")
        if isinstance(told, str) and (report.when == "call" or report.skipped):
            found.append(Outcome(**json.loads(told)))
    return found


def _kept(outcomes: list[Outcome]) -> list[Outcome]:
    """These, and for other tools and versions those of earlier runs; all are kept for later ones."""
    earlier = json.loads(KEPT.read_text()) if KEPT.exists() else []
    known = {(one.tool, one.version): one for one in (*(Outcome(**told) for told in earlier), *outcomes)}
    chosen = sorted(known.values(), key=lambda one: (one.tool.lower(), one.version))
    KEPT.write_text("[\n" + ",\n".join(json.dumps({**asdict(one), "printed": ""}) for one in chosen) + "\n]\n")
    return chosen


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports = [r for kind in ("passed", "failed", "skipped") for r in terminalreporter.stats.get(kind, [])]
    outcomes = _outcomes(reports)
    if not outcomes:
        return
    terminalreporter.section("migration tools, directly and through Interlock")
    terminalreporter.write_line(text(outcomes))
    if config.getoption("--write-compatibility"):
        outcomes = _kept(outcomes)
        before, _, rest = COMPATIBILITY.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        COMPATIBILITY.write_text(before + BEGIN + markdown(outcomes) + END + after)
