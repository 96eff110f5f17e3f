"""What a session or a login has set for statements of its own does not keep what waits for COMMIT from being done."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.live.test_deferral import states, valid_indexes
from tests.live.test_jobs_command import interlock

SHOWN = """SELECT name, setting, source, reset_val FROM pg_settings
    WHERE name IN ('default_transaction_read_only', 'statement_timeout', 'lock_timeout') ORDER BY name"""
MIGRATION = (
    "CREATE INDEX i ON orders (email)",
    "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (email)",
    "ALTER TABLE orders ADD COLUMN r float8 DEFAULT random()",
)


@pytest.fixture
def own_login(orders: str) -> Iterator[str]:
    """A login with the same rights, of which settings can be changed."""
    name = f"migrator_{orders.rpartition('/')[2]}"
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} SUPERUSER LOGIN").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("DROP OWNED BY {0} CASCADE").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def as_login(url: str, name: str) -> str:
    return psycopg.conninfo.make_conninfo(url, user=name)


@pytest.mark.parametrize("before_commit", ["", "SET default_transaction_read_only = on"])
@pytest.mark.parametrize(("name", "value"), [("default_transaction_read_only", "on"), ("statement_timeout", "1ms")])
def test_jobs_are_done_whatever_the_login_has_set(
    name: str, value: str, before_commit: str, orders: str, guarded: str, own_login: str
) -> None:
    with psycopg.connect(orders, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(sql.Identifier(own_login), sql.Identifier(name), value)
        )
    with psycopg.connect(as_login(guarded, own_login), autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute("BEGIN READ WRITE")
        for one in MIGRATION:
            connection.execute(one)
        if before_commit:
            connection.execute(before_commit)
        shown = connection.execute(SHOWN).fetchall()
        connection.execute("COMMIT")
        assert states(orders) == ["done"] * len(MIGRATION)
        assert connection.execute(SHOWN).fetchall() == shown
    assert valid_indexes(orders)["i"]
    assert valid_indexes(orders)["u"]


def test_the_command_does_them_too(orders: str, guarded: str, own_login: str) -> None:
    with (
        psycopg.connect(as_login(guarded, own_login), autocommit=True) as connection,
        psycopg.connect(as_login(guarded, own_login), autocommit=True) as other,
    ):
        other.execute("BEGIN")
        connection.execute("BEGIN")
        connection.execute(MIGRATION[0])
        connection.execute("COMMIT")
        assert states(orders) == ["waiting"]
        connection.execute(
            sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(sql.Identifier(own_login))
        )
        result = interlock("run", "--wait", "--database", as_login(orders, own_login))
        assert (result.exit_code, states(orders)) == (0, ["done"]), result.output
