"""Names that Postgres gives to a CHECK: a column is in it if its expression mentions that column, and no other one."""

from __future__ import annotations

import psycopg
import pytest

from proxy.plans.default_names import name_of
from proxy.sql.read import read
from proxy.sql.statements import AddConstraint, AlterTable
from tests.live.plan_runner import facts_for

TABLES = """
CREATE TYPE address AS (city text, zip int);
CREATE TABLE orders (id int, total int, addr address);
CREATE FUNCTION f(orders) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION g(orders) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE TABLE self (self int, a int);
CREATE TABLE comp (comp address, city int);
"""
CHECKS = [
    ("orders", "(orders).total > 0"),
    ("orders", "(orders.*).total > 0"),
    ("orders", "(((orders))).total > 0"),
    ("orders", "(orders).total > id"),
    ("orders", "(orders).total > 0 AND total < 9"),
    ("orders", "orders.total > 0 AND (orders).total < 7"),
    ("orders", "(addr).city <> ''"),
    ("orders", "((orders).addr).city <> ''"),
    ("orders", "(orders).addr.city <> ''"),
    ("orders", "f(orders)"),
    ("orders", "f(orders.*) AND id > 0"),
    ("orders", "f(orders) AND id > 0"),
    ("orders", "(orders).g > 0"),
    ("orders", "orders.g > 0"),
    ("orders", "orders IS NOT NULL"),
    ("orders", "(orders) IS NOT NULL AND (orders).id > 0"),
    ("orders", "(orders).tableoid > 0"),
    ("self", "(self) > 0"),
    ("self", "self > 0 AND a > 0"),
    ("comp", "(comp).city <> ''"),
]


@pytest.mark.parametrize(("table", "check"), CHECKS, ids=[check for _, check in CHECKS])
def test_the_name_is_known_beforehand(table: str, check: str, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute(TABLES.encode())
        sql = f"ALTER TABLE {table} ADD CHECK ({check})"
        statement = read(sql)[0]
        assert isinstance(statement.node, AlterTable)
        (action,) = statement.node.actions
        assert isinstance(action, AddConstraint)
        name = name_of(action, statement, facts_for(session, statement))
        session.execute(sql.encode())
        assert session.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        ).fetchone() == (name,)
