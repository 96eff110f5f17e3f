"""The terminated mode, towards the client: it proves to Interlock who it is, by SCRAM or by its certificate.

Source: Postgres docs, "Frontend/Backend Protocol", SASL Authentication; the words and codes are the server's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proxy.login import scram, talk
from proxy.login.front import Front, common_name
from proxy.login.scram import ScramError, ServerSide, WrongProof
from proxy.login.users import Users
from proxy.net import Peer
from proxy.wire import messages
from proxy.wire.startup import Startup

SASL_CONTINUE, SASL_FINAL = 11, 12
_LARGEST = 10_000  # of what a client says before it is known, as PG_MAX_AUTH_TOKEN_LENGTH is far above what SCRAM needs


class Refused(Exception):
    """The client may not log in; to be told as FATAL."""

    def __init__(self, message: str, sqlstate: str, detail: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Proven:
    """What a client's login has left in our hands, for logging in at the server in its name, and the bytes that came behind it."""

    rest: bytes = b""
    client_key: bytes = field(default=b"", repr=False)
    verifier: scram.Verifier | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


async def by_scram(client: Peer, startup: Startup, rest: bytes, users: Users, front: Front | None) -> Proven:
    """Raises Refused, and ConnectionError if the client leaves.  The caller bounds the time."""
    user = users.find(startup.user)
    verifier = user.verifier if user is not None else users.nobody(startup.user)
    binding = scram.end_point(front.certificate) if client.tls is not None and front is not None else None
    exchange = ServerSide(verifier, binding)
    stream = talk.Stream(client, rest, largest=_LARGEST)
    failed = Refused(f'password authentication failed for user "{startup.user}"', "28P01")
    try:
        client.write(messages.authentication_sasl(exchange.mechanisms))
        mechanism, first = talk.read_sasl_initial(await _answer(stream))
        client.write(messages.authentication(SASL_CONTINUE, exchange.first(mechanism, first)))
        final = exchange.final(await _answer(stream))
    except WrongProof:
        raise failed from None
    except ScramError as error:
        raise Refused(str(error), error.sqlstate) from None
    except ValueError as error:
        raise Refused(str(error), "08P01") from None
    if user is None:
        raise failed
    client.write(messages.authentication(SASL_FINAL, final))
    return Proven(stream.rest, exchange.client_key, verifier, user.password)


def by_certificate(client: Peer, startup: Startup, rest: bytes) -> Proven:
    """The common name of a client certificate that has been verified is the user.  Raises Refused."""
    if client.tls is None or common_name(client.tls) != startup.user or not startup.user:
        raise Refused(f'certificate authentication failed for user "{startup.user}"', "28000")
    return Proven(rest)


async def _answer(stream: talk.Stream) -> bytes:
    kind, body, _ = await stream.next()
    if kind == ord("X"):
        raise ConnectionResetError("the client left during the login")
    if kind != ord("p"):
        raise Refused(f"expected SASL response, got message type {kind}", "08P01")
    return body
