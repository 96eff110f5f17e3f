"""The last message of a session that Interlock ends: FATAL, as the server words it where it has words for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from proxy.run.jobs import Job
from proxy.wire import messages
from proxy.wire.errors import ClientProtocolError


def broken_protocol(error: ClientProtocolError) -> bytes:
    """The client broke the protocol."""
    return fatal(error.sqlstate, str(error))


def shutdown(fate: Mapping[str, str] | None = None, codec: str = "utf-8") -> bytes:
    """As a server that shuts down ends a session (57P01); ``fate`` as in ``connection_lost``."""
    words = "terminating connection due to administrator command"
    return fatal("57P01", words, **and_its_fate({"D": "Interlock is shutting down."}, fate or {}, codec))


def internal_error() -> bytes:
    """A defect of ours: both connections are closed, nothing is guessed."""
    words = "interlock: internal error; the connection is closed"
    return fatal("XX000", words, H="The log of Interlock has the details.")


def connection_lost(last_words: Mapping[str, str] | None, fate: Mapping[str, str], codec: str = "utf-8") -> bytes:
    """The server is gone while Interlock used its connection: what it said last, or that it said nothing (08006).

    ``fate``: what became of a transaction that had put something off; ``codec``: how the client reads it.
    """
    if last_words:
        return messages.error_response(and_its_fate(last_words, fate, codec))
    detail = "It happened while Interlock ran a statement for this client; what was committed before stays."
    words = "server closed the connection unexpectedly"
    return fatal("08006", words, **{"D": detail, **and_its_fate({}, fate, codec)})


def and_its_fate(last_words: Mapping[str, str], fate: Mapping[str, str], codec: str) -> dict[str, str]:
    """The server's last words, with this DETAIL and HINT in front of its own, which know nothing of jobs."""
    ours = {key: text.encode(codec, "replace").decode("utf-8", "surrogateescape") for key, text in fate.items()}
    return {**last_words, **{k: "\n".join(filter(None, (text, last_words.get(k)))) for k, text in ours.items()}}


def committed(left: Sequence[Job] | None) -> dict[str, str]:
    """DETAIL and HINT where the server has answered COMMIT; ``left`` are the jobs to be done, None if they are not known."""
    if left is None:
        detail = "The migration is committed; what waited for its COMMIT is not done yet."
    elif left:
        told = "; ".join(f"job {job.id}: {job.title}" for job in left)
        detail = f"The migration is committed, but not finished. Left are {told}"
    else:
        return {"D": "The migration is committed, and nothing of it is left.", "H": "Do not run the migration again."}
    hint = "Do not run the migration again. What is left is done by the next session of this login, or by: interlock jobs run"
    return {"D": detail, "H": hint}


def unanswered() -> dict[str, str]:
    """DETAIL and HINT where COMMIT was sent, and the server has not answered it."""
    return {
        "D": "COMMIT was sent, and not answered: whether the migration is committed is not known here.",
        "H": "Look before you run the migration again: interlock jobs list shows what it has put off, if it was committed"
        " and no other session has done that since.",
    }


def fatal(sqlstate: str, message: str, **fields: str) -> bytes:
    """An ErrorResponse that ends the session; ``fields`` by their letters.

    https://www.postgresql.org/docs/current/protocol-error-fields.html
    """
    return messages.error_response({"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": message, **fields})
