"""``interlock doctor``: can this server, login and configuration work, and if not, what is to be done."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence

import click

from proxy.cli import Misuse, guard
from proxy.cli.examined import Found, Patient, examine

SIGNS = {"ok": ("ok", "green"), "note": ("note", "cyan"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}


@click.command()
@guard.options
@click.option(
    "--upstream",
    metavar="URL",
    is_eager=True,
    help="As interlock serve has it; with a login, if that is to be examined too.",
)
@click.option("--monitor", metavar="URL", help="As interlock serve has it.")
@click.option(
    "--policy", metavar="NAME|FILE", default="recommended", show_default=True, help="As interlock serve has it."
)
@click.option("--audit", metavar="FILE", help="As interlock serve has it.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or for programs."
)
def command(upstream: str | None, monitor: str | None, policy: str, audit: str | None, form: str) -> None:
    """Examine what interlock serve would work with: server, login, rights, TLS, settings, jobs, clock.

    \b
    interlock doctor --upstream postgres://migrator@db.example/shop
    INTERLOCK_UPSTREAM=… INTERLOCK_MONITOR=… interlock doctor

    Give the login that migrates, by URL or PGPASSWORD. It only looks. Each thing that is not well comes with what to do
    about it. Exit code 0 if all can work, 1 if something cannot, 2 for wrong usage.
    """
    if not upstream:
        raise Misuse("say which server: --upstream URL, or INTERLOCK_UPSTREAM")
    found = asyncio.run(examine(Patient(upstream, monitor or "", policy, audit or "")))
    if form == "json":
        listed = [{"what": one.what, "state": one.state, "found": one.found, "remedy": one.remedy} for one in found]
        click.echo(json.dumps({"version": 1, "checks": listed}, indent=2, ensure_ascii=False))
    else:
        _print(found)
    if any(one.state == "fail" for one in found):
        sys.exit(1)


def _print(found: Sequence[Found]) -> None:
    from proxy.render.text import printable

    width = max(len(one.what) for one in found)
    for one in found:
        sign, colour = SIGNS[one.state]
        click.echo(f"{click.style(f'{sign:4}', fg=colour)}  {one.what:{width}}  {printable(one.found)}")
        for line in one.remedy.splitlines():
            click.echo(f"{'':6}{'':{width}}  -> {printable(line)}")
    bad = sum(one.state == "fail" for one in found)
    doubtful = sum(one.state == "warn" for one in found)
    said = "it can work" if not bad else f"{bad} {'thing keeps' if bad == 1 else 'things keep'} it from working"
    click.echo(f"{said}{f'; {doubtful} to think about' if doubtful else ''}", err=True)
