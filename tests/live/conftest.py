"""A database with tables that no policy calls small, and an Interlock that thinks so too."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.proxies import Proxy

ORDERS = """
CREATE TABLE customers (id bigint PRIMARY KEY, name text);
CREATE TABLE orders (id bigint NOT NULL, customer_id bigint, email text, total numeric, "Note" text);
INSERT INTO customers SELECT g, 'c' || g FROM generate_series(1, 200) g;
INSERT INTO orders SELECT g, g % 200 + 1, 'e' || g, g, 'n' FROM generate_series(1, 5000) g;
CREATE INDEX orders_total_idx ON orders (total);
"""

POLICY = """
version: 1
extends: recommended
small_tables: { under: 0kB }
"""


REJECTING = (
    POLICY + "rules: { index-not-concurrent: { action: rewrite, in_transaction: reject },"
    " not-null-scan: { action: rewrite, in_transaction: reject } }"
)


@pytest.fixture
def orders(database: str) -> str:
    """The URL of a database with ``customers`` and ``orders``."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(ORDERS)
    return database


@pytest.fixture
def guarded(orders: str, share_proxy: Callable[[str], Proxy]) -> str:
    """The URL of ``orders`` through an Interlock to which no table is small."""
    return through(share_proxy(POLICY), orders)


@pytest.fixture
def rejecting(orders: str, share_proxy: Callable[[str], Proxy]) -> str:
    """The URL of ``orders`` through an Interlock that puts no index off until COMMIT."""
    return through(share_proxy(REJECTING), orders)


def start_guard(start_proxy: Callable[..., Proxy], folder: Path, more: str = "", *flags: str) -> Proxy:
    policy = folder / "policy.yaml"
    policy.write_text(POLICY + more)
    return start_proxy(*flags, policy=str(policy))


def through(proxy: Proxy, database: str) -> str:
    return proxy.url(database.rpartition("/")[2])


def somebody_else(database: str) -> str:
    """Another login's way to it: whose transactions are none of the client's, so that a job waits for them."""
    with (
        psycopg.connect(database, autocommit=True) as connection,
        contextlib.suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation),
    ):
        connection.execute("CREATE ROLE somebody_else SUPERUSER LOGIN")
    return database.replace("postgres@", "somebody_else@")
