"""Long texts do not hold up the event loop, and texts without end are not read."""

from __future__ import annotations

import asyncio

import pytest

from proxy.session import aside
from proxy.session.prepared import guarded
from proxy.session.reading import Reading
from proxy.sql import lexer
from proxy.sql.read import read
from proxy.sql.statements import Unreadable

LONG = "ALTER TABLE t " + ", ".join(f"ADD a{n} int" for n in range(5000))


async def turns_meanwhile(text: str) -> int:
    """How often the event loop comes round while a text is read."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    await asyncio.sleep(0)
    before = turns
    found = await aside.statements(text, Reading())
    counting.cancel()
    assert found == read(text)
    return turns - before


def test_the_loop_goes_on_while_a_long_text_is_read() -> None:
    assert len(LONG) > aside.LONG
    assert asyncio.run(turns_meanwhile(LONG)) > 2


def test_a_short_text_is_read_at_once() -> None:
    assert asyncio.run(turns_meanwhile("ALTER TABLE t ADD a int")) == 0


def test_a_long_text_counts_as_guarded_until_it_is_read() -> None:
    short, long = "SELECT 1; SELECT 2", "SELECT 1; SELECT 2" + " " * aside.LONG
    assert not guarded(short.encode(), Reading())
    assert guarded(long.encode(), Reading())
    assert not guarded(long.replace(";", ",").encode(), Reading())  # the gate lets it pass, however long


def test_too_many_tokens_are_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexer, "MOST_TOKENS", 1000)
    assert len(lexer.lex("1 " * 1000)) == 1000
    with pytest.raises(lexer.LexError, match="more than 1,000 tokens are not read"):
        lexer.lex("1 " * 1001)
    (statement,) = read("SELECT 1; " + "SELECT " * 1000)
    assert isinstance(statement.node, Unreadable)


HOSTILE = {
    "brackets": "ALTER TABLE t ADD CHECK " + "(" * 100_000 + "true" + ")" * 100_000,
    "comments": "ALTER TABLE t /*" + "/*" * 50_000 + "*/" * 50_001 + "ADD a int",
    "a literal of five megabytes": "; INSERT INTO t VALUES ('" + "x''y\\" * 1_000_000 + "')",
    "no end of a literal": "; SELECT '" + "a" * 5_000_000,
    "dollar tags": "; SELECT " + " ".join(f"$a{n}$" for n in range(50_000)),
    "explain": "EXPLAIN " * 50_000 + "SELECT 1",
    "case": "ALTER TABLE t ALTER a SET DEFAULT " + "CASE " * 50_000 + "END " * 50_000,
    "parts": "; SELECT 'a'" + "\n'b'" * 200_000 + " '",
    "brackets that close nothing": ")" * 200_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_read_or_refused(text: str) -> None:
    """In time that grows with the length and no faster, which pytest-timeout would notice; and without an exception."""
    assert read(text)
