"""Settings of the client's session that a plan changes for a while, and gives back."""

from __future__ import annotations

import re

from proxy.catalog.facts import Setting
from proxy.plans.target import literal
from proxy.run.connection import SET_CONFIG

PUT_ASIDE = "put aside"
"""The source of a setting that is the client's no more as far as its value goes, and is to be given back all the same."""
_GIVEN_BACK = ("session", PUT_ASIDE)


def milliseconds(setting: str) -> int:
    """A time parameter as SHOW prints it (``0``, ``500ms``, ``2s``, ``1min``, ``1h``, ``1d``) in milliseconds."""
    match = re.fullmatch(r"(\d+)(ms|s|min|h|d)?", setting)
    if match is None:
        return 0
    unit = {None: 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
    return int(match[1]) * unit[match[2]]


def as_before(
    name: str, setting: Setting | None, *, local: bool = False, in_block: bool = True
) -> tuple[str, tuple[str, ...]]:
    """The statement that gives a parameter its value back, and its source: else the client seemed to have set it.

    ``local``, and not ``in_block``: for an implicit transaction, whose end gives it its source.  At SET LOCAL there old servers warn.
    """
    if setting is not None and (setting.source in _GIVEN_BACK or not in_block):
        return SET_CONFIG, (name, setting.value, "true" if local else "false")
    return f"SET {'LOCAL ' if local else ''}{name} TO DEFAULT", ()


def text_as_before(name: str, setting: Setting | None) -> str:
    """As ``as_before``, for the transaction alone, where it has to stand in a query string."""
    value = literal(setting.value) if setting is not None and setting.source == "session" else "DEFAULT"
    return f"SET LOCAL {name} TO {value}"
