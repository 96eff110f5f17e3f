from __future__ import annotations

import pytest

from proxy.run.jobs import Job, follows

ORDERS, CUSTOMERS = ("public", "orders"), ("public", "customers")


def job(number: int, *tables: int, session: str = "a", relations: tuple[tuple[str, str], ...] = ()) -> Job:
    return Job(number, "waiting", "me", session, "", "", tables, (), relations=relations)


@pytest.mark.parametrize(
    ("later", "earlier", "behind"),
    [
        (job(2, 10), job(1, 10), True),
        (job(2, 10, session="b"), job(1, 10), True),
        (job(1, 10), job(2, 10), False),
        (job(2, 20), job(1, 10), False),
        (job(2), job(1, 10), True),  # COMMENT ON INDEX
        (job(2, session="b"), job(1, 10), False),
        (job(2, 20, relations=(ORDERS, CUSTOMERS)), job(1, 10, relations=(CUSTOMERS,)), True),  # a foreign key
    ],
)
def test_what_must_not_overtake(later: Job, earlier: Job, behind: bool) -> None:
    assert follows(later, earlier) is behind
