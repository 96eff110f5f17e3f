"""What the client hears: notices, the answer to a statement, and when it is ready for the next."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from proxy.net import Peer
from proxy.run.connection import Connection
from proxy.session import answers
from proxy.session.case import readable
from proxy.session.ledger import Who
from proxy.session.reading import Reading
from proxy.wire import messages

log = logging.getLogger("interlock")


async def _nothing() -> bytes:
    return b""


class Voice:
    """Speaks to one client, in its encoding.

    ``at_rest`` is asked before the client hears that it is in no transaction: for what it is to hear first.
    """

    def __init__(self, own: Connection, client: Peer, who: Who) -> None:
        self.own = own
        self.client = client
        self.who = who
        self.at_rest: Callable[[], Awaitable[bytes]] = _nothing
        self.client_min_messages = "notice"

    def say(self, text: str) -> None:
        """A notice, and a line of the log."""
        log.info("%s: %s", self.who.label, text)
        self.tell(answers.notice(text))

    def say_done(self, seconds: float, blocked_ms: float) -> None:
        blocked = (
            f"the application was blocked for at most {blocked_ms:.0f} ms" if blocked_ms else "nothing was blocked"
        )
        self.say(f"done in {readable(seconds)}; {blocked}")

    def tell(self, fields: Mapping[str, str]) -> None:
        """A notice of ours, unless the client has set that it wants to hear none."""
        if answers.hears(self.client_min_messages, fields["S"]):
            self.client.write(self.notice(fields))

    def notice(self, fields: Mapping[str, str]) -> bytes:
        return messages.notice_response(fields, self._encoding)

    def error(self, fields: Mapping[str, str]) -> bytes:
        """An error of ours in the client's encoding; one of the server's is in it already."""
        ours = fields.get("C", "").startswith("IL")
        return messages.error_response(fields, self._encoding if ours else "utf-8")

    @property
    def _encoding(self) -> str:
        return Reading.of(self.own.relay.parameters).codec

    async def done(self, tag: bytes, *, simple: bool, notice: str = "") -> None:
        """The answer to a statement: to a Query that was all of it.  ``notice`` is what to ``say`` before it.

        It goes out in one piece, and is logged afterwards: in a transaction others may be waiting for what comes next.
        """
        fields = answers.notice(notice) if notice else {}
        heard = notice and answers.hears(self.client_min_messages, fields["S"])
        answer = (self.notice(fields) if heard else b"") + messages.command_complete(tag)
        status = self.own.relay.status
        ends = simple and status != b"I"
        self.client.write(answer + (messages.ready_for_query(status) if ends else b""))
        if notice:
            log.info("%s: %s", self.who.label, notice)
        if simple and not ends:
            await self.ready()

    async def ready(self) -> None:
        """The answer to a Query is complete."""
        if self.own.relay.status == b"I":
            self.client.write(await self.at_rest())
        self.client.write(messages.ready_for_query(self.own.relay.status))

    async def fail(self, fields: Mapping[str, str], *, simple: bool, reason: str = "the statement failed") -> None:
        """Answer with an error, and bring the server, whatever it knows of it, into the state that follows one.

        A transaction or pipeline that is open has failed; in the extended protocol it skips to Sync, after a Query not.
        """
        relay = self.own.relay
        if simple and relay.skipping:
            await self.own.sync()
        elif (relay.status == b"T" or relay.executes) if simple else not relay.skipping:
            await self.own.fail(reason, simple=simple)
        self.client.write(self.error(fields))
        if simple:
            await self.ready()
