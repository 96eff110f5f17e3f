"""What ``effect`` says of a statement is what Postgres does.  ``make truth`` has every state of every table, on every version."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from proxy.rules.base import examine, rules
from proxy.sql.read import read
from tests.servers import Server
from tests.truth.cases import CASES, GROUPS, Case, alone
from tests.truth.oracle import judge, predict
from tests.truth.suite import KNOWN, database

# The states in which most goes on; the others are made of the same parts.
STATES = ("indexed", "parted")
CHOSEN = [case for case in CASES if case.group in STATES or case.group in [name for name, _, _ in GROUPS]]


class Databases:
    """One at a time: cases come group by group."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.group = ""
        self.session: psycopg.Connection | None = None
        self._opened = ExitStack()

    def of(self, group: str) -> psycopg.Connection:
        if group != self.group or self.session is None:
            self.close()
            self.group, self.session = group, self._opened.enter_context(database(self.server, group))
        return self.session

    def close(self) -> None:
        self._opened.close()
        self.session = None


@pytest.fixture(scope="module")
def databases(postgres: Server) -> Iterator[Databases]:
    found = Databases(postgres)
    yield found
    found.close()


@pytest.mark.sampled(3)
@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_it_is_foretold(databases: Databases, case: Case) -> None:
    """And what Postgres scans, builds or copies while it blocks writes is not only foretold: a rule speaks of it."""
    session = databases.of(case.group)
    judged = judge(session, case)
    if case.sql in KNOWN:
        assert judged.problems, f"no longer wrong, although: {KNOWN[case.sql]}"
    else:
        assert not judged.problems, (judged.foretold, judged.measured)
    if judged.is_hazard:
        assert has_rule(session, case) != (case.sql in HARMLESS)


@pytest.mark.parametrize(("table", "case"), alone(), ids=str)
def test_what_cannot_run_in_a_transaction_waits_for_the_lock_foretold(
    databases: Databases, table: str, case: Case
) -> None:
    """Another session holds the table, so that the first lock is waited for and can be read."""
    holder = databases.of(table)
    foretold, _ = predict(holder, case.sql)
    locks = dict.fromkeys(foretold.relations, foretold.lock) | {o.relation: o.lock for o in foretold.others}
    with (
        psycopg.connect(holder.info.dsn, autocommit=True) as waiter,
        ThreadPoolExecutor(1) as pool,
        holder.transaction(),
    ):
        holder.execute(f"LOCK TABLE {table} IN SHARE MODE")  # VACUUM begins with an ACCESS SHARE
        running = pool.submit(waiter.execute, case.sql)
        modes: list[tuple[str]] = []
        deadline = time.monotonic() + 30
        while not modes and not running.done() and time.monotonic() < deadline:
            modes = holder.execute(WAITED, (waiter.info.backend_pid, table)).fetchall()
        waiter.cancel()
        assert isinstance(running.exception(), psycopg.errors.QueryCanceled)
    assert modes == [(locks[("public", table)],)]


WAITED = "SELECT mode FROM pg_locks WHERE pid = %s AND relation = %s::regclass AND NOT granted"


# Hazards that no rule needs to speak of.
HARMLESS = {
    "REFRESH MATERIALIZED VIEW CONCURRENTLY kept": "nobody writes a materialized view",
    "CREATE TABLE r_2 PARTITION OF r FOR VALUES FROM (700) TO (800)": "the default partition has no row",
    "ALTER TABLE p ATTACH PARTITION narrow FOR VALUES FROM (500) TO (600)": "the new partition has no row",
}


def has_rule(session: psycopg.Connection, case: Case) -> bool:
    with session.transaction(force_rollback=True):
        if case.inside:
            session.execute(case.inside)
        _, facts = predict(session, case.sql, in_transaction=True)
    (statement,) = read(case.sql)
    return any(rules()[f.rule].harm == "blocks" for _, f in examine(statement, facts))
