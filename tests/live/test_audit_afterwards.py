"""Records of a transaction that keeps others out are written when nobody can be waiting for it: all of them, in their order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from proxy.wire import messages as m
from tests.live.conftest import POLICY, through
from tests.live.raw import Raw
from tests.proxies import Proxy

STATEMENTS = (
    "ALTER TABLE orders ADD COLUMN a int DEFAULT 1",
    "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)",
    "ALTER TABLE customers ALTER COLUMN name SET DEFAULT 'none'",
    "CREATE INDEX i ON orders (email)",
)
ENDS: dict[str, Callable[[Raw], object]] = {
    "committed": lambda raw: raw.query("COMMIT"),
    "rolled-back": lambda raw: raw.query("ROLLBACK"),
    "failed": lambda raw: raw.query("SELECT 1 / 0"),
    "left-without-a-word": lambda raw: raw.close(),
    "still-open": lambda raw: None,
}


def records(proxy: Proxy, url: str) -> list[dict[str, Any]]:
    return [r for r in proxy.records() if r.get("session", {}).get("database") == url.rpartition("/")[2]]


def written(proxy: Proxy, url: str, *, within_s: float) -> list[str]:
    deadline = time.monotonic() + within_s
    while len(found := [r for r in records(proxy, url) if "job" not in r]) < len(STATEMENTS):
        assert time.monotonic() < deadline, f"{len(found)} records"
        time.sleep(0.01)
    return [r["statement"] for r in found]


@pytest.mark.parametrize("end", ENDS)
def test_however_the_transaction_ends(end: str, orders: str, share_proxy: Callable[[str], Proxy]) -> None:
    proxy = share_proxy(POLICY)
    with Raw(through(proxy, orders)) as raw:
        raw.send(b"".join(m.query(sql.encode()) for sql in ("BEGIN", *STATEMENTS)))
        for _ in range(1 + len(STATEMENTS)):
            raw.until("Z")
        ENDS[end](raw)
        assert written(proxy, orders, within_s=20) == list(STATEMENTS)


def test_with_fsync_always_each_is_there_before_the_next_runs(orders: str, share_proxy: Callable[[str], Proxy]) -> None:
    proxy = share_proxy(POLICY + "audit: { fsync: always }\n")
    with psycopg.connect(through(proxy, orders), autocommit=True) as connection:
        connection.execute("BEGIN")
        for number, sql in enumerate(STATEMENTS):
            connection.execute(sql)
            assert len(records(proxy, orders)) >= number
        connection.execute("ROLLBACK")


def test_the_time_of_a_record_is_not_before_those_that_are_above_it(
    orders: str, share_proxy: Callable[[str], Proxy]
) -> None:
    """Another session's records may come between; the chain is one."""
    proxy = share_proxy(POLICY)
    with Raw(through(proxy, orders)) as raw, psycopg.connect(through(proxy, orders), autocommit=True) as other:
        raw.query("BEGIN")
        raw.query(STATEMENTS[0])
        other.execute("CREATE TABLE more (id int PRIMARY KEY)")
        raw.query(STATEMENTS[1])
        raw.query("COMMIT")
        deadline = time.monotonic() + 20
        while len(found := records(proxy, orders)) < 4:  # a job for the CHECK, too
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert [r["seq"] for r in found] == sorted(r["seq"] for r in found)
    assert [r["at"] for r in found] == sorted(r["at"] for r in found)
    mine = [r["statement"] for r in found if r["statement"] in STATEMENTS]
    assert mine == [STATEMENTS[0], STATEMENTS[1], STATEMENTS[1]]
