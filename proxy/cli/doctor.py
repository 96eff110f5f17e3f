"""``interlock doctor``: what a database needs for Interlock to work before it."""

from __future__ import annotations

import click

from proxy.cli import Misuse, guard


@click.command()
@click.option("--upstream", metavar="URL", is_eager=True, help="The database, with a login that may do it.")
@guard.options
def command(upstream: str | None) -> None:
    """Put the second line of defence into a database, or take it out."""
    raise Misuse("say what to do: --install-guard report, --install-guard stop or --remove-guard")
