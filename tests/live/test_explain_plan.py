"""``EXPLAIN <ddl>`` through the proxy and ``interlock plan --database`` say the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from proxy.cli import main
from tests.live.conftest import POLICY, start_guard, through
from tests.proxies import Proxy

STATEMENTS = [
    "CREATE INDEX orders_email_idx ON orders (email)",
    "CREATE UNIQUE INDEX ON orders (lower(email)) WHERE total > 0",
    "DROP INDEX orders_total_idx",
    "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers",
    "ALTER TABLE orders ADD CONSTRAINT total_ok CHECK (total > 0), ALTER COLUMN email SET NOT NULL",
    "ALTER TABLE orders ADD UNIQUE (id)",
    "ALTER TABLE orders ADD COLUMN note text",
    "CREATE TABLE fresh (id bigint)",
    "DROP TABLE customers CASCADE",
    "CREATE INDEX ON missing (a)",
]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_explain_is_plan(guarded: str, orders: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        explained = [row[0] for row in connection.execute(f"EXPLAIN {sql}")]
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    arguments = ["plan", "--database", orders, "--policy", str(policy), "-c", sql]
    result = CliRunner().invoke(main, arguments, prog_name="interlock")
    assert result.exit_code in (0, 1), result.output
    first, *planned = result.stdout.splitlines()
    assert first == f"-c:1:1: {sql}"
    assert _without_places([line.removeprefix("  ") for line in planned]) == _without_places(explained)
    assert len(explained) > 1


def _without_places(lines: list[str]) -> list[str]:
    """The policy is the same, in two files."""
    return [line.rpartition("/")[0] if "policy.yaml" in line else line for line in lines if "policy:" not in line]


def test_the_tool_that_the_session_recognised_is_matched(
    orders: str, start_proxy: Callable[..., Proxy], tmp_path: Path
) -> None:
    freeze = "exceptions: [{ match: { tool: alembic }, rules: [schema-change], action: reject, reason: frozen }]\n"
    proxy = start_guard(start_proxy, tmp_path, freeze)
    with psycopg.connect(through(proxy, orders), autocommit=True) as connection:
        connection.execute("CREATE TABLE by_nobody_known (a int)")
    with psycopg.connect(through(proxy, orders), autocommit=True) as connection:
        connection.execute("SELECT to_regclass('alembic_version')")
        with pytest.raises(
            psycopg.errors.DatabaseError, match=r"CREATE TABLE would change the schema \[schema-change\]"
        ):
            connection.execute("CREATE TABLE by_alembic (a int)")
