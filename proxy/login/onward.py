"""The terminated mode, towards the server: Interlock logs in, with its own password or in the client's name.

In the client's name it needs none: a client that has proven itself by SCRAM has let its key be seen, which opens the server
that holds the same verifier, and no other.
Source: Postgres docs, "Frontend/Backend Protocol", Start-up; src/interfaces/libpq/fe-auth.c.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import Callable

from proxy.login import scram, talk
from proxy.login.receive import SASL_CONTINUE, SASL_FINAL, Proven, Refused
from proxy.login.scram import ClientSide, Keys, ScramError
from proxy.net import Peer
from proxy.wire import messages
from proxy.wire.errors import ServerProtocolError

OK, CLEARTEXT, MD5 = 0, 3, 5
AUTHENTICATION, ERROR, NOTICE, NEGOTIATE = b"RENv"


class LoginFailed(Exception):
    """The server lets us not in: its own ErrorResponse in ``raw`` for the client, and its SQLSTATE."""

    def __init__(self, raw: bytes, fields: dict[str, str]) -> None:
        super().__init__(fields.get("M", ""))
        self.raw = raw
        self.sqlstate = fields.get("C", "")


class Onward:
    """One login at the server.

    ``password`` is Interlock's own, None to go by what the client has proven.  ``tell`` gets what the server says to the
    client meanwhile (notices, the protocol's version).
    """

    def __init__(
        self, server: Peer, user: str, proven: Proven, password: str | None, tell: Callable[[bytes], None]
    ) -> None:
        self._server = server
        self._user = user
        self._proven = proven
        self._own = password is not None
        self._password = password if password is not None else proven.password
        self._tell = tell
        self._stream = talk.Stream(server)

    async def log_in(self, startup: bytes) -> bytes:
        """Send the StartupMessage, prove who we are; return what the server has said from AuthenticationOk on.

        Raises LoginFailed, Refused, and ConnectionError.  The caller bounds the time.
        """
        self._server.write(startup)
        try:
            while True:
                code, rest, raw = await self._request()
                if code == OK:
                    return raw + self._stream.rest
                if code == CLEARTEXT:
                    self._server.write(talk.password(self._in_the_open().encode() + b"\0"))
                elif code == MD5:
                    self._server.write(talk.password(self._md5(rest)))
                elif code == messages.SASL:
                    await self._scram(messages.read_sasl_mechanisms(rest))
                else:
                    raise Refused(f"the server asks for authentication {code}, which Interlock cannot give", "28000")
        except ScramError as error:
            raise Refused(f"Interlock could not log in at the server: {error}", "28000") from None
        except (ValueError, ServerProtocolError) as error:
            raise Refused(f"the server broke the protocol during the login: {error}", "08P01") from None

    async def _request(self) -> tuple[int, bytes, bytes]:
        """The next request for authentication."""
        while True:
            kind, body, raw = await self._stream.next()
            if kind == AUTHENTICATION:
                return (*messages.read_authentication(body), raw)
            if kind == ERROR:
                raise LoginFailed(raw, messages.read_fields(body))
            if kind not in (NOTICE, NEGOTIATE):
                raise ServerProtocolError(f"message type 0x{kind:02X} before AuthenticationOk")
            self._tell(raw)

    def _needed(self, how: str) -> str:
        if self._password is None:
            raise Refused(
                f"the server asks for {how}, and Interlock has only the SCRAM verifier of this user",
                "28000",
                hint="Have the server use scram-sha-256, or give Interlock a password (--upstream-password-file).",
            )
        return self._password

    def _in_the_open(self) -> str:
        password = self._needed("a password in the open")
        if self._server.tls is None and not _stays_here(self._server):
            raise Refused(
                "the server asks for a password in the open over a connection that is not encrypted",
                "28000",
                hint="Use sslmode=verify-full in --upstream, or have the server use scram-sha-256.",
            )
        return password

    def _md5(self, salt: bytes) -> bytes:
        inner = hashlib.md5(self._needed("an md5 password").encode() + self._user.encode()).hexdigest()
        return b"md5" + hashlib.md5(inner.encode() + salt[:4]).hexdigest().encode() + b"\0"

    async def _scram(self, offered: list[str]) -> None:
        tls = self._server.tls
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        exchange = ClientSide(offered, scram.end_point(certificate) if certificate else None)
        self._server.write(talk.sasl_initial(exchange.mechanism, exchange.first()))
        challenge, salt, iterations = exchange.challenge(await self._said(SASL_CONTINUE))
        keys = await self._keys(salt, iterations)
        self._server.write(talk.password(exchange.final(challenge, keys)))
        exchange.verify(await self._said(SASL_FINAL))

    async def _said(self, wanted: int) -> bytes:
        code, rest, _ = await self._request()
        if code != wanted:
            raise ServerProtocolError(f"authentication request {code} in the midst of SCRAM")
        return rest

    async def _keys(self, salt: bytes, iterations: int) -> Keys:
        if self._password is not None:
            return await asyncio.to_thread(Keys.of, self._password, salt, iterations)
        verifier = self._proven.verifier
        if verifier is None:
            raise Refused("Interlock has no password for the server", "28000")
        if (verifier.salt, verifier.iterations) != (salt, iterations):
            raise Refused(
                f'the SCRAM verifier of "{self._user}" is not the server\'s: the password was changed there, or set twice',
                "28000",
                hint="Copy rolpassword from the server's pg_authid into Interlock's users file, and reload it.",
            )
        return Keys(self._proven.client_key, verifier.server_key)


def _stays_here(server: Peer) -> bool:
    address = server.address
    if address is None or address.is_unix:
        return True
    try:
        return ipaddress.ip_address(address.hostaddr or "").is_loopback
    except ValueError:
        return False
