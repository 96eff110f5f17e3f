"""Where the rows come from: what a running proxy knows of itself, looked up when somebody asks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from proxy.admin.databases import Database, NotDone, Teller
from proxy.policy.load import Policy
from proxy.run.doing import Doing
from proxy.server import Server
from proxy.session.session import Session
from proxy.session.tally import Tally

Role = Literal["admin", "stats"]


@dataclass(frozen=True, slots=True)
class Setting:
    """A configuration value as SHOW CONFIG tells it; never a secret."""

    key: str
    value: str
    default: str


@dataclass(frozen=True, slots=True)
class Running:
    """A plan that runs now, and whose it is.  ``number`` is the session's, among those of this process."""

    doing: Doing
    user: str
    database: str
    client: str
    application_name: str
    tool: str
    session: Session | None = None


class Peers(Protocol):
    """The other workers of this Interlock; ``handlers`` answer what they ask."""

    handlers: dict[str, Callable[[dict[str, Any]], Awaitable[Any] | Any]]

    def tell(self, what: str, **rest: Any) -> None:
        """Tell all others."""

    async def ask(self, what: str, *, timeout_s: float = 1.0, **rest: Any) -> list[Any]:
        """The others' answers."""


@dataclass(slots=True)
class Source:
    """One process's.  ``reload`` reads the policy again and says what became of that."""

    server: Server
    tally: Tally
    policy: Callable[[], Policy]
    reload: Callable[[], str]
    settings: Sequence[Setting] = ()
    databases: Sequence[Database] = ()
    admins: frozenset[str] = frozenset()
    watchers: frozenset[str] = frozenset()
    started: float = field(default_factory=time.time)
    peers: Peers | None = None

    def role(self, user: str) -> Role | None:
        """What a login may do here: ``admin`` everything, ``stats`` look."""
        if user in self.admins:
            return "admin"
        return "stats" if user in self.watchers else None

    def running(self) -> list[Running]:
        """What runs now, oldest first: for clients, and what was begun from here."""
        found = []
        for session in self.server.sessions:
            if (now := session.doing) is not None:
                who = session.who
                found.append(
                    Running(now, who.user, who.database, who.client, who.application_name, who.tool or "", session)
                )
        for database in self.databases:
            if database.working is not None and (now := database.working.doing) is not None:
                user = database.working.connection.info.user
                found.append(Running(now, user, database.name, "", "interlock", ""))
        return sorted(found, key=lambda one: one.doing.since)

    def database(self, target: str) -> tuple[Database, int]:
        """``12`` or ``shop.12``: the database and the number.  Raises NotDone."""
        name, _, number = target.rpartition(".")
        if not (number.isascii() and number.isdigit()):
            raise NotDone(f"'{target}' is no job: write its number, or DATABASE.NUMBER")
        if not self.databases:
            raise NotDone(
                "jobs are not known here: serve --jobs URL says as whom, and in which database, they are looked up"
            )
        found = [one for one in self.databases if not name or one.name == name]
        if not found:
            raise NotDone(f"no database '{name}' is looked at here; there are {_names(self.databases)}")
        if len(found) > 1:
            raise NotDone(f"job {number} of which database? Write DATABASE.{number}; there are {_names(found)}")
        return found[0], int(number)

    @property
    def paused(self) -> bool:
        return self.server.groups.paused

    def pause(self, paused: bool) -> None:
        """In all workers."""
        self.server.groups.pause(paused)

    def join(self, peers: Peers, number: int, workers: int) -> None:
        """Be one of several workers: ``number`` from 0."""
        self.peers = peers
        self.tally.first, self.tally.every = number + 1, workers

    async def gather(self, part: str, own: Any) -> list[Any]:
        """A part of each worker's, this one's first."""
        others = await self.peers.ask("admin part", part=part) if self.peers is not None else []
        return [own, *(other for other in others if other is not None)]

    async def close(self) -> None:
        for database in self.databases:
            await database.close()


def _names(found: Sequence[Database]) -> str:
    return ", ".join(one.name for one in found)


__all__ = ["NotDone", "Peers", "Role", "Running", "Setting", "Source", "Teller"]
