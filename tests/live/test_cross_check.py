"""``serve --cross-check`` tells where sqlglot reads otherwise, without what is secret, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from tests.live.conftest import through
from tests.proxies import Proxy

TEXT = "CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT 'hush'; SELECT 'hush'; END"


@pytest.mark.parametrize("flags", [(), ("--cross-check",)])
def test_disagreements_are_logged_if_wanted(
    orders: str, start_proxy: Callable[..., Proxy], flags: tuple[str, ...]
) -> None:
    proxy = start_proxy(*flags)
    with psycopg.connect(through(proxy, orders), autocommit=True) as session:
        if session.info.server_version < 140000:
            pytest.skip("BEGIN ATOMIC came with 14")
        session.execute(TEXT)
        assert session.execute("SELECT f()").fetchone() == ("hush",)
    told = proxy.stderr_text()
    assert ("sqlglot reads 3 statements where Interlock reads CREATE FUNCTION" in told) == bool(flags)
    assert "hush" not in told
