"""The facts about a statement as the proxy asks for them: only so much as it needs, and once more where that is not all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg

from proxy.catalog import lookup
from proxy.catalog.facts import Facts
from proxy.sql.statements import Statement


def ask(session: psycopg.Connection[Any], statement: Statement, *, in_transaction: bool | None = None) -> Facts:
    """``in_transaction``: what the facts say of it; by default what is so."""
    inside = session.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE
    said = inside if in_transaction is None else in_transaction
    asked: lookup.Request | None = lookup.request(statement, in_transaction=inside)
    cursor, now = psycopg.RawCursor(session), datetime.now(UTC)
    while asked is not None:
        if inside:
            row = cursor.execute(asked.sql, (asked.parameter,), prepare=False).fetchone()
        else:  # as of a client that speaks the simple protocol
            row = cursor.execute(asked.inlined, prepare=False).fetchone()
        assert row is not None
        facts = lookup.decode(row[0], asked, now=now, in_transaction=said)
        asked = lookup.more(asked, statement, facts)
    return facts
