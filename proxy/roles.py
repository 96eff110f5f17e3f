"""Which upstream host is a primary and which a standby, so that ``target_session_attrs`` can be kept.

The proxy hands the client's login through and cannot ask on that connection.  With a user of its own it asks on a side
connection; otherwise it learns from what servers report at each login (``in_hot_standby`` and
``default_transaction_read_only``, reported since Postgres 14) and prefers the right host the next time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import psycopg

from proxy.conninfo import Address, SessionAttrs, Upstream

REMEMBERED_S: Final = 15.0
"""How long a host's role is believed; after a failover the old answer must not outlive this."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a server said of itself."""

    standby: bool
    read_only: bool

    def fits(self, wanted: SessionAttrs) -> bool:
        """Whether such a server is what ``target_session_attrs`` asks for (prefer-standby: what it prefers)."""
        match wanted:
            case "any":
                return True
            case "read-write":
                return not self.read_only and not self.standby
            case "read-only":
                return self.read_only or self.standby
            case "primary":
                return not self.standby
            case "standby" | "prefer-standby":
                return self.standby

    def __str__(self) -> str:
        if self.standby:
            return "a standby"
        return "a primary, read-only" if self.read_only else "a primary, read-write"


class Roles:
    """The roles known of an upstream's hosts.  One for all connections of a process."""

    def __init__(self) -> None:
        self._known: dict[Address, tuple[Role, float]] = {}

    def learn(self, address: Address, parameters: Mapping[str, str]) -> None:
        """Take note of the ParameterStatus values of a finished login; servers before 14 report nothing to learn from."""
        standby = parameters.get("in_hot_standby")
        if standby is not None:
            read_only = parameters.get("default_transaction_read_only") == "on"
            self._note(address, Role(standby == "on", read_only or standby == "on"))

    def known(self, address: Address) -> Role | None:
        """The role of a host, if it was found out recently."""
        role, until = self._known.get(_host(address), (None, 0.0))
        return role if time.monotonic() < until else None

    def rank(self, address: Address, wanted: SessionAttrs) -> int:
        """How early to try a host: 0 known to fit, 1 unknown, 2 known not to fit."""
        role = self.known(address)
        return 1 if role is None else 0 if role.fits(wanted) else 2

    async def ask(self, upstream: Upstream, address: Address) -> Role | None:
        """The role as known, or as the server answers on a side connection; None if it lets us in for neither."""
        if (role := self.known(address)) is not None:
            return role
        try:
            async with await psycopg.AsyncConnection.connect(
                upstream.conninfo(address, application_name="interlock"), autocommit=True
            ) as connection:
                cursor = await connection.execute(
                    "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')"
                )
                row = await cursor.fetchone()
        except psycopg.Error:
            # Not being let in is no fault of the client's; its own login may fare better.
            return None
        assert row is not None
        role = Role(row[0], row[1] == "on")
        self._note(address, role)
        return role

    def _note(self, address: Address, role: Role) -> None:
        self._known[_host(address)] = (role, time.monotonic() + REMEMBERED_S)


def _host(address: Address) -> Address:
    """The host as the upstream names it: what is known of it holds for whichever of its IPs was reached."""
    return replace(address, hostaddr=None) if address.host else address
