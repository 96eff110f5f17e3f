"""``interlock unfinished``: what migrations have left half-done in a database."""

from __future__ import annotations

from dataclasses import asdict

import click

from proxy.cli.report import print_json


@click.command()
@click.option(
    "--database", metavar="URL", required=True, help="The database to look through, in a read-only transaction."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or for programs."
)
def command(database: str, form: str) -> None:
    """List constraints left NOT VALID, invalid indexes and partitions half detached, with what finishes each.

    \b
    interlock unfinished --database postgres://app@db.example/shop

    Exit code 0: nothing is left; 1: something is; 2: wrong usage, or the database cannot be reached.
    """
    from proxy.cli.live import LiveFacts

    with LiveFacts.connect(database, server_version=None) as live:
        found = live.unfinished()
    if form == "json":
        print_json({"version": 1, "unfinished": [asdict(one) for one in found]})
    else:
        for one in found:
            click.echo(f"{one.schema}.{one.table}: {one.kind}: {one.name}")
            if one.definition:
                click.echo(f"    {one.definition}")
            for sql in one.finish:
                click.echo(f"    = {sql}" + ("" if sql.startswith("--") else ";"))
        click.echo(f"{len(found)} left unfinished" if found else "nothing is left unfinished", err=True)
    raise SystemExit(1 if found else 0)
