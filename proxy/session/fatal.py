"""The last message of a session that Interlock ends: FATAL, as the server words it where it has words for it."""

from __future__ import annotations

from collections.abc import Mapping

from proxy.wire import messages
from proxy.wire.errors import ClientProtocolError


def broken_protocol(error: ClientProtocolError) -> bytes:
    """The client broke the protocol."""
    return fatal(error.sqlstate, str(error))


def shutdown() -> bytes:
    """As a server that shuts down ends an idle session (57P01)."""
    return fatal("57P01", "terminating connection due to administrator command", D="Interlock is shutting down.")


def internal_error() -> bytes:
    """A defect of ours: both connections are closed, nothing is guessed."""
    words = "interlock: internal error; the connection is closed"
    return fatal("XX000", words, H="The log of Interlock has the details.")


def connection_lost(last_words: Mapping[str, str] | None) -> bytes:
    """The server is gone while Interlock used its connection: what it said last, or that it said nothing (08006)."""
    if last_words:
        return messages.error_response(dict(last_words))
    detail = "It happened while Interlock ran a statement for this client; what was committed before stays."
    return fatal("08006", "server closed the connection unexpectedly", D=detail)


def fatal(sqlstate: str, message: str, **fields: str) -> bytes:
    """An ErrorResponse that ends the session; ``fields`` by their letters.

    https://www.postgresql.org/docs/current/protocol-error-fields.html
    """
    return messages.error_response({"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": message, **fields})
