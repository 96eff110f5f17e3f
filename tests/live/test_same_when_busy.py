"""Random transactions while an application uses the tables: the client hears the same as directly on idle ones.

The application holds each table half of the time, longer than one try for a lock waits: what meets it is tried again, and must
not be seen to have been tried.  The stories, and what may differ, are those of test_same_transactions.py.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests import proxies
from tests.live.conftest import POLICY
from tests.live.stories import Flight, Story, stories
from tests.live.test_same_transactions import Different, Twins, check
from tests.servers import Server

EXAMPLES = int(os.environ.get("INTERLOCK_SAME_EXAMPLES", "0")) // 10  # each takes its time, for it waits
SAMPLE = 8
HELD_S = 0.06
"""How long each transaction of the application holds its table; one try waits 20 ms."""
LOCKS = (
    "locks: { timeout: 20ms, look: 10ms, backoff: { first: 10ms, max: 50ms }, in_transaction: { give_up_after: 60s } }"
)
USES = ("SELECT 1 FROM orders LIMIT 1", "SELECT 1 FROM customers LIMIT 1", "DELETE FROM orders WHERE false",
        "DELETE FROM customers WHERE false", "DELETE FROM n WHERE false")  # fmt: skip

pytestmark = pytest.mark.slow


class Application:
    """Uses one table after the other, each in a transaction of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stopped = threading.Event()

    def __enter__(self) -> Application:
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        number = 0
        with psycopg.connect(self._url, autocommit=True) as session:
            while not self._stopped.is_set():
                number += 1
                try:
                    with session.transaction():
                        session.execute(USES[number % len(USES)])
                        self._stopped.wait(HELD_S)
                except psycopg.Error:
                    pass  # the table is not there, or not any more
                self._stopped.wait(HELD_S / 3)


class BusyTwins(Twins):
    """Twins of which the one behind Interlock is in use while a story is played."""

    def play(self, story: Story) -> None:
        with Application(self.urls[1]):
            super().play(story)

    def _excuse_answer(self, kind: str, what: object, other_kind: str, other: object, flight: Flight) -> None:
        gave_up = kind == "E" and isinstance(what, dict) and what["C"] == "IL004" and "a query of several" in what["H"]
        if gave_up and flight.way == "string":
            raise Different("a string that cannot be sent again waits no longer than locks.timeout")
        if (
            kind == "E"
            and isinstance(what, dict)
            and what["C"] == "IL004"
            and what["D"].startswith("Interlock tried once")
        ):
            assert flight.way == "pipeline", flight
            raise Different("what stands in a pipeline, with no Sync before it, waits no longer than locks.timeout")
        super()._excuse_answer(kind, what, other_kind, other, flight)


@contextmanager
def busy(server: Server, folder: Path) -> Iterator[BusyTwins]:
    (folder / "policy.yaml").write_text(POLICY + LOCKS)
    proxy = proxies.start(server, folder, policy=str(folder / "policy.yaml"))
    try:
        yield BusyTwins(server, proxy, (server.create_database(), server.create_database()))
    finally:
        proxy.stop()


@pytest.mark.timeout(300 if not EXAMPLES else 100_000)
def test_random_transactions_on_tables_in_use(postgres: Server, tmp_path: Path) -> None:
    with busy(postgres, tmp_path) as twins:

        @settings(
            max_examples=EXAMPLES or SAMPLE,
            derandomize=not EXAMPLES,
            database=None,
            print_blob=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(stories())
        def same(story: Story) -> None:
            check(twins, story)

        try:
            same()
        finally:
            print(*(f"{count:6} {what}" for what, count in twins.seen.most_common()), sep="\n")
