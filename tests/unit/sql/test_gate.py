"""The gate lets past only what reading would find harmless."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.sql.gate import may_matter
from proxy.sql.read import read
from proxy.sql.statements import Node, Other, Query, Show, Transaction
from tests.unit.sql.test_against_pglast import statements


def is_harmless(node: Node) -> bool:
    match node:
        case Query() | Transaction():
            return True
        case Show(name=name):
            return not name.startswith("interlock")
        case Other(kind=kind):
            return kind in ("FETCH", "MOVE", "CLOSE CURSOR", "COPY")
        case _:
            return False


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a FROM t WHERE b = $1",
        "  select 1;\n",
        "/* users:index */ SELECT 1",
        "(SELECT 1) UNION (SELECT 2)",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "INSERT INTO t VALUES ($1) RETURNING id",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE",
        "VALUES (1)",
        "BEGIN",
        "START TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "COMMIT;",
        "ROLLBACK TO SAVEPOINT a",
        "SHOW server_version",
        "SHOW TRANSACTION ISOLATION LEVEL",
        "COPY t FROM STDIN",
        "FETCH ALL FROM c",
    ],
)
def test_everyday_traffic_passes(text: str) -> None:
    assert not may_matter(text.encode())
    assert all(is_harmless(s.node) for s in read(text))


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE t ADD a int",
        "SELECT 1; DROP TABLE t",
        "SELECT 1 INTO t",
        "SELECT 1 iNtO t",
        "(SELECT 1 INTO t)",
        "WITH x AS (SELECT 1) SELECT * INTO t FROM x",
        "BEGIN; DROP TABLE t",
        "COMMIT PREPARED 'x'",
        "ROLLBACK PREPARED 'x'",
        "SET lock_timeout = 1",
        "EXPLAIN SELECT 1",
        "EXECUTE p",
        "PREPARE p AS SELECT 1",
        "SHOW interlock.version",
        'SHOW "interlock".version',
        'SHOW U&"\\0069nterlock".version',
        "SHOW/**/interlock.version",
        "/* a /* b */ SELECT */ DROP TABLE t",
        "-- SELECT 1\nDROP TABLE t",
        "DO $$ BEGIN END $$",
        "CALL p()",
        "VACUUM t",
        "DEALLOCATE ALL",
        "DISCARD ALL",
        "selectx",
        "select$ 1",
        "select\u00a0 1",
        "",
    ],
)
def test_what_may_matter_is_read(text: str) -> None:
    assert may_matter(text.encode())


def test_nothing_of_the_corpus_slips_past() -> None:
    passed = [sql for sql in statements() if not may_matter(sql.encode())]
    assert len(passed) > 20
    assert [sql for sql in passed if not all(is_harmless(s.node) for s in read(sql))] == []


@settings(max_examples=2000, deadline=None)
@given(st.lists(st.sampled_from([
    "select", "with x as (select 1)", "(", ")", "into t", "begin", "commit", "prepared 'x'", "show", "interlock.x", ";", "; drop table t",
    "/* x */", "/*", "*/", "--", "\n", " ", "'", "drop table t", "insert into t", "values (1)", "copy t from stdin", "explain", "1", "a",
    '"interlock"', ".", "to savepoint a", "execute p", "table t", "union", "\u00a0", "$$",
]), min_size=1, max_size=6), st.sampled_from([" ", ""]))  # fmt: skip
def test_what_passes_is_harmless(pieces: list[str], between: str) -> None:
    """Whatever the gate lets past holds, when read, nothing but queries, transaction control, SHOW and cursors."""
    text = between.join(pieces)
    if not may_matter(text.encode()):
        assert all(is_harmless(s.node) or s.node.kind == "unreadable" for s in read(text))
