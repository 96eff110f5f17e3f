"""What a small table settles, and what it does not: by the sizes that a server tells."""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from tests.live.conftest import through
from tests.proxies import Proxy

TABLES = (
    "CREATE TABLE few (a int, b int); INSERT INTO few VALUES (1, 1)",
    "CREATE TABLE none (a int, b int)",
    "CREATE TABLE parts (a int, b int) PARTITION BY LIST (a)",
    "CREATE TABLE part PARTITION OF parts DEFAULT",
    "CREATE VIEW seen AS SELECT a FROM few",
)
STATEMENTS = (
    ("CREATE INDEX ON few (a)", ""),
    ("ALTER TABLE few ADD CHECK (a > 0)", ""),
    ("ALTER TABLE few DROP COLUMN b", "drop-column"),
    ("ALTER TABLE few RENAME TO several", "rename-table"),
    ("ALTER VIEW seen RENAME TO shown", "rename-table"),
    ("ALTER TABLE none DROP COLUMN b", ""),
    ("ALTER TABLE parts RENAME COLUMN b TO c", ""),
    ("ALTER TABLE none RENAME TO nothing", ""),
    ("DROP TABLE nothing", ""),
    ("DROP TABLE several CASCADE", "drop-table"),
)


def test_what_breaks_the_application_is_told_whatever_the_size(
    database: str, share_proxy: Callable[[str], Proxy]
) -> None:
    with psycopg.connect(database, autocommit=True) as session:
        for sql in TABLES:
            session.execute(sql)
    with psycopg.connect(through(share_proxy(""), database), autocommit=True) as session:
        told: list[str] = []
        session.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        for sql, rule in STATEMENTS:
            told.clear()
            session.execute(sql)
            warned = [one for one in told if "[" in one]
            assert [rule in one for one in warned] == [True] * bool(rule), (sql, told)
