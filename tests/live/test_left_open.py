"""A portal that a driver has left open (node-postgres behind a query with parameters) is in nobody's way, as it is gone with the next Query."""

from __future__ import annotations

import pytest

from proxy.wire import messages as m
from tests.live.raw import Raw, error, tags

ALTERS = (
    "ALTER TABLE orders ADD COLUMN y int",
    "ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0)",
    "ALTER TABLE orders ALTER email SET NOT NULL",
    "ALTER TABLE orders ALTER email SET DEFAULT 'x', ALTER total DROP NOT NULL",
    "ALTER TABLE orders ADD COLUMN z int NOT NULL DEFAULT (random() * 0)::int",
    "ALTER TABLE orders RENAME COLUMN email TO mail",
    "CREATE INDEX i ON orders (email)",
    "DROP TABLE orders",
    "TRUNCATE orders",
)


@pytest.mark.parametrize("rows", [0, 2], ids=["to its end", "with rows left"])
@pytest.mark.parametrize("sql", ALTERS)
def test_behind_it_a_table_can_be_altered(sql: str, rows: int, orders: str, guarded: str) -> None:
    found = []
    for url in (orders, guarded):
        with Raw(url) as raw:
            raw.query("BEGIN")
            raw.send(
                m.parse(b"", b"SELECT id FROM orders ORDER BY id") + m.bind(b"", b"") + m.execute(b"", rows) + m.sync()
            )
            assert raw.until("Z")[-1] == ("Z", b"T")
            found.append((tags(raw.query(sql)), tags(raw.query("ROLLBACK"))))
    assert found == [found[0]] * 2
    assert len(found[0][0]) == 1


def test_one_with_a_name_is_in_the_way_as_directly(orders: str, guarded: str) -> None:
    for url in (orders, guarded):
        with Raw(url) as raw:
            raw.query("BEGIN")
            raw.send(m.parse(b"", b"SELECT id FROM orders") + m.bind(b"mine", b"") + m.execute(b"mine") + m.sync())
            raw.until("Z")
            assert error(raw.query(ALTERS[0]))["C"] == "55006"
