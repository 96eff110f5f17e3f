"""``interlock plan``: step by step, what would run instead of some SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from proxy.cli.inputs import Input, failed, judge_all, options, paint, read_all
from proxy.cli.report import print_json

if TYPE_CHECKING:
    from proxy.judge import Judged


@click.command()
@click.argument("file", metavar="[FILE|-]", required=False)
@click.option(
    "-c",
    "--command",
    "commands",
    metavar="SQL",
    allow_from_autoenv=False,
    multiple=True,
    help="SQL to plan, instead of a file; may be repeated.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or for programs."
)
@options
def command(
    file: str | None, commands: tuple[str, ...], policy: str, database: str | None, pg_version: str | None, form: str
) -> None:
    """Show what would run, step by step, with the lock that each step takes; run nothing.

    \b
    interlock plan -c 'CREATE INDEX orders_email_idx ON orders (email)'
    interlock plan migrations/0042.sql --database postgres://app@db.example/shop

    Exit code 0: nothing rejected; 1: something rejected or unreadable; 2: wrong usage or configuration.
    """
    from proxy.render.document import document

    if (file is None) == (not commands):
        raise click.UsageError("give one file, or - for stdin, or SQL with -c")
    inputs = read_all((file,)).all if file is not None else [Input("-c", ";\n".join(commands))]
    judged = judge_all(inputs, policy=policy, database=database, pg_version=pg_version)
    if form == "json":
        print_json(document(judged))
    else:
        for name, statements in judged:
            _print(name, statements)
    if failed(judged):
        raise SystemExit(1)


def _print(name: str, judged: list[Judged]) -> None:
    from proxy.render.plans import plan_lines
    from proxy.render.text import WIDEST, printable
    from proxy.sql.interest import matters

    shown = [one for one in judged if matters(one.statement.node) or one.verdict.decided]
    for one in shown:
        line, column = one.position
        click.echo(f"{name}:{line}:{column}: {printable(one.statement.sql)[:WIDEST]}")
        for text in plan_lines(one.statement, one.verdict, one.effect, paint=paint):
            click.echo(f"  {text}")
    others = len(judged) - len(shown)
    if others:
        plural = "statements pass" if others > 1 else "statement passes"
        click.echo(f"{others} other {plural} untouched", err=True)
    elif not shown:
        click.echo(f"{name}: no statement in it", err=True)
