"""Plans as text: what is read back is what was written, and what was changed is not believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalog import lookup
from proxy.catalog.facts import Facts, Relation
from proxy.plans import stored
from proxy.plans.compose import compose, defer
from proxy.plans.plan import Edit, Failure, Lock, Step
from proxy.plans.stored import UnreadablePlan, decode, encode
from proxy.rules.base import examine
from proxy.sql.read import read
from tests.live.plan_cases import CASES


def steps_of(sql: str) -> tuple[Step, ...]:
    """All steps that a statement is done in, alone and in a transaction."""
    [statement] = read(sql)
    known = {
        name.parts: Relation(exists=True, oid=1, schema="public", name=name.parts[-1])
        for name in lookup.request(statement).wanted
    }
    facts = replace(Facts.text_only(180000, datetime(2026, 1, 1, tzinfo=UTC)), live=True, relations=known)
    found = [(node, finding.rewrite) for node, finding in examine(statement, facts) if finding.rewrite]
    if not found:
        return ()
    return compose(statement, found, facts).steps + defer(statement, found, facts).steps


REAL: Sequence[Step] = [step for case in CASES for step in steps_of(case.sql)]

text = st.text(max_size=8)
pairs = st.tuples(text, text)
made = st.builds(
    Step,
    statements=st.lists(text, max_size=3).map(tuple),
    lock=st.sampled_from(Lock),
    why=text,
    relations=st.lists(pairs, max_size=2).map(tuple),
    transaction=st.booleans(),
    budget=st.sampled_from(["locks", "builds"]),
    when=st.sampled_from(["now", "after_commit"]),
    done=st.none() | text,
    undo=st.lists(text, max_size=2).map(tuple),
    hides=st.lists(
        st.builds(Failure, text, text, text, st.lists(text, max_size=3).map(tuple), text, text), max_size=2
    ).map(tuple),
    edits=st.lists(st.builds(Edit, st.integers(0, 99), st.integers(0, 99), text), max_size=2).map(tuple),
    index=st.none() | pairs,
)


def test_the_real_plans_use_every_part() -> None:
    """Else the round trip below would show little."""
    assert len(REAL) > 150
    for part in ("relations", "done", "undo", "hides", "edits", "index"):
        assert any(getattr(step, part) for step in REAL), part
    assert {step.transaction for step in REAL} == {True, False}
    assert {step.budget for step in REAL} == {"locks", "builds"}
    assert {step.when for step in REAL} == {"now", "after_commit"}


@given(st.lists(st.sampled_from(REAL) | made, max_size=6).map(tuple))
def test_round_trip(steps: tuple[Step, ...]) -> None:
    written = encode(steps)
    assert written.isascii()
    assert decode(written) == steps


def test_a_later_version_is_named() -> None:
    with pytest.raises(UnreadablePlan, match="of version 2; this Interlock reads plans up to version 1"):
        decode(json.dumps({"version": stored.VERSION + 1, "steps": [{"nobody": "knows"}]}))


def put(**parts: Any) -> Callable[[dict[str, Any]], None]:
    return lambda plan: plan["steps"][0].update(parts)


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "no version": lambda plan: plan.pop("version"),
    "version is a word": lambda plan: plan.update(version="1"),
    "version is true": lambda plan: plan.update(version=True),
    "more beside the steps": lambda plan: plan.update(more=1),
    "steps are no list": lambda plan: plan.update(steps={}),
    "a step is no object": lambda plan: plan.update(steps=["DROP TABLE t"]),
    "a part is missing": lambda plan: plan["steps"][0].pop("undo"),
    "a part is not known": put(surprise=1),
    "a text for several": put(statements="DROP TABLE t"),
    "no text": put(statements=[1]),
    "no lock of this name": put(lock="SuperLock"),
    "a lock of no name": put(lock=7),
    "why is nothing": put(why=None),
    "half a relation": put(relations=[["public"]]),
    "neither in a transaction nor not": put(transaction=1),
    "no such budget": put(budget="unlimited"),
    "no such time": put(when="yesterday"),
    "done is no query": put(done=True),
    "half an error": put(hides=[{"sqlstate": "23514"}]),
    "an edit of words": put(edits=[{"start": "0", "end": 1, "text": ""}]),
    "an index without a schema": put(index=["i"]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_changed_is_not_believed(change: Callable[[dict[str, Any]], None]) -> None:
    plan = json.loads(encode(REAL[:2]))
    change(plan)
    with pytest.raises(UnreadablePlan):
        decode(json.dumps(plan))


@pytest.mark.parametrize("text", ["", "null", "[]", "1", "{", "[" * 100_000, '{"version": 1}', "\ud800"])
def test_no_plan_at_all(text: str) -> None:
    with pytest.raises(UnreadablePlan):
        decode(text)
