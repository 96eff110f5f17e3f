"""What the relay holds for a decision, settled one message at a time: passed on, answered here, or replaced.

The relay is quiet when it begins: the server has answered everything that the client sent before.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from proxy.net import Peer
from proxy.run.connection import ServerError
from proxy.session import aside, explain, modes
from proxy.session.group import Groups
from proxy.session.guard import Guard, Outcome
from proxy.session.prepared import BIND, CLOSE, EXECUTE, PARSE, QUERY, SYNC, Prepared, depends_on_settings, nodes
from proxy.session.reading import SETTINGS, Reading
from proxy.sql.interest import stands_alone
from proxy.sql.statements import Call, Transaction, Unreadable
from proxy.wire import messages
from proxy.wire.conversation import CALL, DESCRIBE
from proxy.wire.messages import Message

# Commands of a walsender (Postgres docs, "Streaming Replication Protocol"); all else on its connection is SQL.
REPLICATION_COMMANDS = frozenset(
    {
        b"ALTER_REPLICATION_SLOT", b"BASE_BACKUP", b"CREATE_REPLICATION_SLOT", b"DROP_REPLICATION_SLOT", b"IDENTIFY_SYSTEM",
        b"READ_REPLICATION_SLOT", b"START_REPLICATION", b"TIMELINE_HISTORY", b"UPLOAD_MANIFEST",
    }
)  # fmt: skip
ALONE_S = 10.0  # how long to wait for the Sync of an Execute that came without
WAITS = re.compile(rb"pg_advisory_(?:xact_)?lock|\block\s+table\b", re.IGNORECASE)  # may wait for another session
FLUSH = ord("H")


class Settling:
    """Settles what is held for one client.

    ``drain`` waits until the server has answered everything that went on before.
    """

    def __init__(
        self, guard: Guard, server: Peer, prepared: Prepared, groups: Groups, drain: Callable[[], Awaitable[None]]
    ) -> None:
        self.guard = guard
        self.own = guard.own
        self.relay = guard.own.relay
        self.server = server
        self.prepared = prepared
        self.groups = groups
        self.drain = drain
        self._texts: dict[
            bytes, bytes
        ] = {}  # of statements that were parsed since something waits for the end; b"": unnamed
        self._turn = 0  # of ``Late``, when that was
        self._bound = (
            b"",
            0,
        )  # that of the unnamed portal, and while what waited for the end of the transaction it was bound

    @property
    def _reading(self) -> Reading:
        return Reading.of(self.relay.parameters)

    async def settle(self, held: Message) -> None:
        """Settle the message that the relay holds.  Raises ConnectionLost."""
        reading = self._reading
        if held.type in (QUERY, PARSE) and WAITS.search(held.body):
            # Who waits for the migration lock of a session that builds has a snapshot, for which the build waits.
            await self.groups.built(self.guard.who.database, self.guard.cancelled)
        if self.relay.skipping or await self._is_refused_anyway(held, reading):
            self._pass()  # the server ignores it, or says 25P02 itself
        elif self.guard.at_end.late and not await self._may_be_read(held):
            self.own.release()
            self._let_go()
        elif held.type == QUERY:
            sql = messages.read_query(held.body)
            if self.guard.examiner.walsender and first_word(sql) in REPLICATION_COMMANDS:
                self._pass()  # the walsender's own grammar; what is none of it stays SQL
            else:
                await self._run(sql, simple=True, alone=not self.relay.executes)
        elif held.type == EXECUTE and (
            self.guard.at_end.late or self.prepared.has(messages.read_execute(held.body)[0])
        ):
            await self._settle_execute(messages.read_execute(held.body)[0])
        elif held.type == PARSE and await self._explains(held, reading):
            pass
        elif held.type in (PARSE, BIND, CLOSE):
            if await self._sent_alone(held.raw):
                self.prepared.done(held.type, held.body, reading, certain=not self.relay.executes)
            self._let_go()
        else:
            self._pass()

    async def _may_be_read(self, held: Message) -> bool:
        """Before the server looks at a text that might see what was put off to the end of the transaction; its Execute comes later.

        False: the client has been answered.
        """
        late = self.guard.at_end.late
        if late.turn != self._turn:  # not all that came since was held
            self._texts.clear()
            self._turn = late.turn
        if held.type == PARSE:
            name, sql = messages.read_parse(held.body)
            self._texts[name] = sql
        elif held.type == BIND:
            portal, name = messages.read_bind(held.body)
            sql = await self._text(name)
            if not portal:
                self._bound = sql, late.turn
        elif held.type == DESCRIBE and held.body[:1] == b"S":
            sql = await self._text(held.body[1:-1])
        elif held.type == CALL:
            sql = b""
        else:
            return True
        may = await self.guard.reads_ahead(sql, simple=held.type == CALL)
        self.own.release()
        return may

    async def _text(self, name: bytes) -> bytes:
        """Of a prepared statement; empty if it is not known, or the transaction has failed: then the server answers no question."""
        if name in self._texts or not name:
            return self._texts.get(name, b"")
        await self.drain()
        return b"" if self.relay.skipping or self.relay.status == b"E" else await self.own.prepared(name) or b""

    async def _is_refused_anyway(self, held: Message, reading: Reading) -> bool:
        """The client's transaction has failed, and what is held does not begin by ending it."""
        if self.relay.status != b"E" or self.relay.executes:  # what was executed since, without an error, ended it
            return False
        if held.type == QUERY:
            text = reading.decode(messages.read_query(held.body))
            found = await aside.statements(text, reading) if text is not None else ()
            return text is not None and not any(isinstance(s.node, Transaction | Unreadable) for s in found)
        return held.type == EXECUTE

    async def _settle_execute(self, portal: bytes) -> None:
        """The server knows best whether there is such a portal, and of which text."""
        try:
            text = await self._note(portal) or await self.own.portal(portal)
            if text is None:
                self.prepared.gone(portal)
            elif portal in self.prepared.spent:
                await self.own.close_portal(portal)  # as written it has been run, or refused, once
        except ServerError as error:
            await self.guard.voice.fail(error.fields, simple=False)
            self.own.release()
            self._let_go()
            return
        self.own.release()
        if text is None or portal in self.prepared.spent:
            self._pass()
        elif await self._run(text, simple=False, alone=await self._is_alone(), portal=portal) is Outcome.ANSWERED:
            self.prepared.spent.add(portal)

    async def _note(self, portal: bytes) -> bytes:
        """The text of a portal, if it is a tool's note in its own table of versions and there is no doubt; else empty.

        Behind a lock of the transaction it takes a question less.
        """
        late, (sql, turn) = self.guard.at_end.late, self._bound
        if portal or portal in self.prepared.spent or not late or late.turn != turn:
            return b""
        text = self._reading.decode(sql)
        return sql if text and late.passes(await aside.statements(text, self._reading)) else b""

    async def _sent_alone(self, message: bytes) -> bool:
        """Send the held message, or another in its place, without what stands behind it; whether it succeeded."""
        self.server.write(self.relay.own(message))
        await self.drain()
        return not self.relay.skipping

    async def _run(self, sql: bytes, *, simple: bool, alone: bool, portal: bytes = b"") -> Outcome:
        """Settle a text that is to be run; ``portal`` holds it unless ``simple``.

        PASS: it went on to the server, as it is or with another in its place.
        """
        try:
            reading = await self._certain_reading(sql)
            text = reading.decode(sql)
            if simple and text is not None:
                replacement = await explain.replacement(text, self.guard, reading)
                if replacement is not None:
                    self.own.release()
                    self.server.write(self.relay.replace_held(messages.query(reading.encode(replacement))))
                    return Outcome.PASS
        except ServerError as error:
            await self.guard.voice.fail(error.fields, simple=simple)
            self.own.release()
            self._let_go()
            return Outcome.ANSWERED
        replaced = False
        if simple and text is not None and self.relay.status == b"T" and modes.may_set_modes(sql):
            end = modes.leading(await aside.statements(text, reading))
            if end and not (self.relay.executes or self.relay.pipeline_open):
                if self.guard.at_end.late and not await self.guard.reads_ahead(b"", simple=True):
                    self.own.release()
                    self._let_go()
                    return Outcome.ANSWERED
                if not await self._goes_ahead(messages.query(reading.encode(text[:end]))):
                    return Outcome.ANSWERED
                text, replaced = modes.without(text, end), True
        first = self.relay.status == b"I" and not self.relay.executes
        outcome = await self.guard.settle(
            text if text is not None else sql.decode("ascii", "surrogateescape"),
            readable=text is not None,
            simple=simple,
            alone=alone,
            prepared=bool(self.prepared.statements),
        )
        self.guard.cancelled.clear()
        if outcome is Outcome.PASS and first and not simple and not await self._afresh(sql, portal, alone=alone):
            outcome = Outcome.ANSWERED
        self.own.release()
        if outcome is Outcome.PASS and replaced and text is not None:
            self.server.write(self.relay.replace_held(messages.query(reading.encode(text))))
        elif outcome is Outcome.PASS:
            self._pass()
        else:
            self._let_go()
        return outcome

    async def _goes_ahead(self, query: bytes) -> bool:
        """Run the first part of a query string; false if it has failed, and with it all of the string."""
        await self.own.forward(query, self.guard.client, lambda fields: fields, lambda tag: tag)
        if self.relay.status == b"T":
            return True
        await self.guard.voice.ready()
        self.own.release()
        self._let_go()
        return False

    async def _afresh(self, sql: bytes, portal: bytes, *, alone: bool) -> bool:
        """End the pipeline in which we have asked about its first statement, and bind the client's portal again; whether that worked.

        Nothing may have been executed before it in its pipeline if it is a procedure that commits (from 18 on), or what
        Postgres wants to stand alone; the latter, where nothing follows, is run by the guard.  Portals that were bound for
        later are gone then, as they are when such a statement commits.
        """
        bound = self.prepared.bound
        wanted = any(isinstance(node, Call) or (not alone and stands_alone(node)) for node in nodes(sql, self._reading))
        if not wanted or bound is None or bound[0] != portal or not self.relay.pipeline_open:
            return True
        try:
            await self.own.sync()
            await self.own.bind_again(bound[1])
        except ServerError as error:
            await self.guard.voice.fail(error.fields, simple=False)
            return False
        return True

    async def _certain_reading(self, sql: bytes) -> Reading:
        """How a text is to be read now.  Raises ServerError.

        What the client set earlier in its pipeline is in force, but will be reported only with ReadyForQuery.
        """
        if self.relay.executes and depends_on_settings(sql):
            row = (await self.own.fetch(SETTINGS))[0]
            names = ("standard_conforming_strings", "client_encoding")
            self.relay.parameters.update(
                (name, (value or b"").decode()) for name, value in zip(names, row, strict=True)
            )
        return self._reading

    async def _explains(self, held: Message, reading: Reading) -> bool:
        """A Parse of EXPLAIN <ddl> or SHOW interlock.… goes on as the Parse of a query that gives the answer."""
        name, sql = messages.read_parse(held.body)
        text = reading.decode(sql)
        try:
            replacement = await explain.replacement(text, self.guard, reading) if text is not None else None
        except ServerError as error:
            await self.guard.voice.fail(error.fields, simple=False)
            self.own.release()
            self._let_go()
            return True
        if replacement is None:
            return False
        self.own.release()
        parse = messages.parse(name, reading.encode(replacement))
        if await self._sent_alone(parse):
            self.prepared.done(PARSE, parse[5:], reading, certain=True)
        self._let_go()
        return True

    async def _is_alone(self) -> bool:
        """Whether the held Execute is the only one before its Sync, so that it is a transaction of its own.

        Clients send the Sync with it, or (with Flush) wait for the answer first; a moment is allowed for what
        is on its way.
        """
        if self.relay.status != b"I" or self.relay.executes:
            return False
        n = 0
        for _ in range(200):
            behind = self.relay.peek(n)
            if behind is None:
                if self.relay.buffered:
                    await asyncio.sleep(0.005)
                    continue
                return await self._stays_alone()
            if behind.type in (SYNC, FLUSH):
                return True
            if behind.type not in (CLOSE, DESCRIBE):
                return False
            n += 1
        return False

    async def _stays_alone(self) -> bool:
        """Nothing has come behind the Execute yet.  The client cannot be waiting for us, so we can for it."""
        deadline = asyncio.get_running_loop().time() + ALONE_S
        while asyncio.get_running_loop().time() < deadline and not (self.guard.client.closed or self.server.closed):
            await asyncio.sleep(0.005)
            if self.relay.peek(0) is not None:
                return await self._is_alone()
        return True

    def _pass(self) -> None:
        self.server.write(self.relay.pass_held())

    def _let_go(self) -> None:
        """The held message was settled here; what waits behind it goes on."""
        self.server.write(self.relay.drop_held())


def first_word(sql: bytes) -> bytes:
    """The first word of a text, in upper case."""
    word = sql.lstrip().split(None, 1)[:1]
    return word[0].rstrip(b";").upper() if word else b""
