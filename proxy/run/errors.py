"""Errors of the server's, told apart and put into the words and places of the author's own statement."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from proxy.plans.plan import Step
from proxy.run.connection import ServerError
from proxy.run.patience import LOCK_NOT_AVAILABLE
from proxy.sql import edit

T = TypeVar("T")

QUERY_CANCELED = "57014"
DEADLOCK = "40P01"
DUPLICATE = ("42P07", "42710")  # duplicate_table (indexes too), duplicate_object: what is there was there before
LATE_CANCELS = 5  # how many cancel requests cannot stop the way back
CANCELLED = {
    "S": "ERROR",
    "V": "ERROR",
    "C": QUERY_CANCELED,
    "M": "canceling statement due to user request",
}


@dataclass(slots=True)
class PlanFailed(Exception):
    """A plan stopped.  ``error`` is for the client; ``left`` says what could not be undone.

    ``again``: it is a job's, and that goes on waiting.
    """

    error: dict[str, str]
    left: list[str] = field(default_factory=list)
    again: bool = False


async def surely(attempt: Callable[[], Awaitable[T]]) -> T:
    """Again if a cancel request that came late, or once more from somebody impatient, hit it."""
    for _ in range(LATE_CANCELS):
        try:
            return await attempt()
        except ServerError as error:
            if error.sqlstate != QUERY_CANCELED:
                raise
    return await attempt()


def is_lock_timeout(fields: Mapping[str, str]) -> bool:
    """Whether our lock_timeout ran out; NOWAIT in the statement, or in a trigger, has the same SQLSTATE."""
    return fields.get("C") == LOCK_NOT_AVAILABLE and fields.get("R") == "ProcessInterrupts"


def as_the_authors(fields: dict[str, str], step: Step) -> dict[str, str]:
    """An error about a passing object of ours in the words that the author's own statement would have met."""
    for failure in step.hides:
        if (fields.get("C"), fields.get("n", "")) == (failure.sqlstate, failure.constraint):
            kept = {k: v for k, v in fields.items() if k != "n"}
            named = {"n": failure.name} if failure.name else {}
            column = {"c": failure.column} if failure.column else {}
            return {**kept, "C": failure.instead, "M": failure.message(fields.get("t", "")), **named, **column}
    return fields


def unplaced(fields: dict[str, str]) -> dict[str, str]:
    return {k: v for k, v in fields.items() if k not in "P"}


def place(fields: dict[str, str], step: Step) -> dict[str, str]:
    """An error's position, which counts in the text that we sent, put where it belongs in the client's."""
    if "P" not in fields:
        return fields
    position = edit.original_position(int(fields["P"]), step.edits) if fields["P"].isdigit() else None
    return {**unplaced(fields), **({"P": str(position)} if position else {})}
