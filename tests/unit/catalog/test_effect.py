"""Locks foretold from text, and from facts that no server is needed for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from proxy.catalog.effect import Effect, Locked, effect
from proxy.catalog.facts import MISSING, Facts, Relation
from proxy.plans.plan import Lock
from proxy.sql.read import read

TEXT_ONLY = Facts.text_only(180000, datetime(2026, 1, 1, tzinfo=UTC))
OLD = Relation(exists=True, oid=1, schema="public", name="t")


def foretold(sql: str, facts: Facts = TEXT_ONLY) -> Effect:
    (statement,) = read(sql)
    return effect(statement, facts)


@pytest.mark.parametrize(
    ("sql", "lock", "work", "relations"),
    [
        ("CREATE INDEX ON t (a)", Lock.SHARE, "build", (("", "t"),)),
        ("CREATE INDEX CONCURRENTLY ON s.t (a)", Lock.SHARE_UPDATE_EXCLUSIVE, "build", (("s", "t"),)),
        ("ALTER TABLE t ALTER a SET NOT NULL", Lock.ACCESS_EXCLUSIVE, "scan", (("", "t"),)),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p", Lock.SHARE_ROW_EXCLUSIVE, "scan", (("", "t"), ("", "p"))),
        ("ALTER TABLE t ALTER a TYPE text", Lock.ACCESS_EXCLUSIVE, "rewrite", (("", "t"),)),
        ("ALTER TABLE p DETACH PARTITION t CONCURRENTLY", Lock.ACCESS_EXCLUSIVE, "none", (("", "t"),)),
        ("DROP INDEX CONCURRENTLY i", Lock.SHARE_UPDATE_EXCLUSIVE, "none", (("", "i"),)),
        ("REINDEX TABLE CONCURRENTLY t", Lock.SHARE_UPDATE_EXCLUSIVE, "build", (("", "t"),)),
        ("VACUUM FULL t", Lock.ACCESS_EXCLUSIVE, "rewrite", (("", "t"),)),
        ("VACUUM t", Lock.SHARE_UPDATE_EXCLUSIVE, "scan", (("", "t"),)),
        ("EXPLAIN CREATE INDEX ON t (a)", Lock.NONE, "none", ()),
        ("CREATE TABLE n (a int)", Lock.NONE, "none", ()),
        ("BEGIN", Lock.NONE, "none", ()),
        ("SELECT * FROM t", Lock.ACCESS_SHARE, "none", ()),
        ("UPDATE t SET a = 1", Lock.ROW_EXCLUSIVE, "none", ()),
    ],
)
def test_without_a_database(sql: str, lock: Lock, work: str, relations: tuple[tuple[str, str], ...]) -> None:
    found = foretold(sql)
    assert (found.lock, found.work, found.relations, found.known) == (lock, work, relations, True)


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN EXECUTE x; END $$",
        "ALTER TABLE t WHAT IS THIS",
        "EXECUTE p",
        "CALL p()",
        "DROP SCHEMA s CASCADE",
        "VACUUM FULL",
    ],
)
def test_what_is_not_known_is_access_exclusive_and_says_so(sql: str) -> None:
    found = foretold(sql)
    assert (found.lock, found.known) == (Lock.ACCESS_EXCLUSIVE, False)


@pytest.mark.parametrize("relation", [MISSING, replace(OLD, is_new=True), replace(OLD, persistence="t")])
@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX ON t (a)",
        "ALTER TABLE t ALTER a TYPE text",
        "DROP TABLE t",
        "ALTER TABLE t ADD b serial",
        "TRUNCATE t",
    ],
)
def test_a_relation_that_nobody_else_sees_needs_no_lock(relation: Relation, sql: str) -> None:
    found = foretold(sql, replace(TEXT_ONLY, relations={("t",): relation}))
    assert (found.lock, found.work, found.relations, found.others) == (Lock.NONE, "none", (), ())


def test_a_new_tables_foreign_key_still_locks_the_old_one() -> None:
    facts = replace(TEXT_ONLY, relations={("t",): replace(OLD, is_new=True), ("p",): replace(OLD, name="p")})
    found = foretold("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p", facts)
    assert (found.lock, found.relations) == (Lock.SHARE_ROW_EXCLUSIVE, (("public", "p"),))


def test_weaker_locks_are_told_apart() -> None:
    found = foretold("ALTER TABLE p ATTACH PARTITION q DEFAULT")
    assert found.relations == (("", "q"),)
    assert found.others == (Locked(("", "p"), Lock.SHARE_UPDATE_EXCLUSIVE),)


@pytest.mark.parametrize(("version", "lock"), [(130000, Lock.SHARE_UPDATE_EXCLUSIVE), (140000, Lock.ACCESS_EXCLUSIVE)])
def test_detach_locks_the_partition_harder_since_14(version: int, lock: Lock) -> None:
    found = foretold("ALTER TABLE p DETACH PARTITION q", replace(TEXT_ONLY, server_version=version))
    locks = dict.fromkeys(found.relations, found.lock) | {o.relation: o.lock for o in found.others}
    assert locks == {("", "p"): Lock.ACCESS_EXCLUSIVE, ("", "q"): lock}
