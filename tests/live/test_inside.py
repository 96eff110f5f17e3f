"""DO blocks through the running proxy: what stands in them is decided about as if it stood alone, in a transaction."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from tests.live.conftest import POLICY, through
from tests.live.test_transactions import indexes
from tests.proxies import Proxy

INDEX = "CREATE INDEX i ON orders (email)"
UNLESS = "IF NOT EXISTS (SELECT FROM pg_class WHERE relname = 'i') THEN {}; END IF;"
ORDERS_INDEX = ["orders_total_idx"]


def rejected(url: str, sql: str, *, prepare: bool | None = None) -> psycopg.errors.Diagnostic:
    with psycopg.connect(url, autocommit=True) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(sql, prepare=prepare)
    assert caught.value.diag.sqlstate == "IL001"
    return caught.value.diag


def warned(url: str, sql: str) -> list[str]:
    said: list[str] = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.add_notice_handler(lambda diag: said.append(f"{diag.severity}: {diag.message_primary}"))
        connection.execute(sql)
    return said


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize(
    "sql",
    [
        f"DO $$\nBEGIN\n  {UNLESS.format(INDEX)}\nEND\n$$",
        "DO 'BEGIN\n  RAISE NOTICE ''it''''s''; " + UNLESS.replace("'i'", "''i''").format(INDEX) + "\nEND'",
        f"DO $$ BEGIN EXECUTE '{INDEX}'; END $$",
        f"DO $$ BEGIN CREATE TABLE notes (a int); DO $x$ BEGIN {INDEX}; END $x$; END $$",
    ],
)
def test_an_index_in_a_block_is_rejected_at_its_place(sql: str, prepare: bool, orders: str, guarded: str) -> None:
    diag = rejected(guarded, sql, prepare=prepare)
    first, second = (diag.message_primary or "").split("\n")
    assert first == 'CREATE INDEX would block writes to "orders" until it is built [index-not-concurrent]'
    assert second == "Use instead: CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON orders (email);"
    assert "DO block" in (diag.message_detail or "")
    assert sql[int(diag.statement_position or 0) - 1 :].startswith("INDEX i ON orders")
    assert indexes(orders) == ORDERS_INDEX
    with psycopg.connect(orders) as connection:
        assert connection.execute("SELECT to_regclass('notes')").fetchone() == (None,)


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN ALTER TABLE orders ADD COLUMN note text; UPDATE orders SET note = 'x'; ALTER TABLE orders ALTER note SET NOT NULL; END $$",
        "ALTER TABLE orders ADD COLUMN note text; UPDATE orders SET note = 'x'; ALTER TABLE orders ALTER note SET NOT NULL",
        "DO $$ BEGIN ALTER INDEX orders_total_idx RENAME TO old; CREATE INDEX orders_total_idx ON orders (total); END $$",
        "ALTER INDEX orders_total_idx RENAME TO old; CREATE INDEX orders_total_idx ON orders (total)",
        "DO $$ BEGIN IF false THEN CREATE TEMPORARY TABLE orders (a int); END IF; CREATE INDEX ON orders (email); END $$",
        "DO $$ BEGIN SET search_path = pg_temp, other, public; CREATE INDEX ON nowhere (email); END $$",
        "DO $$ BEGIN PERFORM set_config('search_path', 'other', false); CREATE INDEX ON nowhere (email); END $$",
    ],
)
def test_what_an_earlier_statement_of_the_text_does_is_not_forgotten(sql: str, rejecting: str) -> None:
    """The facts were asked before all of it: of what it changes they say nothing, so that it is taken for large."""
    assert "would block" in (rejected(rejecting, sql).message_primary or "")


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN CREATE TABLE notes (a int PRIMARY KEY); CREATE INDEX ON notes (a); ALTER TABLE notes ADD CHECK (a > 0); END $$",
        "BEGIN; CREATE TABLE notes (a int PRIMARY KEY); DO $$ BEGIN CREATE INDEX ON notes (a); END $$; COMMIT",
        "DO $$ BEGIN CREATE TEMPORARY TABLE notes (a int); CREATE INDEX ON notes (a); END $$",
        "DO $$ BEGIN EXECUTE 'GRANT SELECT ON orders TO PUBLIC'; PERFORM count(*) FROM orders; COMMIT; END $$",
    ],
)
def test_what_blocks_nobody_runs(sql: str, guarded: str) -> None:
    assert not [said for said in warned(guarded, sql) if "opaque" in said or "would block" in said]


def test_a_new_table_of_the_open_transaction_is_new_in_a_block(orders: str, guarded: str) -> None:
    with psycopg.connect(guarded) as connection:
        connection.execute("CREATE TABLE notes (a int PRIMARY KEY)")
        connection.execute("DO $$ BEGIN CREATE INDEX notes_a ON notes (a); END $$")
    with psycopg.connect(orders) as connection:
        assert connection.execute("SELECT to_regclass('notes_a') IS NOT NULL").fetchone() == (True,)


def test_dynamic_sql_is_warned_about_and_runs(orders: str, guarded: str) -> None:
    said = warned(guarded, f"DO $$ DECLARE sql text = '{INDEX}'; BEGIN EXECUTE sql; END $$")
    assert [line for line in said if line.startswith("WARNING") and "[opaque-code]" in line]
    assert "i" in indexes(orders)


def test_dynamic_sql_is_rejected_where_the_policy_says_so(orders: str, share_proxy: Callable[[str], Proxy]) -> None:
    url = through(share_proxy(POLICY + "rules: { opaque-code: reject }\n"), orders)
    diag = rejected(url, f"DO $$ DECLARE sql text = '{INDEX}'; BEGIN EXECUTE sql; END $$")
    assert (diag.message_primary or "").split("\n")[0].endswith("[opaque-code]")
    allowed = (
        f"DO $$ /* interlock: allow opaque-code: a test */ DECLARE sql text = '{INDEX}'; BEGIN EXECUTE sql; END $$"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(allowed)
    assert "i" in indexes(orders)


def test_an_override_is_for_statements_in_a_block_too(orders: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("SET interlock.allow = 'index-not-concurrent: a test'")
        connection.execute(f"DO $$ BEGIN {INDEX}; END $$")
    assert "i" in indexes(orders)


def test_an_idempotent_script_of_ef_core(orders: str, guarded: str) -> None:
    """Each migration is a transaction of DO blocks: tables that it makes may have indexes, those that are there may not."""
    history = 'CREATE TABLE IF NOT EXISTS "__EFMigrationsHistory" ("MigrationId" text PRIMARY KEY)'
    unless = 'DO $EF$ BEGIN IF NOT EXISTS (SELECT 1 FROM "__EFMigrationsHistory" WHERE "MigrationId" = \'1\') THEN {}; END IF; END $EF$'
    steps = [
        history,
        "START TRANSACTION",
        unless.format('CREATE TABLE "Blogs" ("Id" int PRIMARY KEY, "Url" text)'),
        unless.format('CREATE INDEX "IX_Blogs_Url" ON "Blogs" ("Url")'),
        unless.format("INSERT INTO \"__EFMigrationsHistory\" VALUES ('1')"),
        "COMMIT",
    ]
    for _ in range(2):  # the second time it finds everything there
        with psycopg.connect(guarded, autocommit=True) as connection:
            for step in steps:
                connection.execute(step)
    with psycopg.connect(orders) as connection:
        assert connection.execute("SELECT to_regclass('\"IX_Blogs_Url\"') IS NOT NULL").fetchone() == (True,)
    diag = rejected(guarded, unless.format('CREATE INDEX "IX_orders" ON orders (email)'))
    assert "IF NOT EXISTS" in (diag.message_hint or "")
