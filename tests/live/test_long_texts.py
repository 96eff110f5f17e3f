"""A client with a huge text does not hold up the others."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import psycopg

from tests.live.conftest import through
from tests.proxies import Proxy

# Seconds of reading, and then nothing to decide: Postgres refuses it at once.
HUGE = "SELECT 1; " + "INSERT INTO nothing VALUES (1, 'a', 2.5, NULL);" * 12_000


def test_others_go_on_while_a_huge_text_is_read(database: str, start_proxy: Callable[..., Proxy]) -> None:
    url = through(start_proxy(), database)
    connected, done = threading.Event(), threading.Event()

    def send() -> None:
        try:
            with psycopg.connect(url, autocommit=True) as session:
                connected.set()
                session.pgconn.exec_(HUGE.encode())
        finally:
            connected.set()
            done.set()

    with psycopg.connect(url, autocommit=True) as session:
        sender = threading.Thread(target=send)
        sender.start()
        connected.wait()
        answered = [time.monotonic()]
        while not done.is_set():
            session.execute("SELECT 1")
            answered.append(time.monotonic())
        sender.join()
    longest = max(later - earlier for earlier, later in itertools.pairwise(answered))
    # Read in the event loop it would be silent for as long as a reading takes, which is nearly half of the whole.
    assert longest < 0.25 * (answered[-1] - answered[0])
