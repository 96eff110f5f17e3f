"""SET, RESET, SHOW and DISCARD: what a session has set."""

from __future__ import annotations

from proxy.sql.cursor import Cursor
from proxy.sql.statements import Node, Other, SetVariable, Show

# Settings with words of their own.
SET_PHRASES = {
    "transaction snapshot": "transaction snapshot", "transaction": "transaction",
    "session characteristics as transaction": "session characteristics", "time zone": "timezone", "schema": "search_path",
    "names": "client_encoding", "role": "role", "session authorization": "session_authorization", "xml option": "xmloption",
}  # fmt: skip
RESET_PHRASES = {
    "time zone": "timezone",
    "transaction isolation level": "transaction_isolation",
    "session authorization": "session_authorization",
}


def set_variable(c: Cursor) -> Node:
    c.need("set")
    if c.at("constraints") and not _assigned(c, 1):
        c.need("constraints")
        c.need_rest("ALL or names")
        return Other("SET CONSTRAINTS")
    local = False
    if not _assigned(c, 1):
        local = c.take("local")
        if not local and not c.at("session", "authorization") and not c.at("session", "characteristics", "as"):
            c.take("session")
    for phrase, name in SET_PHRASES.items():
        words = phrase.split()
        if c.at(*words) and not _assigned(c, len(words)):
            c.take(*words)
            if name != "client_encoding":  # SET NAMES alone is the default
                c.need_rest("a value")
            c.rest()
            return SetVariable(name, local)
    name = _variable(c)
    if not c.take("from", "current"):
        if not c.take("to"):
            c.need("=")
        c.need_rest("a value")
    return SetVariable(name, local)


def reset_variable(c: Cursor) -> SetVariable:
    c.need("reset")
    if c.take("all"):
        return SetVariable(None)
    for phrase, name in RESET_PHRASES.items():
        if c.take(*phrase.split()):
            return SetVariable(name)
    return SetVariable(_variable(c))


def show(c: Cursor) -> Show:
    c.need("show")
    for phrase, name in RESET_PHRASES.items():
        if c.take(*phrase.split()):
            return Show(name)
    return Show(_variable(c))


def discard(c: Cursor) -> Node:
    c.need("discard")
    what = c.need_one("all", "temp", "temporary", "plans", "sequences")
    return SetVariable(None) if what == "all" else Other("DISCARD", options=frozenset({what.upper()}))


def _variable(c: Cursor) -> str:
    return ".".join(c.path().parts).lower()


def _assigned(c: Cursor, ahead: int) -> bool:
    """Whether what comes ``ahead`` words from here makes them a setting's name."""
    return any(c.at(*words, ahead=ahead) for words in (("=",), ("to",), (".",), ("from", "current")))
