"""``interlock policy``, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.policy import schema
from proxy.rules.base import rules
from tests.unit.policy.packs import line_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["policy", *args], prog_name="interlock")


def test_check_of_what_is_fine() -> None:
    Path("p.yaml").write_text(
        "version: 1\nextends: strict\nexceptions:\n"
        "  - { match: { schema: a }, rules: [all], action: warn, reason: r, until: 2020-01-01 }\n"
    )
    result = run("check", "p.yaml", "observe")
    assert result.exit_code == 0
    assert result.stdout == (
        f"p.yaml: fine; mode enforce, {len(rules())} rules, 1 exception\n"
        "p.yaml:4: this exception expired on 2020-01-01; remove it, or give it another day\n"
        f"observe: fine; mode observe, {len(rules())} rules, 0 exceptions\n"
    )


def test_check_tells_the_mistakes_of_all_files() -> None:
    Path("a.yaml").write_text("version: 1\nmoed: warn\nmode: x\n")
    Path("b.yaml").write_text("version: 3\n")
    result = run("check", "a.yaml", "strict", "b.yaml")
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        "a.yaml:2:1: unknown key 'moed' (did you mean 'mode'?)",
        "   2 | moed: warn",
        "     | ^^^^",
        "a.yaml:3:7: 'x' is not observe, warn or enforce",
        "   3 | mode: x",
        "     |       ^",
        f"strict: fine; mode enforce, {len(rules())} rules, 0 exceptions",
        "b.yaml:1:10: version '3' is not known here; write version: 1",
        "   1 | version: 3",
        "     |          ^",
        "3 errors in 2 of 3 policies.",
    ]


def test_check_wants_something_to_check() -> None:
    assert run("check").exit_code == 2


def test_show_says_where_each_value_comes_from() -> None:
    Path("p.yaml").write_text("version: 1\nextends: recommended\nlocks: { timeout: 100ms }\n")
    result = run("show", "p.yaml")
    assert result.exit_code == 0
    rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "locks.timeout 100ms p.yaml:3" in rows
    assert "locks.look 100ms built-in default" in rows
    assert f"rules.index-not-concurrent.action rewrite {line_of('recommended', '  index-not-concurrent:')}" in rows
    assert "overrides.enabled true built-in default" in rows
    assert rows[0].endswith("from p.yaml, policies/recommended.yaml")


def test_show_as_json() -> None:
    found = json.loads(run("show", "strict", "--format", "json").stdout)
    assert (found["version"], found["name"], found["files"]) == (1, "strict", ["policies/strict.yaml"])
    values = {row["key"]: (row["value"], row["source"]) for row in found["values"]}
    assert values["unreadable"] == ("reject", line_of("strict", "unreadable:"))
    assert values["overrides.roles"] == ([], line_of("strict", "  roles:"))


def test_show_is_of_recommended_without_a_name() -> None:
    assert run("show").stdout == run("show", "recommended").stdout


def test_show_of_a_bad_file() -> None:
    result = run("show", "stric")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "stric: no such file, and no built-in policy of that name (did you mean 'strict'?)\n"
        "1 error. Nothing was loaded.\n"
    )


def test_schema() -> None:
    assert run("schema").stdout == schema.text()
