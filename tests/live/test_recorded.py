"""Migrations as real drivers send them, message by message, by one node and by two at once: nothing hangs, and all is there."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

from tests.live.conftest import POLICY, through
from tests.live.raw import Raw
from tests.live.recordings import RECORDINGS, Stopped, play
from tests.live.test_groups import valid, wait_until
from tests.proxies import Proxy

# Two nodes of these take turns; of the others, as directly, the second may fail, and rolls back.
LOCKING = ("Ecto", "Flyway, pgjdbc")
VERSIONS = "SELECT count(*) FROM schema_migrations"
NOT_NULL = "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'email'"
JOBS = "SELECT state, count(*) FROM interlock.jobs GROUP BY state"


def node(url: str, name: str, stopped: list[str]) -> None:
    with Raw(url) as one, Raw(url) as other:
        try:
            play(RECORDINGS[name], {"c1": one, "c2": other})
        except Stopped as error:
            stopped.append(error.fields["C"])
            for raw in (one, other):
                raw.query("ROLLBACK")


@pytest.fixture
def migrating(name: str, orders: str, share_proxy: Callable[[str], Proxy]) -> str:
    with psycopg.connect(orders, autocommit=True) as connection:  # two at once would fail directly, too, making it
        key = "" if name == "Laravel, PDO" else "PRIMARY KEY"
        connection.execute(f"CREATE TABLE schema_migrations (version bigint {key}, inserted_at timestamp(0))")
    return through(share_proxy(POLICY + "jobs: { wait_for_group: 2s }\n"), orders)


@pytest.mark.parametrize("name", RECORDINGS)
def test_one_node(name: str, orders: str, migrating: str) -> None:
    stopped: list[str] = []
    for _ in range(2):  # and once more, when there is nothing to do
        node(migrating, name, stopped)
        assert valid(orders) is True
        with psycopg.connect(orders) as looking:
            assert looking.execute(VERSIONS).fetchone() == (1,)
            assert looking.execute(NOT_NULL).fetchone() == (True,)
            assert looking.execute(JOBS).fetchall() == [("done", 2)]
    assert stopped == []


@pytest.mark.parametrize("name", RECORDINGS)
def test_two_nodes_at_once(name: str, orders: str, migrating: str) -> None:
    stopped: list[str] = []
    threads = [threading.Thread(target=node, args=(migrating, name, stopped)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    wait_until(lambda: valid(orders) is True)
    with psycopg.connect(orders, autocommit=True) as looking:
        wait_until(lambda: [state for state, _ in looking.execute(JOBS).fetchall()] == ["done"])
        (versions,) = looking.execute(VERSIONS).fetchall()[0]
        assert looking.execute(NOT_NULL).fetchone() == (True,)
        assert looking.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)
    assert stopped == [] if name in LOCKING else len(stopped) < 2
    # Laravel has no lock and no key: each writes its row or is stopped, but for one that comes when the other has ended.
    assert versions == 1 if name != "Laravel, PDO" else versions + len(stopped) in (1, 2)
