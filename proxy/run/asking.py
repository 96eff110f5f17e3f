"""What the work on a database needs of a connection: the client's own, borrowed, or one that we have opened ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from proxy.run.connection import Reply
from proxy.run.doing import Doing
from proxy.run.monitor import Monitor


class Asking(Protocol):
    """``connection.Connection`` is one, and ``side.Side`` is one."""

    doing: Doing | None  # the plan that runs on it now

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended."""

    @property
    def monitor(self) -> Monitor | None:
        """Who looks on while the connection is busy, if there is somebody."""

    @property
    def skipping(self) -> bool:
        """Whether the server ignores everything up to the client's Sync, after an error in its pipeline."""

    async def fetch(self, sql: str, *parameters: str | bytes | None) -> list[list[bytes | None]]:
        """The rows of one query, as text.  Raises ServerError, ConnectionLost."""

    async def run(
        self, statements: Sequence[tuple[str, Sequence[str | bytes | None]]], *, notices: bool = True
    ) -> list[Reply]:
        """Run statements in one flight: outside a transaction block they are one transaction.

        Raises ServerError after the first that fails, ConnectionLost.
        """


def hexed(expression: str) -> str:
    """SQL for a text in characters that every client_encoding has, for ``unhexed``."""
    return f"pg_catalog.encode(pg_catalog.convert_to({expression}, 'UTF8'), 'hex')"


def unhexed(answer: bytes | None) -> str:
    return bytes.fromhex((answer or b"").decode("ascii")).decode("utf-8", "replace")


__all__ = ["Asking", "hexed", "unhexed"]
