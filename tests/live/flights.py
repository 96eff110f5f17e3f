"""How a client sends statements: the ways of real drivers, with the data of a COPY and with limits of rows."""

from __future__ import annotations

from proxy.wire import messages as m
from tests.live.raw import Answer, Raw
from tests.live.stories import COPIES, KEPT, Flight

S, H = m.sync(), m.flush()
ROWS = 2
"""As many as "limited" and "portals" ask for at a time."""


def fly(raw: Raw, flight: Flight, gid: str) -> list[Answer]:
    """Send a flight as its way says, and hear the answers to all of it; ``gid`` stands in for the one of the story."""
    said: list[Answer] = []
    texts = [statement.replace("same_gid", gid).encode() for statement in flight.statements]
    match flight.way:
        case "simple":
            for text in texts:
                said += _asked(raw, text, [text])
        case "string":
            said += _asked(raw, b"; ".join(texts), texts)
        case "queries":
            raw.send(*(m.query(text) + _data(text) for text in texts))
            said += raw.until(*"Z" * len(texts))
        case "extended":
            for text in texts:
                raw.send(_run(text), S)
                said += raw.until("Z")
        case "pipeline":
            raw.send(*(_run(text) for text in texts), S)
            said += raw.until("Z")
        case "syncs":
            raw.send(*(_run(text) + S for text in texts))
            said += raw.until(*"Z" * len(texts))
        case "named":
            for text in texts:
                raw.send(m.close(b"S", b"s"), m.parse(b"s", text), m.describe(b"S", b"s"), S)
                raw.send(m.bind(b"", b"s"), m.execute(b""), _data(text), S)
                said += raw.until("Z", "Z")
        case "flush":
            for text in texts:
                said += _as_postgrex(raw, text)
        case "limited":
            for text in texts:
                said += _by_rows(raw, text)
        case "portals":
            said += _left_open(raw, texts)
        case "kept":
            for text in texts:
                kept = text.decode() in KEPT
                raw.send(m.bind(b"", text) + m.describe(b"P", b"") + m.execute(b"") if kept else _run(text), S)
                said += raw.until("Z")
        case _:
            raise AssertionError(flight.way)
    return said


def keep(raw: Raw) -> None:
    """Prepare what is kept, in a session that has just begun."""
    for text in KEPT:
        raw.send(m.parse(text.encode(), text.encode()), S)
        raw.until("Z")


def _run(text: bytes) -> bytes:
    return m.parse(b"", text) + m.bind(b"", b"") + m.describe(b"P", b"") + m.execute(b"") + _data(text)


def _data(text: bytes) -> bytes:
    """What a client sends behind a COPY, whether or not the server takes it."""
    data = COPIES.get(text.decode())
    if data is None:
        return b""
    body = b"".join(
        b"d" + (len(line) + 4).to_bytes(4, "big") + line for line in data.encode().splitlines(keepends=True)
    )
    return body + (m.copy_fail(b"changed my mind") if data == "" else b"c\0\0\0\4")


def _asked(raw: Raw, query: bytes, texts: list[bytes]) -> list[Answer]:
    """A Query; the data of a COPY is sent when the server asks for it."""
    copies = [_data(text) for text in texts if text.decode() in COPIES]
    raw.send(m.query(query))
    said: list[Answer] = []
    while not said or said[-1][0] != "Z":
        said.append(raw.next(said))
        if said[-1][0] == "G":
            raw.send(copies.pop(0))
    return said


def _as_postgrex(raw: Raw, text: bytes) -> list[Answer]:
    said: list[Answer] = []
    raw.send(m.parse(b"", text), m.describe(b"S", b""), H)
    while not said or said[-1][0] not in "nTE":
        said.append(raw.next(said))
    if said[-1][0] != "E":
        raw.send(m.bind(b"", b""), m.execute(b""), _data(text), m.close(b"S", b""))
    raw.send(S)
    return said + raw.until("Z")


def _by_rows(raw: Raw, text: bytes) -> list[Answer]:
    """As JDBC with a fetch size: some rows at a time, without a Sync in between."""
    said: list[Answer] = []
    raw.send(m.parse(b"", text), m.bind(b"", b""), m.describe(b"P", b""), m.execute(b"", ROWS), _data(text), H)
    while not said or said[-1][0] not in "CIE":
        said.append(raw.next(said))
        if said[-1][0] == "s":
            raw.send(m.execute(b"", ROWS), H)
    raw.send(S)
    return said + raw.until("Z")


def _left_open(raw: Raw, texts: list[bytes]) -> list[Answer]:
    """Each with a portal of its own, which is asked for the rest when all have been begun."""
    said: list[Answer] = []
    begun: list[bytes] = []
    for n, text in enumerate(texts):
        portal = b"p%d" % n
        raw.send(
            m.parse(b"", text), m.bind(portal, b""), m.describe(b"P", portal), m.execute(portal, ROWS), _data(text), S
        )
        answer = raw.until("Z")
        said += answer
        if any(kind == "s" for kind, _ in answer):
            begun.append(portal)
    for portal in begun:
        raw.send(m.execute(portal), m.close(b"P", portal), S)
        said += raw.until("Z")
    return said
