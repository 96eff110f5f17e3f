"""Pass-through over two TLS connections: SCRAM's channel binding cannot hold there, and this says so before the server does.

A client that can bind the channel and is offered SCRAM without it says so in the first byte of its answer (``y``), and the
server, which can bind too, takes that for the work of somebody in between: so it is.  To pass it on would only get
"channel binding negotiation error".  Clients that do not bind (``n``) are let through.
Source: RFC 5802, section 6; src/backend/libpq/auth-scram.c.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

PLUS: Final = "-PLUS"
_header: Final = Struct(">BI").unpack_from
_PASSWORD: Final = ord("p")
_LARGEST: Final = 10_000  # of a first answer; a password in it is shorter

REFUSAL: Final = {
    "S": "FATAL",
    "V": "FATAL",
    "C": "28000",
    "M": "SCRAM channel binding cannot pass through Interlock: one TLS connection ends here, and another goes on to the server",
    "D": "The client binds its login to the certificate that it sees, which is Interlock's and not the server's.",
    "H": "Connect with channel_binding=disable, or have Interlock check the login itself (--auth scram), or give it the"
    " server's own certificate and key (--tls-cert, --tls-key).",
}


def without_plus(offered: list[str]) -> list[str]:
    """The mechanisms that bind no channel."""
    return [name for name in offered if not name.endswith(PLUS)]


class Screen:
    """Looks at the client's bytes up to its first answer to a request for authentication, then steps aside.

    ``pass_on`` gets all bytes as they came, once, and is to be called directly from then on; ``refuse`` is called instead
    for an answer that the server could only refuse.
    """

    def __init__(self, pass_on: Callable[[bytes], None], refuse: Callable[[], None]) -> None:
        self._pass_on = pass_on
        self._refuse = refuse
        self._data = b""

    def __call__(self, data: bytes) -> None:
        self._data += data
        if len(self._data) < 5:
            return
        kind, length = _header(self._data)
        if len(self._data) <= length <= _LARGEST:
            return
        data, self._data = self._data, b""
        if kind == _PASSWORD and _thinks_nobody_binds(data[5 : length + 1]):
            self._refuse()
        else:
            self._pass_on(data)


def _thinks_nobody_binds(body: bytes) -> bool:
    """Whether this is a SASLInitialResponse for SCRAM whose gs2 header says ``y``."""
    mechanism, nul, rest = body.partition(b"\0")
    return bool(nul) and mechanism.startswith(b"SCRAM-") and rest[4:6] == b"y,"
