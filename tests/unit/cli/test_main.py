"""The command itself: help, versions, environment, exit codes, and nothing imported that is not needed."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from proxy import __version__
from proxy.cli import COMMANDS, main


def test_help_lists_every_command_and_imports_none() -> None:
    program = (
        "import sys\nfrom proxy.cli import main\n"
        "try: main(['--help'], prog_name='interlock')\n"
        "except SystemExit: pass\n"
        "heavy = {'asyncio', 'pydantic', 'yaml', 'sqlglot', 'psycopg', 'rich', 'proxy.sql', 'proxy.policy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert all(f"  {name} " in out and short in out for name, short in COMMANDS.items())


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "policy"])  # all its commands are one module
def test_help_of_a_command_does_not_load_what_running_it_needs(name: str) -> None:
    program = (
        "import sys\nfrom proxy.cli import main\n"
        f"try: main(['{name}', '--help'], prog_name='interlock')\n"
        "except SystemExit: pass\n"
        "print(*({'pydantic', 'sqlglot', 'psycopg', 'rich', 'proxy.rules', 'proxy.judge'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == ""


def test_checking_a_file_needs_no_database_driver(tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    file.write_text("CREATE INDEX ON t (a)")
    program = (
        "import sys\nfrom proxy.cli import main\n"
        f"main(['check', {str(file)!r}], standalone_mode=False)\n"
        "assert 'psycopg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)


@pytest.mark.parametrize(
    "words", [["serve"], ["status"], ["policy", "replay"], ["audit", "report"], ["doctor"], ["demo"]]
)
def test_what_the_page_needs_is_imported_by_nobody_else(words: list[str]) -> None:
    program = (
        "import sys\nfrom proxy.cli import main\n"
        f"try: main([*{words}, '--help'], prog_name='interlock')\n"
        "except SystemExit: pass\n"
        "heavy = {'starlette', 'uvicorn', 'jinja2', 'prometheus_client', 'opentelemetry', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)


def helps(*words: str) -> str:
    """The help of a command and of those below it."""
    result = CliRunner().invoke(main, [*words, "--help"], prog_name="interlock")
    assert result.exit_code == 0, result.output
    command: click.Command | None = main.get_command(click.Context(main), words[0])
    below = command.commands if isinstance(command, click.Group) and len(words) == 1 else {}
    return result.output.partition("\n")[2] + "".join(helps(*words, name) for name in below)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_its_help_has_an_example(name: str) -> None:
    assert f"interlock {name} " in helps(name)


def options_of(command: click.Command) -> list[click.Option]:
    below = list(command.commands.values()) if isinstance(command, click.Group) else []
    own = [p for p in command.params if isinstance(p, click.Option)]
    return own + [option for c in below for option in options_of(c)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_variable(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    for option in options_of(command):
        if option.allow_from_autoenv:
            assert str(option.envvar).startswith("INTERLOCK_"), option.name


def test_a_variable_does_what_the_option_does() -> None:
    environment = {"INTERLOCK_FORMAT": "json", "INTERLOCK_POLICY": "strict"}
    result = CliRunner().invoke(main, ["plan", "-c", "CREATE INDEX ON t (a)"], env=environment)
    assert result.exit_code == 1
    assert '"reject": 1' in result.stdout


def test_a_container_may_have_INTERLOCK_VERSION_in_its_environment() -> None:
    result = CliRunner().invoke(main, ["rules"], env={"INTERLOCK_VERSION": "0.1.0", "INTERLOCK_HELP": "yes"})
    assert result.exit_code == 0


def test_version() -> None:
    assert CliRunner().invoke(main, ["--version"], prog_name="interlock").stdout == f"interlock {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chek"], "no command 'chek' (did you mean 'check'?)"),
        (["xyzzy"], "there are serve, check, plan, unfinished, rules, policy, jobs, audit"),
        (["check"], "give files or folders, - for stdin, or --since REV"),
        (["check", "--format", "xml", "-"], "'xml' is not one of 'text', 'json'"),
        (["check", "missing.sql"], "interlock: missing.sql: cannot be read: No such file or directory"),
        (["check", "--policy", "nosuch", "-"], "nosuch"),
        (["check", "--pg-version", "12", "-"], "interlock: --pg-version 12: Interlock knows Postgres 13 to 18"),
        (["check", "--pg-version", "new", "-"], "interlock: --pg-version new: Interlock knows Postgres 13 to 18"),
        (["check", "--database", "mysql+x://u:hunter2@h", "-"], "interlock: --database: this is no connection URL"),
        (["check", "--database", "postgres://u:hunter2@127.0.0.1:1/d", "-"], "Connection refused"),
        (["plan"], "give one file, or - for stdin, or SQL with -c"),
        (["plan", "-", "-c", "SELECT 1"], "give one file, or - for stdin, or SQL with -c"),
        (["rules", "index-not-concurent"], "no rule 'index-not-concurent' (did you mean 'index-not-concurrent'?)"),
        (["audit", "verify", "missing.jsonl"], "interlock: cannot read audit file missing.jsonl: No such file or directory"),
        (["audit", "tail", "missing.jsonl"], "interlock: cannot read audit file missing.jsonl: No such file or directory"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line_on_stderr_and_exit_code_2(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, arguments, prog_name="interlock", input="SELECT 1")
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert result.stdout == ""
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.stderr


def test_colour_is_for_terminals_that_want_it() -> None:
    runner, sql = CliRunner(), ["plan", "-c", "CREATE INDEX ON t (a)"]
    assert "\x1b[" in runner.invoke(main, sql, color=True).stdout
    assert "\x1b[" not in runner.invoke(main, sql).stdout
    assert "\x1b[" not in runner.invoke(main, sql, color=True, env={"NO_COLOR": "1"}).stdout


def test_rules_are_listed_and_a_page_is_the_file_as_it_is() -> None:
    from proxy.rules.base import rules

    listed = CliRunner().invoke(main, ["rules"]).stdout
    assert [line.split()[0] for line in listed.splitlines()] == list(rules())
    for name, rule in rules().items():
        assert CliRunner().invoke(main, ["rules", name]).stdout == rule.page


def test_every_command_of_the_table_is_a_module() -> None:
    for name in COMMANDS:
        assert isinstance(importlib.import_module(f"proxy.cli.{name}").command, click.Command)
