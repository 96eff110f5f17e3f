"""Runs the cases of a group in a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.servers import Server
from tests.truth import cases
from tests.truth.cases import CASES, Case
from tests.truth.oracle import Judgement, judge

# Where the prediction is known to be wrong, and why.
KNOWN: dict[str, str] = {}


@contextmanager
def database(server: Server, group: str) -> Iterator[psycopg.Connection]:
    """A session in a new database that holds what the group is about."""
    name = server.create_database()
    try:
        with psycopg.connect(server.url(name), autocommit=True) as session:
            session.execute(cases.setup(group))
            session.execute("ANALYZE")
            yield session
    finally:
        server.drop_database(name)


def groups() -> dict[str, list[Case]]:
    found: dict[str, list[Case]] = {}
    for case in CASES:
        found.setdefault(case.group, []).append(case)
    return found


def run(server: Server, group: str) -> list[Judgement]:
    """Every case of a group that the server's version has."""
    with database(server, group) as session:
        return [judge(session, case) for case in groups()[group] if case.on(server.version)]
