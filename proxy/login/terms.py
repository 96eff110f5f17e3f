"""On which terms clients come in: passed through to the server's own authentication, or ended here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from proxy.conninfo import Upstream
from proxy.login import receive, screen
from proxy.login.front import Front
from proxy.login.onward import LoginFailed, Onward
from proxy.login.receive import Proven, Refused
from proxy.login.secret import Secret, SecretError
from proxy.login.users import Users
from proxy.net import Peer
from proxy.policy.access import AccessEntry, Connecting, refusal
from proxy.wire import messages
from proxy.wire.startup import Startup

Auth = Literal["pass-through", "scram", "cert"]
AUTHS: Final[tuple[Auth, ...]] = get_args(Auth)


@dataclass(frozen=True, slots=True)
class Terms:
    """``users`` for scram, ``secret`` for scram and cert; both None to pass through."""

    auth: Auth = "pass-through"
    front: Front | None = None
    users: Users | None = None
    secret: Secret | None = None

    @property
    def terminated(self) -> bool:
        """Whether Interlock checks logins itself."""
        return self.auth != "pass-through"

    def may_open(self, client: Peer, startup: Startup, access: Sequence[AccessEntry]) -> None:
        """Raises Refused if TLS is asked for and not there, a certificate is not this user's, or the access list says no."""
        if self.front and (said := self.front.refuses(client.tls, startup.user, local=client.is_unix)):
            hint = "Connect with sslmode=require or stricter." if client.tls is None else ""
            raise Refused(said, "28000", hint=hint)
        place = "" if client.is_unix else client.peername.rpartition(":")[0]
        physical = startup.replication == "true"
        coming = Connecting(startup.user, startup.database, place, client.tls is not None, physical)
        if said := refusal(access, coming):
            raise Refused(said, "28000")

    async def prove(self, client: Peer, startup: Startup, rest: bytes) -> Proven:
        """Have the client prove who it is, where logins are ended here.

        Raises Refused, and ConnectionError if it leaves.  The caller bounds the time.
        """
        if self.auth == "scram":
            assert self.users is not None
            return await receive.by_scram(client, startup, rest, self.users, self.front)
        assert self.auth == "cert"
        return receive.by_certificate(client, startup, rest)

    async def log_in(
        self,
        connect: Callable[[], Awaitable[Peer]],
        upstream: Upstream,
        startup: Startup,
        proven: Proven,
        tell: Callable[[bytes], None],
    ) -> tuple[Peer, bytes]:
        """Connect, log in at the server, and return what it has said from AuthenticationOk on.

        A password that a command gave some time ago is asked for anew, once, if the server refuses it.
        Raises Refused, LoginFailed, what ``connect`` raises, and ConnectionError.
        """
        assert self.secret is not None
        again = True
        while True:
            server = await connect()
            password: str | None = None
            try:
                user = upstream.user if self.secret.there and upstream.has_credentials else startup.user
                if self.secret.there:
                    address = server.address
                    host, port = (address.host or address.hostaddr or "", address.port) if address else ("", 0)
                    password = await self.secret.password(user, startup.database, host, port)
                said = await Onward(server, user, proven, password, tell).log_in(_as(startup, user))
            except LoginFailed as failed:
                server.abort()
                refused = password is not None and failed.sqlstate.startswith("28")
                if refused and self.secret.refused(password or "") and again:
                    again = False
                    continue
                if refused:
                    detail = f"{failed.sqlstate}: {failed}"
                    raise Refused(f'Interlock could not log in at the server as "{user}"', "28000", detail) from None
                raise
            except SecretError as error:
                server.abort()
                raise Refused(f"Interlock has no password for the server: {error}", "28000") from None
            except BaseException:
                server.abort()
                raise
            return server, said

    def offers(self, client: Peer, server: Peer) -> Callable[[list[str]], list[str]] | None:
        """What becomes of the server's SASL mechanisms on their way to a client that is passed through.

        Channel binding speaks of one TLS connection: it can be passed on only if both ends show the same certificate.
        """
        if self.terminated or server.tls is None:
            return None
        return None if client.tls is not None and self._same_certificate(server) else screen.without_plus

    def screens(self, client: Peer, server: Peer) -> bool:
        """Whether the client's first answer has to be looked at."""
        return client.tls is not None and self.offers(client, server) is not None

    def _same_certificate(self, server: Peer) -> bool:
        theirs = server.tls.getpeercert(binary_form=True) if server.tls is not None else None
        return self.front is not None and theirs is not None and theirs == self.front.certificate


def _as(startup: Startup, user: str) -> bytes:
    """The client's StartupMessage for another user; the database is the client's."""
    if user == startup.user:
        return startup.raw
    parameters = {**startup.parameters, "user": user, "database": startup.database}
    return messages.startup(parameters, startup.version)
