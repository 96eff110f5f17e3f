"""What becomes of a migration whose connection is lost: what its client hears of it, and whether it is seen through.

Interlock knows more of that than the server's last words say: that COMMIT was sent, that it was answered, and
which jobs are left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from proxy.run.connection import Connection
from proxy.session import fatal
from proxy.session.prepared import BIND, PARSE, QUERY
from proxy.session.reading import Reading
from proxy.session.rest import Rest
from proxy.wire import messages

COMMITS = re.compile(rb"(?:\A|[\0;/\n])\s*(?:commit|end|prepare\s+transaction)\b", re.IGNORECASE)  # perhaps


class Fate:
    """Of the transaction that one session has open, or has just ended."""

    _committing = False  # what the client has sent since the server last had answered all may commit
    _parsed = (b"", True)  # the statement that it parsed last, and whether that may
    _has_heard = False  # from the server itself that its connection ends

    def __init__(self, own: Connection, rest: Rest, reading: Callable[[], Reading]) -> None:
        self._own, self._relay, self._rest, self._reading = own, own.relay, rest, reading

    def note(self, kind: int, body: bytes) -> None:
        """The client has sent this: does it commit what is put off?  Errs towards that where a statement was parsed long ago."""
        if kind == PARSE:
            self._parsed = (messages.read_parse(body)[0], COMMITS.search(body) is not None)
        elif kind in (QUERY, BIND):
            was = self._committing and not self._relay.quiet
            if kind == QUERY:
                self._committing = was or COMMITS.search(body) is not None
            else:
                name, may = self._parsed
                self._committing = was or may or messages.read_bind(body)[1] != name

    @property
    def commits(self) -> bool:
        """Whether the client has sent what commits its jobs, as far as is known, and the server has not answered it."""
        return self._rest.pending and self._committing and not (self._relay.quiet and self._relay.held is None)

    def reworded(self, last_words: Mapping[str, str]) -> bytes | None:
        """The ErrorResponse with which the server ends the connection, and what of the migration stays; None: it says all."""
        self._has_heard = True
        if not (fate := self._words()):
            return None
        return messages.error_response(fatal.and_its_fate(last_words, fate, self._reading().codec))

    def connection_lost(self) -> bytes:
        """What the client is to hear when the server is gone; nothing, if it has heard for itself."""
        fate = self._words()
        if self._has_heard or not (self._relay.capture or fate):
            return b""
        return fatal.connection_lost(self._own.last_words, fate, self._reading().codec)

    def shutdown(self) -> bytes:
        """What the client is to hear when Interlock ends it, whatever it does."""
        return fatal.shutdown(self._words(), self._reading().codec)

    def _words(self) -> dict[str, str]:
        """Of the transaction that has put something off; empty: nothing of it stays."""
        rest, relay = self._rest, self._relay
        if rest.began or (rest.pending and relay.status == b"I"):
            left = rest.left if rest.began else None
            if left or relay.last_tag == b"COMMIT":
                return fatal.committed(left)
            return fatal.unanswered() if left is None and relay.last_tag != b"ROLLBACK" else {}
        return fatal.unanswered() if self.commits else {}
