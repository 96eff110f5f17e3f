"""What deciding costs: the facts, asked of a server on this machine, and the decision without them.

python -m bench.facts [--pg 18] [--runs 200] [--cold 30] [--tables 300]

Wall-clock time from the statement to its facts: the question, the round trip (each time planned anew, as through the proxy) and the
answer read. *Warm* is a session that has asked before, outside and inside a transaction, where more is asked; *cold* the first
question of a session, whose server process has to read the catalog first. *At work* is how much of it the server and this process
were on a processor, which a busy machine leaves as it is (Linux only). The decision is the best of some runs. How fast the machine is
tells what ``\\d orders`` takes psql, which reads the same catalogs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg

from proxy.catalog import lookup
from proxy.catalog.facts import Facts
from proxy.policy.decide import decide
from proxy.policy.load import load
from proxy.run.kept import ASKED
from proxy.sql.read import read
from proxy.sql.statements import Statement
from tests import servers
from tests.binaries import run_client

FACTS_MS, DECISION_US = 2.0, 200.0  # at most, the median
BEST_OF = 20

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


@dataclass(slots=True)
class Cost:
    """What asking took, run by run."""

    took_ms: list[float] = field(default_factory=list)
    worked_ms: list[float] = field(default_factory=list)
    trips: int = 0

    @property
    def median_ms(self) -> float:
        return statistics.median(self.took_ms)

    @property
    def p99_ms(self) -> float:
        return statistics.quantiles(self.took_ms, n=100)[98]


def asked(session: psycopg.Connection[tuple[object, ...]], statement: Statement, cost: Cost) -> Facts:
    """The facts; what they took goes to ``cost``."""
    pid = session.info.backend_pid
    inside = session.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE
    before = at_work_ns(pid) + time.process_time_ns()
    began = time.perf_counter_ns()
    question: lookup.Request | None = lookup.request(statement, in_transaction=inside, roles=False)
    trips = 0
    while question is not None:
        trips += 1
        if inside:
            row = psycopg.RawCursor(session).execute(question.sql, (question.parameter,), prepare=False).fetchone()
        else:  # as the proxy asks where the client speaks the simple protocol, which tools do for DDL
            row = session.execute(question.inlined, prepare=False).fetchone()
        assert row is not None
        facts = lookup.decode(str(row[0]), question, now=datetime.now(UTC), in_transaction=inside)
        question = lookup.more(question, statement, facts)
    cost.took_ms.append((time.perf_counter_ns() - began) / 1e6)
    cost.worked_ms.append((at_work_ns(pid) + time.process_time_ns() - before) / 1e6)
    cost.trips = trips
    return facts


def kept(session: psycopg.Connection[tuple[object, ...]], statement: Statement, cost: Cost) -> None:
    """As the proxy asks from the second statement of a transaction on: in one flight, of a statement that the server keeps planned."""
    pid = session.info.backend_pid
    before = at_work_ns(pid) + time.process_time_ns()
    began = time.perf_counter_ns()
    question: lookup.Request | None = replace(lookup.request(statement, in_transaction=True), shared=True)
    while question is not None:
        sql = question.sql.replace("$1", f"pg_catalog.current_setting('{ASKED}')")
        with session.pipeline():
            session.execute("SELECT pg_catalog.set_config(%s, %s, true)", (ASKED, question.parameter), prepare=True)
            found = psycopg.RawCursor(session).execute(sql, prepare=True)
        row = found.fetchone()
        assert row is not None
        facts = lookup.decode(str(row[0]), question, now=datetime.now(UTC), in_transaction=True)
        question = lookup.more(question, statement, facts)
    cost.took_ms.append((time.perf_counter_ns() - began) / 1e6)
    cost.worked_ms.append((at_work_ns(pid) + time.process_time_ns() - before) / 1e6)


def described_ms(url: str, runs: int) -> float:
    """What ``\\d orders`` takes psql, in a session that has done so before."""

    def took_s(times: int) -> float:
        begun = time.perf_counter()
        run_client("psql", "-q", url=url, text="\\d orders\n" * times)
        return time.perf_counter() - begun

    return (took_s(runs + 20) - took_s(20)) / runs * 1000


def cold(url: str, statement: Statement, runs: int) -> Cost:
    cost = Cost()
    for _ in range(runs):
        with psycopg.connect(url, autocommit=True) as session:
            asked(session, statement, cost)
    return cost


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
    parser.add_argument("--cold", type=int, default=30)
    parser.add_argument("--tables", type=int, default=300)
    options = parser.parse_args()
    server, policy = servers.shared(options.pg), load("recommended")
    name = server.create_database()
    medians, works, laters, colds, decisions = [], [], [], [], []
    with server.connect() as session:  # the tests' servers log all that they are asked
        session.execute(f"ALTER DATABASE {name} SET log_statement = 'none'")
    with psycopg.connect(server.url(name), autocommit=True) as session:
        furnish(session, options.tables)
        print(f"Postgres {options.pg}, {options.tables} other tables; p50 / p99 in ms, at work in ms, decision in us")
        print(
            f"{'warm':>15} {'at work':>8} {'in transaction':>17} {'later in it':>15} {'cold':>15} {'trips':>6} {'decision':>9}"
        )
        for sql in STATEMENTS:
            (statement,) = read(sql)
            warm, inside, later = Cost(), Cost(), Cost()
            for _ in range(options.runs):
                facts = asked(session, statement, warm)
            session.execute("BEGIN")
            for _ in range(options.runs):
                asked(session, statement, inside)
            for _ in range(options.runs):
                kept(session, statement, later)
            session.execute("ROLLBACK")
            first = cold(server.url(name), statement, options.cold)
            decision = best_us(partial(decide, statement, facts, policy))
            medians.append(warm.median_ms)
            works.append(statistics.median(warm.worked_ms))
            laters.append(later.median_ms)
            colds.append(first.median_ms)
            decisions.append(decision)
            print(
                f"{warm.median_ms:6.2f} / {warm.p99_ms:6.2f} {works[-1]:8.2f} {inside.median_ms:8.2f} / {inside.p99_ms:6.2f}"
                f" {later.median_ms:6.2f} / {later.p99_ms:6.2f}"
                f" {first.median_ms:6.2f} / {first.p99_ms:6.2f} {warm.trips:6} {decision:9.0f}  {sql}"
            )
    peer_ms = described_ms(server.url(name), options.runs)
    server.drop_database(name)
    facts_ms, decision_us = statistics.median(medians), statistics.median(decisions)
    print(
        f"median: facts {facts_ms:.2f} ms (at most {FACTS_MS:g}; at work {statistics.median(works):.2f},"
        f" later in a transaction {statistics.median(laters):.2f}, cold {statistics.median(colds):.2f}), decision {decision_us:.0f} us (at most {DECISION_US:g})"
    )
    print(f"psql's \\d of the table, on this machine in this hour: {peer_ms:.2f} ms")
    return int(facts_ms > FACTS_MS or decision_us > DECISION_US)


if __name__ == "__main__":
    sys.exit(main())
