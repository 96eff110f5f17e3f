"""A job that was interrupted behind its build finds what it has built, however the server prints that; and takes nothing else for it."""

from __future__ import annotations

import psycopg
import pytest

from proxy.plans.build_index import include_list
from proxy.plans.index_built import index_built
from proxy.plans.target import Target
from proxy.sql.read import read
from proxy.sql.statements import CreateIndex

TABLES = """
CREATE TABLE t (id int, a text, b text, n numeric, at timestamptz, d date, j jsonb, arr int[], "Weird" text, ts timestamp);
CREATE FUNCTION f(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION g(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
"""
FORMS = (
    "(a)",
    "((extract(year from d)))",
    "((cast(a as varchar(20))))",
    "(lower(a))",
    "((a::int4))",
    "(a) WHERE id IN (1,2,3)",
    "(a) WHERE b NOT IN ('x','y')",
    "(a) WHERE id BETWEEN 1 AND 3",
    "(a) WHERE id = ANY (ARRAY[1,2])",
    "(a) WHERE a LIKE 'x%'",
    "(a) WHERE a SIMILAR TO 'x%'",
    "(a) WHERE a ILIKE 'x%' AND (b IS NULL)",
    "((at at time zone 'utc'))",
    "((timezone('utc', at)))",
    "((position('x' in a)))",
    "((substring(a from 1 for 3)))",
    "((trim(a)))",
    "((trim(both 'x' from a)))",
    "((overlay(a placing 'x' from 1)))",
    "(coalesce(a, b))",
    "((nullif(a, b)))",
    "(greatest(a, b))",
    "((case when a = 'x' then b else a end))",
    "((j->>'x'))",
    "(((j->>'x')::numeric(10,2)))",
    "((CAST(j->>'x' AS numeric(10,2))))",
    "((n::decimal(10,2)))",
    "((a::character varying(20)))",
    "((a::char(3)))",
    "((a::bpchar))",
    '(("Weird"))',
    '(lower("Weird"))',
    '((T."Weird"))',
    "((t.a || t.b))",
    "(LOWER(T.A))",
    "(public.f(a))",
    '("public"."f"(a) DESC)',
    "(pg_catalog.lower(a))",
    '(pg_catalog."lower"(a) desc nulls last)',
    "(a nulls first)",
    "(a asc nulls last, b desc)",
    "(a text_pattern_ops)",
    '(a COLLATE "C" text_pattern_ops DESC)',
    "(a) INCLUDE (b, n)",
    "USING gin (j jsonb_path_ops)",
    "USING gin (to_tsvector('english', a))",
    "USING gin (to_tsvector('english'::regconfig, coalesce(a,'') || ' ' || coalesce(b,'')))",
    "USING hash (a)",
    "USING brin (at)",
    "((ARRAY[a,b]))",
    "((a IS NULL))",
    "((NOT (a = 'x')))",
    "((a IS DISTINCT FROM b))",
    "((a = 'x' OR b = 'y'))",
    "((date_trunc('day', ts)))",
    "((ts::date))",
    "((date(ts)))",
    "((interval(0) '1 day' + ts))",
    "((ts + interval '1 day'))",
    "((id::bit(3)))",
    "((arr[1]))",
    "(a) WHERE at > '2020-01-01'::timestamptz",
    "(a) WHERE at > timestamp with time zone '2020-01-01 00:00+00'",
    "(a) WHERE id > 0 /* comment f(x) */",
    "(a) WHERE b = 'it''s f(x)'",
    "((a /* c(d) */ || b)) -- e(f)",
    "(a) WHERE (t).id > 0",
    "(a) WHERE false",
    "(a) WHERE 1 = 1",
    "((normalize(a)))",
    "((a IS NORMALIZED))",
    "((ceil(n)))",
    "((ceiling(n)))",
    "((mod(id, 2)))",
    "((pow(n, 2)))",
    "((char_length(a)))",
    "((a::text))",
    "((id::float(10)))",
    "((ts::timestamp(0)))",
    "((ts::time(0) without time zone))",
    "(pg_catalog.btrim(a))",
    "(a) WHERE EXTRACT(year from d) = 2020",
    "(f(a)) WITH (fillfactor=70) TABLESPACE pg_default WHERE b > ''",
    "(lower(f(a))) WHERE f(b) = ''",
    "(a,b) WHERE (a,b) > ('x','y')",
    "(a) WHERE (at, at) OVERLAPS (at, at)",
    "(a) WHERE U&\"\\0061\" > ''",
)
OTHERS = (
    ("(a)", "(b)"),
    ("(a)", "(a DESC)"),
    ("(a DESC)", "(a DESC NULLS LAST)"),
    ("(a, b)", "(b, a)"),
    ("(a)", "(a, b)"),
    ("(a) INCLUDE (b)", "(a)"),
    ("(a)", "(a) INCLUDE (b)"),
    ("(a) WHERE b > ''", "(a)"),
    ("(a)", "(a) WHERE b > ''"),
    ("(a) WHERE b > ''", "(a) WHERE n > 0"),
    ("(lower(a))", "(upper(a))"),
    ("(lower(a))", "(lower(b))"),
    ("(lower(a))", "(a)"),
    ("(f(a))", "(g(a))"),
    ("USING hash (a)", "(a)"),
)


def is_built(connection: psycopg.Connection, sql: str) -> bool:
    [statement] = read(sql)
    assert isinstance(statement.node, CreateIndex)
    index, table = Target("public.i", "public", "i"), Target("public.t", "public", "t")
    asked = index_built(index, table, statement, statement.node, len(include_list(statement)))
    assert asked is not None
    row = connection.execute(asked.encode()).fetchone()
    assert row is not None
    return row[0] is True


def test_what_is_built_is_found(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
        for unique in ("", "UNIQUE "):
            for form in FORMS:
                if unique and "USING" in form:
                    continue
                sql = f"CREATE {unique}INDEX i ON t {form}"
                assert not is_built(connection, sql)
                connection.execute(sql.encode())
                assert is_built(connection, sql), sql
                connection.execute("DROP INDEX i")


@pytest.mark.parametrize(("wanted", "there"), OTHERS)
def test_another_of_its_name_is_not_taken_for_it(wanted: str, there: str, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
        connection.execute(f"CREATE INDEX i ON t {there}".encode())
        assert not is_built(connection, f"CREATE INDEX i ON t {wanted}")
        assert is_built(connection, f"CREATE INDEX i ON t {there}")
        assert not is_built(connection, f"CREATE UNIQUE INDEX i ON t {wanted}")


def test_one_of_another_table_is_not_taken_for_it(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
        connection.execute("CREATE TABLE u (LIKE t)")
        connection.execute("CREATE INDEX i ON u (a)")
        assert not is_built(connection, "CREATE INDEX i ON t (a)")
