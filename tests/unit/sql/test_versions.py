"""Syntax that only some of the versions 13 to 18 know is read by all; which of them knows it, a server says."""

from __future__ import annotations

import psycopg
import pytest

from proxy.sql.read import read
from proxy.sql.statements import AlterTable, CreateTable, Node, Unreadable
from tests.servers import Server

# What it is, a statement with it, the first version that takes it, and the last.
FORMS = [
    ("REINDEX option list", "REINDEX (CONCURRENTLY, TABLESPACE pg_default) TABLE t", 14, 18),
    ("COMPRESSION of a column", "CREATE TABLE u (a text COMPRESSION pglz)", 14, 18),
    ("SET COMPRESSION", "ALTER TABLE t ALTER b SET COMPRESSION pglz", 14, 18),
    ("DETACH CONCURRENTLY", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY", 14, 18),
    ("DETACH FINALIZE", "ALTER TABLE p DETACH PARTITION p1 FINALIZE", 14, 18),
    ("CREATE OR REPLACE TRIGGER", "CREATE OR REPLACE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", 14, 18),
    ("BEGIN ATOMIC", "CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END", 14, 18),
    ("RETURN expression", "CREATE FUNCTION g() RETURNS int LANGUAGE sql RETURN 1", 14, 18),
    ("statistics on expressions", "CREATE STATISTICS s ON (a + 1) FROM t", 14, 18),
    ("statistics without a name", "CREATE STATISTICS ON a, c FROM t", 16, 18),
    ("SEARCH and CYCLE", "WITH RECURSIVE w AS (SELECT 1 AS a UNION ALL SELECT a FROM w) SEARCH DEPTH FIRST BY a SET s"
     " CYCLE a SET y USING z SELECT * FROM w", 14, 18),
    ("NULLS NOT DISTINCT, index", "CREATE UNIQUE INDEX i ON t (a) NULLS NOT DISTINCT", 15, 18),
    ("NULLS NOT DISTINCT, constraint", "ALTER TABLE t ADD UNIQUE NULLS NOT DISTINCT (a)", 15, 18),
    ("MERGE", "MERGE INTO t USING o ON t.a = o.a WHEN MATCHED THEN DELETE", 15, 18),
    ("MERGE RETURNING", "MERGE INTO t USING o ON t.a = o.a WHEN NOT MATCHED BY SOURCE THEN DELETE RETURNING *", 17, 18),
    ("SET ACCESS METHOD", "ALTER TABLE t SET ACCESS METHOD heap", 15, 18),
    ("SET ACCESS METHOD DEFAULT", "ALTER TABLE t SET ACCESS METHOD DEFAULT", 17, 18),
    ("ON DELETE SET NULL (column)", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o ON DELETE SET NULL (a)", 15, 18),
    ("security_invoker", "CREATE VIEW v WITH (security_invoker) AS SELECT 1", 15, 18),
    ("FOR TABLES IN SCHEMA", "CREATE PUBLICATION s FOR TABLES IN SCHEMA public", 15, 18),
    ("publication WHERE", "CREATE PUBLICATION s FOR TABLE t WHERE (a > 0)", 15, 18),
    ("GRANT ON PARAMETER", "GRANT SET ON PARAMETER work_mem TO postgres", 15, 18),
    ("CLUSTER option list", "CLUSTER (VERBOSE) t USING t_pkey", 14, 18),
    ("SET STORAGE DEFAULT", "ALTER TABLE t ALTER b SET STORAGE DEFAULT", 16, 18),
    ("STORAGE of a column", "CREATE TABLE u (a text STORAGE plain)", 16, 18),
    ("GRANT role WITH INHERIT", "GRANT pg_monitor TO pg_read_all_stats WITH INHERIT TRUE", 16, 18),
    ("numbers in other bases", "ALTER TABLE t ALTER a SET DEFAULT 0x1F", 16, 18),
    ("VACUUM ONLY_DATABASE_STATS", "VACUUM (ONLY_DATABASE_STATS)", 16, 18),
    ("SET STATISTICS DEFAULT", "ALTER TABLE t ALTER a SET STATISTICS DEFAULT", 17, 18),
    ("SET EXPRESSION", "ALTER TABLE t ALTER g SET EXPRESSION AS (c + 2)", 17, 18),
    ("ALTER INDEX … SET STATISTICS by number", "ALTER INDEX x ALTER 1 SET STATISTICS 10", 13, 18),
    ("MAINTAIN", "GRANT MAINTAIN ON t TO postgres", 17, 18),
    ("EXPLAIN options", "EXPLAIN (SERIALIZE, MEMORY) SELECT 1", 17, 18),
    ("COPY options", "COPY t (a, b, c, d, e) FROM '/dev/null' (ON_ERROR ignore, LOG_VERBOSITY verbose)", 17, 18),
    ("NOT ENFORCED, check", "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT ENFORCED", 18, 18),
    ("NOT ENFORCED, foreign key", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o NOT ENFORCED", 18, 18),
    ("NOT NULL constraint", "ALTER TABLE t ADD CONSTRAINT k NOT NULL c NOT VALID", 18, 18),
    ("NO INHERIT of NOT NULL", "CREATE TABLE u (a int CONSTRAINT k NOT NULL NO INHERIT)", 18, 18),
    ("ALTER CONSTRAINT INHERIT", "ALTER TABLE t ALTER CONSTRAINT n INHERIT", 18, 18),
    ("VIRTUAL", "ALTER TABLE t ADD v int GENERATED ALWAYS AS (c * 2) VIRTUAL", 18, 18),
    ("GENERATED without a word", "CREATE TABLE u (a int, v int GENERATED ALWAYS AS (a * 2))", 18, 18),
    ("WITHOUT OVERLAPS", "CREATE TABLE u (r int4range, s int4range, PRIMARY KEY (r, s WITHOUT OVERLAPS))", 18, 18),
    ("PERIOD", "ALTER TABLE t ADD FOREIGN KEY (d, PERIOD e) REFERENCES o2 (a, PERIOD b)", 18, 18),
    ("RETURNING OLD and NEW", "UPDATE t SET c = 1 RETURNING WITH (OLD AS o, NEW AS n) o.c, n.c", 18, 18),
    ("VACUUM ONLY", "VACUUM ONLY t", 18, 18),
    ("postfix operators", "ALTER TABLE t ALTER a SET DEFAULT (5 !)", 13, 13),
]  # fmt: skip
SETUP = """
CREATE TABLE t (a int PRIMARY KEY, b text, c int, d int4range, e int4range, g int GENERATED ALWAYS AS (1) STORED);
CREATE INDEX x ON t ((c + 1)); CREATE TABLE o (a int PRIMARY KEY); CREATE TABLE o2 (a int4range, b int4range);
CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""
UNKNOWN = (
    "syntax error",
    "recognized",
    "trailing junk",
    "statistics creation",
    "only simple column references",
    "must be specified",
)
cases = pytest.mark.parametrize(
    ("text", "first", "last"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS]
)


def is_read(node: Node) -> bool:
    return not isinstance(node, Unreadable)


@cases
def test_every_version_reads_it(text: str, first: int, last: int) -> None:
    assert [is_read(s.node) for s in read(text)] == [True]


@cases
def test_the_versions_that_know_it(postgres: Server, database: str, text: str, first: int, last: int) -> None:
    """Only a server that does not know it calls it a syntax error, or an option that it has never heard of."""
    with psycopg.connect(database, autocommit=True) as session:
        session.execute(SETUP)
        answer = session.pgconn.exec_(text.encode())
    message = (answer.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode()
    unknown = any(words in message for words in UNKNOWN)
    assert unknown != (first <= postgres.version <= last), message


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("ALTER TABLE t ADD UNIQUE NULLS NOT DISTINCT (a)", "nulls_not_distinct"),
        ("ALTER TABLE t ADD CHECK (a > 0) NOT ENFORCED", "not_enforced"),
        ("ALTER TABLE t ADD NOT NULL a NOT VALID", "not_valid"),
        ("CREATE TABLE u (r int4range, PRIMARY KEY (r WITHOUT OVERLAPS))", "without_overlaps"),
    ],
)
def test_what_they_say_is_kept(text: str, claim: str) -> None:
    ((node),) = (s.node for s in read(text))
    match node:
        case AlterTable(actions=(action,)):
            assert getattr(action.constraint, claim)  # type: ignore[union-attr]
        case CreateTable(constraints=(constraint,)):
            assert getattr(constraint, claim)
        case _:
            pytest.fail(f"{node}")
