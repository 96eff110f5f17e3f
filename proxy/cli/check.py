"""``interlock check``: what SQL files would do, without running them."""

from __future__ import annotations

import os

import click

from proxy.cli.inputs import failed, judge_all, options, read_all
from proxy.cli.report import FORMATS, format_of, report
from proxy.cli.since import added_since


@click.command()
@click.argument("files", metavar="[FILE|DIR|-]…", nargs=-1)
@click.option(
    "--since",
    metavar="REV",
    help="Only statements in lines that were added since the branch left that git revision; without FILE, of every .sql file.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=None,
    help="For people, programs, or a code review; default text, in a GitHub workflow github.",
)
@click.option(
    "--down",
    is_flag=True,
    help="Also what takes migrations back: down sections, and of a folder .down.sql, U1__….sql, revert/.",
)
@options
def command(
    files: tuple[str, ...],
    policy: str,
    database: str | None,
    pg_version: str | None,
    form: str | None,
    since: str | None,
    down: bool,
) -> None:
    """Say what SQL files would block, and what would run instead; run nothing.

    \b
    interlock check migrations/
    interlock check migrations/0042.sql --database postgres://app@db.example/shop
    interlock check --since origin/main

    Each file is judged by itself, its later statements after its earlier ones.  Without --database every table that a file
    does not create counts as large.

    Exit code 0: nothing rejected; 1: something rejected or unreadable; 2: wrong usage or configuration.
    """
    if not files and since is None:
        raise click.UsageError("give files or folders, - for stdin, or --since REV")
    added = added_since(since) if since is not None else None
    inputs = read_all(files or tuple(added.files() if added else ()), down=down)
    judged = judge_all(inputs.all, policy=policy, database=database, pg_version=pg_version)
    if added is not None:
        kept = [(name, added.only(name, statements)) for name, statements in judged]
        judged = [(name, statements) for name, statements in kept if statements]
    report(judged, format_of(form, os.environ), left_out=inputs.left_out)
    if failed(judged):
        raise SystemExit(1)
