"""Later statements of an input see the earlier ones, and nothing is taken for safe that is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from proxy.catalog.facts import MISSING, Facts, Relation, Routine
from proxy.catalog.routines import Known, Sought
from proxy.cli.psql import server_part
from proxy.judge import Judged, judge, position
from proxy.policy.load import load
from proxy.sql.statements import CreateIndex

TEXT = Facts.text_only(170000, datetime(2026, 11, 22, tzinfo=UTC))
LIVE = replace(TEXT, live=True)
BIG = Relation(exists=True, oid=1, schema="public", name="big", size_bytes=2**40, rows=10**9)


def last(text: str, facts: Facts = TEXT) -> Judged:
    return judge(text, policy=load("recommended"), facts_for=lambda _: facts)[-1]


NEW = [
    "CREATE TABLE t (a int); CREATE INDEX ON t (a)",
    "CREATE TABLE t (a int); CREATE INDEX ON public.t (a)",
    "CREATE TABLE public.t (a int); CREATE INDEX ON t (a)",
    "CREATE TABLE s.t (a int); CREATE INDEX ON s.t (a)",
    'CREATE TABLE "T" (a int); CREATE INDEX ON "T" (a)',
    "CREATE TABLE t AS SELECT 1 AS a; CREATE INDEX ON t (a)",
    "CREATE TEMP TABLE t (a int); CREATE INDEX ON t (a)",
    "BEGIN; CREATE TABLE t (a int); COMMIT; CREATE INDEX ON t (a)",
    "BEGIN; CREATE TABLE t (a int); CREATE INDEX ON t (a)",
    "CREATE TABLE t (a int); BEGIN; DROP TABLE t; ROLLBACK; CREATE INDEX ON t (a)",
    "CREATE TABLE s (a int); ALTER TABLE s RENAME TO t; CREATE INDEX ON t (a)",
    "CREATE TABLE t (a int); ALTER TABLE t SET SCHEMA s; CREATE INDEX ON s.t (a)",
    "CREATE TABLE t (a int); SAVEPOINT s; CREATE TABLE u (); CREATE INDEX ON t (a)",
]


@pytest.mark.parametrize("text", NEW)
def test_a_table_made_above_is_new(text: str) -> None:
    assert last(text).verdict.action == "allow"


OLD = [
    "CREATE INDEX ON t (a)",
    "CREATE TABLE t (a int); CREATE INDEX ON u (a)",
    "CREATE TABLE t (a int); CREATE INDEX ON s.t (a)",
    'CREATE TABLE "T" (a int); CREATE INDEX ON t (a)',
    "CREATE TABLE IF NOT EXISTS t (a int); CREATE INDEX ON t (a)",
    "CREATE TEMP TABLE t (a int); CREATE INDEX ON public.t (a)",
    "CREATE TEMP TABLE t (a int); DROP TABLE t; CREATE INDEX ON t (a)",
    "CREATE TABLE t (a int); DROP TABLE t; CREATE INDEX ON t (a)",
    "CREATE TABLE t (a int); DROP TABLE public.t; CREATE INDEX ON t (a)",
    "BEGIN; CREATE TABLE t (a int); ROLLBACK; CREATE INDEX ON t (a)",
    "BEGIN; SAVEPOINT s; CREATE TABLE t (a int); ROLLBACK TO s; CREATE INDEX ON t (a)",
    "CREATE TABLE t (a int); ALTER TABLE t RENAME TO u; ALTER TABLE big RENAME TO t; CREATE INDEX ON t (a)",
    "CREATE TABLE t (a int); ALTER TABLE t RENAME TO u; CREATE INDEX ON t (a)",
    "CREATE TABLE s.t (a int); ALTER TABLE t SET SCHEMA s; CREATE INDEX ON s.t (a)",
    "SET search_path = s; CREATE TABLE t (a int); CREATE INDEX ON public.t (a)",
    "SELECT set_config('search_path', 's', false); CREATE TABLE t (a int); CREATE INDEX ON public.t (a)",
]


@pytest.mark.parametrize("text", OLD)
def test_a_table_that_may_have_been_there_before_is_not_new(text: str) -> None:
    assert last(text).verdict.action in ("rewrite", "defer", "reject")


def test_what_the_database_says_is_there_is_not_made_by_the_file() -> None:
    there = replace(LIVE, relations={("big",): BIG, ("public", "big"): BIG})
    assert last("CREATE TABLE big (a int); CREATE INDEX ON big (a)", there).verdict.action == "rewrite"
    gone = replace(LIVE, relations={("big",): MISSING})
    assert last("CREATE TABLE big (a int); CREATE INDEX ON big (a)", gone).verdict.action == "allow"
    unknown = LIVE
    assert last("CREATE TABLE big (a int); CREATE INDEX ON big (a)", unknown).verdict.action != "allow"


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("CREATE INDEX ON t (a)", False),
        ("BEGIN; CREATE INDEX ON t (a)", True),
        ("START TRANSACTION; SAVEPOINT s; ROLLBACK TO s; CREATE INDEX ON t (a)", True),
        ("BEGIN; COMMIT; CREATE INDEX ON t (a)", False),
        ("BEGIN; END; CREATE INDEX ON t (a)", False),
        ("BEGIN; ROLLBACK; CREATE INDEX ON t (a)", False),
        ("BEGIN; ABORT; CREATE INDEX ON t (a)", False),
        ("BEGIN; COMMIT AND CHAIN; CREATE INDEX ON t (a)", True),
        ("BEGIN; BEGIN; COMMIT; CREATE INDEX ON t (a)", False),
        ("COMMIT; CREATE INDEX ON t (a)", False),
        ("BEGIN; PREPARE TRANSACTION 'x'; CREATE INDEX ON t (a)", False),
    ],
)
def test_transactions_are_followed(text: str, inside: bool) -> None:
    judged = last(text)
    assert judged.facts.in_transaction is inside
    assert judged.verdict.action == ("defer" if inside else "rewrite")


SET = "SET interlock.allow = 'index-not-concurrent: night shift''s'"


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (f"{SET}; CREATE INDEX ON t (a)", True),
        (f"{SET.replace('=', 'TO')}; CREATE INDEX ON t (a)", True),
        (f"{SET}; RESET interlock.allow; CREATE INDEX ON t (a)", False),
        (f"{SET}; RESET ALL; CREATE INDEX ON t (a)", False),
        (f"{SET}; DISCARD ALL; CREATE INDEX ON t (a)", False),
        (f"{SET}; SET interlock.allow TO DEFAULT; CREATE INDEX ON t (a)", False),
        (f"{SET}, 'x'; CREATE INDEX ON t (a)", False),
        (f"BEGIN; {SET}; COMMIT; CREATE INDEX ON t (a)", True),
        (f"BEGIN; {SET}; ROLLBACK; CREATE INDEX ON t (a)", False),
        (f"BEGIN; {SET.replace('SET', 'SET LOCAL')}; CREATE INDEX ON t (a)", True),
        (f"BEGIN; {SET.replace('SET', 'SET LOCAL')}; COMMIT; CREATE INDEX ON t (a)", False),
        (f"{SET.replace('SET', 'SET LOCAL')}; CREATE INDEX ON t (a)", False),
        (f"{SET.replace('index', 'other')}; CREATE INDEX ON t (a)", False),
        ("/* interlock: allow index-not-concurrent: small */ CREATE INDEX ON t (a)", True),
    ],
)
def test_overrides_in_the_input_are_honoured_for_as_long_as_they_hold(text: str, allowed: bool) -> None:
    assert (last(text).verdict.action == "allow") is allowed


def test_the_reason_is_kept_as_it_was_written() -> None:
    assert last(f"{SET}; CREATE INDEX ON t (a)").verdict.decided[0].note.endswith("night shift's")


def test_the_place_counts_lines_and_characters_from_one() -> None:
    judged = last("SELECT 1;\r\n\n  CREATE INDEX ON t (a)")
    assert judged.position == (3, 3)
    assert [position("ab\nc", n) for n in range(4)] == [(1, 1), (1, 2), (1, 3), (2, 1)]


def test_lock_and_work_are_those_of_the_statement_as_written() -> None:
    judged = last("CREATE INDEX ON t (a)")
    assert (judged.lock, judged.work) == ("ShareLock", "build")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\\set a 'x\nCREATE INDEX ON t (a);\n", "         \nCREATE INDEX ON t (a);\n"),
        ("CREATE INDEX i ON t (a);\n  \\echo it's\n\\q\n", "CREATE INDEX i ON t (a);\n" + " " * 12 + "\n  \n"),
        ("SELECT '\n\\set\n';", "SELECT '\n\\set\n';"),
        ("SELECT $$\n\\set\n$$; /*\n\\x\n*/", "SELECT $$\n\\set\n$$; /*\n\\x\n*/"),
        ("\\echo a\r\nSELECT 1", "       \r\nSELECT 1"),
        ("SELECT 'a\\b'", "SELECT 'a\\b'"),
    ],
)
def test_lines_of_psql_are_left_out_and_every_other_character_stays_in_its_place(text: str, left: str) -> None:
    assert server_part(text) == left


def test_a_statement_below_a_line_of_psql_is_read() -> None:
    judged = last(server_part("\\set ON_ERROR_STOP on\nCREATE INDEX ON t (a);"))
    assert isinstance(judged.statement.node, CreateIndex)


PROVE = "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c; "
SET_NOT_NULL = "ALTER TABLE t ALTER a SET NOT NULL"


@pytest.mark.parametrize(
    "text",
    [
        PROVE + SET_NOT_NULL,
        PROVE + SET_NOT_NULL.replace("t ", "public.t ", 1).replace("ALTER TABLE public.t", "ALTER TABLE public.t"),
        PROVE.replace("CONSTRAINT c CHECK", "CHECK").replace("VALIDATE CONSTRAINT c", "VALIDATE CONSTRAINT t_a_check")
        + SET_NOT_NULL,
        "BEGIN; " + PROVE.replace(" ALTER TABLE t VALIDATE", " COMMIT; ALTER TABLE t VALIDATE") + SET_NOT_NULL,
        PROVE.replace("a IS NOT NULL", "(a IS NOT NULL) AND (b > 0)") + SET_NOT_NULL,
    ],
)
def test_a_proof_made_above_counts(text: str) -> None:
    assert last(text).verdict.decided == ()


@pytest.mark.parametrize(
    "text",
    [
        SET_NOT_NULL,
        PROVE + SET_NOT_NULL.replace("ALTER a", "ALTER b"),
        PROVE + SET_NOT_NULL.replace("TABLE t", "TABLE u"),
        PROVE.partition("ALTER TABLE t VALIDATE")[0] + SET_NOT_NULL,
        PROVE + "ALTER TABLE t DROP CONSTRAINT c; " + SET_NOT_NULL,
        PROVE + "ALTER TABLE t RENAME COLUMN b TO a; " + SET_NOT_NULL,
        PROVE + "ALTER TABLE t ALTER a SET NOT NULL, DROP CONSTRAINT c",
        PROVE + "DROP TABLE t; " + SET_NOT_NULL,
        PROVE + "ALTER TABLE t RENAME TO old; ALTER TABLE u RENAME TO t; " + SET_NOT_NULL,
        PROVE.replace(" ALTER TABLE t VALIDATE", " BEGIN; ALTER TABLE t VALIDATE") + "ROLLBACK; " + SET_NOT_NULL,
        PROVE.replace("IS NOT NULL", "IS NULL") + SET_NOT_NULL,
    ],
)
def test_no_proof_no_peace(text: str) -> None:
    assert [d.finding.rule for d in last(text).verdict.decided][:1] == ["not-null-scan"]


def test_columns_added_above_are_known_to_the_database_s_table() -> None:
    there = replace(LIVE, relations={("big",): BIG, ("public", "big"): BIG})
    judged = last("ALTER TABLE big ADD COLUMN a int; ALTER TABLE big ALTER a SET NOT NULL", there)
    assert [d.finding.rule for d in judged.verdict.decided] == ["not-null-scan"]
    proven = PROVE.replace("TABLE t", "TABLE big")
    judged = last(f"ALTER TABLE big ADD COLUMN a int; {proven} ALTER TABLE big ALTER a SET NOT NULL", there)
    assert judged.verdict.decided == ()


INDEX = "CREATE INDEX ON t (a)"
P = f"CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN {INDEX}; END'; "
F = f"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS '{INDEX}'; "


@pytest.mark.parametrize(
    "text", [P + "CALL p()", F + "SELECT f()", F + "DO $$ BEGIN PERFORM f(); END $$", P + "CALL public.p()"]
)
def test_routines_that_the_input_makes_are_looked_into(text: str) -> None:
    judged = last(text)
    assert [d.finding.rule for d in judged.verdict.decided] == ["index-not-concurrent"]
    at = judged.verdict.decided[0].finding.at
    assert at.of(text) in ("p", "f", "public.p")
    assert last("CREATE TABLE t (a int); " + text).verdict.decided == ()


def test_procedures_that_it_does_not_make_are_not_known_without_a_database() -> None:
    (decided,) = last("CALL p()").verdict.decided
    assert decided.finding.rule == "opaque-code"
    assert "procedure p runs what its text does not tell: its body is not known here" in decided.finding.problem
    assert last("SELECT f()").verdict.decided == ()


def test_a_database_is_asked_for_routines() -> None:
    body = (Routine(1, "public.p", "plpgsql", f"BEGIN {INDEX}; END"),)

    def asked(sought: Sequence[Sought]) -> Known:
        return {one.key: body for one in sought}

    policy = load("recommended")
    (judged,) = judge("CALL p()", policy=policy, facts_for=lambda _: LIVE, routines_for=asked)
    assert [d.finding.rule for d in judged.verdict.decided] == ["index-not-concurrent"]
    assert judged.facts.routines == {'procedure "p"': body}
