"""Statements with what they run through routines: what is asked for, what is put in, and where it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from proxy.catalog.effect import effect
from proxy.catalog.facts import Facts, Routine
from proxy.catalog.routines import DEEPEST, MOST, Known, Opening, Sought, names, reopened
from proxy.plans.plan import Lock
from proxy.sql.read import read
from proxy.sql.routine import created
from proxy.sql.statements import Opaque, SetVariable, Statement

FACTS = Facts.text_only(180000, datetime(2026, 11, 27, tzinfo=UTC))


def routine(source: str | None, oid: int = 1, language: str = "plpgsql", **more: object) -> Routine:
    made = Routine(oid, f"public.r{oid}", language, source, most=None)
    return replace(made, **more)  # type: ignore[arg-type]


def opening(known: Known, *functions: str) -> Opening:
    return Opening(known, lambda name: name.name in functions)


def opened(sql: str, known: Known, *functions: str) -> Statement:
    found = opening(known, *functions)
    statement = found.opened(read(sql)[-1])
    assert not found.missing
    return statement


def shown(statement: Statement) -> list[str]:
    return [one.node.why if isinstance(one.node, Opaque) else one.sql or one.node.kind for one in statement.inner]


def test_what_is_not_known_is_asked_for() -> None:
    found = opening({}, "f")
    (statement,) = read("CALL p(f(), g())")
    assert found.opened(statement) is statement
    assert found.missing == {Sought("procedure", ("p",)), Sought("function", ("f",))}
    known = {'procedure "p"': (routine("BEGIN CALL s.q(1); PERFORM f(); END"),), 'function "f"': ()}
    found = opening(known, "f")
    found.opened(statement)
    assert found.missing == {Sought("procedure", ("s", "q"))}


def test_what_could_not_be_asked_for_is_opaque() -> None:
    statement = opened("CALL p()", {'procedure "p"': None})
    assert shown(statement) == ["its body is not known here"]
    assert statement.inner[0].origin is not None
    assert statement.inner[0].origin.routine == "procedure p"


def test_bodies_are_put_where_they_are_called() -> None:
    known = {
        'procedure "p"': (routine("BEGIN DROP TABLE a; CALL q(); DROP TABLE c; END"),),
        'procedure "q"': (routine("DROP TABLE b", 2, "sql"),),
    }
    sql = "SELECT 1; DO $$ BEGIN DROP TABLE x; CALL p(); DROP TABLE y; END $$"
    statement = opened(sql, known)
    assert shown(statement) == [f"DROP TABLE {name}" for name in "xabcy"]
    places = [one.origin and (one.origin.routine, one.origin.at.of(sql)) for one in statement.inner]
    first, second = ("procedure public.r1", "p"), ("procedure public.r2", "p")
    assert places == [None, first, second, first, None]


def test_arguments_tell_overloads_apart() -> None:
    one, two = routine("BEGIN DROP TABLE a; END", least=1, most=2), routine("BEGIN DROP TABLE b; END", 2, least=2)
    known = {'procedure "p"': (one, two)}
    assert shown(opened("CALL p()", known)) == []
    assert shown(opened("CALL p(1)", known)) == ["DROP TABLE a"]
    assert shown(opened("CALL p(1, 2)", known)) == ["DROP TABLE a", "DROP TABLE b"]
    assert shown(opened("CALL p(1, 2, 3)", known)) == ["DROP TABLE b"]


def test_a_routine_that_calls_itself_ends() -> None:
    body = routine("BEGIN DROP TABLE a; CALL p(); PERFORM f(); END")
    f = routine("SELECT f(); CALL p()", 2, "sql")
    known = {'procedure "p"': (body,), 'function "f"': (f,)}
    assert shown(opened("CALL p()", known, "f")) == ["DROP TABLE a"]


def test_many_and_deep_ones_end_too() -> None:
    wide = {f'procedure "p{n}"': (routine(f"BEGIN CALL p{n + 1}(); CALL p{n + 1}(); END", n),) for n in range(40)}
    wide['procedure "p40"'] = ()
    statement = opened("CALL p0()", wide)
    assert shown(statement) == ["more routines that call each other than are looked into"]
    many = {f'procedure "p{n}"': (routine("BEGIN DROP TABLE a; END", n),) for n in range(200)}
    calls = " ".join(f"CALL p{n}();" for n in range(200))
    assert len(opened(f"DO $$ BEGIN {calls} END $$", many).inner) == MOST + 1
    assert DEEPEST < 40


@pytest.mark.parametrize(
    ("made", "kind", "expected"),
    [
        (routine(None), "CALL p()", ["a body that cannot be read"]),
        (routine("x", language="plperl"), "CALL p()", ["a body in plperl"]),
        (routine("x", language="c"), "CALL p()", ["a body in c"]),
        (routine("x", language="c"), "SELECT p()", []),  # an extension's, as count() is the server's
        (routine("x", language="plperl"), "SELECT p()", ["a body in plperl"]),
        (routine("", language="sql"), "CALL p()", []),  # BEGIN ATOMIC
        (routine("BEGIN EXECUTE a; EXECUTE b; END"), "CALL p()", ["EXECUTE of a string that is put together when it runs"]),
    ],
)  # fmt: skip
def test_bodies_that_are_not_read(made: Routine, kind: str, expected: list[str]) -> None:
    assert shown(opened(kind, {'procedure "p"': (made,), 'function "p"': (made,)}, "p")) == expected


def test_behind_a_search_path_names_may_mean_anything() -> None:
    moved = routine("BEGIN CALL q(); CALL s.r(); END", moves_path=True)
    found = opening({'procedure "p"': (moved,)})
    (statement,) = read("CALL p()")
    inner = found.opened(statement).inner
    assert [type(one.node) for one in inner] == [SetVariable]
    assert found.missing == {Sought("procedure", ("q",), anywhere=True), Sought("procedure", ("s", "r"))}
    assert {one.key for one in found.missing} == {'procedure *."q"', 'procedure "s"."r"'}
    found = opening({})
    found.opened(read("DO $$ BEGIN SET search_path = s; CALL q(); END $$")[0])
    assert found.missing == {Sought("procedure", ("q",), anywhere=True)}


def test_routines_of_the_same_text() -> None:
    script = read(
        "CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'DROP TABLE a'; CREATE PROCEDURE f() LANGUAGE sql AS 'DROP TABLE b';"
        "CREATE FUNCTION g() RETURNS int RETURN f(); SELECT f(); SELECT t.f(); CALL f(); SELECT g()"
    )
    made = [one for statement in script for one in created(statement)]
    keys = ['function "f"', 'function "t"."f"', 'procedure "f"', 'function "g"', 'function "s"."f"']
    known = dict.fromkeys(keys, ())
    results = []
    for statement in script[3:]:
        found = Opening(known, lambda name: True, made)
        results.append(shown(found.opened(statement)))
        assert not found.missing
    assert results == [["DROP TABLE a"], [], ["DROP TABLE b"], ["DROP TABLE a"]]


def test_an_opened_statement_stays_as_it_is() -> None:
    known = {'procedure "p"': (routine("BEGIN /* interlock: allow x: y */ DROP TABLE a; END"),)}
    statement = opened("CALL p()", known)
    assert statement.comments == ("interlock: allow x: y",)
    assert opening(known).opened(statement) is statement


def test_a_record_can_be_opened_again() -> None:
    known = {
        'procedure "p"': (routine("BEGIN PERFORM f(); END"),),
        'function "f"': (routine("DROP TABLE a", 2, "sql"),),
    }
    facts = replace(FACTS, routines=known)
    assert shown(reopened(read("CALL p()")[0], facts)) == ["DROP TABLE a"]
    assert effect(read("CALL p()")[0], facts).lock is Lock.NONE
    assert effect(read("CALL p()")[0], FACTS).lock is Lock.ACCESS_EXCLUSIVE


def test_names_that_postgres_refuses_are_not_asked_for() -> None:
    assert [one.key for one in names([Sought("procedure", ("",)), Sought("procedure", ("a", "b"))])] == [
        'procedure "a"."b"'
    ]


def test_names_are_quoted_in_keys() -> None:
    assert Sought("function", ('a"b', "C")).key == 'function "a""b"."C"'
