"""The question that the server keeps planned for most statements of a transaction answers as the one made for each of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from proxy.catalog import lookup
from proxy.catalog.facts import Facts
from proxy.catalog.request import Request
from proxy.sql.read import read

NOW = datetime.now(UTC)
PLANNED_ALIKE = (
    "CREATE INDEX i ON orders (email)", "CREATE UNIQUE INDEX ON orders (lower(email))", "DROP INDEX orders_total_idx", "DROP INDEX nowhere",
    "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)", "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers",
    "ALTER TABLE orders ALTER email SET NOT NULL", "ALTER TABLE orders ADD UNIQUE (email)", "ALTER TABLE orders ADD PRIMARY KEY (id)",
    "ALTER TABLE orders VALIDATE CONSTRAINT c", "COMMENT ON INDEX orders_total_idx IS 'x'", "ALTER TABLE orders DROP CONSTRAINT IF EXISTS c",
    "REINDEX TABLE orders", "ALTER INDEX orders_total_idx RENAME TO o", "DROP TABLE orders", "ALTER TABLE orders RENAME TO o", "CREATE TABLE n (a int REFERENCES orders)",
    "ALTER TABLE orders ADD COLUMN x int DEFAULT random()", "ALTER TABLE orders ADD COLUMN x timestamptz CHECK (x < now())", "ALTER TABLE orders DROP COLUMN total",
)  # fmt: skip
OTHERS = (
    'CREATE INDEX ON "ÿ" (a)',
    "ALTER TABLE orders ALTER total TYPE text",
    "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)",
)
ASKED_MORE = (
    "ALTER TABLE orders ADD COLUMN x int DEFAULT random()", "UPDATE orders SET email = 'x'", "DELETE FROM orders", "DROP TABLE orders",
    "ALTER TABLE orders DROP CONSTRAINT c", "CREATE TABLE n (a int REFERENCES orders)",
)  # fmt: skip


def facts(session: psycopg.Connection, request: Request) -> Facts:
    row = psycopg.RawCursor(session).execute(request.sql.encode(), (request.parameter,)).fetchone()
    assert row is not None
    return lookup.decode(row[0], request, now=NOW, in_transaction=True)


def _asked(facts: Facts, request: Request) -> Facts:
    """Without names that nothing would get."""
    return replace(
        facts,
        taken_relations=facts.taken_relations if request.chosen and request.relation_names else {},
        taken_constraints=facts.taken_constraints if request.chosen and request.constraint_names else {},
    )


@pytest.mark.parametrize("sql", [*PLANNED_ALIKE, *OTHERS])
def test_it_answers_the_same(orders: str, sql: str) -> None:
    with psycopg.connect(orders) as session:
        session.execute('CREATE TABLE "ÿ" (a int)')
        session.execute("ALTER TABLE orders ADD CONSTRAINT orders_email_check CHECK (email <> '')")
        request = lookup.request(read(sql)[0])
        shared = facts(session, replace(request, shared=True))
        assert _asked(shared, request) == _asked(facts(session, request), request)


def test_it_is_one_and_the_same_for_what_migrations_mostly_do() -> None:
    asked = {lookup.request(read(sql)[0]).kept().sql for sql in PLANNED_ALIKE}
    assert asked == {lookup.LIKELY[0].sql}


def test_and_another_where_more_is_asked_of_them() -> None:
    asked = {replace(lookup.request(read(sql)[0]).kept(), again=True).sql for sql in ASKED_MORE}
    assert asked == {lookup.LIKELY[1].sql}
