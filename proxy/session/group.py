"""Sessions of one client: the same user, database and address, as far as a proxy can tell.

Migration tools hold their lock in a transaction on one connection while they migrate on another.  A concurrent
build on the second waits for the snapshot of the first, and the tool, before it ends the first, for the second.
So what waits for COMMIT runs when no session of the group is in a transaction; whose transaction was the last
to end does it, and its answer is the one that is held back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

KEPT = 1000  # groups without members that are remembered, so that who comes again need not ask again
AGAIN_S = 60.0  # after which it asks all the same: another proxy's job may wait


class Member(Protocol):
    """A session, as the others of its group see it."""

    @property
    def in_transaction(self) -> bool:
        """Whether its client has a transaction open, or something of it is running."""

    def attend(self) -> None:
        """Note whether jobs wait for the group."""

    async def let_go(self) -> None:
        """Give up the snapshot of a portal that has been executed to its end, if the client left one open."""


class Group:
    """``waiting``: there are jobs to do, or there may be; the members watch for the moment then."""

    def __init__(self) -> None:
        self.members: set[Member] = set()
        self.since = time.monotonic()  # since when jobs wait
        self.asked = 0.0  # when the database was asked last
        self.has_jobs = False  # known, as against not asked yet
        self._waiting = True  # nobody has asked yet

    @property
    def waiting(self) -> bool:
        return self._waiting

    @waiting.setter
    def waiting(self, value: bool) -> None:
        self._waiting = value
        if not value:
            self.has_jobs = False
            self.asked = time.monotonic()
        for member in list(self.members):
            member.attend()

    def begin(self) -> None:
        """There are jobs."""
        if not self.has_jobs:
            self.since = time.monotonic()
        self.has_jobs = True
        self.waiting = True

    def at_rest(self, but: Member) -> bool:
        """Whether no other member is in a transaction."""
        return not any(member.in_transaction for member in self.members if member is not but)

    async def let_go(self, but: Member) -> None:
        """Before a concurrent build: it would wait for every snapshot that the other members still hold."""
        for member in list(self.members):
            if member is not but:
                await member.let_go()

    def waited_s(self) -> float:
        return time.monotonic() - self.since


class Groups:
    """All groups of a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._groups: dict[tuple[str, str, str], Group] = {}
        self._clock = clock

    def join(self, member: Member, user: str, database: str, host: str) -> Group:
        group = self._groups.setdefault((user, database, host), Group())
        if not group.members and self._clock() - group.asked > AGAIN_S:
            group.waiting = True
        group.members.add(member)
        member_count = len(self._groups)
        if member_count > KEPT:
            self._forget(member_count - KEPT)
        return group

    def leave(self, member: Member, group: Group) -> None:
        group.members.discard(member)

    def _forget(self, many: int) -> None:
        idle = [key for key, group in self._groups.items() if not group.members][:many]
        for key in idle:
            del self._groups[key]
