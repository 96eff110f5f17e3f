"""A command's own connection to a database, and how it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from proxy.cli import Misuse

if TYPE_CHECKING:
    from proxy.run.bounded import Bounded
    from proxy.run.side import Side

T = TypeVar("T")
LOOK_MS = 5_000  # for which a command waits for who has locked the table of jobs


def say(text: str) -> None:
    from proxy.render.text import printable

    click.echo(printable(text), err=True)


def cancelling(own: Side) -> asyncio.Event:
    """Set at the first Ctrl-C or SIGTERM, and what runs then is cancelled: the job goes on waiting."""
    cancelled = asyncio.Event()
    pending: list[asyncio.Task[None]] = []

    def told() -> None:
        cancelled.set()
        pending.append(asyncio.get_running_loop().create_task(own.cancel()))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told)
    return cancelled


def table_of_jobs(own: Side) -> Bounded:
    """For looks at interlock.jobs that wait for no lock for long."""
    from proxy.run.bounded import Bounded

    return Bounded(own, LOOK_MS)


def on(database: str | None, story: Callable[[Side], Awaitable[T]]) -> T:
    """Run a story on a connection of its own."""
    import psycopg

    from proxy.run.bounded import IS_LOCKED, WHO
    from proxy.run.connection import ConnectionLost, ServerError
    from proxy.run.errors import is_lock_timeout
    from proxy.run.jobs import JobsUnusable
    from proxy.run.monitor import Monitor
    from proxy.run.side import Side

    url = database or os.environ.get("INTERLOCK_UPSTREAM")
    if not url:
        raise Misuse("say which database: --database URL, or INTERLOCK_UPSTREAM")
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # a lost connection is told by us

    async def told() -> T:
        try:
            own = await Side.connect(url, say)
            await own.let_write()
        except psycopg.ProgrammingError:
            raise Misuse("--database: this is no connection URL; write postgres://user@host:port/database") from None
        except psycopg.Error as error:
            raise Misuse(f"--database: {' '.join(str(error).split())}") from None
        own.monitor = Monitor(url)
        try:
            return await story(own)
        except JobsUnusable as error:
            raise Misuse(f"{error}\n{error.hint}") from None
        except ServerError as error:
            if is_lock_timeout(error.fields):
                raise click.ClickException(f"{IS_LOCKED}, and has not let go of it; who: {WHO}") from None
            raise Misuse(f"the server says: {error} (SQLSTATE {error.sqlstate})") from None
        except ConnectionLost as error:
            raise click.ClickException(
                f"the connection to the database was lost; what was begun waits in interlock.jobs: {error}"
            ) from None
        finally:
            await own.monitor.close()
            await own.close()

    return asyncio.run(told())
