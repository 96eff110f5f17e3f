"""A query string in an open transaction may still say what kind of transaction it is: nothing of ours is asked before."""

from __future__ import annotations

import psycopg
import pytest

from tests.live.raw import Raw, error, tags

INDEX = "CREATE INDEX i ON orders (email)"
SERIALIZABLE = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"
SHOWN = "SHOW transaction_isolation"
STRINGS = (
    f"{SERIALIZABLE}; {INDEX}; {SHOWN}",
    f"/* é */ -- first\n{SERIALIZABLE};\n{INDEX};\n{SHOWN}",
    f"SET LOCAL lock_timeout = '5s'; SET LOCAL transaction_isolation = 'repeatable read'; {INDEX}; {SHOWN}",
    f"BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE; {INDEX}; {SHOWN}",
    f"{SERIALIZABLE}; SET TRANSACTION DEFERRABLE; DROP TABLE IF EXISTS nothing; {SHOWN}",
    f"{SERIALIZABLE}; SELECT 1; {INDEX}",
    f"{SERIALIZABLE}; SELECT 1; {SERIALIZABLE}; {INDEX}",
    f"SET TRANSACTION ISOLATION LEVEL nonsense; {INDEX}",
    f"SET TRANSACTION READ ONLY; {INDEX}",
    "SET TRANSACTION READ ONLY; CREATE INDEX ON orders (nothing)",
    "UPDATE orders SET email = NULL; SET TRANSACTION READ ONLY; ALTER TABLE orders ALTER email SET NOT NULL",
    f"SET TRANSACTION SNAPSHOT 'nothing'; {INDEX}",
    f"{SERIALIZABLE}; ALTER TABLE orders ADD COLUMN total int",
    f"{SERIALIZABLE}; ALTER TABLE orders ADD CHECK (nothing > 0)",
    f"SELECT 1; {SERIALIZABLE}; {INDEX}",
    f"{SERIALIZABLE};",
    f"{SERIALIZABLE}; {INDEX} nonsense",
)


@pytest.mark.parametrize("string", STRINGS)
def test_it_is_answered_as_directly(string: str, orders: str, guarded: str) -> None:
    found = []
    for url in (orders, guarded):
        with Raw(url) as raw:
            raw.query("BEGIN")
            answer = raw.query(string)
            rows = [body for kind, body in answer if kind == "D"]
            said = error(answer) if any(kind == "E" for kind, _ in answer) else {}
            told = {key: said[key] for key in "CMPDH" if key in said}
            found.append((tags(answer), rows, told, answer[-1], tags(raw.query("ROLLBACK"))))
    assert found[0] == found[1]


def test_and_the_index_waits_for_commit(orders: str, guarded: str) -> None:
    with psycopg.connect(guarded, autocommit=True) as connection:
        connection.execute("BEGIN")
        connection.execute(f"{SERIALIZABLE}; {INDEX}".encode())
        assert connection.execute(SHOWN).fetchone() == ("serializable",)
        connection.execute("COMMIT")
    with psycopg.connect(orders) as session:
        assert session.execute(
            "SELECT indisvalid, (SELECT count(*) FROM interlock.jobs WHERE state = 'done') FROM pg_index WHERE indexrelid = 'i'::regclass"
        ).fetchone() == (True, 1)
