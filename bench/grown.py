"""What grows with the catalog of the database, with the connections and with the workers: measured before a real server."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench import cases, facts, rig
from bench.scale import Curve, Named
from proxy.sql.read import read
from tests import proxies, servers

TABLES, PARTITIONS = (100, 1_000, 10_000), (10, 100, 1_000)
CLIENTS, IDLE, WORKERS = (4, 16, 64, 256), (10, 100, 1_000), (1, 2, 4)
RUNS = 40
Session = psycopg.Connection[tuple[object, ...]]


@contextlib.contextmanager
def curves(version: int, seconds: int) -> Iterator[Iterator[Named]]:
    """Each curve when it is asked for."""
    with rig.postgres(version) as server:
        cases.prepare(f"{server.url('bench')}")
        yield iter(
            (
                ("facts, by the catalog", lambda name: tables(name, server)),
                ("facts, by the table's partitions", lambda name: partitions(name, server)),
                ("a SELECT, by the clients at work", lambda name: clients(name, server, seconds)),
                ("a SELECT, by the idle connections", lambda name: idle(name, server, seconds)),
                ("a SELECT, by the workers", lambda name: workers(name, server, seconds)),
            )
        )


def tables(name: str, server: servers.Server) -> Curve:
    """The facts about one table, by the number of others."""
    with psycopg.connect(server.url("bench"), autocommit=True) as session:
        session.execute("CREATE TABLE grown (id bigint PRIMARY KEY, a int)")
        there, points = 0, []
        for number in TABLES:
            for start in range(there, number, 500):  # a transaction holds a lock on each that it makes
                session.execute(
                    f"DO $$ BEGIN FOR n IN {start}..{min(start + 500, number) - 1} LOOP"
                    " EXECUTE format('CREATE TABLE other_%s (id bigint PRIMARY KEY, a int)', n); END LOOP; END $$"
                )
            there = number
            session.execute("VACUUM ANALYZE pg_class, pg_attribute, pg_index, pg_constraint, pg_depend")
            points.append((float(number), _asked_ms(server, "ALTER TABLE grown ADD COLUMN b int")))
    return Curve(name, "tables", "ms", points)


def partitions(name: str, server: servers.Server) -> Curve:
    """The facts about one table, by the number of its partitions."""
    points = []
    for number in PARTITIONS:
        with psycopg.connect(server.url("bench"), autocommit=True) as session:
            session.execute(f"CREATE TABLE parted_{number} (id bigint, a int) PARTITION BY RANGE (id)")
            session.execute(
                f"DO $$ BEGIN FOR n IN 0..{number - 1} LOOP EXECUTE format('CREATE TABLE parted_{number}_%s PARTITION OF"
                f" parted_{number} FOR VALUES FROM (%s) TO (%s)', n, n, n + 1); END LOOP; END $$"
            )
        points.append((float(number), _asked_ms(server, f"CREATE INDEX ON parted_{number} (a)")))
    return Curve(name, "partitions", "ms", points)


def _asked_ms(server: servers.Server, sql: str) -> float:
    """What the server's process and this one work for the facts of a statement, in a session that has asked before."""
    (statement,) = read(sql)
    with psycopg.connect(server.url("bench"), autocommit=True) as session:
        facts.asked(session, statement, facts.Cost())
        cost = facts.Cost()
        for _ in range(RUNS):
            facts.asked(session, statement, cost)
    return statistics.median(cost.worked_ms)


@contextlib.contextmanager
def _proxy(server: servers.Server, *more: str) -> Iterator[rig.Way]:
    with tempfile.TemporaryDirectory() as folder:
        proxy = proxies.start(server, Path(folder), "--log-level", "warning", *more, forked=False)
        try:
            yield rig.Way("Interlock", proxy.port, proxy.process.pid)
        finally:
            proxy.stop()


def _select_us(way: rig.Way, clients: int, seconds: int) -> float:
    """CPU of the proxy for one prepared SELECT."""
    before = way.cpu_s()
    figure = cases.Pgbench("SELECT", ("-S", "-M", "prepared"), clients).run(way, seconds)
    return (way.cpu_s() - before) * 1e6 / figure.operations


def clients(name: str, server: servers.Server, seconds: int) -> Curve:
    with _proxy(server) as way:
        points = [(float(number), _select_us(way, number, seconds)) for number in CLIENTS]
    return Curve(name, "clients", "µs", points)


def idle(name: str, server: servers.Server, seconds: int) -> Curve:
    with _proxy(server) as way, contextlib.ExitStack() as stack:
        points, there = [], 0
        for number in IDLE:
            for _ in range(number - there):
                stack.enter_context(contextlib.closing(psycopg.connect(way.url, autocommit=True)))
            there = number
            points.append((float(number), _select_us(way, 4, seconds)))
    return Curve(name, "connections", "µs", points)


def workers(name: str, server: servers.Server, seconds: int) -> Curve:
    points = []
    for number in WORKERS:
        with _proxy(server, f"--workers={number}") as way:
            points.append((float(number), _select_us(way, 32, seconds)))
    return Curve(name, "workers", "µs", points)
