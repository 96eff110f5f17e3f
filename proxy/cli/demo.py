"""``interlock demo``: the two-minute tour, on a Postgres of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli import Misuse

if TYPE_CHECKING:
    import psycopg

SCHEMA = """
CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL);
INSERT INTO customers SELECT i, i || '@example.com' FROM generate_series(1, 1000) i;
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint, email text, total numeric);
INSERT INTO orders SELECT i, 1 + i % 1000, md5(i::text) || '@example.com', i % 900 FROM generate_series(1, {rows}) i;
ANALYZE;
"""
INDEX = "CREATE INDEX orders_email_idx ON orders (email)"
TYPE = "ALTER TABLE orders ALTER COLUMN total TYPE numeric(12,2)"
NOT_NULL = "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL"
PAUSE_S = 0.02
TICK_S = 0.5
BAR = 40


@dataclass(slots=True)
class Writer:
    """An application: one update after the other, each timed."""

    url: str
    rows: int
    took: list[float] = field(default_factory=list)
    begun: float = 0.0  # of the one that runs; 0 if none does
    trouble: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def worst(self) -> float:
        """Seconds, since it was asked last; the statement that runs counts with what it has waited so far."""
        took, self.took = self.took, []
        begun = self.begun  # the other thread goes on
        running = time.monotonic() - begun if begun else 0.0
        return max([running, *took])

    def _work(self) -> None:
        import psycopg

        try:
            with psycopg.connect(self.url, autocommit=True, application_name="the application") as connection:
                number = 0
                while not self._stop.wait(PAUSE_S):
                    number = number % self.rows + 1
                    self.begun = time.monotonic()
                    connection.execute("UPDATE orders SET total = total + 1 WHERE id = %s", (number,))
                    self.took.append(time.monotonic() - self.begun)
                    self.begun = 0.0
        except psycopg.Error as error:
            self.trouble = str(error)


@click.command()
@click.option(
    "--rows",
    type=click.IntRange(1000),
    default=2_000_000,
    show_default=True,
    allow_from_autoenv=False,
    help="Of the table orders.",
)
def command(rows: int) -> None:
    """Feel the difference: the same migration straight and through Interlock, with an application that writes meanwhile.

    \b
    interlock demo
    interlock demo --rows 5000000      slower, and easier to see

    It starts a Postgres of its own (the extra 'embedded') in a temporary folder, and removes it in the end. Nothing else is
    touched.
    """
    try:
        from proxy.embedded import Embedded, EmbeddedError
    except ImportError as error:  # pragma: no cover
        raise Misuse(f"the demo needs the extra 'embedded': {error}") from None
    with tempfile.TemporaryDirectory(prefix="interlock-demo-") as folder:
        Path(folder).chmod(0o755)  # as root the server runs as another user
        _say("A Postgres 18 of our own …")
        try:
            postgres = Embedded.start(Path(folder) / "data")
        except EmbeddedError as error:
            raise Misuse(str(error)) from None
        try:
            _tour(postgres.url, rows, Path(folder))
        finally:
            postgres.stop()


def _tour(url: str, rows: int, folder: Path) -> None:
    import psycopg

    _say(f"… with a table of {rows:,} orders, and an application that writes to it all the time.")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA.format(rows=rows).encode())
    writer = Writer(url, rows)
    writer.start()
    try:
        with _interlock(url, folder) as through:
            _title("1  Straight to the server")
            straight = _watched(writer, url, INDEX)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("DROP INDEX orders_email_idx")
            _title("2  The same statement through Interlock: only the port is another")
            guarded = _watched(writer, through, INDEX)
            _title("3  What it would do, before it does it: EXPLAIN")
            _explain(through)
            _title("4  NOT NULL, which has to look at every row")
            _watched(writer, through, NOT_NULL)
            _title("5  What cannot be done without blocking is refused, with the way out")
            _refused(through)
    finally:
        writer.stop()
    if writer.trouble:
        raise click.ClickException(f"the application of the demo met an error: {writer.trouble}")
    _title("In short")
    _say(f"straight:           writes were blocked for {straight:.1f} s")
    _say(f"through Interlock:  the worst write took {guarded * 1000:.0f} ms")
    _say("")
    _say("Before your own database:   interlock serve --upstream postgres://db.example/shop")
    _say("Your migrations, no proxy:  interlock check migrations/")
    _say("Can your server do it?      interlock doctor --upstream postgres://…")


@contextlib.contextmanager
def _interlock(url: str, folder: Path) -> Iterator[str]:
    """An interlock serve before the server, whatever the environment says to another one; its URL."""
    # -P: a folder here that is called proxy is somebody else's.
    command = [sys.executable, "-P", "-m", "proxy", "serve", "--upstream", url, "--monitor", url]
    command += ["--listen", "127.0.0.1:0", "--log-level", "warning"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    with open(folder / "serve.log", "w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert process.stderr is not None
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if line.startswith("listening on "):
                    break
            else:
                raise click.ClickException(f"interlock serve did not start: {''.join(said).strip()}")
            port = line.rpartition(":")[2].strip()
            threading.Thread(target=log.writelines, args=(process.stderr,), daemon=True).start()
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            process.terminate()
            process.wait(20)


def _watched(writer: Writer, url: str, sql: str) -> float:
    """Run a statement while the application's writes are shown, twice a second; the worst of them, in seconds."""
    _say(f"=> {sql}")
    trouble: list[Exception] = []
    ended = threading.Event()

    def story() -> None:
        import psycopg

        try:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.add_notice_handler(lambda notice: _say(f"NOTICE:  {notice.message_primary}"))
                connection.execute(sql.encode())
        except psycopg.Error as error:
            trouble.append(error)
        finally:
            ended.set()

    writer.worst()
    worst = 0.0
    thread = threading.Thread(target=story, daemon=True)
    begun = time.monotonic()
    thread.start()
    while not ended.wait(TICK_S):
        worst = max(worst, _tick(writer))
    took = time.monotonic() - begun
    worst = max(worst, _tick(writer))
    thread.join()
    if trouble:
        raise click.ClickException(str(trouble[0]))
    _say(f"done in {took:.1f} s")
    return worst


def _tick(writer: Writer) -> float:
    worst = writer.worst()
    blocked = worst > 0.3
    bar = "#" * min(BAR, max(1, round(worst * 10))) if blocked else ""
    said = f"a write has been waiting for {worst:.1f} s" if blocked else f"the worst write took {worst * 1000:.0f} ms"
    click.secho(f"   the application: {said} {bar}".rstrip(), fg="red" if blocked else "green")
    return worst


def _explain(url: str) -> None:
    _say(f"=> EXPLAIN {NOT_NULL}")

    def story(connection: psycopg.Connection[tuple[str, ...]]) -> None:
        for (line,) in connection.execute(f"EXPLAIN {NOT_NULL}".encode()):
            _say(f"   {line}")

    _on(url, story)


def _refused(url: str) -> None:
    import psycopg

    _say(f"=> {TYPE}")

    def story(connection: psycopg.Connection[tuple[str, ...]]) -> None:
        try:
            connection.execute(TYPE.encode())
        except psycopg.Error as error:
            diagnostic = error.diag
            _say(f"ERROR:  {diagnostic.message_primary}")
            for name, text in (("DETAIL", diagnostic.message_detail), ("HINT", diagnostic.message_hint)):
                if text:
                    _say(f"{name}:  {text}")

    _on(url, story)


def _on(url: str, story: Callable[[psycopg.Connection[tuple[str, ...]]], None]) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        story(connection)


def _title(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _say(text: str) -> None:
    click.echo(text)
