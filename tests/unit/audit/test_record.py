"""A record holds the inputs of the decision, whole, and no secret in any member."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.audit.record import PolicyUsed, Session, facts_dict, facts_of, record
from proxy.audit.sink import AuditLog
from proxy.audit.verify import verify
from proxy.catalog.facts import Column, Constraint, Facts, Index, Relation, Setting
from proxy.plans.plan import Lock
from proxy.policy.verdict import Action, Decided, Source, Verdict
from proxy.rules.base import Finding
from proxy.sql.statements import CreateIndex, Name, Other, Span, Statement

SESSION = Session(user="app", database="shop", client="10.0.0.7:51234", tool="alembic")
POLICY = PolicyUsed(name="recommended", file="policies/recommended.yaml", sha="ab" * 32)
NOW = datetime(2026, 11, 22, 20, 21, 25, 123456, tzinfo=UTC)
ORDERS = Relation(
    exists=True,
    oid=16384,
    schema="public",
    name="orders",
    size_bytes=41 * 2**30,
    rows=212_000_000,
    columns={"total": Column("total", "integer", not_null=False)},
    constraints={"c": Constraint("c", "c", True, ("state",), "CHECK ((state = 'open'::text))")},
    indexes={"i": Index(16390, "public", "i", 16384, "public", "orders", valid=False, unique=True)},
)
FACTS = Facts(
    server_version=180004,
    live=True,
    now=NOW,
    user="app",
    roles=frozenset({"app", "writers"}),
    in_transaction=True,
    settings={"lock_timeout": Setting("0", "default")},
    relations={("orders",): ORDERS, ("public", "gone"): Relation(exists=False)},
    taken_relations={"public": frozenset({"orders", "orders_pkey"})},
)
SQL = "CREATE INDEX i ON orders (email) WHERE state = 'open'"
INDEX = CreateIndex(relation=Name(("orders",), Span(18, 24)), name=Name(("i",), Span(13, 14)), keyword=Span(7, 12))
FINDING = Finding(
    rule="index-not-concurrent",
    at=Span(7, 12),
    problem='CREATE INDEX would block writes to "orders" until it is built',
    detail="",
    hint="",
    lock=Lock.SHARE,
    work="build",
    relation=INDEX.relation,
)
VERDICT = Verdict(
    Action.REJECT, (Decided(FINDING, Action.REJECT, Source("policies/recommended.yaml", 7), note="it cannot be rewritten in a transaction"),)
)  # fmt: skip
STEP = {"sql": SQL, "lock": "ShareUpdateExclusiveLock", "waited_ms": 0.12345678, "took_ms": 5.0, "attempts": 1, "outcome": "done", "sqlstate": ""}  # fmt: skip


def made(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "session": SESSION,
        "statement": Statement(SQL, Span(0, len(SQL)), INDEX, ("interlock: allow x: y",)),
        "facts": FACTS,
        "verdict": VERDICT,
        "policy": POLICY,
        "outcome": "rejected",
        "sqlstate": "IL001",
        "took_ms": 1.23456,
        "relations": ["public.orders"],
        "steps": [STEP],
    }
    return record(**(given | changes))


def test_a_record_has_the_documented_members(tmp_path: Path) -> None:
    with AuditLog.open(tmp_path / "audit.jsonl", clock=lambda: NOW) as log:
        log.append(made(id="f" * 16))
    line = json.loads((tmp_path / "audit.jsonl").read_text())
    documented = (Path(__file__).parents[3] / "docs" / "audit.md").read_text()
    assert [name for name in line if f"| `{name}`" not in documented] == []
    assert list(line)[:4] == ["v", "seq", "at", "prev"]
    assert list(line)[-1] == "hash"
    assert line["at"] == "2026-11-22T20:21:25.123Z"
    assert line["statement"] == SQL
    assert line["comments"] == ["interlock: allow x: y"]
    assert line["findings"] == [
        {
            "rule": "index-not-concurrent",
            "action": "reject",
            "problem": FINDING.problem,
            "note": "it cannot be rewritten in a transaction",
            "policy": "policies/recommended.yaml:7",
        }
    ]
    assert line["steps"] == [STEP | {"waited_ms": 0.123}]
    assert (line["outcome"], line["sqlstate"], line["took_ms"], line["in_transaction"]) == (
        "rejected",
        "IL001",
        1.235,
        True,
    )
    assert verify([tmp_path / "audit.jsonl"]).intact


def test_the_facts_of_a_record_can_be_decided_upon_again() -> None:
    assert facts_of(json.loads(json.dumps(made()["facts"]))) == FACTS


def test_literals_are_left_out_of_every_member_where_the_policy_says_so() -> None:
    assert "open" in json.dumps(made())
    assert "open" not in json.dumps(made(literals=True))


def test_passwords_are_left_out_of_every_member() -> None:
    sql = "ALTER ROLE a PASSWORD 'hunter2'"
    alter = Statement(sql, Span(0, len(sql)), Other("ALTER ROLE"))
    assert "hunter2" not in json.dumps(made(statement=alter, steps=[STEP | {"sql": sql}]))


names = st.text(min_size=1, max_size=8)
relations = st.builds(
    Relation,
    exists=st.booleans(),
    name=names,
    size_bytes=st.none() | st.integers(0, 2**60),
    rows=st.none() | st.integers(0, 2**60),
    columns=st.dictionaries(names, st.builds(Column, name=names, type=names, not_null=st.booleans())),
    index=st.none() | st.just(ORDERS.indexes["i"]),
    parents=st.lists(st.tuples(names, names), max_size=2).map(tuple),
)


@given(
    st.dictionaries(st.lists(names, min_size=1, max_size=3).map(tuple), relations, max_size=3),
    st.datetimes(timezones=st.just(UTC)),
)
def test_facts_come_back_as_they_were(known: dict[tuple[str, ...], Relation], now: datetime) -> None:
    facts = replace(FACTS, relations=known, now=now)
    assert facts_of(json.loads(json.dumps(facts_dict(facts)))) == facts


@pytest.mark.parametrize("broken", [{}, {"server_version": "x"}, {"server_version": 1, "live": True, "now": "never"}])
def test_facts_of_another_shape_are_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        facts_of(broken)
