"""The examples through Interlock: the same schema as straight, indexes built concurrently, constraints validated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proxies import Proxy
from tests.servers import Server, run_client

SCRIPTS = Path(__file__).parent.parent.parent / "examples/psql"


def _migrate(url: str) -> None:
    files = [word for name in ("1_tables.sql", "2_growth.sql") for word in ("-f", str(SCRIPTS / name))]
    run_client("psql", "-q", "-v", "ON_ERROR_STOP=1", "-v", "rows=200000", *files, url=url)


@pytest.mark.slow
def test_the_psql_example(postgres: Server, database: str, proxy: Proxy) -> None:
    straight = postgres.create_database()
    _migrate(postgres.url(straight))
    _migrate(proxy.url(database))
    assert postgres.dump(database) == postgres.dump(straight)
    postgres.drop_database(straight)

    with postgres.connect(database) as session:
        assert session.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)
        assert session.execute("SELECT count(*) FROM pg_constraint WHERE NOT convalidated").fetchone() == (0,)
    ran = [statement for statement in postgres.statements(database) if " INDEX " in statement.upper()]
    for name in ("orders_placed_at_idx", "orders_number_key", "orders_total_idx"):
        built = [statement for statement in ran if statement.startswith("CREATE") and name in statement]
        assert built, f"{name} was not built"
        assert all("CONCURRENTLY" in statement for statement in built), built
    # 1000 customers are a small table, which the default policy leaves alone.
    assert not any("CONCURRENTLY" in statement for statement in ran if "customers_email_idx" in statement)
    assert any(s.startswith("DROP INDEX CONCURRENTLY") and "orders_total_idx" in s for s in ran), ran
