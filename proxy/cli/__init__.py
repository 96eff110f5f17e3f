"""The command line: each ``proxy.cli.<name>`` parses its arguments, prints and decides nothing; its ``command`` is imported when run.

Results go to stdout, talk to stderr.  Exit codes: 0 fine, 1 rejected, unreadable or not as it should be,
2 wrong usage or configuration (``Misuse``).
"""

from __future__ import annotations

import importlib
import os

import click

from proxy import __version__

COMMANDS = {
    "serve": "Run the proxy.",
    "check": "Say what SQL files would do, without running them.",
    "plan": "Show step by step what would run instead; run nothing.",
    "unfinished": "List what migrations have left half-done in a database.",
    "rules": "List the rules, or show the page of one.",
    "policy": "Check, show and describe policy files.",
    "jobs": "Show, do and give up what waits for COMMIT.",
    "audit": "Read, verify and report the record of decisions.",
    "status": "Show what a running proxy does now.",
    "doctor": "Say whether a server and a login can work, and what to do.",
    "demo": "Feel the difference: two minutes, a Postgres of its own.",
    "completion": "Print the completion script of a shell.",
}


class Misuse(click.ClickException):
    """Wrong usage or configuration: one line says what, where and what to do; exit code 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        click.echo(f"interlock: {self.message}", err=True)


class Lazy(click.Group):
    """A group that knows its commands by a table, so that ``--help`` and one command import no other's modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"proxy.cli.{cmd_name}").command
        _read_environment(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            meant = f" (did you mean '{near[0]}'?)" if near else ""
            ctx.fail(f"no command '{args[0]}'{meant}; there are {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _read_environment(command: click.Command) -> None:
    """Give every option of a command, and of those below it, its variable: ``--policy`` is ``INTERLOCK_POLICY`` everywhere."""
    for option in command.params:
        if isinstance(option, click.Option) and option.allow_from_autoenv and option.envvar is None:
            longest = max(option.opts, key=len).lstrip("-")
            option.envvar = "INTERLOCK_" + longest.replace("-", "_").upper()
            option.show_envvar = True
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _read_environment(below)


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="interlock", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Interlock: a Postgres proxy that makes schema migrations safe.

    \b
    interlock serve --upstream postgres://db.example/shop --listen 127.0.0.1:6432
    DATABASE_URL=postgres://app@127.0.0.1:6432/shop alembic upgrade head
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
