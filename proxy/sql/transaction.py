"""Transaction control."""

from __future__ import annotations

from proxy.sql.cursor import Cursor
from proxy.sql.statements import Transaction


def transaction(c: Cursor) -> Transaction:
    """BEGIN, START, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE."""
    match c.name():
        case "begin":
            c.take_one("work", "transaction")
            return Transaction("BEGIN", read_only=_modes(c))
        case "start":
            c.need("transaction")
            return Transaction("BEGIN", read_only=_modes(c))
        case "savepoint":
            c.name()
            return Transaction("SAVEPOINT")
        case "release":
            _savepoint(c)
            return Transaction("RELEASE")
        case "commit" if c.take("prepared"):
            c.string()
            return Transaction("COMMIT PREPARED")
        case "commit" | "end":
            c.take_one("work", "transaction")
            return Transaction("COMMIT", _chain(c))
        case _:
            return _rollback(c)


def prepare_transaction(c: Cursor) -> Transaction:
    """What follows ``PREPARE TRANSACTION``."""
    c.string()
    return Transaction("PREPARE TRANSACTION")


def _rollback(c: Cursor) -> Transaction:
    """What follows ROLLBACK or ABORT."""
    if c.take("prepared"):
        c.string()
        return Transaction("ROLLBACK PREPARED")
    c.take_one("work", "transaction")
    if c.take("to"):
        _savepoint(c)
        return Transaction("ROLLBACK TO")
    return Transaction("ROLLBACK", _chain(c))


def _savepoint(c: Cursor) -> None:
    """``[SAVEPOINT] name``; savepoint is a name too."""
    if c.peek(1) is not None:
        c.need("savepoint")
    c.name()


def _chain(c: Cursor) -> bool:
    """``[AND [NO] CHAIN]``"""
    if not c.take("and"):
        return False
    chain = not c.take("no")
    c.need("chain")
    return chain


def _modes(c: Cursor) -> bool | None:
    """``ISOLATION LEVEL …``, READ ONLY and the like, with or without commas between them; whether it is to be read-only, if said."""
    read_only: bool | None = None
    while not c.done:
        if c.take("isolation", "level"):
            c.need_phrase("serializable", "repeatable read", "read committed", "read uncommitted")
        else:
            phrase = c.need_phrase("read only", "read write", "deferrable", "not deferrable")
            read_only = phrase == "read only" if phrase.startswith("read") else read_only
        c.take(",")
    return read_only
