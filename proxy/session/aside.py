"""Long texts are read and judged in a thread of their own: a megabyte takes seconds, and other clients go on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from proxy.session.reading import Reading
from proxy.sql.read import read
from proxy.sql.statements import Statement

P = ParamSpec("P")
T = TypeVar("T")
LONG = 1 << 15  # characters or bytes: some 80 ms at worst


async def call(length: int, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What ``function`` says of a text so long; it must be pure."""
    if length <= LONG:
        return function(*arguments, **named)
    return await asyncio.to_thread(function, *arguments, **named)


async def statements(text: str, reading: Reading) -> tuple[Statement, ...]:
    """The statements of a text, as ``read`` gives them."""
    return await call(len(text), read, text, standard_conforming_strings=reading.standard_conforming_strings)
