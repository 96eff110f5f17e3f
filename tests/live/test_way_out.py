"""What a rejection says of how to run the statement: only what this user may do, why what was tried did not help, also in the log."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from tests.live.conftest import POLICY
from tests.live.raw import eventually
from tests.proxies import Proxy

REJECT = POLICY + "rules: { index-not-concurrent: reject }\n"
INDEX = "CREATE INDEX i ON orders (email)"
SET = "SET interlock.allow = 'index-not-concurrent: <why>';"
CASES = {
    "": f"To run it as written: {SET}",
    "overrides: { roles: [] }": (
        "To run it as written: an exception for index-not-concurrent in the policy, which lets nobody SET interlock.allow."
    ),
    "overrides: { enabled: false }": (
        "To run it as written: an exception for index-not-concurrent in the policy, which lets nobody SET interlock.allow."
    ),
    "overrides: { roles: [dba, oncall] }": f"To run it as written, as a member of dba or oncall: {SET}",
    "overrides: { roles: [postgres] }": f"To run it as written: {SET}",
}


def rejected(url: str, *before: str, sql: str = INDEX) -> psycopg.errors.Diagnostic:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in before:
            connection.execute(statement)
        with pytest.raises(psycopg.Error) as raised:
            connection.execute(sql)
    assert raised.value.sqlstate == "IL001"
    return raised.value.diag


@pytest.mark.parametrize(("overrides", "said"), CASES.items(), ids=CASES)
def test_the_hint_names_a_way_that_is_open(
    overrides: str, said: str, orders: str, database: str, share_proxy: Callable[[str], Proxy]
) -> None:
    url = share_proxy(REJECT + overrides).url(database)
    assert said in (rejected(url).message_hint or "").splitlines()


@pytest.mark.parametrize("before", [(), ("BEGIN",)], ids=["alone", "in a transaction"])
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one string"])
def test_why_an_override_does_not_count_is_told(
    before: tuple[str, ...], together: bool, orders: str, database: str, share_proxy: Callable[[str], Proxy]
) -> None:
    url = share_proxy(REJECT + "overrides: { roles: [] }").url(database)
    said = rejected(url, *before, sql=f"{SET} {INDEX}") if together else rejected(url, *before, SET, sql=INDEX)
    why = "interlock.allow has no effect: postgres is none of the roles that may (nobody)."
    assert why in (said.message_detail or "")


KEY = "ALTER TABLE orders ADD CONSTRAINT orders_customer_id_customers_id_fk FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE NO ACTION"


def test_whose_tool_shows_nothing_reads_why_in_the_log(
    orders: str, database: str, share_proxy: Callable[[str], Proxy]
) -> None:
    proxy = share_proxy(REJECT + "overrides: { roles: [] }")
    rejected(proxy.url(database), "BEGIN")
    said = 'rejected (reject): CREATE INDEX would block writes to "orders" until it is built [index-not-concurrent]'
    eventually("the log says why", lambda: said in proxy.stderr_text())


def test_all_of_a_script_stands_in_the_message(orders: str, database: str, share_proxy: Callable[[str], Proxy]) -> None:
    url = share_proxy(REJECT.replace("index-not-concurrent", "foreign-key-validated")).url(database)
    second = (rejected(url, sql=KEY).message_primary or "").splitlines()[1]
    assert second.startswith("Use instead: ALTER TABLE orders ADD CONSTRAINT")
    assert second.endswith("VALIDATE CONSTRAINT orders_customer_id_customers_id_fk;")
