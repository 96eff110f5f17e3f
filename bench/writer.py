"""An application on the table ``orders``: threads that write and read, each statement timed.

As a program it makes the table if need be and tells once a second how long its statements were held up:

    python -m bench.writer postgresql://postgres@127.0.0.1/postgres --rows 2000000
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

SCHEMA = """
CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, {customers}) i;
CREATE TABLE orders (id bigint NOT NULL, customer_id bigint, email text, total int, note text){parted};
{partitions}
INSERT INTO orders
  SELECT i, 1 + i % {customers}, 'buyer' || i || '@example.com', i % 1000, repeat('x', 60) FROM generate_series(1, {rows}) i;
CREATE UNIQUE INDEX orders_id_idx ON orders (id);
CREATE SEQUENCE order_numbers START {next};
ANALYZE;
"""
# The writers run beside migrations that say CHECK (total >= 0), UNIQUE (email) and NOT NULL: all of them hold.
WRITES = (
    "UPDATE orders SET total = total + 1 WHERE id = %(id)s",
    # with names, for a column may have become the last one
    "INSERT INTO orders (id, customer_id, email, total, note)"
    " SELECT n, %(customer)s, 'buyer' || n || '@example.com', 1, 'new' FROM nextval('order_numbers') n",
)
# Not `total`: of what is prepared its new type would be an error ("cached plan must not change result type"), by any way.
READS = ("SELECT id, customer_id, email, note FROM orders WHERE id = %(id)s",)


@dataclass(frozen=True, slots=True)
class Statements:
    """What writers and readers send; ``id`` is of one of the rows, ``customer`` up to 1000."""

    writes: tuple[str, ...] = WRITES
    reads: tuple[str, ...] = READS


@dataclass(slots=True)
class Sample:
    """One statement of the application; times in seconds of ``time.monotonic``, ``ended`` 0 while it runs."""

    started: float
    ended: float = 0.0

    def took(self, now: float) -> float:
        return (self.ended or now) - self.started


@dataclass(slots=True)
class Client:
    """One connection and its thread."""

    statements: tuple[str, ...]
    samples: list[Sample] = field(default_factory=list)
    error: Exception | None = None
    thread: threading.Thread | None = None


class Application:
    """Writers and readers that each send a statement, wait for its answer, pause, and go on until ``stop``."""

    def __init__(
        self,
        url: str,
        *,
        writers: int,
        readers: int,
        rows: int,
        pause_s: float = 0.01,
        statements: Statements = Statements(),
    ) -> None:
        self._url = url
        self._rows = rows
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self.clients = [Client(statements.writes) for _ in range(writers)]
        self.clients += [Client(statements.reads) for _ in range(readers)]

    def start(self) -> None:
        for client in self.clients:
            client.thread = threading.Thread(target=self._work, args=(client,), daemon=True)
            client.thread.start()

    def stop(self) -> None:
        """End every client after its present statement.  Raises the first error that one of them met."""
        self._stopping.set()
        for client in self.clients:
            if client.thread:
                client.thread.join()
        for client in self.clients:
            if client.error:
                raise client.error

    def latencies_s(self, start: float, end: float) -> list[float]:
        """How long the statements took that were under way between two moments, sorted."""
        found = [s for client in self.clients for s in list(client.samples)]
        now = time.monotonic()
        return sorted(s.took(now) for s in found if s.started < end and (s.ended or now) > start)

    def samples_s(self, start: float, end: float) -> list[tuple[float, float]]:
        """(when it began, how long it took) of the same statements, in the order in which they began."""
        found = [s for client in self.clients for s in list(client.samples)]
        now = time.monotonic()
        return sorted((s.started, s.took(now)) for s in found if s.started < end and (s.ended or now) > start)

    def _work(self, client: Client) -> None:
        chance = random.Random()
        try:
            with psycopg.connect(self._url, autocommit=True, application_name="application") as session:
                while not self._stopping.is_set():
                    values = {"id": chance.randint(1, self._rows), "customer": chance.randint(1, 1000)}
                    statement = chance.choice(client.statements)
                    sample = Sample(time.monotonic())
                    client.samples.append(sample)
                    session.execute(statement, values)
                    sample.ended = time.monotonic()
                    self._stopping.wait(chance.uniform(0.5, 1.5) * self._pause_s)
        except Exception as error:
            client.error = error


def prepare(url: str, rows: int, partitions: int = 0) -> None:
    """Make ``customers`` and ``orders`` unless they are there; ``partitions`` of ``orders`` by hash, 0 for none."""
    with psycopg.connect(url, autocommit=True) as session:
        if session.execute("SELECT to_regclass('orders') IS NULL").fetchone() == (True,):
            customers = max(1000, rows // 20)
            parted = " PARTITION BY HASH (id)" if partitions else ""
            each = "\n".join(
                f"CREATE TABLE orders_{n} PARTITION OF orders FOR VALUES WITH (MODULUS {partitions}, REMAINDER {n});"
                for n in range(partitions)
            )
            chosen = {"rows": rows, "customers": customers, "next": rows + 1, "parted": parted, "partitions": each}
            session.execute(SCHEMA.format(**chosen).encode())


def tell(application: Application, say: Callable[[str], None], seconds: float = float("inf")) -> None:
    """Say once a second what the slowest statement of that second took, those still waiting included."""
    began = last = time.monotonic()
    while last - began < seconds:
        time.sleep(1)
        now = time.monotonic()
        for client in application.clients:
            if client.error:
                raise client.error
        took = application.latencies_s(last, now)
        worst_ms = 1000 * took[-1] if took else 0.0
        bar = "#" * min(60, int(worst_ms / 100))
        said = f"writes blocked for {worst_ms / 1000:.1f} s" if worst_ms >= 500 else f"worst {worst_ms:.0f} ms"
        say(f"{len(took):5} statements, {said} {bar}".rstrip())
        for client in application.clients:
            del client.samples[:-1]
        last = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="the server itself, as an application would connect")
    parser.add_argument(
        "--rows", type=int, default=2_000_000, help="rows of the table, if it is to be made (%(default)s)"
    )
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--readers", type=int, default=0)
    arguments = parser.parse_args()
    print(f"preparing orders with {arguments.rows} rows", flush=True)
    try:
        prepare(arguments.url, arguments.rows)
        chosen = {"writers": arguments.writers, "readers": arguments.readers, "rows": arguments.rows}
        application = Application(arguments.url, **chosen)
        application.start()
        tell(application, lambda line: print(line, flush=True))
    except psycopg.Error as error:
        sys.exit(f"writer: {str(error).strip()}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
