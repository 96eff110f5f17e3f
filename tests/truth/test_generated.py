"""What ``effect`` says of statements put together at random is what Postgres does.

``make truth`` tries hundreds of each on every version, with new seeds each time; ``make test`` a few, always the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.servers import Server
from tests.truth import generated as g
from tests.truth.cases import Case
from tests.truth.oracle import judge
from tests.truth.suite import database

EXAMPLES = int(os.environ.get("INTERLOCK_TRUTH_EXAMPLES", "15"))

FUNCTIONS = """
CREATE FUNCTION inline_sql() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'x' $$;
CREATE FUNCTION volatile_sql() RETURNS text LANGUAGE sql AS $$ SELECT random()::text $$;
CREATE FUNCTION noted(int, int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 1; END';
CREATE OPERATOR %% (FUNCTION = noted, LEFTARG = int, RIGHTARG = int);
CREATE TYPE tagged AS (x int);
CREATE FUNCTION tag(int) RETURNS tagged LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN row($1); END';
CREATE CAST (int AS tagged) WITH FUNCTION tag(int) AS ASSIGNMENT;
"""

generated = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 100,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def session(postgres: Server) -> Iterator[psycopg.Connection]:
    with database(postgres, "defaults") as found:
        found.execute("CREATE EXTENSION IF NOT EXISTS plpgsql")
        found.execute(FUNCTIONS)
        yield found


def holds(session: psycopg.Connection, sql: str, inside: str = "") -> None:
    judged = judge(session, Case("defaults", sql, inside=inside))
    assert not judged.problems, (sql, judged.foretold, judged.measured)


def furnish(session: psycopg.Connection, *made: str) -> None:
    """A table ``g``, and of what may hang on it as much as its type allows."""
    session.execute("DROP TABLE IF EXISTS g CASCADE; DROP TABLE IF EXISTS g_heir")
    session.execute(made[0])
    for one in made[1:]:
        try:
            with session.transaction():
                session.execute(one)
        except psycopg.Error:
            continue


@generated
@given(old=g.TYPES, new=g.TYPES, collation=g.COLLATIONS, using=g.USING, beside=g.BESIDE, zone=g.ZONES, furniture=g.FURNITURE)  # fmt: skip
def test_any_change_of_type_is_foretold(
    session: psycopg.Connection,
    old: str,
    new: str,
    collation: str,
    using: str,
    beside: str,
    zone: str,
    furniture: list[str],
) -> None:
    table = f"CREATE TABLE g (id int PRIMARY KEY, c {old}); CREATE INDEX g_i ON g (id) WHERE id > 5"
    furnish(session, table, *furniture)
    holds(session, f"ALTER TABLE g ALTER c TYPE {new}{collation}{using.format(new=new, old=old)}{beside}", zone)


@generated
@given(default=g.DEFAULTS, fitted=g.FITTED)
def test_any_default_is_foretold(session: psycopg.Connection, default: str, fitted: str) -> None:
    holds(session, f"ALTER TABLE d ADD COLUMN z {fitted.format(default)}")


@generated
@given(type_=g.COLUMN_TYPES, clauses=g.COLUMN_CLAUSES, table=g.TABLES)
def test_any_inline_constraints_are_foretold(session: psycopg.Connection, type_: str, clauses: str, table: str) -> None:
    furnish(session, table)
    holds(session, f"ALTER TABLE g ADD COLUMN z {type_} {clauses}")


@generated
@given(altered=g.ALTERED, named=g.NAMED, constraint=g.TABLE_CONSTRAINTS, ending=g.ENDINGS, beside=g.WITH_IT, table=g.TABLES)  # fmt: skip
def test_any_constraint_is_foretold(
    session: psycopg.Connection, altered: str, named: str, constraint: str, ending: str, beside: str, table: str
) -> None:
    furnish(session, table)
    holds(session, f"{altered} ADD {named}{constraint} {ending}{beside}")
