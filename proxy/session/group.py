"""Sessions of one client: the same user, database and address, as far as a proxy can tell.

Migration tools hold their lock in a transaction on one connection while they migrate on another.  A concurrent
build on the second waits for the snapshot of the first, and the tool, before it ends the first, for the second.
So what waits for COMMIT runs when no session of the group is in a transaction; whose transaction was the last
to end does it, and its answer is the one that is held back.

Where several workers serve one client they tell each other when jobs wait, and ask each other who is in a transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

from proxy.siblings import Message, Siblings

KEPT = 1000  # groups without members that are remembered, so that who comes again need not ask again
LOOK_S = 0.5  # how soon a cancel request is noticed
SPOKEN_S = 60.0  # for which a tool is remembered that opens a connection for each thing that it does (Piccolo)
AGAIN_S = 60.0  # after which it asks all the same: another proxy's job may wait


State = tuple[bool, bool, float]  # a member's in_transaction, idle_in_transaction, since


class Member(Protocol):
    """A session, as the others of its group see it."""

    @property
    def token(self) -> str:
        """What the jobs that it writes down are marked with."""

    @property
    def in_transaction(self) -> bool:
        """Whether its client has a transaction open, or something of it is running."""

    @property
    def idle_in_transaction(self) -> bool:
        """Whether its client has a transaction open, and asks nothing."""

    @property
    def since(self) -> float:
        """When that began, by the monotonic clock."""

    @property
    def leaving(self) -> bool:
        """Whether its client is gone, and what it does is only what is left of its jobs."""

    def stop_build(self) -> None:
        """Cancel what is being built on its connection."""

    def attend(self) -> None:
        """Note whether jobs wait for the group."""

    async def let_go(self) -> None:
        """Give up the snapshot of a portal that has been executed to its end, if the client left one open."""


class Group:
    """``waiting``: there are jobs to do, or there may be; the members watch for the moment then."""

    def __init__(self) -> None:
        self.members: set[Member] = set()
        self.left = 0.0  # when a member last was
        self.tool: str | None = None  # the migration tool that a member was recognised as: for words, not for decisions
        self.since = time.monotonic()  # since when jobs wait
        self.asked = 0.0  # when the database was asked last
        self.look_again = 0.0  # not before: somebody had the table locked, or was in the way of the jobs
        self.has_jobs = False  # known, as against not asked yet
        self.prepared = 0  # transactions with jobs that were prepared: whoever ends one is to look again
        self._waiting = True  # nobody has asked yet
        self.looker: Member | None = None  # who alone is to look whether others have left jobs meanwhile
        self.key = ("", "", "")
        self.tell: Callable[[Group], None] = lambda group: None  # the other workers

    @property
    def waiting(self) -> bool:
        return self._waiting

    @waiting.setter
    def waiting(self, value: bool) -> None:
        self._waiting = value
        self.looker = None
        if value:
            self.tell(self)
        else:
            self.has_jobs = False
            self.asked = time.monotonic()
        self._attend()

    def waits_for(self, member: Member) -> bool:
        """Whether that member is to look for jobs when its client is in no transaction."""
        return self._waiting or self.looker is member

    def heard(self, prepared: int) -> None:
        """Another worker says that jobs wait, or will."""
        self._waiting, self.prepared = True, prepared
        self._attend()

    def _attend(self) -> None:
        for member in list(self.members):
            member.attend()

    def begin(self) -> None:
        """There are jobs."""
        if not self.has_jobs:
            self.since = time.monotonic()
        self.has_jobs = True
        self.waiting = True

    def at_rest(self, but: Member, *, since: float | None = None) -> bool:
        """Whether no other member is in a transaction; with ``since``, in one that began before that moment.

        Steady traffic has no moment without any; but who has waited for us began before us.
        """
        others = (member for member in self.members if member is not but and member.in_transaction)
        return not any(since is None or member.since < since for member in others)

    async def let_go(self, but: Member) -> None:
        """Before a concurrent build: it would wait for every snapshot that the other members still hold."""
        for member in list(self.members):
            if member is not but:
                await member.let_go()

    def states(self) -> list[State]:
        """Of its members here."""
        return [(member.in_transaction, member.idle_in_transaction, member.since) for member in self.members]

    @property
    def leaves(self) -> bool:
        """Whether the client of a member is gone: what that does then, whoever has written it down, nobody waits for."""
        return any(member.leaving for member in self.members)

    def waited_s(self) -> float:
        return time.monotonic() - self.since


class Groups:
    """All groups of a process, and in which databases something is being built for them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, siblings: Siblings | None = None) -> None:
        self._groups: dict[tuple[str, str, str], Group] = {}
        self._clock = clock
        self._builds: dict[str, int] = {}  # by database
        self._built_elsewhere: dict[int, list[str]] = {}  # by worker
        self.built_in: frozenset[str] = frozenset()
        """The databases in which something is being built concurrently."""
        self._over: asyncio.Condition | None = None
        self.paused = False  # no job is begun: the console's PAUSE
        self._siblings = siblings
        if siblings is not None:
            siblings.handlers |= {
                "jobs": self._heard_of_jobs,
                "states": lambda message: self._named(message).states(),
                "member": lambda message: any(m.token == message["token"] for m in self._named(message).members),
                "leaving": lambda message: self._named(message).leaves,
                "let go": self._asked_to_let_go,
                "builds": self._heard_of_builds,
                "paused": self._heard_of_pause,
            }
            siblings.tell("builds", of=[])  # a worker before this one may have died in the midst of one

    def pause(self, paused: bool) -> None:
        """Begin no job, in no worker; or again."""
        self.paused = paused
        if self._siblings is not None:
            self._siblings.tell("paused", paused=paused)

    def _heard_of_pause(self, message: Message) -> None:
        self.paused = message["paused"]

    def _note_builds(self) -> None:
        self.built_in = frozenset(self._builds).union(*self._built_elsewhere.values())

    # ------------------------------------------------ other workers

    async def elsewhere(self, group: Group) -> list[State]:
        """The states of its members in other workers."""
        if self._siblings is None:
            return []
        answers = await self._siblings.ask("states", group=group.key)
        return [(bool(inside), bool(idle), float(since)) for answer in answers for inside, idle, since in answer or ()]

    async def at_rest_elsewhere(self, group: Group, *, since: float | None = None) -> bool:
        """As ``Group.at_rest``, of the members in other workers."""
        states = await self.elsewhere(group)
        return not any(inside and (since is None or began < since) for inside, _, began in states)

    async def has_member(self, group: Group, token: str) -> bool:
        """Whether the session that marks its jobs with this token is still there, in any worker."""
        if any(member.token == token for member in group.members):
            return True
        return self._siblings is not None and any(await self._siblings.ask("member", group=group.key, token=token))

    async def leaves(self, group: Group) -> bool:
        """As ``Group.leaves``, in any worker."""
        if group.leaves:
            return True
        return self._siblings is not None and any(await self._siblings.ask("leaving", group=group.key))

    async def let_go(self, group: Group, but: Member) -> None:
        """As ``Group.let_go``, of all workers."""
        await group.let_go(but)
        if self._siblings is not None:
            await self._siblings.ask("let go", group=group.key)

    def _tell_of_jobs(self, group: Group) -> None:
        if self._siblings is not None and (group.members or group.prepared):
            self._siblings.tell("jobs", group=group.key, prepared=group.prepared)

    def _tell_of_builds(self) -> None:
        if self._siblings is not None:
            self._siblings.tell("builds", of=list(self._builds))

    def _heard_of_jobs(self, message: Message) -> None:
        self._named(message).heard(message["prepared"])

    async def _heard_of_builds(self, message: Message) -> None:
        self._built_elsewhere[message["from"]] = message["of"]
        self._note_builds()
        async with self._condition():
            self._condition().notify_all()

    async def _asked_to_let_go(self, message: Message) -> None:
        for member in list(self._named(message).members):
            await member.let_go()

    def _named(self, message: dict[str, Any]) -> Group:
        user, database, host = message["group"]
        return self._group((user, database, host))

    def _group(self, key: tuple[str, str, str]) -> Group:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group()
            group.key, group.tell = key, self._tell_of_jobs
        return group

    # ------------------------------------------------ builds

    @contextlib.asynccontextmanager
    async def building(self, database: str) -> AsyncIterator[None]:
        """Something is, while the block runs."""
        self._builds[database] = self._builds.get(database, 0) + 1
        self._note_builds()
        self._tell_of_builds()
        try:
            yield
        finally:
            self._builds[database] -= 1
            if not self._builds[database]:
                del self._builds[database]
            self._note_builds()
            self._tell_of_builds()
            async with self._condition():
                self._condition().notify_all()

    async def built(self, database: str, cancelled: asyncio.Event) -> None:
        """Until nothing is being built there, or the client cancels."""
        while database in self.built_in and not cancelled.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S), self._condition():
                    await self._condition().wait()

    def _condition(self) -> asyncio.Condition:
        self._over = self._over or asyncio.Condition()
        return self._over

    def join(self, member: Member, user: str, database: str, host: str) -> Group:
        group = self._group((user, database, host))
        self.look_again(member, group)
        if not group.members and self._clock() - group.left > SPOKEN_S:
            group.tool = None
        group.members.add(member)
        member_count = len(self._groups)
        if member_count > KEPT:
            self._forget(member_count - KEPT)
        return group

    def look_again(self, member: Member, group: Group) -> bool:
        """Whether that member is to look for what another proxy may have left, since nobody has for ``AGAIN_S``; the others go on."""
        now = self._clock()
        if group.waiting or now - group.asked <= AGAIN_S:
            return False
        group.looker, group.asked = member, now
        return True

    def leave(self, member: Member, group: Group) -> None:
        group.members.discard(member)
        group.left = self._clock()
        if group.looker is member:  # it has not come to it
            group.looker, group.asked = None, 0.0

    def _forget(self, many: int) -> None:
        idle = [key for key, group in self._groups.items() if not group.members][:many]
        for key in idle:
            del self._groups[key]
