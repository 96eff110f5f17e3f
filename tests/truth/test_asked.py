"""What is asked about a statement is all that a decision about it needs: to know more changes nothing.

A rule or a plan that looks at what was not asked for finds nothing there, and might take it for nothing being there.
``make truth`` looks at every case, ``make test`` at a sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime

import psycopg
import pytest

from proxy.catalog import lookup
from proxy.catalog.effect import Effect, effect
from proxy.catalog.facts import Facts
from proxy.policy.decide import decide
from proxy.policy.load import load
from proxy.policy.verdict import Verdict
from proxy.sql.read import read
from proxy.sql.statements import Statement
from tests.facts import ask
from tests.servers import Server
from tests.truth.cases import CASES, Case
from tests.truth.test_truth import Databases

POLICY = load("strict")  # to which no table is small
NOT_PARTS = {"wanted", "taken", "sources"}  # what to look for, as against how much about it


@pytest.fixture(scope="module")
def databases(postgres: Server) -> Iterator[Databases]:
    found = Databases(postgres)
    yield found
    found.close()


def ask_all(session: psycopg.Connection, statement: Statement) -> Facts:
    """Everything that could be asked about what the statement names."""
    asked = lookup.request(statement)
    asked = replace(asked, **{f.name: True for f in fields(asked) if f.name not in NOT_PARTS})
    row = psycopg.RawCursor(session).execute(asked.sql, (asked.parameter,), prepare=False).fetchone()
    assert row is not None
    return lookup.decode(row[0], asked, now=datetime.now(UTC), in_transaction=True)


def decided(statement: Statement, facts: Facts) -> tuple[Effect, list[tuple[str, str, str, str]], list[str]]:
    """Lock and work, the findings, and the SQL of the plan."""
    verdict: Verdict = decide(statement, facts, POLICY)
    found = [(d.finding.rule, d.action.value, d.finding.lock.value, d.finding.work) for d in verdict.decided]
    steps = (*verdict.plan.now, *verdict.plan.later) if verdict.plan is not None else ()
    return effect(statement, facts), found, [sql for step in steps for sql in step.statements]


@pytest.mark.sampled(40)
@pytest.mark.parametrize("outside", [False, True], ids=["inside", "outside"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_more_need_be_known(databases: Databases, case: Case, *, outside: bool) -> None:
    session = databases.of(case.group)
    if not case.on(databases.server.version):
        return
    statements = read(case.sql)
    with session.transaction(force_rollback=True):
        if case.inside:
            session.execute(case.inside)
        for statement in statements:
            asked, everything = ask(session, statement), ask_all(session, statement)
            if outside:  # decided as in autocommit: there statements are rewritten
                asked, everything = replace(asked, in_transaction=False), replace(everything, in_transaction=False)
            assert decided(statement, asked) == decided(statement, everything)
