"""What an input leaves behind is the same as if it were worked out anew for each statement."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import FrameType

from hypothesis import given
from hypothesis import strategies as st

from proxy.aftermath import Aftermath, Altered, Parts
from proxy.catalog.facts import Facts, Relation
from proxy.judge import judge
from proxy.policy.load import load
from proxy.sql.read import read
from proxy.sql.statements import Name, Span

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = Facts.text_only(180000, NOW)
KNOWN = Facts(
    server_version=180000,
    live=True,
    now=NOW,
    relations={
        ("a",): Relation(exists=True, oid=1, schema="public", name="a", size_bytes=1),
        ("b",): Relation(exists=False),
    },
)
NAMES: tuple[Parts, ...] = (("a",), ("public", "a"), ("b",), ("s", "b"), ("c",))
ACTIONS = ("ADD COLUMN x int", "DROP COLUMN x", "ADD CONSTRAINT k CHECK (x > 0) NOT VALID", "VALIDATE CONSTRAINT k")
step = st.tuples(
    st.sampled_from(["make", "alter", "alter unknown", "forget", "roll back"]),
    st.sampled_from(NAMES),
    st.sampled_from(ACTIONS),
)


def aliases(parts: Parts) -> tuple[Parts, ...]:
    match parts:
        case (name,):
            return (parts, ("public", name))
        case ("public", name):
            return (parts, (name,))
    return (parts,)


def anew(facts: Facts, new: frozenset[Parts], altered: tuple[Altered, ...]) -> Facts:
    """All of it from the beginning: tables are made, and then each is altered in order."""
    for parts in new:
        for alias in aliases(parts):
            known = facts.relations.get(alias)
            if known is None or not known.exists:
                facts = facts.with_new(Name(alias, Span(0, 0)))
    relations, stated = dict(facts.relations), dict(facts.stated)
    for one in altered:
        for parts in [parts for parts, known in relations.items() if known.exists and known.qualified == one.table]:
            relations[parts] = one.to(relations[parts])
        if one.table is None:
            for parts in aliases(one.parts):
                stated[parts] = one.to(Relation(exists=True, constraints=stated.get(parts, {}))).constraints
    return Facts(server_version=180000, live=facts.live, now=NOW, relations=relations, stated=stated)


@given(st.lists(step, max_size=25))
def test_it_is_what_working_it_out_anew_gives(steps: list[tuple[str, Parts, str]]) -> None:
    aftermath = Aftermath(aliases)
    new: frozenset[Parts] = frozenset()
    altered: tuple[Altered, ...] = ()
    before = new, altered
    for what, parts, action in steps:
        (statement,) = read(f"ALTER TABLE {'.'.join(parts)} {action}")
        match what:
            case "make":
                new |= {parts}
            case "alter":
                table = (parts[0] if len(parts) > 1 else "", parts[-1])
                altered += (Altered(parts, table, statement, TEXT),)
            case "alter unknown":
                altered += (Altered(parts, None, statement, TEXT),)
            case "forget":
                aftermath.follow(new, altered)
                new = frozenset(one for one in new if parts not in aliases(one))
                altered = tuple(one for one in altered if parts not in aliases(one.parts))
                aftermath.forget(parts, new, altered)
            case "roll back":
                new, altered = before
        for facts in (TEXT, KNOWN):
            seen, expected = aftermath.seen_by(facts, new, altered), anew(facts, new, altered)
            assert dict(seen.relations) == dict(expected.relations)
            assert {parts: dict(found) for parts, found in seen.stated.items()} == expected.stated


def test_a_history_twice_as_long_is_twice_the_work() -> None:
    """In calls of Python's functions, which no other program on the machine changes."""
    policy = load("recommended")

    def calls(tables: int) -> int:
        text = "".join(
            f"CREATE TABLE t{n} (id int); ALTER TABLE t{n} ADD COLUMN a int; ALTER TABLE big{n} ADD COLUMN a int;"
            f" DROP TABLE t{n // 2};"
            for n in range(tables)
        )
        count = 0

        def counted(frame: FrameType, event: str, arg: object) -> None:
            nonlocal count
            count += event == "call"

        sys.setprofile(counted)
        try:
            judge(text, policy=policy, facts_for=lambda _: TEXT)
        finally:
            sys.setprofile(None)
        return count

    calls(5)  # what is made on first use
    assert calls(100) < 2.5 * calls(50)
