"""The documentation holds: links lead somewhere, commands and targets exist, examples work."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType

import click
import pytest
import yaml

from proxy.cli import COMMANDS, main
from proxy.rules.base import Context, rules
from tests.documented import PAGES, ROOT, blocks, commands, name
from tests.unit.cli.test_main import options_of

each_page = pytest.mark.parametrize("page", PAGES, ids=name)


def _code(text: str) -> str:
    """All that is set as code, fenced or between backticks."""
    return "\n".join(re.findall(r"^ *```.*?^ *```|`[^`\n]+`", text, re.MULTILINE | re.DOTALL))


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}, which does not exist"
        if anchor:
            anchors = {_anchor(heading) for heading in re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)}
            assert anchor in anchors, f"{page.name} links to {target}, and {file.name} has no such heading"


@each_page
def test_commands_and_targets_exist(page: Path) -> None:
    code = _code(page.read_text())
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in re.findall(r"(?:^|[`\s])interlock ([a-z]+)\b(?!:)", code):
        assert command in COMMANDS, f"{page.name}: there is no command `interlock {command}`"
    for target in re.findall(r"(?:^|[`\s])make ([a-z-]+)\b", code):
        assert target in targets, f"{page.name}: there is no target `make {target}`"


OF_OTHERS = {
    "--help",
    "--accept",
    "--all-pg",
    "--pg",
    "--exclude-schema",
}  # click's, the tests', pg_dump's


@each_page
def test_options_and_variables_that_are_mentioned_exist(page: Path) -> None:
    if page.parent.name == "tools" or page.name == "decisions.md":  # other programs', and what was left out
        return
    context = click.Context(main)
    options = [one for name in COMMANDS if (found := main.get_command(context, name)) for one in options_of(found)]
    known = {spelt for one in options for spelt in (*one.opts, *one.secondary_opts)}
    known |= {spelt for file in ROOT.glob("bench/*.py") for spelt in re.findall(r'"(--[a-z-]+)"', file.read_text())}
    mentioned = "\n".join(re.findall(r"`[^`\n]+`", re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.M | re.S)))
    assert not set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", mentioned)) - known - OF_OTHERS
    variables = {str(one.envvar) for one in options}
    for variable in set(re.findall(r"\bINTERLOCK_[A-Z_]*[A-Z]\b", page.read_text())) - variables:
        assert variable in _sources(), f"{page.name}: nobody reads {variable}"


@cache
def _sources() -> str:
    files = [*ROOT.glob("proxy/**/*.py"), *ROOT.glob("tests/**/*.py"), ROOT / "Makefile"]
    return "\n".join(path.read_text() for path in files)


@each_page
def test_policies_shown_are_valid(page: Path, tmp_path: Path) -> None:
    from proxy.policy.load import load

    for block in blocks(page, "yaml"):
        found = yaml.safe_load(block.text)
        if isinstance(found, dict) and "version" in found:
            (tmp_path / "policy.yaml").write_text(block.text)
            load(tmp_path / "policy.yaml")  # raises PolicyError with places and reasons


def test_every_command_is_documented() -> None:
    code = "\n".join(_code(page.read_text()) for page in PAGES)
    missing = [name for name in COMMANDS if f"interlock {name}" not in code]
    assert not missing, f"no page shows these commands: {missing}"


def test_every_rule_is_in_a_table() -> None:
    """README.md has what is rewritten, and leads to docs/hazards.md, which has all."""
    readme, every = (ROOT / "README.md").read_text(), (ROOT / "docs/hazards.md").read_text()
    rewritten = re.findall(r"^  ([a-z-]+): +rewrite\b", (ROOT / "policies/recommended.yaml").read_text(), re.MULTILINE)
    missing = [name for name in rules() if f"`{name}`" not in (readme if name in rewritten else every)]
    assert not missing, f"the table lacks these rules: {missing}"
    assert "(docs/hazards.md)" in readme


def test_ci_runs_what_a_developer_runs() -> None:
    script = (ROOT / ".ci/run").read_text()
    assert re.findall(r"^make (\w+)$", script, re.MULTILINE) == ["lint", "test"]


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    assert re.search(r"^## \[Unreleased\]$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_rule_of_contributing_works(tmp_path: Path) -> None:
    from proxy.catalog.facts import Facts
    from proxy.sql.read import read

    (block,) = blocks(ROOT / "CONTRIBUTING.md", "python")
    module = _load(block.text, tmp_path / "cluster_rewrites.py")
    (statement,) = read("CLUSTER orders USING orders_pkey")
    facts = Facts.text_only(180000, datetime.now(UTC))
    finding = module.cluster_rewrites(statement.node, Context(statement, facts))
    assert finding.problem == "CLUSTER would block reads and writes to orders while it copies it"
    assert finding.at.of(statement.text) == "orders"
    (other,) = read("VACUUM orders")
    assert module.cluster_rewrites(other.node, Context(other, facts)) is None


def _load(source: str, path: Path) -> ModuleType:
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[path.stem]
    return module


def test_the_site_can_be_built(tmp_path: Path) -> None:
    """Strictly: every link and anchor in it, and what leads out of it."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr
    for path, words in (("examples/kubernetes", "PodDisruptionBudget"), ("examples", "In code review")):
        assert words in (tmp_path / "site/files" / path / "index.html").read_text()  # what is linked to comes with it
    page = (tmp_path / "site/rules/index.html").read_text()
    assert not [name for name in rules() if f'id="{name}"' not in page]


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert not {name for name in pages if f": {name}" not in menu}
    tools = (ROOT / "docs/tools/index.md").read_text()
    assert not [
        path.name
        for path in (ROOT / "docs/tools").glob("*.md")
        if f"({path.name})" not in tools and path.name != "index.md"
    ]


def test_messages_that_are_explained_are_said() -> None:
    """Titles of docs/when-it-stops.md are the program's own words, but for names, numbers and what is left out."""
    sources = [*(ROOT / "proxy").rglob("*.py"), *(ROOT / "proxy").rglob("*.sql")]
    said = "\n".join(re.sub(r'"\s*\n\s*(?:# .*\n\s*)?f?r?"', "", path.read_text()) for path in sources)
    theirs = (
        "does not exist",
        "unrecognized configuration parameter",
        "server closed the connection",
        "old snapshots",
        "ON CONFLICT specification",
    )  # Postgres's
    for title in re.findall(r"^### (.*)$", (ROOT / "docs/when-it-stops.md").read_text(), re.MULTILINE):
        for message in re.findall(r"`([^`]{12,})`", title):
            parts = re.split(r'…|"\w+"|\b\d+\b|\[[\w-]+\]|ACCESS EXCLUSIVE|\(app\)|CREATE INDEX|FOO', message)
            longest = max((part.strip(" :,.;") for part in parts), key=len)
            assert longest in said or any(words in message for words in theirs), f"nobody says {longest!r} ({title})"


def _in_blocks(page: Path) -> list[str]:
    """Each ``interlock …`` of a block, without what is around it in a pipe."""
    parts = [part for command in commands(page) for part in re.split(r" [|>&]+ ", command.text)]
    return [part for part in parts if part.startswith("interlock ")]


def _in_text(page: Path) -> list[str]:
    """Each that is mentioned; it may be no whole command."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"`(interlock [a-z][^`\n]*)`", text)
    return [line for line in found if not re.search(r"\||^interlock \w+ …", line)]  # of several commands


@each_page
def test_commands_are_taken_as_they_stand(page: Path) -> None:
    """Every option of every command that a page shows exists, and is spelt like that; files need not be there."""
    for line in _in_blocks(page):
        _parsed(page, line, click.NoSuchOption, click.BadOptionUsage, click.MissingParameter)
    for line in _in_text(page):
        _parsed(page, line, click.NoSuchOption)


def _parsed(page: Path, line: str, *wrong: type[click.UsageError]) -> None:
    words = [word.replace("…", "0") for word in shlex.split(line)[1:] if word != "…"]
    command: click.Command | None = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(context, words.pop(0))
    assert command is not None, f"{page.name}: {line}"
    try:
        command.make_context("interlock", words)
    except (click.ClickException, click.exceptions.Exit) as error:  # a file that is not there, --help
        if isinstance(error, wrong):
            pytest.fail(f"{page.name}: {line}: {error.message}")
