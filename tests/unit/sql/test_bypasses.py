"""Texts that hid DDL from other readers, each run on real servers: what takes effect there is seen here."""

from __future__ import annotations

import psycopg
import pytest

from proxy.sql.gate import may_matter
from proxy.sql.read import read
from proxy.sql.statements import Explain, Node, Query, SetVariable, Show, Transaction
from tests.servers import Server

NBSP = "\u00a0"
LEXICAL = [
    "PREPARE a(int,int) AS SELECT $1,$2; DROP TABLE t; PREPARE b(int,int) AS SELECT $1,$2",
    "SELECT 1 WHERE false; DROP TABLE t -- $1,$2",
    f"SELECT 1 AS x{NBSP}$$; DROP TABLE t; SELECT 1 AS x{NBSP}$$",
    "SELECT 1 AS x\u2028$$; DROP TABLE t; SELECT 1 AS x\u2028$$",
    "SELECT 1 AS x\u0085$$; DROP TABLE t; SELECT 1 AS x\u0085$$",
    "SELECT 1 AS x\u3000$$; DROP TABLE t; SELECT 1 AS x\u3000$$",
    "SELECT 1 AS E\u3000; DROP TABLE t",
    f"SELECT 1 AS {NBSP}$$; DROP TABLE t; SELECT 1 AS {NBSP}$$",
    f"SELECT 1 {NBSP}$$; DROP TABLE t; SELECT 1 {NBSP}$$",
    f"SET application_name = {NBSP}$$; DROP TABLE t; SET application_name = {NBSP}$$",
    f'SELECT a FROM (SELECT 1 a, 2 AS "{NBSP}$$") s WHERE a < {NBSP}$$; DROP TABLE t; SELECT 1 AS {NBSP}$$',
    f"ALTER TABLE t{NBSP} RENAME TO gone",
    "DROP\x1cTABLE t",
    "SET application_name = E'a'\n'\\''; DROP TABLE t; --'",
    "PREPARE z AS SELECT E'a'\n'\\''; DROP TABLE t; --'",
    "COMMENT ON TABLE trig IS E'a'\n'\\''; DROP TABLE t; --'",
    "INSERT INTO other VALUES (E'a'\n'\\'') ; DROP TABLE t; --')",
    "SELECT U&'a' UESCAPE '!'; DROP TABLE t",
    "SELECT B'1'; DROP TABLE t",
    "SELECT 5 |/*'*/ 6; DROP TABLE t; --'",
    "SELECT '5' ||/*'*/ '6'; DROP TABLE t; --'",
    "SELECT 5 #--'\n 6; DROP TABLE t; --'",
    "/*/*/ ' */ */ DROP TABLE t; --'",
    "SELECT 1 /*/*/ - '*/ */; DROP TABLE t; --'",
    "SELECT E'a'\n'\\''; DROP TABLE t; --'",
    "SELECT E'a' -- x\n'\\''; DROP TABLE t; --'",
    'ALTER TABLE U&"\\0074" RENAME TO gone',
    'DROP TABLE U&"\\0074"',
    "DROP TABLE U&\"!0074\" UESCAPE '!'",
    "SELECT 1 {{ ; DROP TABLE t; }}",
    "SELECT 1 AS a$b$; DROP TABLE t; SELECT 1 AS a$b$",
    "DROP\x0bTABLE\x0ct",
    "SELECT 1 --\rDROP TABLE t",
    "SELECT 1; --\rDROP TABLE t",
    "SELECT 1_0$$; DROP TABLE t; SELECT 1_0$$",
    "SELECT 0x1$$; DROP TABLE t; SELECT 0x1$$",
    "SELECT '\\'; DROP TABLE t; --'",
]
SYNTACTIC = [
    "CLUSTER t",
    "EXPLAIN ANALYZE CREATE TABLE gone AS SELECT 1",
    "SELECT 1 AS a INTO gone",
    "WITH x AS (SELECT 1 AS a) SELECT * INTO gone FROM x",
    "(SELECT 1 AS a INTO gone)",
    "((SELECT 1 AS a INTO gone))",
    "SELECT 1 AS a INTO gone UNION SELECT 2",
    "DO $$ BEGIN DROP TABLE t; END $$",
    "DO E'BEGIN \\x44ROP TABLE t; END'",
    "DO U&'BEGIN \\0044ROP TABLE t; END'",
    "CALL dropper()",
    "CREATE SCHEMA gone_s CREATE TABLE gone(a int)",
    "PREPARE p2 AS SELECT 1 AS a; CREATE TABLE gone AS EXECUTE p2",
    "ALTER TABLE t RENAME a TO gone",
    "TABLE t; DROP TABLE t",
    "BEGIN; ABORT; DROP TABLE t",
    "REINDEX TABLE t",
    "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP TABLE t",
    "BEGIN; SAVEPOINT a; DROP TABLE t; RELEASE a; COMMIT",
]
# The text does not say it: what the function does is the catalog's and the policy's business.
OPAQUE = ["SELECT dropper_f()", "INSERT INTO trig VALUES (1)"]
SETUP = """
CREATE TABLE t (a int PRIMARY KEY, b text); CLUSTER t USING t_pkey; CREATE TABLE trig (a int); CREATE TABLE other (a text);
CREATE PROCEDURE dropper() LANGUAGE plpgsql AS 'BEGIN DROP TABLE t; END';
CREATE FUNCTION dropper_f() RETURNS int LANGUAGE plpgsql AS 'BEGIN DROP TABLE t; RETURN 1; END';
CREATE FUNCTION dropper_t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DROP TABLE t; RETURN NEW; END';
CREATE TRIGGER z BEFORE INSERT ON trig FOR EACH ROW EXECUTE FUNCTION dropper_t();
"""
STATE = """
SELECT c.relname, c.relfilenode, array(SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 ORDER BY attnum)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'gone_s') ORDER BY 1
"""


def is_plain(node: Node) -> bool:
    """Whether it says that nothing is created, changed or hidden."""
    match node:
        case Query() | Transaction() | SetVariable() | Show():
            return True
        case Explain(target=target):
            return is_plain(target)
        case _:
            return node.kind == "PREPARE"


def takes_effect(database: str, text: str) -> bool:
    """Whether the server's relations are others after it, sent as one simple query."""
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("SET client_min_messages = error")
        session.execute(SETUP)
        before = session.execute(STATE).fetchall()
        session.pgconn.exec_(text.encode())
        session.pgconn.exec_(b"ROLLBACK")
        return session.execute(STATE).fetchall() != before


@pytest.mark.parametrize("text", [*LEXICAL, *SYNTACTIC])
def test_what_takes_effect_is_seen(postgres: Server, database: str, text: str) -> None:
    if takes_effect(database, text):
        assert not all(is_plain(s.node) for s in read(text))
        assert may_matter(text.encode())


def test_most_of_these_texts_do_take_effect(postgres: Server) -> None:
    """Else the test above would pass whatever we saw."""
    count = 0
    for text in (*LEXICAL[:6], *SYNTACTIC[:4]):
        name = postgres.create_database()
        try:
            count += takes_effect(postgres.url(name), text)
        finally:
            postgres.drop_database(name)
    assert count == 10


@pytest.mark.parametrize("text", OPAQUE)
def test_what_functions_do_is_not_in_the_text(postgres: Server, database: str, text: str) -> None:
    assert takes_effect(database, text)
    assert all(is_plain(s.node) for s in read(text))
