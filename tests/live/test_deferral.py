"""What waits for COMMIT: written down in the client's transaction, and done before it hears of the COMMIT."""

from __future__ import annotations

import psycopg
import pytest

INDEX = "CREATE INDEX i ON orders (email)"


def valid_indexes(url: str, table: str = "orders") -> dict[str, bool]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = %s::regclass", [table]
        )
        return dict(rows)


def states(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT state FROM interlock.jobs ORDER BY id")]


@pytest.mark.parametrize("prepare", [False, True], ids=["simple", "extended"])
def test_an_index_is_there_when_commit_is_answered(prepare: bool, orders: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        said: list[str] = []
        connection.add_notice_handler(lambda d: said.append(d.message_primary or ""))
        connection.execute("BEGIN")
        assert connection.execute(INDEX, prepare=prepare).statusmessage == "CREATE INDEX"
        connection.execute("INSERT INTO customers VALUES (1000, 'x')")
        assert "i" not in valid_indexes(orders)
        assert connection.execute("COMMIT").statusmessage == "COMMIT"
        assert valid_indexes(orders)["i"]
        print(said)
    assert states(orders) == ["done"]
