"""Jobs as a table, once or again and again, or as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from proxy.cli.own import table_of_jobs

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from proxy.run.jobs import Job
    from proxy.run.progress import Progress
    from proxy.run.side import Side

    How = Mapping[int, Progress | None]

REFRESH_S = 1.0
COLOURS = {"waiting": "yellow", "running": "cyan", "done": "green", "failed": "red"}


async def look(own: Side, everything: bool) -> tuple[list[Job], How]:
    from proxy.run import jobs, progress

    every = await jobs.everything(table_of_jobs(own))
    found = [job for job in every if everything or job.state not in jobs.OVER]
    now = await progress.progress(own) if any(job.state == "running" for job in found) else {}
    return found, {job.id: progress.of(job, now) for job in found}


async def watch(own: Side, found: list[Job], how: How, everything: bool) -> None:
    from rich.live import Live

    from proxy.render.jobs import WAITING

    with Live(table(found, how), console=console(), auto_refresh=False) as live:
        while any(job.state in WAITING for job in found):
            await asyncio.sleep(REFRESH_S)
            found, how = await look(own, everything)
            live.update(table(found, how), refresh=True)


def table(found: Sequence[Job], how: How) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from proxy.render.jobs import note, when
    from proxy.render.text import printable

    several = len({job.login for job in found}) > 1
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("job", "state", *(("login",) if several else ()), "since", "statement", ""):
        table.add_column(
            heading, justify="right" if heading == "job" else "left", no_wrap=heading in ("job", "state", "since")
        )
    for job in found:
        table.add_row(
            str(job.id),
            Text(job.state, style=COLOURS.get(job.state, "")),
            *((Text(printable(job.login)),) if several else ()),
            when(job),
            Text(printable(job.title)),
            Text(note(job, how.get(job.id))),
        )
    return table


def console() -> Console:
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=200, color_system=None)


def print_jobs(found: Sequence[Job], how: How) -> None:
    from proxy.render.jobs import document

    click.echo(json.dumps({"version": 1, "jobs": [document(job, how.get(job.id)) for job in found]}, indent=2))
