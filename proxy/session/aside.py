"""Long texts are read and judged in a thread of their own: a megabyte takes seconds, and other clients go on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
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
    function = _read_once if len(text) <= LONG else read
    return await call(len(text), function, text, standard_conforming_strings=reading.standard_conforming_strings)


@lru_cache(maxsize=1)
def _read_once(text: str, *, standard_conforming_strings: bool) -> tuple[Statement, ...]:
    """The same text is read for several reasons while it is decided about."""
    return read(text, standard_conforming_strings=standard_conforming_strings)
