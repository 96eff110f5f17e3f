"""Differences between a direct run and one through Interlock that are meant, or not ours, each with its reason."""

from __future__ import annotations

from tests.transparency import regress
from tests.transparency.outcome import Difference

THROUGH = ("observe", "enforce", "rewrite")
# suite, beginning of the test's name, the ways it holds for, reason
KNOWN: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("PostgreSQL", "uuid", THROUGH, "it prints random values"),
    ("PostgreSQL", "insert", ("rewrite",), "an error in a partition's bounds comes without its place"),
    ("PostgreSQL", "create_table", ("rewrite",), "an error in a partition's bounds comes without its place"),
    ("PostgreSQL", "stats", ("rewrite",), "an index that it asks for before COMMIT is made after it"),
    (
        "PostgreSQL",
        "stats",
        ("enforce",),
        "the server counts rows of a table that is dropped otherwise behind a savepoint, ours as anybody's",
    ),
    (
        "PostgreSQL",
        "fast_default",
        ("rewrite",),
        "it prints which defaults are stored where, and which tables were rewritten",
    ),
    ("PostgreSQL", "event_trigger", ("rewrite",), "REINDEX CONCURRENTLY says that there are no indexes in other words"),
    (
        "PostgreSQL",
        "create_index",
        ("enforce", "rewrite"),
        "it looks for indexes by their OID behind REINDEX SCHEMA, which CONCURRENTLY makes anew",
    ),
    ("PostgreSQL", "inherit", ("rewrite",), "a CHECK that an heir has NOT VALID is merged with it and validated"),
    ("PostgreSQL", "rowsecurity", ("rewrite",), "psql lists the policies of a table in no order"),
    ("PostgreSQL", "type_sanity", ("rewrite",), "it prints OIDs"),
    (
        "asyncpg",
        "tests.test_execute.TestExecuteMany::test_executemany_server_failure_during_writes",
        ("observe", "enforce"),
        "it counts how much is written before an error comes back: a proxy has buffers of its own",
    ),
    (
        "asyncpg",
        "tests.test_pool.TestPool::test_pool_release_after_background_cancel_timeout",
        ("observe", "enforce"),
        "its limit is a tenth of a second",
    ),
    (
        "asyncpg",
        "tests.test_pool.TestPool::test_pool_config_persistence",
        ("observe", "enforce"),
        "its limit is a tenth of a second, directly too",
    ),
    (
        "pg8000",
        "test.dbapi.test_connection::test_broken_pipe_read",
        ("observe", "enforce"),
        "a race, directly too: it wants the connection gone, and may read the server's last words before",
    ),
    (
        "pg8000",
        "test.native.test_connection::test_broken_pipe_read",
        ("observe", "enforce"),
        "a race, directly too: it wants the connection gone, and may read the server's last words before",
    ),
    (
        "pg8000",
        "test.legacy.test_connection::test_broken_pipe_read",
        ("observe", "enforce"),
        "a race, directly too: it wants the connection gone, and may read the server's last words before",
    ),
    (
        "node-postgres",
        "test/integration/gh-issues/1105-tests.js",
        ("observe", "enforce"),
        "5,000 statements one after the other within 5 s",
    ),
)


def because(suite: str, version: int, way: str, difference: Difference) -> str:
    """Why they differ; empty if nobody knows."""
    if (suite, version, difference.test) == ("PostgreSQL", 13, "arrays"):
        return "it prints memory that nobody has set"
    for known_suite, test, ways, reason in KNOWN:
        if suite == known_suite and difference.test.startswith(test) and way in ways:
            return reason
    one, other = difference.direct, difference.through
    if suite == "PostgreSQL" and one is not None and other is not None and one.status == other.status:
        if regress.only_ours(one.said, other.said):
            return "the same, and Interlock's own notices"
        if way in ("enforce", "rewrite") and regress.rejections(one.said, other.said):
            return "the same up to a statement that the policy rejects, and what follows from that"
    return ""
