"""A line on stderr that moves while a command takes its time; nothing of it where stderr is no terminal."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

    from proxy.run.doing import Doing
    from proxy.run.side import Side

T = TypeVar("T")
LOOK_S = 0.3


def _terminal() -> Console | None:
    if not sys.stderr.isatty():
        return None
    from rich.console import Console

    return Console(stderr=True)  # it honours NO_COLOR


def counted(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """The items, with how many of them have gone by."""
    console = _terminal()
    if console is None:
        yield from items
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield from progress.track(items, total=total)


@contextlib.asynccontextmanager
async def followed(own: Side) -> AsyncIterator[None]:
    """What is done on a connection while the block runs: its step, phase, share, and for whom it waits."""
    console = _terminal()
    if console is None:
        yield
        return
    with console.status("") as status:

        async def look() -> None:
            while True:
                status.update(words(own.doing))
                await asyncio.sleep(LOOK_S)

        task = asyncio.create_task(look())
        try:
            yield
        finally:
            task.cancel()


def words(doing: Doing | None) -> str:
    """``job 12, step 1 of 2: building index: scanning table, 43 %, about 40 s left of this phase``"""
    from rich.markup import escape

    from proxy.admin.job_row import waiting_for
    from proxy.catalog.progress import rounded

    if doing is None:
        return "looking for what is to be done"
    job = f"job {doing.job}, " if doing.job is not None else ""
    said = [doing.phase or "running"]
    if doing.share is not None:
        said.append(f"{doing.share:.0%}".replace("%", " %"))
    if doing.left_s is not None:
        said.append(f"about {rounded(doing.left_s)} left of this phase")
    if doing.waits_for:
        said.append(f"waits for {waiting_for(doing.waits_for)}")
    return escape(f"{job}step {doing.step} of {doing.steps}: {', '.join(said)}")
