"""What deciding costs: the facts, in one round trip to a server on this machine, and the decision without them.

python -m bench.facts [--pg 18] [--runs 200] [--tables 300]

Wall-clock time of the round trip, each time planned anew as through the proxy, and how much of that the server and this
process were at work, which a busy machine leaves as it is (Linux only); best of five runs of the decision.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from proxy.catalog import lookup
from proxy.catalog.facts import Facts
from proxy.policy.decide import decide
from proxy.policy.load import load
from proxy.sql.read import read
from tests import servers

FACTS_MS, DECISION_US = 2.0, 200.0  # at most, the median
BEST_OF = 5

SCHEMA = """
CREATE TABLE customers (id bigint PRIMARY KEY, email text UNIQUE);
CREATE TABLE orders (
    id bigint PRIMARY KEY, customer_id bigint REFERENCES customers, number varchar(20) UNIQUE, total numeric(8,2) CHECK (total >= 0),
    status text NOT NULL DEFAULT 'new', note text, created timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON orders (customer_id); CREATE INDEX ON orders (created); CREATE INDEX ON orders (lower(status));
INSERT INTO orders (id, total) SELECT i, 1 FROM generate_series(1, 200000) AS i;
"""
STATEMENTS = (
    "ALTER TABLE orders ADD COLUMN shipped timestamptz",
    "ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()",
    "ALTER TABLE orders ALTER COLUMN note SET NOT NULL",
    "ALTER TABLE orders ADD CONSTRAINT noted CHECK (note <> '')",
    "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers",
    "ALTER TABLE orders ALTER COLUMN number TYPE varchar(40)",
    "ALTER TABLE orders ALTER COLUMN id TYPE int",
    "ALTER TABLE orders DROP COLUMN note",
    "CREATE INDEX ON orders (note)",
    "DROP INDEX orders_created_idx",
    "DROP TABLE orders",
)


def furnish(session: psycopg.Connection[tuple[object, ...]], tables: int) -> None:
    session.execute(SCHEMA)
    for number in range(tables):  # a catalog of some size
        session.execute(
            f"CREATE TABLE other_{number} (id bigint PRIMARY KEY, a int, b text, order_id bigint);"
            f" CREATE INDEX ON other_{number} (a); CREATE INDEX ON other_{number} (b)"
        )
    session.execute("VACUUM ANALYZE")


def at_work_ns(pid: int) -> int:
    """What a process has spent on a processor so far; 0 where the kernel does not say."""
    path = Path(f"/proc/{pid}/schedstat")
    return int(path.read_text().split()[0]) if path.exists() else 0


def ask(session: psycopg.Connection[tuple[object, ...]], sql: str, runs: int) -> tuple[Facts, float, float, float]:
    """The facts; median and 99th percentile of milliseconds that one round trip took, and those that both ends worked."""
    (statement,) = read(sql)
    request = lookup.request(statement)
    cursor, took, worked = psycopg.RawCursor(session), [], []
    pid = session.info.backend_pid
    for _ in range(runs):
        before = at_work_ns(pid) + time.process_time_ns()
        began = time.perf_counter_ns()
        row = cursor.execute(request.sql, (request.parameter,), prepare=False).fetchone()
        took.append((time.perf_counter_ns() - began) / 1e6)
        worked.append((at_work_ns(pid) + time.process_time_ns() - before) / 1e6)
    assert row is not None
    facts = lookup.decode(str(row[0]), request, now=datetime.now(UTC), in_transaction=False)
    return facts, statistics.median(took), statistics.quantiles(took, n=100)[98], statistics.median(worked)


def best_us(run: Callable[[], object]) -> float:
    found = []
    for _ in range(BEST_OF):
        began = time.perf_counter_ns()
        run()
        found.append((time.perf_counter_ns() - began) / 1e3)
    return min(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pg", type=int, default=18)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--tables", type=int, default=300)
    options = parser.parse_args()
    server, policy = servers.shared(options.pg), load("recommended")
    name = server.create_database()
    medians, works, decisions = [], [], []
    with psycopg.connect(server.url(name), autocommit=True) as session:
        furnish(session, options.tables)
        print(
            f"Postgres {options.pg}, {options.tables} other tables\n{'facts':>10} {'p99':>10} {'at work':>10} {'decision':>12}"
        )
        for sql in STATEMENTS:
            (statement,) = read(sql)
            facts, median, p99, worked = ask(session, sql, options.runs)
            decision = best_us(lambda statement=statement, facts=facts: decide(statement, facts, policy))  # type: ignore[misc]
            medians.append(median)
            works.append(worked)
            decisions.append(decision)
            print(f"{median:7.2f} ms {p99:7.2f} ms {worked:7.2f} ms {decision:9.0f} us  {sql}")
    server.drop_database(name)
    facts_ms, decision_us = statistics.median(medians), statistics.median(decisions)
    print(
        f"median: facts {facts_ms:.2f} ms (at most {FACTS_MS:g}), decision {decision_us:.0f} us (at most {DECISION_US:g})"
    )
    return int(facts_ms > FACTS_MS or decision_us > DECISION_US)


if __name__ == "__main__":
    sys.exit(main())
