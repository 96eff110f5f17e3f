"""Plays: conversations as text, a message a line in libpq's words, performed by a relay.

    C>S Query "select 1"      the client sends it, the server gets it, unchanged
    C>  Query "create …"      the client sends it
    S<  Query "create …"      the server gets it
    S>C ReadyForQuery I       the server sends it, the client gets it, unchanged
    S>  ReadyForQuery I       the server sends it
    C<  ReadyForQuery I       the client gets it
    own Sync                  the relay's owner sends it to the server
    pass · drop · replace Query "…"         what becomes of the held message
    capture on · capture off · captured ReadyForQuery I
    is quiet status=T owed=PBE executes=1 pipeline skipping copying=in held=Q tag="CREATE TABLE"

``is`` claims the whole state: what it does not name is false or empty (``tag``, ``unexpected`` and ``parameter``
only where named).  ``watch Query create`` holds messages of the type whose body contains the word; ``from the start``
omits the login.  A play's first lines, up to an empty one, say what it shows.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from proxy.wire import messages as m
from proxy.wire.relay import Relay
from proxy.wire.trace import BACKEND, FRONTEND, trace

_TYPES = {side: {name: kind for kind, name in table.items()} for side, table in (("F", FRONTEND), ("B", BACKEND))}
_FRONTEND: dict[str, Callable[..., bytes]] = {
    "Query": m.query,
    "Parse": m.parse,
    "Bind": m.bind,
    "Describe": m.describe,
    "Execute": lambda portal, limit=b"0": m.execute(portal, int(limit)),
    "Close": m.close,
    "CopyFail": m.copy_fail,
}
_BACKEND: dict[str, Callable[..., bytes]] = {
    "CommandComplete": m.command_complete,
    "ReadyForQuery": m.ready_for_query,
    "RowDescription": lambda *names: m.row_description([name.decode() for name in names]),
    "DataRow": lambda *values: m.data_row(values),
    "ErrorResponse": lambda code: m.error_response({"S": "ERROR", "C": code.decode(), "M": "no"}),
    "NoticeResponse": lambda text: m.notice_response({"S": "NOTICE", "C": "00000", "M": text.decode()}),
    "ParameterStatus": lambda name, value: m.parameter_status(name.decode(), value.decode()),
    "BackendKeyData": lambda pid, key: m.backend_key_data(int(pid), key),
    "Authentication": lambda code, *names: m.authentication(
        int(code), b"".join(name + b"\0" for name in names) + b"\0" if names else b""
    ),
}


def build(side: str, text: str) -> bytes:
    """The bytes of a message; one that the tables do not know has its only word for a body."""
    name, *words = (word.encode() for word in shlex.split(text))
    builder = (_FRONTEND if side == "F" else _BACKEND).get(name.decode())
    if builder is not None:
        return builder(*words)
    body = b"".join(words)
    return _TYPES[side][name.decode()].encode() + (len(body) + 4).to_bytes(4, "big") + body


class Stage:
    """A relay, and what has gone on in either direction but was not claimed yet."""

    def __init__(self, script: list[str]) -> None:
        self.wanted: list[tuple[int, bytes]] = []
        names = [line.split(maxsplit=2)[1:] for line in script if line.startswith("watch ")]
        self.wanted = [(ord(_TYPES["F"][name]), word[0].encode() if word else b"") for name, *word in names]
        self.relay = Relay(self._watch)
        if "from the start" not in script:
            self.relay.from_server(m.authentication(0) + m.ready_for_query(b"I"))
        self.to_server = b""
        self.to_client = b""

    def _watch(self, kind: int, body: bytes) -> bool:
        return any(kind == wanted and word in body for wanted, word in self.wanted)

    def perform(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        relay = self.relay
        match word:
            case "C>" | "C>S":
                self.to_server += relay.from_client(build("F", rest))
            case "S>" | "S>C":
                self.to_client += relay.from_server(build("B", rest))
            case "own":
                relay.own(build("F", rest))
            case "pass":
                self.to_server += relay.pass_held()
            case "drop":
                self.to_server += relay.drop_held()
            case "replace":
                self.to_server += relay.replace_held(build("F", rest))
            case "capture":
                relay.capture = rest == "on"
            case "captured":
                assert relay.captured.popleft().raw == build("B", rest)
            case "is":
                assert state(relay, rest) == {**_NOTHING, **claimed(rest)}
            case "watch" | "from":
                pass
            case "S<" | "C<":
                pass
            case _:
                raise ValueError(f"not a line of a play: {line}")
        if word in ("S<", "C>S"):
            self.to_server = _expect("F", self.to_server, build("F", rest))
        elif word in ("C<", "S>C"):
            self.to_client = _expect("B", self.to_client, build("B", rest))


_NOTHING = {
    "quiet": False,
    "status": "",
    "owed": "",
    "executes": "0",
    "pipeline": False,
    "skipping": False,
    "copying": "",
    "held": "",
}


def state(relay: Relay, asked: str) -> dict[str, str | bool]:
    """What ``is`` claims about; the optional ones only if asked for."""
    found: dict[str, str | bool] = {
        "quiet": relay.quiet,
        "status": relay.status.decode(),
        "owed": "".join(chr(kind) if kind else "^" for kind in relay.owed),
        "executes": str(relay.executes),
        "pipeline": relay.pipeline_open,
        "skipping": relay.skipping,
        "copying": relay.copying,
        "held": chr(relay.held.type) if relay.held else "",
    }
    if "tag=" in asked:
        found["tag"] = relay.last_tag.decode()
    if "unexpected=" in asked:
        found["unexpected"] = str(relay.unexpected)
    if "parameter=" in asked:
        found["parameter"] = ",".join(f"{name}:{value}" for name, value in relay.parameters.items())
    return found


def claimed(text: str) -> dict[str, str | bool]:
    pairs = (word.partition("=") for word in shlex.split(text))
    return {name: value if equals else True for name, equals, value in pairs}


def _expect(side: str, have: bytes, want: bytes) -> bytes:
    assert list(trace(side, have[: len(want)])) == list(trace(side, want))
    assert have[: len(want)] == want
    return have[len(want) :]


def perform(path: Path) -> None:
    """Perform a play; AssertionError names the line at which it went otherwise."""
    lines = path.read_text().splitlines()
    script = lines[lines.index("") :] if "" in lines else lines
    offset = len(lines) - len(script)
    stage = Stage(script)
    for number, line in enumerate(script, offset + 1):
        stripped = line.partition(" #")[0].strip()
        if not stripped:
            continue
        try:
            stage.perform(stripped)
        except AssertionError as wrong:
            raise AssertionError(f"{path.name}:{number}: {stripped}\n{wrong}") from wrong
    assert (stage.to_server, stage.to_client) == (b"", b""), f"{path.name}: bytes went on that no line expects"
