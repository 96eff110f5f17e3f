"""Which queries read the catalog only: those of which every name is known."""

from __future__ import annotations

import psycopg
import pytest

from proxy.sql.catalog_read import ELSEWHERE, FUNCTIONS, RELATIONS, catalog_read
from proxy.sql.read import read
from tests.servers import Server

# As TypeORM, Rails, Django, Knex, Sequelize, Prisma and Liquibase ask.
CATALOG = (
    "SELECT conname FROM pg_constraint",
    "SELECT c.relname FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n WHERE n.oid = c.relnamespace",
    'SELECT * FROM "information_schema"."tables" WHERE "table_schema" = \'public\' AND ("table_name" = \'orders\')',
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull FROM pg_attribute a"
    " LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid"
    " WHERE a.attrelid = '\"orders\"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
    "SELECT distinct i.relname, d.indisunique, d.indkey, pg_get_indexdef(d.indexrelid) FROM pg_class t INNER JOIN pg_index d"
    " ON t.oid = d.indrelid WHERE i.relkind IN ('i', 'I') AND n.nspname = ANY (current_schemas(false))",
    "SELECT array_agg(a.attname ORDER BY k.ord) FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(num, ord)"
    " JOIN pg_attribute a ON a.attnum = k.num GROUP BY i.indexrelid HAVING count(*) > 1",
    "WITH keys AS (SELECT conrelid, conkey FROM pg_constraint), more AS MATERIALIZED (SELECT 1) SELECT * FROM keys, more",
    "SELECT 1 FROM (SELECT oid FROM pg_class) t JOIN (pg_index i JOIN pg_am a ON true) ON t.oid = i.indexrelid",
    "SELECT count(*) FROM pg_class WHERE relname IS DISTINCT FROM 'x' UNION ALL SELECT 1 FROM ONLY pg_type",
    "SELECT CAST(relname AS varchar(10)), relname::numeric(3) FROM pg_class WHERE EXISTS (SELECT FROM pg_index)",
    "SELECT t.order, t.from FROM pg_class t WHERE t.where = 1",
    "SELECT (SELECT max(oid) FROM pg_class), ARRAY(SELECT oid FROM pg_type)",
    "SELECT obj_description('orders'::regclass)",
    "SELECT case when relkind = 'r' then (1) else (2) end FROM pg_class /* FROM orders */ -- FROM orders",
)
ELSE_WHERE = (
    "SELECT 1",
    "SELECT version()",
    "SELECT * FROM current_schema()",
    "SELECT current_database(), 'FROM orders'",
    "SELECT",
)
OTHER = (
    "SELECT relname FROM pg_class WHERE relname === 'orders'",
    "SELECT (relname).f FROM pg_class",
    "SELECT 'a'::dm FROM pg_class",
    "SELECT 'a'::public.text FROM pg_class",
    "SELECT CAST('a' AS dm) FROM pg_class",
    "SELECT dm 'a' FROM pg_class",
    "SELECT public.text 'a' FROM pg_class",
    "WITH x AS (WITH ww AS (SELECT 1) SELECT 1) SELECT q FROM ww",
    "WITH x AS (SELECT 1) SELECT 1 FROM w WINDOW w AS (PARTITION BY 1)",
    "SELECT relname FROM pg_class WHERE EXISTS (WITH a AS (SELECT 1) SELECT 1 FROM a)",
    "SELECT * FROM orders",
    "SELECT * FROM pg_class, orders",
    "SELECT * FROM pg_class JOIN orders ON true",
    "SELECT * FROM pg_class c JOIN pg_index i ON c.where = 1, orders",
    "SELECT * FROM pg_class WHERE oid IN (SELECT id FROM orders)",
    "SELECT * FROM (SELECT 1) x, orders",
    "SELECT * FROM (pg_class c JOIN orders ON true)",
    "SELECT DISTINCT FROM orders",
    "SELECT * FROM public.pg_class",
    "SELECT * FROM pg_catalog.pg_class.x",
    "SELECT * FROM pg_mine",
    'SELECT * FROM "PG_CLASS"',
    'SELECT * FROM U&"pg_class"',
    "SELECT * FROM pg_class UNION SELECT * FROM orders",
    "SELECT * FROM pg_class WHERE EXISTS (TABLE orders)",
    "TABLE orders",
    "SELECT nextval('s')",
    "SELECT f() FROM pg_class",
    'SELECT "f"() FROM pg_class',
    "SELECT public.count(*) FROM pg_class",
    "SELECT public . lower (relname) FROM pg_class",
    "SELECT * FROM f()",
    "SELECT * FROM pg_class, f() AS x",
    "SELECT * FROM LATERAL f()",
    "SELECT * FROM ROWS FROM (f())",
    "SELECT pg_advisory_xact_lock(1)",
    "SELECT set_config('a.b', '1', true)",
    "SELECT * FROM pg_class FOR UPDATE",
    "SELECT * INTO x FROM pg_class",
    "SELECT * FROM pg_class TABLESAMPLE system (10)",
    "SELECT * FROM pg_class WHERE relname = $1",
    "WITH x AS (DELETE FROM orders RETURNING 1) SELECT * FROM x",
    "WITH pg_class AS (INSERT INTO orders VALUES (1) RETURNING 1) SELECT * FROM pg_class",
    "WITH x AS (SELECT * FROM orders) SELECT * FROM x",
    "SELECT substring(relname FROM 1) FROM pg_class",
    "INSERT INTO orders SELECT 1 FROM pg_class",
    "UPDATE pg_class SET relname = 'x'",
    "COMMIT",
    "CREATE TABLE x AS SELECT * FROM pg_class",
    "EXPLAIN ANALYZE SELECT * FROM pg_class",
    "no such statement",
)  # fmt: skip


@pytest.mark.parametrize("sql", CATALOG)
def test_catalog(sql: str) -> None:
    read_ = catalog_read(read(sql)[0])
    assert read_ is not None
    assert read_.relations


@pytest.mark.parametrize("sql", ELSE_WHERE)
def test_about_no_relation(sql: str) -> None:
    read_ = catalog_read(read(sql)[0])
    assert read_ is not None
    assert not read_.relations


@pytest.mark.parametrize("sql", OTHER)
def test_anything_else(sql: str) -> None:
    assert catalog_read(read(sql)[0]) is None


def test_none_of_the_functions_does_anything(postgres: Server) -> None:
    """By the server's own word: none is volatile, whatever it is called with."""
    with psycopg.connect(postgres.url()) as session:
        names = session.execute(
            "SELECT proname, bool_or(provolatile = 'v') FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace"
            " WHERE nspname IN ('pg_catalog', 'information_schema') AND proname = ANY (%s) GROUP BY 1",
            (sorted(FUNCTIONS),),
        ).fetchall()
    assert [name for name, volatile in names if volatile] == []
    assert sorted(FUNCTIONS - {name for name, _ in names}) == []
    assert ELSEWHERE <= FUNCTIONS


def test_the_relations_are_the_servers_own(postgres: Server) -> None:
    with psycopg.connect(postgres.url()) as session:
        names = session.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')"
        ).fetchall()
    assert sorted(RELATIONS - {name for (name,) in names}) == []
