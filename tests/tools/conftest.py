"""The migration tools to test, and the table of what became of their migrations."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import start_guard
from tests.proxies import Proxy
from tests.servers import Server
from tests.tools import ledger, shown
from tests.tools.histories import APPLICATIONS
from tests.tools.kit import TOOLS
from tests.tools.table import Outcome, markdown, text
from tests.tools.ways import HERE, Way, through

SAMPLED = ("knex", "dbmate")
COMPATIBILITY = HERE.parent.parent / "docs/compatibility.md"
KEPT = COMPATIBILITY.with_suffix(".json")  # so that a run of some tools writes their rows anew, and leaves the others
KEPT_HISTORIES = COMPATIBILITY.with_name("compatibility-histories.json")
BEGIN, END = "<!-- made by make conformance -->\n", "<!-- end -->\n"
KEPT_SHOWN = COMPATIBILITY.with_name("compatibility-strict.json")
BEGIN_SHOWN = "<!-- under strict, made by make conformance -->\n"
BEGIN_HISTORIES = "<!-- histories, made by make conformance -->\n"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "application" in metafunc.fixturenames:
        metafunc.parametrize("application", APPLICATIONS.values(), ids=APPLICATIONS.keys())
    if "tool" in metafunc.fixturenames:
        metafunc.parametrize("tool", TOOLS.values(), ids=TOOLS.keys())
    if "strict_tool" in metafunc.fixturenames:  # one version is enough to see what a tool shows
        newest = [replace(tool, oldest=18 if tool.on(18) else tool.oldest) for tool in TOOLS.values()]
        metafunc.parametrize("strict_tool", newest, ids=TOOLS.keys())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """``make test`` runs a sample of the tools, on one version; ``make conformance`` runs them all."""
    for item in items:
        sampled = SAMPLED[-1:] if item.path.name == "test_strict.py" else SAMPLED
        if item.path.parent == HERE and not ("pg18" in item.name and any(f"-{s}]" in item.name for s in sampled)):
            item.add_marker("conformance")


@pytest.fixture
def start_way(start_proxy: Callable[..., Proxy], postgres: Server, tmp_path: Path) -> Callable[..., Way]:
    """``start_way(of, more)`` is a copy of a database behind an Interlock to which no table is small; ``strict`` is one with that policy."""

    def start(of: Way, more: str = "") -> Way:
        return of.fork(start_proxy(policy="strict") if more == "strict" else start_guard(start_proxy, tmp_path, more))

    return start


@pytest.fixture
def guarded(postgres: Server, database: str, start_proxy: Callable[..., Proxy], tmp_path: Path) -> Way:
    """An empty database behind an Interlock to which no table is small."""
    return through(start_guard(start_proxy, tmp_path), postgres, database)


def _properties(reports: list[pytest.TestReport], name: str) -> list[dict[str, Any]]:
    told = [dict(report.user_properties).get(name) for report in reports if report.when == "call" or report.skipped]
    return [json.loads(one) for one in told if isinstance(one, str)]


def _kept(outcomes: list[Outcome]) -> list[Outcome]:
    """These, and for other tools and versions those of earlier runs; all are kept for later ones."""
    earlier = json.loads(KEPT.read_text()) if KEPT.exists() else []
    known = {(one.tool, one.version): one for one in (*(Outcome(**told) for told in earlier), *outcomes)}
    chosen = sorted(known.values(), key=lambda one: (one.tool.lower(), one.version))
    KEPT.write_text("[\n" + ",\n".join(json.dumps({**asdict(one), "printed": ""}) for one in chosen) + "\n]\n")
    return chosen


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports = [r for kind in ("passed", "failed", "skipped") for r in terminalreporter.stats.get(kind, [])]
    passed = terminalreporter.stats.get("passed", [])
    if config.getoption("--write-compatibility"):
        _write_shown([shown.Shown(**told) for told in _properties(passed, "shown")])
        _write_histories([ledger.History(**told) for told in _properties(passed, "history")])
    outcomes = [Outcome(**told) for told in _properties(reports, "outcome")]
    if not outcomes:
        return
    versions = sorted({one.version for one in outcomes})
    outcomes += [
        Outcome(tool.name, version, f"does not support Postgres {version}")
        for tool in TOOLS.values()
        for version in versions
        if not tool.on(version)
    ]
    terminalreporter.section("migration tools, directly and through Interlock")
    terminalreporter.write_line(text(outcomes))
    if config.getoption("--write-compatibility"):
        outcomes = _kept(outcomes)
        _write(BEGIN, markdown(outcomes))


def _write_histories(histories: list[ledger.History]) -> None:
    """These, and for other applications, versions and starts those of earlier runs; all are kept for later ones."""
    earlier = json.loads(KEPT_HISTORIES.read_text()) if KEPT_HISTORIES.exists() else []
    every = (*(ledger.History(**told) for told in earlier), *histories)
    known = {(one.application, one.version, one.rows): one for one in every}
    chosen = [known[key] for key in sorted(known)]
    if histories:
        KEPT_HISTORIES.write_text("[\n" + ",\n".join(json.dumps(asdict(one)) for one in chosen) + "\n]\n")
        _write(BEGIN_HISTORIES, ledger.markdown(chosen))


def _write_shown(found: list[shown.Shown]) -> None:
    """These, and for other tools those of earlier runs; all are kept for later ones."""
    earlier = json.loads(KEPT_SHOWN.read_text()) if KEPT_SHOWN.exists() else []
    known = {one.tool: one for one in (*(shown.Shown(**told) for told in earlier), *found)}
    chosen = [known[tool] for tool in sorted(known)]
    if found:
        KEPT_SHOWN.write_text("[\n" + ",\n".join(json.dumps(asdict(one)) for one in chosen) + "\n]\n")
        _write(BEGIN_SHOWN, shown.markdown(chosen))


def _write(begin: str, text: str) -> None:
    before, _, rest = COMPATIBILITY.read_text().partition(begin)
    after = rest.partition(END)[2]
    COMPATIBILITY.write_text(before + begin + text + END + after)
