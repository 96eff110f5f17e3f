"""The console over the wire: a client that has been let in speaks to Interlock itself, by the simple or the extended protocol.

Source: Postgres docs, "Frontend/Backend Protocol", Message Flow, Message Formats.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from proxy.admin.source import Role, Source, Teller
from proxy.admin.table import Column, Value
from proxy.admin.words import SERVER_VERSION, Command, Refused, read, statements
from proxy.net import Peer
from proxy.session.ledger import Who
from proxy.wire import messages
from proxy.wire.errors import ClientProtocolError
from proxy.wire.startup import Startup

log = logging.getLogger("interlock")

LONGEST = 1 << 16  # bytes of a message: nobody has that much to say here
OIDS = {"text": (25, -1), "int8": (20, 8), "float8": (701, 8), "bool": (16, 1)}

Row = tuple[Value, ...]


@dataclass(slots=True)
class Portal:
    command: Command | None
    binary: tuple[int, ...]
    rows: Iterator[Row] | None = None
    tag: str = ""


async def serve(client: Peer, startup: Startup, role: Role, source: Source) -> None:
    """Speak with a client that has proved who it is (AuthenticationOk is sent), until it leaves.  Raises ConnectionError."""
    who = Who(client.peername, startup.user, startup.database, startup.parameters.get("application_name", ""))
    log.info("%s: console, as %s", who.label, role)
    told = {
        "server_version": SERVER_VERSION, "server_encoding": "UTF8", "client_encoding": "UTF8", "DateStyle": "ISO, MDY",
        "integer_datetimes": "on", "standard_conforming_strings": "on", "TimeZone": "UTC", "is_superuser": "off",
        "session_authorization": startup.user, "application_name": who.application_name, "IntervalStyle": "postgres",
    }  # fmt: skip
    out = b"".join(messages.parameter_status(name, value) for name, value in told.items())
    key = messages.backend_key_data(secrets.randbelow(1 << 31), secrets.token_bytes(4))
    client.write(out + key + messages.ready_for_query(b"I"))
    with contextlib.suppress(ConnectionError):
        await Console(client, who, role, source).run()
    log.info("%s: console left", who.label)


class Console:
    """One client's conversation."""

    def __init__(self, client: Peer, who: Who, role: Role, source: Source) -> None:
        self.client = client
        self.who = who
        self.role = role
        self.source = source
        self._status = b"I"
        self._skipping = False  # an error in the extended protocol: all is ignored up to Sync
        self._prepared: dict[bytes, Command | None] = {}
        self._portals: dict[bytes, Portal] = {}

    async def run(self) -> None:
        data = b""
        while True:
            while (message := self._framed(data)) is not None:
                kind, body, data = message
                if kind == ord("X"):
                    return
                await self._answer(kind, body)
                await self.client.drain()
            more = await self.client.receive()
            if not more:
                return
            data += more

    def _framed(self, data: bytes) -> tuple[int, bytes, bytes] | None:
        """The first whole message, and what is behind it.  Raises ClientProtocolError."""
        if len(data) < 5:
            return None
        length = int.from_bytes(data[1:5], "big")
        if not 4 <= length <= LONGEST:
            raise ClientProtocolError("invalid message length")
        if len(data) <= length:
            return None
        return data[0], data[5 : length + 1], data[length + 1 :]

    async def _answer(self, kind: int, body: bytes) -> None:
        if kind == ord("S"):
            self._skipping = False
            self.client.write(messages.ready_for_query(self._status))
            return
        if self._skipping:
            return
        try:
            match chr(kind):
                case "Q":
                    await self._query(messages.read_query(body).decode("utf-8", "replace"))
                case "P":
                    name, sql = messages.read_parse(body)
                    found = statements(sql.decode("utf-8", "replace"))
                    if len(found) > 1:
                        raise Refused("cannot insert multiple commands into a prepared statement", "42601")
                    self._prepared[name] = read(found[0]) if found else None
                    self.client.write(messages.parse_complete())
                case "B":
                    self._bind(body)
                case "D":
                    self._describe(body)
                case "E":
                    await self._execute(*messages.read_execute(body))
                case "C":
                    which, name = messages.read_close(body)
                    (self._prepared if which == b"S" else self._portals).pop(name, None)
                    self.client.write(messages.close_complete())
                case "H":
                    pass
                case _:
                    raise ClientProtocolError(f"invalid frontend message type {kind}")
        except Refused as error:
            self._skipping = kind != ord("Q")
            self._refuse(error)
            if kind == ord("Q"):
                self.client.write(messages.ready_for_query(self._status))

    def _refuse(self, error: Refused) -> None:
        fields = {"S": "ERROR", "V": "ERROR", "C": error.sqlstate, "M": str(error), "H": error.hint}
        self.client.write(messages.error_response(fields))

    def _say(self, text: str) -> None:
        self.client.write(
            messages.notice_response({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": f"interlock: {text}"})
        )

    async def _run(self, command: Command) -> tuple[tuple[Row, ...], str]:
        if command.told is not None:
            log.info("%s: console: %s %s", self.who.label, command.answer.tag, command.target)
        teller = Teller("console", self.who.user, self.who.client, self.who.application_name)
        rows, tag = await command.run(self.source, self.role, self._say, teller)
        if command.answer.transaction:
            self._status = command.answer.transaction.encode()
        return rows, tag

    # ------------------------------------------------ simple

    async def _query(self, text: str) -> None:
        found = statements(text)
        if not found:
            self.client.write(messages.empty_query_response())
        for statement in found:
            command = read(statement)
            if command is None:
                continue
            rows, tag = await self._run(command)
            columns = command.answer.columns
            out = [described(columns, ())] if columns is not None else []
            if columns is not None:
                out += [row_of(row, columns, ()) for row in rows]
            self.client.write(b"".join(out) + messages.command_complete(tag.encode()))
        self.client.write(messages.ready_for_query(self._status))

    # ------------------------------------------------ extended

    def _bind(self, body: bytes) -> None:
        portal, name = messages.read_bind(body)
        if name not in self._prepared:
            raise Refused(f'prepared statement "{name.decode("utf-8", "replace")}" does not exist', "26000")
        at = len(portal) + len(name) + 2
        (formats,) = struct.unpack_from("!H", body, at)
        at += 2 + 2 * formats
        (parameters,) = struct.unpack_from("!H", body, at)
        if parameters:
            raise Refused("parameters are not taken here; write the number itself", "0A000")
        (count,) = struct.unpack_from("!H", body, at + 2)
        wanted = struct.unpack_from(f"!{count}H", body, at + 4)
        self._portals[portal] = Portal(self._prepared[name], wanted)
        self.client.write(messages.bind_complete())

    def _describe(self, body: bytes) -> None:
        name = body[1:].rstrip(b"\0")
        binary: tuple[int, ...] = ()
        if body[:1] == b"S":
            if name not in self._prepared:
                raise Refused("prepared statement does not exist", "26000")
            command = self._prepared[name]
            self.client.write(b"t\0\0\0\6\0\0")  # ParameterDescription: none
        else:
            portal = self._portal(name)
            command, binary = portal.command, portal.binary
        columns = command.answer.columns if command is not None else None
        self.client.write(messages.no_data() if columns is None else described(columns, binary))

    def _portal(self, name: bytes) -> Portal:
        if name not in self._portals:
            raise Refused(f'portal "{name.decode("utf-8", "replace")}" does not exist', "34000")
        return self._portals[name]

    async def _execute(self, name: bytes, limit: int) -> None:
        portal = self._portal(name)
        command = portal.command
        if command is None:
            self.client.write(messages.empty_query_response())
            return
        if portal.rows is None:
            rows, portal.tag = await self._run(command)
            portal.rows = iter(rows)
        columns = command.answer.columns or ()
        out = []
        for sent, row in enumerate(portal.rows, 1):
            out.append(row_of(row, columns, portal.binary))
            if sent == limit:
                self.client.write(b"".join(out) + b"s\0\0\0\4")  # PortalSuspended
                return
        self.client.write(b"".join(out) + messages.command_complete(portal.tag.encode()))


# ---------------------------------------------------------------- rows


def _binary(formats: tuple[int, ...], place: int) -> bool:
    """Format codes: none is text for all, one is for all, otherwise one for each column."""
    if not formats:
        return False
    return bool(formats[0] if len(formats) == 1 else formats[place] if place < len(formats) else 0)


def described(columns: tuple[Column, ...], formats: tuple[int, ...]) -> bytes:
    """RowDescription."""
    out = struct.pack("!H", len(columns))
    for place, column in enumerate(columns):
        oid, size = OIDS[column.type]
        out += column.name.encode() + b"\0" + struct.pack("!IHIhih", 0, 0, oid, size, -1, _binary(formats, place))
    return b"T" + struct.pack("!I", len(out) + 4) + out


def row_of(row: Row, columns: tuple[Column, ...], formats: tuple[int, ...]) -> bytes:
    return messages.data_row(
        [_cell(v, c, _binary(formats, i)) for i, (v, c) in enumerate(zip(row, columns, strict=True))]
    )


def _cell(value: Value, column: Column, binary: bool) -> bytes | str | None:
    if value is None:
        return None
    if binary and column.type != "text":
        if column.type == "bool":
            return b"\1" if value else b"\0"
        return struct.pack("!q", int(value)) if column.type == "int8" else struct.pack("!d", float(value))
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value).replace("\0", "")


__all__ = ["Console", "serve"]
