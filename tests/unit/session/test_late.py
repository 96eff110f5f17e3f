"""What may pass while a short statement waits for the end of its transaction: only what cannot tell that it does."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from proxy.catalog.effect import effect
from proxy.catalog.facts import Facts
from proxy.plans.plan import Lock, Step
from proxy.policy.load import load
from proxy.policy.verdict import Action, Verdict
from proxy.session.case import Case
from proxy.session.late import Late, ends, goes_back
from proxy.sql.read import read

ADDED = "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID"
NOTES = (
    "INSERT INTO schema_migrations (version) VALUES ('1')",
    'insert into "knex_migrations" ("batch", "migration_time", "name") values ($1, $2, $3)',
    'INSERT INTO "migrations"("timestamp", "name") VALUES ($1, $2)',
    'insert into "drizzle"."__drizzle_migrations" ("hash", "created_at") values($1, $2)',
    "UPDATE alembic_version SET version_num='b' WHERE alembic_version.version_num = 'a'",
    'INSERT INTO "django_migrations" ("app", "name", "applied") VALUES (\'shop\', \'0001\', \'2026-01-01\'::timestamptz)'
    ' RETURNING "django_migrations"."id"',
    "INSERT INTO schema_migrations (version, at) VALUES ('1', now()), ('2', now())",
    "INSERT INTO schema_migrations (version) VALUES ('select') ON CONFLICT (version) DO UPDATE SET version = excluded.version",
    'update "knex_migrations_lock" set "is_locked" = $1 where "is_locked" = $2',
    "DEALLOCATE ALL",
    "SHOW lock_timeout",
    "SELECT 1",
    "SELECT version()",
    "SELECT * FROM current_schema()",
)
OTHERS = (
    "INSERT INTO products (id) VALUES (1)",
    "INSERT INTO orders (id) VALUES (1)",
    "INSERT INTO schema_migrations SELECT 'x'",
    "INSERT INTO schema_migrations (version) VALUES ((SELECT max(version) FROM schema_migrations))",
    "INSERT INTO schema_migrations (version) VALUES (f())",
    'INSERT INTO schema_migrations (version) VALUES ("f"())',
    "INSERT INTO schema_migrations (version) VALUES (public.now())::f(1)",
    "INSERT INTO schema_migrations TABLE orders",
    "WITH w AS (SELECT 1) INSERT INTO schema_migrations (version) VALUES ('1')",
    "WITH w AS (INSERT INTO orders VALUES (1) RETURNING id) INSERT INTO schema_migrations (version) VALUES ('1')",
    "UPDATE schema_migrations SET version = o.id FROM orders o",
    "DELETE FROM schema_migrations",
    "MERGE INTO schema_migrations USING orders ON true WHEN MATCHED THEN DELETE",
    "INSERT INTO schema_migrations (version) VALUES ('1'); SELECT 1",
    "INSERT INTO schema_migrations (version) VALUES (public.now())",
    'INSERT INTO schema_migrations (version) VALUES (U&"f"())',
    "INSERT INTO schema_migrations (version) VALUES (schema_migrations(1))",
    "INSERT INTO schema_migrations (version) VALUES ('(1)'::orders::text)",
    "SELECT (NULL::orders).more",
    "SELECT '(1)'::orders",
    "SELECT orders 'x'",
    "SELECT 'orders'::regclass",
    "SELECT 1 === 2",
    "SELECT ('x'::text).f",
    "SELECT conname FROM pg_constraint",
    "SELECT f()",
    "SELECT version FROM schema_migrations",
    "SAVEPOINT a",
    "RELEASE a",
    "COMMIT",
    "SET LOCAL search_path = x",
    "COPY schema_migrations FROM STDIN",
    "CALL f()",
    "DO 'BEGIN END'",
    "EXECUTE p",
    "no such statement",
    "",
)


def case(sql: str) -> Case:
    statement = read(sql)[0]
    facts = Facts(180000, live=True, now=datetime.now(UTC))
    return Case(statement, facts, Verdict(Action.ALLOW), effect(statement, facts))


@pytest.fixture
def late() -> Late:
    late = Late()
    step = Step((ADDED,), Lock.ACCESS_EXCLUSIVE, "adds it", relations=(("public", "orders"),))
    late.add(case(ADDED), step, load("recommended"))
    return late


def looked_at(late: Late, sql: str, *, plain: bool = True) -> Late:
    """As it is once the catalog has been asked for the table of versions."""
    if (noted := late.noted(read(sql))) is not None:
        late.plain[noted.parts] = plain
    return late


@pytest.mark.parametrize("sql", NOTES)
def test_a_note_in_a_table_of_versions_passes(sql: str, late: Late) -> None:
    looked_at(late, sql)
    assert late.passes(read(sql))
    assert late.is_parsed(read(sql))


@pytest.mark.parametrize("sql", [sql for sql in NOTES if sql.lower().startswith(("insert", "update"))])
def test_it_does_not_where_it_sets_off_more(sql: str, late: Late) -> None:
    assert not late.passes(read(sql)), "nobody has asked"
    looked_at(late, sql, plain=False)
    assert not late.passes(read(sql))
    assert not late.is_parsed(read(sql))


@pytest.mark.parametrize("sql", OTHERS)
def test_nothing_else_does(sql: str, late: Late) -> None:
    looked_at(late, sql)
    assert not late.passes(read(sql))


@pytest.mark.parametrize("sql", [sql for sql in OTHERS if sql not in ("SAVEPOINT a", "RELEASE a", "COMMIT", "")])
def test_nor_is_it_read_by_the_server(sql: str, late: Late) -> None:
    assert not late.is_parsed(read(sql))


def test_a_note_about_the_very_table_does_not_pass(late: Late) -> None:
    step = Step((ADDED,), Lock.ACCESS_EXCLUSIVE, "adds it", relations=(("public", "schema_migrations"),))
    late.add(case(ADDED), step, load("recommended"))
    late.plain[("schema_migrations",)] = True
    assert not late.passes(read(NOTES[0]))
    assert looked_at(late, NOTES[1]).passes(read(NOTES[1]))


def test_it_is_tried_behind_what_waits_for_the_same_table(late: Late) -> None:
    other = Step(
        ("ALTER TABLE customers ALTER name SET DEFAULT 'x'",),
        Lock.ACCESS_EXCLUSIVE,
        "",
        relations=(("public", "customers"),),
    )
    late.add(case(other.sql), other, load("recommended"))
    key = Step(
        ("ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES customers NOT VALID",),
        Lock.SHARE_ROW_EXCLUSIVE,
        "",
        relations=(("public", "orders"), ("public", "customers")),
    )
    assert late.trial(key).statements == (ADDED, other.sql, key.sql)
    assert late.trial(other).statements == (other.sql, other.sql)
    late.add(case(key.sql), key, load("recommended"))
    assert late.step.lock is Lock.ACCESS_EXCLUSIVE
    assert set(late.step.relations) == {("public", "orders"), ("public", "customers")}
    late.clear()
    assert not late


def test_a_weaker_lock_stays_one(late: Late) -> None:
    key = Step(
        ("ALTER TABLE a ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES b NOT VALID",),
        Lock.SHARE_ROW_EXCLUSIVE,
        "",
        relations=(("public", "a"),),
    )
    late.add(case(key.sql), key, load("recommended"))
    assert late.step.relations == (("public", "orders"),)
    assert late.step.others == (("public", "a", Lock.SHARE_ROW_EXCLUSIVE),)


@pytest.mark.parametrize(
    ("sql", "takes"), [("c CHECK (true)", False), ("c UNIQUE (id)", False), ("d CHECK (true)", True)]
)
def test_a_name_is_there_once(sql: str, takes: bool, late: Late) -> None:
    assert late.takes(case(f"ALTER TABLE orders ADD CONSTRAINT {sql}")) == takes


def test_the_ends_of_a_transaction() -> None:
    assert all(ends(read(sql)) for sql in ("COMMIT", "END", "COMMIT AND CHAIN", "PREPARE TRANSACTION 'x'"))
    assert not any(ends(read(sql)) for sql in ("ROLLBACK", "COMMIT; SELECT 1", "COMMIT PREPARED 'x'", ""))
    assert all(goes_back(read(sql)) for sql in ("ROLLBACK", "ABORT", "ROLLBACK TO a", "ROLLBACK; BEGIN"))
    assert not any(goes_back(read(sql)) for sql in ("COMMIT", "SELECT 1; ROLLBACK", "ROLLBACK PREPARED 'x'", ""))
