"""The documentation holds: links lead somewhere, commands and targets exist, examples work."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import click
import pytest
import yaml

from proxy.cli import COMMANDS, main
from proxy.rules.base import Context, rules

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def _blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, without the indentation of the fence."""
    found = re.finditer(rf"^( *)```{language}\b[^\n]*\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{block[1]}", "", block[2], flags=re.MULTILINE) for block in found]


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


@each_page
def test_policies_shown_are_valid(page: Path, tmp_path: Path) -> None:
    from proxy.policy.load import load

    for block in _blocks(page.read_text(), "yaml"):
        if isinstance(yaml.safe_load(block), dict) and "version" in yaml.safe_load(block):
            (tmp_path / "policy.yaml").write_text(block)
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

    (source,) = _blocks((ROOT / "CONTRIBUTING.md").read_text(), "python")
    module = _load(source, tmp_path / "cluster_rewrites.py")
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


def _commands(page: Path) -> list[str]:
    """Each command of ours in a shell block, without the prompt, comments and what is behind a pipe."""
    blocks = [*_blocks(page.read_text(), "sh"), *_blocks(page.read_text(), "console")]
    lines = [line.removeprefix("$ ").strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [re.split(r" [#|>&]|  --", line)[0] for line in lines if line.startswith("interlock ")]


@each_page
def test_commands_are_taken_as_they_stand(page: Path) -> None:
    """Every option of every command that a page shows exists, and is spelt like that; files need not be there."""
    for line in _commands(page):
        if "…" in line or "[" in line:
            continue
        words = shlex.split(line)[1:]
        command: click.Command | None = main
        context = click.Context(main)
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command = command.get_command(context, words.pop(0))
        assert command is not None, f"{page.name}: {line}"
        try:
            command.make_context("interlock", words)
        except (click.NoSuchOption, click.BadOptionUsage, click.MissingParameter) as error:
            pytest.fail(f"{page.name}: {line}: {error.message}")
        except (click.ClickException, click.exceptions.Exit):
            pass  # a file that is not there, --help
