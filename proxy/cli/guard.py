"""``interlock doctor --install-guard`` and ``--remove-guard``: options that do their work and end the command."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from proxy.cli import Misuse


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: add the options to a command that has ``--upstream``; its own function is not called when one is given."""
    command = click.option(
        "--remove-guard",
        is_flag=True,
        callback=_remove,
        expose_value=False,
        allow_from_autoenv=False,
        help="Take that out of the database again.",
    )(command)
    return click.option(
        "--install-guard",
        type=click.Choice(["report", "stop"]),
        callback=_install,
        expose_value=False,
        allow_from_autoenv=False,
        help="Have event triggers in the database report, or stop, schema changes that Interlock has not decided about;"
        " it takes a superuser, and serve --mark-sessions.",
    )(command)


def _install(context: click.Context, parameter: click.Parameter, mode: Any) -> None:
    if mode is None or context.resilient_parsing:
        return
    from proxy.run import guard

    _do(context, lambda connection: guard.install(connection, mode))
    click.echo(f"the guard is installed, to {mode}; run interlock serve with --mark-sessions")
    context.exit()


def _remove(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from proxy.run import guard

    _do(context, guard.remove)
    click.echo("the guard is removed")
    context.exit()


def _do(context: click.Context, work: Callable[[Any], None]) -> None:
    import psycopg

    url = context.params.get("upstream") or os.environ.get("INTERLOCK_UPSTREAM")
    if not url:
        raise Misuse("say which database: --upstream URL, or INTERLOCK_UPSTREAM")
    try:
        with psycopg.connect(
            url, autocommit=True, fallback_application_name="interlock", connect_timeout=10
        ) as connection:
            work(connection)
    except psycopg.ProgrammingError as error:
        if error.sqlstate is None:
            raise Misuse("--upstream: this is no connection URL; write postgres://user@host:port/database") from None
        raise Misuse(f"the guard needs a superuser of the database: {error.diag.message_primary}") from None
    except psycopg.Error as error:
        raise Misuse(f"--upstream: {' '.join(str(error).split())}") from None
