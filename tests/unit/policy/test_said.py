from __future__ import annotations

import pytest

from proxy.policy.said import Said
from proxy.sql.read import read

ALLOW = "interlock.allow"


@pytest.mark.parametrize(
    ("text", "asked", "in_block", "now"),
    [
        ("SELECT 1", "x", False, "x"),
        (f"SET LOCAL {ALLOW} = 'a: it''s night'", "", False, "a: it's night"),
        (f"BEGIN; SET LOCAL {ALLOW} = 'a'; COMMIT", "x", False, "x"),
        (f"BEGIN; SET {ALLOW} = 'a'; COMMIT", "x", False, "a"),
        (f"BEGIN; SET {ALLOW} TO 'a'; ROLLBACK", "x", False, "x"),
        (f"SET {ALLOW} = 'a'; SAVEPOINT s; ROLLBACK TO s", "x", True, ""),
        ("COMMIT", "x", True, ""),  # whether it was SET LOCAL, nobody knows
        (f"RESET {ALLOW}", "x", False, ""),
        ("DISCARD ALL", "x", False, ""),
        (f"SET {ALLOW} = E'a\\x62'", "", False, ""),
        ("SET lock_timeout = '1s'", "x", False, "x"),
    ],
)
def test_what_it_is_behind_a_text(text: str, asked: str, in_block: bool, now: str) -> None:
    said = Said.when(asked, in_block=in_block)
    for statement in read(text):
        said.follow(statement)
    assert said.now == now
